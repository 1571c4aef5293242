#include "ticklab/model/xen/emulated_timers.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/xen/client_sites.hpp"

namespace ticklab::xen {

using sim::Cpu;
using sim::Frame;

EmulatedTimers::EmulatedTimers(ClientTimers& timers, Scheduler& scheduler, Guests& guests, const SystemTime& time,
                               std::uint32_t guest_count, const XenChanges& changes)
    : timers_(timers), scheduler_(scheduler), time_(time), changes_(changes) {
    for (std::uint32_t g = 0; g < guest_count; ++g) {
        Emulated& e = emulated_.emplace_back(*this, guests.find(g, 0));
        timers.name(e.timer, fmt::format("d{}.emulated", g));
    }
}

void EmulatedTimers::init(Cpu& cpu) {
    for (Emulated& e : emulated_) {
        if (e.timer.initialised || e.vcpu.peek()->processor.peek() != cpu.id())
            continue;
        timers_.init(
            cpu, e.timer,
            [](Cpu& on, void* a) {
                Emulated& own = *static_cast<Emulated*>(a);
                own.owner->timers_.fired(on, own.timer);
                own.owner->tick(on, own);
            },
            &e, cpu.id());
    }
}

void EmulatedTimers::lock_owner(Cpu& cpu, Emulated& e) {
    for (;;) {
        Vcpu* const v = e.vcpu.read_once(cpu);
        v->device_lock.acquire(cpu);
        if (e.vcpu.read_once(cpu) == v)
            return;
        v->device_lock.release(cpu);
    }
}

void EmulatedTimers::change_owner_locked(Cpu& cpu, Emulated& e, Vcpu& v) {
    for (;;) {
        Vcpu* const old = e.vcpu.read_once(cpu);
        if (old == &v)
            return;
        Vcpu& first = old->number < v.number ? *old : v;
        Vcpu& second = old->number < v.number ? v : *old;
        first.device_lock.acquire(cpu);
        second.device_lock.acquire_nested(cpu, 1);
        const bool found = e.vcpu.read_once(cpu) == old;
        if (found)
            e.vcpu.write_once(cpu, &v);
        second.device_lock.release(cpu);
        first.device_lock.release(cpu);
        if (found)
            return;
    }
}

// Before XEN-37: who holds the old owner's lock finds another owner when it unlocks.
void EmulatedTimers::change_owner_half_locked(Cpu& cpu, Emulated& e, Vcpu& v) {
    v.device_lock.acquire(cpu);
    e.vcpu.write_once(cpu, &v);
    v.device_lock.release(cpu);
}

void EmulatedTimers::set_next(Cpu& cpu, Emulated& e) {
    const Stime next = timers_.core().align_checked(cpu, time_.now(cpu) + StimeSpan{1}, e.period);
    timers_.set(cpu, e.timer, next);
}

void EmulatedTimers::start(Cpu& cpu, Vcpu& v, StimeSpan period) {
    const Frame frame(cpu, "emulated timer start");
    Emulated& e = emulated_[v.guest];
    give(cpu, v);
    lock_owner(cpu, e);
    e.period = period == StimeSpan::zero() ? period : std::max(period, VcpuTimers::kMinPeriod);
    if (period == StimeSpan::zero())
        timers_.stop(cpu, e.timer);
    else
        set_next(cpu, e);
    unlock_owner(cpu, e);
}

void EmulatedTimers::give(Cpu& cpu, Vcpu& v) {
    const Frame frame(cpu, "emulated timer give");
    Emulated& e = emulated_[v.guest];
    if (changes_.lock_both_vcpus)
        change_owner_locked(cpu, e, v);
    else
        change_owner_half_locked(cpu, e, v);
    timers_.migrate(cpu, e.timer, v.processor.read_once(cpu));
}

void EmulatedTimers::tick(Cpu& cpu, Emulated& e) {
    const Frame frame(cpu, "emulated timer");
    lock_owner(cpu, e);
    cpu.at(sites::kEmulatedWithLock);
    if (e.period != StimeSpan::zero()) {
        scheduler_.post(cpu, *e.vcpu.read_once(cpu), kTimerEvent);
        set_next(cpu, e);
    }
    unlock_owner(cpu, e);
}

}  // namespace ticklab::xen
