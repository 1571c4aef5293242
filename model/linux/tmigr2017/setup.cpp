// How CPUs and groups come into the hierarchy, and hotplug (TM17 3, 8).
#include <fmt/format.h>

#include "ticklab/model/linux/tmigr2017/checks.hpp"
#include "ticklab/model/linux/tmigr2017/placement.hpp"
#include "ticklab/model/linux/tmigr2017/records.hpp"
#include "ticklab/model/linux/tmigr2017/sites.hpp"

namespace ticklab::linux_::tmigr2017 {

using sim::Cpu;
using sim::CpuId;

Tmigr2017Placement::Tmigr2017Placement(sim::Machine& machine, const Tmigr2017Parameters& parameters,
                                       const push::PushParameters& push, TimerWheel& wheel, IdleTest& test,
                                       IdleWaker& waker)
    : machine_(machine),
      changes_(parameters.changes),
      beliefs_(changes_.gap_closed ? kNone : kAsPosted),
      nodes_(parameters.nodes),
      wheel_(wheel),
      waker_(waker),
      choice_(machine, push, test,
              [this](Cpu& on) {
                  start_kicks_();
                  boot_step(on, BootStep::kNohzActive);
              }),
      geometry_(tmigr::Geometry::of(machine.cpu_count(), machine.config().node_count)),
      queue_price_(machine.price("tmigr_queue_op")),
      walk_price_(machine.price("tmigr_walk_step")),
      allocate_price_(machine.price("memory_allocate")),
      setup_mutex_(machine, machine.lock_class("tmigr-2017 setup"), "tmigr-2017 setup"),
      group_lock_class_(machine.lock_class("tmigr-2017 group")),
      levels_(geometry_.levels()) {
    sim::LockClass& cpu_lock_class = machine.lock_class("tmigr-2017 cpu");
    for (CpuId c = 0; c < machine.cpu_count(); ++c)
        cpus_.emplace_back(machine, cpu_lock_class, c);
    choice_.migration_switch().require([this] { return enabled_.peek(); });
}

WheelForm Tmigr2017Placement::wheel_form() const {
    return {.query_marks_idle = true,
            .tick_stops_first = true,
            .bare_reschedule = true,
            .unguarded_runs = !changes_.one_runner};
}

void Tmigr2017Placement::level_beyond(Cpu& cpu, unsigned level) {
    cpu.fail(checks::kNoLevel, fmt::format("level {} of {}", level, levels_.size()));
}

void Tmigr2017Placement::make_level(Cpu& cpu, unsigned level) {
    cpu.spend(allocate_price_);
    levels_.resize(level + 1);
}

Group* Tmigr2017Placement::get_group(Cpu& cpu, std::int64_t node, unsigned level) {
    if (level >= levels_.size()) {
        if (changes_.levels_grow)
            make_level(cpu, level);
        else
            level_beyond(cpu, level);
    }
    const std::int64_t wanted = level < geometry_.crossnode() ? node : -1;
    for (Group* const g : levels_[level]) {
        cpu.spend(walk_price_);
        if (g->node == wanted && g->num_childs < geometry_.children) {
            ++g->num_childs;
            return g;
        }
    }
    cpu.at(sites::kSetupAllocate);
    cpu.spend(allocate_price_);
    if (!machine_.arena().allocate(cpu, sizeof(Group), sites::kSetupAllocate))
        return nullptr;
    const std::string name = fmt::format("tmigr-2017 group {}", groups_.size());
    Group& g = groups_.emplace_back(machine_, group_lock_class_, name, machine_.intern(name), level, wanted);
    g.num_childs = 1;
    levels_[level].push_front(&g);
    cpu.record(kGroupRecord, g.object, level, wanted);
    return &g;
}

bool Tmigr2017Placement::set_up_parents(Cpu& cpu, unsigned level, bool& done) {
    done = levels_[level].size() > 1;
    if (!done)
        return true;
    for (Group* const g : levels_[level]) {
        if (g->parent)
            continue;
        Group* const parent = get_group(cpu, g->node, level + 1);
        if (!parent)
            return false;
        const bool irqs = cpu.irq_save();
        acquire(cpu, *g);
        g->parent = parent;
        cpu.record(kParentRecord, g->object, parent->object);
        if (g->active != 0)
            active_up(cpu, *parent, nullptr, g->migrator.read_once(cpu));
        release(cpu, *g);
        cpu.irq_restore(irqs);
    }
    return true;
}

bool Tmigr2017Placement::add_cpu(Cpu& cpu, TmigrCpu& tmc) {
    setup_mutex_.lock(cpu);
    Group* const leaf = get_group(cpu, nodes_.empty() ? machine_.node_of(tmc.id) : nodes_[tmc.id], 0);
    bool made = leaf != nullptr;
    if (made && leaf->num_childs == 1) {
        bool done = true;
        for (unsigned level = 0; made && done; ++level)
            made = set_up_parents(cpu, level, done);
    }
    if (made)
        tmc.leaf = leaf;
    setup_mutex_.unlock(cpu);
    return made;
}

bool Tmigr2017Placement::set_available(Cpu& cpu) {
    choice_.nearby().set_active(cpu, cpu.id(), true);
    if (!geometry_.enabled())
        return true;
    if (changes_.enabled_first)
        boot_step(cpu, BootStep::kBroughtUp);
    else
        enable_at_the_end();
    TmigrCpu& tmc = cpus_[cpu.id()];
    cpu.at(sites::kOnlineBeforeLeaf);
    if (!tmc.leaf && !add_cpu(cpu, tmc))
        return false;
    const bool irqs = cpu.irq_save();
    tmc.online.write_once(cpu, true);
    active_up(cpu, *tmc.leaf, &tmc.cpuevt, cpu.id());
    cpu.irq_restore(irqs);
    return true;
}

void Tmigr2017Placement::hand_over(Cpu& cpu, Ktime first) {
    if (first == kKtimeMax)
        return;
    for (CpuId c = 0; c < cpus_.size(); ++c)
        if (c != cpu.id() && cpus_[c].online.read_once(cpu)) {
            // It leaves idle, becomes active, and arms for the first event when it goes idle again.
            waker_.wake_idle(cpu, c);
            return;
        }
}

// The interrupt that was sent with all locks held is the only hand-over, and makes nobody look at the hierarchy.
void Tmigr2017Placement::forget(Cpu& cpu, Ktime first) {
    if (first != kKtimeMax)
        cpu.fail(checks::kDutyLost, fmt::format("CPU {} leaves an event for {} ns", cpu.id(), ns(first)));
}

void Tmigr2017Placement::clear_available(Cpu& cpu) {
    TmigrCpu& tmc = cpus_[cpu.id()];
    cpu.at(sites::kOfflineBeforeLock);
    if (tmc.leaf) {
        const bool irqs = cpu.irq_save();
        tmc.online.write_once(cpu, false);
        const Ktime first = inactive_up(cpu, *tmc.leaf, nullptr, nullptr, cpu.id());
        if (changes_.duty_handed_over)
            hand_over(cpu, first);
        else
            forget(cpu, first);
        cpu.irq_restore(irqs);
    }
    choice_.nearby().set_active(cpu, cpu.id(), false);
}

void Tmigr2017Placement::evaluate_switch(Cpu& cpu) { choice_.migration_switch().compute(cpu); }

// It was evaluated when NOHZ became active, before this (TM17 11.17).
void Tmigr2017Placement::leave_switch() {}

// With the last step of the late initcall, when all CPUs have joined (TM17 11.13).
void Tmigr2017Placement::enable_at_the_end() {}

void Tmigr2017Placement::end_bring_up(Cpu& cpu) {
    if (geometry_.enabled())
        boot_step(cpu, BootStep::kBroughtUp);
}

void Tmigr2017Placement::boot_step(Cpu& cpu, BootStep step) {
    const auto bit = static_cast<std::uint8_t>(step);
    if ((boot_steps_.fetch_or(cpu, bit) | bit) != 3)
        return;
    enabled_.write_once(cpu, true);
    if (changes_.switch_evaluated_again)
        evaluate_switch(cpu);
    else
        leave_switch();
}

}  // namespace ticklab::linux_::tmigr2017
