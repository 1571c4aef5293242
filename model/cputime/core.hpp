// What the kernel is made of, and its options.
#pragma once

#include <deque>
#include <memory>

#include "ticklab/model/cputime/accounting.hpp"
#include "ticklab/model/cputime/cpu_timers.hpp"
#include "ticklab/model/cputime/life.hpp"
#include "ticklab/model/cputime/scheduler.hpp"
#include "ticklab/model/cputime/signals.hpp"

namespace ticklab::cputime {

/// The kernel's options, resolved.
struct CpuTimeConfig {
    unsigned hz = 250;
    Design design = Design::kModern;
    bool expiry_in_task = false;
    bool skew_tick = false;
    bool check = true;
    sim::Duration slice{};
    CpuTimeChanges changes;

    CpuTime tick() const { return CpuTime{1'000'000'000 / hz}; }
};

inline constexpr std::uint32_t kMaxProcesses = 1024;
inline constexpr std::uint32_t kMaxTimers = 4096;

struct Core {
    Core(sim::Machine& machine_, const CpuTimeConfig& config_);

    sim::Machine& machine;
    const CpuTimeConfig config;
    const CpuTimePrices prices;
    std::deque<Process> processes;
    std::deque<Task> tasks;
    std::deque<PosixTimer> timers;
    Scheduler scheduler;
    std::unique_ptr<Accounting> accounting;
    Signals signals;
    CpuTimers cpu_timers;
    Life life;

    /// The process of that number, or null.
    Process* find_process(std::int64_t number);
    const Process* find_process(std::int64_t number) const;
    /// The timer of that number, made at its first mention.
    PosixTimer& timer(std::int64_t number);
    const PosixTimer* find_timer(std::int64_t number) const;
    /// A thread that is not reaped, by its number in the process; null if there is none.
    static Task* find_thread(Process& process, std::int64_t number);
};

}  // namespace ticklab::cputime
