#include "ticklab/model/linux/push/migration_switch.hpp"

namespace ticklab::linux_::push {

using sim::Cpu;

void MigrationSwitch::activate_nohz(Cpu& cpu) {
    if (nohz_asked_.exchange(cpu, true))
        return;
    machine_.run_in_control_thread(cpu.id(), cpu.cause(), [this](Cpu& on) {
        mutex_.lock(on);
        nohz_active_ = true;
        compute_locked(on);
        mutex_.unlock(on);
        then_(on);
    });
}

void MigrationSwitch::set_sysctl(Cpu& cpu, bool on) {
    mutex_.lock(cpu);
    sysctl_ = on;
    compute_locked(cpu);
    mutex_.unlock(cpu);
}

void MigrationSwitch::compute(Cpu& cpu) {
    mutex_.lock(cpu);
    compute_locked(cpu);
    mutex_.unlock(cpu);
}

void MigrationSwitch::compute_locked(Cpu& cpu) {
    enabled_.write_once(cpu, nohz_active_ && sysctl_ && (!condition_ || condition_()));
}

}  // namespace ticklab::linux_::push
