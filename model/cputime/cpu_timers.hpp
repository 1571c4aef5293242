// CPU timers: POSIX timers on thread and process clocks, interval timers, limits, and the tick's check of them
// (LC 3 and 5 to 8).
//
// Rules
//  (1) Operations run at thread level, as system calls; the check runs in the tick with interrupts off, or in task
//      context where kernel.expiry says so (LC 14).
//  (2) A timer that was collected is `firing` and on no list. Who sets or deletes it meanwhile marks it as reported
//      and tries again; exactly one of signal and old value tells of the expiry (LC 5.4).
#pragma once

#include <deque>
#include <vector>

#include "ticklab/model/cputime/oracle.hpp"
#include "ticklab/model/cputime/task.hpp"

namespace ticklab::cputime {

struct Core;

/// Most timers of a clock that one check takes (LC 5.2).
inline constexpr std::size_t kTimersPerCheck = 19;

/// expires and overrun after bump(): expires is past `now` then, by whole intervals (LC 6.6).
struct Bumped {
    CpuTime expires;
    std::int64_t periods;
};
Bumped bump_ideal(CpuTime expires, CpuTime interval, CpuTime now);
/// As all kernels do it: one interval less where now is late by the interval times a power of two (LC-D5).
Bumped bump_historic(CpuTime expires, CpuTime interval, CpuTime now);

class CpuTimers {
public:
    explicit CpuTimers(Core& core);

    struct Setting {
        CpuTime value{};  ///< zero disarms
        CpuTime interval{};
        bool absolute = false;
    };
    /// timer_create if the timer is new or deleted; `thread` null for the process clock.
    void create(PosixTimer& timer, Process& process, Task* thread, ClockId clock, Notify notify);
    /// timer_settime. Thread level. [point]
    void set(sim::Cpu& cpu, PosixTimer& timer, const Setting& setting);
    /// timer_gettime: what is left, zero if disarmed, never zero if armed (LC 6.3). [point]
    CpuTime get(sim::Cpu& cpu, PosixTimer& timer);
    /// timer_delete. [point]
    void remove(sim::Cpu& cpu, PosixTimer& timer);
    /// A signal of the timer is delivered: re-arm it if it is periodic (LC 6.5). [point]
    void delivered(sim::Cpu& cpu, PosixTimer& timer);

    /// setitimer; what was left before (LC 7.1). [point]
    CpuTime set_itimer(sim::Cpu& cpu, Process& process, ClockId clock, CpuTime value, CpuTime interval);
    /// getitimer (LC 7.2). [point]
    CpuTime get_itimer(sim::Cpu& cpu, Process& process, ClockId clock);
    /// setrlimit (LC 8). [point]
    void set_cpu_limit(sim::Cpu& cpu, Process& process, const Limit& limit);
    void set_rt_limit(sim::Cpu& cpu, Process& process, const Limit& limit);
    /// Limits of a new child (LC 9.6). [point]
    void inherit(sim::Cpu& cpu, Process& parent, Process& child);

    /// clock_gettime of a process or thread clock (LC 2.2, 2.3). [point]
    CpuTime read(sim::Cpu& cpu, Process& process, Task* thread, ClockId clock);

    /// The tick's check, interrupts off (LC 5).
    void check(sim::Cpu& cpu, Task& task);
    /// What the tick left to task context (LC 14). Thread level.
    void task_work(sim::Cpu& cpu, Task& task) { handle(cpu, task); }
    /// The scheduler's tick of a realtime thread (LC 8.2). Run queue locked.
    void realtime_tick(sim::Cpu& cpu, Task& task);

    /// The last live thread exits, or the process executes another program. No lock held.
    void delete_all(sim::Cpu& cpu, Process& process);
    /// A thread or process is about to be reaped: its timers never fire. Sighand held (LC 9.1 step 1, 9.2).
    void detach_thread(sim::Cpu& cpu, Task& task);
    void detach_process(sim::Cpu& cpu, Process& process);

    Oracle& oracle() { return oracle_; }

private:
    Times sample_to_set(sim::Cpu& cpu, PosixTimer& timer);
    Times sample_to_get(sim::Cpu& cpu, PosixTimer& timer);
    Times with_run_of(sim::Cpu& cpu, Times times, Task* task, ClockId clock);
    TimerLists& lists_of(PosixTimer& timer);
    void arm(sim::Cpu& cpu, PosixTimer& timer);
    bool unlink(sim::Cpu& cpu, PosixTimer& timer);
    void disarmed(sim::Cpu& cpu, Process& process);
    void fire(sim::Cpu& cpu, PosixTimer& timer, bool at_set);
    std::int64_t bump(PosixTimer& timer, CpuTime now) const;
    CpuTime left(PosixTimer& timer, CpuTime now);

    bool due(sim::Cpu& cpu, Task& task);
    void handle(sim::Cpu& cpu, Task& task);
    CpuTime collect(sim::Cpu& cpu, std::vector<PosixTimer*>& list, CpuTime now, std::vector<PosixTimer*>& firing);
    void check_thread(sim::Cpu& cpu, Task& task, std::vector<PosixTimer*>& firing);
    void check_process(sim::Cpu& cpu, Process& process, std::vector<PosixTimer*>& firing);
    void check_itimer(sim::Cpu& cpu, Process& process, ClockId clock, CpuTime now);
    void check_cpu_limit(sim::Cpu& cpu, Process& process, CpuTime now);
    void check_rt_limit(sim::Cpu& cpu, Task& task);
    void detach(sim::Cpu& cpu, TimerLists& lists, const Times& now);

    Core& core_;
    Oracle oracle_;
    struct PerCpuState {
        std::vector<PosixTimer*> firing;
        bool full = false;
    };
    std::deque<PerCpuState> cpus_;
};

}  // namespace ticklab::cputime
