// Placement "local": every CPU runs its own global timers, and wakes for them. Placements that choose the CPU when a
// timer is armed build on it: they pull nothing either.
#pragma once

#include "ticklab/model/linux/timer_migration.hpp"

namespace ticklab::linux_ {

class LocalPlacement : public TimerMigration {
public:
    Ktime quick_check(sim::Cpu&, Ktime next) override { return next; }
    Ktime deactivate(sim::Cpu&, Ktime next) override { return next; }
    Ktime new_timer(sim::Cpu&, Ktime next) override { return next; }
    void activate(sim::Cpu&) override {}
    bool requires_remote(sim::Cpu&) override { return false; }
    void handle_remote(sim::Cpu&) override {}
    bool prepare(sim::Cpu&, sim::CpuId) override { return true; }
    bool set_available(sim::Cpu&) override { return true; }
    void clear_available(sim::Cpu&) override {}
};

}  // namespace ticklab::linux_
