// Operations on timers (XT 5).
#include "ticklab/model/xen/cause_scope.hpp"
#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/owner_read_section.hpp"
#include "ticklab/model/xen/records.hpp"
#include "ticklab/model/xen/sites.hpp"
#include "ticklab/model/xen/timers.hpp"

namespace ticklab::xen {

using sim::Cause;
using sim::Cpu;
using sim::CpuId;
using sim::Frame;

namespace {

OfflineDesign offline_design_of(const XenChanges& changes) {
    const bool grace_period = changes.owner_read_under_rcu;
    return {changes.drain_when_dying && !grace_period, grace_period};
}

}  // namespace

Timers::Timers(sim::Machine& machine, const TimerParameters& parameters, SystemTime& time, Softirqs& softirqs,
               const Reprogrammer& reprogrammer)
    : machine_(machine),
      parameters_(parameters),
      time_(time),
      softirqs_(softirqs),
      reprogrammer_(reprogrammer),
      prices_(machine),
      inactive_(parameters.changes.track_inactive ? kInactiveTracked : kInactiveNowhere),
      offline_(offline_design_of(parameters.changes)) {
    sim::LockClass& lock_class = machine.lock_class("timer base");
    for (CpuId c = 0; c < machine.cpu_count(); ++c)
        bases_.emplace_back(machine, lock_class, c);
    softirqs.set_handler(SoftirqNumber::kTimer,
                         {[](void* self, Cpu& cpu) { static_cast<Timers*>(self)->softirq_action(cpu); }, this});
}

void Timers::init(Cpu& cpu, Timer& t, TimerFunction fn, void* argument, CpuId owner) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "timer init");
    if (t.initialising)
        fail(cpu, checks::kInitRace, t, "initialised while init is under way");
    if (t.initialised && t.status == TimerStatus::kInactive && !inactive_.complete) {
        // Nothing is linked that this could break.
        --unlisted_timers_;
        --live_timers_;
    } else if (t.initialised && t.status != TimerStatus::kKilled) {
        fail(cpu, checks::kDoubleInit, t, "initialised again");
    }
    if (!bases_[owner].initialised)
        fail(cpu, checks::kNoBase, t, "its new owner has no timer base");
    t.initialised = true;
    t.initialising = true;
    cpu.spend(prices_.timer_op);
    t.expires = t.expires_end = Stime{};
    t.armed_by = Cause{};
    t.fn = fn;
    t.argument = argument;
    t.status = TimerStatus::kInactive;
    t.cpu.write_once(cpu, owner);

    const bool irqs_were_enabled = cpu.irq_save();
    TimerBase& base = *lock_timer(cpu, t);
    link_inactive(cpu, base, t);
    ++live_timers_;
    t.initialising = false;
    cpu.record(kTimerInitRecord, t.object, owner);
    unlock(cpu, base);
    cpu.irq_restore(irqs_were_enabled);
}

void Timers::set(Cpu& cpu, Timer& t, Stime when) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "timer set");
    require_usable(cpu, t);
    cpu.spend(prices_.timer_op);
    cpu.at(sites::kSetBeforeLock);
    const bool irqs_were_enabled = cpu.irq_save();
    const Stime end = parameters_.policy->range_end(when, parameters_.slop);
    TimerBase* const locked = lock_timer(cpu, t);
    if (!locked) {
        cpu.record(kTimerSetRecord, t.object, kKilledOwner, ns(when), ns(end), false);
        cpu.irq_restore(irqs_were_enabled);
        return;
    }
    TimerBase& base = *locked;
    require_usable(cpu, t);
    {
        const bool effective = t.status != TimerStatus::kKilled;
        const Cause set_by{cpu.record(kTimerSetRecord, t.object, base.cpu, ns(when), ns(end), effective),
                           cpu.cause().root};
        const CauseScope scope(cpu, set_by);
        if (is_queued(t.status))
            deactivate(cpu, base, t);
        t.expires = when;
        t.expires_end = end;
        // A killed timer takes the time and stays where it is: nowhere (XT 5.2 step 4).
        if (effective) {
            t.armed_by = set_by;
            activate(cpu, base, t);
        }
    }
    unlock(cpu, base);
    cpu.irq_restore(irqs_were_enabled);
}

void Timers::stop(Cpu& cpu, Timer& t) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "timer stop");
    require_usable(cpu, t);
    cpu.spend(prices_.timer_op);
    cpu.at(sites::kStopBeforeLock);
    const bool irqs_were_enabled = cpu.irq_save();
    TimerBase* const locked = lock_timer(cpu, t);
    if (!locked) {
        cpu.irq_restore(irqs_were_enabled);
        return;
    }
    TimerBase& base = *locked;
    require_usable(cpu, t);
    {
        const bool was_active = is_queued(t.status);
        const CauseScope scope(cpu, {cpu.record(kTimerStopRecord, t.object, base.cpu, was_active), cpu.cause().root});
        if (was_active)
            deactivate(cpu, base, t);
    }
    unlock(cpu, base);
    cpu.irq_restore(irqs_were_enabled);
}

void Timers::migrate(Cpu& cpu, Timer& t, CpuId new_cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "timer migrate");
    require_usable(cpu, t);
    if (!bases_[new_cpu].initialised)
        fail(cpu, checks::kNoBase, t, "its new owner has no timer base");
    if (!parameters_.changes.owner_by_protocol)
        return move_without_protocol(cpu, t, new_cpu);
    cpu.spend(prices_.timer_op);
    bool irqs_were_enabled = false;
    CpuId old_cpu = 0;
    for (;;) {
        const OwnerReadSection section(cpu, machine_, offline_);
        old_cpu = t.cpu.read_once(cpu);
        if (old_cpu == new_cpu || old_cpu == kKilledOwner)
            return;
        cpu.at(sites::kMigrateBeforeLock);
        irqs_were_enabled = cpu.irq_save();
        lock_pair(cpu, bases_[old_cpu], bases_[new_cpu]);
        if (t.cpu.read_once(cpu) == old_cpu)
            break;
        unlock_pair(cpu, bases_[old_cpu], bases_[new_cpu]);
        cpu.irq_restore(irqs_were_enabled);
    }
    TimerBase& from = bases_[old_cpu];
    TimerBase& to = bases_[new_cpu];
    cpu.at(sites::kMigrateAfterLock);
    require_usable(cpu, t);
    if (t.status == TimerStatus::kKilled)
        fail(cpu, checks::kKilledUsed, t, "migrated after it was killed");
    {
        const bool was_active = is_queued(t.status);
        const CauseScope scope(
            cpu, {cpu.record(kTimerMigrateRecord, t.object, old_cpu, new_cpu, was_active), cpu.cause().root});
        if (was_active)
            deactivate(cpu, from, t);
        unlink_inactive(cpu, from, t);
        t.cpu.write_once(cpu, new_cpu);
        link_inactive(cpu, to, t);
        if (was_active)
            activate(cpu, to, t);
    }
    unlock_pair(cpu, from, to);
    cpu.irq_restore(irqs_were_enabled);
}

// Clients stopped the timer, wrote its owner and set it again. Whoever sets it in between queues it where it was.
void Timers::move_without_protocol(Cpu& cpu, Timer& t, CpuId new_cpu) {
    const bool was_active = active(cpu, t);
    const Stime expires = t.expires;
    stop(cpu, t);
    cpu.at(sites::kMoveAfterStop);
    t.cpu.write_once(cpu, new_cpu);
    if (was_active)
        set(cpu, t, expires);
}

void Timers::kill(Cpu& cpu, Timer& t) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "timer kill");
    require_usable(cpu, t);
    cpu.spend(prices_.timer_op);
    if (bases_[cpu.id()].running.read_once(cpu) == &t)
        fail(cpu, checks::kKillFromCallback, t, "killed while its callback runs on this CPU");
    cpu.at(sites::kKillBeforeLock);
    const bool irqs_were_enabled = cpu.irq_save();
    TimerBase* const locked = lock_timer(cpu, t);
    if (!locked) {
        cpu.irq_restore(irqs_were_enabled);
        return;
    }
    TimerBase& base = *locked;
    require_usable(cpu, t);
    if (t.status == TimerStatus::kKilled)
        fail(cpu, checks::kKilledUsed, t, "killed a second time");
    {
        const bool was_active = is_queued(t.status);
        const CauseScope scope(cpu, {cpu.record(kTimerKillRecord, t.object, base.cpu, was_active), cpu.cause().root});
        if (was_active)
            deactivate(cpu, base, t);
        unlink_inactive(cpu, base, t);
        t.status = TimerStatus::kKilled;
        if (parameters_.changes.killed_owner_marked)
            t.cpu.write_once(cpu, kKilledOwner);
        --live_timers_;
    }
    unlock(cpu, base);
    cpu.irq_restore(irqs_were_enabled);

    cpu.at(sites::kKillBeforeWait);
    if (parameters_.changes.kill_waits)
        wait_for_callback(cpu, t);
}

void Timers::wait_for_callback(Cpu& cpu, Timer& t) {
    // The online map is sampled as the loop goes: no callback can be in progress on a CPU that has left it.
    const sim::Time began = cpu.local_time();
    for (CpuId c = 0; c < cpu_count(); ++c) {
        if (!machine_.cpu(c).online())
            continue;
        sim::Shared<Timer*>& running = bases_[c].running;
        sim::spin_until(
            cpu, running.line(), [&] { return running.peek() != &t; }, &machine_.cpu(c));
    }
    bases_[cpu.id()].counters.kill_wait += cpu.local_time() - began;
}

bool Timers::active(Cpu& cpu, Timer& t) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    require_usable(cpu, t);
    // Status and owner lie on one line.
    t.cpu.line().access(cpu, false);
    return is_queued(t.status);
}

bool Timers::expires_before(Cpu& cpu, Timer& t, Stime x) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    require_usable(cpu, t);
    cpu.spend(prices_.timer_op);
    const bool irqs_were_enabled = cpu.irq_save();
    bool result = false;
    if (TimerBase* const base = lock_timer(cpu, t)) {
        result = is_queued(t.status) && t.expires <= x;
        unlock(cpu, *base);
    }
    cpu.irq_restore(irqs_were_enabled);
    return result;
}

std::uint64_t Timers::count_queued(Cpu& cpu, CpuId owner) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const sim::IrqGuard irqs_off(cpu);
    TimerBase& base = bases_[owner];
    lock(cpu, base);
    const std::uint64_t count = base.heap.size() + base.list.size();
    spend_times(cpu, prices_.list_scan_step, count);
    unlock(cpu, base);
    return count;
}

Stime Timers::align_checked(Cpu& cpu, Stime first, StimeSpan period) {
    if (first < stime_at(1))
        cpu.fail(checks::kAlignZero, std::to_string(ns(first)) + " ns");
    return align(first, period);
}

}  // namespace ticklab::xen
