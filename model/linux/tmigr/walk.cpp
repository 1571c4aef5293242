// Walks, activation and deactivation (TMM 5, 6, 7).
#include "ticklab/model/linux/tmigr/checks.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"
#include "ticklab/model/linux/tmigr/sites.hpp"

namespace ticklab::linux_::tmigr {

using sim::Cpu;
using sim::Order;

bool TmigrPlacement::usable(Cpu& cpu, TmigrCpu& tmc) {
    return leaf_of(cpu, tmc) != nullptr && tmc.available.read_once(cpu);
}

void TmigrPlacement::walk(Cpu& cpu, TmigrCpu& tmc, Walk& w, Step step) {
    w.mask = tmc.groupmask.read_once(cpu);
    walk_from(cpu, nullptr, leaf_of(cpu, tmc), w, step);
}

void TmigrPlacement::walk_from(Cpu& cpu, Group* child, Group* group, Walk& w, Step step) {
    while (group) {
        if (w.mask == 0 || (child && w.mask != child->groupmask.peek()))
            cpu.fail(checks::kMask, "a walk enters " + std::string(group->lock.name()) + " with mask " +
                                        std::to_string(w.mask) + ", its child's is " +
                                        std::to_string(child ? child->groupmask.peek() : w.mask));
        cpu.spend(prices_.walk_step);
        if (step(*group, child, w))
            return;
        child = group;
        cpu.at(sites::kWalkBeforeParent);
        group = parameters_.changes.read_parent_once ? parent_of(cpu, *child, w) : parent_read_twice(cpu, *child, w);
    }
}

Group* TmigrPlacement::parent_of(Cpu& cpu, Group& group, Walk& w) {
    Group* const parent = group.parent.load(cpu, Order::kConsume);
    if (parent)
        w.mask = group.groupmask.read_once(cpu);
    return parent;
}

Group* TmigrPlacement::parent_read_twice(Cpu& cpu, Group& group, Walk& w) {
    if (group.parent.load(cpu))
        w.mask = group.groupmask.read_once(cpu);
    cpu.at(sites::kWalkBetweenReads);
    return group.parent.load(cpu, Order::kConsume);
}

GroupState TmigrPlacement::load_state(Cpu& cpu, Group& group, Order order) {
    return GroupState::unpack(group.state.load(cpu, order));
}

bool TmigrPlacement::swap_state(Cpu& cpu, Group& group, GroupState& expected, GroupState desired) {
    std::uint32_t word = expected.pack();
    if (!group.state.compare_exchange(cpu, word, desired.pack(), Order::kFull)) {
        expected = GroupState::unpack(word);
        return false;
    }
    if (!desired.consistent())
        cpu.fail(checks::kMigrator, std::string(group.lock.name()) + " has active " + std::to_string(desired.active) +
                                        " and migrator " + std::to_string(desired.migrator));
    return true;
}

bool TmigrPlacement::responsible(Cpu& cpu, Group& group, ChildMask mask) {
    const GroupState s = load_state(cpu, group);
    return s.migrator == mask || s.migrator == kNoMigrator;
}

void TmigrPlacement::count_change(GroupState& state) const {
    if (parameters_.changes.sequence_counter)
        ++state.seq;
}

void TmigrPlacement::activate(Cpu& cpu) {
    TmigrCpu& tmc = cpus_[cpu.id()];
    if (!usable(cpu, tmc))
        return;
    if (!tmc.idle.read_once(cpu))
        cpu.fail(checks::kNotIdle, "CPU " + std::to_string(cpu.id()));
    const Operation operation(*this);
    cpu.at(sites::kActivateBeforeLock);
    tmc.lock.acquire(cpu);
    tmc.idle.write_once(cpu, false);
    start_activation(cpu, tmc);
    tmc.lock.release(cpu);
}

void TmigrPlacement::start_activation(Cpu& cpu, TmigrCpu& tmc) {
    cpu.record(kCpuActiveRecord, tmc.id, tmc.group.peek()->object, ns(tmc.wakeup.peek()));
    tmc.cpuevt.ignore.write_once(cpu, true);
    tmc.wakeup.write_once(cpu, kKtimeMax);
    Walk w;
    walk(cpu, tmc, w, [&](Group& group, Group*, Walk& step) { return active_step(cpu, group, step); });
}

bool TmigrPlacement::active_step(Cpu& cpu, Group& group, const Walk& w) {
    GroupState old = load_state(cpu, group);
    GroupState next;
    bool last;
    do {
        cpu.at(sites::kActiveBeforeCas);
        next = activated(old, w.mask);
        last = old.migrator != kNoMigrator;
        count_change(next);
    } while (!swap_state(cpu, group, old, next));
    const GroupPlace& place = group.place.read(cpu);
    Group* const parent = group.parent.peek();
    cpu.record(kGroupActiveRecord, group.object, place.level, place.node_number(), next.active, next.migrator,
               parent ? parent->object : sim::kNoObject, w.mask);
    cpu.at(sites::kActiveAfterCas);
    group.groupevt.ignore.write_once(cpu, true);
    return last;
}

Ktime TmigrPlacement::deactivate(Cpu& cpu, Ktime next) {
    TmigrCpu& tmc = cpus_[cpu.id()];
    if (!usable(cpu, tmc))
        return next;
    const Operation operation(*this);
    cpu.at(sites::kDeactivateBeforeLock);
    tmc.lock.acquire(cpu);
    const Ktime wakeup = start_deactivation(cpu, tmc, next);
    tmc.idle.write_once(cpu, true);
    tmc.wakeup.write_once(cpu, wakeup);
    cpu.record(kCpuIdleRecord, tmc.id, tmc.group.peek()->object, ns(next), ns(wakeup));
    tmc.lock.release(cpu);
    return wakeup;
}

Ktime TmigrPlacement::start_deactivation(Cpu& cpu, TmigrCpu& tmc, Ktime next) {
    if (next != kKtimeMax)
        tmc.cpuevt.ignore.write_once(cpu, false);
    Walk w;
    w.nextexp = next;
    w.evt = &tmc.cpuevt;
    walk(cpu, tmc, w, [&](Group& group, Group* child, Walk& step) { return inactive_step(cpu, group, child, step); });
    return w.firstexp;
}

bool TmigrPlacement::inactive_step(Cpu& cpu, Group& group, Group* child, Walk& w) {
    // Play 1: with neither acquire nor barrier the view of the child may be older than that of the group.
    const bool ordered = parameters_.changes.ordered_deactivation;
    cpu.at(sites::kInactiveBeforeRead);
    GroupState old = load_state(cpu, group, ordered ? Order::kAcquire : Order::kRelaxed);
    GroupState next;
    bool last;
    for (;;) {
        const GroupState below = child ? load_state(cpu, *child) : GroupState{};
        cpu.at(sites::kInactiveBeforeCas);
        next = deactivated(old, w.mask, below.active != 0);
        last = next.migrator != kNoMigrator || old.migrator != w.mask;
        count_change(next);
        if (swap_state(cpu, group, old, next))
            break;
        if (ordered)
            sim::full_barrier(cpu);
    }
    const GroupPlace& place = group.place.read(cpu);
    Group* const parent = group.parent.peek();
    cpu.record(kGroupInactiveRecord, group.object, place.level, place.node_number(), next.active, next.migrator,
               parent ? parent->object : sim::kNoObject, w.mask);
    cpu.at(sites::kInactiveAfterCas);
    w.remote = false;
    update_events(cpu, group, child, w);
    return parameters_.changes.late_event_goes_up ? still_active(last, w) : active_at_exchange(last);
}

bool TmigrPlacement::still_active(bool others_left, const Walk& w) { return others_left && !w.group_idle; }

// Whatever has become of them until the event was queued (play 10).
bool TmigrPlacement::active_at_exchange(bool others_left) { return others_left; }

}  // namespace ticklab::linux_::tmigr
