// The owner of the tick-less idle load balancer: one idle CPU keeps its tick, to balance the load for all whose tick
// is stopped (LNT 10.1, LC Appendix A). Who it is, not what it does: balancing itself is not modelled.
//
// Rules
//  (1) stop() and restart() are about the CPU that calls them, interrupts off; no CPU moves another's bit.
//  (2) The owner is in the set. When everybody is in it there is nothing to balance, and the owner gives up at its next
//      try to stop its tick.
//  (3) A CPU that is going off-line is not active any more, and neither joins the set nor owns (NOHZ-04): nobody would
//      take it out once it is dead.
//
// The mark "recently tickless" of the specification's first step is not there: nothing in the model reads it.
#pragma once

#include "ticklab/model/linux/changes.hpp"
#include "ticklab/sim/cpu_set.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::linux_ {

class NohzBalancer {
public:
    NohzBalancer(sim::Machine& machine, const LinuxChanges& changes);

    /// This CPU is about to stop its tick: true if it owns the balancer and has to keep it. [point]
    bool stop(sim::Cpu& cpu);
    /// This CPU leaves idle, or its tick starts again. [point]
    void restart(sim::Cpu& cpu);

    /// kNoCpu for none; it may be another one already when the answer is used. [point]
    sim::CpuId read_owner(sim::Cpu& cpu) { return owner_.load(cpu); }

    // Hotplug (CH 2).
    /// nohz_balancer: `target` is about to come up, and is not active before sched:active. [point]
    void prepare(sim::Cpu& cpu, sim::CpuId target) { (void)inactive_.add(cpu, target); }
    /// sched:active: on the CPU itself, at thread level. [point]
    void set_active(sim::Cpu& cpu, bool active);
    /// idle:dead: the last idle entry of a CPU that nothing will wake any more, in stop-machine. [point]
    void last_idle_entry(sim::Cpu& cpu) { (void)stop(cpu); }
    /// nohz_balancer: on the control CPU, when `dead` is: fails if anything of the balancer still names it.
    void check_dead(sim::Cpu& cpu, sim::CpuId dead) const;

    // For oracles.
    /// kNoCpu for none.
    sim::CpuId owner() const { return owner_.peek(); }
    bool member(sim::CpuId cpu) const { return tickless_.peek(cpu); }

private:
    bool stop_as_before(sim::Cpu& cpu);
    bool elect(sim::Cpu& cpu);
    void join(sim::Cpu& cpu);
    bool take_ownership(sim::Cpu& cpu);
    void give_up_ownership(sim::Cpu& cpu);
    bool everybody(sim::Cpu& cpu);
    void check_owner(sim::Cpu& cpu) const;

    sim::Machine& machine_;
    LinuxChanges changes_;
    /// On their way up or down, or off-line after that.
    sim::CpuSet inactive_;
    sim::CpuSet tickless_;
    sim::Atomic<sim::CpuId> owner_{sim::kNoCpu};
};

}  // namespace ticklab::linux_
