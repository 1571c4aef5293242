// The CPU on which a timer is queued that is not pinned: the choice near by, behind its switch (LPP 2, 3).
#pragma once

#include <functional>
#include <utility>

#include "ticklab/model/linux/push/migration_switch.hpp"
#include "ticklab/model/linux/push/nearby.hpp"

namespace ticklab::linux_::push {

struct PushParameters {
    Isolation isolation;
    /// The sysctl timer_migration at boot.
    bool timer_migration = true;
};

class Choice {
public:
    /// `nohz_active` is called in a thread when NOHZ was taken into account. With a balancer its owner is chosen,
    /// without one a busy CPU (LPP 3.7, LPP-D5).
    Choice(sim::Machine& machine, const PushParameters& parameters, IdleTest& test,
           std::function<void(sim::Cpu&)> nohz_active, NohzBalancer* balancer = nullptr)
        : test_(test),
          balancer_(balancer),
          nearby_(machine, parameters.isolation, test),
          switch_(machine, parameters.timer_migration, std::move(nohz_active)) {}

    /// For a timer that this CPU arms: interrupts off; a base lock may be held. [point]
    sim::CpuId choose(sim::Cpu& cpu) {
        if (!switch_.on(cpu))
            return cpu.id();
        return balancer_ ? nearby_.choose_owner(cpu, *balancer_) : nearby_.choose(cpu);
    }
    /// The same where only a housekeeper whose tick is stopped, and that will not reschedule, looks for another CPU
    /// (LHR 8.4). [point]
    sim::CpuId choose_if_tickless(sim::Cpu& cpu, bool tick_stopped) {
        if (!switch_.on(cpu) || (nearby_.housekeeper(cpu.id()) && (!tick_stopped || test_.need_resched(cpu))))
            return cpu.id();
        return nearby_.choose(cpu);
    }

    Nearby& nearby() { return nearby_; }
    const Nearby& nearby() const { return nearby_; }
    MigrationSwitch& migration_switch() { return switch_; }
    const MigrationSwitch& migration_switch() const { return switch_; }

private:
    IdleTest& test_;
    NohzBalancer* const balancer_;
    Nearby nearby_;
    MigrationSwitch switch_;
};

}  // namespace ticklab::linux_::push
