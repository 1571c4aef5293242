// The timer object and its life (XT 1.1, 2).
//
// Rules
//  (1) A timer belongs to one CPU at a time; that CPU's base lock guards everything here but `cpu`, which may be
//      read without it (XT 3.2) and is written with it.
//  (2) Where a timer is linked follows from `status`, and only that link means anything (XT-I1).
//  (3) kInvalid is seen only inside a critical section, or before the first init (XT-I4).
//  (4) The memory of a timer may be reused after kill only: an inactive one is still linked (XT 1.6).
#pragma once

#include <boost/intrusive/list_hook.hpp>
#include <boost/intrusive/slist_hook.hpp>
#include <cstdint>
#include <string_view>

#include "ticklab/model/xen/stime.hpp"
#include "ticklab/sim/memory.hpp"
#include "ticklab/sim/record.hpp"

namespace ticklab::sim {
class Cpu;
}

namespace ticklab::xen {

enum class TimerStatus : std::uint8_t {
    kInvalid = 0,
    kInactive = 1,
    kKilled = 2,
    kInHeap = 3,
    kInList = 4,
    kInReady = 5,  ///< VR only (XT-D8)
};

constexpr std::string_view status_name(TimerStatus s) {
    constexpr std::string_view kNames[] = {"invalid", "inactive", "killed", "in_heap", "in_list", "in_ready"};
    return kNames[static_cast<std::uint8_t>(s)];
}

/// Whether a timer of that status will fire.
constexpr bool is_queued(TimerStatus s) {
    return s == TimerStatus::kInHeap || s == TimerStatus::kInList || s == TimerStatus::kInReady;
}

/// Runs in softirq context on the owner CPU, interrupts enabled, no base lock held (XT 3.1).
using TimerFunction = void (*)(sim::Cpu& cpu, void* argument);

/// Owner of a killed timer, in eras that mark it so.
inline constexpr sim::CpuId kKilledOwner = sim::kNoCpu;

struct Timer {
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    /// Earliest instant at which the callback may run; strictly later, in fact (XT-P1).
    Stime expires{};
    /// Latest instant at which it is wanted; `expires` in the eras that store no range.
    Stime expires_end{};
    TimerStatus status = TimerStatus::kInvalid;
    /// kInHeap: place in the heap, from 1. Zero: none.
    std::uint32_t heap_index = 0;
    /// kInList or kInReady.
    boost::intrusive::slist_member_hook<> list_hook;
    /// kInactive.
    boost::intrusive::list_member_hook<> inactive_hook;
    TimerFunction fn = nullptr;
    void* argument = nullptr;
    /// Owner; kNoCpu where it is killed and the era marks that here (XT 13.2).
    sim::Shared<sim::CpuId> cpu{sim::kNoCpu};

    /// The set that is in force: cause of the expiry.
    sim::Cause armed_by;
    /// Index of its name in the machine's table.
    std::uint64_t object = 0;
    /// Its number in the scenario; kNoNumber for the hypervisor's own.
    std::uint32_t number = kNoNumber;
    static constexpr std::uint32_t kNoNumber = 0xffffffff;
    /// CPU on whose structures it is linked. For a check: `cpu` is where it should be.
    sim::CpuId linked_on = sim::kNoCpu;
    /// An init is under way: no other operation may be (XT 2.3).
    bool initialising = false;
    /// An init was ever begun.
    bool initialised = false;
};

}  // namespace ticklab::xen
