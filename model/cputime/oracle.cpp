#include "ticklab/model/cputime/oracle.hpp"

#include <fmt/format.h>

#include "ticklab/model/cputime/checks.hpp"
#include "ticklab/model/cputime/core.hpp"

namespace ticklab::cputime {

using sim::Cpu;

void Oracle::conserved(Cpu& cpu, Process& process, bool always) const {
    if (!core_.config.check || (!always && ++process.ledger.looks % (process.count + 1) != 0))
        return;
    // A thread is on its way from the living to the dead.
    if (!always && process.stats_sequence.peek() % 2 != 0)
        return;
    const std::optional<Times> totals = core_.accounting->totals(process);
    // Totals follow their thread's own addition.
    if (totals && process.ledger.hooks_in_flight != 0)
        return;
    const Times kept = totals.value_or(process.sum_for_oracle());
    for (const TimeField f : kTimeFields)
        if (kept.*f != process.ledger.used.*f)
            cpu.fail(checks::kConservation,
                     fmt::format("process {}: {} ns are kept, its threads have used {} ns", process.number,
                                 (kept.*f).count(), (process.ledger.used.*f).count()));
}

CpuTime Oracle::running(Cpu& cpu, const Task& task) const {
    const RunTimes& run = task.run.peek();
    return run.on_cpu ? std::max(CpuTime::zero(), core_.scheduler.now_for_oracle(cpu) - run.exec_start)
                      : CpuTime::zero();
}

void Oracle::not_early(Cpu& cpu, const Process& process, ClockId clock, CpuTime expires, bool with_running) const {
    CpuTime now = core_.accounting->promised_clock(process).of(clock);
    if (with_running && clock == ClockId::kSched)
        for (const Task* t = process.first.peek(); t; t = t->next)
            now += running(cpu, *t);
    if (now < expires)
        cpu.fail(checks::kEarly, fmt::format("process {}: expires at {} ns, the clock is at {} ns", process.number,
                                             expires.count(), now.count()));
}

void Oracle::not_early(Cpu& cpu, const Task& task, ClockId clock, CpuTime expires) const {
    CpuTime now = task.run.peek().times.of(clock);
    if (clock == ClockId::kSched)
        now += running(cpu, task);
    if (now < expires)
        cpu.fail(checks::kEarly, fmt::format("thread {}/{}: expires at {} ns, the clock is at {} ns",
                                             task.process.number, task.number, expires.count(), now.count()));
}

Oracle::Before Oracle::before_tick(const Process& process) const {
    return {core_.accounting->sure_to_see(process), process.arms};
}

void Oracle::nothing_missed(Cpu& cpu, const Process& process, const Before& before, bool full) const {
    if (!before.seen || full || process.gone || !core_.accounting->sure_to_see(process))
        return;
    const auto missed = [&](ClockId clock, CpuTime expires, std::uint64_t armed_at) {
        if (armed_at <= before.arms && expires != CpuTime::zero() && expires <= before.seen->of(clock))
            cpu.fail(checks::kMissed,
                     fmt::format("process {}: expires at {} ns, the clock was at {} ns when the tick began",
                                 process.number, expires.count(), before.seen->of(clock).count()));
    };
    for (const ClockId c : kClocks)
        for (const PosixTimer* t : process.timers[index_of(c)]) {
            if (t->expires > before.seen->of(c))
                break;
            missed(c, t->expires, t->armed_at);
        }
    for (const ClockId c : {ClockId::kProf, ClockId::kVirt})
        missed(c, process.itimers[index_of(c)].expires, process.itimers[index_of(c)].armed_at);
}

void Oracle::sorted(Cpu& cpu, const TimerLists& lists) const {
    for (const std::vector<PosixTimer*>& list : lists)
        for (std::size_t i = 0; i < list.size(); ++i)
            if (!list[i]->linked || list[i]->firing != Firing::kNo ||
                (i != 0 && list[i - 1]->expires > list[i]->expires))
                cpu.fail(checks::kList, fmt::format("timer {}", list[i]->number));
}

void Oracle::armed_well(Cpu& cpu, const Process& process, bool clock_may_stand) const {
    if (process.gone || !core_.config.check)
        return;
    sorted(cpu, process.timers);
    const Expiries next = process.earliest();
    if (!core_.accounting->caches())
        return;
    const Expiries& cache = process.cache.peek();
    for (const ClockId c : kClocks)
        if (next[c] != CpuTime::zero() && (cache[c] == CpuTime::zero() || cache[c] > next[c]))
            cpu.fail(checks::kCache, fmt::format("process {}: {} ns is cached, {} ns is armed", process.number,
                                                 cache[c].count(), next[c].count()));
    if (!clock_may_stand && next.any() && !core_.accounting->runs(process))
        cpu.fail(checks::kStopped, fmt::format("process {}", process.number));
}

void Oracle::shown(Cpu& cpu, Process& process, std::size_t source, ClockId clock, CpuTime floor, CpuTime value) const {
    if (value < floor)
        cpu.fail(checks::kBackwards,
                 fmt::format("process {}: {} ns after {} ns", process.number, value.count(), floor.count()));
    CpuTime& most = process.ledger.shown[source][index_of(clock)];
    most = std::max(most, value);
}

}  // namespace ticklab::cputime
