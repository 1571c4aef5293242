#include "ticklab/model/xen/vcpu_timers.hpp"

#include "ticklab/model/xen/client_records.hpp"
#include "ticklab/model/xen/client_sites.hpp"

namespace ticklab::xen {
namespace {

using sim::Cpu;

/// a + b as the processor adds: beyond the largest instant it is a negative one.
Stime wrapping_add(Stime a, StimeSpan b) {
    return stime_at(
        static_cast<std::int64_t>(static_cast<std::uint64_t>(ns(a)) + static_cast<std::uint64_t>(b.count())));
}

}  // namespace

void VcpuTimers::init(Cpu& cpu, Vcpu& v, sim::CpuId owner) {
    Fired* const argument = &fired_.emplace_back(Fired{this, &v});
    timers_.init(
        cpu, v.singleshot,
        [](Cpu& on, void* a) {
            const Fired& f = *static_cast<Fired*>(a);
            f.timers->timers_.fired(on, f.vcpu->singleshot);
            f.timers->scheduler_.post(on, *f.vcpu, kTimerEvent);
        },
        argument, owner);
    timers_.init(
        cpu, v.periodic,
        [](Cpu& on, void* a) {
            const Fired& f = *static_cast<Fired*>(a);
            f.timers->timers_.fired(on, f.vcpu->periodic);
            f.timers->periodic_work(on, *f.vcpu);
        },
        argument, owner);
    timers_.init(
        cpu, v.poll,
        [](Cpu& on, void* a) {
            const Fired& f = *static_cast<Fired*>(a);
            f.timers->timers_.fired(on, f.vcpu->poll);
            on.at(sites::kPollBeforeLock);
            f.vcpu->counters.poll_timeouts += f.timers->scheduler_.end_poll(on, *f.vcpu);
        },
        argument, owner);
}

bool VcpuTimers::set_singleshot(Cpu& cpu, Vcpu& v, Stime when, bool future) {
    if (future && when < time_.now(cpu)) {
        ++v.counters.refused;
        cpu.record(kHypercallRefusedRecord, v.object, machine_.intern("ETIME"));
        return false;
    }
    timers_.migrate(cpu, v.singleshot, cpu.id());
    cpu.at(sites::kSingleshotBeforeSet);
    timers_.set(cpu, v.singleshot, when);
    return true;
}

void VcpuTimers::stop_singleshot(Cpu& cpu, Vcpu& v) { timers_.stop(cpu, v.singleshot); }

// Before XEN-17: what is too late to be meant is taken for past.
static Stime far_is_past(Stime now) { return now; }

void VcpuTimers::set_legacy(Cpu& cpu, Vcpu& v, std::int64_t timeout) {
    if (timeout == 0)
        return stop_singleshot(cpu, v);
    const Stime now = time_.now(cpu);
    const Stime when = stime_at(timeout);
    if (timeout > 0 && when - now <= kLegacyHorizon) {
        (void)set_singleshot(cpu, v, when, false);
        return;
    }
    ++v.counters.odd_timeouts;
    cpu.record(kHypercallRefusedRecord, v.object, machine_.intern(timeout < 0 ? "negative timeout" : "far timeout"));
    const Stime fallback = saturating_add(now, kLegacyFallback);
    timers_.set_as(cpu, v.singleshot, changes_.far_timeout_waits ? fallback : far_is_past(now), fallback);
}

bool VcpuTimers::set_period(Cpu& cpu, Vcpu& v, std::int64_t period) {
    const bool short_period = period != 0 && period < kMinPeriod.count();
    if (short_period || (changes_.bound_guest_period && StimeSpan{period} > longest_period())) {
        ++v.counters.refused;
        cpu.record(kHypercallRefusedRecord, v.object, machine_.intern("EINVAL"));
        return false;
    }
    v.periodic_lock.acquire(cpu);
    timers_.stop(cpu, v.periodic);
    v.period = StimeSpan{period};
    v.last_event = time_.now(cpu);
    v.periodic_lock.release(cpu);
    periodic_work(cpu, v);
    return true;
}

void VcpuTimers::periodic_work(Cpu& cpu, Vcpu& v) {
    const sim::Frame frame(cpu, "periodic timer work");
    v.periodic_lock.acquire(cpu);
    if (v.period != StimeSpan::zero()) {
        const Stime now = time_.now(cpu);
        Stime next = wrapping_add(v.last_event, v.period);
        if (now >= next) {
            const std::int64_t periods = (now - v.last_event).count() / v.period.count();
            if (periods > 1)
                v.counters.periods_missed += static_cast<std::uint64_t>(periods - 1);
            scheduler_.post(cpu, v, kTimerEvent);
            v.last_event = now;
            next = wrapping_add(now, v.period);
        }
        timers_.migrate(cpu, v.periodic, cpu.id());
        timers_.set(cpu, v.periodic, next);
    }
    v.periodic_lock.release(cpu);
}

void VcpuTimers::switched_out(Cpu& cpu, Vcpu& v) {
    if (v.period != StimeSpan::zero())
        timers_.stop(cpu, v.periodic);
}

void VcpuTimers::poll(Cpu& cpu, Vcpu& v, Stime until, std::uint32_t mask) {
    timers_.migrate(cpu, v.poll, cpu.id());
    v.poll_armed = scheduler_.block(cpu, v, mask, true);
    if (v.poll_armed)
        timers_.set(cpu, v.poll, until);
}

void VcpuTimers::poll_over(Cpu& cpu, Vcpu& v) {
    v.poll_armed = false;
    timers_.stop(cpu, v.poll);
}

// Before XEN-41: with the lock that the callback takes. A callback that waits for it keeps the kill waiting.
void VcpuTimers::kill_poll_under_lock(Cpu& cpu, Vcpu& v) {
    scheduler_.with_lock(cpu, v, [&] { timers_.kill(cpu, v.poll); });
}

void VcpuTimers::kill(Cpu& cpu, Vcpu& v) {
    v.periodic_lock.acquire(cpu);
    v.period = StimeSpan::zero();
    v.periodic_lock.release(cpu);
    timers_.kill(cpu, v.periodic);
    timers_.kill(cpu, v.singleshot);
    if (changes_.kill_outside_lock)
        timers_.kill(cpu, v.poll);
    else
        kill_poll_under_lock(cpu, v);
}

}  // namespace ticklab::xen
