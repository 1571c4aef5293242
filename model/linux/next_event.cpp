// When a CPU has to wake for its timers (LTW 12).
#include <algorithm>

#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/sites.hpp"
#include "ticklab/model/linux/timer_wheel.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::CpuId;

Jiffies TimerWheel::next_of(Cpu& cpu, TimerBase& base, Jiffies now) {
    Wheel& wheel = base.locked(cpu);
    if (wheel.recalc())
        cpu.spend(prices_.wheel_level.cycles * wheel.recalculate());
    if (!wheel.timers_pending())
        wheel.refresh_empty(now);
    return wheel.next_expiry();
}

Jiffies TimerWheel::merge(Cpu& cpu, CpuId target, const JiffiesPair& now, NextEvents& events) {
    TimerBase& local_base = base(target, BaseIndex::kLocal);
    TimerBase& global_base = base(target, BaseIndex::kGlobal);
    const Jiffies local = next_of(cpu, local_base, now.basej);
    const Jiffies global = next_of(cpu, global_base, now.basej);
    events = {};
    const bool local_first = local <= global;
    Jiffies next = local_first ? local : global;
    if (next <= now.basej + 1) {
        // Within a tick the CPU does not go idle, so whose timer it is makes no difference.
        if (next < now.basej)
            next = now.basej;
        events.local = edge_after(now, next);
        if (!local_first)
            events.global = events.local;
        return next;
    }
    if (!local_first && global_base.wheel.timers_pending())
        events.global = edge_after(now, global);
    if (local_base.wheel.timers_pending())
        events.local = edge_after(now, local);
    return next;
}

Ktime TimerWheel::look_ahead(Cpu& cpu, const JiffiesPair& now, bool* idle) {
    if (idle && *idle)
        return kKtimeMax;
    cpu.require(cpu.online() && !cpu.irqs_enabled(), "an off-line CPU, or one with interrupts on, asks for its timers");
    TimerBase& local = base(cpu.id(), BaseIndex::kLocal);
    TimerBase& global = base(cpu.id(), BaseIndex::kGlobal);
    local.lock.acquire(cpu);
    global.lock.acquire(cpu);
    NextEvents events;
    Jiffies next = merge(cpu, cpu.id(), now, events);
    const bool possible = next > now.basej + 1;
    if (possible) {
        Ktime by_placement{};
        if (local.is_idle.peek())
            by_placement = migration_->new_timer(cpu, events.global);
        else if (idle != nullptr)
            by_placement = migration_->deactivate(cpu, events.global);
        else
            by_placement = migration_->quick_check(cpu, events.global);
        if (by_placement < events.local) {
            by_placement = std::max(by_placement, now.basem);
            next = now.basej + static_cast<std::uint64_t>((by_placement - now.basem) / time_.tick());
            events.local = by_placement;
        }
    }
    forward_idle(cpu, local, now.basej);
    forward_idle(cpu, global, now.basej);
    if (idle) {
        if (!local.is_idle.peek() && next > now.basej + 1)
            mark_idle(cpu, local);
        *idle = local.is_idle.peek();
        if (!*idle && possible)
            migration_->activate(cpu);
    }
    unlock(cpu, global);
    unlock(cpu, local);
    return events.local;
}

void TimerWheel::forward_idle(Cpu& cpu, TimerBase& base, Jiffies now) {
    if (!parameters_.changes.idle_forwards_only)
        base.wheel.forward_anywhere(now);
    else
        cpu.require(base.wheel.forward(now), "a base would be rewound");
}

void TimerWheel::mark_idle(Cpu& cpu, TimerBase& base) {
    base.is_idle.write_once(cpu, true);
    // A task can arm a global timer while the tick is stopped, and nobody looks at the timers then.
    if (nohz_full(base.cpu) && parameters_.changes.global_base_marked && !unused(BaseIndex::kGlobal))
        this->base(base.cpu, BaseIndex::kGlobal).is_idle.write_once(cpu, true);
    cpu.record(kTimerBaseIdleRecord, true, base.cpu);
}

Ktime TimerWheel::event_of(Cpu& cpu, TimerBase& base, const JiffiesPair& now) {
    const Jiffies next = next_of(cpu, base, now.basej);
    return base.wheel.timers_pending() ? edge_after(now, next < now.basej ? now.basej : next) : kKtimeMax;
}

NextEvents TimerWheel::query(Cpu& cpu, CpuId target, const JiffiesPair& now) {
    cpu.require(!cpu.irqs_enabled(), "the next events of a CPU are asked for with interrupts on");
    TimerBase& local = base(target, BaseIndex::kLocal);
    TimerBase* const global = unused(BaseIndex::kGlobal) ? nullptr : &base(target, BaseIndex::kGlobal);
    local.lock.acquire(cpu);
    if (global)
        global->lock.acquire(cpu);
    NextEvents events;
    events.local = event_of(cpu, local, now);
    if (global)
        events.global = event_of(cpu, *global, now);
    forward_idle(cpu, local, now.basej);
    if (global)
        forward_idle(cpu, *global, now.basej);
    // By the local one alone: with a global one that is nearer the CPU may sleep as well.
    if (events.local <= now.basem)
        local.is_idle.write_once(cpu, false);
    else if (events.local - now.basem > time_.tick() && !local.is_idle.peek())
        mark_idle(cpu, local);
    if (global)
        unlock(cpu, *global);
    unlock(cpu, local);
    return events;
}

void TimerWheel::undo_idle(Cpu& cpu) {
    if (base(cpu.id(), BaseIndex::kLocal).is_idle.peek())
        clear_idle(cpu);
    else
        migration_->activate(cpu);
}

void TimerWheel::clear_idle(Cpu& cpu) {
    // Without the lock: at worst another CPU kicks this one for nothing.
    base(cpu.id(), BaseIndex::kLocal).is_idle.write_once(cpu, false);
    if (nohz_full(cpu.id()) && !unused(BaseIndex::kGlobal))
        base(cpu.id(), BaseIndex::kGlobal).is_idle.write_once(cpu, false);
    cpu.record(kTimerBaseIdleRecord, false, cpu.id());
    migration_->activate(cpu);
}

void TimerWheel::lock_bases(Cpu& cpu, CpuId target) {
    cpu.require(!cpu.irqs_enabled(), "bases of another CPU are locked with interrupts on");
    base(target, BaseIndex::kLocal).lock.acquire(cpu);
    base(target, BaseIndex::kGlobal).lock.acquire(cpu);
}

void TimerWheel::unlock_bases(Cpu& cpu, CpuId target) {
    unlock(cpu, base(target, BaseIndex::kGlobal));
    unlock(cpu, base(target, BaseIndex::kLocal));
}

NextEvents TimerWheel::next_events(Cpu& cpu, CpuId target, const JiffiesPair& now) {
    NextEvents events;
    merge(cpu, target, now, events);
    return events;
}

}  // namespace ticklab::linux_
