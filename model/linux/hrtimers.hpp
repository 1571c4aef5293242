// High-resolution timers of all CPUs: start, cancel, the interrupt, the softirq, and what hotplug does to them (LHR 4
// to 11).
//
// Rules
//  (1) start and cancel in any context; cancel() waits for a running callback, so neither from that callback nor with
//      anything held that it needs (LHR 5.3).
//  (2) A timer that is started while its callback runs stays on the CPU that runs it (LHR 4.3).
//  (3) Only a CPU's own timers program its device: a remote CPU never gets a new earliest event from here (LHR 8.2).
//  (4) rearm() is the only caller of the device. While the interrupt is under way or a hang was detected it is left
//      alone (LHR 7.2, 9.2). Where programming is deferred, that is so until flush_deferred_rearm() (LHR 13).
#pragma once

#include <cstdint>
#include <deque>

#include "ticklab/model/linux/changes.hpp"
#include "ticklab/model/linux/clock_event.hpp"
#include "ticklab/model/linux/hrtimer.hpp"
#include "ticklab/model/linux/prices.hpp"
#include "ticklab/model/linux/softirq.hpp"
#include "ticklab/model/linux/timer_migration.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {

/// Runs the re-evaluation of a CPU's next event there, asynchronously (LHR 2.3, csd).
class RemoteCall {
public:
    virtual ~RemoteCall() = default;
    /// Interrupts off; a base lock may be held. [point]
    virtual void reevaluate_on(sim::Cpu& from, sim::CpuId target) = 0;
};

class Hrtimers {
public:
    Hrtimers(sim::Machine& machine, const LinuxChanges& changes, bool rearm_deferred, Timekeeping& time,
             ClockEvents& devices, Softirqs& softirqs, RemoteCall& remote);

    /// Before the first use.
    void set_placement(TimerMigration& placement) { placement_ = &placement; }
    /// `t` is not queued and not running. [window]
    void setup(sim::Cpu& cpu, Hrtimer& t, HrtimerFunction function, void* argument, ClockId clock, HrtimerMode mode);
    /// Queues `t`, in place of what it was queued for: to run in [expires, expires + slack]. `expires` is of the
    /// timer's clock, or a distance from now in relative mode. (LHR 4.2) [point]
    void start(sim::Cpu& cpu, Hrtimer& t, Ktime expires, KtimeSpan slack, HrtimerMode mode);
    /// -1: its callback runs; 1: it was queued; 0: it was not. (LHR 5.2) [point]
    int try_to_cancel(sim::Cpu& cpu, Hrtimer& t);
    /// Waits for a running callback; whether it was queued. (LHR 5.3) [point]
    bool cancel(sim::Cpu& cpu, Hrtimer& t);
    /// Moves the expiry beyond `now` in whole intervals; returns how many. From the callback, or when neither queued
    /// nor running. (LHR 5.4)
    static std::uint64_t forward(Hrtimer& t, Ktime now, KtimeSpan interval);
    /// What forward() makes of an expiry.
    struct Forwarded {
        Ktime expires;
        std::uint64_t count;
    };
    static Forwarded next_after(Ktime expires, Ktime now, KtimeSpan interval);
    /// Without a lock: a stale true is possible, a stale false is not. (LHR 6.5) [point]
    bool active(sim::Cpu& cpu, Hrtimer& t);
    /// The time of a timer's clock.
    Ktime now_of(sim::Cpu& cpu, const Hrtimer& t) { return time_.now(cpu) + offset_of(t); }
    /// That clock minus monotonic time.
    KtimeSpan offset_of(const Hrtimer& t) const { return cpus_.front().bases[t.base_index].offset; }

    /// The clock-event interrupt in high-resolution mode (LHR 9.1). [point]
    void interrupt(sim::Cpu& cpu);
    /// Programs what an interrupt left to its way out: interrupts off, before they are enabled for softirqs and before
    /// the return to what was interrupted (LHR 13). Nothing if nothing was left. [point]
    void flush_deferred_rearm(sim::Cpu& cpu);
    /// The tick's look at the queues in low-resolution mode (LHR 9.4). [point]
    void run_low_res(sim::Cpu& cpu);
    /// From here on this CPU's device works for its queues: in its own tick (LHR 9.5). [point]
    void switch_to_high_res(sim::Cpu& cpu);
    /// Programs the device for what is first now: interrupts off, on the CPU itself (LHR 10.3). [point]
    void reevaluate(sim::Cpu& cpu);
    bool high_res(sim::CpuId cpu) const { return cpus_[cpu].hres_active; }

    /// The first event of this CPU in high-resolution mode, one timer left out; kKtimeMax in low-resolution mode.
    /// (LHR 10.2) [point]
    Ktime next_event_without(sim::Cpu& cpu, const Hrtimer& left_out);
    /// The first event in low-resolution mode; kKtimeMax in high-resolution mode. [point]
    Ktime next_event_low_res(sim::Cpu& cpu);

    // Hotplug (LHR 11).
    void mark_online(sim::CpuId cpu);
    void starting(sim::Cpu& cpu);
    /// Moves the timers of this dying CPU to another: stop-machine, interrupts off. [point]
    void dying(sim::Cpu& cpu);

    const HrtimerCpu& of(sim::CpuId cpu) const { return cpus_[cpu]; }
    const std::deque<HrtimerCpu>& all() const { return cpus_; }

private:
    HrtimerClockBase& lock_base(sim::Cpu& cpu, Hrtimer& t, bool& irqs);
    HrtimerClockBase* base_read_again(sim::Cpu& cpu, const Hrtimer& t);
    void unlock(sim::Cpu& cpu, HrtimerCpu& base, bool irqs);
    HrtimerClockBase& switch_base(sim::Cpu& cpu, Hrtimer& t, HrtimerClockBase& from, sim::CpuId target);
    sim::CpuId choose_cpu(sim::Cpu& cpu, HrtimerMode mode) const;
    /// True if it became the first of its clock base.
    bool enqueue(sim::Cpu& cpu, Hrtimer& t, HrtimerClockBase& base, HrtimerMode mode, bool was_armed);
    void require_locked(sim::Cpu& cpu, const Hrtimer& t, const HrtimerClockBase& base);
    void unlink(sim::Cpu& cpu, Hrtimer& t);
    void remove(sim::Cpu& cpu, Hrtimer& t, HrtimerState state, bool reprogram);
    void new_first(sim::Cpu& cpu, Hrtimer& t, HrtimerClockBase& base);
    void program(sim::Cpu& cpu, HrtimerCpu& base, Ktime expires, const Hrtimer* timer);
    /// False if `expires` has passed and `force` is not set.
    bool rearm(sim::Cpu& cpu, Ktime expires, bool force, bool deferred);
    void rest_after_hang(sim::Cpu& cpu, Ktime now, KtimeSpan spent, bool deferred);
    bool suits_device(const Hrtimer& t, sim::CpuId target) const;
    void reevaluate_locked(sim::Cpu& cpu, HrtimerCpu& base, bool skip_equal);
    /// The first event of the bases in `mask`, and whose.
    static Ktime first_of(const HrtimerCpu& base, std::uint32_t mask, const Hrtimer* left_out, const Hrtimer*& timer);
    Ktime find_next(HrtimerCpu& base, const Hrtimer*& timer);
    void look_for_soft(sim::Cpu& cpu, HrtimerCpu& base, Ktime now);
    void run_queues(sim::Cpu& cpu, HrtimerCpu& base, Ktime now, std::uint32_t mask);
    void run_timer(sim::Cpu& cpu, HrtimerClockBase& base, Hrtimer& t, Ktime base_now);
    void softirq_action(sim::Cpu& cpu);
    std::uint64_t mode_name(const Hrtimer& t, HrtimerMode mode) const;

    sim::Machine& machine_;
    LinuxChanges changes_;
    bool rearm_deferred_;
    Timekeeping& time_;
    ClockEvents& devices_;
    Softirqs& softirqs_;
    RemoteCall& remote_;
    TimerMigration* placement_ = nullptr;
    LinuxPrices prices_;
    std::deque<HrtimerCpu> cpus_;
    std::array<std::uint64_t, kClockCount> clock_names_{};
    std::array<std::uint64_t, 16> mode_names_{};
    std::vector<sim::RecordId> last_exit_;
};

}  // namespace ticklab::linux_
