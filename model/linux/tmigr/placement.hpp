// Placement "tmigr": global timers stay where they were armed, and when their CPU sleeps some CPU that is awake runs
// them (TMM).
//
// Rules
//  (1) Times are tick edges. "Now" is the time of the last update of the jiffies, never the clock (TMM 1.3).
//  (2) A CPU takes part between set_available() and clear_available(). Before and after, every operation gives back
//      what it was given: the CPU serves its own global timers (TMM 12.3).
//  (3) Every walk that starts from a CPU holds that CPU's record, except requires_remote() and the walk of
//      handle_remote(), which must not (TMM 3.2).
//  (4) Activation takes no group lock: events of who is awake are marked as ignored and removed later (TMM 6.3).
//  (5) A walk reads a group's parent once, since a new root may appear at any moment (TMM 5.1).
//  (6) One writer each: swap_state() the state words, update_events() and pop_expired() the queues, link() the parents.
//
// The races that the protocol guards against. State pictures show "active/migrator"; tests cite them by their titles.
//
//  Play 1, "stale child" (TMM 7.3, TMIGR-24): group G with CPUs 0 and 1 below root R.
//    1. cpu0 idles: G 01/01 --> 00/NONE. It is to clear G's bit in R.
//    2. cpu1 wakes: G 00/NONE --> 02/02, R: bit of G set already.
//    3. cpu0 arrives at R. With an old view of G it clears the bit of G: R 00/NONE although cpu1 is awake.
//    Wrong: R shows nobody, so every other CPU that sleeps relies on nobody.
//    Guard: R's state is read (acquire) before G's, and G's again after each failed exchange, behind a full barrier.
//
//  Play 2, "same bits again" (TMM 7.4, TMIGR-19): as play 1, but cpu0 has read R and G before step 2.
//    3. cpu1 arrives at R, finds the bit of G set, and writes the same active and migrator again.
//    4. cpu0's exchange compares equal and clears the bit of G.
//    Wrong: as play 1. Guard: `seq` counts every change, so cpu0's exchange fails and it looks again.
//
//  Play 3, "last one out against a new timer" (TMM 8.7, TMIGR-20): one group, cpu0 idle, cpu1 awake.
//    1. cpu0 (interrupt, still idle) has a new first timer T, and sees cpu1 as migrator.
//    2. cpu1 idles: state --> 00/NONE, locks the group, finds no event, arms nothing.
//    3. cpu0 locks the group, queues T and, since it saw a migrator, arms nothing.
//    Wrong: T is queued and nobody wakes. Guard: states are sampled under the group's lock; who comes second sees what
//    the first one did.
//
//  Play 4, "siblings of one event" (TMM 9.5, TMIGR-21, TMIGR-03): cpu0 and cpu1 idle in G, both for T; cpu2 awake
//  elsewhere.
//    1. cpu2 pops the event of G out of R: it names cpu0. cpu0's timers are run.
//    2. Nobody shows cpu1's timer in R any more.
//    Wrong: cpu1's timer waits for an unrelated event. Guard: after every remote expiry the path of that CPU is walked
//    again, even if it has no timer left; and an event of unchanged expiry gets the number of the CPU that is first
//    now.
//
//  Play 5, "due within the softirq" (TMM 9.6): cpu0 runs its own timers, then the jiffies advance, then it takes "now".
//    1. Its timer T, due by then, was not run; the event of cpu0 in its group is expired.
//    2. It pops its own event and, as it has run its own timers before, does not run them now.
//    3. It queues T again, as due.
//    Wrong: 2 and 3 for ever. Guard: its own timers are run like any other CPU's.
//
//  Play 6, "a level appears under a walk" (TMM 13.4, TMIGR-09; scenario (e)): all of G idle, cpu0 wakes.
//    1. cpu0: G 00/NONE --> 01/01, and is held before it reads G's parent, which is null.
//    2. cpu8 is prepared: new root R, G linked to it.
//    3. cpu0 reads the parent R, and G's mask there.
//    Wrong, if the mask is written after the link: cpu0 enters R with mask 0, R 00/00, and 0 is not NONE: nobody ever
//    becomes migrator. Guard: a root has its mask from its creation.
//
//  Play 7, "whose activity" (TMM 13.5, TMIGR-07, TMIGR-13, TMIGR-14; scenario (f)): G is linked to a new root R.
//    1. The set-up reads that G is active.
//    2. The last CPU of G idles: G 00/NONE; in R nothing is to be cleared.
//    3. The set-up sets the bit of G in R.
//    Wrong: R shows somebody who is nobody. Guard: the set-up runs on a CPU that is active below G, so step 2 cannot
//    be; and as that CPU's own activation may be under way below G still, it asks G's state by a read-modify-write: if
//    that shows nobody, whoever comes to G later sees the link.
//
//  Play 8, "duty stolen" (TMM 9.2, TMIGR-04; scenario (h)): cpu0 is the last one idle and wakes at T; cpu1 wakes by an
//  interrupt before T and runs everything.
//    1. cpu0's timer interrupt at T: its `wakeup` is T, so it raises its softirq; it is not migrator, so it does
//    nothing. Wrong: `wakeup` stays T, in the past, and cpu0 arms it again and again. Guard: a finite `wakeup` is
//    rewritten in any case.
//
//  Play 9, "the last one leaves" (TMM 12.2; scenario (g)): cpu1 is the only active CPU and goes off-line; cpu0 sleeps,
//  its timer T was cpu1's to run.
//    Wrong: nobody is left to run T. Guard: who finds on leaving that nobody is awake wakes another CPU and waits for
//    it.
//
//  Play 10, "overtaken on the way out" (TMM 7.7): cpu0 and cpu1 awake in G below R, cpu1 is migrator, cpu0 has timer T.
//    1. cpu0 idles: G 03/02 --> 02/02, and is held before it queues T in G. It will go no further, since cpu1 is awake.
//    2. cpu1 idles without a timer: G 02/02 --> 00/NONE, R 00/NONE. R shows of G what was queued there: not T.
//    3. cpu0 queues T in G.
//    Wrong: T is shown nowhere above G, and nobody wakes. Guard, which no release has: whoever finds the group idle
//    when it has queued its event under the group's lock goes on upwards.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "ticklab/model/linux/cpu_work.hpp"
#include "ticklab/model/linux/push/choice.hpp"
#include "ticklab/model/linux/timer_migration.hpp"
#include "ticklab/model/linux/tmigr/changes.hpp"
#include "ticklab/model/linux/tmigr/geometry.hpp"
#include "ticklab/model/linux/tmigr/hierarchy.hpp"
#include "ticklab/model/linux/tmigr/prices.hpp"
#include "ticklab/sim/function_ref.hpp"

namespace ticklab::linux_::tmigr {

/// Of a CPU that nothing else is said of.
inline constexpr std::uint32_t kCommonCapacity = 1024;

struct TmigrParameters {
    TmigrChanges changes;
    /// Children a group: 2, 4 or 8.
    unsigned children = 8;
    /// By CPU; empty for none. Neither housekeepers of scheduling domains, nor of the kernel's noise (TMM 12.4).
    std::vector<bool> isolated;
    std::vector<bool> nohz_full;
    /// The timekeeper that nohz_full pins; used if any CPU is nohz_full.
    sim::CpuId tick_cpu = 0;
    /// Capacity of each CPU; empty for all the same.
    std::vector<std::uint32_t> capacities;
    /// Check the structure (TMM 14.1) whenever a remote expiry leaves the hierarchy quiet.
    bool check_after_expiry = false;
};

class TmigrPlacement final : public TimerMigration {
public:
    TmigrPlacement(sim::Machine& machine, const TmigrParameters& parameters, RemoteBases& bases);
    /// High-resolution timers are pushed, by the rules of LHR 8 (LPP 1.2). Before the first use.
    void push_hrtimers(const push::PushParameters& parameters, IdleTest& test);

    sim::CpuId hrtimer_target(sim::Cpu& cpu) override;
    void activate_nohz(sim::Cpu& cpu) override;
    void set_timer_migration(sim::Cpu& cpu, bool on) override;
    const push::Choice* choice() const override { return choice_ ? &*choice_ : nullptr; }
    Ktime quick_check(sim::Cpu& cpu, Ktime next) override;
    Ktime deactivate(sim::Cpu& cpu, Ktime next) override;
    Ktime new_timer(sim::Cpu& cpu, Ktime next) override;
    void activate(sim::Cpu& cpu) override;
    bool requires_remote(sim::Cpu& cpu) override;
    void handle_remote(sim::Cpu& cpu) override;
    bool prepare(sim::Cpu& cpu, sim::CpuId target) override;
    bool set_available(sim::Cpu& cpu) override;
    void clear_available(sim::Cpu& cpu) override;

    /// Late boot: what is isolated leaves, and stays outside (TMM 12.4). At thread level, may sleep.
    void enable_isolation(sim::Cpu& cpu);
    /// A CPU is isolated, or is so no longer, while the machine runs: it leaves, or joins (TMM 12.4). At thread level,
    /// may sleep. False, and nothing is changed, if all CPUs that are there would be isolated.
    bool set_isolated(sim::Cpu& cpu, sim::CpuId target, bool isolated);

    // For oracles and set-up: no price, no order.
    sim::Machine& machine() const { return machine_; }
    const Geometry& geometry() const { return geometry_; }
    const std::deque<Hierarchy>& hierarchies() const { return hierarchies_; }
    const std::deque<std::unique_ptr<Group>>& groups() const { return groups_; }
    const TmigrCpu& cpu(sim::CpuId id) const { return cpus_[id]; }
    sim::CpuId cpu_count() const { return static_cast<sim::CpuId>(cpus_.size()); }
    /// No operation is under way on any CPU.
    bool quiet() const { return operations_ == 0; }

private:
    /// What a walk carries from group to group (TMM 5.1).
    struct Walk {
        ChildMask mask = 0;
        Ktime nextexp = kKtimeMax;
        Ktime firstexp = kKtimeMax;
        Event* evt = nullptr;
        bool remote = false;
        /// The group was inactive when its events were updated, seen under its lock.
        bool group_idle = false;
        JiffiesPair now{};
    };
    struct States {
        GroupState child;
        GroupState group;
    };
    class Operation {
    public:
        explicit Operation(TmigrPlacement& of) : of_(of) { ++of_.operations_; }
        ~Operation() { --of_.operations_; }
        Operation(const Operation&) = delete;
        Operation& operator=(const Operation&) = delete;

    private:
        TmigrPlacement& of_;
    };
    using Step = sim::FunctionRef<bool(Group&, Group*, Walk&)>;

    // walk.cpp: TMM 5, 6, 7
    /// Null before it was prepared. The hotplug that brings a CPU up orders what was written for it.
    static Group* leaf_of(sim::Cpu& cpu, TmigrCpu& tmc) { return tmc.group.load(cpu, sim::Order::kConsume); }
    static bool usable(sim::Cpu& cpu, TmigrCpu& tmc);
    void walk(sim::Cpu& cpu, TmigrCpu& tmc, Walk& w, Step step);
    void walk_from(sim::Cpu& cpu, Group* child, Group* group, Walk& w, Step step);
    Group* parent_of(sim::Cpu& cpu, Group& group, Walk& w);
    Group* parent_read_twice(sim::Cpu& cpu, Group& group, Walk& w);
    static GroupState load_state(sim::Cpu& cpu, Group& group, sim::Order order = sim::Order::kRelaxed);
    bool swap_state(sim::Cpu& cpu, Group& group, GroupState& expected, GroupState desired);
    static bool responsible(sim::Cpu& cpu, Group& group, ChildMask mask);
    void count_change(GroupState& state) const;
    void start_activation(sim::Cpu& cpu, TmigrCpu& tmc);
    bool active_step(sim::Cpu& cpu, Group& group, const Walk& w);
    Ktime start_deactivation(sim::Cpu& cpu, TmigrCpu& tmc, Ktime next);
    bool inactive_step(sim::Cpu& cpu, Group& group, Group* child, Walk& w);
    static bool still_active(bool others_left, const Walk& w);
    static bool active_at_exchange(bool others_left);

    // events.cpp: TMM 5.2, 5.3, 8
    Event* refresh(sim::Cpu& cpu, Group& group);
    Event* pop_expired(sim::Cpu& cpu, Group& group, Ktime now);
    void enqueue(sim::Cpu& cpu, Group& group, Event& e);
    void dequeue(sim::Cpu& cpu, Group& group, Event& e);
    void lock_pair(sim::Cpu& cpu, Group& group, Group* child);
    void unlock_pair(sim::Cpu& cpu, Group& group, Group* child);
    void unlock(sim::Cpu& cpu, Group& group);
    static void tell_queue(sim::Cpu& cpu, Group& group);
    States sample(sim::Cpu& cpu, Group& group, Group* child);
    States lock_and_sample(sim::Cpu& cpu, Group& group, Group* child);
    States sample_and_lock(sim::Cpu& cpu, Group& group, Group* child);
    bool leave_to_parent(sim::Cpu& cpu, Group& group) const;
    static bool leave_always();
    static void keep_first_cpu(sim::Cpu& cpu, Event& e, sim::CpuId first);
    static void keep_old_cpu(sim::Cpu& cpu, Event& e, sim::CpuId first);
    bool update_events(sim::Cpu& cpu, Group& group, Group* child, Walk& w);

    // remote.cpp: TMM 9
    bool has_expired(sim::Cpu& cpu, TmigrCpu& tmc, Ktime now);
    bool no_duty(sim::Cpu& cpu, TmigrCpu& tmc) const;
    static bool no_duty_if_not_migrator();
    void pull(sim::Cpu& cpu, TmigrCpu& tmc);
    void check_when_quiet(sim::Cpu& cpu) const;
    bool pull_step(sim::Cpu& cpu, Group& group, Walk& w);
    void handle_cpu(sim::Cpu& cpu, sim::CpuId target, const JiffiesPair& now);
    void expire(sim::Cpu& cpu, sim::CpuId target);
    void expire_others_only(sim::Cpu& cpu, sim::CpuId target);
    void show_next(sim::Cpu& cpu, TmigrCpu& tmc, const JiffiesPair& now, Ktime global);
    void show_next_if_any(sim::Cpu& cpu, TmigrCpu& tmc, const JiffiesPair& now, Ktime global);

    // hrtimers.cpp: LHR 8
    sim::CpuId chosen_if_tickless(sim::Cpu& cpu);
    void set_active(sim::Cpu& cpu, bool active);

    // idle.cpp: TMM 10, 11
    Ktime start_new_timer(sim::Cpu& cpu, TmigrCpu& tmc, Ktime next);
    Ktime forecast(sim::Cpu& cpu, TmigrCpu& tmc, Ktime next);
    Ktime forecast_from_root(sim::Cpu& cpu, TmigrCpu& tmc, Ktime next);

    // availability.cpp: TMM 12
    bool excluded(sim::CpuId cpu) const;
    static bool never_excluded();
    bool isolated_only(sim::CpuId cpu) const;
    // On the CPU itself, under available_mutex_.
    void become_available(sim::Cpu& cpu);
    void become_unavailable(sim::Cpu& cpu);
    void record_availability(sim::Cpu& cpu, const TmigrCpu& tmc, bool available);
    void hand_over(sim::Cpu& cpu);
    sim::CpuId successor(sim::CpuId leaver) const;
    sim::CpuId successor_of_any_hierarchy(sim::CpuId leaver) const;
    // Under available_mutex_.
    bool anyone_left_without(sim::CpuId target) const;
    void apply_isolation(sim::Cpu& cpu);

    // setup.cpp: TMM 13
    enum class Phase : std::uint8_t { kPrepare, kOnline };
    struct Link {
        Group* group = nullptr;
        bool created = false;
    };
    bool attaches_in(Phase phase) const;
    std::uint32_t capacity_of(sim::CpuId cpu) const;
    std::uint32_t capacity_of_cpu(sim::CpuId cpu) const;
    bool one_capacity_for_all() const;
    Hierarchy& hierarchy_of(sim::CpuId cpu);
    bool attach(sim::Cpu& cpu, sim::CpuId target);
    bool attach_balanced(sim::Cpu& cpu, Hierarchy& h, sim::CpuId target);
    bool attach_unbalanced(sim::Cpu& cpu, Hierarchy& h, sim::CpuId target);
    Link get_group(sim::Cpu& cpu, Hierarchy& h, std::uint32_t node, unsigned level, bool for_old_root);
    bool climb(sim::Cpu& cpu, Hierarchy& h, std::uint32_t node, Group* start, bool mismatch, std::vector<Link>& links);
    void free_created(sim::Cpu& cpu, Hierarchy& h, std::vector<Link>& links);
    void free_from_below_zero(sim::Cpu& cpu, Hierarchy& h, std::vector<Link>& links);
    bool set_up(sim::Cpu& cpu, Hierarchy& h, std::uint32_t node, std::optional<sim::CpuId> target, Group* start,
                bool activate);
    static void name_root(Hierarchy& h);
    unsigned children_of_new_root() const;
    static unsigned children_of_new_root_off_by_one();
    bool executor_is_checked() const;
    bool connect_old_root(sim::Cpu& cpu, const Hierarchy& h, sim::FunctionRef<bool(sim::Cpu&, bool)> connect);
    sim::CpuId available_executor(sim::CpuId caller, const Hierarchy& h) const;
    void propagate(sim::Cpu& cpu, Group& old_root);
    void propagate_if_active(sim::Cpu& cpu, Group& old_root);
    void propagate_as_sampled(sim::Cpu& cpu, Group& old_root);
    void propagate_always(sim::Cpu& cpu, Group& old_root);
    void activate_above(sim::Cpu& cpu, Group& old_root);

    // link.cpp: TMM 13.4
    bool root_has_mask() const;
    void prepare_new_root(sim::Cpu& cpu, const Hierarchy& h, Group& root, bool has_old_root);
    unsigned take_slot(sim::Cpu& cpu, Group& child, Group& parent, bool from_old_root);
    void link_group(sim::Cpu& cpu, const Hierarchy& h, Group& child, Group& parent, bool from_old_root);
    void mask_then_link(sim::Cpu& cpu, Group& child, Group& parent, unsigned slot);
    void link_then_mask(sim::Cpu& cpu, Group& child, Group& parent, unsigned slot);
    void publish(sim::Cpu& cpu, Group& child, Group& parent);
    static void publish_unordered(sim::Cpu& cpu, Group& child, Group& parent);
    void link_cpu(sim::Cpu& cpu, const Hierarchy& h, sim::CpuId target, Group& leaf);

    sim::Machine& machine_;
    const TmigrParameters parameters_;
    RemoteBases& bases_;
    std::optional<push::Choice> choice_;
    const Geometry geometry_;
    TmigrPrices prices_;
    CpuWork work_;
    sim::Mutex setup_mutex_;
    sim::Mutex available_mutex_;
    sim::LockClass& group_lock_class_;
    std::deque<TmigrCpu> cpus_;
    std::deque<Hierarchy> hierarchies_;
    std::deque<std::unique_ptr<Group>> groups_;
    /// Under available_mutex_.
    std::vector<bool> available_cpus_;
    /// Up, and not on its way down: it takes part unless it is isolated.
    std::vector<bool> joined_;
    std::vector<bool> isolated_;
    bool exclude_isolated_ = false;
    unsigned operations_ = 0;
};

}  // namespace ticklab::linux_::tmigr
