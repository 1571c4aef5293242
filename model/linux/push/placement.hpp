// Placement "push": a timer that is not pinned goes, when an idle CPU arms it, to a busy CPU near by, and stays there
// (LPP). Wheel timers up to 6.8; high-resolution timers in every version, and here by the rules up to 7.0 (LHR 8.2).
//
// Rules
//  (1) A choice is made each time a timer is queued, but neither when it stays in its bucket nor while its callback
//      runs (LPP 1.3).
//  (2) Who holds a timer runs it, and wakes for it: nobody is asked at idle entry, and nothing is run for others (LPP
//      7.3).
//  (3) The wheel has two bases, and the query for the next event marks the base idle (LPP 4.1, 7.1).
//  (4) With an owner of the idle load balancer, which 2.6.31 to 2.6.35 had, that one is chosen and not a busy CPU (LPP
//      3.7).
//  (5) A high-resolution timer goes only to a CPU that will wake before it anyway, so it needs no kick (LPP 9.1).
//
// The race that the kick guards against, "queued while it falls asleep" (LPP 6.2): cpu0 pushes T to cpu1, which goes
// idle.
//    1. cpu1 reads its next event under its base lock, marks the base idle, and lets go.
//    2. cpu0 queues T, earlier than that event, under the same lock.
//    3. cpu1 programs its hardware for the event of step 1, and sleeps.
//    Wrong: T waits for that event. Guard: in step 2 cpu0 sees the mark and kicks; with 2 before 1, cpu1 sees T.
#pragma once

#include "ticklab/model/linux/placement_local.hpp"
#include "ticklab/model/linux/push/choice.hpp"

namespace ticklab::linux_::push {

class PushPlacement final : public LocalPlacement {
public:
    PushPlacement(sim::Machine& machine, const PushParameters& parameters, IdleTest& test, NohzBalancer* balancer)
        : choice_(
              machine, parameters, test, [this](sim::Cpu&) { start_kicks_(); }, balancer) {}

    WheelForm wheel_form() const override { return {.one_base = true, .query_marks_idle = true}; }
    sim::CpuId timer_target(sim::Cpu& cpu) override { return choice_.choose(cpu); }
    sim::CpuId hrtimer_target(sim::Cpu& cpu) override { return choice_.choose(cpu); }
    void activate_nohz(sim::Cpu& cpu) override { choice_.migration_switch().activate_nohz(cpu); }
    void set_timer_migration(sim::Cpu& cpu, bool on) override { choice_.migration_switch().set_sysctl(cpu, on); }

    bool set_available(sim::Cpu& cpu) override {
        choice_.nearby().set_active(cpu, cpu.id(), true);
        return true;
    }
    void clear_available(sim::Cpu& cpu) override { choice_.nearby().set_active(cpu, cpu.id(), false); }

    const Choice* choice() const override { return &choice_; }

private:
    Choice choice_;
};

}  // namespace ticklab::linux_::push
