// Who runs the global timers of a sleeping CPU: what the timer wheel and the tick ask of a placement, and what that
// asks of them. One implementation a placement (local, push, tmigr-2017, tmigr); the wheel is the same under all (LTW,
// TMM 1.2).
#pragma once

#include "ticklab/model/linux/ktime.hpp"
#include "ticklab/sim/cpu.hpp"

namespace ticklab::linux_ {

/// A CPU's next events (LTW 12.3): kKtimeMax for none. `global` is none wherever the local one is not later, since the
/// CPU wakes by itself then.
struct NextEvents {
    Ktime local = kKtimeMax;
    Ktime global = kKtimeMax;
};

/// What a migration needs of the wheel.
class RemoteBases {
public:
    virtual ~RemoteBases() = default;
    /// The jiffies pair, under its sequence counter. Any context. [point]
    virtual JiffiesPair jiffies(sim::Cpu& cpu) = 0;
    /// Runs what is due of the global base of `target`: softirq context, interrupts on, no lock held (LTW 9.2). [point]
    virtual void run_global(sim::Cpu& cpu, sim::CpuId target) = 0;
    /// Locks the local base of `target`, then its global one: interrupts off. [point]
    virtual void lock_bases(sim::Cpu& cpu, sim::CpuId target) = 0;
    virtual void unlock_bases(sim::Cpu& cpu, sim::CpuId target) = 0;
    /// Next events of `target` (LTW 12.4): its bases are locked. [window]
    virtual NextEvents next_events(sim::Cpu& cpu, sim::CpuId target, const JiffiesPair& now) = 0;
    /// Whether the local base of this CPU is marked idle: interrupts off.
    virtual bool local_base_idle(const sim::Cpu& cpu) const = 0;
};

/// What wheel, tick and hotplug ask of a placement that pulls (TMM 1.2). Times are those of tick edges, never the raw
/// clock (TMM 1.3).
class TimerMigration {
public:
    virtual ~TimerMigration() = default;

    /// The CPU's base is not idle: when it would have to wake if it went idle now. Changes nothing. Interrupts off, own
    /// base locks held. (TMM 11)
    virtual Ktime quick_check(sim::Cpu& cpu, Ktime next) = 0;
    /// The CPU wants to go idle: when it must wake for its own global timers and those of others. Interrupts off, own
    /// base locks held. (TMM 7)
    virtual Ktime deactivate(sim::Cpu& cpu, Ktime next) = 0;
    /// The idle CPU has looked at its timers again. Interrupts off, own base locks held. (TMM 10)
    virtual Ktime new_timer(sim::Cpu& cpu, Ktime next) = 0;
    /// The CPU leaves idle (no base lock held), or a deactivation is undone (own base locks held). Interrupts off. (TMM
    /// 6)
    virtual void activate(sim::Cpu& cpu) = 0;
    /// Whether this CPU should raise its TIMER softirq for others: in the tick, hard irq. (TMM 9.1)
    virtual bool requires_remote(sim::Cpu& cpu) = 0;
    /// Runs what is due of others: TIMER softirq, interrupts on. (TMM 9.2)
    virtual void handle_remote(sim::Cpu& cpu) = 0;

    /// PREPARE of `target`, on an awake control CPU or, for the boot CPU, on itself: false if memory is short.
    /// (TMM 13.1)
    virtual bool prepare(sim::Cpu& cpu, sim::CpuId target) = 0;
    /// The CPU takes part from here on: on itself, in a thread that may sleep. False if it was not prepared. (TMM 12.1)
    virtual bool set_available(sim::Cpu& cpu) = 0;
    /// The CPU takes part no longer: on itself, in a thread that may sleep. (TMM 12.2)
    virtual void clear_available(sim::Cpu& cpu) = 0;
};

}  // namespace ticklab::linux_
