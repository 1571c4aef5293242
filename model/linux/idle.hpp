// The idle loop (LNT 7.1).
#pragma once

#include "ticklab/model/linux/governor.hpp"
#include "ticklab/model/linux/sched.hpp"
#include "ticklab/model/linux/tick_invariants.hpp"
#include "ticklab/model/linux/tick_sched.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"

namespace ticklab::linux_ {

class IdleLoop {
public:
    IdleLoop(Timekeeping& time, TickSched& tick, Scheduler& scheduler, Governor& governor,
             const tmigr::TmigrPlacement* hierarchy, CheckEffort effort, bool looks_again)
        : time_(time),
          tick_(tick),
          scheduler_(scheduler),
          governor_(governor),
          hierarchy_(hierarchy),
          effort_(effort),
          looks_again_(looks_again) {}

    /// Until something else wants the CPU: on the idle thread, entered and left with interrupts on.
    void run(sim::Cpu& cpu);

private:
    void follow(sim::Cpu& cpu, const Governor::Choice& choice);
    void sleep(sim::Cpu& cpu, unsigned c_state);
    /// Back to the sleep instead of to the loop (without NOHZ-05).
    void halt_until_called(sim::Cpu& cpu, unsigned c_state);
    /// Whether the effort wants a check at this moment, one of many.
    bool wanted(std::uint32_t& moments) const;
    /// The hierarchy, when no operation on it is under way.
    void check_placement(sim::Cpu& cpu);
    /// Asks an invariant, if the effort wants it now.
    void check(sim::Cpu& cpu, std::optional<Broken> (*invariant)(const TickSched&, sim::CpuId, Ktime));

    Timekeeping& time_;
    TickSched& tick_;
    Scheduler& scheduler_;
    Governor& governor_;
    /// Null if the placement is another.
    const tmigr::TmigrPlacement* hierarchy_;
    CheckEffort effort_;
    /// After each interrupt the loop decides anew (NOHZ-05).
    bool looks_again_;
    std::uint32_t moments_since_check_ = 0;
    std::uint32_t placement_moments_ = 0;
};

}  // namespace ticklab::linux_
