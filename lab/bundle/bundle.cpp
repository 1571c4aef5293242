#include "ticklab/lab/bundle/bundle.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/lab/report.hpp"
#include "ticklab/lab/values.hpp"

namespace ticklab::lab {
namespace {

/// Of the machine options by which a hunt disturbs, those of `disturbance`.
void put_disturbance(nlohmann::json& scenario, const Disturbance& disturbance) {
    std::vector<InputError> errors;
    std::optional<JsonSource> source = JsonSource::parse("the scenario", scenario.dump(), errors);
    if (!source || !source->override_values(disturbance.overrides(), errors))
        throw UnrepeatableRun(errors.empty() ? "the scenario is lost" : to_text(errors.front()));
    scenario = source->root();
}

Bundle bundle_without_run(const Scenario& scenario, const std::vector<std::string>& overrides, std::uint64_t seed,
                          unsigned looks) {
    Bundle bundle;
    bundle.version = TICKLAB_VERSION;
    bundle.scenario_file = scenario.file;
    bundle.scenario_hash = scenario_hash(scenario.text);
    bundle.overrides = overrides;
    bundle.scenario = inlined(scenario, overrides);
    bundle.seed = seed;
    bundle.looks = looks;
    return bundle;
}

/// Fills in what is decided and what comes of it under `first`, and sees that it comes back.
void do_runs(Bundle& bundle, const ScenarioLoader& loader, ExperimentOptions first) {
    std::vector<InputError> errors;
    const std::optional<Scenario> own = load_scenario(loader, bundle, bundle.scenario_file, errors);
    if (!own)
        throw UnrepeatableRun(to_text(errors.front()));
    first.record_decisions = true;
    bundle.outcome = run_bundle(bundle, *own, std::move(first), &bundle.decisions);
    const RunOutcome replayed = run_bundle(bundle, *own, replay_options(bundle));
    if (replayed != bundle.outcome)
        throw UnrepeatableRun(
            fmt::format("the decisions of seed {} played back end with {} after {} records, not {} "
                        "after {}",
                        bundle.seed, in_quotes(replayed.check), replayed.records, in_quotes(bundle.outcome.check),
                        bundle.outcome.records));
}

}  // namespace

std::size_t equal_links(const RunOutcome& a, const RunOutcome& b) {
    const auto at = std::mismatch(a.chain.begin(), a.chain.end(), b.chain.begin(), b.chain.end());
    return static_cast<std::size_t>(at.first - a.chain.begin());
}

RunOutcome outcome_of(Experiment& experiment, const RecordMarks& marks, bool expectations) {
    RunOutcome outcome;
    if (std::optional<HuntFailure> failure = failure_of(experiment, expectations)) {
        outcome.check = std::move(failure->check);
        outcome.message = std::move(failure->message);
        outcome.at = failure->at;
        outcome.cpu = failure->cpu;
    }
    const sim::RecordStream& records = experiment.machine().records();
    outcome.records = records.committed();
    outcome.digest = records.digest().hex();
    for (const sim::Digest& link : records.chain())
        outcome.chain.push_back(link.hex());
    outcome.marks = marks.links();
    return outcome;
}

RunOutcome run_bundle(const Bundle& bundle, const Scenario& scenario, ExperimentOptions options,
                      DecisionList* recorded) {
    RecordMarks marks;
    options.metrics = false;
    options.consumers = {&marks};
    Experiment experiment(scenario, options);
    experiment.run();
    if (recorded)
        *recorded = experiment.decided();
    return outcome_of(experiment, marks, bundle.expectations);
}

ExperimentOptions replay_options(const Bundle& bundle) {
    ExperimentOptions options;
    options.seed = bundle.seed;
    options.looks = bundle.looks;
    options.decisions = bundle.decisions;
    return options;
}

std::optional<Scenario> load_scenario(const ScenarioLoader& loader, const Bundle& bundle, const std::string& file,
                                      std::vector<InputError>& errors) {
    std::vector<InputError> found;
    std::optional<Scenario> scenario = loader.load_text(file, bundle.scenario.dump(), {}, found);
    // Lines are those of no file.
    for (const InputError& error : found)
        errors.push_back(file_error(file, fmt::format("/scenario{}: {}", error.place.pointer, error.message)));
    if (!scenario)
        return std::nullopt;
    const sim::Duration longest = scenario->machine.max_stall;
    const std::vector<StallDecision>& stalls = bundle.decisions.stalls;
    for (std::size_t i = 0; i < stalls.size(); ++i)
        if (stalls[i].length > longest) {
            errors.push_back(file_error(file, fmt::format("/decisions/stalls/{}/length: {}", i,
                                                          found_expected(duration_text(stalls[i].length),
                                                                         fmt::format("at most machine.max_stall, {}",
                                                                                     duration_text(longest))))));
            return std::nullopt;
        }
    return scenario;
}

Bundle make_bundle(const ScenarioLoader& loader, const Scenario& scenario, const std::vector<std::string>& overrides,
                   const HuntFailure& failure, bool expectations) {
    Bundle bundle = bundle_without_run(scenario, overrides, failure.seed, hunt_looks(scenario.duration));
    bundle.expectations = expectations;
    if (failure.disturbance)
        put_disturbance(bundle.scenario, *failure.disturbance);
    ExperimentOptions first = replay_options(bundle);
    first.decisions.reset();
    first.schedule = failure.schedule;
    do_runs(bundle, loader, std::move(first));
    if (bundle.outcome.check != failure.check || bundle.outcome.at != failure.at)
        throw UnrepeatableRun(fmt::format("done again, the run of seed {} ends with {} at {}, not {} at {}",
                                          failure.seed, in_quotes(bundle.outcome.check), show(bundle.outcome.at),
                                          in_quotes(failure.check), show(failure.at)));
    return bundle;
}

Bundle bundle_of(const ScenarioLoader& loader, const Scenario& scenario, std::uint64_t seed, unsigned looks,
                 const Disturbance& disturbance, const DecisionList& decisions) {
    Bundle bundle = bundle_without_run(scenario, {}, seed, looks);
    put_disturbance(bundle.scenario, disturbance);
    bundle.decisions = decisions;
    do_runs(bundle, loader, replay_options(bundle));
    return bundle;
}

Bundle bundle_of_run(const ScenarioLoader& loader, const Scenario& scenario, const std::vector<std::string>& overrides,
                     const ExperimentOptions& options, bool expectations) {
    Bundle bundle = bundle_without_run(scenario, overrides, options.seed, options.looks);
    bundle.expectations = expectations;
    if (options.schedule)
        put_disturbance(bundle.scenario, scheduled_disturbance(*options.schedule, scenario.machine));
    ExperimentOptions first = replay_options(bundle);
    first.decisions = options.decisions;
    first.schedule = options.schedule;
    do_runs(bundle, loader, std::move(first));
    return bundle;
}

}  // namespace ticklab::lab
