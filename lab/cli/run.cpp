#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/interrupt.hpp"
#include "ticklab/lab/cli/progress_line.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/cli/timeline_cuts.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/report.hpp"
#include "ticklab/lab/timeline/timeline_writer.hpp"
#include "ticklab/lab/values.hpp"

namespace ticklab::lab {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    ScenarioOptions scenario;
    std::string until;
    std::string timeline;
    TimelineCuts cuts;
    std::string observers = "all";
    bool json = false;
    bool no_checks = false;
    bool repeat_check = false;
};

/// Watches the run from outside: stops it when the user asks to, and says how far it is, on a terminal.
class Progress final : public sim::RecordConsumer {
public:
    explicit Progress(sim::Duration length) : length_(length) {}
    void watch(Experiment& experiment) { experiment_ = &experiment; }

    void consume(std::span<const sim::Record> batch) override {
        if (InterruptWatch::interrupted())
            experiment_->stop();
        if (batch.empty() || !line_.due())
            return;
        const sim::Duration done = batch.back().at - sim::kBoot;
        line_.show(fmt::format(
            "{:>3} % of virtual time, {} records",
            static_cast<std::int64_t>(sim::Int128{done.count()} * 100 / std::max<std::int64_t>(1, length_.count())),
            experiment_->machine().records().committed()));
    }
    void clear() { line_.clear(); }

private:
    Experiment* experiment_ = nullptr;
    sim::Duration length_;
    ProgressLine line_{std::chrono::milliseconds{500}};
};

/// The options that are not default, as they would be typed.
std::string replay_line(const Options& options, const Scenario& scenario) {
    std::string line = "ticklab run " + options.scenario.command_line();
    if (!options.until.empty())
        line += " --until " + shell_quoted(options.until);
    if (options.no_checks)
        line += " --no-checks";
    if (options.observers != "all")
        line += " --observers " + options.observers;
    return line + fmt::format("  # scenario {}, ticklab {}", scenario_hash(scenario.text), TICKLAB_VERSION);
}

TimelineOptions timeline_options(const Scenario& scenario, const ExperimentOptions& base, const std::string& replay) {
    TimelineOptions options;
    options.cpu_count = scenario.machine.cpu_count;
    options.metadata = {{"seed", std::to_string(base.seed)},
                        {"scenario", scenario.name},
                        {"scenario_hash", scenario_hash(scenario.text)},
                        {"version", TICKLAB_VERSION},
                        {"replay", replay}};
    return options;
}

/// Writes a timeline too, unless the name of its file is empty.
RunReport perform(const Scenario& scenario, const ExperimentOptions& base, const std::string& replay,
                  const std::string& timeline_file, const TimelineOptions& timeline_options) {
    Progress progress(scenario.duration);
    ExperimentOptions options = base;
    std::optional<TimelineWriter> timeline;
    if (!timeline_file.empty())
        options.consumers.push_back(
            &timeline.emplace(open_timeline_file(timeline_file), timeline_options, program_registry().record_kinds()));
    options.consumers.push_back(&progress);
    const Clock::time_point began = Clock::now();
    Experiment experiment(scenario, options);
    progress.watch(experiment);
    experiment.run();
    progress.clear();
    if (timeline) {
        timeline->note("digest", experiment.machine().records().digest().hex());
        timeline->finish(experiment.reached(), experiment.machine().records());
    }
    const auto wall = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - began);
    return report_of(experiment, static_cast<std::uint64_t>(wall.count()), replay);
}

ExitCode run(const Options& options) {
    ExperimentOptions base;
    base.seed = options.scenario.seed;
    const bool observed = options.observers == "all";
    base.checks = observed && !options.no_checks;
    base.metrics = observed;
    if (!options.until.empty()) {
        const Parsed<sim::Duration> until = parse_duration(options.until);
        if (!until.value)
            return refuse("--until", found_expected(in_quotes(options.until), until.expected));
        base.until = sim::kBoot + *until.value;
    }
    const std::optional<Scenario> scenario = options.scenario.load();
    if (!scenario)
        return ExitCode::kBadInput;
    std::vector<InputError> errors;
    const std::string replay = replay_line(options, *scenario);
    TimelineOptions timeline = timeline_options(*scenario, base, replay);
    const sim::Time end = sim::kBoot + scenario->duration;
    apply_timeline_cuts(options.cuts, program_registry(), base.until ? std::min(*base.until, end) : end, timeline,
                        errors);
    if (!errors.empty()) {
        print_errors(errors);
        return ExitCode::kBadInput;
    }

    fmt::print(stderr, "ticklab: {}: seed {}\n", scenario->name, options.scenario.seed);
    std::optional<InterruptWatch> watch(std::in_place);
    std::optional<RunReport> report;
    try {
        report = perform(*scenario, base, replay, options.timeline, timeline);
    } catch (const std::invalid_argument& e) {
        return refuse(options.scenario.file, e.what());
    }
    ExitCode code = exit_code_of(*report);
    if (options.repeat_check && report->end != sim::RunEnd::kStopped) {
        const RunReport again = perform(*scenario, base, replay, {}, timeline);
        if (again.end != sim::RunEnd::kStopped &&
            (again.digest != report->digest || again.records != report->records)) {
            fmt::print(stderr, "ticklab: the second run has another digest: {} with {} records, not {} with {}\n",
                       again.digest.hex(), again.records, report->digest.hex(), report->records);
            code = graver(code, ExitCode::kNondeterminism);
        }
        code = graver(code, exit_code_of(again));
    }
    watch.reset();
    if (options.json)
        fmt::print("{}\n", json_report(*report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    else
        fmt::print("{}", text_report(*report, colour_allowed(STDOUT_FILENO)));
    return code;
}

}  // namespace

Command run_command() {
    const auto options = std::make_shared<Options>();
    return {"run", "Runs a scenario and reports what happened.",
            [options](CLI::App& app) {
                options->scenario.add_to(app);
                CLI::Option* const timeline =
                    app.add_option("--timeline", options->timeline,
                                   "Write a timeline that opens in ui.perfetto.dev; gzipped if the name ends in .gz")
                        ->type_name("FILE");
                add_timeline_cuts(app, options->cuts, *timeline);
                app.add_option("--until", options->until, "End the run at this instant of virtual time, such as 5ms")
                    ->type_name("TIME");
                app.add_flag("--no-checks", options->no_checks, "Leave out the checks of timers and structures");
                app.add_option("--observers", options->observers,
                               "all, or none: no checks of timers and no figures of them; the digest stays the same")
                    ->check(CLI::IsMember({"all", "none"}))
                    ->capture_default_str();
                app.add_flag("--repeat-check", options->repeat_check,
                             "Run twice and compare the digests; exit code 4 if they differ");
                app.add_flag("--json", options->json, "Print one JSON document");
                app.footer(
                    "\nExamples:\n  ticklab run scenarios/xen/range-2008.json\n"
                    "  ticklab run my-scenario.json --seed 7 --set machine.cpus=64 --timeline timeline.json");
            },
            [options] { return run(*options); }};
}

}  // namespace ticklab::lab
