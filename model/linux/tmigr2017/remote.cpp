// Expiry of other CPUs' timers (TM17 6).
#include <fmt/format.h>

#include "ticklab/model/linux/tick_invariants.hpp"
#include "ticklab/model/linux/tmigr2017/checks.hpp"
#include "ticklab/model/linux/tmigr2017/placement.hpp"
#include "ticklab/model/linux/tmigr2017/records.hpp"
#include "ticklab/model/linux/tmigr2017/sites.hpp"

namespace ticklab::linux_::tmigr2017 {

using sim::Cpu;
using sim::CpuId;

bool Tmigr2017Placement::requires_remote(Cpu&) {
    // At that time the tick compared jiffies with the clock of the base, which an awake CPU trails by one: the softirq
    // comes with every tick.
    return true;
}

// With the pointer that it follows next.
void Tmigr2017Placement::no_leaf(Cpu& cpu) { cpu.fail(checks::kNullLeaf, fmt::format("CPU {}", cpu.id())); }

void Tmigr2017Placement::handle_remote(Cpu& cpu) {
    if (!enabled_.read_once(cpu))
        return;
    TmigrCpu& tmc = cpus_[cpu.id()];
    if (!tmc.leaf) {
        if (!changes_.leaf_checked)
            no_leaf(cpu);
        return;
    }
    if (tmc.leaf->migrator.read_once(cpu) != cpu.id())
        return;
    handle_group(cpu, *tmc.leaf, wheel_.jiffies(cpu), true);
}

bool Tmigr2017Placement::queued_anew(const Group& group, bool walk_up) { return !walk_up && group.groupevt.queued(); }

// Whoever locks the group finds nobody responsible, and goes on (play 3).
bool Tmigr2017Placement::as_if_not_queued() { return false; }

bool Tmigr2017Placement::pop_expired(Cpu& cpu, Group& group, Ktime now, bool walk_up, Event*& e) {
    e = nullptr;
    const CpuId migrator = group.migrator.read_once(cpu);
    if (migrator != cpu.id() && migrator != sim::kNoCpu)
        return false;
    if (changes_.requeued_left_alone ? queued_anew(group, walk_up) : as_if_not_queued())
        return false;
    if (!group.events.empty() && group.events.begin()->expires <= now) {
        e = &*group.events.begin();
        remove_event(cpu, group, e);
    } else if (group.parent && group.active == 0) {
        acquire(cpu, *group.parent);
        add_event(cpu, *group.parent, &group.groupevt);
        release(cpu, *group.parent);
    }
    return true;
}

void Tmigr2017Placement::handle_group(Cpu& cpu, Group& group, const JiffiesPair& now, bool walk_up) {
    // Each CPU's event and each group's may be met once before they show what is next.
    const std::size_t pops_max = 16 + std::size_t{4} * cpus_.size();
    Group* parent = nullptr;
    for (std::size_t pops = 0;; ++pops) {
        if (pops == pops_max)
            cpu.fail(checks::kEndless, fmt::format("{} due events of {}", pops, group.lock.name()));
        cpu.spend(walk_price_);
        cpu.irq_disable();
        acquire(cpu, group);
        Event* e = nullptr;
        const bool responsible = pop_expired(cpu, group, now.basem, walk_up, e);
        parent = group.parent;
        Group* const child = e ? e->group : nullptr;
        const CpuId target = e ? e->cpu : sim::kNoCpu;
        const sim::RecordId queued_by = e ? e->queued_by : sim::RecordId{};
        release(cpu, group);
        cpu.irq_enable();
        if (!responsible)
            return;
        if (!e)
            break;
        cpu.at(sites::kRemoteAfterPop);
        if (child) {
            handle_group(cpu, *child, now, false);
            continue;
        }
        const sim::Cause before = cpu.set_cause(sim::Cause{queued_by, cpu.cause().root});
        cpu.record(kRemoteRecord, target);
        wheel_.run_global(cpu, target);
        cpu.at(sites::kRemoteExpired);
        update_remote(cpu, target, now);
        (void)cpu.set_cause(before);
    }
    if (walk_up && parent && parent->migrator.read_once(cpu) == cpu.id())
        handle_group(cpu, *parent, now, true);
}

NextEvents Tmigr2017Placement::events_of(Cpu& cpu, CpuId target, const JiffiesPair& now) {
    return wheel_.query(cpu, target, now);
}

// The call has no argument for the CPU (play 1).
NextEvents Tmigr2017Placement::events_of_this_cpu(Cpu& cpu, const JiffiesPair& now) {
    return wheel_.query(cpu, cpu.id(), now);
}

void Tmigr2017Placement::update_remote(Cpu& cpu, CpuId target, const JiffiesPair& now) {
    TmigrCpu& tmc = cpus_[target];
    const bool irqs = tmc.lock.acquire_irqsave(cpu);
    acquire(cpu, *tmc.leaf);
    if (tmc.online.read_once(cpu) && !tmc.leaf->cpus.contains(target) &&
        !(beliefs_.queued_is_first && tmc.cpuevt.queued())) {
        const NextEvents events =
            changes_.events_of_target ? events_of(cpu, target, now) : events_of_this_cpu(cpu, now);
        const auto show = [&] {
            remove_event(cpu, *tmc.leaf, &tmc.cpuevt);
            tmc.cpuevt.expires = events.global >= events.local ? kKtimeMax : events.global;
            add_event(cpu, *tmc.leaf, &tmc.cpuevt);
        };
        if (changes_.event_moved_up)
            with_event_out(cpu, *tmc.leaf, show);
        else
            with_event_in(show);
        require_shown(cpu, tmc);
    }
    release(cpu, *tmc.leaf);
    tmc.lock.release_restore(cpu, irqs);
}

void Tmigr2017Placement::require_shown(Cpu& cpu, const TmigrCpu& target) const {
    const Ktime local = first_bucket(wheel_.time(), wheel_.base(target.id, BaseIndex::kLocal));
    const Ktime global = first_bucket(wheel_.time(), wheel_.base(target.id, BaseIndex::kGlobal));
    // Where the local one is not later the CPU wakes by itself.
    if (global >= local || (target.cpuevt.queued() && target.cpuevt.expires <= global))
        return;
    cpu.fail(checks::kNotShown, fmt::format("CPU {} has a timer for {} ns, its event is {}", target.id, ns(global),
                                            target.cpuevt.queued() ? fmt::format("for {} ns", ns(target.cpuevt.expires))
                                                                   : std::string("not queued")));
}

}  // namespace ticklab::linux_::tmigr2017
