// Designs P and G, 2.6.28 and the candidates of 2.6.29: process totals that always go along (LC 11.2, 11.3).
#include <fmt/format.h>

#include <deque>
#include <vector>

#include "ticklab/model/cputime/accounting.hpp"
#include "ticklab/model/cputime/sites.hpp"

namespace ticklab::cputime {
namespace {

using sim::Cpu;

/// What a clock shows on top of totals: the run of the leader.
class Totals : public GroupCache {
public:
    using GroupCache::GroupCache;
    Times shown_clock(Cpu& cpu, Process& process) override {
        if (!run_clock_.at_once())
            return with_run_of_leader(cpu, process);
        const sim::SpinLockIrqGuard guard(cpu, run_clock_.lock_of(*process.leader));
        return with_run_of_leader(cpu, process);
    }
    void fold(Cpu&, Task&) override {}

private:
    Times with_run_of_leader(Cpu& cpu, Process& process) {
        Times times = process_clock(cpu, process);
        cpu.at(sites::kRunTimeRead);
        times.sum_exec += run_clock_.not_accounted(cpu, *process.leader);
        return times;
    }
};

/// Slots of all CPUs, added up.
class Slots final : public sim::LineRow {
public:
    explicit Slots(std::vector<OneLine<Times>>& slots) : slots_(slots) {}
    sim::CacheLine& line(std::size_t i) override { return slots_[i].line(); }
    void read(std::size_t i) override { total_ += slots_[i].peek(); }
    const Times& total() const { return total_; }

private:
    std::vector<OneLine<Times>>& slots_;
    Times total_;
};

class PerCpuTotals final : public Totals {
public:
    using Totals::Totals;
    void add_process(Process&) override { groups_.emplace_back(); }
    // The slots come with the second thread. It is made where the first one runs, or before that does.
    void thread_joins(Cpu& cpu, Process& process, Task&) override {
        std::vector<OneLine<Times>>& slots = groups_[process.slot];
        if (process.made != 1 || !slots.empty())
            return;
        slots = std::vector<OneLine<Times>>(machine_.cpu_count());
        const Times first = process.leader->run.read(cpu).times;
        slots[cpu.id()].update(cpu, [&first](Times& slot) { slot = first; });
    }
    void add(Cpu& cpu, Process& process, TimeField field, CpuTime delta, std::uint64_t) override {
        std::vector<OneLine<Times>>& slots = groups_[process.slot];
        if (slots.empty())
            return;
        cpu.spend(prices_.add);
        slots[cpu.id()].update(cpu, [&](Times& slot) { slot.*field += delta; });
    }
    Times process_clock(Cpu& cpu, Process& process) override {
        std::vector<OneLine<Times>>& slots = groups_[process.slot];
        if (slots.empty())
            return process.leader->run.read(cpu).times;
        Slots row(slots);
        sim::CacheLine::read_row(cpu, row, slots.size(), prices_.visit);
        return row.total();
    }
    std::optional<Times> totals(const Process& process) const override {
        const std::vector<OneLine<Times>>& slots = groups_[process.slot];
        if (slots.empty())
            return std::nullopt;
        Times total;
        for (const OneLine<Times>& slot : slots)
            total += slot.peek();
        return total;
    }
    std::optional<Times> sure_to_see(const Process& process) const override { return totals(process); }

private:
    std::deque<std::vector<OneLine<Times>>> groups_;  // none before the second thread
};

class GlobalTotals final : public Totals {
public:
    using Totals::Totals;
    void add_process(Process& process) override {
        groups_.emplace_back(machine_, machine_.lock_class("process totals"),
                             fmt::format("process totals {}", process.number));
    }
    void add(Cpu& cpu, Process& process, TimeField field, CpuTime delta, std::uint64_t) override {
        Group& group = groups_[process.slot];
        const sim::SpinLockIrqGuard guard(cpu, group.lock);
        cpu.spend(prices_.add);
        group.total.update(cpu, [&](Times& total) { total.*field += delta; });
    }
    Times process_clock(Cpu& cpu, Process& process) override {
        Group& group = groups_[process.slot];
        const sim::SpinLockIrqGuard guard(cpu, group.lock);
        return group.total.read(cpu);
    }
    std::optional<Times> totals(const Process& process) const override { return groups_[process.slot].total.peek(); }
    std::optional<Times> sure_to_see(const Process& process) const override { return totals(process); }

private:
    struct Group {
        Group(sim::Machine& machine, sim::LockClass& lock_class, const std::string& name)
            : lock(machine, lock_class, name) {}
        sim::SpinLock lock;
        OneLine<Times> total;
    };
    std::deque<Group> groups_;
};

}  // namespace

std::unique_ptr<Accounting> make_per_cpu(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock) {
    return std::make_unique<PerCpuTotals>(machine, changes, run_clock);
}

std::unique_ptr<Accounting> make_global(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock) {
    return std::make_unique<GlobalTotals>(machine, changes, run_clock);
}

}  // namespace ticklab::cputime
