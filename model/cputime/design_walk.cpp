// Design W, up to 2.6.27: no totals; process expiries are shared out over the threads (LC 11.1).
#include "ticklab/model/cputime/accounting.hpp"

namespace ticklab::cputime {
namespace {

using sim::Cpu;

class Walk final : public Accounting {
public:
    using Accounting::Accounting;
    void add_process(Process&) override {}
    void add(Cpu&, Process&, TimeField, CpuTime, std::uint64_t) override {}
    Times process_clock(Cpu& cpu, Process& process) override { return sum(cpu, process); }
    Times shown_clock(Cpu& cpu, Process& process) override { return sum(cpu, process, Running::kLeader); }
    bool sums_under_sighand() const override { return true; }
    // A thread that joins has no share yet: it looks at its first tick.
    void thread_joins(Cpu& cpu, Process& process, Task& task) override {
        if (process.armed())
            task.cache.update(cpu, [](Expiries& cache) { cache.lower(ClockId::kSched, CpuTime{1}); });
    }
    bool group_due(Cpu&, Process&) override { return false; }
    void note_expiry(Cpu& cpu, Process& process, ClockId clock, CpuTime expires) override {
        Expiries next;
        next[clock] = expires;
        rebalance(cpu, process, next);
    }
    void store_next(Cpu& cpu, Process& process, const Expiries& next) override {
        if (next.any())
            rebalance(cpu, process, next);
    }
    bool caches() const override { return false; }

private:
    // Before the group's clock reaches an expiry, at least one thread exceeds its share, and looks.
    void rebalance(Cpu& cpu, Process& process, const Expiries& next) {
        const Times group = sum(cpu, process);
        const auto sharers = static_cast<std::int64_t>(std::max<std::uint32_t>(1, process.live));
        Expiries shares;
        for (const ClockId c : kClocks)
            if (next[c] != CpuTime::zero())
                shares[c] = std::max(CpuTime{1}, (next[c] - group.of(c)) / sharers);
        for (Task* t = process.first.read_once(cpu); t; t = t->next) {
            t->fetch_ahead();
            cpu.spend(prices_.visit);
            if (t->exiting.read_once(cpu))
                continue;
            const Times own = t->run.read(cpu).times;
            t->cache.update(cpu, [&](Expiries& cache) {
                for (const ClockId c : kClocks)
                    if (shares[c] != CpuTime::zero())
                        cache.lower(c, own.of(c) + shares[c]);
            });
        }
    }
};

}  // namespace

std::unique_ptr<Accounting> make_walk(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock) {
    return std::make_unique<Walk>(machine, changes, run_clock);
}

}  // namespace ticklab::cputime
