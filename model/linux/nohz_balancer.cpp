#include "ticklab/model/linux/nohz_balancer.hpp"

#include <fmt/format.h>

#include "ticklab/model/linux/balancer_records.hpp"
#include "ticklab/model/linux/checks.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::CpuId;

NohzBalancer::NohzBalancer(sim::Machine& machine, const LinuxChanges& changes)
    : machine_(machine), changes_(changes), inactive_(machine.cpu_count()), tickless_(machine.cpu_count()) {}

bool NohzBalancer::stop(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    bool keep = false;
    if (!changes_.balancer_spares_inactive) {
        keep = stop_as_before(cpu);
    } else if (inactive_.contains(cpu, cpu.id())) {
        if (owner_.load(cpu) == cpu.id())
            give_up_ownership(cpu);
    } else {
        join(cpu);
        keep = elect(cpu);
    }
    check_owner(cpu);
    return keep;
}

// NOHZ-04: the CPU joined first, active or not, and only an owner turned back for not being active.
bool NohzBalancer::stop_as_before(Cpu& cpu) {
    join(cpu);
    if (inactive_.contains(cpu, cpu.id()) && owner_.load(cpu) == cpu.id()) {
        give_up_ownership(cpu);
        return false;
    }
    return elect(cpu);
}

void NohzBalancer::join(Cpu& cpu) {
    if (!tickless_.add(cpu, cpu.id()))
        cpu.record(kBalancerSetRecord, true);
}

bool NohzBalancer::elect(Cpu& cpu) {
    const CpuId owner = owner_.load(cpu);
    if (everybody(cpu)) {
        if (owner == cpu.id())
            give_up_ownership(cpu);
        return false;
    }
    if (owner == sim::kNoCpu)
        return take_ownership(cpu);
    return owner == cpu.id();
}

bool NohzBalancer::everybody(Cpu& cpu) {
    CpuId members = 0;
    tickless_.for_each(cpu, [&](CpuId) { ++members; });
    CpuId online = 0;
    for (CpuId c = 0; c < machine_.cpu_count(); ++c)
        online += machine_.cpu(c).online() ? 1 : 0;
    return members == online;
}

bool NohzBalancer::take_ownership(Cpu& cpu) {
    CpuId nobody = sim::kNoCpu;
    const bool won = owner_.compare_exchange(cpu, nobody, cpu.id());
    if (won)
        cpu.record(kBalancerOwnerRecord, true);
    return won;
}

void NohzBalancer::give_up_ownership(Cpu& cpu) {
    CpuId me = cpu.id();
    const bool done = owner_.compare_exchange(cpu, me, sim::kNoCpu);
    cpu.require(done, "the idle load balancer was taken from its owner");
    cpu.record(kBalancerOwnerRecord, false);
}

void NohzBalancer::restart(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (!tickless_.contains(cpu, cpu.id()))
        return;
    (void)tickless_.remove(cpu, cpu.id());
    cpu.record(kBalancerSetRecord, false);
    if (owner_.load(cpu) == cpu.id())
        give_up_ownership(cpu);
    check_owner(cpu);
}

void NohzBalancer::set_active(Cpu& cpu, bool active) {
    (void)(active ? inactive_.remove(cpu, cpu.id()) : inactive_.add(cpu, cpu.id()));
}

void NohzBalancer::check_owner(Cpu& cpu) const {
    if (owner() == cpu.id() && !member(cpu.id()))
        cpu.fail(checks::kBalancerOwner, fmt::format("CPU {} owns the balancer", cpu.id()));
}

void NohzBalancer::check_dead(Cpu& cpu, CpuId dead) const {
    if (member(dead) || owner() == dead)
        cpu.fail(checks::kBalancerDeadCpu,
                 fmt::format("CPU {} is {}{}{}", dead, member(dead) ? "in the set" : "",
                             member(dead) && owner() == dead ? " and " : "", owner() == dead ? "the owner" : ""));
}

}  // namespace ticklab::linux_
