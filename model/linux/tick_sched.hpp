// The tick of each CPU: periodic, emulated in low or high resolution, and stopped while idle (LNT 1 to 9).
//
// Rules
//  (1) A CPU's tick state is its own: touched with interrupts off, on that CPU, also by the hotplug callback that ends
//      its life.
//  (2) The base is marked idle before the hardware is programmed, and busy before the tick runs again: so whoever
//      queues an earlier timer in between sends a kick (LNT 5).
//  (3) Once the tick decision of an iteration is taken, interrupts stay off until the CPU really sleeps (LNT 7.1).
//  (4) jiffies are updated before the wheel is told that the CPU is awake (LNT 6).
//  (5) A nohz_full CPU has no idle loop to decide for it while it is busy: each exit of an interrupt does (LNT 7.6).
//      The timekeeper ticks then, and stays online (LNT 8.4).
#pragma once

#include <cstdint>
#include <deque>

#include "ticklab/model/linux/clock_event.hpp"
#include "ticklab/model/linux/hrtimers.hpp"
#include "ticklab/model/linux/jiffies.hpp"
#include "ticklab/model/linux/nohz_balancer.hpp"
#include "ticklab/model/linux/sched.hpp"
#include "ticklab/model/linux/softirq.hpp"
#include "ticklab/model/linux/tick_broadcast.hpp"
#include "ticklab/model/linux/timer_wheel.hpp"

namespace ticklab::linux_ {

/// "Not set" in the fields of a tick state that hold an instant.
inline constexpr Ktime kUnset{};

/// One CPU's tick (LNT 1).
struct TickState {
    bool one_shot = false;  ///< the device no longer works periodically
    bool inidle = false;
    bool stopped = false;
    bool idle_active = false;
    bool do_timer_last = false;
    bool nohz = false;
    bool highres = false;
    bool got_idle_tick = false;
    Ktime next_period = kUnset;  ///< next tick of a periodic device
    Ktime last_tick = kUnset;
    Ktime next_tick = kUnset;
    Jiffies last_jiffies;
    Ktime timer_expires_base = kUnset;
    Ktime timer_expires = kUnset;
    Ktime idle_entry = kUnset;
    Ktime idle_expires = kUnset;
    KtimeSpan idle_time{};
    std::uint64_t idle_calls = 0;
    std::uint64_t idle_sleeps = 0;
    std::uint64_t ticks = 0;
    Jiffies last_tick_jiffies;
    unsigned stalled_jiffies = 0;
};

struct TickParameters {
    bool highres = true;
    bool nohz = true;
    bool skew_tick = false;
    LinuxChanges changes;
    /// By CPU: its tick is stopped while it has one task, too; another CPU is the timekeeper. Empty for none.
    std::vector<bool> nohz_full;
};

class TickSched {
public:
    TickSched(sim::Machine& machine, const TickParameters& parameters, Timekeeping& time, ClockEvents& devices,
              Hrtimers& hrtimers, TimerWheel& wheel, Softirqs& softirqs, Scheduler& scheduler);

    /// Before the first use, where clock-event devices stop in deep C-states.
    void set_broadcast(TickBroadcast* broadcast) { broadcast_ = broadcast; }
    /// Before the first use, with option nohz_balancer.
    void set_balancer(NohzBalancer* balancer) { balancer_ = balancer; }
    /// The clock-event device of a CPU that starts: periodic (LNT 2.1). [point]
    void set_up_device(sim::Cpu& cpu);
    /// tick:dying of CH D7: in stop-machine, interrupts off. [point]
    void dying(sim::Cpu& cpu);

    // The idle loop (LNT 7), interrupts off.
    void idle_enter(sim::Cpu& cpu);
    void idle_exit(sim::Cpu& cpu);
    void idle_stop_tick(sim::Cpu& cpu);
    void retain_tick(sim::Cpu& cpu);
    /// The CPU stays in idle and does not sleep (LNT 7.7). [point]
    void idle_restart_tick(sim::Cpu& cpu);
    /// idle_stop_tick() comes before the choice of a C-state, which takes no decision on the tick.
    bool stops_before_choice() const { return wheel_.form().tick_stops_first; }
    /// How long the CPU will sleep if its tick is stopped, and until the next event of the device as it is now. May be
    /// negative. (LNT 7.3) [point]
    KtimeSpan get_sleep_length(sim::Cpu& cpu, KtimeSpan& until_tick);
    KtimeSpan tick_length() const { return time_.tick(); }
    bool stopped(const sim::Cpu& cpu) const { return cpus_[cpu.id()].state.stopped; }
    /// Whether the tick ran in idle since the last call.
    bool take_idle_tick(const sim::Cpu& cpu);

    /// Entry and exit of the outermost interrupt, softirqs done (LNT 7.5, 7.6). [point]
    void irq_enter(sim::Cpu& cpu);
    void irq_exit(sim::Cpu& cpu);
    /// Another task goes on here, interrupts on (LNT-D10). [point]
    void task_switch(sim::Cpu& cpu);
    /// Any CPU stops its tick while it is busy; then this one is the timekeeper for good.
    bool nohz_full_in_use() const { return full_in_use_; }
    static constexpr sim::CpuId kPinnedTimekeeper = 0;

    const TickState& of(sim::CpuId cpu) const { return cpus_[cpu].state; }
    const Hrtimer& timer_of(sim::CpuId cpu) const { return cpus_[cpu].timer; }
    /// For oracles.
    struct Parts {
        const Timekeeping& time;
        const ClockEvents& devices;
        const Hrtimers& hrtimers;
        const TimerWheel& wheel;
        const Softirqs& softirqs;
        /// Null if no clock-event device stops.
        const TickBroadcast* broadcast;
    };
    Parts parts() const { return {time_, devices_, hrtimers_, wheel_, softirqs_, broadcast_}; }
    KtimeSpan skew_of(sim::CpuId cpu) const;

private:
    struct PerCpuTick {
        TickState state;
        Hrtimer timer;
        TickSched* owner = nullptr;
    };
    TickState& state(const sim::Cpu& cpu) { return cpus_[cpu.id()].state; }

    void periodic_interrupt(sim::Cpu& cpu);
    void low_res_interrupt(sim::Cpu& cpu);
    void tick(sim::Cpu& cpu, Ktime now);
    void keep_time(sim::Cpu& cpu, Ktime now);
    void watch_jiffies(sim::Cpu& cpu, Ktime now);
    void tick_work(sim::Cpu& cpu);
    bool maybe_switch(sim::Cpu& cpu);
    void set_up_emulated(sim::Cpu& cpu);
    void arm(sim::Cpu& cpu, Ktime expires);
    static HrtimerRestart tick_callback(sim::Cpu& cpu, Hrtimer& timer, void* argument);

    bool may_stop(sim::Cpu& cpu);
    bool full(const sim::Cpu& cpu) const { return parameters_.nohz_full[cpu.id()]; }
    /// Stops, moves or restarts the tick of a nohz_full CPU that is not in its idle loop: interrupts off
    /// (LNT 7.6, 7.8).
    void full_update(sim::Cpu& cpu);
    Ktime next_event(sim::Cpu& cpu);
    /// The old form of the question for the next event, which leaves its marks (LPP 7, TM17 7.1).
    Ktime next_event_marking(sim::Cpu& cpu, const JiffiesPair& now);
    void stop_tick(sim::Cpu& cpu);
    /// Whether a stopped tick needs no programming for `expires`: by its own timer, or as before 4.10 by the device.
    bool tick_is_at(sim::Cpu& cpu, Ktime expires) const;
    bool device_is_at(sim::Cpu& cpu, Ktime expires) const;
    void restart_tick(sim::Cpu& cpu, Ktime now);
    Ktime low_res_hrtimer(sim::Cpu& cpu, Ktime base);
    void open_idle(sim::Cpu& cpu, Ktime now);
    void close_idle(sim::Cpu& cpu, Ktime now);

    sim::Machine& machine_;
    TickParameters parameters_;
    Timekeeping& time_;
    ClockEvents& devices_;
    Hrtimers& hrtimers_;
    TimerWheel& wheel_;
    Softirqs& softirqs_;
    Scheduler& scheduler_;
    TickBroadcast* broadcast_ = nullptr;
    NohzBalancer* balancer_ = nullptr;
    LinuxPrices prices_;
    std::deque<PerCpuTick> cpus_;
    /// The CPU that tries to update stale jiffies (NOHZ-10).
    sim::Atomic<bool> stale_try_{false};
    std::uint64_t no_dependency_ = 0;
    std::uint64_t sched_dependency_ = 0;
    bool full_in_use_ = false;
};

}  // namespace ticklab::linux_
