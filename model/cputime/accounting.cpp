#include "ticklab/model/cputime/accounting.hpp"

#include "ticklab/model/cputime/sites.hpp"

namespace ticklab::cputime {

using sim::Cpu;

std::unique_ptr<Accounting> make_accounting(Design design, sim::Machine& machine, const CpuTimeChanges& changes,
                                            RunClock& run_clock) {
    static constexpr std::array kMakers{&make_walk, &make_per_cpu, &make_global, &make_split, &make_modern};
    return kMakers[static_cast<std::size_t>(design)](machine, changes, run_clock);
}

Times Accounting::sum(Cpu& cpu, Process& process, Running running) {
    Times sum;
    for (Task* t = process.first.read_once(cpu); t; t = t->next) {
        t->fetch_ahead();
        const bool exact = running == Running::kAll || (running == Running::kLeader && t == process.leader);
        sum += exact ? run_clock_.up_to_now(cpu, *t) : t->run.read(cpu).times;
        cpu.spend(prices_.visit);
    }
    cpu.at(sites::kSumThreadsDone);
    return sum += process.dead.read(cpu);
}

Times Accounting::consistent_sum(Cpu& cpu, Process& process, Running running) {
    if (!changes_.sum_under_sequence_lock)
        return sum(cpu, process, running);
    const std::uint32_t seen = process.stats_sequence.load(cpu, sim::Order::kAcquire);
    Times result = sum(cpu, process, running);
    if (seen % 2 == 0 && process.stats_sequence.load(cpu, sim::Order::kAcquire) == seen)
        return result;
    // As a reader that was disturbed once: with writers, who hold both locks, shut out.
    sim::SpinLock& lock = running == Running::kNobody ? process.stats_lock : process.sighand;
    const sim::SpinLockIrqGuard guard(cpu, lock);
    return sum(cpu, process, running);
}

Times Accounting::final_times(Cpu& cpu, Task& task) {
    const CpuTime now = run_clock_.now(cpu);
    const RunTimes run = task.run.read(cpu);
    Times times = run.times;
    if (run.on_cpu) {
        const CpuTime last = std::max(CpuTime::zero(), now - run.exec_start);
        times.sum_exec += last;
        task.process.ledger.used.sum_exec += last;
    }
    return times;
}

void Accounting::fold(Cpu& cpu, Task& task) {
    if (!changes_.exiting_folded)
        return;
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Times own = final_times(cpu, task);
    task.process.dead.update(cpu, [&own](Times& dead) { dead += own; });
}

void GroupCache::note_expiry(Cpu& cpu, Process& process, ClockId clock, CpuTime expires) {
    process.cache.update(cpu, [&](Expiries& cache) { cache.lower(clock, expires); });
}

void GroupCache::store_next(Cpu& cpu, Process& process, const Expiries& next) {
    if (!changes_.cache_stored_exactly) {
        // 2.6.29 only ever lowers it (LC-F2).
        process.cache.update(cpu, [&](Expiries& cache) {
            for (const ClockId c : kClocks)
                cache.lower(c, next[c]);
        });
        return;
    }
    process.cache.update(cpu, [&](Expiries& cache) { cache = next; });
    if (!next.any())
        stop(cpu, process);
}

bool GroupCache::group_due(Cpu& cpu, Process& process) {
    const Expiries cache = process.cache.read(cpu);
    return cache.any() && cache.due(timer_clock(cpu, process, Start::kYes));
}

}  // namespace ticklab::cputime
