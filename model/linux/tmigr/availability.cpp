// Which CPUs take part: hotplug and isolation (TMM 12).
#include "ticklab/model/linux/tmigr/checks.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"
#include "ticklab/model/linux/tmigr/sites.hpp"

namespace ticklab::linux_::tmigr {

using sim::Cpu;
using sim::CpuId;

bool TmigrPlacement::excluded(CpuId cpu) const {
    return parameters_.changes.exclude_isolated ? exclude_isolated_ && isolated_only(cpu) : never_excluded();
}

bool TmigrPlacement::never_excluded() { return false; }

bool TmigrPlacement::isolated_only(CpuId cpu) const { return isolated_[cpu] && !parameters_.nohz_full[cpu]; }

bool TmigrPlacement::set_available(Cpu& cpu) {
    if (!geometry_.enabled())
        return true;
    TmigrCpu& tmc = cpus_[cpu.id()];
    if (attaches_in(Phase::kOnline) && !leaf_of(cpu, tmc) && !attach(cpu, cpu.id()))
        return false;
    if (!leaf_of(cpu, tmc))
        return false;
    set_active(cpu, true);
    available_mutex_.lock(cpu);
    joined_[cpu.id()] = true;
    if (!excluded(cpu.id()))
        become_available(cpu);
    available_mutex_.unlock(cpu);
    return true;
}

void TmigrPlacement::record_availability(Cpu& cpu, const TmigrCpu& tmc, bool available) {
    const bool later_name = parameters_.changes.available_names;
    const sim::RecordKind& joined = later_name ? kCpuAvailableRecord : kCpuOnlineRecord;
    const sim::RecordKind& left = later_name ? kCpuUnavailableRecord : kCpuOfflineRecord;
    cpu.record(available ? joined : left, tmc.id, tmc.group.peek()->object, ns(tmc.wakeup.peek()));
}

void TmigrPlacement::become_available(Cpu& cpu) {
    TmigrCpu& tmc = cpus_[cpu.id()];
    const Operation operation(*this);
    available_cpus_[cpu.id()] = true;
    const sim::SpinLockIrqGuard guard(cpu, tmc.lock);
    if (tmc.available.read_once(cpu))
        return;
    record_availability(cpu, tmc, true);
    const bool idle = bases_.local_base_idle(cpu);
    tmc.idle.write_once(cpu, idle);
    if (!idle)
        start_activation(cpu, tmc);
    tmc.available.write_once(cpu, true);
}

void TmigrPlacement::clear_available(Cpu& cpu) {
    set_active(cpu, false);
    if (!leaf_of(cpu, cpus_[cpu.id()]))
        return;
    available_mutex_.lock(cpu);
    joined_[cpu.id()] = false;
    become_unavailable(cpu);
    available_mutex_.unlock(cpu);
}

void TmigrPlacement::become_unavailable(Cpu& cpu) {
    TmigrCpu& tmc = cpus_[cpu.id()];
    const Operation operation(*this);
    available_cpus_[cpu.id()] = false;
    Ktime first = kKtimeMax;
    {
        const sim::SpinLockIrqGuard guard(cpu, tmc.lock);
        if (tmc.available.read_once(cpu)) {
            tmc.available.write_once(cpu, false);
            tmc.wakeup.write_once(cpu, kKtimeMax);
            first = start_deactivation(cpu, tmc, kKtimeMax);
            record_availability(cpu, tmc, false);
        }
    }
    cpu.at(sites::kUnavailableAfterWalk);
    if (first != kKtimeMax)
        hand_over(cpu);
}

void TmigrPlacement::hand_over(Cpu& cpu) {
    const CpuId next =
        parameters_.changes.successor_of_own_hierarchy ? successor(cpu.id()) : successor_of_any_hierarchy(cpu.id());
    if (next == sim::kNoCpu)
        cpu.fail(checks::kNoSuccessor, "CPU " + std::to_string(cpu.id()));
    // It leaves idle for this, and so becomes a migrator, or arms for the first event when it goes idle again.
    work_.run_on(cpu, next, [](Cpu&) {});
}

CpuId TmigrPlacement::successor(CpuId leaver) const {
    const std::uint32_t capacity = capacity_of(leaver);
    for (CpuId c = 0; c < cpu_count(); ++c)
        if (available_cpus_[c] && capacity_of(c) == capacity)
            return c;
    return sim::kNoCpu;
}

CpuId TmigrPlacement::successor_of_any_hierarchy(CpuId) const {
    for (CpuId c = 0; c < cpu_count(); ++c)
        if (available_cpus_[c])
            return c;
    return sim::kNoCpu;
}

void TmigrPlacement::enable_isolation(Cpu& cpu) {
    available_mutex_.lock(cpu);
    exclude_isolated_ = true;
    apply_isolation(cpu);
    available_mutex_.unlock(cpu);
}

bool TmigrPlacement::set_isolated(Cpu& cpu, CpuId target, bool isolated) {
    available_mutex_.lock(cpu);
    const bool done = !isolated || anyone_left_without(target);
    if (done) {
        exclude_isolated_ = true;
        isolated_[target] = isolated;
        if (choice_)
            choice_->nearby().set_isolated(cpu, target, isolated);
        apply_isolation(cpu);
    }
    available_mutex_.unlock(cpu);
    return done;
}

bool TmigrPlacement::anyone_left_without(CpuId target) const {
    for (CpuId c = 0; c < cpu_count(); ++c)
        if (c != target && joined_[c] && !isolated_[c])
            return true;
    return false;
}

void TmigrPlacement::apply_isolation(Cpu& cpu) {
    // Those who come first, so that there is a migrator at any time. Nobody who has joined can go off-line meanwhile:
    // on the way out it wants the mutex.
    for (CpuId c = 0; c < cpu_count(); ++c)
        if (joined_[c] && !excluded(c) && !available_cpus_[c])
            work_.run_on(cpu, c, [this](Cpu& on) { become_available(on); });
    bool pins_tick = false;
    for (CpuId c = 0; c < cpu_count(); ++c)
        pins_tick = pins_tick || parameters_.nohz_full[c];
    for (CpuId c = 0; c < cpu_count(); ++c)
        if (excluded(c) && available_cpus_[c] && !(pins_tick && c == parameters_.tick_cpu))
            work_.run_on(cpu, c, [this](Cpu& on) { become_unavailable(on); });
}

}  // namespace ticklab::linux_::tmigr
