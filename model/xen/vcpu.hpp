// A virtual CPU of a guest, and the names that scenarios use for it (XT 12).
//
// Rules
//  (1) The schedule lock of `processor` guards the run state: blocked, pauses, queued, pin. Who waits for that lock
//      reads `processor` again once it has it.
//  (2) `running` is true from the decision that it runs until its context is saved: till then no other CPU may run
//      it, and only the CPU that runs it gives it to another.
//  (3) `pending` is written by whoever posts an event, and read and cleared by the guest: atomic, no lock.
//  (4) `program` and the counters are the guest's and the observers': no other CPU decides by them.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "ticklab/model/xen/timer.hpp"
#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/lock.hpp"

namespace ticklab::xen {

/// Bits of Vcpu::pending.
inline constexpr std::uint32_t kTimerEvent = 0;
/// "Look around": what vcpu.wake posts.
inline constexpr std::uint32_t kOtherEvent = 1;
inline constexpr std::uint32_t kFirstIrqEvent = 2;
/// Guest interrupts are the pins of the I/O APIC.
inline constexpr std::uint32_t kIrqCount = 24;
inline constexpr std::uint32_t kEventCount = kFirstIrqEvent + kIrqCount;

inline constexpr std::uint32_t kMaxGuests = 64;
inline constexpr std::uint32_t kMaxVcpus = 64;

enum class VcpuTimer : std::uint8_t { kSingleshot, kPeriodic, kPoll };
inline constexpr std::array<std::string_view, 3> kVcpuTimerNames{"singleshot", "periodic", "poll"};

struct VcpuCounters {
    std::uint64_t timer_events = 0;    ///< posted, of the timer
    std::uint64_t coalesced = 0;       ///< of them, those that found the last one not taken yet
    std::uint64_t taken = 0;           ///< timer events that the guest took
    std::uint64_t periods_missed = 0;  ///< periods that one catch-up event stands for, less that one
    std::uint64_t refused = 0;         ///< hypercalls that failed
    std::uint64_t odd_timeouts = 0;    ///< legacy timeouts that were not honoured
    std::uint64_t poll_timeouts = 0;   ///< polls that ended by their time
    std::uint64_t switches = 0;        ///< times it was given a CPU
    std::uint64_t moves = 0;           ///< times it was given to another CPU's queue
    Stime last_timer_event{};
};

struct Vcpu {
    Vcpu(sim::Machine& machine, sim::LockClass& periodic_class, sim::LockClass& device_class,
         std::uint32_t guest_number, std::uint32_t vcpu_number, sim::CpuId first);
    Vcpu(const Vcpu&) = delete;
    Vcpu& operator=(const Vcpu&) = delete;

    const std::uint32_t guest;
    const std::uint32_t number;
    const std::string name;
    /// Index of its name in the machine's table.
    const std::uint64_t object;

    sim::Shared<sim::CpuId> processor;
    sim::Shared<bool> running{false};
    bool queued = false;
    bool blocked = false;
    unsigned pauses = 0;
    bool destroyed = false;
    std::optional<sim::CpuId> pin;
    /// Where it was when the system was suspended.
    sim::CpuId home = 0;
    Stime runnable_since{};

    sim::Atomic<std::uint32_t> pending{0};
    std::array<sim::RecordId, kEventCount> posted_by{};
    bool polling = false;
    /// The poll timer was set and not stopped since.
    bool poll_armed = false;

    Timer singleshot;
    Timer periodic;
    Timer poll;
    /// Guards `period` and `last_event` and serialises the work on the periodic timer; outside the schedule locks.
    sim::SpinLock periodic_lock;
    StimeSpan period{};
    Stime last_event{};

    /// Guards the emulated timer that is this vCPU's; outside the schedule locks and the timer bases.
    sim::SpinLock device_lock;

    /// What the guest is going to ask for, in order.
    std::deque<sim::VerbCall> program;
    /// Computing that the guest has before it, and the interrupt whose handler that is.
    sim::Duration work_left{};
    std::optional<std::uint32_t> handling;

    VcpuCounters counters;

    bool runnable() const { return !blocked && pauses == 0 && !destroyed; }
    Timer& timer(VcpuTimer which) {
        return which == VcpuTimer::kSingleshot ? singleshot : which == VcpuTimer::kPeriodic ? periodic : poll;
    }
};

/// "d1v0", and the timer after the dot in "d1v0.singleshot".
struct VcpuName {
    std::uint32_t guest;
    std::uint32_t vcpu;
    std::optional<VcpuTimer> timer;
};
/// None if `text` is no such name.
std::optional<VcpuName> parse_vcpu_name(std::string_view text);
/// A decimal number below 10^6 at the beginning of `text`, which loses it.
std::optional<std::uint32_t> take_number(std::string_view& text);

}  // namespace ticklab::xen
