// The tick's check: fast path, thread part, process part, firing (LC 5); interval timers and limits (LC 7, LC 8).
#include "ticklab/model/cputime/checks.hpp"
#include "ticklab/model/cputime/core.hpp"
#include "ticklab/model/cputime/records.hpp"
#include "ticklab/model/cputime/sites.hpp"

namespace ticklab::cputime {

using sim::Cpu;

namespace {

constexpr CpuTime kSecond{1'000'000'000};
/// After SIGXCPU, the soft limit of uninterrupted realtime is this much later (LC 8.2).
constexpr CpuTime kRtStep{1'000'000'000};

}  // namespace

bool CpuTimers::due(Cpu& cpu, Task& task) {
    cpu.spend(core_.prices.compare);
    const Expiries own = task.cache.read(cpu);
    if (own.any() && own.due(task.run.read(cpu).times))
        return true;
    return core_.accounting->group_due(cpu, task.process);
}

void CpuTimers::check(Cpu& cpu, Task& task) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (task.exiting.read_once(cpu) || task.work_scheduled)
        return;
    Process& process = task.process;
    const Oracle::Before before = oracle_.before_tick(process);
    cpus_[cpu.id()].full = false;
    if (due(cpu, task)) {
        if (core_.config.expiry_in_task) {
            task.work_scheduled = true;
            return;
        }
        handle(cpu, task);
    }
    oracle_.nothing_missed(cpu, process, before, cpus_[cpu.id()].full);
    oracle_.conserved(cpu, process, false);
}

void CpuTimers::handle(Cpu& cpu, Task& task) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    Process& process = task.process;
    PerCpuState& mine = cpus_[cpu.id()];
    const bool irqs = process.sighand.acquire_irqsave(cpu);
    ++process.slow_paths;
    cpu.record(kSlowPathRecord, task.object);
    check_thread(cpu, task, mine.firing);
    check_process(cpu, process, mine.firing);
    task.work_scheduled = false;
    oracle_.sorted(cpu, task.timers);
    process.sighand.release_restore(cpu, irqs);
    cpu.at(sites::kCollected);
    while (!mine.firing.empty()) {
        PosixTimer& timer = *mine.firing.front();
        mine.firing.erase(mine.firing.begin());
        const bool enabled = timer.lock.acquire_irqsave(cpu);
        const Firing was = timer.firing;
        timer.firing = Firing::kNo;
        if (was == Firing::kYes && timer.process) {
            if (timer.thread && timer.thread != &task)
                cpu.fail(checks::kForeignTick, "");
            fire(cpu, timer, false);
        }
        timer.lock.release_restore(cpu, enabled);
    }
}

CpuTime CpuTimers::collect(Cpu& cpu, std::vector<PosixTimer*>& list, CpuTime now, std::vector<PosixTimer*>& firing) {
    std::size_t taken = 0;
    while (!list.empty() && now >= list.front()->expires && taken < kTimersPerCheck) {
        PosixTimer& timer = *list.front();
        cpu.spend(core_.prices.timer_op);
        unlink(cpu, timer);
        timer.firing = Firing::kYes;
        firing.push_back(&timer);
        ++taken;
    }
    if (taken == kTimersPerCheck)
        cpus_[cpu.id()].full = true;
    return list.empty() ? CpuTime::zero() : list.front()->expires;
}

void CpuTimers::check_thread(Cpu& cpu, Task& task, std::vector<PosixTimer*>& firing) {
    const Times now = task.run.read(cpu).times;
    Expiries next;
    for (const ClockId c : kClocks)
        next[c] = collect(cpu, task.timers[index_of(c)], now.of(c), firing);
    task.cache.update(cpu, [&next](Expiries& cache) { cache = next; });
    if (task.behaviour.realtime)
        check_rt_limit(cpu, task);
}

void CpuTimers::check_process(Cpu& cpu, Process& process, std::vector<PosixTimer*>& firing) {
    Accounting& accounting = *core_.accounting;
    if (!process.armed()) {
        accounting.store_next(cpu, process, {});
        accounting.stop(cpu, process);
        return;
    }
    if (!accounting.begin_check(cpu, process))
        return;
    const Times now = accounting.timer_clock(cpu, process, Start::kYes);
    for (const ClockId c : kClocks)
        (void)collect(cpu, process.timers[index_of(c)], now.of(c), firing);
    check_itimer(cpu, process, ClockId::kProf, now.of(ClockId::kProf));
    check_itimer(cpu, process, ClockId::kVirt, now.of(ClockId::kVirt));
    check_cpu_limit(cpu, process, now.of(ClockId::kProf));
    accounting.store_next(cpu, process, process.earliest());
    accounting.end_check(cpu, process);
    oracle_.armed_well(cpu, process, false);
}

void CpuTimers::check_itimer(Cpu& cpu, Process& process, ClockId clock, CpuTime now) {
    IntervalTimer& timer = process.itimers[index_of(clock)];
    if (timer.expires == CpuTime::zero() || now < timer.expires)
        return;
    oracle_.not_early(cpu, process, clock, timer.expires, false);
    timer.late_max = std::max(timer.late_max, now - timer.expires);
    const CpuTime from = core_.accounting->itimer_drifts() ? now : timer.expires;
    timer.expires = timer.interval == CpuTime::zero() ? CpuTime::zero() : from + timer.interval;
    timer.armed_at = ++process.arms;
    ++timer.signals;
    core_.signals.send(cpu, process, clock == ClockId::kProf ? Signal::kProf : Signal::kVtAlrm);
}

void CpuTimers::check_cpu_limit(Cpu& cpu, Process& process, CpuTime now) {
    Limit& limit = process.cpu_limit;
    if (limit.soft == CpuTime::zero())
        return;
    if (limit.hard != CpuTime::zero() && now >= limit.hard) {
        oracle_.not_early(cpu, process, ClockId::kProf, limit.hard, false);
        core_.signals.send(cpu, process, Signal::kKill);
        limit = {};
        return;
    }
    if (now < limit.soft)
        return;
    oracle_.not_early(cpu, process, ClockId::kProf, limit.soft, false);
    core_.signals.send(cpu, process, Signal::kXcpu);
    limit.soft += kSecond;
    if (limit.hard != CpuTime::zero())
        limit.soft = std::min(limit.soft, limit.hard);
}

void CpuTimers::realtime_tick(Cpu& cpu, Task& task) {
    const Limit& limit = task.process.rt_limit;
    if (!task.behaviour.realtime || limit.soft == CpuTime::zero())
        return;
    const CpuTime first = limit.hard == CpuTime::zero() ? limit.soft : std::min(limit.soft, limit.hard);
    const CpuTime tick = core_.config.tick();
    if (++task.rt_ticks <= (first + tick - CpuTime{1}) / tick)
        return;
    const CpuTime now = task.run.peek().times.sum_exec;
    task.cache.update(cpu, [now](Expiries& cache) { cache.lower(ClockId::kSched, std::max(now, CpuTime{1})); });
}

void CpuTimers::check_rt_limit(Cpu& cpu, Task& task) {
    Limit& limit = task.process.rt_limit;
    if (limit.soft == CpuTime::zero())
        return;
    const CpuTime ran = task.rt_ticks * core_.config.tick();
    if (limit.hard != CpuTime::zero() && ran > limit.hard) {
        core_.signals.send(cpu, task.process, Signal::kKill);
        return;
    }
    if (ran <= limit.soft)
        return;
    core_.signals.send_to(cpu, task, Signal::kXcpu);
    if (limit.hard == CpuTime::zero() || limit.soft < limit.hard)
        limit.soft += kRtStep;
}

CpuTime CpuTimers::set_itimer(Cpu& cpu, Process& process, ClockId clock, CpuTime value, CpuTime interval) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    cpu.spend(core_.prices.system_call);
    const CpuTime tick = core_.config.tick();
    const sim::SpinLockIrqGuard guard(cpu, process.sighand);
    IntervalTimer& timer = process.itimers[index_of(clock)];
    CpuTime old{};
    if (process.gone || (timer.expires == CpuTime::zero() && value == CpuTime::zero()))
        return old;
    cpu.spend(core_.prices.timer_op);
    const CpuTime now = core_.accounting->timer_clock(cpu, process, Start::kYes).of(clock);
    if (timer.expires != CpuTime::zero())
        old = timer.expires <= now ? tick : timer.expires - now;
    timer.interval = interval;
    // One tick more: the value may have been sampled just before a tick (LC 7.1).
    timer.expires = value == CpuTime::zero() ? value : now + value + tick;
    timer.armed_at = kArming;
    if (timer.expires != CpuTime::zero())
        core_.accounting->note_expiry(cpu, process, clock, timer.expires);
    else
        disarmed(cpu, process);
    timer.armed_at = ++process.arms;
    oracle_.armed_well(cpu, process, false);
    process.old_itimer = old.count();
    return old;
}

CpuTime CpuTimers::get_itimer(Cpu& cpu, Process& process, ClockId clock) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    cpu.spend(core_.prices.system_call);
    const sim::SpinLockIrqGuard guard(cpu, process.sighand);
    const IntervalTimer& timer = process.itimers[index_of(clock)];
    CpuTime remaining{};
    if (timer.expires != CpuTime::zero() && !process.gone) {
        const CpuTime now = core_.accounting->timer_clock(cpu, process, Start::kYes).of(clock);
        remaining = timer.expires <= now ? core_.config.tick() : timer.expires - now;
    }
    process.old_itimer = remaining.count();
    return remaining;
}

void CpuTimers::set_cpu_limit(Cpu& cpu, Process& process, const Limit& limit) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    cpu.spend(core_.prices.system_call);
    const sim::SpinLockIrqGuard guard(cpu, process.sighand);
    if (process.gone)
        return;
    process.cpu_limit = limit;
    (void)core_.accounting->timer_clock(cpu, process, Start::kYes);
    const CpuTime prof = process.itimers[index_of(ClockId::kProf)].expires;
    // LC-F5: the comparison with the interval timer was the wrong way round.
    if (limit.soft != CpuTime::zero() &&
        (core_.config.changes.limit_compared_with_itimer || prof == CpuTime::zero() || prof < limit.soft))
        core_.accounting->note_expiry(cpu, process, ClockId::kProf, limit.soft);
    if (limit.soft == CpuTime::zero())
        disarmed(cpu, process);
    oracle_.armed_well(cpu, process, false);
}

void CpuTimers::set_rt_limit(Cpu& cpu, Process& process, const Limit& limit) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    cpu.spend(core_.prices.system_call);
    const sim::SpinLockIrqGuard guard(cpu, process.sighand);
    process.rt_limit = limit;
}

void CpuTimers::inherit(Cpu& cpu, Process& parent, Process& child) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    Limit cpu_limit;
    {
        const sim::SpinLockIrqGuard guard(cpu, parent.sighand);
        cpu_limit = parent.cpu_limit;
        child.rt_limit = parent.rt_limit;
    }
    const sim::SpinLockIrqGuard guard(cpu, child.sighand);
    child.cpu_limit = cpu_limit;
    // LC-F6: the group's cache did not get it; walk has shares instead (LC 3).
    const bool primed = core_.config.changes.inherited_limit_primed || !core_.accounting->caches();
    if (cpu_limit.soft == CpuTime::zero() || !primed)
        return;
    (void)core_.accounting->timer_clock(cpu, child, Start::kYes);
    core_.accounting->note_expiry(cpu, child, ClockId::kProf, cpu_limit.soft);
}

CpuTime CpuTimers::read(Cpu& cpu, Process& process, Task* thread, ClockId clock) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    cpu.spend(core_.prices.system_call);
    if (process.gone)
        return CpuTime::zero();
    if (thread)
        return (clock == ClockId::kSched ? core_.scheduler.up_to_now(cpu, *thread) : thread->run.read(cpu).times)
            .of(clock);
    Accounting& accounting = *core_.accounting;
    const std::size_t source = accounting.source(process);
    const CpuTime floor = Oracle::floor(process, source, clock);
    CpuTime value;
    if (accounting.sums_under_sighand()) {
        const sim::SpinLockIrqGuard guard(cpu, process.sighand);
        value = accounting.shown_clock(cpu, process).of(clock);
    } else {
        value = accounting.shown_clock(cpu, process).of(clock);
    }
    // A source that changed under the read says nothing (modern).
    if (source == accounting.source(process))
        oracle_.shown(cpu, process, source, clock, floor, value);
    cpu.record(kClockReadRecord, process.number, static_cast<std::uint64_t>(clock), value.count());
    return value;
}

}  // namespace ticklab::cputime
