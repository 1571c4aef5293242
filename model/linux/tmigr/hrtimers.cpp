// Where high-resolution timers go: the hierarchy knows nothing of them, they are pushed at their start (LHR 8, LPP 9).
#include "ticklab/model/linux/tmigr/placement.hpp"

namespace ticklab::linux_::tmigr {

using sim::Cpu;
using sim::CpuId;

void TmigrPlacement::push_hrtimers(const push::PushParameters& parameters, IdleTest& test) {
    choice_.emplace(machine_, parameters, test, [this](Cpu&) { start_kicks_(); });
}

CpuId TmigrPlacement::hrtimer_target(Cpu& cpu) {
    if (!choice_)
        return cpu.id();
    return parameters_.changes.hrtimers_prefer_local ? chosen_if_tickless(cpu) : choice_->choose(cpu);
}

CpuId TmigrPlacement::chosen_if_tickless(Cpu& cpu) {
    return choice_->choose_if_tickless(cpu, bases_.local_base_idle(cpu));
}

void TmigrPlacement::activate_nohz(Cpu& cpu) {
    if (choice_)
        choice_->migration_switch().activate_nohz(cpu);
    else
        start_kicks_();
}

void TmigrPlacement::set_timer_migration(Cpu& cpu, bool on) {
    if (choice_)
        choice_->migration_switch().set_sysctl(cpu, on);
}

void TmigrPlacement::set_active(Cpu& cpu, bool active) {
    if (choice_)
        choice_->nearby().set_active(cpu, cpu.id(), active);
}

}  // namespace ticklab::linux_::tmigr
