#include "ticklab/model/linux/tick_invariants.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/linux/checks.hpp"
#include "ticklab/model/linux/tick_sched.hpp"

namespace ticklab::linux_ {
namespace {

std::string show(Ktime t) { return t == kKtimeMax ? "never" : fmt::format("{} ns", ns(t)); }

std::optional<Broken> check_time(const Timekeeping& time) {
    if (time.update_under_way())
        return std::nullopt;
    const std::int64_t ticks = time.peek_jiffies() - time.initial();
    if (ns(time.peek_edge()) != ticks * time.tick().count() || time.peek_next_edge() - time.peek_edge() != time.tick())
        return Broken{&checks::kJiffies, fmt::format("{} ticks, the last edge at {}, the next at {}", ticks,
                                                     show(time.peek_edge()), show(time.peek_next_edge()))};
    return std::nullopt;
}

/// When the first high-resolution timer must run: at its hard expiry, or in low resolution at the tick after it.
Ktime first_hrtimer(const HrtimerCpu& cpu, KtimeSpan tick) {
    Ktime first = kKtimeMax;
    for (const HrtimerClockBase& base : cpu.bases)
        if (!base.queue.empty() && !(base.soft() && cpu.softirq_activated))
            first = std::min(first, base.monotonic(*base.queue.begin()));
    if (cpu.hres_active || first == kKtimeMax || first.time_since_epoch() % tick == KtimeSpan::zero())
        return first;
    return first + (tick - first.time_since_epoch() % tick);
}

std::optional<Broken> check_armed(const TickSched& tick, sim::CpuId cpu, Ktime now) {
    const TickSched::Parts parts = tick.parts();
    const HrtimerCpu& queues = parts.hrtimers.of(cpu);
    // Who queues a timer there now will call the CPU before it lets go of the lock.
    if (queues.hang_detected || parts.wheel.base(cpu, BaseIndex::kLocal).lock.held())
        return std::nullopt;
    const Ktime wanted = std::min(first_bucket(parts.time, parts.wheel.base(cpu, BaseIndex::kLocal)),
                                  first_hrtimer(queues, parts.time.tick()));
    const bool by_broadcast = parts.broadcast && parts.broadcast->sleeping(cpu);
    const Ktime armed = by_broadcast ? parts.devices.next_event(cpu) : parts.devices.armed_for(cpu);
    if (wanted == kKtimeMax || armed <= std::max(wanted, now + parts.devices.min_delta()))
        return std::nullopt;
    return Broken{&checks::kNotArmed, fmt::format("CPU {} sleeps, has to wake by {}, and its device is armed for {}",
                                                  cpu, show(wanted), show(armed))};
}

/// B1 of everybody who sleeps by the broadcast, and of `asking`, who is about to.
std::optional<Broken> check_broadcast(const TickSched& tick, sim::CpuId asking, Ktime now) {
    const TickSched::Parts parts = tick.parts();
    const TickBroadcast* const broadcast = parts.broadcast;
    // An interrupt of the device under way, or a host that died and whose heir is not told yet, will put it right.
    if (!broadcast || !broadcast->device() || broadcast->under_way())
        return std::nullopt;
    const BroadcastDevice& device = *broadcast->device();
    sim::Machine& machine = parts.wheel.machine();
    if (device.host() != sim::kNoCpu && !machine.cpu(device.host()).online())
        return std::nullopt;
    for (sim::CpuId c = 0; c < machine.cpu_count(); ++c) {
        const Ktime wanted = parts.devices.next_event(c);
        const bool asleep = c == asking || machine.cpu(c).activity() == sim::CpuActivity::kIdle;
        if (!asleep || !broadcast->sleeping(c) || broadcast->pending(c) || wanted == kKtimeMax ||
            device.armed_for() <= std::max(wanted, now + device.min_delta()))
            continue;
        return Broken{&checks::kBroadcastUncovered,
                      fmt::format("CPU {} sleeps until {}, its timer stopped, and the broadcast device is armed for {}",
                                  c, show(wanted), show(device.armed_for()))};
    }
    return std::nullopt;
}

bool queued_at(const TickSched& tick, sim::CpuId cpu, Ktime expires) {
    const Hrtimer& timer = tick.timer_of(cpu);
    return timer.expires == expires && (!tick.of(cpu).highres || timer.state == HrtimerState::kEnqueued);
}

/// The tick timer is what runs the wheel of a CPU whose tick is stopped; that the device wakes it is not enough.
std::optional<Broken> check_wheel_covered(const TickSched& tick, sim::CpuId cpu, Ktime now) {
    const TickSched::Parts parts = tick.parts();
    const TimerBase& base = parts.wheel.base(cpu, BaseIndex::kLocal);
    if (base.lock.held())
        return std::nullopt;
    const Ktime first = first_bucket(parts.time, base);
    const Hrtimer& timer = tick.timer_of(cpu);
    if (first == kKtimeMax ||
        (queued_at(tick, cpu, timer.expires) && timer.expires <= std::max(first, now + parts.devices.min_delta())))
        return std::nullopt;
    return Broken{&checks::kNextTick,
                  fmt::format("CPU {}: a local timer for {}, the tick timer is {} for {}", cpu, show(first),
                              queued_at(tick, cpu, timer.expires) ? "queued" : "not queued", show(timer.expires))};
}

std::optional<Broken> check_stopped(const TickSched& tick, sim::CpuId cpu, Ktime now) {
    const TickState& ts = tick.of(cpu);
    const TickSched::Parts parts = tick.parts();
    const bool idle = parts.wheel.base(cpu, BaseIndex::kLocal).is_idle.peek();
    // LPP 7.1: a base whose first event is within a tick is not marked, also while the tick is stopped.
    const bool soon = parts.wheel.form().query_marks_idle && parts.devices.armed_for(cpu) <= now + tick.tick_length();
    if (ts.stopped != idle && !(ts.stopped && soon))
        return Broken{ts.stopped ? &checks::kStoppedNotIdle : &checks::kBaseIdle, fmt::format("CPU {}", cpu)};
    return std::nullopt;
}

}  // namespace

Ktime first_bucket(const Timekeeping& time, const TimerBase& base) {
    std::optional<Jiffies> first;
    const Wheel& wheel = base.wheel;
    for (unsigned i = wheel.next_used(0); i < wheel.bucket_count(); i = wheel.next_used(i + 1))
        for (const Timer& t : wheel.bucket(i))
            if (!first || t.bucket_expiry < *first)
                first = t.bucket_expiry;
    return first ? time.edge_of(*first) : kKtimeMax;
}

std::optional<Broken> check_asleep(const TickSched& tick, sim::CpuId cpu, Ktime now) {
    const TickState& ts = tick.of(cpu);
    const TickSched::Parts parts = tick.parts();
    if (auto broken = check_time(parts.time))
        return broken;
    if (auto broken = check_stopped(tick, cpu, now))
        return broken;
    if (parts.softirqs.pending(cpu, SoftirqNumber::kTimer))
        return Broken{&checks::kSoftirqAsleep, fmt::format("CPU {}", cpu)};
    if (auto broken = check_broadcast(tick, cpu, now))
        return broken;
    if (!ts.stopped)
        return std::nullopt;
    if (ts.next_tick != kUnset && ts.next_tick != kKtimeMax &&
        (!queued_at(tick, cpu, ts.next_tick) || ts.next_tick > ts.timer_expires))
        return Broken{&checks::kNextTick,
                      fmt::format("CPU {}: next tick {}, the timer says {}, the decision was {}", cpu,
                                  show(ts.next_tick), show(tick.timer_of(cpu).expires), show(ts.timer_expires))};
    return check_covered(tick, cpu, now);
}

std::optional<Broken> check_covered(const TickSched& tick, sim::CpuId cpu, Ktime now) {
    if (auto broken = check_wheel_covered(tick, cpu, now))
        return broken;
    return check_armed(tick, cpu, now);
}

std::optional<Broken> check_awake(const TickSched& tick, sim::CpuId cpu, Ktime now) {
    const TickState& ts = tick.of(cpu);
    if (auto broken = check_stopped(tick, cpu, now))
        return broken;
    if (ts.timer_expires_base != kUnset)
        return Broken{&checks::kStaleDecision, fmt::format("CPU {}", cpu)};
    const KtimeSpan most = tick.tick_length() + tick.skew_of(cpu);
    if (ts.one_shot && !ts.stopped &&
        (!queued_at(tick, cpu, tick.timer_of(cpu).expires) || tick.timer_of(cpu).expires > now + most))
        return Broken{&checks::kNoTick,
                      fmt::format("CPU {}: the tick timer is {} for {} at {}", cpu,
                                  queued_at(tick, cpu, tick.timer_of(cpu).expires) ? "" : "not queued",
                                  show(tick.timer_of(cpu).expires), show(now))};
    return std::nullopt;
}

}  // namespace ticklab::linux_
