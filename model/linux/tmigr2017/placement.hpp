// Placement "tmigr-2017": timer migration as posted in April 2017, V2 08/10 (TM17). The idea is that of tmigr; the
// locking, the set-up and the defects are its own.
//
// Rules
//  (1) Going idle and waking take the locks of all groups on the path together, from the bottom up (TM17 5).
//  (2) The wheel is asked before the hierarchy, with no lock of the wheel held (TM17 7.1, 11.11).
//  (3) cpu_idle is no idempotent operation: between two of them on one CPU there is an activation (TM17 11.6), at the
//      end of idle or at the next interrupt.
//  (4) What a defect does is in a function of its own name; see changes.hpp.
//
// The plays of the defects; tests cite them by their titles.
//
//  Play 1, "the wrong CPU's timers" (TM17 11.1): cpu1 idle with T1 < T2, cpu0 busy without timers.
//    1. cpu0 pops cpu1's event for T1 and runs T1.
//    2. It asks the wheel for the next timers of the CPU it runs on: none.
//    Wrong: T2 is queued nowhere, and cpu1 sleeps.
//
//  Play 2, "for ever" (TM17 11.2): as play 1, and the jiffies reach T0 of cpu0 after it has run its own base.
//    2. The next timer is T0, due: it is queued as cpu1's.
//    3. cpu0 pops it, runs cpu1's base, where nothing is due, and goes on with 2.
//
//  Play 3, "changed while queued" (TM17 11.4): K idle below R, its event in R is due.
//    1. cpu0 pops K's event out of R, and lets go of R.
//    2. cpu8 of K wakes and sleeps again: K's event is queued in R anew.
//    3. cpu0 locks K, whose migrator is nobody, and removes what is due: that rewrites K's event, in R's queue.
//
//  Play 4, "two runners" (TM17 11.10): cpu0 runs a long callback of cpu1's base.
//    1. cpu1 wakes, and another timer of it is due: it runs the same base.
//    Wrong: the base remembers one of the two, and who waits for the other does not wait.
//
//  Play 5, "an earlier one below" (TM17 11.5): K idle below R; cpu0 has taken K's event out of R and run cpu9's timer.
//    1. cpu10 of K wakes and sleeps again with a timer for T3: K's event is queued in R anew, for T3.
//    2. cpu0 shows cpu9's next timer, for T2 < T3, in K: K's event would be for T2, and lies in R for T3.
//
//  Play 6, "the gap" (TM17 11.11): cpu0 runs a callback of cpu1's base; an interrupt has woken cpu1.
//    1. cpu1 goes idle again: it looks at its timers, the first is for T9.
//    2. The callback arms its timer for T5, on cpu1's base, where it runs.
//    3. cpu0 finds cpu1 awake, so it shows nothing.
//    4. cpu1 tells the hierarchy T9.
//    Wrong: nobody wakes for T5.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <vector>

#include "ticklab/model/linux/push/choice.hpp"
#include "ticklab/model/linux/timer_wheel.hpp"
#include "ticklab/model/linux/tmigr/geometry.hpp"
#include "ticklab/model/linux/tmigr2017/changes.hpp"
#include "ticklab/model/linux/tmigr2017/group.hpp"

namespace ticklab::linux_::tmigr2017 {

struct Tmigr2017Parameters {
    Tmigr2017Changes changes;
    /// Node of each CPU; empty for that of the machine, which spreads CPUs evenly.
    std::vector<std::uint32_t> nodes;
};

class Tmigr2017Placement final : public TimerMigration {
public:
    Tmigr2017Placement(sim::Machine& machine, const Tmigr2017Parameters& parameters, const push::PushParameters& push,
                       TimerWheel& wheel, IdleTest& test, IdleWaker& waker);

    WheelForm wheel_form() const override;
    sim::CpuId hrtimer_target(sim::Cpu& cpu) override { return choice_.choose(cpu); }
    void activate_nohz(sim::Cpu& cpu) override { choice_.migration_switch().activate_nohz(cpu); }
    void set_timer_migration(sim::Cpu& cpu, bool on) override { choice_.migration_switch().set_sysctl(cpu, on); }

    // Never asked: the query marks idle.
    Ktime quick_check(sim::Cpu&, Ktime next) override { return next; }
    Ktime deactivate(sim::Cpu&, Ktime next) override { return next; }
    Ktime new_timer(sim::Cpu&, Ktime next) override { return next; }

    Ktime enter_idle(sim::Cpu& cpu, const NextEvents& events) override;
    void interrupt_in_idle(sim::Cpu& cpu) override { activate(cpu); }
    void activate(sim::Cpu& cpu) override;
    bool requires_remote(sim::Cpu& cpu) override;
    void handle_remote(sim::Cpu& cpu) override;
    bool prepare(sim::Cpu&, sim::CpuId) override { return true; }
    bool set_available(sim::Cpu& cpu) override;
    void clear_available(sim::Cpu& cpu) override;
    void end_bring_up(sim::Cpu& cpu) override;

    // For oracles and tests: no price, no order.
    const push::Choice* choice() const override { return &choice_; }
    const TmigrCpu& cpu(sim::CpuId id) const { return cpus_[id]; }
    const std::deque<Group>& groups() const { return groups_; }
    std::size_t level_count() const { return levels_.size(); }

private:
    // transitions.cpp: TM17 4, 5
    static void acquire(sim::Cpu& cpu, Group& group) { group.lock.acquire_nested(cpu, group.level); }
    void release(sim::Cpu& cpu, Group& group);
    static void tell_queue(sim::Cpu& cpu, Group& group);
    void require_not_queued(sim::Cpu& cpu, const Group& group);
    void add_event(sim::Cpu& cpu, Group& group, Event* e);
    void remove_event(sim::Cpu& cpu, Group& group, Event* e);
    void with_event_out(sim::Cpu& cpu, Group& group, sim::FunctionRef<void()> change);
    static void with_event_in(sim::FunctionRef<void()> change);
    Ktime inactive_up(sim::Cpu& cpu, Group& group, const Group* child, Event* e, sim::CpuId who);
    void active_up(sim::Cpu& cpu, Group& group, Event* e, sim::CpuId who);
    Ktime cpu_idle(sim::Cpu& cpu, Ktime next);
    Ktime global_of(sim::Cpu& cpu);
    Ktime enter_as_intended(sim::Cpu& cpu, Ktime global, Ktime local);
    Ktime enter_as_posted(sim::Cpu& cpu, Ktime global, Ktime local);
    Ktime tell(sim::Cpu& cpu, Ktime global, Ktime local);
    void kick_any_other(sim::Cpu& cpu);

    // remote.cpp: TM17 6
    void no_leaf(sim::Cpu& cpu);
    void handle_group(sim::Cpu& cpu, Group& group, const JiffiesPair& now, bool walk_up);
    bool pop_expired(sim::Cpu& cpu, Group& group, Ktime now, bool walk_up, Event*& e);
    static bool queued_anew(const Group& group, bool walk_up);
    static bool as_if_not_queued();
    void update_remote(sim::Cpu& cpu, sim::CpuId target, const JiffiesPair& now);
    NextEvents events_of(sim::Cpu& cpu, sim::CpuId target, const JiffiesPair& now);
    NextEvents events_of_this_cpu(sim::Cpu& cpu, const JiffiesPair& now);
    void require_shown(sim::Cpu& cpu, const TmigrCpu& target) const;

    // setup.cpp: TM17 3
    bool add_cpu(sim::Cpu& cpu, TmigrCpu& tmc);
    Group* get_group(sim::Cpu& cpu, std::int64_t node, unsigned level);
    bool set_up_parents(sim::Cpu& cpu, unsigned level, bool& done);
    void make_level(sim::Cpu& cpu, unsigned level);
    void level_beyond(sim::Cpu& cpu, unsigned level);
    void hand_over(sim::Cpu& cpu, Ktime first);
    static void forget(sim::Cpu& cpu, Ktime first);
    /// One of the two steps of boot before the hierarchy is enabled.
    enum class BootStep : std::uint8_t { kNohzActive = 1, kBroughtUp = 2 };
    void boot_step(sim::Cpu& cpu, BootStep step);
    void evaluate_switch(sim::Cpu& cpu);
    static void leave_switch();
    static void enable_at_the_end();

    /// What is believed of a CPU's next timer (TM17 11.11).
    struct Beliefs {
        bool seen_before_lock;  ///< what it saw before its lock was taken still holds
        bool queued_is_first;   ///< its event, if one is queued, is for its first timer
    };
    static constexpr Beliefs kAsPosted{true, true};
    static constexpr Beliefs kNone{false, false};

    sim::Machine& machine_;
    const Tmigr2017Changes changes_;
    const Beliefs beliefs_;
    const std::vector<std::uint32_t> nodes_;
    TimerWheel& wheel_;
    IdleWaker& waker_;
    push::Choice choice_;
    const tmigr::Geometry geometry_;
    sim::Price queue_price_;
    sim::Price walk_price_;
    sim::Price allocate_price_;
    sim::Mutex setup_mutex_;
    sim::LockClass& group_lock_class_;
    sim::Atomic<std::uint8_t> boot_steps_{0};
    /// The late initcall is over, which comes when NOHZ is in use for long.
    sim::Shared<bool> enabled_{false};
    std::deque<TmigrCpu> cpus_;
    std::deque<Group> groups_;
    /// By level, the newest first; it may grow while one of them is walked.
    std::deque<std::list<Group*>> levels_;
};

}  // namespace ticklab::linux_::tmigr2017
