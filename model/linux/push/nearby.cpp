#include "ticklab/model/linux/push/nearby.hpp"

namespace ticklab::linux_::push {

using sim::Cpu;
using sim::CpuId;

namespace {

bool listed(const std::vector<bool>& cpus, CpuId cpu) { return cpu < cpus.size() && cpus[cpu]; }

}  // namespace

Nearby::Nearby(sim::Machine& machine, const Isolation& isolation, IdleTest& test)
    : machine_(machine),
      isolated_([&] {
          std::vector<bool> isolated(machine.cpu_count());
          for (CpuId c = 0; c < machine.cpu_count(); ++c)
              isolated[c] = listed(isolation.isolated, c);
          return isolated;
      }()),
      housekeepers_([&] {
          std::vector<bool> keepers(machine.cpu_count());
          for (CpuId c = 0; c < machine.cpu_count(); ++c)
              keepers[c] = !listed(isolation.isolated, c) && !listed(isolation.nohz_full, c);
          return keepers;
      }()),
      test_(test),
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
    Domains domains(machine_.cpu_count());
    for (CpuId c = 0; c < machine_.cpu_count(); ++c) {
        if (!active_[c] || isolated_[c])
            continue;
        Span node;
        Span all;
        for (CpuId i = 0; i < machine_.cpu_count(); ++i) {
            if (!active_[i] || isolated_[i])
                continue;
            all.push_back(i);
            if (machine_.node_of(i) == machine_.node_of(c))
                node.push_back(i);
        }
        if (node.size() > 1)
            domains[c].push_back(node);
        if (all.size() > node.size())
            domains[c].push_back(all);
    }
    return domains;
}

void Nearby::set_active(Cpu& cpu, CpuId target, bool active) {
    if (active_[target] == active)
        return;
    active_[target] = active;
    built_.push_back(build());
    domains_.store(cpu, &built_.back(), sim::Order::kRelease);
    machine_.rcu().synchronize(cpu);
    built_.pop_front();
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

CpuId Nearby::search(Cpu& cpu) {
    machine_.rcu().read_lock(cpu);
    const Domains& domains = *domains_.load(cpu, sim::Order::kConsume);
    CpuId busy = sim::kNoCpu;
    for (const Span& span : domains[cpu.id()]) {
        // CPUs of a smaller domain are asked again (LPP 3.3).
        for (const CpuId i : span)
            if (i != cpu.id() && housekeeper(i) && !idle(cpu, i)) {
                busy = i;
                break;
            }
        if (busy != sim::kNoCpu)
            break;
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
