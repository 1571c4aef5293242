// What differs between the eras of the timer core (XT 0): one table of functions each. All else is shared.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "ticklab/model/xen/stime.hpp"
#include "ticklab/sim/record.hpp"

namespace ticklab::sim {
class Cpu;
}

namespace ticklab::xen {

class Timers;
struct Timer;
struct TimerBase;

/// One run of the timer softirq's action (XT 6).
struct Pass {
    Timers& timers;
    sim::Cpu& cpu;
    TimerBase& base;
    /// Sampled once, under the lock.
    Stime now{};
    std::uint64_t executed = 0;
    /// The callback that ended last: the next one waited for it.
    sim::RecordId last_exit;
};

/// What a pass publishes, and for whom.
struct Deadline {
    Stime start = kNoDeadline;
    Stime end = kStimeMax;
    /// Members of the group; 0 where there is none.
    std::uint32_t size = 0;
    /// The timer that decides `start`: the cause of the interrupt to come.
    sim::Cause cause;
};

struct VariantPolicy {
    std::string_view name;
    /// Execution test.
    bool (*due)(const Timer& timer, Stime now, StimeSpan slop);
    /// What set() stores as the end of the timer's range.
    Stime (*range_end)(Stime when, StimeSpan slop);
    /// An insertion that overflows is remembered apart from the list, since the list also holds the group.
    void (*note_overflow)(sim::Cpu& cpu, TimerBase& base);
    /// Whether the heap should grow at the start of a pass; without the lock.
    bool (*wants_growth)(sim::Cpu& cpu, TimerBase& base);
    /// What happens between sampling the time and computing the deadline, in order.
    std::span<void (*const)(Pass&)> steps;
    /// Computes what to publish; may move timers about.
    Deadline (*compute_deadline)(Pass& pass);
    /// Latest instant at which a timer set now for `when` is promised to run, hardware and machine effects aside.
    Stime (*latest)(Stime when, Stime now, StimeSpan slop);
};

/// 4 December 2008 to August 2010; with inactive timers tracked it is C2010.
extern const VariantPolicy kVariantV2;

inline constexpr std::array<std::string_view, 1> kVariantNames{"V2"};

/// The policy of that name; null if there is none.
const VariantPolicy* find_variant(std::string_view name);

}  // namespace ticklab::xen
