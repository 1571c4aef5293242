// Idle, active, and the queues of events (TM17 4, 5, 7).
#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/linux/tmigr2017/checks.hpp"
#include "ticklab/model/linux/tmigr2017/placement.hpp"
#include "ticklab/model/linux/tmigr2017/records.hpp"
#include "ticklab/model/linux/tmigr2017/sites.hpp"
#include "ticklab/model/linux/vectors.hpp"

namespace ticklab::linux_::tmigr2017 {

using sim::Cpu;
using sim::CpuId;

// Queues

void Tmigr2017Placement::release(Cpu& cpu, Group& group) {
    const CpuId migrator = group.migrator.peek();
    if (group.active != group.cpus.size() ||
        (group.active == 0 ? migrator != sim::kNoCpu : !group.cpus.contains(migrator)))
        cpu.fail(checks::kActive, fmt::format("{} counts {} of {}, its migrator is {}", group.lock.name(), group.active,
                                              group.cpus.size(), migrator));
    const Ktime head = group.events.empty() ? kKtimeMax : group.events.begin()->expires;
    if (group.groupevt.expires != head)
        cpu.fail(checks::kHead, fmt::format("{} says {} ns, its head is for {} ns", group.lock.name(),
                                            ns(group.groupevt.expires), ns(head)));
    tell_queue(cpu, group);
    group.lock.release(cpu);
}

void Tmigr2017Placement::tell_queue(Cpu& cpu, Group& group) {
    const QueueView now{group.groupevt.expires, static_cast<std::uint32_t>(group.events.size()),
                        group.events.empty() ? sim::kNoCpu : group.events.begin()->cpu};
    if (now == group.told)
        return;
    group.told = now;
    cpu.record(kGroupQueueRecord, group.object, ns(now.next_expiry), now.events, now.first_cpu);
}

void Tmigr2017Placement::require_not_queued(Cpu& cpu, const Group& group) {
    if (group.groupevt.queued())
        cpu.fail(checks::kChangedQueued,
                 fmt::format("{}, whose event is for {} ns", group.lock.name(), ns(group.groupevt.expires)));
}

void Tmigr2017Placement::add_event(Cpu& cpu, Group& group, Event* e) {
    sim::require_lock_held(cpu, group.lock);
    if (!e || e->queued() || e->expires == kKtimeMax)
        return;
    require_not_queued(cpu, group);
    cpu.spend(queue_price_);
    group.events.insert(*e);
    if (&*group.events.begin() == e) {
        group.groupevt.expires = e->expires;
        group.groupevt.cpu = e->cpu;
    }
    e->queued_by = cpu.record(kQueueRecord, group.object, e->cpu, ns(e->expires));
}

void Tmigr2017Placement::remove_event(Cpu& cpu, Group& group, Event* e) {
    sim::require_lock_held(cpu, group.lock);
    if (!e || !e->queued())
        return;
    require_not_queued(cpu, group);
    cpu.spend(queue_price_);
    group.events.erase(group.events.iterator_to(*e));
    const Event* const head = group.events.empty() ? nullptr : &*group.events.begin();
    group.groupevt.expires = head ? head->expires : kKtimeMax;
    group.groupevt.cpu = head ? head->cpu : sim::kNoCpu;
    cpu.record(kDequeueRecord, group.object, e->cpu, ns(e->expires));
}

void Tmigr2017Placement::with_event_out(Cpu& cpu, Group& group, sim::FunctionRef<void()> change) {
    if (!group.groupevt.queued())
        return change();
    Group& parent = *group.parent;
    acquire(cpu, parent);
    with_event_out(cpu, parent, [&] {
        remove_event(cpu, parent, &group.groupevt);
        change();
        add_event(cpu, parent, &group.groupevt);
    });
    release(cpu, parent);
}

// Who shows an event in a group whose own is queued anew (play 5).
void Tmigr2017Placement::with_event_in(sim::FunctionRef<void()> change) { change(); }

// Transitions

void Tmigr2017Placement::kick_any_other(Cpu& cpu) {
    for (CpuId c = 0; c < cpus_.size(); ++c)
        if (c != cpu.id() && cpus_[c].online.read_once(cpu)) {
            cpu.send_ipi(c, kRescheduleVector);
            return;
        }
}

Ktime Tmigr2017Placement::inactive_up(Cpu& cpu, Group& group, const Group* child, Event* e, CpuId who) {
    cpu.spend(walk_price_);
    acquire(cpu, group);
    group.cpus.erase(who);
    --group.active;
    if (child && child->migrator.peek() != sim::kNoCpu) {
        group.cpus.insert(child->migrator.peek());
        ++group.active;
    }
    add_event(cpu, group, e);
    Ktime first = kKtimeMax;
    if (group.migrator.read_once(cpu) == who) {
        group.migrator.write_once(cpu, group.active == 0 ? sim::kNoCpu : *group.cpus.begin());
        if (group.parent) {
            first = inactive_up(cpu, *group.parent, &group, group.active == 0 ? &group.groupevt : nullptr, who);
        } else {
            if (!cpus_[who].online.read_once(cpu))
                kick_any_other(cpu);
            // TM17 5.2: whoever leaves others behind that are active has no duty.
            if (group.active == 0)
                first = group.groupevt.expires;
        }
    }
    cpu.record(kInactiveRecord, group.object, group.level, who, group.active, group.migrator.peek());
    release(cpu, group);
    return first;
}

void Tmigr2017Placement::active_up(Cpu& cpu, Group& group, Event* e, CpuId who) {
    cpu.spend(walk_price_);
    acquire(cpu, group);
    if (group.active == group.num_childs)
        cpu.fail(checks::kAllActive, fmt::format("{}, by CPU {}", group.lock.name(), who));
    group.cpus.insert(who);
    if (++group.active == 1) {
        group.migrator.write_once(cpu, who);
        if (group.parent)
            active_up(cpu, *group.parent, &group.groupevt, who);
    }
    // After the parents, in none of which the group's event is queued now.
    remove_event(cpu, group, e);
    cpu.record(kActiveRecord, group.object, group.level, who, group.active, group.migrator.peek());
    release(cpu, group);
}

Ktime Tmigr2017Placement::cpu_idle(Cpu& cpu, Ktime next) {
    TmigrCpu& tmc = cpus_[cpu.id()];
    cpu.at(sites::kIdleBeforeLock);
    if (!tmc.online.read_once(cpu))
        return next;
    tmc.lock.acquire(cpu);
    tmc.cpuevt.expires = beliefs_.seen_before_lock ? next : global_of(cpu);
    const Ktime wakeup = inactive_up(cpu, *tmc.leaf, nullptr, &tmc.cpuevt, cpu.id());
    cpu.record(kIdleRecord, cpu.id(), ns(tmc.cpuevt.expires), ns(wakeup));
    tmc.lock.release(cpu);
    return wakeup;
}

Ktime Tmigr2017Placement::global_of(Cpu& cpu) {
    const NextEvents events = wheel_.query(cpu, cpu.id(), wheel_.jiffies(cpu));
    return events.global >= events.local ? kKtimeMax : events.global;
}

Ktime Tmigr2017Placement::tell(Cpu& cpu, Ktime global, Ktime local) {
    cpus_[cpu.id()].told_idle = true;
    if (global >= local)
        global = kKtimeMax;
    return std::min(local, cpu_idle(cpu, global));
}

Ktime Tmigr2017Placement::enter_idle(Cpu& cpu, const NextEvents& events) {
    return changes_.intended_order ? enter_as_intended(cpu, events.global, events.local)
                                   : enter_as_posted(cpu, events.global, events.local);
}

Ktime Tmigr2017Placement::enter_as_intended(Cpu& cpu, Ktime global, Ktime local) { return tell(cpu, global, local); }

// Both are instants, so nothing complains (TM17 11.0).
Ktime Tmigr2017Placement::enter_as_posted(Cpu& cpu, Ktime global, Ktime local) { return tell(cpu, local, global); }

void Tmigr2017Placement::activate(Cpu& cpu) {
    TmigrCpu& tmc = cpus_[cpu.id()];
    if (!tmc.told_idle)
        return;
    tmc.told_idle = false;
    if (tmc.online.read_once(cpu))
        active_up(cpu, *tmc.leaf, &tmc.cpuevt, cpu.id());
}

}  // namespace ticklab::linux_::tmigr2017
