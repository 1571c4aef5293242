#include "ticklab/lab/bisect/bisect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
#include "ticklab/lab/cli/interrupt.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/hunt/hunt_document.hpp"
#include "ticklab/lab/joined.hpp"

namespace ticklab::lab {
namespace {

using Json = nlohmann::ordered_json;

struct BisectCommandOptions {
    ScenarioOptions scenario;
    std::string seeds;
    std::string strategy = "seeds";
    std::string from, to;
    std::string check;
    unsigned jobs = default_jobs();
    bool json = false;
};

/// Deeper than one single delay, which a hunt tries in the order of places and lengths, under one seed.
std::uint64_t bisect_depth(HuntStrategy strategy) {
    return strategy == HuntStrategy::kPct ? 3 : strategy == HuntStrategy::kDelay ? 2 : 1;
}

std::string trial_text(const BisectTrial& trial) {
    std::string text = trial.version;
    if (!trial.without.empty())
        text += " without " + joined(trial.without, ", ");
    if (!trial.with.empty())
        text += " with " + joined(trial.with, ", ");
    return !trial.check.empty()
               ? fmt::format("{}: {}, seed {}: {}: {}", text, trial.passed_over ? "passed over" : "fails", trial.seed,
                             trial.check, trial.message)
               : fmt::format("{}: fine, {} {}", text, trial.runs, trial.runs == 1 ? "run" : "runs");
}

Json to_json(const Bisection& bisection) {
    Json trials = Json::array(), changes = Json::array();
    for (const BisectTrial& trial : bisection.trials) {
        trials.push_back({{"version", trial.version}, {"without", trial.without}, {"with", trial.with}});
        trials.back().update(
            Json{{"failed", trial.failed()}, {"passed_over", trial.passed_over}, {"runs", trial.runs}});
        if (!trial.check.empty())
            trials.back().update(Json{{"seed", trial.seed}, {"check", trial.check}, {"message", trial.message}});
    }
    for (const sim::ChangeDecl* const change : bisection.changes)
        changes.push_back(
            {{"id", change->id}, {"name", change->name}, {"fixed_in", change->since}, {"symptom", change->symptom}});
    const bool found = bisection.end == BisectEnd::kFound;
    return {{"found", found},
            {"before", found ? Json(bisection.before) : Json(nullptr)},
            {"after", found ? Json(bisection.after) : Json(nullptr)},
            {"fails_after", found ? Json(bisection.fails_after) : Json(nullptr)},
            {"put_in", found ? Json(bisection.put_in) : Json(nullptr)},
            {"changes", changes},
            {"trials", trials}};
}

std::string found_text(const Bisection& bisection) {
    std::string text = bisection.before == bisection.after
                           ? fmt::format("both ends are {}\n", bisection.before)
                           : fmt::format("{} in {}, {} in {}\n", bisection.fails_after ? "fine" : "fails",
                                         bisection.before, bisection.fails_after ? "fails" : "fine", bisection.after);
    if (bisection.changes.size() > 1)
        text += "changes that cannot be told apart:\n";
    for (const sim::ChangeDecl* const change : bisection.changes)
        text += fmt::format("{} ({}) is {}; {}. Without it {}\n", change->id, change->name,
                            bisection.put_in ? "put in" : "left out",
                            change->since.empty() ? std::string("no release has it")
                                                  : fmt::format("releases have it from {} on", change->since),
                            change->symptom);
    return text;
}

/// Prints an error and returns nothing if an option is none.
std::optional<BisectOptions> bisect_options_of(const BisectCommandOptions& options) {
    BisectOptions bisect{options.from, options.to, options.check, {}};
    bisect.hunt.strategy = static_cast<HuntStrategy>(
        std::find(kHuntStrategies.begin(), kHuntStrategies.end(), options.strategy) - kHuntStrategies.begin());
    bisect.hunt.depth = bisect_depth(bisect.hunt.strategy);
    bisect.hunt.jobs = options.jobs;
    bisect.hunt.count_expectations = bisect.hunt.strategy == HuntStrategy::kSeeds;
    const std::string seeds = !options.seeds.empty()                         ? options.seeds
                              : bisect.hunt.strategy == HuntStrategy::kSeeds ? "1"
                                                                             : "1..100";
    const Parsed<SeedRange> range = parse_seeds(seeds);
    if (!range.value) {
        (void)refuse("--seeds", found_expected(in_quotes(seeds), range.expected));
        return std::nullopt;
    }
    bisect.hunt.first_seed = range.value->first;
    bisect.hunt.last_seed = range.value->last;
    return bisect;
}

/// False, and an error is printed, if it is given and is none of the kernel's.
bool is_version(const std::string& option, const std::string& version, const sim::KernelDecl& kernel) {
    if (version.empty() || std::find(kernel.versions.begin(), kernel.versions.end(), version) != kernel.versions.end())
        return true;
    (void)refuse(option,
                 found_expected(in_quotes(version), fmt::format("a version of kernel {}, \"{}\" to \"{}\"", kernel.name,
                                                                kernel.versions.front(), kernel.versions.back())));
    return false;
}

/// The same for a check of the machine, of lab/ or of the kernel.
bool is_check(const std::string& name, const sim::KernelDecl& kernel) {
    if (name.empty() || name == MuseumEntry::kExpectationFails)
        return true;
    const std::vector<std::string_view> names = program_registry().check_names(kernel);
    if (std::find(names.begin(), names.end(), name) != names.end())
        return true;
    (void)refuse("--check", found_expected(in_quotes(name), "a check of `ticklab list checks`, or expectation",
                                           nearest_word(name, names)));
    return false;
}

ExitCode bisect_for(const BisectCommandOptions& options) {
    const std::optional<BisectOptions> bisect_options = bisect_options_of(options);
    if (!bisect_options)
        return ExitCode::kBadInput;
    const ScenarioLoader loader(program_registry());
    const std::optional<RunInput> input = options.scenario.load(loader);
    if (!input)
        return ExitCode::kBadInput;
    if (input->bundle)
        return refuse(options.scenario.file, found_expected("a bundle", "a scenario: decisions are of one kernel"));
    if (!is_version("--from", options.from, *input->scenario.kernel) ||
        !is_version("--to", options.to, *input->scenario.kernel) || !is_check(options.check, *input->scenario.kernel))
        return ExitCode::kBadInput;
    fmt::print(stderr, "ticklab: {}: seeds {} to {}, strategy {}\n", input->scenario.name,
               bisect_options->hunt.first_seed, bisect_options->hunt.last_seed, options.strategy);
    BisectObserver observer;
    observer.interrupted = &InterruptWatch::interrupted;
    observer.tried = [&](const BisectTrial& trial) {
        if (!options.json)
            fmt::print("{}\n", trial_text(trial));
    };
    Bisection bisection;
    try {
        const InterruptWatch watch;
        bisection = bisect(loader, options.scenario.file, input->document, input->scenario, *bisect_options, observer);
    } catch (const std::invalid_argument& e) {
        return refuse(options.scenario.file, e.what());
    }
    if (options.json)
        fmt::print("{}", document_text(to_json(bisection)));
    else if (bisection.end == BisectEnd::kFound)
        fmt::print("{}", found_text(bisection));
    else if (bisection.end == BisectEnd::kNoDifference)
        fmt::print("no difference between the ends\n");
    return bisection.end == BisectEnd::kFound          ? ExitCode::kFine
           : bisection.end == BisectEnd::kNoDifference ? ExitCode::kInconclusive
                                                       : ExitCode::kInterrupted;
}

}  // namespace

Command bisect_command() {
    const auto options = std::make_shared<BisectCommandOptions>();
    return {"bisect", "Finds the change of a kernel that makes a scenario fail or pass: by version, then by change.",
            [options](CLI::App& app) {
                add_scenario_argument(app, options->scenario.file);
                app.add_option("--seeds", options->seeds, "A kernel fails if it does under one of the seeds A..B")
                    ->type_name("A..B")
                    ->default_str("1, or 1..100 with a strategy that disturbs");
                app.add_option(
                       "--strategy", options->strategy,
                       "As of `hunt`: pct with depth 3, delay with two stalls; but for seeds, only checks count and "
                       "no expectations")
                    ->check(CLI::IsMember(std::vector<std::string>{"random", "seeds", "pct", "delay"}))
                    ->capture_default_str();
                app.add_option("--from", options->from, "First version to look at")
                    ->type_name("VERSION")
                    ->default_str("the first that takes the scenario");
                app.add_option("--to", options->to, "Last version to look at")
                    ->type_name("VERSION")
                    ->default_str("the last that takes it");
                app.add_option("--check", options->check,
                               "A kernel fails by this check alone; one that fails by others is passed over")
                    ->type_name("CHECK");
                add_jobs(app, options->jobs);
                add_overrides(app, options->scenario.overrides);
                app.add_flag("--json", options->json, "Print one JSON document");
                app.footer(
                    "\nExamples:\n  ticklab bisect scenarios/xen/fixes/XEN-31.json\n"
                    "  ticklab bisect my-scenario.json --strategy random --seeds 1..500 --from 6.9 --to 6.12");
            },
            [options] { return bisect_for(*options); }};
}

}  // namespace ticklab::lab
