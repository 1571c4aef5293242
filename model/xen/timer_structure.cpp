// Locking a timer and moving it between the structures (XT 3.2, 4).
#include <fmt/format.h>

#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/owner_read_section.hpp"
#include "ticklab/model/xen/records.hpp"
#include "ticklab/model/xen/sites.hpp"
#include "ticklab/model/xen/timers.hpp"

namespace ticklab::xen {

using sim::Cpu;
using sim::CpuId;

void Timers::fail(Cpu& cpu, const sim::CheckDecl& check, const Timer& t, std::string_view what) {
    cpu.fail(check, fmt::format("timer {}, {} on CPU {}: {}",
                                t.initialised ? machine_.records().name(t.object) : "without a name",
                                status_name(t.status), t.cpu.peek(), what));
}

void Timers::require_usable(Cpu& cpu, const Timer& t) {
    if (!t.initialised)
        fail(cpu, checks::kNotInitialised, t, "used before its first init");
    if (t.initialising)
        fail(cpu, checks::kInitRace, t, "used while init is under way");
}

void Timers::unlock(Cpu& cpu, TimerBase& base) {
    const auto members = base.heap.size() + base.list.size() + base.ready.size() + base.inactive.size();
    const bool look =
        parameters_.check_effort == CheckEffort::kAlways ||
        (parameters_.check_effort == CheckEffort::kAmortised && ++base.releases_since_check * 4 >= members);
    if (look) {
        base.releases_since_check = 0;
        if (std::optional<Broken> broken = check_base(*this, base))
            cpu.fail(*broken->check, std::move(broken->message));
    }
    base.lock.release(cpu);
}

void Timers::lock(Cpu& cpu, TimerBase& base, unsigned subclass) {
    const TimerArea* const area = base.area;
    area->live.require_live(cpu);
    if (subclass == 0)
        base.lock.acquire(cpu);
    else
        base.lock.acquire_nested(cpu, subclass);
    // It may have gone while this CPU waited.
    area->live.require_live(cpu);
}

TimerBase* Timers::lock_timer(Cpu& cpu, Timer& t) {
    // Each turn of the loop means that somebody completed a migration.
    for (;;) {
        const OwnerReadSection section(cpu, machine_, offline_);
        const CpuId owner = t.cpu.read_once(cpu);
        if (owner == kKilledOwner)
            return nullptr;
        cpu.at(sites::kLockTimerAfterRead);
        TimerBase& base = bases_[owner];
        lock(cpu, base);
        if (!parameters_.changes.owner_checked_again || t.cpu.read_once(cpu) == owner)
            return &base;
        unlock(cpu, base);
    }
}

void Timers::lock_pair(Cpu& cpu, TimerBase& a, TimerBase& b) {
    const bool swapped = parameters_.changes.bases_in_cpu_order && b.cpu < a.cpu;
    lock(cpu, swapped ? b : a);
    cpu.at(sites::kLockPairBetween);
    lock(cpu, swapped ? a : b, 1);
}

void Timers::unlock_pair(Cpu& cpu, TimerBase& a, TimerBase& b) {
    unlock(cpu, a);
    unlock(cpu, b);
}

void Timers::raise(Cpu& cpu, CpuId target) {
    TimerCounters& counters = bases_[target].counters;
    ++(target == cpu.id() ? counters.raises_local : counters.raises_remote);
    if (softirqs_.raise_on(cpu, target, SoftirqNumber::kTimer))
        ++counters.ipis;
}

bool Timers::enqueue(Cpu& cpu, TimerBase& base, Timer& t) {
    sim::require_lock_held(cpu, base.lock);
    if (t.status != TimerStatus::kInvalid)
        fail(cpu, checks::kBadStatus, t, "enqueued");
    t.status = TimerStatus::kInHeap;
    t.linked_on = base.cpu;
    if (base.heap.full() && !parameters_.changes.growth_in_softirq)
        allocate_in_insertion(cpu, base);
    const bool heap_head = base.heap.insert(t);
    if (t.heap_index != 0) {
        const std::uint32_t steps = base.heap.take_steps();
        spend_times(cpu, prices_.heap_sift_step, steps + 1);
        base.counters.sift_steps += steps;
        ++base.counters.heap_inserts;
        cpu.record(kHeapInsertRecord, t.object, base.cpu, t.heap_index, base.heap.size());
        return heap_head;
    }
    parameters_.policy->note_overflow(cpu, base);
    t.status = TimerStatus::kInList;
    const bool list_head = base.list.insert(t);
    const std::uint32_t steps = base.list.take_steps();
    spend_times(cpu, prices_.list_scan_step, steps + 1);
    base.counters.list_scan_steps += steps;
    ++base.counters.overflows;
    cpu.record(kOverflowRecord, t.object, base.cpu, base.heap.limit(), base.list.size());
    return list_head;
}

bool Timers::dequeue(Cpu& cpu, TimerBase& base, Timer& t) {
    sim::require_lock_held(cpu, base.lock);
    if (is_queued(t.status) && t.linked_on != base.cpu)
        fail(cpu, checks::kForeignBase, t, fmt::format("CPU {} dequeues what CPU {} has", base.cpu, t.linked_on));
    bool was_head = false;
    switch (t.status) {
        case TimerStatus::kInHeap: {
            was_head = base.heap.remove(t);
            const std::uint32_t steps = base.heap.take_steps();
            spend_times(cpu, prices_.heap_sift_step, steps + 1);
            base.counters.sift_steps += steps;
            ++base.counters.heap_removes;
            cpu.record(kHeapRemoveRecord, t.object, base.cpu, base.heap.size());
            break;
        }
        case TimerStatus::kInList: {
            was_head = base.list.remove(t);
            const std::uint32_t steps = base.list.take_steps();
            spend_times(cpu, prices_.list_scan_step, steps + 1);
            base.counters.list_scan_steps += steps;
            cpu.record(kListRemoveRecord, t.object, base.cpu, base.list.size());
            break;
        }
        case TimerStatus::kInReady: {
            // The range of the rest is wider at most: the deadline comes early or in vain, which costs a pass and loses
            // nothing (XT 4.5).
            (void)base.ready.remove(t);
            const std::uint32_t steps = base.ready.take_steps();
            spend_times(cpu, prices_.list_scan_step, steps + 1);
            base.counters.list_scan_steps += steps;
            cpu.record(kListRemoveRecord, t.object, base.cpu, base.ready.size());
            break;
        }
        case TimerStatus::kInvalid:
        case TimerStatus::kInactive:
        case TimerStatus::kKilled:
            fail(cpu, checks::kBadStatus, t, "dequeued");
    }
    t.status = TimerStatus::kInvalid;
    return was_head;
}

Timer& Timers::take_top(Cpu& cpu, TimerBase& base) {
    Timer& t = base.heap.top();
    (void)dequeue(cpu, base, t);
    return t;
}

Timer& Timers::take_list_head(Cpu& cpu, TimerBase& base) {
    Timer& t = base.list.front();
    (void)dequeue(cpu, base, t);
    return t;
}

void Timers::link_inactive(Cpu& cpu, TimerBase& base, Timer& t) {
    sim::require_lock_held(cpu, base.lock);
    t.status = TimerStatus::kInactive;
    t.linked_on = base.cpu;
    inactive_.link(base.inactive, t);
    unlisted_timers_ += !inactive_.complete;
}

void Timers::unlink_inactive(Cpu& cpu, TimerBase& base, Timer& t) {
    sim::require_lock_held(cpu, base.lock);
    if (t.status != TimerStatus::kInactive)
        fail(cpu, checks::kBadStatus, t, "taken off the inactive list");
    if (inactive_.complete && t.linked_on != base.cpu)
        fail(cpu, checks::kForeignBase, t, fmt::format("CPU {} unlinks what CPU {} has", base.cpu, t.linked_on));
    inactive_.unlink(base.inactive, t);
    unlisted_timers_ -= !inactive_.complete;
    t.status = TimerStatus::kInvalid;
}

void Timers::activate(Cpu& cpu, TimerBase& base, Timer& t) {
    unlink_inactive(cpu, base, t);
    cpu.record(kTimerActivateRecord, t.object, base.cpu, ns(t.expires));
    if (enqueue(cpu, base, t))
        raise(cpu, base.cpu);
}

void Timers::deactivate(Cpu& cpu, TimerBase& base, Timer& t) {
    if (dequeue(cpu, base, t))
        raise(cpu, base.cpu);
    link_inactive(cpu, base, t);
    cpu.record(kTimerDeactivateRecord, t.object, base.cpu, false);
}

}  // namespace ticklab::xen
