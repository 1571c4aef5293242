// Operations on timers (LTW 4, 6, 8).
#include <fmt/format.h>

#include "ticklab/model/linux/checks.hpp"
#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/sites.hpp"
#include "ticklab/model/linux/timer_wheel.hpp"
#include "ticklab/sim/cause_scope.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::CpuId;
using sim::Frame;
namespace flag = timer_flags;

TimerWheel::TimerWheel(sim::Machine& machine, const WheelParameters& parameters, Timekeeping& time, Softirqs& softirqs,
                       IdleWaker& waker)
    : machine_(machine),
      parameters_(parameters),
      time_(time),
      softirqs_(softirqs),
      waker_(waker),
      prices_(machine),
      last_exit_(machine.cpu_count()) {
    parameters_.nohz_full.resize(machine.cpu_count());
    std::array<sim::LockClass*, kBasesPerCpu> classes{};
    for (std::size_t i = 0; i < kBasesPerCpu; ++i)
        classes[i] = &machine.lock_class(fmt::format("{} timer base", kBaseNames[i]));
    for (CpuId c = 0; c < machine.cpu_count(); ++c)
        for (std::size_t i = 0; i < kBasesPerCpu; ++i)
            bases_.emplace_back(machine, *classes[i], c, static_cast<BaseIndex>(i), wheel::levels_for(time.hz()),
                                time.initial());
    for (std::uint32_t i = 0; i < flag_names_.size(); ++i) {
        std::string name;
        for (std::uint32_t bit = 0; bit < 4; ++bit)
            if ((i >> bit) & 1)
                name += (name.empty() ? "" : "|") + std::string(1, "MDPI"[bit]);
        flag_names_[i] = machine.intern(name);
    }
    softirqs.set_handler(SoftirqNumber::kTimer,
                         {[](void* self, Cpu& cpu) { static_cast<TimerWheel*>(self)->softirq_action(cpu); }, this});
}

std::uint64_t TimerWheel::flags_name(std::uint32_t flags) {
    constexpr unsigned kFirstFlag = 18;
    return flag_names_[(flags >> kFirstFlag) & 0xf];
}

void TimerWheel::fail(Cpu& cpu, const sim::CheckDecl& check, const Timer& t, std::string_view what) {
    cpu.fail(check, fmt::format("timer {}: {}", machine_.records().name(t.object), what));
}

void TimerWheel::write_flags(Cpu& cpu, Timer& t, std::uint32_t flags) {
    t.flags = flags;
    t.line.access(cpu, true);
}

void TimerWheel::init(Cpu& cpu, Timer& t, TimerFunction function, void* argument, std::uint32_t flags) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    cpu.require((flags & ~flag::kInitMask) == 0, "a timer was initialised with flags that are not for that");
    if (t.pending)
        fail(cpu, checks::kInitPending, t, "initialised while it is pending");
    cpu.spend(prices_.timer_op);
    t.function = function;
    t.argument = argument;
    write_flags(cpu, t, flags | cpu.id());
    cpu.record(kTimerInitRecord, t.object);
}

wheel::Bucket TimerWheel::bucket_capped_by_expiry(const Wheel& wheel, Jiffies expires) {
    const auto distance = static_cast<std::uint64_t>(expires - wheel.clk());
    const unsigned last = wheel.levels() - 1;
    if (wheel::level_for(distance, wheel.levels()) < last || expires < wheel.clk())
        return wheel.bucket_for(expires);
    // Right only while the clock is about 0.
    return wheel::bucket_on_level(
        expires.count() >= wheel::cutoff(wheel.levels()) ? Jiffies{wheel::max_distance(wheel.levels())} : expires,
        last);
}

wheel::Bucket TimerWheel::bucket_for(const TimerBase& base, Jiffies expires) const {
    return parameters_.changes.cutoff_on_distance ? base.wheel.bucket_for(expires)
                                                  : bucket_capped_by_expiry(base.wheel, expires);
}

wheel::Bucket TimerWheel::bucket_at_past_expiry(const Wheel& wheel, const Timer& t, wheel::Bucket bucket) {
    if (t.expires < wheel.clk())
        bucket.expiry = t.expires;
    return bucket;
}

std::uint32_t TimerWheel::flags_read_again(Cpu& cpu, const Timer& t) {
    cpu.at(sites::kLockBaseAfterRead);
    return t.flags;
}

TimerWheel::Locked TimerWheel::lock_timer(Cpu& cpu, Timer& t) {
    for (;;) {
        t.line.access(cpu, false);
        const std::uint32_t flags = t.flags;
        if ((flags & flag::kMigrating) != 0) {
            sim::spin_until(cpu, t.line, [&t] { return !t.has(flag::kMigrating); });
            continue;
        }
        TimerBase& base = base_of(parameters_.changes.flags_read_once ? flags : flags_read_again(cpu, t));
        cpu.at(sites::kLockBaseAfterRead);
        const bool irqs = base.lock.acquire_irqsave(cpu);
        t.line.access(cpu, false);
        if (t.flags == flags)
            return {&base, irqs};
        base.lock.release_restore(cpu, irqs);
    }
}

void TimerWheel::unlock(Cpu& cpu, TimerBase& base) {
    if (base.next_expiry.peek() != base.wheel.next_expiry().count())
        base.next_expiry.write_once(cpu, base.wheel.next_expiry().count());
    if (std::optional<Broken> broken = check_at_release(*this, base, parameters_.check_effort))
        cpu.fail(*broken->check, std::move(broken->message));
    base.lock.release(cpu);
}

void TimerWheel::unlock(Cpu& cpu, const Locked& locked) {
    unlock(cpu, *locked.base);
    cpu.irq_restore(locked.irqs_were_enabled);
}

void TimerWheel::move_to(Cpu& cpu, Locked& locked, Timer& t, TimerBase& to, std::uint32_t changed) {
    write_flags(cpu, t, t.flags | flag::kMigrating);
    unlock(cpu, *locked.base);
    cpu.at(sites::kMigrating);
    to.lock.acquire(cpu);
    locked.base = &to;
    write_flags(cpu, t, ((t.flags & ~flag::kBaseMask) | to.cpu) ^ changed);
}

TimerWheel::Locked TimerWheel::lock_and_take(Cpu& cpu, Timer& t, TimerBase& to) {
    const bool irqs = to.lock.acquire_irqsave(cpu);
    write_flags(cpu, t, (t.flags & ~flag::kBaseMask) | to.cpu);
    return {&to, irqs};
}

bool TimerWheel::forward_reading_twice(Cpu& cpu, TimerBase& base) {
    const Jiffies compared = time_.jiffies(cpu);
    cpu.at(sites::kForwardBetweenReads);
    return base.locked(cpu).forward(compared, time_.jiffies(cpu));
}

void TimerWheel::forward(Cpu& cpu, TimerBase& base) {
    const bool done = parameters_.changes.jiffies_read_once ? base.locked(cpu).forward(time_.jiffies(cpu))
                                                            : forward_reading_twice(cpu, base);
    if (!done)
        cpu.fail(checks::kClock, fmt::format("the {} base of CPU {} would be rewound",
                                             kBaseNames[static_cast<std::size_t>(base.index)], base.cpu));
}

void TimerWheel::require_locked(Cpu& cpu, const Timer& t) {
    if (const TimerBase& base = base_of(t.flags); !base.lock.held_by(cpu))
        fail(cpu, checks::kForeignBase, t,
             fmt::format("it is on the {} base of CPU {}, whose lock CPU {} does not hold",
                         kBaseNames[static_cast<std::size_t>(base.index)], base.cpu, cpu.id()));
}

void TimerWheel::enqueue(Cpu& cpu, TimerBase& base, Timer& t, const wheel::Bucket& bucket) {
    require_locked(cpu, t);
    cpu.spend(prices_.wheel_bucket);
    t.line.access(cpu, true);
    t.pending = true;
    t.bucket_expiry = bucket.expiry;
    const bool first = base.locked(cpu).enqueue(
        t, parameters_.changes.expired_keeps_clock ? bucket : bucket_at_past_expiry(base.wheel, t, bucket));
    ++base.counters.enqueued;
    const auto timeout = t.expires - Jiffies{time_.peek_jiffies()};
    const sim::RecordId started =
        cpu.record(kTimerStartRecord, t.object, t.function_name, t.expires.count(), static_cast<std::uint64_t>(timeout),
                   bucket.expiry.count(), base.cpu, bucket.index, flags_name(t.flags));
    t.armed_by = {started, cpu.cause().root};
    if (!first || !nohz_active_ || !needs_kick(cpu, base, t))
        return;
    ++base.counters.kicks;
    const sim::CauseScope scope(cpu, t.armed_by);
    waker_.wake_idle(cpu, base.cpu);
}

bool TimerWheel::needs_kick(Cpu& cpu, TimerBase& base, const Timer& t) {
    if (!t.has(flag::kDeferrable))
        return base.is_idle.read_once(cpu);
    return form_.one_base && nohz_full(base.cpu) &&
           (base.cpu != cpu.id() || this->base(base.cpu, BaseIndex::kLocal).is_idle.read_once(cpu));
}

bool TimerWheel::detach(Cpu& cpu, TimerBase& base, Timer& t, bool clear_pending) {
    if (!t.pending)
        return false;
    require_locked(cpu, t);
    cpu.spend(prices_.wheel_bucket);
    t.line.access(cpu, true);
    base.locked(cpu).detach(t);
    base.counters.pushed_wasted += t.pushed;
    t.pushed = false;
    if (clear_pending)
        t.pending = false;
    cpu.record(kTimerCancelRecord, t.object);
    return true;
}

bool TimerWheel::stay_in_bucket(Cpu& cpu, Timer& t, Jiffies expires, const wheel::Bucket& bucket, Mode mode) {
    // A timer that was collected still names its old bucket, where a fresh one may lie whose slot is the same one turn
    // later: it will run now, so it must be queued anew.
    if (!t.pending || bucket.index != t.bucket() || bucket.expiry != t.bucket_expiry)
        return false;
    if (mode != Mode::kReduce || t.expires > expires) {
        t.expires = expires;
        t.line.access(cpu, true);
        t.armed_by = {cpu.record(kTimerModifyRecord, t.object, expires.count(), bucket.expiry.count()),
                      cpu.cause().root};
    }
    return true;
}

bool TimerWheel::modify(Cpu& cpu, Timer& t, Jiffies expires, Mode mode) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "mod_timer");
    cpu.spend(prices_.timer_op);
    t.line.access(cpu, false);
    const bool looks_pending = mode != Mode::kNotPending && t.pending;
    if (looks_pending) {
        const std::int64_t later = t.expires - expires;
        if (later == 0 || (mode == Mode::kReduce && later < 0))
            return true;
    }
    cpu.at(sites::kModBeforeLock);
    Locked locked = lock_timer(cpu, t);
    if (!t.function) {
        unlock(cpu, locked);
        return false;
    }
    forward(cpu, *locked.base);
    std::optional<wheel::Bucket> bucket;
    const Jiffies clk = locked.base->wheel.clk();
    if (looks_pending) {
        if (t.pending && mode == Mode::kReduce && t.expires <= expires) {
            unlock(cpu, locked);
            return true;
        }
        bucket = bucket_for(*locked.base, expires);
        if (stay_in_bucket(cpu, t, expires, *bucket, mode)) {
            ++locked.base->counters.requeues_saved;
            unlock(cpu, locked);
            return true;
        }
    }
    const bool was_pending = detach(cpu, *locked.base, t, false);
    if (!was_pending && mode == Mode::kPendingOnly) {
        unlock(cpu, locked);
        return false;
    }
    TimerBase& chosen = base(target_of(cpu, t), index_of(t.flags));
    if (locked.base != &chosen && locked.base->running.peek() != &t) {
        move_to(cpu, locked, t, chosen);
        forward(cpu, chosen);
    }
    t.expires = expires;
    TimerBase& target = *locked.base;
    t.pushed = &target == &chosen && target.cpu != cpu.id();
    t.armed_on = &target == &chosen ? cpu.id() : target.cpu;
    target.counters.pushed += t.pushed;
    enqueue(cpu, target, t, bucket && clk == target.wheel.clk() ? *bucket : bucket_for(target, expires));
    unlock(cpu, locked);
    return was_pending;
}

CpuId TimerWheel::target_of(Cpu& cpu, const Timer& t) {
    return t.has(flag::kPinned) ? cpu.id() : migration_->timer_target(cpu);
}

void TimerWheel::require_not_pending(Cpu& cpu, Timer& t) {
    t.line.access(cpu, false);
    if (t.pending)
        fail(cpu, checks::kAddPending, t, "added while it is pending");
}

void TimerWheel::set_pinned(Cpu& cpu, Timer& t, bool pinned) {
    if (parameters_.changes.class_changed_under_lock)
        set_pinned_locked(cpu, t, pinned);
    else
        write_flags(cpu, t, pinned ? t.flags | flag::kPinned : t.flags & ~flag::kPinned);
}

void TimerWheel::set_pinned_locked(Cpu& cpu, Timer& t, bool pinned) {
    Locked locked = lock_timer(cpu, t);
    if (const std::uint32_t flags = pinned ? t.flags | flag::kPinned : t.flags & ~flag::kPinned; flags != t.flags) {
        TimerBase& to = base_of(flags);
        // A deferrable timer stays where it is (LTW 3.3).
        if (&to == locked.base)
            write_flags(cpu, t, flags);
        else
            move_to(cpu, locked, t, to, t.flags ^ flags);
    }
    unlock(cpu, locked);
}

void TimerWheel::add(Cpu& cpu, Timer& t, Jiffies expires) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    require_not_pending(cpu, t);
    modify(cpu, t, expires, Mode::kNotPending);
}

void TimerWheel::add_local(Cpu& cpu, Timer& t, Jiffies expires) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    require_not_pending(cpu, t);
    set_pinned(cpu, t, true);
    modify(cpu, t, expires, Mode::kNotPending);
}

void TimerWheel::add_global(Cpu& cpu, Timer& t, Jiffies expires) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    require_not_pending(cpu, t);
    set_pinned(cpu, t, false);
    modify(cpu, t, expires, Mode::kNotPending);
}

void TimerWheel::add_on(Cpu& cpu, Timer& t, Jiffies expires, CpuId target) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "add_timer_on");
    cpu.spend(prices_.timer_op);
    require_not_pending(cpu, t);
    if (!machine_.cpu(target).online())
        fail(cpu, checks::kAddOffline, t, fmt::format("added on CPU {}, which is off-line", target));
    // Before 6.9 that did not pin it: a later modification may move it (LPP 4.2).
    if (!form_.one_base)
        set_pinned(cpu, t, true);
    TimerBase& there = base(target, index_of(t.flags));
    Locked locked = parameters_.changes.add_on_moves ? lock_timer(cpu, t) : lock_and_take(cpu, t, there);
    if (t.function) {
        if (locked.base != &there)
            move_to(cpu, locked, t, there);
        forward(cpu, there);
        t.expires = expires;
        t.armed_on = target;
        t.pushed = false;
        enqueue(cpu, there, t, bucket_for(there, expires));
    }
    unlock(cpu, locked);
}

bool TimerWheel::remove(Cpu& cpu, Timer& t) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "timer_delete");
    cpu.spend(prices_.timer_op);
    t.line.access(cpu, false);
    if (!t.pending)
        return false;
    cpu.at(sites::kDeleteBeforeLock);
    const Locked locked = lock_timer(cpu, t);
    cpu.at(sites::kDeleteLocked);
    const bool was_pending = detach(cpu, *locked.base, t, true);
    locked.base->counters.cancelled += was_pending;
    unlock(cpu, locked);
    return was_pending;
}

bool TimerWheel::shutdown(Cpu& cpu, Timer& t) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "timer_shutdown");
    cpu.spend(prices_.timer_op);
    cpu.at(sites::kDeleteBeforeLock);
    // Also if it does not look pending: a re-arm could slip in and leave a pending timer without a callback (LTW 8.4).
    const Locked locked = lock_timer(cpu, t);
    const bool was_pending = detach(cpu, *locked.base, t, true);
    locked.base->counters.cancelled += was_pending;
    t.function = nullptr;
    unlock(cpu, locked);
    return was_pending;
}

int TimerWheel::try_remove(Cpu& cpu, Timer& t, bool shut_down) {
    cpu.at(sites::kDeleteBeforeLock);
    const Locked locked = lock_timer(cpu, t);
    cpu.at(sites::kDeleteLocked);
    int result = -1;
    if (locked.base->running.peek() != &t) {
        result = detach(cpu, *locked.base, t, true);
        locked.base->counters.cancelled += result > 0;
    }
    if (shut_down)
        t.function = nullptr;
    unlock(cpu, locked);
    return result;
}

void TimerWheel::require_may_wait(Cpu& cpu, const Timer& t) {
    if (softirqs_.in_hardirq(cpu) && !t.has(flag::kIrqSafe))
        fail(cpu, checks::kSyncContext, t, "a delete that waits in a hard interrupt");
    // While its callback runs a timer stays on the base that runs it.
    const TimerBase& base = base_of(t.flags);
    if (base.runner == cpu.id() && base.running.peek() == &t)
        fail(cpu, checks::kSyncFromCallback, t, "a delete that waits, from the timer's own callback");
}

bool TimerWheel::wait_removed(Cpu& cpu, Timer& t, bool shut_down) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "timer_delete_sync");
    cpu.spend(prices_.timer_op);
    require_may_wait(cpu, t);
    for (;;) {
        const int result = try_remove(cpu, t, shut_down);
        if (result >= 0)
            return result > 0;
        // It is serialised against itself: while it runs it stays where it is.
        TimerBase& base = base_of(t.flags);
        const CpuId runner = base.runner;
        sim::spin_until(
            cpu, base.running.line(), [&] { return base.running.peek() != &t; },
            runner == sim::kNoCpu ? nullptr : &machine_.cpu(runner));
    }
}

}  // namespace ticklab::linux_
