// Processes, threads and what they have armed (LC 1).
//
// Rules
//  (1) What a process holds is guarded by its sighand lock, but for the lines that fast paths read: times, cached
//      expiries, flags.
//  (2) Locks, outermost first: a timer's own lock, sighand, run queue, the locks of a design's clocks (LC 1.4).
//  (3) Threads and processes are never freed, so a walk over a list that changes under it always goes on.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ticklab/model/cputime/one_line.hpp"
#include "ticklab/model/cputime/times.hpp"
#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/memory.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::cputime {

struct Process;
struct Task;

enum class Signal : std::uint8_t { kProf, kVtAlrm, kXcpu, kKill };
inline constexpr std::size_t kSignalCount = 4;

enum class Notify : std::uint8_t { kSignal, kNone };

/// What a timer is between its collection and its firing (LC 1.3).
enum class Firing : std::int8_t { kNo = 0, kYes = 1, kReported = -1 };

/// Process::arms of an arming that is not complete: fast paths need not know of it yet (LC-P3).
inline constexpr std::uint64_t kArming = ~std::uint64_t{0};

/// A POSIX CPU timer. Guarded by its own lock; list membership, expiry and `firing` by sighand too.
struct PosixTimer {
    PosixTimer(sim::Machine& machine, std::uint32_t number);

    std::uint32_t number;
    std::uint64_t object;
    sim::SpinLock lock;
    Process* process = nullptr;  ///< null before it is created and after it was deleted
    Task* thread = nullptr;      ///< whose clock it is; null for the process clock
    ClockId clock = ClockId::kProf;
    Notify notify = Notify::kSignal;
    CpuTime expires{};  ///< zero: disarmed
    CpuTime interval{};
    Firing firing = Firing::kNo;
    bool linked = false;
    bool queued = false;  ///< its signal is (LC-I7)
    std::int64_t overrun = -1;
    std::int64_t overrun_last = 0;
    std::uint64_t sequence = 0;         ///< settime, firing and delivery agree by it
    std::uint64_t queued_sequence = 0;  ///< of the signal that is queued
    std::uint64_t armed_at = 0;         ///< Process::arms then, for oracles
    CpuTime first_expiry{};             ///< since it was set, for oracles
    std::int64_t periods = 0;           ///< told by signals and overruns since then

    // Figures.
    std::int64_t fired = 0, signals = 0, overruns = 0, remaining = 0, old_remaining = 0;
    CpuTime late_max{};
};

/// Timers of a thread or process by clock, each list sorted by expiry, equal ones in order of arming.
using TimerLists = std::array<std::vector<PosixTimer*>, kClocks.size()>;

struct IntervalTimer {
    CpuTime expires{};  ///< in process time; zero is off
    CpuTime interval{};
    std::uint64_t armed_at = 0;  ///< Process::arms then, for oracles
    std::int64_t signals = 0;
    CpuTime late_max{};
};

/// Zero is none.
struct Limit {
    std::chrono::nanoseconds soft{};
    std::chrono::nanoseconds hard{};
};

/// Run time of a thread, and since when it runs.
struct RunTimes {
    Times times;
    CpuTime exec_start{};
    bool on_cpu = false;
};

enum class TaskState : std::uint8_t { kNew, kRunnable, kRunning, kSleeping, kZombie };

/// What a thread does in the kernel after each stretch of user code.
enum class KernelCall : std::uint8_t { kNone, kReadClock, kChurnTimer, kYield };

/// What a thread does all its life.
struct Behaviour {
    sim::Duration user{};      ///< user code between calls; zero for ever
    sim::Duration system{};    ///< in the kernel after it
    sim::Duration sleep{};     ///< asleep after that, to the next tick
    sim::Duration lifetime{};  ///< user and system time after which it ends; zero for ever
    bool respawn = false;      ///< a new thread takes its place then
    bool realtime = false;
    KernelCall call = KernelCall::kNone;
};

/// Of the machines that ticklab runs on.
inline constexpr std::size_t kHostLineBytes = 64;

struct alignas(kHostLineBytes) Task {
    Task(sim::Machine& machine, std::uint32_t number_in_process, Process& owner, sim::CpuId home,
         const Behaviour& what);

    // What walks over the group touch comes first and lies together.
    Task* next = nullptr;            ///< in its group; stays when the thread leaves it
    const Task* far_next = nullptr;  ///< the one that was made kFetchedAhead later, for fetch_ahead() alone
    OneLine<RunTimes> run;
    sim::Shared<bool> exiting{false};
    OneLine<Expiries> cache;
    std::uint32_t number;
    std::uint64_t object;
    Process& process;
    sim::CpuId cpu;
    Behaviour behaviour;
    TimerLists timers;
    TaskState state = TaskState::kNew;  ///< guarded by the run queue of `cpu`
    bool folded = false;                ///< its times are with the dead: written on its own CPU only
    sim::Atomic<bool> signal_pending{false};
    sim::Atomic<bool> exit_asked{false};
    std::array<bool, kSignalCount> pending{};  ///< signals for this thread alone
    bool work_scheduled = false;               ///< expiry was left to task context (LC 14)
    bool exec_asked = false;
    std::int64_t rt_ticks = 0;
    // Its program, moved by its own CPU.
    sim::Duration user_left{};
    sim::Duration system_left{};
    sim::Duration life_left{};
    bool call_due = false;
    bool sleep_due = false;
    CpuTime wake_at{};

    static constexpr std::size_t kFetchedAhead = 8;
    /// The host begins to fetch what a walk that is here will come to; a run shows nothing of it.
    void fetch_ahead() const {
        constexpr std::size_t kWalked = sizeof next + sizeof far_next + sizeof run + sizeof exiting + sizeof cache;
        if (far_next)
            for (std::size_t i = 0; i < kWalked; i += kHostLineBytes)
                __builtin_prefetch(reinterpret_cast<const char*>(far_next) + i);
    }
};

/// What is known of a process by counting each step as it is made, for oracles.
struct Ledger {
    Times used;          ///< by threads, up to their folding
    CpuTime step_max{};  ///< largest single step
    std::int64_t hooks_in_flight = 0;
    std::uint64_t looks = 0;
    std::array<std::array<CpuTime, kClocks.size()>, 2> shown{};  ///< most that a read returned, by source
};

struct Process {
    Process(sim::Machine& machine, std::uint32_t process_number, std::uint32_t design_slot);

    std::uint32_t number;
    std::uint32_t slot;  ///< of the design's clocks
    sim::SpinLock sighand;
    sim::SpinLock stats_lock;
    sim::Atomic<std::uint32_t> stats_sequence{0};
    OneLine<Times> dead;
    Times children;
    Process* parent = nullptr;
    sim::Shared<Task*> first{nullptr};
    Task* leader = nullptr;
    std::uint32_t live = 0;   ///< threads that have not begun to exit
    std::uint32_t count = 0;  ///< threads that are not reaped
    std::uint32_t made = 0;
    std::array<Task*, Task::kFetchedAhead> last_made{};  ///< the nth at n modulo their number
    bool dying = false;
    bool gone = false;
    bool in_exec = false;  ///< a thread waits for the others to go
    OneLine<Expiries> cache;
    TimerLists timers;
    std::array<IntervalTimer, 2> itimers;  ///< PROF, VIRTUAL
    Limit cpu_limit;
    Limit rt_limit;
    std::array<bool, kSignalCount> pending{};
    std::vector<PosixTimer*> queued_timers;
    std::uint64_t arms = 0;
    Ledger ledger;

    // Figures.
    std::array<std::int64_t, kSignalCount> delivered{};
    std::int64_t slow_paths = 0, clock_starts = 0, old_itimer = 0, read_last = 0;
    Times told;  ///< by SIGCHLD, in clock_t units of 10 ms

    /// The earliest expiry of each clock that is armed for the whole process (LC 5.3).
    Expiries earliest() const;
    bool armed() const { return earliest().any(); }
    /// The sum that conservation is about, of now.
    Times sum_for_oracle() const;
};

inline std::size_t index_of(Signal s) { return static_cast<std::size_t>(s); }
inline std::size_t index_of(ClockId c) { return static_cast<std::size_t>(c); }

}  // namespace ticklab::cputime
