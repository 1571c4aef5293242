// Expiry of other CPUs' timers (TMM 9).
#include "ticklab/model/linux/tmigr/checks.hpp"
#include "ticklab/model/linux/tmigr/invariants.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"
#include "ticklab/model/linux/tmigr/sites.hpp"

namespace ticklab::linux_::tmigr {

using sim::Cpu;

bool TmigrPlacement::requires_remote(Cpu& cpu) {
    TmigrCpu& tmc = cpus_[cpu.id()];
    if (!usable(cpu, tmc))
        return false;
    const Ktime now = bases_.jiffies(cpu).basem;
    if (tmc.idle.read_once(cpu))
        return now >= tmc.wakeup.read_once(cpu);
    return has_expired(cpu, tmc, now);
}

bool TmigrPlacement::has_expired(Cpu& cpu, TmigrCpu& tmc, Ktime now) {
    bool expired = false;
    Walk w;
    walk(cpu, tmc, w, [&](Group& group, Group*, Walk& step) {
        if (!responsible(cpu, group, step.mask))
            return true;
        expired = now >= group.next_expiry.read_once(cpu);
        return expired;
    });
    return expired;
}

bool TmigrPlacement::no_duty(Cpu& cpu, TmigrCpu& tmc) const {
    return parameters_.changes.rewrite_finite_wakeup ? tmc.wakeup.read_once(cpu) == kKtimeMax
                                                     : no_duty_if_not_migrator();
}

// Whatever it still intends to wake for (play 8).
bool TmigrPlacement::no_duty_if_not_migrator() { return true; }

void TmigrPlacement::handle_remote(Cpu& cpu) {
    TmigrCpu& tmc = cpus_[cpu.id()];
    if (!usable(cpu, tmc))
        return;
    if (!responsible(cpu, *leaf_of(cpu, tmc), tmc.groupmask.read_once(cpu)) && no_duty(cpu, tmc))
        return;
    pull(cpu, tmc);
    check_when_quiet(cpu);
}

void TmigrPlacement::pull(Cpu& cpu, TmigrCpu& tmc) {
    const Operation operation(*this);
    cpu.at(sites::kRemoteBeforeSnapshot);
    Walk w;
    w.now = bases_.jiffies(cpu);
    walk(cpu, tmc, w, [&](Group& group, Group*, Walk& step) { return pull_step(cpu, group, step); });
    cpu.at(sites::kRemoteBeforeWakeup);
    const sim::SpinLockIrqGuard guard(cpu, tmc.lock);
    tmc.wakeup.write_once(cpu, w.firstexp);
}

void TmigrPlacement::check_when_quiet(Cpu& cpu) const {
    // An event that was popped and is shown no more is lost from here on, whenever its timer is due.
    if (!parameters_.check_after_expiry || !quiet())
        return;
    if (std::optional<Broken> broken = check_structure(*this))
        cpu.fail(*broken->check, std::move(broken->message));
}

bool TmigrPlacement::pull_step(Cpu& cpu, Group& group, Walk& w) {
    cpu.record(kHandleRemoteRecord, group.object, group.place.read(cpu).level);
    // A CPU's event and those of the groups above it may each be met once before they show its next timer.
    const std::size_t pulls_max = 16 + std::size_t{4} * cpus_.size();
    for (std::size_t pulls = 0; responsible(cpu, group, w.mask); ++pulls) {
        if (pulls == pulls_max)
            cpu.fail(checks::kEndlessPull, std::to_string(pulls) + " expired events in one pass");
        cpu.at(sites::kRemoteBeforePop);
        const bool irqs = group.lock.acquire_irqsave(cpu);
        Event* const e = pop_expired(cpu, group, w.now.basem);
        if (!e) {
            w.firstexp = group.next_expiry.read_once(cpu);
            unlock(cpu, group);
            cpu.irq_restore(irqs);
            return false;
        }
        const sim::CpuId target = e->cpu.read(cpu);
        const sim::RecordId queued_by = e->queued_by;
        unlock(cpu, group);
        cpu.irq_restore(irqs);
        cpu.at(sites::kRemoteAfterPop);
        const sim::Cause before = cpu.set_cause(sim::Cause{queued_by, cpu.cause().root});
        handle_cpu(cpu, target, w.now);
        (void)cpu.set_cause(before);
    }
    return true;
}

void TmigrPlacement::handle_cpu(Cpu& cpu, sim::CpuId target, const JiffiesPair& now) {
    TmigrCpu& tmc = cpus_[target];
    bool irqs = tmc.lock.acquire_irqsave(cpu);
    if (!tmc.available.read_once(cpu) || tmc.remote || tmc.cpuevt.ignore.read_once(cpu) ||
        now.basem < tmc.cpuevt.expires.read(cpu)) {
        tmc.lock.release_restore(cpu, irqs);
        return;
    }
    cpu.record(kHandleRemoteCpuRecord, target, tmc.group.peek()->object, ns(tmc.wakeup.peek()));
    tmc.remote = true;
    tmc.wakeup.write_once(cpu, kKtimeMax);
    tmc.lock.release_restore(cpu, irqs);

    cpu.at(sites::kRemoteExpire);
    if (parameters_.changes.expire_self)
        expire(cpu, target);
    else
        expire_others_only(cpu, target);

    cpu.at(sites::kRemoteBeforeBases);
    irqs = cpu.irq_save();
    bases_.lock_bases(cpu, target);
    tmc.lock.acquire(cpu);
    Ktime global = kKtimeMax;
    const bool still_idle = tmc.available.read_once(cpu) && tmc.idle.read_once(cpu);
    if (still_idle)
        global = bases_.next_events(cpu, target, now).global;
    bases_.unlock_bases(cpu, target);
    if (still_idle) {
        if (parameters_.changes.walk_after_expiry)
            show_next(cpu, tmc, now, global);
        else
            show_next_if_any(cpu, tmc, now, global);
    }
    tmc.remote = false;
    cpu.record(kRemoteDoneRecord, target, ns(global));
    tmc.lock.release_restore(cpu, irqs);
}

void TmigrPlacement::expire(Cpu& cpu, sim::CpuId target) { bases_.run_global(cpu, target); }

// Its own were run by the softirq before (play 5).
void TmigrPlacement::expire_others_only(Cpu& cpu, sim::CpuId target) {
    if (target != cpu.id())
        bases_.run_global(cpu, target);
}

void TmigrPlacement::show_next(Cpu& cpu, TmigrCpu& tmc, const JiffiesPair& now, Ktime global) {
    Walk w;
    w.now = now;
    w.nextexp = global;
    w.evt = &tmc.cpuevt;
    w.remote = true;
    walk(cpu, tmc, w, [&](Group& group, Group* child, Walk& step) { return update_events(cpu, group, child, step); });
}

// Forgets that the event which was popped stood for others too (play 4).
void TmigrPlacement::show_next_if_any(Cpu& cpu, TmigrCpu& tmc, const JiffiesPair& now, Ktime global) {
    if (global != kKtimeMax)
        show_next(cpu, tmc, now, global);
}

}  // namespace ticklab::linux_::tmigr
