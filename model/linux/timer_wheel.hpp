// The timer wheel of all CPUs: operations on timers, the softirq that executes them, the next event of a CPU, and what
// hotplug does to them (LTW 4 to 13).
//
// Rules
//  (1) mod, add and delete may be called on any CPU in any context; what waits (delete_sync, shutdown_sync) not in hard
//      interrupts unless the timer is irq-safe, not from the timer's own callback, and not with anything held that the
//      callback needs (LTW 8.2).
//  (2) A timer that is not pinned is queued on the CPU that arms it (LTW 8.3), or under placement push on the one that
//      is chosen then (LPP 3). While its callback runs it stays on the base that runs it, so that it is serialised
//      against itself (LTW 8.1 step 4).
//  (3) unlock() is the only way to release a base: it publishes the next expiry and checks the structures first (MA
//      5.3).
//  (4) run_timer() is the only caller of callbacks.
//  (5) Locks of a placement nest inside base locks (LTW 3.4), but for those of tmigr-2017 (TM17 9).
#pragma once

#include <cstdint>
#include <deque>

#include "ticklab/model/linux/changes.hpp"
#include "ticklab/model/linux/invariants.hpp"
#include "ticklab/model/linux/jiffies.hpp"
#include "ticklab/model/linux/prices.hpp"
#include "ticklab/model/linux/softirq.hpp"
#include "ticklab/model/linux/timer_base.hpp"
#include "ticklab/model/linux/timer_migration.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {

struct WheelParameters {
    CheckEffort check_effort = CheckEffort::kAmortised;
    LinuxChanges changes;
    /// By CPU: it stops its tick while it is busy, too. Empty for none.
    std::vector<bool> nohz_full;
};

/// Wakes a CPU whose tick is stopped, so that it looks at its timers again (LTW 7).
class IdleWaker {
public:
    virtual ~IdleWaker() = default;
    /// Interrupts off; a base lock may be held. [point]
    virtual void wake_idle(sim::Cpu& from, sim::CpuId target) = 0;
};

class TimerWheel final : public RemoteBases {
public:
    TimerWheel(sim::Machine& machine, const WheelParameters& parameters, Timekeeping& time, Softirqs& softirqs,
               IdleWaker& waker);

    /// Before the first use; the placement needs the wheel first.
    void set_migration(TimerMigration& migration) {
        migration_ = &migration;
        form_ = migration.wheel_form();
        migration.set_start_kicks([this] { nohz_active_ = true; });
    }
    const WheelForm& form() const { return form_; }
    TimerMigration& migration() { return *migration_; }

    /// `t` is new or shut down; `flags` of timer_flags::kInitMask. [window]
    void init(sim::Cpu& cpu, Timer& t, TimerFunction function, void* argument, std::uint32_t flags);
    /// Starts or moves; true if it was pending. (mod_timer) [point]
    bool mod(sim::Cpu& cpu, Timer& t, Jiffies expires) { return modify(cpu, t, expires, Mode::kStart); }
    /// Moves only if pending. (mod_timer_pending) [point]
    bool mod_pending(sim::Cpu& cpu, Timer& t, Jiffies expires) { return modify(cpu, t, expires, Mode::kPendingOnly); }
    /// Starts, or moves to an earlier instant only. (timer_reduce) [point]
    bool reduce(sim::Cpu& cpu, Timer& t, Jiffies expires) { return modify(cpu, t, expires, Mode::kReduce); }
    /// Starts one that is not pending, which is checked. (add_timer and its kin) [point]
    void add(sim::Cpu& cpu, Timer& t, Jiffies expires);
    void add_local(sim::Cpu& cpu, Timer& t, Jiffies expires);
    void add_global(sim::Cpu& cpu, Timer& t, Jiffies expires);
    void add_on(sim::Cpu& cpu, Timer& t, Jiffies expires, sim::CpuId target);
    /// Detaches without waiting for a running callback; true if it was pending. [point]
    bool remove(sim::Cpu& cpu, Timer& t);
    bool remove_sync(sim::Cpu& cpu, Timer& t) { return wait_removed(cpu, t, false); }
    /// The same, and later attempts to arm it do nothing until it is initialised again. [point]
    bool shutdown(sim::Cpu& cpu, Timer& t);
    bool shutdown_sync(sim::Cpu& cpu, Timer& t) { return wait_removed(cpu, t, true); }

    /// The TIMER softirq (LTW 10.1). [point]
    void softirq_action(sim::Cpu& cpu);
    /// The tick's look at the bases: hard interrupt (LTW 10.2). [point]
    void tick(sim::Cpu& cpu);

    /// When this CPU must wake for its timers, if it went on as it is: interrupts off (LTW 12.5). [point]
    Ktime next_interrupt(sim::Cpu& cpu, const JiffiesPair& now) { return look_ahead(cpu, now, nullptr); }
    /// The same, and marks the CPU's base idle if nothing is due within a tick. `idle` is whether the tick is stopped
    /// already, and then whether it may be. [point]
    Ktime try_to_set_idle(sim::Cpu& cpu, const JiffiesPair& now, bool& idle) { return look_ahead(cpu, now, &idle); }
    /// The CPU leaves idle: interrupts off, no base lock held (LTW 12.7). [point]
    void clear_idle(sim::Cpu& cpu);
    /// With WheelForm::query_marks_idle: the next events of `target`, asked on this CPU: interrupts off, no base lock
    /// held. Marks its base idle if none is within a tick. (LPP 7.1) [point]
    NextEvents query(sim::Cpu& cpu, sim::CpuId target, const JiffiesPair& now);
    /// The tick is kept after such a query: interrupts off, no base lock held. (LPP 7.2) [point]
    void undo_idle(sim::Cpu& cpu);

    /// NOHZ is in use from here on: timers of idle CPUs need kicks, timers of others may be run (LNT 2.4).
    void activate_nohz(sim::Cpu& cpu) { migration_->activate_nohz(cpu); }
    bool nohz_active() const { return nohz_active_; }

    /// Sets up the bases of a CPU that is not running (LTW 13.1). [point]
    void prepare(sim::Cpu& cpu, sim::CpuId target);
    /// Moves all timers of a dead CPU to this one: returns how many. (LTW 13.2) [point]
    std::uint64_t take_over_dead(sim::Cpu& cpu, sim::CpuId victim);

    // What a placement asks (timer_migration.hpp).
    JiffiesPair jiffies(sim::Cpu& cpu) override { return time_.pair(cpu); }
    void run_global(sim::Cpu& cpu, sim::CpuId target) override { run_base(cpu, base(target, BaseIndex::kGlobal)); }
    void lock_bases(sim::Cpu& cpu, sim::CpuId target) override;
    void unlock_bases(sim::Cpu& cpu, sim::CpuId target) override;
    NextEvents next_events(sim::Cpu& cpu, sim::CpuId target, const JiffiesPair& now) override;
    bool local_base_idle(const sim::Cpu& cpu) const override {
        return base(cpu.id(), BaseIndex::kLocal).is_idle.peek();
    }

    TimerBase& base(sim::CpuId cpu, BaseIndex index) {
        return bases_[cpu * kBasesPerCpu + static_cast<std::size_t>(index)];
    }
    const TimerBase& base(sim::CpuId cpu, BaseIndex index) const {
        return bases_[cpu * kBasesPerCpu + static_cast<std::size_t>(index)];
    }
    const std::deque<TimerBase>& bases() const { return bases_; }
    Timekeeping& time() const { return time_; }
    const Softirqs& softirqs() const { return softirqs_; }
    sim::Machine& machine() const { return machine_; }
    bool nohz_full(sim::CpuId cpu) const { return parameters_.nohz_full[cpu]; }

private:
    enum class Mode : std::uint8_t { kStart, kPendingOnly, kReduce, kNotPending };
    /// A base that is locked, and what to give back with it.
    struct Locked {
        TimerBase* base;
        bool irqs_were_enabled;
    };

    bool modify(sim::Cpu& cpu, Timer& t, Jiffies expires, Mode mode);
    bool stay_in_bucket(sim::Cpu& cpu, Timer& t, Jiffies expires, const wheel::Bucket& bucket, Mode mode);
    Locked lock_timer(sim::Cpu& cpu, Timer& t);
    void unlock(sim::Cpu& cpu, TimerBase& base);
    void unlock(sim::Cpu& cpu, const Locked& locked);
    /// `changed`: flags that change with the base.
    void move_to(sim::Cpu& cpu, Locked& locked, Timer& t, TimerBase& to, std::uint32_t changed = 0);
    /// The class of a timer that is not pending changes: at once, or with the change LTW 4.3 as a move.
    void set_pinned(sim::Cpu& cpu, Timer& t, bool pinned);
    void set_pinned_locked(sim::Cpu& cpu, Timer& t, bool pinned);
    /// As before WHEEL-01: whoever has the lock of the timer's base is not asked.
    Locked lock_and_take(sim::Cpu& cpu, Timer& t, TimerBase& to);
    BaseIndex index_of(std::uint32_t flags) const {
        return base_index_of(parameters_.changes.deferrable_base_fixed ? flags : flags_by_nohz(flags), form_.one_base);
    }
    /// As before WHEEL-13: there are deferrable timers only while NOHZ is in force.
    std::uint32_t flags_by_nohz(std::uint32_t flags) const {
        return nohz_active_ ? flags : flags & ~timer_flags::kDeferrable;
    }
    TimerBase& base_of(std::uint32_t flags) { return base(flags & timer_flags::kCpuMask, index_of(flags)); }
    sim::CpuId target_of(sim::Cpu& cpu, const Timer& t);
    /// No timer is ever on it.
    bool unused(BaseIndex index) const { return form_.one_base && index == BaseIndex::kGlobal; }
    void write_flags(sim::Cpu& cpu, Timer& t, std::uint32_t flags);
    void forward(sim::Cpu& cpu, TimerBase& base);
    bool forward_reading_twice(sim::Cpu& cpu, TimerBase& base);
    wheel::Bucket bucket_for(const TimerBase& base, Jiffies expires) const;
    static wheel::Bucket bucket_capped_by_expiry(const Wheel& wheel, Jiffies expires);
    static wheel::Bucket bucket_at_past_expiry(const Wheel& wheel, const Timer& t, wheel::Bucket bucket);
    std::uint32_t flags_read_again(sim::Cpu& cpu, const Timer& t);
    void enqueue(sim::Cpu& cpu, TimerBase& base, Timer& t, const wheel::Bucket& bucket);
    /// Whether the CPU of `base`, which has a new first timer `t`, has to be told (LTW 6.4, LPP 6.1).
    bool needs_kick(sim::Cpu& cpu, TimerBase& base, const Timer& t);
    void require_locked(sim::Cpu& cpu, const Timer& t);
    bool detach(sim::Cpu& cpu, TimerBase& base, Timer& t, bool clear_pending);
    void require_not_pending(sim::Cpu& cpu, Timer& t);
    bool wait_removed(sim::Cpu& cpu, Timer& t, bool shut_down);
    /// -1: its callback runs; else whether it was pending.
    int try_remove(sim::Cpu& cpu, Timer& t, bool shut_down);
    void require_may_wait(sim::Cpu& cpu, const Timer& t);

    void run_base(sim::Cpu& cpu, TimerBase& base);
    void run_list(sim::Cpu& cpu, TimerBase& base, TimerList& list, Jiffies collected_at);
    void run_timer(sim::Cpu& cpu, TimerBase& base, Timer& t, Jiffies collected_at);
    /// After a callback: nothing runs, and the lock is held again.
    static void lock_and_clear_running(sim::Cpu& cpu, TimerBase& base);
    static void clear_running_and_lock(sim::Cpu& cpu, TimerBase& base);
    static void clear_running(sim::Cpu& cpu, TimerBase& base);

    Ktime look_ahead(sim::Cpu& cpu, const JiffiesPair& now, bool* idle);
    /// When `base`, which is locked, wants its CPU awake.
    Ktime event_of(sim::Cpu& cpu, TimerBase& base, const JiffiesPair& now);
    void forward_idle(sim::Cpu& cpu, TimerBase& base, Jiffies now);
    void mark_idle(sim::Cpu& cpu, TimerBase& base);
    Jiffies next_of(sim::Cpu& cpu, TimerBase& base, Jiffies now);
    /// Fills in `events`, returns the earlier of the two in jiffies (LTW 12.3).
    Jiffies merge(sim::Cpu& cpu, sim::CpuId target, const JiffiesPair& now, NextEvents& events);
    Ktime edge_after(const JiffiesPair& now, Jiffies j) const { return now.basem + time_.tick() * (j - now.basej); }
    std::uint64_t flags_name(std::uint32_t flags);
    /// The callback that ended last on a CPU: what the next one waited for.
    sim::RecordId last_exit_of(const sim::Cpu& cpu) const { return last_exit_[cpu.id()]; }
    void set_last_exit(const sim::Cpu& cpu, sim::RecordId exit) { last_exit_[cpu.id()] = exit; }
    void fail(sim::Cpu& cpu, const sim::CheckDecl& check, const Timer& t, std::string_view what);

    sim::Machine& machine_;
    WheelParameters parameters_;
    Timekeeping& time_;
    Softirqs& softirqs_;
    IdleWaker& waker_;
    TimerMigration* migration_ = nullptr;
    WheelForm form_;
    LinuxPrices prices_;
    std::deque<TimerBase> bases_;
    bool nohz_active_ = false;
    std::array<std::uint64_t, 16> flag_names_{};
    std::vector<sim::RecordId> last_exit_;
};

}  // namespace ticklab::linux_
