// timer_settime, timer_gettime, timer_delete, firing and re-arming (LC 6).
#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/cputime/checks.hpp"
#include "ticklab/model/cputime/core.hpp"
#include "ticklab/model/cputime/records.hpp"
#include "ticklab/model/cputime/sites.hpp"

namespace ticklab::cputime {

using sim::Cpu;

namespace {

constexpr CpuTime kAboutToFire{1};

}  // namespace

Bumped bump_ideal(CpuTime expires, CpuTime interval, CpuTime now) {
    if (interval == CpuTime::zero() || now < expires)
        return {expires, 0};
    const std::int64_t periods = (now - expires) / interval + 1;
    return {expires + periods * interval, periods};
}

Bumped bump_historic(CpuTime expires, CpuTime interval, CpuTime now) {
    if (interval == CpuTime::zero() || now < expires)
        return {expires, 0};
    CpuTime to_cover = now + interval - expires;
    CpuTime step = interval;
    unsigned doublings = 0;
    while (step < to_cover - step) {
        step += step;
        ++doublings;
    }
    std::int64_t periods = 0;
    for (unsigned i = doublings + 1; i-- > 0; step /= 2)
        if (to_cover >= step) {
            expires += step;
            periods += std::int64_t{1} << i;
            to_cover -= step;
        }
    return {expires, periods};
}

CpuTimers::CpuTimers(Core& core) : core_(core), oracle_(core), cpus_(core.machine.cpu_count()) {}

std::int64_t CpuTimers::bump(PosixTimer& timer, CpuTime now) const {
    const Bumped b = (core_.config.changes.ideal_bump ? bump_ideal : bump_historic)(timer.expires, timer.interval, now);
    timer.expires = b.expires;
    timer.overrun += b.periods;
    return b.periods;
}

TimerLists& CpuTimers::lists_of(PosixTimer& timer) {
    return timer.thread ? timer.thread->timers : timer.process->timers;
}

Times CpuTimers::with_run_of(Cpu& cpu, Times times, Task* task, ClockId clock) {
    if (clock == ClockId::kSched && task)
        times.sum_exec += core_.scheduler.not_accounted(cpu, *task);
    return times;
}

Times CpuTimers::sample_to_set(Cpu& cpu, PosixTimer& timer) {
    if (timer.thread)
        return timer.clock == ClockId::kSched ? core_.scheduler.up_to_now(cpu, *timer.thread)
                                              : timer.thread->run.read(cpu).times;
    return with_run_of(cpu, core_.accounting->set_sample(cpu, *timer.process), timer.process->leader, timer.clock);
}

Times CpuTimers::sample_to_get(Cpu& cpu, PosixTimer& timer) {
    if (timer.thread)
        return sample_to_set(cpu, timer);
    return with_run_of(cpu, core_.accounting->get_sample(cpu, *timer.process), timer.process->leader, timer.clock);
}

void CpuTimers::arm(Cpu& cpu, PosixTimer& timer) {
    cpu.spend(core_.prices.timer_op);
    std::vector<PosixTimer*>& list = lists_of(timer)[index_of(timer.clock)];
    const auto place = std::upper_bound(list.begin(), list.end(), timer.expires,
                                        [](CpuTime e, const PosixTimer* t) { return e < t->expires; });
    const bool first = place == list.begin();
    list.insert(place, &timer);
    timer.linked = true;
    timer.armed_at = kArming;
    cpu.record(kArmRecord, timer.object, timer.expires.count());
    if (first && timer.thread)
        timer.thread->cache.update(cpu, [&](Expiries& cache) { cache.lower(timer.clock, timer.expires); });
    else if (first)
        core_.accounting->note_expiry(cpu, *timer.process, timer.clock, timer.expires);
    timer.armed_at = ++timer.process->arms;
}

bool CpuTimers::unlink(Cpu& cpu, PosixTimer& timer) {
    if (!timer.linked)
        return false;
    std::vector<PosixTimer*>& list = lists_of(timer)[index_of(timer.clock)];
    list.erase(std::find(list.begin(), list.end(), &timer));
    timer.linked = false;
    cpu.record(kUnlinkRecord, timer.object);
    return true;
}

void CpuTimers::disarmed(Cpu& cpu, Process& process) {
    if (core_.config.changes.expiry_recomputed && core_.accounting->caches() && !process.gone)
        core_.accounting->store_next(cpu, process, process.earliest());
}

void CpuTimers::create(PosixTimer& timer, Process& process, Task* thread, ClockId clock, Notify notify) {
    if (timer.process)
        return;
    timer.process = &process;
    timer.thread = thread;
    timer.clock = clock;
    timer.notify = notify;
    timer.expires = timer.interval = CpuTime::zero();
    timer.overrun = -1;
    timer.overrun_last = 0;
}

CpuTime CpuTimers::left(PosixTimer& timer, CpuTime now) {
    if (timer.expires == CpuTime::zero())
        return CpuTime::zero();
    return std::max(timer.expires - now, kAboutToFire);
}

void CpuTimers::set(Cpu& cpu, PosixTimer& timer, const Setting& setting) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    cpu.spend(core_.prices.system_call);
    bool told = false;
    for (;;) {
        const bool enabled = timer.lock.acquire_irqsave(cpu);
        if (!timer.process || timer.process->gone || (timer.thread && timer.thread->folded))
            return timer.lock.release_restore(cpu, enabled);
        Process& process = *timer.process;
        const bool irqs = process.sighand.acquire_irqsave(cpu);
        const bool firing = timer.firing != Firing::kNo;
        if (firing)
            timer.firing = Firing::kReported;
        else
            unlink(cpu, timer);
        const CpuTime now = sample_to_set(cpu, timer).of(timer.clock);
        if (!told) {
            if (timer.expires != CpuTime::zero())
                (void)bump(timer, now);
            timer.old_remaining = left(timer, now).count();
            told = true;
        }
        if (firing) {
            process.sighand.release_restore(cpu, irqs);
            timer.lock.release_restore(cpu, enabled);
            continue;
        }
        timer.expires = setting.value;
        if (setting.value != CpuTime::zero() && !setting.absolute)
            timer.expires += now;
        timer.first_expiry = timer.expires;
        timer.periods = 0;
        const bool armed = timer.expires != CpuTime::zero() && timer.notify == Notify::kSignal && now < timer.expires;
        if (armed)
            arm(cpu, timer);
        else if (!timer.thread)
            disarmed(cpu, process);
        timer.interval = setting.interval;
        timer.sequence = (timer.sequence + 2) & ~std::uint64_t{1};
        timer.overrun_last = 0;
        timer.overrun = -1;
        oracle_.armed_well(cpu, process, !core_.accounting->set_sample_starts());
        process.sighand.release_restore(cpu, irqs);
        if (timer.expires != CpuTime::zero() && timer.notify == Notify::kSignal && !armed)
            fire(cpu, timer, true);
        return timer.lock.release_restore(cpu, enabled);
    }
}

CpuTime CpuTimers::get(Cpu& cpu, PosixTimer& timer) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    cpu.spend(core_.prices.system_call);
    const bool enabled = timer.lock.acquire_irqsave(cpu);
    CpuTime remaining{};
    const bool reaped = !timer.process || timer.process->gone || (timer.thread && timer.thread->folded);
    if (reaped) {
        // What detach() left there (LC 9.1).
        remaining = timer.expires;
    } else if (timer.expires != CpuTime::zero()) {
        const bool irqs = timer.process->sighand.acquire_irqsave(cpu);
        const CpuTime now = sample_to_get(cpu, timer).of(timer.clock);
        timer.process->sighand.release_restore(cpu, irqs);
        if (timer.notify == Notify::kNone && now >= timer.expires) {
            if (timer.interval == CpuTime::zero())
                timer.expires = CpuTime::zero();
            else
                (void)bump(timer, now);
        }
        remaining = left(timer, now);
    }
    timer.remaining = remaining.count();
    timer.lock.release_restore(cpu, enabled);
    return remaining;
}

void CpuTimers::remove(Cpu& cpu, PosixTimer& timer) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    for (;;) {
        const bool enabled = timer.lock.acquire_irqsave(cpu);
        if (!timer.process)
            return timer.lock.release_restore(cpu, enabled);
        Process& process = *timer.process;
        const bool irqs = process.sighand.acquire_irqsave(cpu);
        const bool firing = timer.firing != Firing::kNo;
        if (!firing) {
            if (unlink(cpu, timer) && !timer.thread)
                disarmed(cpu, process);
            if (timer.queued)
                std::erase(process.queued_timers, &timer);
            timer.queued = false;
            timer.process = nullptr;
            timer.thread = nullptr;
            timer.expires = CpuTime::zero();
        }
        process.sighand.release_restore(cpu, irqs);
        timer.lock.release_restore(cpu, enabled);
        if (!firing)
            return;
    }
}

void CpuTimers::fire(Cpu& cpu, PosixTimer& timer, bool at_set) {
    const Times clock =
        timer.thread ? timer.thread->run.peek().times : core_.accounting->promised_clock(*timer.process);
    if (timer.thread)
        oracle_.not_early(cpu, *timer.thread, timer.clock, timer.expires);
    else
        oracle_.not_early(cpu, *timer.process, timer.clock, timer.expires, at_set);
    if (!at_set)
        timer.late_max = std::max(timer.late_max, clock.of(timer.clock) - timer.expires);
    ++timer.fired;
    cpu.record(kFireRecord, timer.object, clock.of(timer.clock).count());
    core_.signals.queue(cpu, timer);
    if (timer.interval == CpuTime::zero())
        timer.expires = CpuTime::zero();
}

void CpuTimers::delivered(Cpu& cpu, PosixTimer& timer) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const bool enabled = timer.lock.acquire_irqsave(cpu);
    ++timer.signals;
    if (timer.process && timer.interval != CpuTime::zero() && timer.queued_sequence == timer.sequence &&
        timer.expires != CpuTime::zero()) {
        Process& process = *timer.process;
        const bool under_lock = core_.config.changes.rearm_sampled_under_lock || core_.accounting->sums_under_sighand();
        Times now = under_lock ? Times{} : sample_to_set(cpu, timer);
        cpu.at(sites::kRearm);
        const bool irqs = process.sighand.acquire_irqsave(cpu);
        const bool lives = !process.gone && !(timer.thread && timer.thread->folded);
        if (lives && !timer.linked && timer.firing == Firing::kNo) {
            if (under_lock)
                now = sample_to_set(cpu, timer);
            const std::int64_t periods = bump(timer, now.of(timer.clock));
            arm(cpu, timer);
            timer.periods += periods;
            if (timer.expires != timer.first_expiry + timer.periods * timer.interval)
                cpu.fail(checks::kPeriods, fmt::format("timer {}: {} periods", timer.number, timer.periods));
        }
        timer.overrun_last = timer.overrun;
        timer.overrun = -1;
        timer.sequence += 2;
        timer.overruns += timer.overrun_last;
        oracle_.armed_well(cpu, process, !core_.accounting->set_sample_starts());
        process.sighand.release_restore(cpu, irqs);
    }
    cpu.record(kDeliverRecord, timer.object, timer.overrun_last);
    timer.lock.release_restore(cpu, enabled);
}

void CpuTimers::delete_all(Cpu& cpu, Process& process) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const bool enabled = cpu.irq_save();
    for (PosixTimer& timer : core_.timers)
        if (timer.process == &process)
            remove(cpu, timer);
    cpu.irq_restore(enabled);
}

void CpuTimers::detach(Cpu& cpu, TimerLists& lists, const Times& now) {
    for (const ClockId c : kClocks)
        while (!lists[index_of(c)].empty()) {
            PosixTimer& timer = *lists[index_of(c)].front();
            unlink(cpu, timer);
            timer.expires = std::max(CpuTime::zero(), timer.expires - now.of(c));
        }
}

void CpuTimers::detach_thread(Cpu& cpu, Task& task) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    detach(cpu, task.timers, task.run.peek().times);
    task.cache.update(cpu, [](Expiries& cache) { cache = {}; });
}

void CpuTimers::detach_process(Cpu& cpu, Process& process) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (process.timers != TimerLists{})
        detach(cpu, process.timers, core_.accounting->timer_clock(cpu, process, Start::kNo));
    for (IntervalTimer& timer : process.itimers)
        timer.expires = CpuTime::zero();
    core_.accounting->stop(cpu, process);
}

}  // namespace ticklab::cputime
