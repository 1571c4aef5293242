// Who runs the global timers of a sleeping CPU: what the timer wheel and the tick ask of a placement, and what that
// asks of them. One implementation a placement (local, push, tmigr-2017, tmigr); the wheel is the same under all (LTW,
// TMM 1.2), but for what WheelForm says.
#pragma once

#include <functional>
#include <utility>

#include "ticklab/model/linux/ktime.hpp"
#include "ticklab/sim/cpu.hpp"

namespace ticklab::linux_ {

namespace push {
class Choice;
}

/// A CPU's next events (LTW 12.3): kKtimeMax for none. `global` is none wherever the local one is not later, since the
/// CPU wakes by itself then.
struct NextEvents {
    Ktime local = kKtimeMax;
    Ktime global = kKtimeMax;
};

/// What of wheel and tick was otherwise in the kernels that a placement belongs to.
struct WheelForm {
    /// All timers but the deferrable ones are on the local base (LPP 4.1).
    bool one_base = false;
    /// The query for the next event marks the base idle and asks the placement afterwards, with no lock held; who keeps
    /// the tick undoes it. Else the stop of the tick does both, under the base locks. (LPP 7.1, 7.2; TM17 7.1)
    bool query_marks_idle = false;
    /// The tick is stopped at idle entry and again at the end of each interrupt, and the governor looks at the device
    /// alone: before 4.17. (TM17 7.1)
    bool tick_stops_first = false;
    /// The reschedule interrupt has neither the entry nor the exit of other interrupts. (TM17 11.7)
    bool bare_reschedule = false;
    /// A base is run without a look whether another CPU runs it. (TM17 11.10)
    bool unguarded_runs = false;
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

/// What wheel, tick and hotplug ask of a placement (TMM 1.2). Times are those of tick edges, never the raw clock (TMM
/// 1.3).
class TimerMigration {
public:
    virtual ~TimerMigration() = default;

    /// Before the first use.
    void set_start_kicks(std::function<void()> start_kicks) { start_kicks_ = std::move(start_kicks); }

    /// Constant.
    virtual WheelForm wheel_form() const { return {}; }
    /// The CPU on which a timer, or a high-resolution timer, that is not pinned is queued when this CPU arms it.
    /// Interrupts off; a base lock may be held. (LPP 3) [point]
    virtual sim::CpuId timer_target(sim::Cpu& cpu) { return cpu.id(); }
    virtual sim::CpuId hrtimer_target(sim::Cpu& cpu) { return cpu.id(); }
    /// NOHZ is in use from here on: in a hard interrupt, by each CPU. From start_kicks_() on, whoever queues a
    /// timer on an idle CPU wakes it. (LNT 2.4, LPP 2.2, 2.3)
    virtual void activate_nohz(sim::Cpu&) { start_kicks_(); }
    /// For oracles: how it chooses other CPUs, null if it does not.
    virtual const push::Choice* choice() const { return nullptr; }
    /// The sysctl timer_migration is written: in a thread that may sleep. (LPP 2.2) [point]
    virtual void set_timer_migration(sim::Cpu&, bool) {}

    /// The CPU's base is not idle: when it would have to wake if it went idle now. Changes nothing. Interrupts off, own
    /// base locks held. (TMM 11)
    virtual Ktime quick_check(sim::Cpu& cpu, Ktime next) = 0;
    /// The CPU wants to go idle: when it must wake for its own global timers and those of others. Interrupts off, own
    /// base locks held. (TMM 7)
    virtual Ktime deactivate(sim::Cpu& cpu, Ktime next) = 0;
    /// The idle CPU has looked at its timers again. Interrupts off, own base locks held. (TMM 10)
    virtual Ktime new_timer(sim::Cpu& cpu, Ktime next) = 0;
    /// With WheelForm::query_marks_idle: the CPU wants to go idle and has looked up its events, none of which is within
    /// a tick: when it must wake. Interrupts off, no lock held. (TM17 7.1)
    virtual Ktime enter_idle(sim::Cpu&, const NextEvents& events) { return events.local; }
    /// An interrupt comes to an idle CPU: interrupts off, no lock held. (TM17 7.3)
    virtual void interrupt_in_idle(sim::Cpu&) {}
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
    /// All CPUs that are online at boot take part: in a thread on the boot CPU. (TM17 3.5)
    virtual void end_bring_up(sim::Cpu&) {}
    /// The CPU takes part no longer: on itself, in a thread that may sleep. (TMM 12.2)
    virtual void clear_available(sim::Cpu& cpu) = 0;

protected:
    std::function<void()> start_kicks_;
};

}  // namespace ticklab::linux_
