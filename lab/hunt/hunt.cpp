#include "ticklab/lab/hunt/hunt.hpp"

#include "ticklab/lab/ordered_tasks.hpp"

namespace ticklab::lab {
namespace {

using Clock = std::chrono::steady_clock;

struct Outcome {
    std::optional<HuntFailure> failure;
    bool inconclusive = false;
    std::uint64_t records = 0;
};

Outcome run_one(const Scenario& scenario, const HuntOptions& options, std::uint64_t seed) {
    ExperimentOptions run;
    run.seed = seed;
    run.looks = kHuntLooks;
    run.metrics = false;
    if (options.strategy == HuntStrategy::kRandom)
        run.disturbance = random_disturbance(seed, scenario.machine);
    Experiment experiment(scenario, run);
    experiment.run();
    Outcome outcome{failure_of(experiment, scenario, options.count_expectations),
                    experiment.end() == sim::RunEnd::kBudget, experiment.machine().records().committed()};
    if (outcome.failure) {
        outcome.failure->seed = seed;
        outcome.failure->disturbance = run.disturbance;
    }
    return outcome;
}

}  // namespace

std::optional<HuntFailure> failure_of(const Experiment& experiment, const Scenario& scenario, bool expectations) {
    HuntFailure failure;
    if (const std::optional<sim::Verdict>& verdict = experiment.machine().verdict();
        verdict && !verdict_expected(scenario, *verdict)) {
        failure.check = verdict->check->name;
        failure.message = verdict->message;
        failure.at = verdict->at;
        failure.cpu = verdict->cpu;
        failure.record_number = verdict->record_number;
        return failure;
    }
    if (expectations)
        for (const ExpectationResult& e : experiment.expectations())
            if (e.outcome == ExpectationOutcome::kFailed) {
                failure.check = "expectation";
                failure.message = e.what + ": " + e.found;
                failure.at = experiment.reached();
                return failure;
            }
    return std::nullopt;
}

HuntResult hunt(const Scenario& scenario, const HuntOptions& options, const HuntObserver& observer) {
    const Clock::time_point began = Clock::now();
    OrderedTasks<Outcome> runs(options.first_seed, options.last_seed, options.jobs,
                               [&](std::uint64_t seed) { return run_one(scenario, options, seed); });
    HuntResult result;
    constexpr std::chrono::milliseconds kPatience{50};
    for (std::uint64_t seed = options.first_seed;;) {
        if (observer.interrupted()) {
            result.end = HuntEnd::kInterrupted;
            break;
        }
        if (options.budget && Clock::now() - began >= *options.budget) {
            result.end = HuntEnd::kBudget;
            break;
        }
        const std::optional<Outcome> outcome = runs.next(kPatience);
        if (!outcome)
            continue;
        ++result.runs;
        result.records += outcome->records;
        result.inconclusive += outcome->inconclusive;
        if (outcome->failure) {
            ++result.failures;
            observer.failed(*outcome->failure);
        }
        observer.progress(result);
        if (options.stop_after != 0 && result.failures == options.stop_after) {
            result.end = HuntEnd::kStopAfter;
            break;
        }
        if (seed++ == options.last_seed)
            break;
    }
    return result;
}

}  // namespace ticklab::lab
