// The step after which a loss was inevitable: the last record that could still have led to the timer being run in time.
//
// Rules
//  (1) Asked in hindsight, of the records that are kept. What covers a timer is a CPU that is awake in the kernel, and
//      what wakes one: a device that is armed for an instant by the bound has its event by then, or an awake CPU stops
//      it. So nothing covers it any more after the last record, up to the bound, of an awake CPU, of an interrupt or a
//      device's event, or of what puts the timer into the queue of another CPU.
//  (2) Where a CPU is still awake at the bound, it is the first later record after which none is: it sleeps, goes to
//      user mode or leaves without having run the timer.
//  (3) Of the CPU that has the timer this is told of every loss. Of all CPUs it is told where the check says that all
//      sleep; where CPUs serve each other that is the one that counts.
//  (4) A CPU in user mode looks at nothing until an interrupt comes; one that has left the online map is of no account.
#pragma once

#include <optional>

#include "ticklab/lab/why/record_ring.hpp"
#include "ticklab/sim/kernel.hpp"

namespace ticklab::lab {

/// What is asked about.
struct LossQuestion {
    std::uint64_t timer_name = 0;  ///< interned
    sim::Time bound = sim::kNever;
    /// The CPU whose doing counts; all if none.
    std::optional<sim::CpuId> cpu;
};

/// None if it is not among the records of `ring`.
std::optional<KeptRecord> loss_step(const RecordRing& ring, const LossQuestion& question);

/// What is known of a lost timer.
struct Loss {
    sim::TimerIndex timer = sim::kNoTimer;
    sim::CpuId owner = sim::kNoCpu;  ///< the CPU that has it
    sim::Time bound = sim::kNever;   ///< it had to run by then
    std::optional<KeptRecord> owner_step;
    /// That of all CPUs, where the check is about them all.
    bool of_all_cpus = false;
    std::optional<KeptRecord> step_of_all;

    /// The step after which the check's own sentence was bound to be broken.
    const std::optional<KeptRecord>& step() const { return of_all_cpus ? step_of_all : owner_step; }
};

}  // namespace ticklab::lab
