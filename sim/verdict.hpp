// A broken promise, and what stops a run.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/record.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// What a CPU was doing when a verdict fell (MA 14.1).
struct CpuSnapshot {
    CpuId cpu;
    Time local_time;
    std::string activity;  ///< "running", "idle C6", "spinning on heap lock", "off-line", ...
    std::string thread;
    std::vector<std::string> call_chain;  ///< outermost first, interrupts marked
    std::vector<std::string> held_locks;  ///< spin locks, then the thread's sleeping ones, in the order of acquisition
    bool irqs_enabled = false;
    unsigned irq_depth = 0;
};

/// One broken check with all that is known about it.
struct Verdict {
    const CheckDecl* check = nullptr;
    std::string message;  ///< what was found and what was promised
    Time at = kBoot;
    std::uint64_t seed = 0;
    CpuId cpu = kNoCpu;
    RecordId record;                  ///< the last record of that CPU
    std::uint64_t record_number = 0;  ///< committed records before the verdict
    std::vector<CpuSnapshot> cpus;
};

/// Checks that the machine itself makes. Kernels and lab/ declare theirs in the same form.
namespace checks {
inline constexpr CheckDecl kLivelock{"progress.livelock", "The machine performs steps without virtual time moving on."};
inline constexpr CheckDecl kDeadlock{"progress.deadlock", "CPUs wait for each other in a circle."};
inline constexpr CheckDecl kSoftLockup{"progress.soft_lockup",
                                       "A CPU waited longer than the bound without being able to go on."};
inline constexpr CheckDecl kIrqStorm{"progress.irq_storm", "A CPU does nothing but take interrupts."};
inline constexpr CheckDecl kStackOverflow{"machine.stack_overflow", "A thread ran over the end of its stack."};
inline constexpr CheckDecl kLockStranger{"lock.stranger", "A lock was released by a CPU that does not own it."};
inline constexpr CheckDecl kLockRecursion{"lock.recursion", "A CPU tried to take a lock that it already holds."};
inline constexpr CheckDecl kLockOrder{"lock.order", "Lock classes were taken in orders that form a circle."};
inline constexpr CheckDecl kLockIrq{"lock.irq_unsafe",
                                    "A lock class is taken in interrupts and elsewhere with interrupts enabled."};
inline constexpr CheckDecl kLockSleep{"lock.sleep", "A thread slept while it held a spin lock."};
inline constexpr CheckDecl kLockIdle{"lock.idle", "A lock was held into idle or off-line."};
inline constexpr CheckDecl kPerCpu{"memory.per_cpu", "A CPU touched another CPU's private data."};
inline constexpr CheckDecl kUseAfterFree{"memory.use_after_free", "Freed or never initialised memory was touched."};
inline constexpr CheckDecl kDoubleFree{"memory.double_free", "Memory was freed twice, or was never allocated."};
inline constexpr CheckDecl kDataRace{"memory.data_race",
                                     "Two CPUs accessed the same unmarked data without happens-before order."};
inline constexpr CheckDecl kNotGuarded{"memory.not_guarded", "Guarded data was touched without its lock."};
inline constexpr CheckDecl kIrqContext{"context.irq", "An operation was used in a context that forbids it."};
inline constexpr CheckDecl kQueueFull{"machine.queue_full", "A bounded hardware queue overflowed."};
inline constexpr CheckDecl kAccessFault{"machine.access_fault", "A CPU accessed a device register in a forbidden way."};
inline constexpr CheckDecl kKernelBug{"kernel.bug", "A kernel's own assertion failed."};
}  // namespace checks

}  // namespace ticklab::sim
