// The timer core of the hypervisor: operations on timers, and the softirq that executes them (XT 3 - 8).
//
// Rules
//  (1) init, set, stop and migrate may be called on any CPU, for any CPU's timer, in any context (XT 3.4). kill
//      spins for a running callback: not from the callback, and not in a way that keeps it from ending (XT 2.3).
//  (2) Client locks are outer, base locks inner, of two the lower CPU number first. No callback runs and no memory is
//      allocated with a base lock held (XT 3.1).
//  (3) Whoever changes the head of a CPU's heap or list raises that CPU's timer softirq before it releases the lock
//      (XT 4.6). So a softirq may be superfluous, never missing (XT-I7).
//  (4) unlock() is the only way to release a base: it checks the structures first (MA 5.3).
//  (5) execute() is the only caller of callbacks, publish() the only writer of deadlines, and only a pass calls them.
#pragma once

#include <cstdint>
#include <deque>

#include "ticklab/model/xen/changes.hpp"
#include "ticklab/model/xen/invariants.hpp"
#include "ticklab/model/xen/prices.hpp"
#include "ticklab/model/xen/reprogram.hpp"
#include "ticklab/model/xen/softirq.hpp"
#include "ticklab/model/xen/system_time.hpp"
#include "ticklab/model/xen/timer_base.hpp"
#include "ticklab/model/xen/variant.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::xen {

struct TimerParameters {
    const VariantPolicy* policy = &kVariantV4;
    StimeSpan slop{50'000};
    /// A heap's next limit is (limit + 1) * growth_factor - 1 (XT 1.4).
    std::uint32_t heap_growth_factor = 16;
    /// Most that the limit's 16 bits can hold.
    std::uint32_t heap_limit_max = TimerHeap::kLimitMax;
    /// Callbacks in one pass, or softirqs in a row, before they count as endless (XT-F8).
    std::uint64_t pass_budget = 200'000;
    CheckEffort check_effort = CheckEffort::kAmortised;
    XenChanges changes;
};

/// Where the timers of a CPU that goes away are drained, and when its base may vanish (XT 10.4).
struct OfflineDesign {
    /// On the victim, while all others stand still; else after it is dead, on the controlling CPU.
    bool drain_when_dying;
    /// The memory of the base is freed after a grace period, and owners are read in read sections (XT 13.1).
    bool grace_period;
};

class Timers {
public:
    Timers(sim::Machine& machine, const TimerParameters& parameters, SystemTime& time, Softirqs& softirqs,
           const Reprogrammer& reprogrammer);
    Timers(const Timers&) = delete;
    Timers& operator=(const Timers&) = delete;

    /// Makes `t` an inactive timer of CPU `owner`, whose base is set up. `t` is new or killed (XT 5.1).
    void init(sim::Cpu& cpu, Timer& t, TimerFunction fn, void* argument, sim::CpuId owner);
    /// Queues `t` on its owner for `when`, in place of what was set before (XT 5.2). No effect on a killed timer.
    void set(sim::Cpu& cpu, Timer& t, Stime when);
    /// Takes `t` out of its queue. Its callback may be running and may go on (XT 5.3).
    void stop(sim::Cpu& cpu, Timer& t);
    /// Makes `new_cpu` the owner; a queued timer stays queued (XT 5.4).
    void migrate(sim::Cpu& cpu, Timer& t, sim::CpuId new_cpu);
    /// Ends the life of `t`: when it returns the callback is not running and will not until the next init (XT 5.5,
    /// XT-P4).
    void kill(sim::Cpu& cpu, Timer& t);
    /// Whether `t` is queued; without a lock, so that the answer may be old (XT 5.6). False while its callback runs,
    /// unless it was set again.
    bool active(sim::Cpu& cpu, Timer& t);
    /// Whether `t` is queued for an instant not later than `x` (XT 5.6).
    bool expires_before(sim::Cpu& cpu, Timer& t, Stime x);
    /// Whether `t` is queued and due. For code that runs before the softirqs at wake-up.
    bool is_expired(sim::Cpu& cpu, Timer& t) { return expires_before(cpu, t, time_.now(cpu)); }
    /// Timers that are queued on a CPU.
    std::uint64_t count_queued(sim::Cpu& cpu, sim::CpuId owner);
    /// align() of stime.hpp, its precondition checked (XT-D4).
    Stime align_checked(sim::Cpu& cpu, Stime first, StimeSpan period);

    /// The timer softirq's action, on the CPU whose it is (XT 6).
    void softirq_action(sim::Cpu& cpu);
    /// The local APIC timer's interrupt, EOI done (XT 8.3).
    void timer_interrupt(sim::Cpu& cpu);

    /// Sets up a base before virtual time starts (XT 10.1).
    void prepare_base_at_boot(TimerBase& base);
    /// UP_PREPARE: sets up the base of a CPU that comes up, on the controlling CPU. False where memory lacks.
    bool prepare_base(sim::Cpu& cpu, TimerBase& base);
    /// Moves all timers of `victim` to another CPU (XT 10.3).
    void drain(sim::Cpu& cpu, sim::CpuId victim);
    /// The CPU of `base` is gone and its base drained. A parked CPU keeps its memory (XT 10.6).
    void release_base(sim::Cpu& cpu, TimerBase& base, bool parked);
    /// How CPUs go away in this era (XT 10.4).
    const OfflineDesign& offline_design() const { return offline_; }

    TimerBase& base(sim::CpuId cpu) { return bases_[cpu]; }
    const TimerBase& base(sim::CpuId cpu) const { return bases_[cpu]; }
    sim::CpuId cpu_count() const { return static_cast<sim::CpuId>(bases_.size()); }
    const TimerParameters& parameters() const { return parameters_; }
    const SystemTime& time() const { return time_; }
    const Softirqs& softirqs() const { return softirqs_; }
    sim::Machine& machine() const { return machine_; }
    /// Timers initialised and not killed since (XT-I8).
    std::int64_t live_timers() const { return live_timers_; }
    /// Of them, those that are inactive and on no list, because none is kept.
    std::int64_t unlisted_timers() const { return unlisted_timers_; }

    /// Runs one due timer, which was taken out of its queue (XT 6.1). Lock held; dropped meanwhile.
    void execute(Pass& pass, Timer& t);
    /// Puts `t`, of status invalid, on its owner's heap or list. True if it became the head there (XT 4.5). Lock held.
    bool enqueue(sim::Cpu& cpu, TimerBase& base, Timer& t);
    /// Takes `t` out of heap, list or ready list and leaves it invalid. True if it was the head there (XT 4.5). Lock
    /// held.
    bool dequeue(sim::Cpu& cpu, TimerBase& base, Timer& t);
    /// dequeue() of the heap's top, for a pass that goes on with it.
    Timer& take_top(sim::Cpu& cpu, TimerBase& base);
    /// dequeue() of the list's head.
    Timer& take_list_head(sim::Cpu& cpu, TimerBase& base);
    const XenPrices& prices() const { return prices_; }

private:
    void lock(sim::Cpu& cpu, TimerBase& base, unsigned subclass = 0);
    void unlock(sim::Cpu& cpu, TimerBase& base);
    /// Locks the base of the owner of `t`; null if `t` is marked as killed (XT 3.2, 13.2).
    TimerBase* lock_timer(sim::Cpu& cpu, Timer& t);
    void lock_pair(sim::Cpu& cpu, TimerBase& a, TimerBase& b);
    void unlock_pair(sim::Cpu& cpu, TimerBase& a, TimerBase& b);
    void activate(sim::Cpu& cpu, TimerBase& base, Timer& t);
    void deactivate(sim::Cpu& cpu, TimerBase& base, Timer& t);
    void link_inactive(sim::Cpu& cpu, TimerBase& base, Timer& t);
    void unlink_inactive(sim::Cpu& cpu, TimerBase& base, Timer& t);
    void raise(sim::Cpu& cpu, sim::CpuId target);
    void move_without_protocol(sim::Cpu& cpu, Timer& t, sim::CpuId new_cpu);
    void wait_for_callback(sim::Cpu& cpu, Timer& t);
    void grow_heap(sim::Cpu& cpu, TimerBase& base);
    void allocate_in_insertion(sim::Cpu& cpu, TimerBase& base);
    void start_base(TimerBase& base, void* area);
    void publish(Pass& pass, const Deadline& deadline);
    void program(Pass& pass, const Deadline& deadline);
    void require_usable(sim::Cpu& cpu, const Timer& t);
    void fail(sim::Cpu& cpu, const sim::CheckDecl& check, const Timer& t, std::string_view what);

    sim::Machine& machine_;
    TimerParameters parameters_;
    SystemTime& time_;
    Softirqs& softirqs_;
    const Reprogrammer& reprogrammer_;
    XenPrices prices_;
    std::deque<TimerBase> bases_;
    const InactiveTracking& inactive_;
    OfflineDesign offline_;
    std::int64_t live_timers_ = 0;
    std::int64_t unlisted_timers_ = 0;
};

}  // namespace ticklab::xen
