// Judges a run while it goes on: lateness as records are committed, losses and structures at quiet moments.
//
// Rules
//  - A pure observer: emits nothing, spends no time, makes no choices. With or without it the run is the same.
//  - Lateness (XT-P2: slop + Q + L + W; LW and HR likewise): of the time from not_before to the start of the callback,
//    split as in lab/why/split.hpp, what no part excuses is at most not_after - not_before, which the promise lets the
//    kernel wait, and clock_allowance(). So an excuse counts wherever it lies: a pass that was held up and then aims
//    slop ahead of its end is no late aim (V4, XT 7.4). The wait counts anew from the moment at which the timer was
//    there to be served. Excused are callbacks in front, lock waits, interrupts and their latency, idle exit,
//    interrupts off, threads in the kernel, injected faults, and that the CPU which had the timer was off-line
//    (XT 10.4). Of the kernel's own work, each step from one record of the CPU to the next is excused up to
//    kLongestStep. Time before the arming was in force and while the timer was being moved does not count.
//    A kernel that looks at its timers by ticks loses one by a stall that outlasts an edge, on whatever CPU had a part
//    in it. So each stall, hold or rest of a CPU in that time excuses one TimerPromise::look_every besides.
//  - Lost: not_after is past, and since then and since it got the timer, the CPU that has it was idle or in user mode
//    for longer than hardware_allowance(), and at least kLostGrace unless the run is over. A CPU that is off-line
//    excuses nothing once the hotplug operation is over. Of a kernel that looks at its timers by ticks, other CPUs' may
//    be what serves it, so the time does not count in which any CPU stands still.
//  - Uncovered: all CPUs sleep, none of them stalled, and the engine's next activity is later than an armed timer's
//    bound allows (DESIGN 5). A CPU that stood still on its way to arming its timer has armed it late by that much.
#pragma once

#include <optional>
#include <span>

#include "ticklab/lab/obligations.hpp"
#include "ticklab/lab/quiet_log.hpp"
#include "ticklab/lab/structure_oracle.hpp"
#include "ticklab/lab/why/firing_watch.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::lab {

/// What hardware may add to a promise beyond time spent in the kernel: entry and exit of the deepest idle state (twice,
/// for a wake-up by broadcast), flights of messages, ticks of the comparators, and the quantum (MA 12.1).
sim::Duration hardware_allowance(const sim::MachineConfig& config);

/// The part of it that clocks and messages account for.
sim::Duration clock_allowance(const sim::MachineConfig& config);

class Judge final : public sim::RecordConsumer, public FiringObserver {
public:
    static constexpr sim::Duration kLostGrace = std::chrono::milliseconds{5};
    /// The longest step without a record is the copy of the largest heap: 65,536 slots at a cycle or two.
    static constexpr sim::Duration kLongestStep = std::chrono::microseconds{100};

    /// `offline_name` and `online_name` are the interned names of the verbs that take CPUs down and up. The log is fed
    /// before this object is.
    Judge(sim::Machine& machine, Obligations& obligations, const ActivityLog& log, const sim::TimerClient& names,
          std::uint64_t offline_name, std::uint64_t online_name);

    void fired(const Firing& firing, std::uint64_t timer, const ActivityLog& log) override;
    /// An injected delay of messages: later than promised by that much is no one's fault.
    void allow(sim::Duration more) {
        allowance_ += more;
        clock_allowance_ += more;
    }

    void consume(std::span<const sim::Record> batch) override;

    /// At a moment when records up to `now` are committed; `last` at the end of the run.
    std::optional<Finding> look(sim::Time now, bool last);

private:
    sim::Duration unexcused(const LatenessPiece& piece) const;
    /// What waits for the next look come to, of such as were lost since `from` because a CPU stood still.
    sim::Duration looks_lost(const Firing& firing, sim::Time from) const;
    /// How much of [from, to] some CPU but `owner` stood still or left its timers alone.
    sim::Duration others_kept_off(sim::CpuId owner, sim::Time from, sim::Time to) const;
    /// Where the timer is said to be, else where it was armed.
    sim::CpuId owner_of(const Owed& owed) const;
    /// It has to run by `bound`; `all_cpus`: the check is about them all.
    Loss loss_of(const Owed& owed, sim::Time bound, bool all_cpus) const;
    std::optional<Finding> lost(const Owed& owed, sim::Time now, bool last) const;
    bool all_asleep(sim::Time now) const;
    /// The longest that a CPU stood still between settling what to wait for and arming its timer, of those that wait.
    sim::Duration armed_late() const;
    bool no_lock_held() const;

    sim::Machine& machine_;
    Obligations& obligations_;
    const ActivityLog& log_;
    const sim::TimerClient& names_;
    std::uint64_t offline_name_;
    std::uint64_t online_name_;
    sim::Duration allowance_;
    sim::Duration clock_allowance_;
    sim::Duration longest_step_;
    QuietLog quiet_;
    StructureOracle structures_;
    unsigned hotplug_under_way_ = 0;
    sim::Time hotplug_over_ = sim::kBoot;
    bool failed_ = false;
};

}  // namespace ticklab::lab
