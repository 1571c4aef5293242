#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ticklab/lab/bundle/bundle.hpp"
#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
#include "ticklab/lab/cli/interrupt.hpp"
#include "ticklab/lab/cli/progress_line.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/cli/timeline_cuts.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/ftrace/ftrace_writer.hpp"
#include "ticklab/lab/lens/tmigr_lens.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/report.hpp"
#include "ticklab/lab/timeline/timeline_writer.hpp"
#include "ticklab/lab/values.hpp"
#include "ticklab/lab/whole_file.hpp"

namespace ticklab::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kTmigrLens = "tmigr";

struct Options {
    ScenarioOptions scenario;
    std::string until;
    std::string timeline;
    std::string ftrace;
    std::string lens;
    TimelineCuts cuts;
    std::string observers = "all";
    bool json = false;
    bool no_checks = false;
    bool repeat_check = false;
    std::string bundle;
    std::optional<std::uint64_t> around;
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
std::string replay_line(const Options& options, const RunInput& input) {
    std::string line = "ticklab run " + input.command_line;
    if (!options.until.empty())
        line += " --until " + shell_quoted(options.until);
    if (options.no_checks)
        line += " --no-checks";
    if (options.observers != "all")
        line += " --observers " + options.observers;
    return line + fmt::format("  # scenario {}, ticklab {}", scenario_hash(input.scenario.text), TICKLAB_VERSION);
}

/// What a run writes besides its report; nothing where the name of a file is empty.
struct Outputs {
    std::string timeline_file, ftrace_file;
    bool tmigr_lens = false;
    /// The span and what tells where the run comes from count for all of them.
    TimelineOptions cuts;
};

Outputs outputs_of(const Options& options, const RunInput& input, const std::string& replay) {
    const Scenario& scenario = input.scenario;
    Outputs outputs{options.timeline, options.ftrace, options.lens == kTmigrLens, {}};
    outputs.cuts.cpu_count = scenario.machine.cpu_count;
    outputs.cuts.metadata = {{"seed", std::to_string(input.options.seed)},
                             {"scenario", scenario.name},
                             {"scenario_hash", scenario_hash(scenario.text)},
                             {"version", TICKLAB_VERSION},
                             {"replay", replay}};
    return outputs;
}

FtraceOptions ftrace_options(const TimelineOptions& cuts) {
    FtraceOptions options;
    options.cpu_count = cuts.cpu_count;
    options.from = cuts.from;
    options.to = cuts.to;
    options.notes = cuts.metadata;
    return options;
}

RunReport perform(const Scenario& scenario, const ExperimentOptions& base, const std::string& replay,
                  const Outputs& outputs) {
    Progress progress(scenario.duration);
    ExperimentOptions options = base;
    const std::span<const sim::RecordKind* const> kinds = program_registry().record_kinds();
    std::optional<TimelineWriter> timeline;
    if (!outputs.timeline_file.empty())
        options.consumers.push_back(&timeline.emplace(open_timeline_file(outputs.timeline_file), outputs.cuts, kinds));
    std::optional<FtraceWriter> ftrace;
    if (!outputs.ftrace_file.empty())
        options.consumers.push_back(
            &ftrace.emplace(open_timeline_file(outputs.ftrace_file), ftrace_options(outputs.cuts), kinds));
    std::optional<TmigrLens> lens;
    if (outputs.tmigr_lens)
        options.consumers.push_back(
            &lens.emplace([](std::string_view text) { fmt::print("{}", text); }, outputs.cuts.from, outputs.cuts.to));
    options.consumers.push_back(&progress);
    const Clock::time_point began = Clock::now();
    Experiment experiment(scenario, options);
    progress.watch(experiment);
    if (lens)
        lens->watch(experiment.machine().records());
    experiment.run();
    progress.clear();
    if (timeline) {
        timeline->note("digest", experiment.machine().records().digest().hex());
        timeline->finish(experiment.reached(), experiment.machine().records());
    }
    if (ftrace) {
        ftrace->note("digest", experiment.machine().records().digest().hex());
        ftrace->finish(experiment.machine().records());
    }
    if (lens && lens->empty())
        fmt::print(stderr,
                   "ticklab: --lens: no step of the hierarchy in that span; only placement \"tmigr\" has one\n");
    const auto wall = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - began);
    return report_of(experiment, static_cast<std::uint64_t>(wall.count()), replay);
}

/// Keeps the run as a bundle. Does it again for that.
ExitCode write_bundle(const Options& options, const ScenarioLoader& loader, const RunInput& input) {
    try {
        Bundle bundle = bundle_of_run(loader, input.scenario, options.scenario.overrides, input.options,
                                      input.bundle && input.bundle->expectations);
        if (options.around) {
            if (*options.around > bundle.outcome.records)
                return refuse("--around",
                              found_expected(std::to_string(*options.around),
                                             fmt::format("one of the run's {} records", bundle.outcome.records)));
            bundle.near = context_of(input.scenario, input.options, *options.around);
        }
        write_whole_file(options.bundle, document_text(to_json(bundle)));
        return ExitCode::kFine;
    } catch (const UnrepeatableRun& e) {
        complain(fmt::format("no bundle: {}", e.what()));
        return ExitCode::kNondeterminism;
    }
}

ExitCode run(const Options& options) {
    if (!options.bundle.empty() && (!options.until.empty() || options.no_checks || options.observers != "all"))
        return refuse("--bundle", found_expected("a run that is cut or not checked",
                                                 "none of --until, --no-checks and --observers"));
    if ((options.cuts.from || options.cuts.to) && options.timeline.empty() && options.ftrace.empty() &&
        options.lens.empty())
        return refuse(options.cuts.from ? "--from" : "--to",
                      found_expected("nothing to cut", "--timeline, --ftrace or --lens"));
    std::optional<sim::Time> until;
    if (!options.until.empty()) {
        const Parsed<sim::Duration> parsed = parse_duration(options.until);
        if (!parsed.value)
            return refuse("--until", found_expected(in_quotes(options.until), parsed.expected));
        until = sim::kBoot + *parsed.value;
    }
    const ScenarioLoader loader(program_registry());
    std::optional<RunInput> input = options.scenario.load(loader);
    if (!input)
        return ExitCode::kBadInput;
    const Scenario& scenario = input->scenario;
    ExperimentOptions& base = input->options;
    base.until = until;
    const bool observed = options.observers == "all";
    base.checks = observed && !options.no_checks;
    base.metrics = observed;
    std::vector<InputError> errors;
    const std::string replay = replay_line(options, *input);
    Outputs outputs = outputs_of(options, *input, replay);
    if (!options.ftrace.empty() && !FtraceWriter::any_text(scenario.kernel->records))
        errors.push_back(
            file_error("--ftrace", found_expected(fmt::format("kernel {}", in_quotes(scenario.kernel->name)),
                                                  "one with trace points, such as \"linux\"")));
    if (!options.lens.empty() && !TmigrLens::has_steps(scenario.kernel->records))
        errors.push_back(
            file_error("--lens", found_expected(fmt::format("kernel {}", in_quotes(scenario.kernel->name)),
                                                "one with a hierarchy of timer migration, such as \"linux\"")));
    const sim::Time end = sim::kBoot + scenario.duration;
    apply_timeline_cuts(options.cuts, program_registry(), base.until ? std::min(*base.until, end) : end, outputs.cuts,
                        errors);
    if (!errors.empty()) {
        print_errors(errors);
        return ExitCode::kBadInput;
    }

    fmt::print(stderr, "ticklab: {}: seed {}\n", scenario.name, base.seed);
    std::optional<InterruptWatch> watch(std::in_place);
    std::optional<RunReport> report;
    try {
        report = perform(scenario, base, replay, outputs);
    } catch (const std::invalid_argument& e) {
        return refuse(options.scenario.file, e.what());
    }
    ExitCode code = exit_code_of(*report);
    if (options.repeat_check && report->end != sim::RunEnd::kStopped) {
        const RunReport again = perform(scenario, base, replay, {});
        if (again.end != sim::RunEnd::kStopped &&
            (again.digest != report->digest || again.records != report->records)) {
            fmt::print(stderr, "ticklab: the second run has another digest: {} with {} records, not {} with {}\n",
                       again.digest.hex(), again.records, report->digest.hex(), report->records);
            code = graver(code, ExitCode::kNondeterminism);
        }
        code = graver(code, exit_code_of(again));
    }
    watch.reset();
    if (!options.bundle.empty() && report->end != sim::RunEnd::kStopped)
        code = graver(code, write_bundle(options, loader, *input));
    if (options.json)
        fmt::print("{}", document_text(json_report(*report)));
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
                app.add_option("--ftrace", options->ftrace,
                               "Write what the kernel's own tracing would write, as ftrace text; gzipped if the name "
                               "ends in .gz")
                    ->type_name("FILE");
                CLI::Option* const lens =
                    app.add_option("--lens", options->lens,
                                   "Print what changes, step by step, before the report: tmigr is the timer-migration "
                                   "hierarchy")
                        ->check(CLI::IsMember({kTmigrLens}));
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
                CLI::Option* const bundle =
                    app.add_option("--bundle", options->bundle,
                                   "Keep the run in this file, to replay it or to compare it with that of another "
                                   "build")
                        ->type_name("FILE");
                app.add_option("--around", options->around,
                               "Keep in the bundle, in words, what surrounds the record of this number")
                    ->type_name("NUMBER")
                    ->check(CLI::PositiveNumber)
                    ->needs(bundle);
                app.add_flag("--json", options->json, "Print one JSON document")->excludes(lens);
                app.footer(
                    "\nExamples:\n  ticklab run scenarios/xen/range-2008.json\n"
                    "  ticklab run my-scenario.json --seed 7 --set machine.cpus=64 --timeline timeline.json");
            },
            [options] { return run(*options); }};
}

}  // namespace ticklab::lab
