// What differs between the eras of the timer core (XT 0): one table of functions each. All else is shared.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "ticklab/model/xen/changes.hpp"
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
    /// Eras that publish one value publish it as both (XT 7.4).
    Stime start = kNoDeadline;
    Stime end = kStimeMax;
    /// What the hardware is to be programmed for.
    Stime hardware = kNoDeadline;
    /// Members of the group; 0 where there is none.
    std::uint32_t size = 0;
    /// The timer that decides `start`: the cause of the interrupt to come.
    sim::Cause cause;
};

/// Where the members of the group that a deadline stands for wait.
enum class GroupPlace : std::uint8_t { kNone, kOverflowList, kReadyList };

struct VariantPolicy {
    std::string_view name;
    /// Execution test.
    bool (*due)(const Timer& timer, Stime now, StimeSpan slop);
    /// What set() stores as the end of the timer's range.
    Stime (*range_end)(Stime when, StimeSpan slop);
    /// An insertion that overflows is remembered apart from the list, if the list also holds the group.
    void (*note_overflow)(sim::Cpu& cpu, TimerBase& base);
    /// Whether the heap should grow at the start of a pass; without the lock.
    bool (*wants_growth)(sim::Cpu& cpu, TimerBase& base);
    /// What happens between sampling the time and computing the deadline, in order.
    std::span<void (*const)(Pass&)> steps;
    /// Computes what to publish; may move timers about.
    Deadline (*compute_deadline)(Pass& pass);
    GroupPlace group;
    /// Latest instant for which the hardware may be armed while these timers are queued (XT-I7); kStimeMax for none.
    Stime (*wanted_by)(const TimerBase& base, StimeSpan slop);
    /// The callback of a timer set for `when` starts at a later system time than this (XT-P1).
    Stime (*earliest)(Stime when, StimeSpan slop);
    /// Latest instant at which a timer set now for `when` is promised to run, hardware and machine effects aside.
    Stime (*latest)(Stime when, Stime now, StimeSpan slop);
};

/// Before October 2008: runs what is due within slop, so up to that early.
extern const VariantPolicy kVariantV0;
/// Proposal mailed in October 2008: ranges with a ready list and the midpoint. Never merged as such.
extern const VariantPolicy kVariantVR;
/// 31 October to 4 December 2008: waits for the end of the range, for which the hardware is not programmed (XT-F1).
extern const VariantPolicy kVariantV1;
/// 4 December 2008 to August 2010; with inactive timers tracked it is C2010.
extern const VariantPolicy kVariantV2;
/// August 2010 to May 2014: one deadline, the earliest timer and slop.
extern const VariantPolicy kVariantV3;
/// From May 2014: one deadline, the earliest timer but not before slop from now.
extern const VariantPolicy kVariantV4;

inline constexpr std::array<std::string_view, 6> kVariantNames{"V0", "VR", "V1", "V2", "V3", "V4"};

/// The policy of that name; null if there is none.
const VariantPolicy* find_variant(std::string_view name);

/// The era of a release, as the changes in force leave it: XEN-14, XEN-11 and XEN-13 tell neighbouring eras apart.
const VariantPolicy& variant_of(std::string_view version, const XenChanges& changes);

}  // namespace ticklab::xen
