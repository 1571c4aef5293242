// The tick while it runs: modes, handler, timekeeping (LNT 2, 3, 8).
#include "ticklab/model/linux/tick_sched.hpp"

#include <algorithm>

#include "ticklab/model/linux/records.hpp"
#include "ticklab/sim/choices.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::CpuId;

namespace {

/// Ticks without an advance of jiffies before a CPU tries itself (LNT 8.2).
constexpr unsigned kStalledTicks = 5;

}  // namespace

TickSched::TickSched(sim::Machine& machine, const TickParameters& parameters, Timekeeping& time, ClockEvents& devices,
                     Hrtimers& hrtimers, TimerWheel& wheel, Softirqs& softirqs, Scheduler& scheduler)
    : machine_(machine),
      parameters_(parameters),
      time_(time),
      devices_(devices),
      hrtimers_(hrtimers),
      wheel_(wheel),
      softirqs_(softirqs),
      scheduler_(scheduler),
      prices_(machine),
      cpus_(machine.cpu_count()),
      no_dependency_(machine.intern("NONE")),
      sched_dependency_(machine.intern("SCHED")) {
    parameters_.nohz_full.resize(machine.cpu_count());
    full_in_use_ =
        std::find(parameters_.nohz_full.begin(), parameters_.nohz_full.end(), true) != parameters_.nohz_full.end();
    const std::uint64_t function = machine.intern("tick_nohz_handler");
    for (CpuId c = 0; c < machine.cpu_count(); ++c) {
        cpus_[c].owner = this;
        cpus_[c].timer.object = machine.intern(fmt::format("tick timer {}", c));
        cpus_[c].timer.function_name = function;
    }
}

KtimeSpan TickSched::skew_of(CpuId cpu) const {
    return parameters_.skew_tick ? time_.tick() / 2 / machine_.cpu_count() * cpu : KtimeSpan::zero();
}

void TickSched::set_up_device(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    TickState& ts = state(cpu);
    devices_.attach(cpu, {[](void* self, Cpu& at) { static_cast<TickSched*>(self)->periodic_interrupt(at); }, this});
    if (broadcast_)
        broadcast_->cpu_starts(cpu);
    // The first CPU that has a device takes the duty: on hardware the others start after it.
    if (cpu.id() == 0 && time_.duty(cpu) == kDutyBoot)
        time_.set_duty(cpu, cpu.id());
    const Ktime now = time_.now(cpu);
    ts.next_period = time_.edge_of(time_.ideal_jiffies(now)) + time_.tick();
    ts.last_tick_jiffies = time_.jiffies(cpu);
    while (!devices_.program(cpu, ts.next_period, false))
        ts.next_period += time_.tick();
}

void TickSched::periodic_interrupt(Cpu& cpu) {
    TickState& ts = state(cpu);
    for (;;) {
        if (time_.duty(cpu) == cpu.id()) {
            if (parameters_.changes.edge_counted_once)
                time_.periodic_to(cpu, ts.next_period);
            else
                time_.periodic(cpu);
        }
        tick_work(cpu);
        if (ts.one_shot)
            return;
        ts.next_period += time_.tick();
        // An edge that has passed already is another tick.
        if (devices_.program(cpu, ts.next_period, false))
            return;
    }
}

void TickSched::tick_work(Cpu& cpu) {
    ++state(cpu).ticks;
    cpu.spend(prices_.tick_work);
    if (!maybe_switch(cpu))
        hrtimers_.run_low_res(cpu);
    wheel_.tick(cpu);
}

bool TickSched::maybe_switch(Cpu& cpu) {
    TickState& ts = state(cpu);
    if (ts.one_shot || !(parameters_.highres || parameters_.nohz))
        return false;
    ts.one_shot = true;
    if (broadcast_)
        broadcast_->switch_to_one_shot(cpu);
    if (parameters_.highres)
        hrtimers_.switch_to_high_res(cpu);
    else
        devices_.set_handler(cpu,
                             {[](void* self, Cpu& at) { static_cast<TickSched*>(self)->low_res_interrupt(at); }, this});
    set_up_emulated(cpu);
    return parameters_.highres;
}

void TickSched::set_up_emulated(Cpu& cpu) {
    TickState& ts = state(cpu);
    Hrtimer& timer = cpus_[cpu.id()].timer;
    hrtimers_.setup(cpu, timer, &TickSched::tick_callback, &cpus_[cpu.id()], ClockId::kMonotonic,
                    HrtimerMode{.hard = true});
    ts.highres = parameters_.highres;
    ts.nohz = parameters_.nohz;
    cpu.record(kTickModeRecord, machine_.intern(ts.highres ? "high-res" : "low-res NOHZ"));
    timer.expires = timer.soft_expires = time_.pair(cpu).basem + skew_of(cpu.id());
    Hrtimers::forward(timer, time_.now(cpu), time_.tick());
    arm(cpu, timer.expires);
    if (ts.highres)
        hrtimers_.reevaluate(cpu);
    if (ts.nohz)
        wheel_.activate_nohz(cpu);
}

void TickSched::arm(Cpu& cpu, Ktime expires) {
    PerCpuTick& mine = cpus_[cpu.id()];
    if (mine.state.highres) {
        hrtimers_.start(cpu, mine.timer, expires, KtimeSpan::zero(), HrtimerMode{.pinned = true, .hard = true});
        return;
    }
    mine.timer.expires = mine.timer.soft_expires = expires;
    devices_.program(cpu, expires, true);
}

HrtimerRestart TickSched::tick_callback(Cpu& cpu, Hrtimer& timer, void* argument) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    TickSched& self = *static_cast<PerCpuTick*>(argument)->owner;
    const Ktime now = self.time_.now(cpu);
    self.tick(cpu, now);
    if (self.state(cpu).stopped)
        return HrtimerRestart::kNoRestart;
    Hrtimers::forward(timer, now, self.time_.tick());
    return HrtimerRestart::kRestart;
}

void TickSched::low_res_interrupt(Cpu& cpu) {
    devices_.clear_next_event(cpu);
    const Ktime now = time_.now(cpu);
    tick(cpu, now);
    if (state(cpu).stopped)
        return;
    Hrtimer& timer = cpus_[cpu.id()].timer;
    Hrtimers::forward(timer, now, time_.tick());
    arm(cpu, timer.expires);
}

void TickSched::tick(Cpu& cpu, Ktime now) {
    TickState& ts = state(cpu);
    keep_time(cpu, now);
    // An interrupt that came early must be programmed again even for the same instant.
    ts.next_tick = kUnset;
    if (ts.inidle)
        ts.got_idle_tick = true;
    tick_work(cpu);
}

void TickSched::keep_time(Cpu& cpu, Ktime now) {
    if (time_.duty(cpu) == kDutyNone)
        time_.set_duty(cpu, cpu.id());
    if (time_.duty(cpu) == cpu.id())
        time_.update(cpu, now);
    watch_jiffies(cpu, now);
}

void TickSched::watch_jiffies(Cpu& cpu, Ktime now) {
    TickState& ts = state(cpu);
    const Jiffies jiffies = time_.jiffies(cpu);
    if (jiffies != ts.last_tick_jiffies) {
        ts.last_tick_jiffies = jiffies;
        ts.stalled_jiffies = 0;
        return;
    }
    if (++ts.stalled_jiffies != kStalledTicks)
        return;
    ts.stalled_jiffies = 0;
    if (!parameters_.changes.one_cpu_tries_stale_jiffies) {
        time_.update(cpu, now);
    } else if (!stale_try_.exchange(cpu, true)) {
        if (time_.jiffies(cpu) == jiffies)
            time_.update(cpu, now);
        stale_try_.store(cpu, false, sim::Order::kRelease);
    }
    ts.last_tick_jiffies = time_.jiffies(cpu);
}

void TickSched::dying(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (time_.duty(cpu) == cpu.id()) {
        const sim::Cpu* const heir = machine_.first_online(cpu.id());
        cpu.require(heir, "the last CPU goes off-line");
        time_.set_duty(cpu, heir->id());
    }
    PerCpuTick& mine = cpus_[cpu.id()];
    if (mine.state.highres)
        hrtimers_.cancel(cpu, mine.timer);
    if (broadcast_)
        broadcast_->dying(cpu);
    devices_.detach(cpu);
    const TickState old = mine.state;
    mine.state = TickState{};
    // What a reader of the statistics has seen must not go back.
    mine.state.idle_calls = old.idle_calls;
    mine.state.idle_sleeps = old.idle_sleeps;
    mine.state.idle_time = old.idle_time;
    mine.state.ticks = old.ticks;
}

}  // namespace ticklab::linux_
