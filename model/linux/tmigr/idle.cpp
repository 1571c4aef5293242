// An idle CPU that looks at its timers again, and the forecast of one that is not idle yet (TMM 10, 11).
#include <algorithm>

#include "ticklab/model/linux/tmigr/checks.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"
#include "ticklab/model/linux/tmigr/sites.hpp"

namespace ticklab::linux_::tmigr {

using sim::Cpu;

Ktime TmigrPlacement::new_timer(Cpu& cpu, Ktime next) {
    TmigrCpu& tmc = cpus_[cpu.id()];
    if (!usable(cpu, tmc))
        return next;
    const Operation operation(*this);
    cpu.at(sites::kNewTimerBeforeLock);
    tmc.lock.acquire(cpu);
    Ktime wakeup = tmc.wakeup.read_once(cpu);
    if (next != kKtimeMax && (next != tmc.cpuevt.expires.read(cpu) || tmc.cpuevt.ignore.read_once(cpu))) {
        wakeup = start_new_timer(cpu, tmc, next);
        tmc.wakeup.write_once(cpu, wakeup);
    }
    cpu.record(kCpuNewTimerIdleRecord, tmc.id, tmc.group.peek()->object, ns(next), ns(wakeup));
    tmc.lock.release(cpu);
    return wakeup;
}

Ktime TmigrPlacement::start_new_timer(Cpu& cpu, TmigrCpu& tmc, Ktime next) {
    // Whoever expires this CPU's timers just now looks at its bases afterwards, and is awake (TMM 9.8).
    if (tmc.remote)
        return kKtimeMax;
    cpu.record(kCpuNewTimerRecord, tmc.id, tmc.group.peek()->object, ns(tmc.wakeup.peek()));
    tmc.cpuevt.ignore.write_once(cpu, false);
    Walk w;
    w.nextexp = next;
    w.evt = &tmc.cpuevt;
    walk(cpu, tmc, w, [&](Group& group, Group* child, Walk& step) { return update_events(cpu, group, child, step); });
    return w.firstexp;
}

Ktime TmigrPlacement::quick_check(Cpu& cpu, Ktime next) {
    TmigrCpu& tmc = cpus_[cpu.id()];
    if (!usable(cpu, tmc))
        return next;
    if (tmc.idle.read_once(cpu))
        cpu.fail(checks::kIdleForecast, "CPU " + std::to_string(cpu.id()));
    if (!responsible(cpu, *leaf_of(cpu, tmc), tmc.groupmask.read_once(cpu)))
        return kKtimeMax;
    return parameters_.changes.accumulate_forecast ? forecast(cpu, tmc, next) : forecast_from_root(cpu, tmc, next);
}

Ktime TmigrPlacement::forecast(Cpu& cpu, TmigrCpu& tmc, Ktime next) {
    for (Group* group = leaf_of(cpu, tmc); group; group = group->parent.load(cpu, sim::Order::kConsume)) {
        cpu.spend(prices_.walk_step);
        if (std::popcount(load_state(cpu, *group).active) > 1)
            return kKtimeMax;
        // While this CPU is active what its siblings have queued is shown nowhere above.
        next = std::min(next, group->next_expiry.read_once(cpu));
    }
    return next;
}

Ktime TmigrPlacement::forecast_from_root(Cpu& cpu, TmigrCpu& tmc, Ktime next) {
    for (Group* group = leaf_of(cpu, tmc); group;) {
        cpu.spend(prices_.walk_step);
        if (std::popcount(load_state(cpu, *group).active) > 1)
            return kKtimeMax;
        Group* const parent = group->parent.load(cpu, sim::Order::kConsume);
        if (!parent)
            return std::min(next, group->next_expiry.read_once(cpu));
        group = parent;
    }
    return next;
}

}  // namespace ticklab::linux_::tmigr
