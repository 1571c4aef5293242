// Judges a run while it goes on: lateness as records are committed, losses and structures at quiet moments.
//
// Rules
//  - A pure observer: emits nothing, spends no time, makes no choices. With or without it the run is the same.
//  - Lateness (XT-P2, LW and HR likewise): callback start - not_after <= the time in which the CPU that ran it was not
//  idle
//    and not in user mode, plus hardware_allowance(). The CPU is answerable from the moment the arming was in force,
//    the timer was on it, and no CPU was on its way up or down (XT 10.4).
//  - Lost: not_after is past, and since then the CPU that has the timer was idle or in user mode for longer than that
//    allowance, and at least kLostGrace unless the run is over. A CPU that is off-line excuses nothing once the hotplug
//    operation is over.
//  - Uncovered: all CPUs sleep, none of them stalled, and the engine's next activity is later than an armed timer's
//  bound allows (DESIGN 5).
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "ticklab/lab/obligations.hpp"
#include "ticklab/lab/quiet_log.hpp"
#include "ticklab/lab/structure_oracle.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::lab {

/// What hardware may add to a promise beyond time spent in the kernel: entry and exit of the deepest idle state (twice,
/// for a wake-up by broadcast), flights of messages, ticks of the comparators, and the quantum (MA 12.1).
sim::Duration hardware_allowance(const sim::MachineConfig& config);

class Judge final : public sim::RecordConsumer {
public:
    static constexpr sim::Duration kLostGrace = std::chrono::milliseconds{5};

    /// `offline_name` and `online_name` are the interned names of the verbs that take CPUs down and up.
    Judge(sim::Machine& machine, Obligations& obligations, const sim::TimerClient& names, std::uint64_t offline_name,
          std::uint64_t online_name);

    /// A callback has started; its record is `firing.record`.
    void fired(const Firing& firing) { firings_[firing.cpu].push_back(firing); }
    /// An injected delay of messages: later than promised by that much is no one's fault.
    void allow(sim::Duration more) { allowance_ += more; }

    void consume(std::span<const sim::Record> batch) override;

    /// At a moment when records up to `now` are committed; `last` at the end of the run.
    std::optional<Finding> look(sim::Time now, bool last);

private:
    void judge(const Firing& firing);
    std::optional<Finding> lost(const Owed& owed, sim::Time now, bool last) const;
    bool all_asleep(sim::Time now) const;
    bool no_lock_held() const;

    sim::Machine& machine_;
    Obligations& obligations_;
    const sim::TimerClient& names_;
    std::uint64_t offline_name_;
    std::uint64_t online_name_;
    sim::Duration allowance_;
    QuietLog quiet_;
    StructureOracle structures_;
    std::vector<std::deque<Firing>> firings_;
    unsigned hotplug_under_way_ = 0;
    sim::Time hotplug_over_ = sim::kBoot;
    bool failed_ = false;
};

}  // namespace ticklab::lab
