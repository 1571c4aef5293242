// Operations on high-resolution timers (LHR 4, 5, 7, 8).
#include <algorithm>
#include <bit>
#include <limits>

#include "ticklab/model/linux/checks.hpp"
#include "ticklab/model/linux/hrtimer_records.hpp"
#include "ticklab/model/linux/hrtimers.hpp"
#include "ticklab/model/linux/sites.hpp"
#include "ticklab/sim/cause_scope.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::CpuId;
using sim::Frame;

namespace {

constexpr std::array<std::string_view, kClockCount> kClockNames{"CLOCK_MONOTONIC", "CLOCK_REALTIME", "CLOCK_BOOTTIME",
                                                                "CLOCK_TAI"};
/// Wall-clock time at boot, and the leap seconds between UTC and TAI.
constexpr KtimeSpan kRealAtBoot{1'767'225'600'000'000'000};
constexpr KtimeSpan kTaiMinusReal{37'000'000'000};
constexpr std::array<KtimeSpan, kClockCount> kOffsets{KtimeSpan{}, kRealAtBoot, KtimeSpan{},
                                                      kRealAtBoot + kTaiMinusReal};

/// `t + span` or the largest instant (LHR 3.1).
}  // namespace

Hrtimers::Hrtimers(sim::Machine& machine, const LinuxChanges& changes, Timekeeping& time, ClockEvents& devices,
                   Softirqs& softirqs, RemoteCall& remote)
    : machine_(machine),
      changes_(changes),
      time_(time),
      devices_(devices),
      softirqs_(softirqs),
      remote_(remote),
      prices_(machine),
      last_exit_(machine.cpu_count()) {
    sim::LockClass& lock_class = machine.lock_class("hrtimer base");
    for (CpuId c = 0; c < machine.cpu_count(); ++c) {
        HrtimerCpu& base = cpus_.emplace_back(machine, lock_class, c);
        for (HrtimerClockBase& clock : base.bases)
            clock.offset = kOffsets[clock.index % kClockCount];
    }
    for (std::size_t i = 0; i < kClockCount; ++i)
        clock_names_[i] = machine.intern(kClockNames[i]);
    for (std::size_t i = 0; i < mode_names_.size(); ++i)
        mode_names_[i] = machine.intern(fmt::format("{}{}{}{}", (i & 1) ? "REL" : "ABS", (i & 2) ? "|PINNED" : "",
                                                    (i & 4) ? "|SOFT" : "", (i & 8) ? "|HARD" : ""));
    softirqs.set_handler(SoftirqNumber::kHrtimer,
                         {[](void* self, Cpu& cpu) { static_cast<Hrtimers*>(self)->softirq_action(cpu); }, this});
}

std::uint64_t Hrtimers::mode_name(const Hrtimer&, HrtimerMode mode) const {
    return mode_names_[std::size_t{mode.relative} | std::size_t{mode.pinned} << 1 | std::size_t{mode.soft} << 2 |
                       std::size_t{mode.hard} << 3];
}

void Hrtimers::setup(Cpu& cpu, Hrtimer& t, HrtimerFunction function, void* argument, ClockId clock, HrtimerMode mode) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    cpu.require(t.state == HrtimerState::kInactive && !(t.base && t.base->running.peek() == &t),
                "a high-resolution timer was set up while it is active");
    cpu.spend(prices_.hrtimer_op);
    // A relative sleep must not follow steps of the wall clock.
    if (mode.relative && clock == ClockId::kRealtime)
        clock = ClockId::kMonotonic;
    t.is_soft = mode.soft;
    t.function = function;
    t.argument = argument;
    t.base_index = static_cast<std::size_t>(clock) + (mode.soft ? kClockCount : 0);
    t.base = &cpus_[cpu.id()].bases[t.base_index];
    t.line.access(cpu, true);
    cpu.record(changes_.hrtimer_setup_event ? kHrtimerSetupRecord : kHrtimerInitRecord, t.object,
               clock_names_[static_cast<std::size_t>(clock)], mode_name(t, mode));
}

HrtimerClockBase* Hrtimers::base_read_again(Cpu& cpu, const Hrtimer& t) {
    cpu.at(sites::kHrtimerReadAgain);
    HrtimerClockBase* const base = t.base;
    cpu.at(sites::kHrtimerReadAgain);
    return base;
}

void Hrtimers::require_locked(Cpu& cpu, const Hrtimer& t, const HrtimerClockBase& base) {
    if (!base.cpu_base->lock.held_by(cpu))
        cpu.fail(checks::kHrtimerForeignBase,
                 fmt::format("timer {}: it is on CPU {}, whose lock CPU {} does not hold",
                             machine_.records().name(t.object), base.cpu_base->cpu, cpu.id()));
}

HrtimerClockBase& Hrtimers::lock_base(Cpu& cpu, Hrtimer& t, bool& irqs) {
    for (;;) {
        t.line.access(cpu, false);
        HrtimerClockBase* const base = t.base;
        if (!base) {
            sim::spin_until(cpu, t.line, [&t] { return t.base != nullptr; });
            continue;
        }
        HrtimerClockBase* const locked = changes_.base_read_once ? base : base_read_again(cpu, t);
        if (!locked)
            continue;
        irqs = locked->cpu_base->lock.acquire_irqsave(cpu);
        t.line.access(cpu, false);
        if (t.base == base)
            return *locked;
        locked->cpu_base->lock.release_restore(cpu, irqs);
    }
}

void Hrtimers::unlock(Cpu& cpu, HrtimerCpu& base, bool irqs) { base.lock.release_restore(cpu, irqs); }

CpuId Hrtimers::choose_cpu(Cpu& cpu, HrtimerMode mode) const {
    // Before, a timer that was started after its CPU gave its timers away stayed there, and was lost.
    if (cpus_[cpu.id()].online || !changes_.start_avoids_dying_cpu)
        return mode.pinned ? cpu.id() : placement_->hrtimer_target(cpu);
    for (CpuId c = 0; c < machine_.cpu_count(); ++c)
        if (cpus_[c].online && machine_.cpu(c).online())
            return c;
    return cpu.id();
}

HrtimerClockBase& Hrtimers::switch_base(Cpu& cpu, Hrtimer& t, HrtimerClockBase& from, CpuId target) {
    HrtimerClockBase* at = &from;
    for (;;) {
        HrtimerClockBase& to = cpus_[target].bases[from.index];
        if (&to != at) {
            if (at->running.peek() == &t)
                return *at;
            t.base = nullptr;
            t.line.access(cpu, true);
            at->cpu_base->lock.release(cpu);
            to.cpu_base->lock.acquire(cpu);
        }
        // Only this CPU can program its device, so no other one gets an earlier first event from here.
        const bool suitable =
            target == cpu.id() || !cpus_[cpu.id()].online || to.monotonic(t) >= cpus_[target].expires_next;
        if (&to != at) {
            t.base = suitable ? &to : at;
            if (!suitable) {
                to.cpu_base->lock.release(cpu);
                at->cpu_base->lock.acquire(cpu);
            }
            t.line.access(cpu, true);
        }
        if (suitable)
            return to;
        target = cpu.id();
    }
}

bool Hrtimers::enqueue(Cpu& cpu, Hrtimer& t, HrtimerClockBase& base, HrtimerMode mode, bool was_armed) {
    require_locked(cpu, t, base);
    cpu.spend(prices_.rb_step.cycles * static_cast<std::uint64_t>(std::bit_width(base.queue.size() + 1)));
    t.line.access(cpu, true);
    base.queue.insert(t);
    t.state = HrtimerState::kEnqueued;
    base.cpu_base->active_bases |= 1u << base.index;
    ++base.cpu_base->started;
    t.armed_by = {cpu.record(kHrtimerStartRecord, t.object, t.function_name, ns(t.expires), ns(t.soft_expires),
                             mode_name(t, mode), was_armed),
                  cpu.cause().root};
    return &*base.queue.begin() == &t;
}

void Hrtimers::unlink(Cpu& cpu, Hrtimer& t) {
    HrtimerClockBase& base = *t.base;
    require_locked(cpu, t, base);
    cpu.spend(prices_.rb_step.cycles * static_cast<std::uint64_t>(std::bit_width(base.queue.size())));
    t.line.access(cpu, true);
    base.queue.erase(base.queue.iterator_to(t));
    if (base.queue.empty())
        base.cpu_base->active_bases &= ~(1u << base.index);
}

void Hrtimers::remove(Cpu& cpu, Hrtimer& t, HrtimerState state, bool reprogram) {
    HrtimerCpu& base = *t.base->cpu_base;
    unlink(cpu, t);
    t.state = state;
    // A remote device is left alone: it fires once for nothing, which is cheaper than an IPI.
    if (reprogram && base.cpu == cpu.id() && base.next_timer == &t)
        reevaluate_locked(cpu, base, true);
}

void Hrtimers::start(Cpu& cpu, Hrtimer& t, Ktime expires, KtimeSpan slack, HrtimerMode mode) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "hrtimer_start");
    cpu.spend(prices_.hrtimer_op);
    cpu.require(t.function && t.is_soft == mode.soft, "a high-resolution timer was started in another mode");
    cpu.at(sites::kHrtimerBeforeLock);
    bool irqs = false;
    HrtimerClockBase* base = &lock_base(cpu, t, irqs);
    HrtimerCpu& mine = cpus_[cpu.id()];
    const bool force_local = base->cpu_base == &mine && mine.next_timer == &t && mine.online;
    const bool was_armed = t.state == HrtimerState::kEnqueued;
    const bool in_place = was_armed && changes_.hrtimer_update_in_place;
    if (was_armed) {
        if (!in_place)
            cpu.record(kHrtimerCancelRecord, t.object);
        remove(cpu, t, HrtimerState::kEnqueued, !force_local);
    }
    if (mode.relative)
        expires = saturating_add(now_of(cpu, t), expires.time_since_epoch());
    t.soft_expires = expires;
    t.expires = saturating_add(expires, slack);
    if (!force_local)
        base = &switch_base(cpu, t, *base, choose_cpu(cpu, mode));
    const bool first = enqueue(cpu, t, *base, mode, in_place);
    {
        const sim::CauseScope scope(cpu, t.armed_by);
        if (force_local)
            reevaluate_locked(cpu, mine, true);
        else if (first && mine.online)
            new_first(cpu, t, *base);
        else if (first && base->cpu_base != &mine)
            remote_.reevaluate_on(cpu, base->cpu_base->cpu);
    }
    unlock(cpu, *base->cpu_base, irqs);
}

void Hrtimers::new_first(Cpu& cpu, Hrtimer& t, HrtimerClockBase& base) {
    HrtimerCpu& owner = *base.cpu_base;
    const Ktime expires = base.monotonic(t);
    if (base.soft()) {
        if (owner.softirq_activated || expires >= owner.softirq_expires_next)
            return;
        owner.softirq_expires_next = expires;
    }
    if (&owner != &cpus_[cpu.id()] || expires >= owner.expires_next || owner.in_hrtirq)
        return;
    program(cpu, owner, expires, &t, true);
}

int Hrtimers::try_to_cancel(Cpu& cpu, Hrtimer& t) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "hrtimer_try_to_cancel");
    cpu.spend(prices_.hrtimer_op);
    if (!active(cpu, t))
        return 0;
    bool irqs = false;
    HrtimerClockBase& base = lock_base(cpu, t, irqs);
    int result = -1;
    if (base.running.peek() != &t) {
        result = t.state == HrtimerState::kEnqueued;
        if (result != 0) {
            cpu.record(kHrtimerCancelRecord, t.object);
            remove(cpu, t, HrtimerState::kInactive, true);
        }
    }
    unlock(cpu, *base.cpu_base, irqs);
    return result;
}

bool Hrtimers::cancel(Cpu& cpu, Hrtimer& t) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    for (;;) {
        if (const int result = try_to_cancel(cpu, t); result >= 0)
            return result > 0;
        HrtimerClockBase* const base = t.base;
        if (!base)
            continue;
        const CpuId runner = base->cpu_base->cpu;
        if (runner == cpu.id() && base->running.peek() == &t && softirqs_.in_interrupt(cpu))
            cpu.fail(checks::kSyncFromCallback, std::string(machine_.records().name(t.object)));
        sim::spin_until(
            cpu, base->running.line(), [&] { return base->running.peek() != &t; }, &machine_.cpu(runner));
    }
}

Hrtimers::Forwarded Hrtimers::next_after(Ktime expires, Ktime now, KtimeSpan interval) {
    if (now < expires)
        return {expires, 0};
    interval = std::max(interval, KtimeSpan{1});
    const std::int64_t count = (now - expires) / interval + 1;
    return {expires + count * interval, static_cast<std::uint64_t>(count)};
}

std::uint64_t Hrtimers::forward(Hrtimer& t, Ktime now, KtimeSpan interval) {
    const Forwarded to = next_after(t.expires, now, interval);
    t.soft_expires += to.expires - t.expires;
    t.expires = to.expires;
    return to.count;
}

bool Hrtimers::active(Cpu& cpu, Hrtimer& t) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    t.line.access(cpu, false);
    const HrtimerClockBase* const base = t.base;
    return t.state != HrtimerState::kInactive || !base || base->running.peek() == &t;
}

Ktime Hrtimers::first_of(const HrtimerCpu& base, std::uint32_t mask, const Hrtimer* left_out, const Hrtimer*& timer) {
    Ktime first = kKtimeMax;
    for (std::uint32_t left = base.active_bases & mask; left != 0; left &= left - 1) {
        const HrtimerClockBase& clock = base.bases[static_cast<std::size_t>(std::countr_zero(left))];
        auto it = clock.queue.begin();
        if (&*it == left_out)
            ++it;
        if (it == clock.queue.end())
            continue;
        if (const Ktime expires = clock.monotonic(*it); expires < first) {
            first = expires;
            timer = &*it;
        }
    }
    return first;
}

Ktime Hrtimers::find_next(HrtimerCpu& base, const Hrtimer*& timer) {
    const Ktime hard = first_of(base, kHardBases, nullptr, timer);
    if (base.softirq_activated)
        return hard;
    const Hrtimer* soft_timer = nullptr;
    const Ktime soft = first_of(base, kSoftBases, nullptr, soft_timer);
    base.softirq_expires_next = soft;
    if (soft >= hard)
        return hard;
    timer = soft_timer;
    return soft;
}

void Hrtimers::reevaluate_locked(Cpu& cpu, HrtimerCpu& base, bool skip_equal) {
    const Hrtimer* timer = nullptr;
    const Ktime next = find_next(base, timer);
    if (skip_equal && next == base.expires_next) {
        base.next_timer = timer;
        return;
    }
    program(cpu, base, next, timer, true);
}

void Hrtimers::program(Cpu& cpu, HrtimerCpu& base, Ktime expires, const Hrtimer* timer, bool force) {
    base.expires_next = expires;
    base.next_timer = timer;
    if (base.hres_active && !base.hang_detected)
        devices_.program(cpu, expires, force);
}

void Hrtimers::reevaluate(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    HrtimerCpu& base = cpus_[cpu.id()];
    base.lock.acquire(cpu);
    if (!base.in_hrtirq)
        reevaluate_locked(cpu, base, false);
    base.lock.release(cpu);
}

Ktime Hrtimers::next_event_without(Cpu& cpu, const Hrtimer& left_out) {
    HrtimerCpu& base = cpus_[cpu.id()];
    if (!base.hres_active)
        return kKtimeMax;
    base.lock.acquire(cpu);
    const Hrtimer* timer = nullptr;
    const Ktime hard = first_of(base, kHardBases, &left_out, timer);
    const Ktime soft = base.softirq_activated ? kKtimeMax : first_of(base, kSoftBases, &left_out, timer);
    base.lock.release(cpu);
    return std::min(hard, soft);
}

Ktime Hrtimers::next_event_low_res(Cpu& cpu) {
    HrtimerCpu& base = cpus_[cpu.id()];
    if (base.hres_active)
        return kKtimeMax;
    base.lock.acquire(cpu);
    const Hrtimer* timer = nullptr;
    const Ktime next = find_next(base, timer);
    base.lock.release(cpu);
    return next;
}

}  // namespace ticklab::linux_
