// Design S, 2.6.29 to 4.2: clocks are summed when asked; a locked timer clock runs only while needed (LC 2.4).
#include <fmt/format.h>

#include <deque>

#include "ticklab/model/cputime/accounting.hpp"
#include "ticklab/model/cputime/checks.hpp"
#include "ticklab/model/cputime/records.hpp"
#include "ticklab/model/cputime/sites.hpp"

namespace ticklab::cputime {
namespace {

using sim::Cpu;

class Split final : public GroupCache {
public:
    Split(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock)
        : GroupCache(machine, changes, run_clock), by_generation_(changes.clock_generation) {}

    void add_process(Process& process) override {
        groups_.emplace_back(machine_, machine_.lock_class("timer clock"),
                             fmt::format("timer clock {}", process.number));
    }

    // By generation, the flag is read before the thread's addition: an addition to the group is then never of a step
    // that the sum of a start has in it (LC-D3).
    std::uint64_t before(Cpu& cpu, Process& process) override {
        if (!by_generation_)
            return 0;
        cpu.spend(prices_.test);
        return groups_[process.slot].generation.load(cpu);
    }
    void add(Cpu& cpu, Process& process, TimeField field, CpuTime delta, std::uint64_t seen) override {
        Group& group = groups_[process.slot];
        if (!by_generation_) {
            cpu.spend(prices_.test);
            seen = group.generation.load(cpu);
        }
        if (seen == kStopped)
            return;
        const sim::SpinLockIrqGuard guard(cpu, group.lock);
        if (by_generation_ && checks_generation_ && group.generation.load(cpu) != seen)
            return;
        cpu.spend(prices_.add);
        group.clock.update(cpu, [&](Times& clock) { clock.*field += delta; });
        check(cpu, process, group);
    }

    Times process_clock(Cpu& cpu, Process& process) override { return consistent_sum(cpu, process); }
    Times shown_clock(Cpu& cpu, Process& process) override { return consistent_sum(cpu, process, Running::kLeader); }
    bool accounts_exiting() const override { return false; }
    bool outlives_fold() const override { return true; }
    Times timer_clock(Cpu& cpu, Process& process, Start) override {
        Group& group = groups_[process.slot];
        const sim::SpinLockIrqGuard guard(cpu, group.lock);
        if (group.generation.load(cpu) == kStopped)
            start(cpu, process, group);
        return group.clock.read(cpu);
    }
    Times set_sample(Cpu& cpu, Process& process) override {
        return posix_timers_sample_timer_clock_ ? timer_clock(cpu, process, Start::kYes) : process_clock(cpu, process);
    }
    bool set_sample_starts() const override { return posix_timers_sample_timer_clock_; }
    Times get_sample(Cpu& cpu, Process& process) override { return set_sample(cpu, process); }
    void stop(Cpu& cpu, Process& process) override {
        Group& group = groups_[process.slot];
        if (group.generation.load(cpu) == kStopped)
            return;
        const sim::SpinLockIrqGuard guard(cpu, group.lock);
        group.generation.store(cpu, kStopped);
        cpu.record(kClockStopRecord, process.number);
    }
    void fold(Cpu& cpu, Task& task) override {
        if (changes_.dead_times_raw)
            Accounting::fold(cpu, task);
        else
            fold_scaled(cpu, task);
    }

    std::optional<Times> sure_to_see(const Process& process) const override {
        return runs(process) ? std::optional{groups_[process.slot].clock.peek()} : std::nullopt;
    }
    bool runs(const Process& process) const override { return groups_[process.slot].generation.peek() != kStopped; }

private:
    static constexpr std::uint64_t kStopped = 0;
    struct Group {
        Group(sim::Machine& machine, sim::LockClass& lock_class, const std::string& name)
            : lock(machine, lock_class, name) {}
        sim::SpinLock lock;
        OneLine<Times> clock;
        sim::Atomic<std::uint64_t> generation{kStopped};
        // For oracles: threads made when it was started, and what was used in all while it was.
        std::uint32_t threads_then = 0;
        Times used_meanwhile;
    };

    void start(Cpu& cpu, Process& process, Group& group) {
        const std::uint64_t fresh = ++starts_;
        if (!by_generation_)
            group.generation.store(cpu, fresh);
        cpu.at(sites::kStartBeforeSum);
        const Times used_before = process.ledger.used;
        const Times sum =
            changes_.start_takes_no_run_queue ? consistent_sum(cpu, process) : this->sum(cpu, process, Running::kAll);
        const Times before = group.clock.peek();
        if (changes_.start_synchronised)
            group.clock.update(cpu, [&sum](Times& clock) { clock = max_of(clock, sum); });
        if (by_generation_)
            group.generation.store(cpu, fresh);
        group.threads_then = process.made - process.count;
        for (const TimeField f : kTimeFields)
            group.used_meanwhile.*f = process.ledger.used.*f - used_before.*f;
        ++process.clock_starts;
        cpu.record(kClockStartRecord, process.number, group.clock.peek().of(ClockId::kProf).count());
        for (const TimeField f : kTimeFields)
            if (group.clock.peek().*f < before.*f)
                cpu.fail(checks::kClockFell, fmt::format("process {}", process.number));
        check(cpu, process, group);
    }

    void check(Cpu& cpu, const Process& process, const Group& group) const {
        const Times& clock = group.clock.peek();
        const Times& used = process.ledger.used;
        // What is used while the clock is being started is in it or not (LC-F7b): a step, unless a CPU stands still in
        // there. Besides, each thread that was there or came later may lack a step then, and its last.
        const CpuTime lack = 2 * process.ledger.step_max * (process.made - group.threads_then + 1);
        for (const TimeField f : kTimeFields) {
            if (clock.*f > used.*f)
                cpu.fail(checks::kClockAhead, fmt::format("process {}: {} ns, its threads have used {} ns",
                                                          process.number, (clock.*f).count(), (used.*f).count()));
            if (clock.*f + lack + group.used_meanwhile.*f < used.*f)
                cpu.fail(checks::kClockBehind, fmt::format("process {}: {} ns, its threads have used {} ns",
                                                           process.number, (clock.*f).count(), (used.*f).count()));
        }
    }

    // 2.6.29: what goes to the dead is scaled to the exact run time, what the living show is not (LC-F3).
    void fold_scaled(Cpu& cpu, Task& task) {
        const Times own = final_times(cpu, task);
        Times scaled = own;
        const CpuTime sampled = own.utime + own.stime;
        if (sampled > CpuTime::zero()) {
            scaled.utime = CpuTime{static_cast<std::int64_t>(
                sim::UInt128{static_cast<std::uint64_t>(own.sum_exec.count())} *
                static_cast<std::uint64_t>(own.utime.count()) / static_cast<std::uint64_t>(sampled.count()))};
            scaled.stime = own.sum_exec - scaled.utime;
        }
        task.process.dead.update(cpu, [&scaled](Times& dead) { dead += scaled; });
    }

    const bool by_generation_;
    const bool checks_generation_ = changes_.generation_checked;
    const bool posix_timers_sample_timer_clock_ = changes_.timers_sample_timer_clock;
    std::uint64_t starts_ = 0;
    std::deque<Group> groups_;
};

}  // namespace

std::unique_ptr<Accounting> make_split(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock) {
    return std::make_unique<Split>(machine, changes, run_clock);
}

}  // namespace ticklab::cputime
