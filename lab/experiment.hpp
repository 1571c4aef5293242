// One run of a scenario on a machine of its own, watched and judged.
//
// Rules
//  - What happens depends on the scenario and the seed alone. Observers, the instants at which the run is looked at,
//    and whoever asks it to stop change nothing but the moment at which it ends.
//  - The run is performed in stretches of virtual time; between two of them nothing moves, and states and structures
//    are looked at.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/bundle/decision_list.hpp"
#include "ticklab/lab/disturbance.hpp"
#include "ticklab/lab/expectations.hpp"
#include "ticklab/lab/histogram.hpp"
#include "ticklab/lab/judge.hpp"
#include "ticklab/lab/load.hpp"
#include "ticklab/lab/obligations.hpp"
#include "ticklab/lab/performer.hpp"
#include "ticklab/lab/scenario.hpp"
#include "ticklab/lab/schedule.hpp"
#include "ticklab/lab/script.hpp"
#include "ticklab/lab/why/firing_watch.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::lab {

struct ExperimentOptions {
    std::uint64_t seed = 1;
    /// Ends the run here if that is before the scenario's own end.
    std::optional<sim::Time> until;
    /// The checks of lab/: obligations, lateness, structures. Those of machine and kernel are always on.
    bool checks = true;
    /// Explains the latest timers, for reports; without it and without checks the run is not observed at all.
    bool metrics = true;
    /// In place of what the scenario says of jitter, stalls and ties.
    std::optional<Disturbance> disturbance{};
    /// Where stalls and ties are placed; it brings its own disturbance.
    std::optional<Schedule> schedule{};
    /// Keeps so much of what a scheduled run came to.
    std::uint64_t keep_crossings = 0;
    /// Answers stalls and ties in place of seed and schedule.
    std::optional<DecisionList> decisions{};
    /// Keeps what stalls and ties are answered.
    bool record_decisions = false;
    /// Stretches between two looks at the structures; the more, the sooner a loss is seen.
    unsigned looks = 64;
    /// Further consumers of the records (exporters, progress); must outlive the experiment.
    std::vector<sim::RecordConsumer*> consumers{};
    /// Told of each callback, unless the run is not observed; must outlive the experiment.
    std::vector<FiringObserver*> firing_observers{};
    /// What the activity log keeps.
    std::size_t log_capacity = ActivityLog::kDefaultCapacity;
};

/// What is known of one timer after a run.
struct TimerFigures {
    std::uint64_t fired = 0;
    sim::CpuId last_cpu = sim::kNoCpu;
    sim::Time first_fired = sim::kNever;
    sim::Duration late_min = sim::Duration::max();
    sim::Duration late_max = sim::Duration::min();
};

class Experiment final : public sim::TimerClient {
public:
    static constexpr std::size_t kWorstTimers = 10;

    /// Throws std::invalid_argument with the message of machine or kernel if they do not accept the configuration.
    Experiment(const Scenario& scenario, const ExperimentOptions& options);
    ~Experiment() override;
    Experiment(const Experiment&) = delete;
    Experiment& operator=(const Experiment&) = delete;

    /// Runs to the end; once.
    void run();
    /// Asks run() to come back soon. From a record consumer.
    void stop();

    const Scenario& scenario() const { return scenario_; }
    const ExperimentOptions& options() const { return options_; }
    sim::Machine& machine() { return *machine_; }
    const sim::Machine& machine() const { return *machine_; }
    /// Why the run ended.
    sim::RunEnd end() const { return end_; }
    /// The instant up to which it was performed.
    sim::Time reached() const { return reached_; }
    const std::vector<ExpectationResult>& expectations() const { return results_; }

    /// Null if the run has no schedule.
    const Scheduler* scheduler() const { return scheduler_.get(); }
    /// Null if the run has no list of decisions.
    const DecisionPlayer* decision_player() const { return player_ ? &*player_ : nullptr; }
    /// What was decided, by whomever; empty if it was not kept.
    DecisionList decided() const { return recorder_ ? recorder_->list() : DecisionList{}; }

    /// Of the timer that the verdict says is lost; none if it says something else.
    const std::optional<Loss>& loss() const { return loss_; }

    /// Null if the run was not observed.
    const Obligations* obligations() const { return obligations_.get(); }
    const Histogram& lateness_ps() const { return lateness_; }
    const std::vector<TimerFigures>& timers() const { return figures_; }
    /// How the lateness of a timer is made up, at its worst; null if it is none of the kWorstTimers latest,
    /// or without metrics.
    const LatenessSplit* worst_split(sim::TimerIndex timer) const { return worst_.find(timer); }
    /// Null if the run was not observed.
    const ActivityLog* log() const { return watch_ ? &watch_->log() : nullptr; }
    std::string_view timer_name(sim::TimerIndex timer) const override;
    sim::TimerIndex timer_index(std::string_view name) const override;

private:
    void timer_fired(sim::Cpu& cpu, sim::TimerIndex timer) override;
    std::uint64_t timer_operation_begins(sim::Cpu& cpu, sim::TimerIndex timer, sim::TimerRole role,
                                         const sim::TimerPromise& promise) override;
    void timer_operation_done(sim::Cpu& cpu, std::uint64_t operation) override;
    void run_callback(sim::Cpu& cpu, sim::TimerIndex timer);
    void rearm(sim::Cpu& cpu, sim::TimerIndex timer, sim::Time expires);
    void note(const Firing& firing);
    bool stretch(sim::Time until);
    bool look(bool last);
    std::vector<sim::Time> stops() const;

    const Scenario& scenario_;
    ExperimentOptions options_;
    std::vector<LoadTimer> load_timers_;
    std::vector<std::string_view> names_;
    std::unique_ptr<sim::Kernel> kernel_;
    std::unique_ptr<Scheduler> scheduler_;
    std::optional<DecisionPlayer> player_;
    std::optional<DecisionRecorder> recorder_;
    std::unique_ptr<sim::Machine> machine_;
    std::unique_ptr<Performer> performer_;
    std::unique_ptr<Obligations> obligations_;
    std::unique_ptr<FiringWatch> watch_;
    WorstTimers worst_{kWorstTimers};
    std::unique_ptr<Judge> judge_;
    std::unique_ptr<Script> script_;
    std::unique_ptr<LoadContext> load_context_;
    std::vector<std::unique_ptr<LoadSource>> load_;
    std::vector<std::unique_ptr<sim::SpinLock>> locks_;
    std::vector<sim::SpinLock*> lock_of_timer_;
    std::vector<sim::Time> next_period_;
    TimerVerbs verbs_;
    Histogram lateness_;
    std::vector<TimerFigures> figures_;
    std::vector<StateReading> readings_;
    std::vector<ExpectationResult> results_;
    sim::Time until_;
    sim::Time reached_ = sim::kBoot;
    sim::RunEnd end_ = sim::RunEnd::kTime;
    std::optional<Loss> loss_;
    bool stopped_ = false;
};

}  // namespace ticklab::lab
