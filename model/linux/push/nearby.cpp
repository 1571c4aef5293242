#include "ticklab/model/linux/push/nearby.hpp"

namespace ticklab::linux_::push {

using sim::Cpu;
using sim::CpuId;

namespace {

std::vector<bool> of_all(const sim::Machine& machine, std::vector<bool> cpus) {
    cpus.resize(machine.cpu_count());
    return cpus;
}

}  // namespace

Nearby::Nearby(sim::Machine& machine, const Isolation& isolation, IdleTest& test)
    : machine_(machine),
      test_(test),
      mutex_(machine, machine.lock_class("sched_domains_mutex"), "sched_domains_mutex"),
      isolated_(of_all(machine, isolation.isolated)),
      nohz_full_(of_all(machine, isolation.nohz_full)),
      active_([&] {
          std::vector<bool> active(machine.cpu_count());
          for (CpuId c = 0; c < machine.config().online_at_boot; ++c)
              active[c] = true;
          return active;
      }()),
      built_(1, build()),
      domains_(&built_.back()),
      counters_(machine.cpu_count()) {}

Nearby::Domains Nearby::build() const {
    Domains domains{std::vector<bool>(machine_.cpu_count()), std::vector<Span>(machine_.config().node_count), {}};
    for (CpuId c = 0; c < machine_.cpu_count(); ++c) {
        if (!active_[c] || isolated_[c])
            continue;
        domains.members[c] = true;
        domains.by_node[machine_.node_of(c)].push_back(c);
        domains.all.push_back(c);
    }
    return domains;
}

void Nearby::rebuild(Cpu& cpu) {
    built_.push_back(build());
    domains_.store(cpu, &built_.back(), sim::Order::kRelease);
    machine_.rcu().synchronize(cpu);
    built_.pop_front();
}

void Nearby::set_active(Cpu& cpu, CpuId target, bool active) {
    mutex_.lock(cpu);
    if (active_[target] != active) {
        active_[target] = active;
        rebuild(cpu);
    }
    mutex_.unlock(cpu);
}

void Nearby::set_isolated(Cpu& cpu, CpuId target, bool isolated) {
    mutex_.lock(cpu);
    if (isolated_[target] != isolated) {
        isolated_[target] = isolated;
        rebuild(cpu);
    }
    mutex_.unlock(cpu);
}

bool Nearby::idle(Cpu& cpu, CpuId asked) {
    ++counters_[cpu.id()].idle_tests;
    return test_.is_idle(cpu, asked);
}

CpuId Nearby::choose(Cpu& cpu) {
    ChoiceCounters& counters = counters_[cpu.id()];
    const bool keeps_house = housekeeper(cpu.id());
    if (keeps_house && !idle(cpu, cpu.id())) {
        ++counters.busy;
        return cpu.id();
    }
    const CpuId busy = search(cpu);
    if (busy != sim::kNoCpu) {
        ++(machine_.node_of(busy) == machine_.node_of(cpu.id()) ? counters.near : counters.far);
        return busy;
    }
    ++(keeps_house ? counters.idle : counters.housekeeper);
    return keeps_house ? cpu.id() : any_housekeeper(cpu.id());
}

CpuId Nearby::choose_owner(Cpu& cpu, NohzBalancer& balancer) {
    ChoiceCounters& counters = counters_[cpu.id()];
    if (!idle(cpu, cpu.id())) {
        ++counters.busy;
        return cpu.id();
    }
    const CpuId owner = balancer.read_owner(cpu);
    if (owner == sim::kNoCpu || owner == cpu.id()) {
        ++counters.idle;
        return cpu.id();
    }
    ++counters.owner;
    return owner;
}

CpuId Nearby::first_busy(Cpu& cpu, const Span& span) {
    for (const CpuId i : span)
        if (i != cpu.id() && housekeeper(i) && !idle(cpu, i))
            return i;
    return sim::kNoCpu;
}

CpuId Nearby::search(Cpu& cpu) {
    machine_.rcu().read_lock(cpu);
    const Domains& domains = *domains_.load(cpu, sim::Order::kConsume);
    CpuId busy = sim::kNoCpu;
    if (domains.members[cpu.id()]) {
        const Span& node = domains.by_node[machine_.node_of(cpu.id())];
        busy = first_busy(cpu, node);
        // CPUs of the smaller domain are asked again (LPP 3.3).
        if (busy == sim::kNoCpu && domains.all.size() > node.size())
            busy = first_busy(cpu, domains.all);
    }
    machine_.rcu().read_unlock(cpu);
    return busy;
}

CpuId Nearby::any_housekeeper(CpuId near) const {
    CpuId any = sim::kNoCpu;
    for (CpuId c = 0; c < machine_.cpu_count(); ++c) {
        if (!machine_.cpu(c).online() || !housekeeper(c))
            continue;
        if (machine_.node_of(c) == machine_.node_of(near))
            return c;
        if (any == sim::kNoCpu)
            any = c;
    }
    return any == sim::kNoCpu ? near : any;
}

}  // namespace ticklab::linux_::push
