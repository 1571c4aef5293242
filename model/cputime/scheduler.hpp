// Run queues, ticks, and the accounting hooks (LC 2.6, LC 4).
//
// Rules
//  (1) Threads stay on the CPU they were made for. Those of one CPU take turns, a slice each; the kernel is not
//      preempted.
//  (2) A tick charges a whole tick to what it interrupted, then brings the run time up to date, then looks at the CPU
//      timers (LC 4). A CPU ticks always.
//  (3) What runs on a CPU and its queues are guarded by its run queue lock.
#pragma once

#include <deque>
#include <vector>

#include "ticklab/model/cputime/accounting.hpp"

namespace ticklab::cputime {

struct Core;

struct CpuFigures {
    std::int64_t ticks = 0;
    sim::Duration tick_time{};      ///< in tick handlers
    sim::Duration tick_time_max{};  ///< the longest one: interrupts are off in it
};

class Scheduler final : public RunClock {
public:
    explicit Scheduler(Core& core);

    /// First code on a CPU: its timer, its first tick.
    void start(sim::Cpu& cpu);
    /// The tick's interrupt handler.
    void tick(sim::Cpu& cpu);
    /// One pass of the idle thread: a step of the thread whose turn it is, or sleep.
    void pass(sim::Cpu& cpu);

    /// A new thread, or one that slept, may run. Any context, sighand may be held. [point]
    void wake(sim::Cpu& from, Task& task);
    /// The CPU of `task` looks at what is asked of it. [point]
    void kick(sim::Cpu& from, const Task& task);
    /// The current thread of this CPU gives it up in `state`; returns on the way out of the kernel. Interrupts off.
    void leave(sim::Cpu& cpu, TaskState state);
    /// Brings the run time of the current thread up to date. Interrupts off, sighand may be held. [point]
    void account_current(sim::Cpu& cpu);
    Task* current(const sim::Cpu& cpu) const { return queues_[cpu.id()].current; }

    CpuTime now(sim::Cpu& cpu) const override;
    /// For oracles.
    CpuTime now_for_oracle(sim::Cpu& cpu) const;
    Times up_to_now(sim::Cpu& cpu, Task& task) override;
    CpuTime not_accounted(sim::Cpu& cpu, Task& task) override;
    sim::SpinLock& lock_of(const Task& task) override { return queues_[task.cpu].lock; }
    bool at_once() const override { return at_once_; }

    const CpuFigures& figures(sim::CpuId cpu) const { return queues_[cpu].figures; }

private:
    struct RunQueue {
        RunQueue(sim::Machine& machine, sim::CpuId id);
        sim::SpinLock lock;
        sim::Guarded<std::deque<Task*>> runnable;
        sim::Guarded<std::vector<Task*>> sleepers;
        sim::Atomic<bool> need_resched{false};
        Task* current = nullptr;
        bool in_user = false;
        CpuTime slice_end{};
        CpuTime next_tick{};
        CpuFigures figures;
    };

    CpuTime ns_of_tsc(std::uint64_t tsc) const;
    void program_tick(sim::Cpu& cpu, RunQueue& queue);
    void account(sim::Cpu& cpu, Task& task, TimeField field, CpuTime delta);
    void update_current(sim::Cpu& cpu, RunQueue& queue);
    void schedule(sim::Cpu& cpu, RunQueue& queue);
    void scheduler_tick(sim::Cpu& cpu, RunQueue& queue);
    void run_step(sim::Cpu& cpu, RunQueue& queue, Task& task);
    void run_user(sim::Cpu& cpu, RunQueue& queue, Task& task);

    Core& core_;
    const bool at_once_;
    const bool account_folded_;
    std::deque<RunQueue> queues_;
};

}  // namespace ticklab::cputime
