#include "ticklab/lab/hunt/hunt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include "ticklab/lab/bundle/bundle.hpp"
#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
#include "ticklab/lab/cli/hunt_report.hpp"
#include "ticklab/lab/cli/interrupt.hpp"
#include "ticklab/lab/cli/progress_line.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/hunt/hunt_document.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/report.hpp"
#include "ticklab/lab/values.hpp"
#include "ticklab/lab/whole_file.hpp"

namespace ticklab::lab {
namespace {

using Clock = std::chrono::steady_clock;

/// What is found is on the disk after so long at the latest, however the program ends.
constexpr std::chrono::seconds kSaveEvery{5};

struct Options {
    std::string file;
    std::vector<std::string> overrides;
    std::string seeds;
    std::string strategy = "random";
    std::uint64_t depth = 0;
    unsigned jobs = default_jobs();
    std::uint64_t stop_after = 1;
    bool keep_going = false;
    std::string budget;
    std::string shard;
    std::string out;
    std::string resume;
    std::string bundles;
    bool swarm = false;
    bool expectations = false;
    bool json = false;
};

/// A command line that does that run again, watched as any run is.
std::string replay_line(const Options& options, const Scenario& scenario, const HuntFailure& failure) {
    ScenarioOptions run{options.file, failure.drawn, failure.seed};
    run.overrides.insert(run.overrides.end(), options.overrides.begin(), options.overrides.end());
    if (failure.schedule)
        run.schedule = schedule_text(*failure.schedule);
    else if (failure.disturbance)
        for (std::string& set : failure.disturbance->overrides())
            run.overrides.push_back(std::move(set));
    return fmt::format("ticklab run {}  # scenario {}, ticklab {}", run.command_line(), scenario_hash(scenario.text),
                       TICKLAB_VERSION);
}

/// Writes the failures of one hunt as bundles into the folder that was asked for.
class BundleWriter {
public:
    BundleWriter(const Options& options, const ScenarioLoader& loader, const Scenario& scenario,
                 const HuntOptions& hunt)
        : options_(options), loader_(loader), scenario_(scenario), hunt_(hunt) {}

    /// The name of the file, which is whole; empty if none was asked for, or the run does not come back, which is said.
    std::string write(const HuntFailure& failure) {
        if (options_.bundles.empty())
            return {};
        try {
            const Swarm* const swarm = hunt_.swarm;
            const Bundle bundle =
                swarm ? make_bundle(loader_, swarm->load(failure.seed, failure.drawn), swarm->overrides(failure.drawn),
                                    failure, options_.expectations)
                      : make_bundle(loader_, scenario_, options_.overrides, failure, options_.expectations);
            std::string file = (std::filesystem::path(options_.bundles) / file_name(failure)).string();
            write_whole_file(file, document_text(to_json(bundle)));
            return file;
        } catch (const UnrepeatableRun& e) {
            complain(fmt::format("no bundle of run {}: {}", failure.run, e.what()));
            repeatable_ = false;
            return {};
        }
    }
    /// Whether every failure came back so far.
    bool repeatable() const { return repeatable_; }

private:
    std::string file_name(const HuntFailure& failure) const {
        return goes_through_one_seed(hunt_.strategy, hunt_.depth)
                   ? fmt::format("{}-run-{}.json", options_.strategy, failure.run)
                   : fmt::format("{}{}-seed-{}.json", hunt_.swarm ? "swarm-" : "", options_.strategy, failure.seed);
    }

    const Options& options_;
    const ScenarioLoader& loader_;
    const Scenario& scenario_;
    const HuntOptions& hunt_;
    bool repeatable_ = true;
};

/// Null if there is none that is a number.
std::optional<std::uint64_t> number_in_environment(const char* name) {
    const char* const text = std::getenv(name);
    if (!text)
        return std::nullopt;
    const Parsed<SeedRange> range = parse_seeds(text);
    return range.value && range.value->first == range.value->last ? std::optional(range.value->first) : std::nullopt;
}

Parsed<HuntShard> parse_shard(std::string_view text) {
    if (text == "slurm") {
        const auto task = number_in_environment("SLURM_ARRAY_TASK_ID");
        const auto first = number_in_environment("SLURM_ARRAY_TASK_MIN");
        const auto count = number_in_environment("SLURM_ARRAY_TASK_COUNT");
        if (task && first && count && *task >= *first && *task - *first < *count)
            return {HuntShard{*task - *first, *count}, {}};
        return {std::nullopt, "a task of a Slurm job array without gaps (SLURM_ARRAY_TASK_ID, _MIN and _COUNT)"};
    }
    const std::size_t slash = text.find('/');
    if (slash != std::string_view::npos) {
        const Parsed<SeedRange> index = parse_seeds(text.substr(0, slash)), count = parse_seeds(text.substr(slash + 1));
        const auto single = [](const Parsed<SeedRange>& r) { return r.value && r.value->first == r.value->last; };
        if (single(index) && single(count) && index.value->first >= 1 && index.value->first <= count.value->first)
            return {HuntShard{index.value->first - 1, count.value->first}, {}};
    }
    return {std::nullopt, "K/N with K from 1 to N, or slurm"};
}

/// Prints an error and returns nothing if an option is none.
std::optional<HuntOptions> hunt_options_of(const Options& options) {
    const auto refused = [](const std::string& where, const std::string& message) {
        (void)refuse(where, message);
        return std::nullopt;
    };
    HuntOptions hunt;
    const auto strategy = std::find(kHuntStrategies.begin(), kHuntStrategies.end(), options.strategy);
    hunt.strategy = static_cast<HuntStrategy>(strategy - kHuntStrategies.begin());
    const bool scheduled = hunt.strategy != HuntStrategy::kRandom && hunt.strategy != HuntStrategy::kSeeds;
    if (options.depth != 0 && !scheduled)
        return refused("--depth", found_expected("strategy " + options.strategy, "pct, delay or exhaustive"));
    if (options.depth != 0)
        hunt.depth = options.depth;
    else if (hunt.strategy == HuntStrategy::kPct)
        hunt.depth = kPctDepth;

    const bool one_seed = goes_through_one_seed(hunt.strategy, hunt.depth);
    if (options.swarm && one_seed)
        return refused("--swarm", found_expected(fmt::format("strategy {} of depth {}", options.strategy, hunt.depth),
                                                 "random, seeds, pct, or delay of depth 2 or more: this one goes "
                                                 "through the places of one seed"));
    const std::string seeds = !options.seeds.empty() ? options.seeds : one_seed ? "1" : "1..1000";
    const Parsed<SeedRange> range = parse_seeds(seeds);
    if (!range.value)
        return refused("--seeds", found_expected(in_quotes(seeds), range.expected));
    if (one_seed && range.value->first != range.value->last)
        return refused("--seeds", found_expected(in_quotes(seeds), "one seed: strategy " + options.strategy +
                                                                       " goes through the places of one"));
    hunt.first_seed = range.value->first;
    hunt.last_seed = range.value->last;
    if (!options.shard.empty()) {
        const Parsed<HuntShard> shard = parse_shard(options.shard);
        if (!shard.value)
            return refused("--shard", found_expected(in_quotes(options.shard), shard.expected));
        if (hunt.strategy == HuntStrategy::kExhaustive && shard.value->count != 1)
            return refused("--shard",
                           found_expected("strategy exhaustive", "another: its runs follow from each other"));
        hunt.shard = *shard.value;
    }
    hunt.jobs = options.jobs;
    hunt.stop_after = options.keep_going ? 0 : options.stop_after;
    hunt.count_expectations = options.expectations;
    if (!options.budget.empty()) {
        const Parsed<sim::Duration> budget = parse_duration(options.budget);
        if (!budget.value)
            return refused("--budget", found_expected(in_quotes(options.budget), budget.expected));
        hunt.budget = std::chrono::duration_cast<std::chrono::nanoseconds>(*budget.value);
    }
    return hunt;
}

/// The document of a hunt that grows while the hunt goes on, and the file it is kept in, if any.
class Findings {
public:
    Findings(HuntJson head, std::string file) : head_(std::move(head)), file_(std::move(file)) {}
    void go_on_from(const HuntFile& before) {
        failures_ = before.document["failures"];
        seconds_before_ = before.document["wall_seconds"].get<double>();
    }
    void add(const HuntJson& failure) {
        failures_.push_back(failure);
        due_ = true;
    }
    void save_now_and_then(HuntResult so_far) {
        if (file_.empty() || (!due_ && Clock::now() - saved_at_ < kSaveEvery))
            return;
        // Whatever ends the program now interrupts the hunt.
        so_far.end = HuntEnd::kInterrupted;
        save(so_far);
    }
    void save(const HuntResult& result) {
        if (!file_.empty())
            write_whole_file(file_, document_text(document(result)));
        saved_at_ = Clock::now();
        due_ = false;
    }
    HuntJson document(const HuntResult& result) const {
        return hunt_document(head_, result,
                             seconds_before_ + std::chrono::duration<double>(Clock::now() - began_).count(), failures_);
    }

private:
    HuntJson head_;
    std::string file_;
    HuntJson failures_ = HuntJson::array();
    double seconds_before_ = 0;
    bool due_ = true;
    const Clock::time_point began_ = Clock::now();
    Clock::time_point saved_at_ = began_;
};

ExitCode hunt_for(const Options& options) {
    std::optional<HuntOptions> hunt_options = hunt_options_of(options);
    if (!hunt_options)
        return ExitCode::kBadInput;
    std::vector<InputError> errors;
    const ScenarioLoader loader(program_registry());
    const std::optional<Scenario> scenario = loader.load(options.file, options.overrides, errors);
    print_errors(errors);
    if (!scenario)
        return ExitCode::kBadInput;
    std::optional<Swarm> swarm;
    if (options.swarm) {
        swarm = Swarm::read(loader, *scenario, options.overrides, errors);
        print_errors(errors);
        if (!swarm)
            return ExitCode::kBadInput;
        if (swarm->empty())
            return refuse(options.file, found_expected("no \"swarm\" with a place that no --set fixes",
                                                       "what a run may have otherwise, such as \"swarm\": [{\"set\": "
                                                       "\"/machine/cpus\", \"from\": 2, \"to\": 16}]"));
        hunt_options->swarm = &*swarm;
    }
    if (!options.bundles.empty()) {
        std::error_code error;
        std::filesystem::create_directories(options.bundles, error);
        if (error)
            return refuse(options.bundles, error.message());
    }

    const HuntJson head = hunt_head(*scenario, *hunt_options, options.overrides);
    Findings findings(head, options.resume.empty() ? options.out : options.resume);
    if (!options.resume.empty()) {
        const HuntFile before = read_hunt_file(options.resume);
        if (!before.problem.empty())
            return refuse(options.resume, before.problem);
        if (const std::string member = hunt_difference(before.document, head, false); !member.empty())
            return refuse(options.resume,
                          found_expected(fmt::format("\"{}\": {}", member, hunt_member(before.document, member).dump()),
                                         fmt::format("{}, as of this hunt", hunt_member(head, member).dump())));
        hunt_options->before = before.result;
        findings.go_on_from(before);
    }
    const std::string seeds = hunt_options->first_seed == hunt_options->last_seed
                                  ? fmt::format("seed {}", hunt_options->first_seed)
                                  : fmt::format("seeds {} to {}", hunt_options->first_seed, hunt_options->last_seed);
    fmt::print(stderr, "ticklab: {}: {}, strategy {}{}{}{}\n", scenario->name, seeds, options.strategy,
               swarm ? ", swarm: " + swarm->text() : "",
               hunt_options->shard.count == 1
                   ? ""
                   : fmt::format(", shard {}/{}", hunt_options->shard.index + 1, hunt_options->shard.count),
               hunt_options->before.runs == 0 ? "" : fmt::format(", from run {} on", hunt_options->before.runs));
    RunsProgress line(hunt_options->before.runs);
    BundleWriter bundles(options, loader, *scenario, *hunt_options);
    HuntObserver observer;
    observer.interrupted = &InterruptWatch::interrupted;
    HuntResult result = hunt_options->before;
    observer.progress = [&](const HuntResult& so_far) {
        result = so_far;
        line.show(so_far.runs, so_far.total, so_far.failures);
        findings.save_now_and_then(so_far);
    };
    observer.failed = [&](const HuntFailure& f) {
        line.clear();
        const HuntJson failure = hunt_failure(f, replay_line(options, *scenario, f), bundles.write(f));
        findings.add(failure);
        if (options.json)
            return;
        fmt::print("{}", failure_text(failure));
        // What was found stays found, however the hunt ends.
        std::fflush(stdout);
    };
    std::string problem;
    try {
        const InterruptWatch watch;
        findings.save_now_and_then(hunt_options->before);
        result = hunt(*scenario, *hunt_options, observer);
    } catch (const std::invalid_argument& e) {
        problem = e.what();
        result.end = HuntEnd::kInterrupted;
    }
    line.clear();
    if (!problem.empty() && result.runs == 0)
        return refuse(options.file, problem);
    findings.save(result);
    const HuntJson document = findings.document(result);
    fmt::print("{}", options.json ? document_text(document) : summary_text(document));
    if (!problem.empty())
        return refuse(options.file, problem);
    const ExitCode code = exit_code_of(result);
    return bundles.repeatable() ? code : graver(code, ExitCode::kNondeterminism);
}

}  // namespace

Command hunt_command() {
    const auto options = std::make_shared<Options>();
    return {
        "hunt", "Runs a scenario many times, each time disturbed in another way, until a check fails.",
        [options](CLI::App& app) {
            add_scenario_argument(app, options->file);
            app.add_option("--seeds", options->seeds,
                           "Seeds A..B, both included; one where the strategy goes through the places of one seed")
                ->type_name("A..B")
                ->default_str("1..1000, or 1");
            app.add_option("--strategy", options->strategy,
                           "random: each seed draws how much jitter, which stalls, at which places, and whether ties "
                           "are broken; seeds: the scenario's own machine options hold; pct: CPUs have priorities "
                           "that change at DEPTH - 1 points; delay: DEPTH stalls, of one each place in turn, the "
                           "promising ones first, of more by chance; exhaustive: all ways to stall or to break a tie "
                           "at up to DEPTH places")
                ->check(CLI::IsMember(std::vector<std::string>(kHuntStrategies.begin(), kHuntStrategies.end())))
                ->capture_default_str();
            app.add_option("--depth", options->depth, "Of pct, delay and exhaustive: how many places count at once")
                ->check(CLI::Range(std::uint64_t{1}, kMaxScheduleDepth))
                ->default_str("3 for pct, else 1");
            add_jobs(app, options->jobs);
            CLI::Option* const stop_after =
                app.add_option("--stop-after", options->stop_after, "End with this many failures")
                    ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX))
                    ->capture_default_str();
            app.add_flag("--keep-going", options->keep_going, "Go on to the last run whatever is found")
                ->excludes(stop_after);
            app.add_option("--budget", options->budget, "End after this much wall time, such as 60s")
                ->type_name("TIME");
            app.add_flag("--swarm", options->swarm,
                         "Each seed also draws what the scenario's \"swarm\" leaves open: how many CPUs, when, "
                         "with or without");
            app.add_flag("--expectations", options->expectations,
                         "Count missed expectations as failures; a disturbed run may miss exact times by right");
            app.add_option("--shard", options->shard,
                           "Do every Nth run, from the Kth on; slurm: as the task of a job array says")
                ->type_name("K/N");
            CLI::Option* const out =
                app.add_option("--out", options->out, "Keep the result in this file, as JSON, while the hunt goes on")
                    ->type_name("FILE");
            app.add_option("--resume", options->resume,
                           "Go on with the hunt that this file is the result of, and keep the result in it")
                ->type_name("FILE")
                ->excludes(out);
            app.add_option("--bundles", options->bundles,
                           "Keep each failure as a bundle in this folder, before it is printed; `replay`, `shrink`, "
                           "`run` and `why` take it")
                ->type_name("FOLDER");
            add_overrides(app, options->overrides);
            app.add_flag("--json", options->json, "Print one JSON document");
            app.footer(
                "\nExamples:\n  ticklab hunt scenarios/xen/hotplug-storm.json --seeds 1..200\n"
                "  ticklab hunt scenarios/linux/tmigr-hotplug-storm.json --swarm --seeds 1..500\n"
                "  ticklab hunt my-scenario.json --strategy delay --keep-going --out delays.json\n"
                "  ticklab hunt my-scenario.json --strategy delay --keep-going --resume delays.json\n"
                "  ticklab hunt my-scenario.json --seeds 1..1000 --bundles found\n"
                "  ticklab hunt my-scenario.json --set kernel.version=4.0 --keep-going --budget 60s");
        },
        [options] { return hunt_for(*options); }};
}

}  // namespace ticklab::lab
