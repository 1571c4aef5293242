// Design M, 4.3 and later: as split, with atomics in place of the lock, and one checker a group (LC 14).
#include <deque>

#include "ticklab/model/cputime/accounting.hpp"
#include "ticklab/model/cputime/records.hpp"
#include "ticklab/model/cputime/sites.hpp"

namespace ticklab::cputime {
namespace {

using sim::Cpu;

class Modern final : public GroupCache {
public:
    using GroupCache::GroupCache;

    void add_process(Process&) override { groups_.emplace_back(); }
    void add(Cpu& cpu, Process& process, TimeField field, CpuTime delta, std::uint64_t) override {
        Group& group = groups_[process.slot];
        cpu.spend(prices_.test);
        if (!group.active.read_once(cpu))
            return;
        group.clock.update_atomic(cpu, [&](Times& clock) { clock.*field += delta; });
    }
    Times process_clock(Cpu& cpu, Process& process) override { return clock(cpu, process, Running::kNobody); }
    Times shown_clock(Cpu& cpu, Process& process) override { return clock(cpu, process, Running::kAll); }
    bool accounts_exiting() const override { return false; }
    bool outlives_fold() const override { return true; }
    std::size_t source(const Process& process) const override { return runs(process) ? 1 : 0; }
    Times timer_clock(Cpu& cpu, Process& process, Start start) override {
        Group& group = groups_[process.slot];
        if (group.active.read_once(cpu))
            return group.clock.read(cpu);
        const Times sum = consistent_sum(cpu, process);
        if (start == Start::kNo)
            return sum;
        for (const TimeField f : kTimeFields)
            group.clock.update_atomic(cpu, [&](Times& clock) { clock.*f = std::max(clock.*f, sum.*f); });
        cpu.at(sites::kStartBeforeSum);
        group.active.write_once(cpu, true);
        ++process.clock_starts;
        cpu.record(kClockStartRecord, process.number, group.clock.peek().of(ClockId::kProf).count());
        return group.clock.read(cpu);
    }
    Times get_sample(Cpu& cpu, Process& process) override { return timer_clock(cpu, process, Start::kNo); }
    bool group_due(Cpu& cpu, Process& process) override {
        Group& group = groups_[process.slot];
        if (!group.active.read_once(cpu) || group.checking.read_once(cpu))
            return false;
        return process.cache.read(cpu).due(group.clock.read(cpu));
    }
    bool begin_check(Cpu& cpu, Process& process) override {
        Group& group = groups_[process.slot];
        if (group.checking.read_once(cpu))
            return false;
        group.checking.write_once(cpu, true);
        return true;
    }
    void end_check(Cpu& cpu, Process& process) override { groups_[process.slot].checking.write_once(cpu, false); }
    void stop(Cpu& cpu, Process& process) override {
        Group& group = groups_[process.slot];
        if (!group.active.read_once(cpu))
            return;
        group.active.write_once(cpu, false);
        cpu.record(kClockStopRecord, process.number);
    }
    bool itimer_drifts() const override { return false; }

    std::optional<Times> sure_to_see(const Process& process) const override {
        const Group& group = groups_[process.slot];
        return runs(process) && !group.checking.peek() ? std::optional{group.clock.peek()} : std::nullopt;
    }
    bool runs(const Process& process) const override { return groups_[process.slot].active.peek(); }
    // The race of a hook with a start stays: it is held to the timer clock (LC-P2).
    Times promised_clock(const Process& process) const override {
        return max_of(process.ledger.used, groups_[process.slot].clock.peek());
    }

private:
    struct Group {
        OneLine<Times> clock;
        sim::Shared<bool> active{false};
        sim::Shared<bool> checking{false};
    };
    Times clock(Cpu& cpu, Process& process, Running running) {
        Group& group = groups_[process.slot];
        return group.active.read_once(cpu) ? group.clock.read(cpu) : consistent_sum(cpu, process, running);
    }

    std::deque<Group> groups_;
};

}  // namespace

std::unique_ptr<Accounting> make_modern(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock) {
    return std::make_unique<Modern>(machine, changes, run_clock);
}

}  // namespace ticklab::cputime
