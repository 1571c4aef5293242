// The queues of the groups: what a child's first timer is, and who shows it upwards (TMM 5.2, 5.3, 8).
#include <iterator>

#include "ticklab/model/linux/tmigr/checks.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"
#include "ticklab/model/linux/tmigr/sites.hpp"

namespace ticklab::linux_::tmigr {

using sim::Cpu;

void TmigrPlacement::enqueue(Cpu& cpu, Group& group, Event& e) {
    if (e.queued())
        cpu.fail(checks::kQueued, "in " + std::string(group.lock.name()));
    cpu.spend(prices_.queue_op);
    group.events.write(cpu).insert(e);
}

void TmigrPlacement::dequeue(Cpu& cpu, Group& group, Event& e) {
    cpu.spend(prices_.queue_op);
    group.events.write(cpu).remove(e);
}

Event* TmigrPlacement::refresh(Cpu& cpu, Group& group) {
    group.next_expiry.write_once(cpu, kKtimeMax);
    while (Event* const head = group.events.write(cpu).head()) {
        if (!head->ignore.read_once(cpu)) {
            group.next_expiry.write_once(cpu, head->expires.read(cpu));
            return head;
        }
        dequeue(cpu, group, *head);
    }
    return nullptr;
}

Event* TmigrPlacement::pop_expired(Cpu& cpu, Group& group, Ktime now) {
    Event* const e = refresh(cpu, group);
    if (!e || now < e->expires.read(cpu))
        return nullptr;
    dequeue(cpu, group, *e);
    refresh(cpu, group);
    return e;
}

void TmigrPlacement::lock_pair(Cpu& cpu, Group& group, Group* child) {
    if (child)
        child->lock.acquire(cpu);
    group.lock.acquire_nested(cpu, child ? 1 : 0);
}

void TmigrPlacement::unlock(Cpu& cpu, Group& group) {
    for (const Event& e : group.events.peek())
        if (!e.ignore.peek() && e.expires.peek() < group.next_expiry.peek())
            cpu.fail(checks::kNextExpiry, std::string(group.lock.name()) + " has an event for " +
                                              std::to_string(ns(e.expires.peek())) + " ns and a next expiry of " +
                                              std::to_string(ns(group.next_expiry.peek())) + " ns");
    tell_queue(cpu, group);
    group.lock.release(cpu);
}

void TmigrPlacement::tell_queue(Cpu& cpu, Group& group) {
    const EventQueue& queue = group.events.peek();
    QueueView now{group.next_expiry.peek(), static_cast<std::uint32_t>(std::distance(queue.begin(), queue.end()))};
    if (now.events != 0)
        now.first_cpu = queue.begin()->cpu.peek();
    if (now == group.told)
        return;
    group.told = now;
    cpu.record(kGroupQueueRecord, group.object, ns(now.next_expiry), now.events, now.first_cpu);
}

void TmigrPlacement::unlock_pair(Cpu& cpu, Group& group, Group* child) {
    unlock(cpu, group);
    if (child)
        unlock(cpu, *child);
}

TmigrPlacement::States TmigrPlacement::sample(Cpu& cpu, Group& group, Group* child) {
    States s;
    if (child)
        s.child = load_state(cpu, *child);
    s.group = load_state(cpu, group);
    return s;
}

TmigrPlacement::States TmigrPlacement::lock_and_sample(Cpu& cpu, Group& group, Group* child) {
    lock_pair(cpu, group, child);
    return sample(cpu, group, child);
}

TmigrPlacement::States TmigrPlacement::sample_and_lock(Cpu& cpu, Group& group, Group* child) {
    const States s = sample(cpu, group, child);
    cpu.at(sites::kEventsSampled);
    lock_pair(cpu, group, child);
    return s;
}

bool TmigrPlacement::leave_to_parent(Cpu& cpu, Group& group) const {
    return parameters_.changes.root_handles_ignored_event ? group.parent.load(cpu) != nullptr : leave_always();
}

// Even where nobody is above who would look at the queue.
bool TmigrPlacement::leave_always() { return true; }

void TmigrPlacement::keep_first_cpu(Cpu& cpu, Event& e, sim::CpuId first) { e.cpu.write(cpu) = first; }

// Whose timers were first when the event was queued.
void TmigrPlacement::keep_old_cpu(Cpu&, Event&, sim::CpuId) {}

bool TmigrPlacement::update_events(Cpu& cpu, Group& group, Group* child, Walk& w) {
    w.group_idle = false;
    bool ignore = false;
    if (!child) {
        ignore = w.evt->ignore.read_once(cpu);
        if (ignore && !w.remote && leave_to_parent(cpu, group))
            return true;
    }
    cpu.at(sites::kEventsBeforeLock);
    const States s =
        parameters_.changes.sample_under_lock ? lock_and_sample(cpu, group, child) : sample_and_lock(cpu, group, child);
    Event* first = w.evt;
    Event* evt = w.evt;
    Ktime nextexp = w.nextexp;
    if (child) {
        if (s.child.active != 0) {
            unlock_pair(cpu, group, child);
            return true;
        }
        first = refresh(cpu, *child);
        nextexp = child->next_expiry.read_once(cpu);
        evt = &child->groupevt;
        ignore = nextexp == kKtimeMax;
        evt->ignore.write_once(cpu, ignore);
    }
    w.group_idle = s.group.active == 0;
    const sim::CpuId first_cpu = first ? first->cpu.read(cpu) : 0;

    bool stop = false;
    bool settled = false;
    if (evt->queued()) {
        settled = !ignore && evt->expires.read(cpu) == nextexp;
        if (settled) {
            if (parameters_.changes.event_names_first_cpu)
                keep_first_cpu(cpu, *evt, first_cpu);
            else
                keep_old_cpu(cpu, *evt, first_cpu);
        } else {
            dequeue(cpu, group, *evt);
            if (group.events.read(cpu).empty())
                group.next_expiry.write_once(cpu, kKtimeMax);
        }
    }
    bool enqueued = false;
    if (!settled) {
        if (ignore) {
            stop = !w.remote || s.group.active != 0;
        } else {
            evt->expires.write(cpu) = nextexp;
            evt->cpu.write(cpu) = first_cpu;
            enqueue(cpu, group, *evt);
            enqueued = true;
            if (group.events.write(cpu).head() == evt)
                group.next_expiry.write_once(cpu, nextexp);
        }
    }

    bool silent = false;
    if (!group.parent.load(cpu) && s.group.migrator == kNoMigrator) {
        stop = true;
        silent = w.remote;
        if (!silent) {
            Event* const root_first = refresh(cpu, group);
            w.firstexp = root_first ? root_first->expires.read(cpu) : kKtimeMax;
        }
    }
    if (!silent)
        cpu.record(kUpdateEventsRecord, child ? child->object : sim::kNoObject, group.object,
                   group.place.read(cpu).level, s.child.active, s.group.active, ns(nextexp),
                   ns(group.next_expiry.peek()), child ? ns(evt->expires.peek()) : 0, child ? evt->cpu.peek() : 0);
    if (enqueued)
        evt->queued_by = cpu.last_record();
    unlock_pair(cpu, group, child);
    return stop;
}

}  // namespace ticklab::linux_::tmigr
