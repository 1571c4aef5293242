#include "ticklab/model/xen/own_timers.hpp"

#include <fmt/format.h>

#include <utility>

#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/client_records.hpp"
#include "ticklab/model/xen/client_sites.hpp"

namespace ticklab::xen {

using sim::Cpu;

Calibration::Calibration(ClientTimers& timers, const SystemTime& time, StimeSpan period, const XenChanges& changes)
    : timers_(timers), time_(time), period_(period), changes_(changes) {
    if (period != StimeSpan::zero())
        timers.name(timer_, "calibration");
}

void Calibration::start(Cpu& cpu) {
    if (period_ == StimeSpan::zero() || timer_.initialised)
        return;
    timers_.init(cpu, timer_, &Calibration::run, this, cpu.id());
    timers_.set(cpu, timer_, saturating_add(time_.now(cpu), period_));
}

void Calibration::run(Cpu& cpu, void* self) {
    Calibration& c = *static_cast<Calibration*>(self);
    c.timers_.fired(cpu, c.timer_);
    cpu.record(kCalibrationRecord, ++c.count_);
    c.timers_.set(cpu, c.timer_, saturating_add(c.time_.now(cpu), c.period_));
}

// Before XEN-34: a killed timer ignores the set of resume.
void Calibration::kill_for_suspend(Cpu& cpu) { timers_.kill(cpu, timer_); }

void Calibration::suspend(Cpu& cpu) {
    if (period_ == StimeSpan::zero())
        return;
    if (changes_.stop_for_suspend)
        timers_.stop(cpu, timer_);
    else
        kill_for_suspend(cpu);
}

void Calibration::resume(Cpu& cpu) {
    if (period_ == StimeSpan::zero())
        return;
    timers_.set(cpu, timer_, saturating_add(time_.now(cpu), period_));
    if (!timers_.core().active(cpu, timer_))
        cpu.fail(checks::kCalibrationLost, fmt::format("it is {} after it was set", status_name(timer_.status)));
}

RcuIdle::RcuIdle(sim::Machine& machine, ClientTimers& timers, const SystemTime& time, StimeSpan period,
                 const XenChanges& changes)
    : timers_(timers), time_(time), period_(period), changes_(changes) {
    for (sim::CpuId c = 0; c < machine.cpu_count(); ++c) {
        PerCpuState& s = cpus_.emplace_back();
        s.owner = this;
        if (period != StimeSpan::zero())
            timers.name(s.timer, fmt::format("cpu{}.rcu_idle", c));
    }
}

void RcuIdle::start(Cpu& cpu) {
    PerCpuState& s = cpus_[cpu.id()];
    if (period_ != StimeSpan::zero() && !s.timer.initialised)
        timers_.init(cpu, s.timer, &RcuIdle::run, &s, cpu.id());
}

void RcuIdle::run(Cpu& cpu, void* state) {
    PerCpuState& s = *static_cast<PerCpuState*>(state);
    s.owner->timers_.fired(cpu, s.timer);
    cpu.record(kRcuIdleRecord, std::exchange(s.queued, 0));
    ++s.runs;
}

bool RcuIdle::idle_enter(Cpu& cpu) {
    PerCpuState& s = cpus_[cpu.id()];
    if (period_ == StimeSpan::zero() || s.queued == 0)
        return false;
    // After an off-line phase it belongs to another CPU.
    timers_.migrate(cpu, s.timer, cpu.id());
    timers_.set(cpu, s.timer, saturating_add(time_.now(cpu), period_));
    s.armed = true;
    return true;
}

void RcuIdle::stop_unless_due(Cpu& cpu, Timer& t) {
    if (!timers_.core().is_expired(cpu, t))
        timers_.stop(cpu, t);
}

// Before XEN-31: the interrupt that woke the CPU raised the softirq for this timer, which now finds nothing.
void RcuIdle::stop_anyway(Cpu& cpu, Timer& t) { timers_.stop(cpu, t); }

void RcuIdle::idle_exit(Cpu& cpu) {
    PerCpuState& s = cpus_[cpu.id()];
    if (!std::exchange(s.armed, false))
        return;
    cpu.at(sites::kIdleAfterWake);
    const bool due = is_queued(s.timer.status) && s.timer.expires < time_.peek(cpu);
    if (changes_.spare_due_timer)
        stop_unless_due(cpu, s.timer);
    else
        stop_anyway(cpu, s.timer);
    if (due && !is_queued(s.timer.status))
        cpu.fail(checks::kIdleSwallowed,
                 fmt::format("{} callbacks wait on CPU {}, and the timer that was due at {} ns was stopped at {} ns",
                             s.queued, cpu.id(), ns(s.timer.expires), ns(time_.peek(cpu))));
}

}  // namespace ticklab::xen
