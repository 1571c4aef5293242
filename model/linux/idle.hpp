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
    IdleLoop(Timekeeping& time, TickSched& tick, Scheduler& scheduler, Governor& governor, TickBroadcast* broadcast,
             const tmigr::TmigrPlacement* hierarchy, CheckEffort effort, bool looks_again)
        : time_(time),
          tick_(tick),
          scheduler_(scheduler),
          governor_(governor),
          broadcast_(broadcast),
          hierarchy_(hierarchy),
          effort_(effort),
          looks_again_(looks_again) {}

    /// Until something else wants the CPU: on the idle thread, entered and left with interrupts on.
    void run(sim::Cpu& cpu);
    /// Checks a CPU that goes on without a tick: interrupts on.
    void check_tickless(sim::Cpu& cpu);

private:
    void follow(sim::Cpu& cpu, const Governor::Choice& choice);
    void sleep(sim::Cpu& cpu, unsigned c_state);
    /// In a state that stops the CPU's timer: awake again and interrupts off, what woke it not handled yet.
    void sleep_by_broadcast(sim::Cpu& cpu, unsigned c_state);
    /// While the broadcast interrupt for this CPU is about to come.
    void poll(sim::Cpu& cpu);
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
    /// Null if no CPU's timer stops.
    TickBroadcast* broadcast_;
    /// Null if the placement is another.
    const tmigr::TmigrPlacement* hierarchy_;
    CheckEffort effort_;
    /// After each interrupt the loop decides anew (NOHZ-05).
    bool looks_again_;
    std::uint32_t moments_since_check_ = 0;
    std::uint32_t placement_moments_ = 0;
};

}  // namespace ticklab::linux_
