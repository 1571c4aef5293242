// How the times of a group are kept and read: the five designs (LC 0).
//
// Rules
//  (1) A hook is before(), then the thread's own addition, then add(): three steps, since others may come in between
//      (LC 2.6, LC-F7).
//  (2) The timer clock is what expiry is checked against: the process clock in walk, per-cpu and global, a clock of
//      its own in split and modern, which runs only while somebody needs it (LC 2.4).
//  (3) Design walk sums under sighand; its callers hold it (sums_under_sighand()).
//  (4) Order of locks: sighand, run queue, a design's own, stats. A sum that looks at what runs now is not taken under
//      the last two.
#pragma once

#include <memory>
#include <optional>

#include "ticklab/model/cputime/changes.hpp"
#include "ticklab/model/cputime/prices.hpp"
#include "ticklab/model/cputime/task.hpp"

namespace ticklab::cputime {

enum class Design : std::uint8_t { kWalk, kPerCpu, kGlobal, kSplit, kModern };
inline constexpr std::array<std::string_view, 5> kDesignWords{"walk", "per-cpu", "global", "split", "modern"};

/// Whose present run, since the last step that was accounted, a sum includes.
enum class Running : std::uint8_t { kNobody, kLeader, kAll };

/// What the designs ask of the scheduler.
class RunClock {
public:
    virtual ~RunClock() = default;
    /// The times of a thread, its run time up to now (LC 2.2). [point]
    virtual Times up_to_now(sim::Cpu& cpu, Task& task) = 0;
    /// What the thread has run since the last step; its run queue locked where that is at_once(). [point]
    virtual CpuTime not_accounted(sim::Cpu& cpu, Task& task) = 0;
    virtual CpuTime now(sim::Cpu& cpu) const = 0;
    virtual sim::SpinLock& lock_of(const Task& task) = 0;
    /// Run time and what is not accounted yet are read under one lock (LC-F8).
    virtual bool at_once() const = 0;
};

/// Whether sampling a timer clock that stands starts it.
enum class Start : std::uint8_t { kNo, kYes };

class Accounting {
public:
    Accounting(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock)
        : machine_(machine), changes_(changes), run_clock_(run_clock), prices_(machine) {}
    virtual ~Accounting() = default;

    /// A process was made; its clocks are at 0. Any context.
    virtual void add_process(Process& process) = 0;
    /// A thread is about to join the group. Sighand held.
    virtual void thread_joins(sim::Cpu&, Process&, Task&) {}

    /// First step of a hook: what add() has to know from before the thread's addition.
    virtual std::uint64_t before(sim::Cpu&, Process&) { return 0; }
    /// Last step of a hook, interrupts off.
    virtual void add(sim::Cpu& cpu, Process& process, TimeField field, CpuTime delta, std::uint64_t seen) = 0;

    /// The process clock as a check sees it, without what runs now (LC 2.3).
    virtual Times process_clock(sim::Cpu& cpu, Process& process) = 0;
    /// The process clock as clock_gettime shows it.
    virtual Times shown_clock(sim::Cpu& cpu, Process& process) = 0;
    virtual bool sums_under_sighand() const { return false; }
    /// Hooks of user and system time go on to the group while a thread exits (LC 2.6).
    virtual bool accounts_exiting() const { return true; }
    /// A group record is kept to which a folded thread could still be accounted (LC-F10).
    virtual bool outlives_fold() const { return false; }
    /// Which source a read of the process clock took: reads of one source never decrease.
    virtual std::size_t source(const Process&) const { return 0; }
    /// The timer clock; sighand held. `start` counts where it is a clock of its own.
    virtual Times timer_clock(sim::Cpu& cpu, Process& process, Start start) {
        (void)start;
        return process_clock(cpu, process);
    }
    /// What timer_settime and the re-arm at delivery go by; sighand held (LC 6.2 step 3).
    virtual Times set_sample(sim::Cpu& cpu, Process& process) { return timer_clock(cpu, process, Start::kYes); }
    /// What timer_gettime goes by; sighand held (LC 6.3).
    virtual Times get_sample(sim::Cpu& cpu, Process& process) { return timer_clock(cpu, process, Start::kYes); }

    /// Whether the group part of the tick's fast path finds something due (LC 5.1).
    virtual bool group_due(sim::Cpu& cpu, Process& process) = 0;
    /// The process part of a check begins: false if it is another CPU's. Sighand held.
    virtual bool begin_check(sim::Cpu&, Process&) { return true; }
    virtual void end_check(sim::Cpu&, Process&) {}
    /// `expires` has become the earliest expiry of the process on `clock`. Sighand held (LC 3).
    virtual void note_expiry(sim::Cpu& cpu, Process& process, ClockId clock, CpuTime expires) = 0;
    /// A check has found these to be the earliest ones. Sighand held (LC 5.3 step 5).
    virtual void store_next(sim::Cpu& cpu, Process& process, const Expiries& next) = 0;
    /// Nothing process-wide is armed. Sighand held (LC 2.5).
    virtual void stop(sim::Cpu&, Process&) {}

    /// Adds the time of a thread that is about to leave the list to that of the dead. Sighand held (LC 9.1 step 2).
    virtual void fold(sim::Cpu& cpu, Task& task);
    /// itimer: from the sample at which it was found due, or from its expiry, to the next (LC 7.3).
    virtual bool itimer_drifts() const { return true; }

    /// For oracles: what a check that begins now is sure to see; none if that cannot be said.
    virtual std::optional<Times> sure_to_see(const Process&) const { return std::nullopt; }
    /// For oracles: set_sample() starts a timer clock that stands (LC-I6).
    virtual bool set_sample_starts() const { return true; }
    /// For oracles: the timer clock runs, or is no clock of its own.
    virtual bool runs(const Process&) const { return true; }
    /// For oracles: totals that are kept; none if there are none.
    virtual std::optional<Times> totals(const Process&) const { return std::nullopt; }
    /// For oracles: what a firing is held to: the process clock if it promises that, else the timer clock.
    virtual Times promised_clock(const Process& process) const { return process.ledger.used; }
    /// For oracles: the group cache is used.
    virtual bool caches() const { return true; }

protected:
    /// What a thread that is about to leave has used to this moment, the step that ends here on the ledger.
    Times final_times(sim::Cpu& cpu, Task& task);
    /// Sum over the list, then the dead (LC 2.3). No lock of its own. [point]
    Times sum(sim::Cpu& cpu, Process& process, Running running = Running::kNobody);
    /// The same, never with a thread that is folded and listed at once (LC-D4), unless the version lacks that. With
    /// somebody running, sighand is free. [point]
    Times consistent_sum(sim::Cpu& cpu, Process& process, Running running = Running::kNobody);

    sim::Machine& machine_;
    const CpuTimeChanges& changes_;
    RunClock& run_clock_;
    CpuTimePrices prices_;
};

std::unique_ptr<Accounting> make_walk(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock);
std::unique_ptr<Accounting> make_per_cpu(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock);
std::unique_ptr<Accounting> make_global(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock);
std::unique_ptr<Accounting> make_split(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock);
std::unique_ptr<Accounting> make_modern(sim::Machine& machine, const CpuTimeChanges& changes, RunClock& run_clock);
std::unique_ptr<Accounting> make_accounting(Design design, sim::Machine& machine, const CpuTimeChanges& changes,
                                            RunClock& run_clock);

/// What per-cpu, global, split and modern share: a cache of the earliest expiries for the whole group.
class GroupCache : public Accounting {
public:
    using Accounting::Accounting;
    void note_expiry(sim::Cpu& cpu, Process& process, ClockId clock, CpuTime expires) override;
    void store_next(sim::Cpu& cpu, Process& process, const Expiries& next) override;
    bool group_due(sim::Cpu& cpu, Process& process) override;
};

}  // namespace ticklab::cputime
