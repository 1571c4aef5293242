// Stopping and restarting the tick of an idle CPU (LNT 4 to 7).
#include <algorithm>

#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/sites.hpp"
#include "ticklab/model/linux/tick_sched.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::Frame;

namespace {

/// Longest sleep after which the clocksource can still be read without overflow; as a kernel with a TSC of the usual
/// frequency prints it at boot (LNT 4.5).
constexpr KtimeSpan kMaxDeferment{440'795'202'120};

}  // namespace

Ktime TickSched::low_res_hrtimer(Cpu& cpu, Ktime base) {
    const Ktime next = hrtimers_.next_event_low_res(cpu);
    if (next == kKtimeMax || next <= base)
        return std::max(next, base);
    const std::int64_t tick = time_.tick().count();
    return ktime_at((ns(next) + tick - 1) / tick * tick);
}

bool TickSched::may_stop(Cpu& cpu) {
    if (full_in_use_ && cpu.id() == kPinnedTimekeeper)
        return false;
    return state(cpu).nohz && !scheduler_.need_resched(cpu) && !softirqs_.pending(cpu);
}

Ktime TickSched::next_event_marking(Cpu& cpu, const JiffiesPair& now) {
    NextEvents events{now.basem + time_.tick(), kKtimeMax};
    if (!softirqs_.pending(cpu.id(), SoftirqNumber::kTimer))
        events = wheel_.query(cpu, cpu.id(), now);
    events.local = std::min(events.local, low_res_hrtimer(cpu, now.basem));
    const Ktime next =
        events.local - now.basem > time_.tick() ? wheel_.migration().enter_idle(cpu, events) : events.local;
    if (next - now.basem <= time_.tick())
        wheel_.undo_idle(cpu);
    return next;
}

Ktime TickSched::next_event(Cpu& cpu) {
    TickState& ts = state(cpu);
    const JiffiesPair now = time_.pair(cpu);
    ts.last_jiffies = now.basej;
    ts.timer_expires_base = now.basem;
    Ktime next{};
    if (wheel_.form().query_marks_idle)
        next = next_event_marking(cpu, now);
    else if (softirqs_.pending(cpu.id(), SoftirqNumber::kTimer))
        // A timer that is due and not run yet would make the wheel answer "at once", again and again.
        next = now.basem + time_.tick();
    else
        next = std::min(wheel_.next_interrupt(cpu, now), low_res_hrtimer(cpu, now.basem));
    cpu.require(next >= now.basem, "the wheel's next event lies before the last edge");
    if (next - now.basem <= time_.tick() && !ts.stopped) {
        ts.timer_expires = kUnset;
        return kUnset;
    }
    const sim::CpuId duty = time_.duty(cpu);
    const bool keeps_time = duty == cpu.id() || (duty == kDutyNone && ts.do_timer_last);
    ts.timer_expires = keeps_time ? std::min(saturating_add(now.basem, kMaxDeferment), next) : next;
    return ts.timer_expires;
}

bool TickSched::tick_is_at(Cpu& cpu, Ktime expires) const {
    const TickState& ts = of(cpu.id());
    const Hrtimer& timer = timer_of(cpu.id());
    return expires == ts.next_tick &&
           (expires == kKtimeMax ||
            (timer.expires == expires && (!ts.highres || timer.state == HrtimerState::kEnqueued)));
}

bool TickSched::device_is_at(Cpu& cpu, Ktime expires) const {
    // Another timer may have asked for that instant, and the tick timer not be queued.
    return devices_.next_event(cpu.id()) == expires;
}

void TickSched::stop_tick(Cpu& cpu) {
    const Frame frame(cpu, "tick stop");
    TickState& ts = state(cpu);
    const JiffiesPair now{ts.last_jiffies, ts.timer_expires_base};
    ts.timer_expires_base = kUnset;
    Ktime expires = ts.timer_expires;
    if (!wheel_.form().query_marks_idle) {
        bool idle = ts.stopped;
        expires = wheel_.try_to_set_idle(cpu, now, idle);
        if (!ts.stopped)
            expires = std::min(expires, low_res_hrtimer(cpu, now.basem));
        // An event has vanished in between: what the governor chose by stays.
        expires = std::min(expires, ts.timer_expires);
        if (!idle)
            return;
    }
    cpu.at(sites::kIdleBaseMarked);
    if (const sim::CpuId duty = time_.duty(cpu); duty == cpu.id()) {
        time_.set_duty(cpu, kDutyNone);
        ts.do_timer_last = true;
    } else if (duty != kDutyNone) {
        ts.do_timer_last = false;
    }
    const Hrtimer& timer = cpus_[cpu.id()].timer;
    const bool there =
        parameters_.changes.tick_compared_with_timer ? tick_is_at(cpu, expires) : device_is_at(cpu, expires);
    if (ts.stopped && there)
        return;
    if (!ts.stopped) {
        ts.last_tick = timer.expires;
        ts.stopped = true;
        cpu.record(kTickStopRecord, 1, no_dependency_);
    }
    ts.next_tick = expires;
    if (expires != kKtimeMax)
        arm(cpu, expires);
    else if (ts.highres)
        hrtimers_.cancel(cpu, cpus_[cpu.id()].timer);
    else
        devices_.program(cpu, kKtimeMax, true);
    cpu.at(sites::kTickStopped);
}

void TickSched::restart_tick(Cpu& cpu, Ktime now) {
    const Frame frame(cpu, "tick restart");
    TickState& ts = state(cpu);
    time_.update(cpu, now);
    cpu.at(sites::kTickRestart);
    wheel_.clear_idle(cpu);
    ts.stopped = false;
    const Ktime next = Hrtimers::next_after(ts.last_tick, now, time_.tick()).expires;
    arm(cpu, next);
    ts.next_tick = kUnset;
    cpu.record(kTickRestartRecord, ns(next));
}

void TickSched::open_idle(Cpu& cpu, Ktime now) {
    TickState& ts = state(cpu);
    ts.idle_entry = now;
    ts.idle_active = true;
}

void TickSched::close_idle(Cpu& cpu, Ktime now) {
    TickState& ts = state(cpu);
    if (!ts.idle_active)
        return;
    ts.idle_active = false;
    ts.idle_time += now - ts.idle_entry;
}

void TickSched::idle_enter(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    TickState& ts = state(cpu);
    cpu.require(ts.timer_expires_base == kUnset, "idle entered with a tick decision that was not used");
    ts.inidle = true;
    open_idle(cpu, time_.now(cpu));
}

void TickSched::idle_exit(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    TickState& ts = state(cpu);
    ts.inidle = false;
    if (balancer_)
        balancer_->restart(cpu);
    const Ktime now = time_.now(cpu);
    close_idle(cpu, now);
    if (!ts.stopped)
        return;
    if (full(cpu))
        full_update(cpu);
    else
        restart_tick(cpu, now);
}

void TickSched::full_update(Cpu& cpu) {
    TickState& ts = state(cpu);
    if (!ts.nohz)
        return;
    if (scheduler_.shares_cpu(cpu)) {
        cpu.record(kTickStopRecord, 0, sched_dependency_);
        if (ts.stopped)
            restart_tick(cpu, time_.now(cpu));
    } else if (next_event(cpu) != kUnset) {
        stop_tick(cpu);
    } else {
        retain_tick(cpu);
    }
}

void TickSched::task_switch(Cpu& cpu) {
    if (full(cpu) && state(cpu).stopped && scheduler_.shares_cpu(cpu))
        scheduler_.kick_tick(cpu, cpu.id());
}

void TickSched::idle_restart_tick(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    TickState& ts = state(cpu);
    if (!ts.stopped)
        return;
    if (balancer_)
        balancer_->restart(cpu);
    const Ktime now = time_.now(cpu);
    close_idle(cpu, now);
    restart_tick(cpu, now);
    open_idle(cpu, now);
}

KtimeSpan TickSched::get_sleep_length(Cpu& cpu, KtimeSpan& until_tick) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    TickState& ts = state(cpu);
    const Ktime device = devices_.next_event(cpu.id());
    until_tick = device == kKtimeMax ? KtimeSpan::max() : device - ts.idle_entry;
    if (stops_before_choice() || !may_stop(cpu))
        return until_tick;
    const Ktime next = next_event(cpu);
    if (next == kUnset)
        return until_tick;
    const Ktime first = std::min(next, hrtimers_.next_event_without(cpu, cpus_[cpu.id()].timer));
    return first == kKtimeMax ? KtimeSpan::max() : first - ts.idle_entry;
}

void TickSched::retain_tick(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    TickState& ts = state(cpu);
    // Also for a decision of the first jiffy, which looks like none.
    if (wheel_.form().query_marks_idle && !ts.stopped)
        wheel_.undo_idle(cpu);
    ts.timer_expires_base = kUnset;
}

void TickSched::idle_stop_tick(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    TickState& ts = state(cpu);
    Ktime expires = kUnset;
    if (ts.timer_expires_base != kUnset)
        expires = ts.timer_expires;
    else if (may_stop(cpu))
        expires = next_event(cpu);
    else
        return retain_tick(cpu);
    ++ts.idle_calls;
    // The owner of the balancer keeps its tick (LNT 10.1).
    if (expires == kUnset || (balancer_ && !ts.stopped && balancer_->stop(cpu))) {
        retain_tick(cpu);
        return;
    }
    stop_tick(cpu);
    ++ts.idle_sleeps;
    ts.idle_expires = expires;
}

bool TickSched::take_idle_tick(const Cpu& cpu) {
    TickState& ts = cpus_[cpu.id()].state;
    const bool was = ts.got_idle_tick;
    ts.got_idle_tick = false;
    return was;
}

void TickSched::irq_enter(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    TickState& ts = state(cpu);
    if (!ts.idle_active && !ts.stopped)
        return;
    const Ktime now = time_.now(cpu);
    close_idle(cpu, now);
    // The timekeeper may sleep as well.
    if (ts.stopped)
        time_.update(cpu, now);
    wheel_.migration().interrupt_in_idle(cpu);
}

void TickSched::irq_exit(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (!state(cpu).inidle) {
        // Not only at the outermost exit: softirqs run in ksoftirqd too, and no exit follows those (NOHZ-02).
        if (full(cpu) && !softirqs_.in_hardirq(cpu))
            full_update(cpu);
        return;
    }
    if (softirqs_.in_interrupt(cpu))
        return;
    open_idle(cpu, time_.now(cpu));
    if (stops_before_choice())
        idle_stop_tick(cpu);
}

}  // namespace ticklab::linux_
