// What each CPU has for its timers: three bases (LTW 3.3).
//
// Rules
//  (1) `lock` guards the wheel, `running` and the timers in it, and is taken with interrupts disabled. Of the bases of
//      one CPU the lower index is locked first; of a dead CPU and a receiver, the receiver's (LTW 3.4).
//  (2) `next_expiry` is what the lockless looks of the tick and of the softirq read: it follows the wheel before the
//      lock is released (LTW 9.2, 10.2).
//  (3) `running` is written with the lock held only: it is the witness that at most one CPU executes callbacks of a
//      base at a time (LTW 9.6).
#pragma once

#include <fmt/format.h>

#include "ticklab/model/linux/wheel.hpp"
#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::linux_ {

inline constexpr std::array<const char*, kBasesPerCpu> kBaseNames{"local", "global", "deferrable"};

/// Figures of one base over a run. Observers read them; nothing decides by them.
struct BaseCounters {
    std::uint64_t enqueued = 0;
    std::uint64_t requeues_saved = 0;  ///< modifications that stayed in their bucket
    std::uint64_t expired = 0;
    std::uint64_t expired_remotely = 0;  ///< of them, by another CPU than the base's
    std::uint64_t cancelled = 0;
    std::uint64_t kicks = 0;  ///< enqueues that woke the base's idle CPU
    std::uint64_t moved_away = 0;
    std::uint64_t pushed = 0;         ///< enqueues by a placement that chose this CPU for another (LPP 10)
    std::uint64_t pushed_wasted = 0;  ///< of them, those deleted or moved before they expired (LPP X1)
    std::uint64_t pushed_asleep = 0;  ///< of them, those that expired when the CPU's tick was stopped (LPP X2)
};

struct TimerBase {
    TimerBase(sim::Machine& machine, sim::LockClass& lock_class, sim::CpuId owner, BaseIndex which, unsigned levels,
              Jiffies now)
        : cpu(owner),
          index(which),
          lock(machine, lock_class,
               fmt::format("{} timer base {}", kBaseNames[static_cast<std::size_t>(which)], owner)),
          wheel(levels),
          next_expiry((now + ticklab::linux_::wheel::kHorizon).count()),
          clk_seen(now) {
        wheel.reset(now);
    }

    /// The wheel: lock held.
    Wheel& locked(sim::Cpu& at) {
        sim::require_lock_held(at, lock);
        return wheel;
    }

    const sim::CpuId cpu;
    const BaseIndex index;
    sim::SpinLock lock;
    Wheel wheel;
    sim::Shared<std::uint64_t> next_expiry;
    sim::Shared<Timer*> running{nullptr};
    /// The owner's tick is stopped: whoever queues a timer here wakes it (LTW 6.4).
    sim::Shared<bool> is_idle{false};

    /// The CPU that executes callbacks of this base, and whether it is between dropping and taking the lock (W7).
    sim::CpuId runner = sim::kNoCpu;
    /// The clock at the last check (W3).
    Jiffies clk_seen;
    std::uint32_t releases_since_check = 0;
    BaseCounters counters;
};

}  // namespace ticklab::linux_
