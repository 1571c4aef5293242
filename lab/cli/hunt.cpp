#include "ticklab/lab/hunt/hunt.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ticklab/lab/bundle/bundle.hpp"
#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/interrupt.hpp"
#include "ticklab/lab/cli/progress_line.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/report.hpp"
#include "ticklab/lab/values.hpp"
#include "ticklab/lab/whole_file.hpp"

namespace ticklab::lab {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 2> kStrategies{"random", "seeds"};
constexpr std::array<std::string_view, 4> kEnds{"all seeds", "enough failures", "budget", "interrupted"};

struct Options {
    std::string file;
    std::vector<std::string> overrides;
    std::string seeds = "1..1000";
    std::string strategy = "random";
    unsigned jobs = default_jobs();
    std::uint64_t stop_after = 1;
    bool keep_going = false;
    std::string budget;
    bool expectations = false;
    std::string bundles;
    bool json = false;
};

/// A command line that does the run of that seed again, watched as any run is.
std::string replay_line(const Options& options, const Scenario& scenario, const HuntFailure& failure) {
    std::string line = fmt::format("ticklab run {} --seed {}", shell_quoted(options.file), failure.seed);
    for (const std::string& set : options.overrides)
        line += " --set " + shell_quoted(set);
    if (failure.disturbance)
        for (const std::string& set : failure.disturbance->overrides())
            line += " --set " + shell_quoted(set);
    return line + fmt::format("  # scenario {}, ticklab {}", scenario_hash(scenario.text), TICKLAB_VERSION);
}

/// Writes the bundle of a failure, whole, into the folder that was asked for; the name of the file.
std::string write_bundle(const Options& options, const ScenarioLoader& loader, const Scenario& scenario,
                         const HuntFailure& failure) {
    const Bundle bundle = make_bundle(loader, scenario, options.overrides, failure, options.expectations);
    const std::string file =
        (std::filesystem::path(options.bundles) / fmt::format("seed-{}.json", failure.seed)).string();
    write_whole_file(file, to_json(bundle).dump(1) + "\n");
    return file;
}

std::string show_cpu(sim::CpuId cpu) { return cpu == sim::kNoCpu ? std::string() : fmt::format(" on CPU {}", cpu); }

ExitCode exit_code(const HuntResult& result) {
    if (result.failures != 0)
        return ExitCode::kFailed;
    if (result.end == HuntEnd::kInterrupted)
        return ExitCode::kInterrupted;
    return result.end == HuntEnd::kBudget || result.inconclusive != 0 ? ExitCode::kInconclusive : ExitCode::kFine;
}

ExitCode hunt_for(const Options& options) {
    HuntOptions hunt_options;
    const Parsed<SeedRange> range = parse_seeds(options.seeds);
    if (!range.value)
        return refuse("--seeds", found_expected(in_quotes(options.seeds), range.expected));
    hunt_options.first_seed = range.value->first;
    hunt_options.last_seed = range.value->last;
    hunt_options.jobs = options.jobs;
    hunt_options.stop_after = options.keep_going ? 0 : options.stop_after;
    hunt_options.strategy = options.strategy == kStrategies[0] ? HuntStrategy::kRandom : HuntStrategy::kSeeds;
    hunt_options.count_expectations = options.expectations;
    if (!options.budget.empty()) {
        const Parsed<sim::Duration> budget = parse_duration(options.budget);
        if (!budget.value)
            return refuse("--budget", found_expected(in_quotes(options.budget), budget.expected));
        hunt_options.budget = std::chrono::duration_cast<std::chrono::nanoseconds>(*budget.value);
    }
    std::vector<InputError> errors;
    const ScenarioLoader loader(program_registry());
    const std::optional<Scenario> scenario = loader.load(options.file, options.overrides, errors);
    print_errors(errors);
    if (!scenario)
        return ExitCode::kBadInput;

    if (!options.bundles.empty()) {
        std::error_code error;
        std::filesystem::create_directories(options.bundles, error);
        if (error)
            return refuse(options.bundles, error.message());
    }
    fmt::print(stderr, "ticklab: {}: seeds {} to {}, strategy {}\n", scenario->name, hunt_options.first_seed,
               hunt_options.last_seed, options.strategy);
    Json failures = Json::array();
    bool repeatable = true;
    const std::uint64_t seeds = hunt_options.last_seed - hunt_options.first_seed + 1;
    RunsProgress line(seeds);
    HuntObserver observer;
    observer.interrupted = &InterruptWatch::interrupted;
    observer.progress = [&](const HuntResult& so_far) { line.show(so_far.runs, so_far.failures); };
    observer.failed = [&](const HuntFailure& f) {
        line.clear();
        const std::string replay = replay_line(options, *scenario, f);
        std::string bundle;
        if (!options.bundles.empty()) {
            try {
                bundle = write_bundle(options, loader, *scenario, f);
            } catch (const UnrepeatableRun& e) {
                complain(fmt::format("no bundle of seed {}: {}", f.seed, e.what()));
                repeatable = false;
            }
        }
        if (options.json) {
            failures.push_back({{"seed", f.seed},
                                {"check", f.check},
                                {"message", f.message},
                                {"at_ns", sim::ns_floor(f.at)},
                                {"cpu", f.cpu == sim::kNoCpu ? Json(nullptr) : Json(f.cpu)},
                                {"record_number", f.record_number},
                                {"replay", replay},
                                {"bundle", bundle.empty() ? Json(nullptr) : Json(bundle)}});
            return;
        }
        fmt::print("seed {}: {}\n  {}\n  at {}{}, after {} records\n  replay: {}\n", f.seed, f.check, f.message,
                   show(f.at), show_cpu(f.cpu), f.record_number, replay);
        if (!bundle.empty())
            fmt::print("  bundle: ticklab replay {}\n", shell_quoted(bundle));
        // What was found stays found, however the hunt ends.
        std::fflush(stdout);
    };
    const Clock::time_point began = Clock::now();
    HuntResult result;
    try {
        const InterruptWatch watch;
        result = hunt(*scenario, hunt_options, observer);
    } catch (const std::invalid_argument& e) {
        return refuse(options.file, e.what());
    }
    line.clear();
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    const std::string_view end = kEnds[static_cast<std::size_t>(result.end)];
    if (options.json)
        fmt::print("{}\n", Json{{"scenario", scenario->name},
                                {"scenario_hash", scenario_hash(scenario->text)},
                                {"version", TICKLAB_VERSION},
                                {"strategy", options.strategy},
                                {"first_seed", hunt_options.first_seed},
                                {"last_seed", hunt_options.last_seed},
                                {"end", end},
                                {"runs", result.runs},
                                {"failed", result.failures},
                                {"inconclusive", result.inconclusive},
                                {"records", result.records},
                                {"wall_seconds", seconds},
                                {"failures", std::move(failures)}}
                               .dump(2, ' ', false, Json::error_handler_t::replace));
    else
        fmt::print("{} of {} runs: {} failed, {} inconclusive; ended by {}; {} records, {:.1f} s, {:.0f} runs/s\n",
                   result.runs, seeds, result.failures, result.inconclusive, end, result.records, seconds,
                   static_cast<double>(result.runs) / seconds);
    return repeatable ? exit_code(result) : graver(exit_code(result), ExitCode::kNondeterminism);
}

}  // namespace

Command hunt_command() {
    const auto options = std::make_shared<Options>();
    return {"hunt", "Runs a scenario under many seeds, each disturbed in its own way, until a check fails.",
            [options](CLI::App& app) {
                add_scenario_argument(app, options->file);
                add_seeds(app, options->seeds);
                app.add_option("--strategy", options->strategy,
                               "random: each seed draws how much jitter, which stalls and whether ties are broken; "
                               "seeds: the scenario's own machine options hold")
                    ->check(CLI::IsMember(std::vector<std::string>(kStrategies.begin(), kStrategies.end())))
                    ->capture_default_str();
                add_jobs(app, options->jobs);
                app.add_option("--stop-after", options->stop_after, "End with this many failures")
                    ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX))
                    ->capture_default_str();
                app.add_flag("--keep-going", options->keep_going, "Go on to the last seed whatever is found");
                app.add_option("--budget", options->budget, "End after this much wall time, such as 60s")
                    ->type_name("TIME");
                app.add_flag("--expectations", options->expectations,
                             "Count missed expectations as failures; a disturbed run may miss exact times by right");
                app.add_option("--bundles", options->bundles,
                               "Keep each failure as a bundle in this folder, before it is printed; `replay` takes it")
                    ->type_name("FOLDER");
                add_overrides(app, options->overrides);
                app.add_flag("--json", options->json, "Print one JSON document");
                app.footer(
                    "\nExamples:\n  ticklab hunt scenarios/xen/hotplug-storm.json --seeds 1..200\n"
                    "  ticklab hunt my-scenario.json --set kernel.version=4.0 --keep-going --budget 60s");
            },
            [options] { return hunt_for(*options); }};
}

}  // namespace ticklab::lab
