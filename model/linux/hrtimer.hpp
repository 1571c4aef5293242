// High-resolution timers: the timer, its clock bases and what a CPU has of them (LHR 2).
//
// Rules
//  (1) The lock of the CPU that `base` belongs to guards a timer. Without it `base` and `state` may be read as
//      hints, at the price of `line`.
//  (2) `base` is null while a timer is between two CPUs, and nobody may lock a CPU for it (LHR 2.3, 8.2).
//  (3) Running is not a state of the timer: it is the base's `running`, so a timer may be queued and running.
#pragma once

#include <fmt/format.h>

#include <array>
#include <boost/intrusive/set.hpp>
#include <cstdint>

#include "ticklab/model/linux/ktime.hpp"
#include "ticklab/sim/cache_line.hpp"
#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::sim {
class Cpu;
}

namespace ticklab::linux_ {

struct Hrtimer;
struct HrtimerCpu;

enum class HrtimerRestart : std::uint8_t { kNoRestart, kRestart };
/// Hard timers: in the interrupt, interrupts off. Soft ones: in the HRTIMER softirq, interrupts on. No lock held.
using HrtimerFunction = HrtimerRestart (*)(sim::Cpu& cpu, Hrtimer& timer, void* argument);

enum class ClockId : std::uint8_t { kMonotonic, kRealtime, kBoottime, kTai };
inline constexpr std::size_t kClockCount = 4;
/// Hard bases, then soft ones (LHR 2.2).
inline constexpr std::size_t kClockBases = 2 * kClockCount;
inline constexpr std::uint32_t kHardBases = (1u << kClockCount) - 1;
inline constexpr std::uint32_t kSoftBases = kHardBases << kClockCount;

/// How a timer is started (LHR 2.4).
struct HrtimerMode {
    bool relative = false;
    bool pinned = false;
    bool soft = false;
    bool hard = false;
};

enum class HrtimerState : std::uint8_t { kInactive, kEnqueued };

using HrtimerHook = boost::intrusive::set_member_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>>;

struct HrtimerClockBase;

struct Hrtimer {
    Hrtimer() = default;
    Hrtimer(const Hrtimer&) = delete;
    Hrtimer& operator=(const Hrtimer&) = delete;

    HrtimerHook hook;
    /// The key: it must have run by then.
    Ktime expires{};
    /// It may run from then on.
    Ktime soft_expires{};
    HrtimerClockBase* base = nullptr;
    /// Which of a CPU's clock bases it belongs to, whatever the CPU.
    std::size_t base_index = 0;
    HrtimerState state = HrtimerState::kInactive;
    bool is_soft = false;
    HrtimerFunction function = nullptr;
    void* argument = nullptr;
    sim::CacheLine line;

    sim::Cause armed_by;
    std::uint64_t object = 0;
    std::uint64_t function_name = 0;
    std::uint32_t number = 0xffff'ffff;
};

struct EarlierHardExpiry {
    bool operator()(const Hrtimer& a, const Hrtimer& b) const { return a.expires < b.expires; }
};
/// Ordered by hard expiry, equal ones in the order of insertion (LHR 2.5).
using HrtimerQueue = boost::intrusive::multiset<Hrtimer, boost::intrusive::compare<EarlierHardExpiry>,
                                                boost::intrusive::member_hook<Hrtimer, HrtimerHook, &Hrtimer::hook>>;

struct HrtimerClockBase {
    HrtimerCpu* cpu_base = nullptr;
    std::size_t index = 0;
    HrtimerQueue queue;
    /// What is added to monotonic time to get this clock's.
    KtimeSpan offset{};
    sim::Shared<Hrtimer*> running{nullptr};

    bool soft() const { return index >= kClockCount; }
    /// Hard expiry of a timer here in monotonic time, not before boot.
    Ktime monotonic(const Hrtimer& t) const {
        if (t.expires == kKtimeMax)
            return kKtimeMax;
        return std::max(t.expires - offset, ktime_at(0));
    }
};

struct HrtimerCpu {
    HrtimerCpu(sim::Machine& machine, sim::LockClass& lock_class, sim::CpuId owner)
        : cpu(owner), lock(machine, lock_class, fmt::format("hrtimer base {}", owner)) {
        for (std::size_t i = 0; i < kClockBases; ++i) {
            bases[i].cpu_base = this;
            bases[i].index = i;
        }
    }

    const sim::CpuId cpu;
    sim::SpinLock lock;
    std::array<HrtimerClockBase, kClockBases> bases;
    /// Bit i: queue i is not empty.
    std::uint32_t active_bases = 0;
    /// What the device was asked for, in monotonic time.
    Ktime expires_next = kKtimeMax;
    /// Whose expiry that is. Only compared, never followed (LHR 5.1).
    const Hrtimer* next_timer = nullptr;
    Ktime softirq_expires_next = kKtimeMax;
    bool hres_active = false;
    bool in_hrtirq = false;
    bool hang_detected = false;
    bool softirq_activated = false;
    bool online = false;
    std::uint64_t nr_events = 0;
    std::uint64_t nr_retries = 0;
    std::uint64_t nr_hangs = 0;
    KtimeSpan max_hang_time{};
    std::uint64_t started = 0;
    std::uint64_t expired = 0;
};

}  // namespace ticklab::linux_
