#include "ticklab/model/xen/hpet_broadcast.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/xen/cause_scope.hpp"
#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/records.hpp"
#include "ticklab/model/xen/sites.hpp"
#include "ticklab/sim/devices/hpet_timer.hpp"

namespace ticklab::xen {

using sim::Cpu;
using sim::CpuId;
using sim::Frame;

namespace {

namespace hpet = sim::hpet;

constexpr std::uint32_t kNotThere = 0xffff'ffff;
/// What an xAPIC destination of a message can name.
constexpr CpuId kMostCpus = 255;
/// Longest that the counter may take to be seen moving: two ticks of the slowest clock allowed (HP 1).
constexpr sim::Duration kCounterMoves = std::chrono::nanoseconds{200};

void raise_if_late(Cpu& cpu, Softirqs& softirqs, const Reprogrammed& done) {
    if (!done.ok)
        softirqs.raise_local(cpu, SoftirqNumber::kTimer);
}

// LAPIC-01: what the local timer said was not looked at.
void trust_the_local_timer(Cpu&, Softirqs&, const Reprogrammed&) {}

}  // namespace

HpetBroadcast::HpetBroadcast(Timers& timers, Softirqs& softirqs, const Reprogrammer& reprogrammer,
                             const XenChanges& changes)
    : timers_(timers),
      softirqs_(softirqs),
      reprogrammer_(reprogrammer),
      changes_(changes),
      machine_(timers.machine()),
      lock_class_(machine_.lock_class("broadcast channel")),
      cpus_(machine_.cpu_count()) {}

void HpetBroadcast::set_up(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const sim::MachineConfig& config = machine_.config();
    if (!channels_.empty() || !config.timers_stop_in_idle() || config.cpu_count > kMostCpus)
        return;
    const auto capabilities = static_cast<std::uint32_t>(cpu.hpet_read(hpet::kCapabilities));
    if (capabilities == kNotThere)
        return;
    const auto period_fs = static_cast<std::uint32_t>(cpu.hpet_read(hpet::kPeriod));
    const std::uint64_t rate_hz = 1'000'000'000'000'000 / std::max(period_fs, 1u);
    ticks_per_ns_fixed_ = static_cast<std::uint64_t>((sim::UInt128{rate_hz} << 32) / 1'000'000'000);

    const unsigned timers = hpet::timer_count(capabilities);
    for (unsigned n = 0; n < timers && channels_.size() < machine_.cpu_count(); ++n)
        if ((cpu.hpet_read(hpet::timer_register(n, hpet::kTimerConfiguration)) & sim::hpet_timer_bits::kFsbCapable) !=
            0)
            channels_.emplace_back(machine_, lock_class_, static_cast<unsigned>(channels_.size()), n, false);
    const bool legacy = channels_.empty() && (capabilities & hpet::kLegacyCapable) != 0;
    if (legacy)
        channels_.emplace_back(machine_, lock_class_, 0, 0, true);
    if (channels_.empty())
        return;
    cpu.hpet_write(hpet::kConfiguration, hpet::kEnable | (legacy ? hpet::kLegacyRouting : 0));
    const std::uint64_t before = cpu.hpet_read(hpet::kMainCounter);
    cpu.spend_time(kCounterMoves);
    if (cpu.hpet_read(hpet::kMainCounter) == before) {
        channels_.clear();
        return;
    }
    for (BroadcastChannel& ch : channels_)
        ch.configure(cpu, vector_of(ch), changes_);
    ready_.store(cpu, true, sim::Order::kRelease);
}

BroadcastChannel& HpetBroadcast::pick(Cpu& cpu) {
    const auto count = static_cast<std::uint32_t>(channels_.size());
    if (count >= machine_.cpu_count())
        return channels_[cpu.id()];
    const std::uint32_t first = next_.fetch_add(cpu, 1) % count;
    for (std::uint32_t i = 0; i < count; ++i) {
        BroadcastChannel& ch = channels_[(first + i) % count];
        if (!ch.used.exchange(cpu, true))
            return ch;
    }
    return channels_[first];
}

void HpetBroadcast::claim(Cpu& cpu, BroadcastChannel& ch) {
    if (ch.owner.read(cpu) != sim::kNoCpu)
        return;
    ch.owner.write(cpu) = cpu.id();
    ch.used.store(cpu, true);
    ch.retarget(cpu, cpu.id());
    cpu.record(kBroadcastOwnerRecord, ch.number, cpu.id());
}

void HpetBroadcast::enter(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "broadcast enter");
    TimerBase& base = timers_.base(cpu.id());
    if (base.deadline_start.read_once(cpu) == kNoDeadline)
        return;
    const CauseScope scope(cpu, base.deadline_cause);
    PerCpuState& me = cpus_[cpu.id()];
    BroadcastChannel& ch = pick(cpu);
    me.channel = &ch;
    ++me.counters.enters;
    ch.lock.acquire(cpu);
    claim(cpu, ch);
    unlock(cpu, ch);

    base.handing_over = true;
    reprogrammer_.park(cpu);
    base.armed_for = kNoDeadline;
    cpu.at(sites::kBroadcastEnter);

    ch.lock.acquire(cpu);
    // The owner may have left since, with nobody to leave the channel to.
    claim(cpu, ch);
    ch.sleeping.add(cpu, cpu.id());
    const Stime end = base.deadline_end.read_once(cpu);
    cpu.record(kBroadcastEnterRecord, ch.number, ns(end));
    if (end < ch.next_event.read(cpu))
        (void)program(cpu, ch, end, timers_.time().now(cpu), true);
    base.broadcast = &ch;
    base.handing_over = false;
    unlock(cpu, ch);
}

void HpetBroadcast::exit(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "broadcast exit");
    PerCpuState& me = cpus_[cpu.id()];
    if (!me.channel)
        return;
    TimerBase& base = timers_.base(cpu.id());
    const CauseScope scope(cpu, base.deadline_cause);
    base.handing_over = true;
    reprogrammer_.unpark(cpu);
    const Stime start = base.deadline_start.read_once(cpu);
    const Reprogrammed done = reprogrammer_.reprogram(cpu, start);
    me.counters.late_exits += !done.ok;
    const auto settle = changes_.raise_after_late_exit ? raise_if_late : trust_the_local_timer;
    settle(cpu, softirqs_, done);
    base.armed_for = done.ok ? start : kNoDeadline;
    cpu.at(sites::kBroadcastExit);
    if (changes_.exit_with_irqs_off)
        leave(cpu, *me.channel);
    else
        leave_with_irqs_on(cpu, *me.channel);
    me.channel = nullptr;
    base.broadcast = nullptr;
    base.handing_over = false;
}

void HpetBroadcast::leave(Cpu& cpu, BroadcastChannel& ch) {
    ch.lock.acquire(cpu);
    ch.sleeping.remove(cpu, cpu.id());
    // One look decides both whether somebody is left and who it is (HPET-13).
    const CpuId heir = ch.sleeping.first(cpu);
    if (heir == sim::kNoCpu && ch.next_event.read(cpu) != kStimeMax)
        (void)program(cpu, ch, kStimeMax, kNoDeadline, false);
    cpu.record(kBroadcastExitRecord, ch.number);
    if (ch.owner.read(cpu) == cpu.id()) {
        ch.owner.write(cpu) = heir;
        if (heir == sim::kNoCpu)
            ch.used.store(cpu, false);
        else
            ch.retarget(cpu, heir);
        cpu.record(kBroadcastOwnerRecord, ch.number, heir);
    }
    unlock(cpu, ch);
}

// HPET-16: the exit path enabled interrupts first.
void HpetBroadcast::leave_with_irqs_on(Cpu& cpu, BroadcastChannel& ch) {
    cpu.irq_enable();
    leave(cpu, ch);
    cpu.irq_disable();
}

bool HpetBroadcast::program(Cpu& cpu, BroadcastChannel& ch, Stime expire, Stime now, bool force) {
    if (expire == kNoDeadline)
        return true;
    if (expire <= now && !force)
        return false;
    ch.next_event.write(cpu) = expire;
    if (expire == kStimeMax) {
        ch.disarm(cpu);
        ch.armed_for = kStimeMax;
        cpu.record(kBroadcastProgramRecord, ch.number, ns(expire), 0, true);
        return true;
    }
    const ComparatorRule& rule = changes_.elapsed_test ? kElapsedRule : kOrderRule;
    StimeSpan span = std::clamp(expire > now ? expire - now : StimeSpan::zero(), rule.least, kMostSpan);
    for (;; span *= 2) {
        const auto ticks = static_cast<std::uint64_t>(
            (sim::UInt128{static_cast<std::uint64_t>(span.count())} * ticks_per_ns_fixed_) >> 32);
        const bool ok = ch.write_comparator(cpu, ticks, rule);
        cpu.record(kBroadcastProgramRecord, ch.number, ns(expire), ticks, ok);
        if (ok)
            break;
        if (!force)
            return false;
        ++cpus_[cpu.id()].counters.doublings;
        cpu.require(span <= kMostSpan, "no span is long enough for the HPET's comparator");
    }
    ch.armed_for = expire;
    return true;
}

void HpetBroadcast::unlock(Cpu& cpu, BroadcastChannel& ch) {
    check_covered(cpu, ch);
    ch.lock.release(cpu);
}

void HpetBroadcast::check_covered(Cpu& cpu, const BroadcastChannel& ch) {
    if (ch.handlers != 0)
        return;
    for (CpuId c = 0; c < machine_.cpu_count(); ++c) {
        const TimerBase& base = timers_.base(c);
        if (!ch.sleeping.peek(c) || base.broadcast != &ch || base.handing_over ||
            ch.armed_for <= base.deadline_end.peek() || cpus_[c].flag.peek() == kWoken ||
            softirqs_.will_run(c, SoftirqNumber::kTimer))
            continue;
        cpu.fail(
            checks::kBroadcastUncovered,
            fmt::format("CPU {} sleeps until {} ns, its channel {} is {}", c, ns(base.deadline_end.peek()), ch.number,
                        ch.armed_for == kStimeMax ? std::string("not armed")
                                                  : fmt::format("armed for {} ns", ns(ch.armed_for))));
    }
}

void HpetBroadcast::interrupt(Cpu& cpu, std::uint8_t vector) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    BroadcastChannel& ch = channels_[vector - kFirstVector];
    ++ch.interrupts;
    ++cpus_[cpu.id()].counters.interrupts;
    if (!changes_.eoi_after_handler) {
        finish_after_eoi(cpu, ch);
        return;
    }
    // Until the EOI the vector's class is blocked: the handler runs with interrupts enabled and is not nested.
    cpu.irq_enable();
    handle(cpu, ch);
    cpu.irq_disable();
    cpu.apic_eoi();
}

// HPET-17: with the EOI written, nothing keeps the vector from coming again inside its handler.
void HpetBroadcast::finish_after_eoi(Cpu& cpu, BroadcastChannel& ch) {
    cpu.apic_eoi();
    cpu.irq_enable();
    handle(cpu, ch);
    cpu.irq_disable();
}

std::optional<HpetBroadcast::Wanted> HpetBroadcast::deadline_then_mask(Cpu& cpu, BroadcastChannel& ch, CpuId c) {
    TimerBase& base = timers_.base(c);
    const Wanted wanted{base.deadline_start.read_once(cpu), base.deadline_end.read_once(cpu)};
    sim::full_barrier(cpu);
    return ch.sleeping.contains(cpu, c) ? std::optional(wanted) : std::nullopt;
}

// HPET-14: who is asleep was asked first, and the deadline read may be the next one.
std::optional<HpetBroadcast::Wanted> HpetBroadcast::mask_then_deadline(Cpu& cpu, BroadcastChannel&, CpuId c) {
    TimerBase& base = timers_.base(c);
    return Wanted{base.deadline_start.read_once(cpu), base.deadline_end.read_once(cpu)};
}

void HpetBroadcast::handle(Cpu& cpu, BroadcastChannel& ch) {
    const Frame frame(cpu, "broadcast handler");
    PerCpuState& me = cpus_[cpu.id()];
    if (me.handling == &ch)
        cpu.fail(checks::kBroadcastNested, fmt::format("channel {} on CPU {}", ch.number, cpu.id()));
    const BroadcastChannel* const outer = me.handling;
    me.handling = &ch;
    ++ch.handlers;
    me.due.emplace_back();
    std::vector<CpuId>& due = me.due.back();
    const auto look =
        changes_.deadline_then_mask ? &HpetBroadcast::deadline_then_mask : &HpetBroadcast::mask_then_deadline;

    bool irqs = ch.lock.acquire_irqsave(cpu);
    for (bool again = true; again;) {
        again = false;
        ch.next_event.write(cpu) = kStimeMax;
        ch.lock.release_restore(cpu, irqs);
        cpu.at(sites::kBroadcastScan);
        due.clear();
        Stime next = kStimeMax;
        sim::Cause next_cause = cpu.cause();
        const Stime now = timers_.time().now(cpu);
        ch.sleeping.for_each(cpu, [&](CpuId c) {
            const std::optional<Wanted> wanted = (this->*look)(cpu, ch, c);
            if (!wanted)
                return;
            if (wanted->start <= now) {
                due.push_back(c);
            } else if (wanted->end < next) {
                next = wanted->end;
                next_cause = timers_.base(c).deadline_cause;
            }
        });
        for (const CpuId sleeper : due)
            wake(cpu, sleeper);
        if (next == kStimeMax)
            break;
        irqs = ch.lock.acquire_irqsave(cpu);
        if (next < ch.next_event.read(cpu)) {
            const CauseScope scope(cpu, next_cause);
            again = !program(cpu, ch, next, now, false);
        }
        if (!again)
            ch.lock.release_restore(cpu, irqs);
    }
    me.due.pop_back();
    me.handling = outer;
    if (--ch.handlers == 0)
        ch.armed_for = ch.next_event.peek();
    check_covered(cpu, ch);
}

void HpetBroadcast::wake(Cpu& cpu, CpuId sleeper) {
    BroadcastCounters& counters = cpus_[sleeper].counters;
    std::uint32_t expected = kSleeping;
    if (sleeper == cpu.id()) {
        ++counters.woken_as_owner;
        cpu.record(kBroadcastWakeRecord, sleeper, false);
        softirqs_.raise_local(cpu, SoftirqNumber::kTimer);
    } else if (wake_flag(sleeper).compare_exchange(cpu, expected, kWoken)) {
        ++counters.woken_by_flag;
        cpu.record(kBroadcastWakeRecord, sleeper, true);
    } else {
        ++counters.woken_by_ipi;
        cpu.record(kBroadcastWakeRecord, sleeper, false);
        softirqs_.raise_on(cpu, sleeper, SoftirqNumber::kTimer);
    }
}

sim::Duration HpetBroadcast::bound() const {
    const sim::MachineConfig& config = machine_.config();
    if (!config.timers_stop_in_idle())
        return sim::Duration::zero();
    // The shortest span, doubled once; then, for each CPU of the set, a deadline to read, a bit to look at, an IPI.
    constexpr std::uint64_t kAccessesACpu = 12;
    const sim::MachinePrices& p = machine_.prices();
    const sim::Cycles cpu_cycles{p.ipi_send.cycles.count + p.mmio_hpet.cycles.count +
                                 kAccessesACpu * p.cache_transfer_remote.cycles.count};
    const sim::Cycles all{cpu_cycles.count * (config.cpu_count + 4)};
    const std::uint64_t handler_ps =
        static_cast<std::uint64_t>(sim::UInt128{all.count} * 1'000'000'000'000 / config.nominal_hz);
    return 2 * sim::Duration{kElapsedRule.least} + sim::Duration{static_cast<std::int64_t>(2 * handler_ps)};
}

}  // namespace ticklab::xen
