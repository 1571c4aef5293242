#include "ticklab/lab/shrink/shrink.hpp"

#include <fmt/format.h>

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
#include "ticklab/lab/shrink/promote.hpp"
#include "ticklab/lab/values.hpp"
#include "ticklab/lab/whole_file.hpp"

namespace ticklab::lab {
namespace {

struct ShrinkCommandOptions {
    ScenarioOptions scenario;
    std::uint64_t budget = 5000;
    std::string out;
    std::string promote;
};

std::string counted(std::size_t n, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", n, n == 1 ? one : many);
}

std::string size_text(const ShrinkCase& c, const CaseRun& run) {
    const auto entries = [&](const char* part) {
        const auto list = c.scenario.find(part);
        return list == c.scenario.end() ? std::size_t{0} : list->size();
    };
    return fmt::format("{}, {}, jitter {}/1024; {}, {}, {}, {}, {}, {}; {} records",
                       counted(c.decisions.stalls.size(), "stall", "stalls"),
                       counted(c.decisions.ties.size(), "tie", "ties"), c.disturbance.jitter_per_1024,
                       counted(entries("script"), "step", "steps"), counted(entries("faults"), "fault", "faults"),
                       counted(entries("load"), "load", "loads"), counted(entries("timers"), "timer", "timers"),
                       counted(run.cpu_count, "CPU", "CPUs"), c.scenario.at("duration").get_ref<const std::string&>(),
                       run.records);
}

std::string failure_text(const CaseRun& run) {
    return fmt::format("{} at {}{}: {}", run.check, show(run.at),
                       run.cpu == sim::kNoCpu ? std::string() : fmt::format(" on CPU {}", run.cpu), run.message);
}

std::string delay_text(const Delay& delay, bool least) {
    const bool in_kernel = delay.kernel_before.site && delay.kernel_before.site != delay.before.site;
    return fmt::format("CPU {} stands still for {} {} at {}, after {}{} and before {}", delay.cpu,
                       least ? "at least" : "at most", duration_text(delay.length), show(delay.at),
                       place_text(delay.before),
                       in_kernel ? fmt::format(", last in {}", place_text(delay.kernel_before)) : std::string(),
                       place_text(delay.after));
}

/// What is to be shrunk, and how it is run.
struct Input {
    ShrinkCase shrink_case;
    std::uint64_t seed = 1;
    unsigned looks = ExperimentOptions{}.looks;
    std::string name;
    /// The check that failed, if that is known already; decisions are then, too.
    std::string check;
};

void take_scenario(const Scenario& scenario, const nlohmann::json& document, Input& input) {
    input.name = scenario.name;
    input.shrink_case.scenario = document;
    input.shrink_case.scenario.erase("museum");
    input.shrink_case.scenario.erase("expect");
    const sim::MachineConfig& machine = scenario.machine;
    Disturbance& disturbance = input.shrink_case.disturbance;
    disturbance.jitter_per_1024 = machine.jitter_per_1024;
    disturbance.stall_one_in = machine.stall_one_in;
    disturbance.max_stall = machine.max_stall;
    disturbance.break_ties = machine.break_ties;
}

/// Nothing, and at least one more error, if it is neither a scenario nor a bundle.
std::optional<Input> read_input(const ScenarioOptions& options, const ScenarioLoader& loader,
                                std::vector<InputError>& errors) {
    std::optional<JsonSource> source = JsonSource::read(options.file, errors);
    if (!source)
        return std::nullopt;
    Input input;
    if (looks_like_bundle(*source)) {
        if (!options.overrides.empty()) {
            errors.push_back(
                file_error("--set", found_expected("a bundle to shrink", "a scenario: a bundle says it all")));
            return std::nullopt;
        }
        const std::optional<Bundle> bundle = read_bundle(*source, errors);
        const std::optional<Scenario> scenario =
            bundle ? load_scenario(loader, *bundle, options.file, errors) : std::nullopt;
        if (!scenario)
            return std::nullopt;
        take_scenario(*scenario, bundle->scenario, input);
        input.shrink_case.decisions = bundle->decisions;
        input.seed = bundle->seed;
        input.looks = bundle->looks;
        input.check = bundle->outcome.check;
        return input;
    }
    const std::optional<Scenario> scenario =
        loader.load_text(source->file(), source->text(), options.overrides, errors);
    if (!scenario)
        return std::nullopt;
    for (const std::string& argument : options.overrides)
        source->override_value(argument, errors);
    take_scenario(*scenario, source->root(), input);
    input.seed = options.seed;
    return input;
}

/// Prints what is wrong and returns false if it cannot be written.
bool write_small_bundle(const std::string& file, const ScenarioLoader& loader, const std::string& scenario_file,
                        const Input& input, const Shrunk& shrunk) {
    std::vector<InputError> errors;
    const std::optional<Scenario> scenario =
        loader.load_text(scenario_file, shrunk.shrink_case.scenario.dump(), {}, errors);
    print_errors(errors);
    if (!scenario)
        return false;
    try {
        const Bundle bundle = bundle_of(loader, *scenario, input.seed, input.looks, shrunk.shrink_case.disturbance,
                                        shrunk.shrink_case.decisions);
        write_whole_file(file, to_json(bundle).dump(1) + "\n");
    } catch (const UnrepeatableRun& e) {
        complain(fmt::format("--out: {}", e.what()));
        return false;
    }
    return true;
}

/// Prints what is wrong and returns false if it cannot be written.
bool write_promotion(const ScenarioLoader& loader, const std::string& file, const Promotion& promotion) {
    const std::string text = scenario_text(promotion.scenario);
    std::vector<InputError> errors;
    if (!loader.load_text(file, text, {}, errors)) {
        print_errors(errors);
        return false;
    }
    write_whole_file(file, text);
    return true;
}

ExitCode promote_to(const ShrinkCommandOptions& options, const ScenarioLoader& loader, const CaseRunner& runner,
                    const Shrunk& shrunk, const std::vector<Delay>& delays) {
    const std::optional<Promotion> promotion = promote(runner, shrunk, delays);
    if (!promotion) {
        complain(
            "--promote: no scenario without the list fails: holds at the sites around the delays and stalls at "
            "their instants were tried; nothing is written");
        return ExitCode::kInconclusive;
    }
    if (!write_promotion(loader, options.promote, *promotion))
        return ExitCode::kBadInput;
    for (const ScriptedDelay& delay : promotion->delays)
        fmt::print("script: {} for {}; fails {}\n", delay.place, duration_text(delay.written), span_text(delay));
    fmt::print("promoted: ticklab run {}{}  # {} runs\n", options.promote,
               promotion->seed == 1 ? std::string() : fmt::format(" --seed {}", promotion->seed), promotion->runs);
    return ExitCode::kFine;
}

ExitCode shrink_for(const ShrinkCommandOptions& options) {
    std::vector<InputError> errors;
    const ScenarioLoader loader(program_registry());
    const std::optional<Input> input = read_input(options.scenario, loader, errors);
    print_errors(errors);
    if (!input)
        return ExitCode::kBadInput;
    fmt::print(stderr, "ticklab: {}: seed {}, at most {} runs\n", input->name, input->seed, options.budget);

    CaseRunner runner(loader, options.scenario.file, input->seed, input->looks);
    ShrinkCase failing = input->shrink_case;
    CaseRun first;
    try {
        if (input->check.empty())
            first = runner.record(failing);
        else
            first = runner.run(failing).value_or(CaseRun{});
    } catch (const std::invalid_argument& e) {
        return refuse(options.scenario.file, e.what());
    }
    if (first.check.empty() && input->check.empty())
        return refuse(options.scenario.file,
                      found_expected(fmt::format("a run under seed {} in which no check fails", input->seed),
                                     "one that fails: a hunt finds seeds, and its replay line has the options"));
    if (!input->check.empty() && first.check != input->check)
        return refuse(options.scenario.file,
                      found_expected(fmt::format("a run that ends with {}", in_quotes(first.check)),
                                     fmt::format("one that fails by the bundle's check, {}; `ticklab replay` says more",
                                                 in_quotes(input->check))));
    if (const std::optional<CaseRun> again = runner.run(failing); !again || again->digest != first.digest) {
        complain("the run's own list of decisions gives another digest");
        return ExitCode::kNondeterminism;
    }
    fmt::print("fails:  {}\nbefore: {}\n", failure_text(first), size_text(failing, first));

    ProgressLine line(std::chrono::milliseconds{200});
    ShrinkObserver observer;
    observer.interrupted = &InterruptWatch::interrupted;
    observer.progress = [&](const Shrunk& so_far) {
        if (line.due())
            line.show(fmt::format("run {} of at most {}: {}", so_far.runs, options.budget,
                                  size_text(so_far.shrink_case, so_far.run)));
    };
    Shrunk shrunk;
    {
        const InterruptWatch watch;
        shrunk = shrink(runner, failing, first, options.budget, observer);
    }
    line.clear();
    constexpr std::array<std::string_view, 3> kEnds{"nothing makes it smaller", "budget", "interrupted"};
    fmt::print("after:  {}\nfails:  {}\n", size_text(shrunk.shrink_case, shrunk.run), failure_text(shrunk.run));
    const std::vector<Delay> delays = runner.delays(shrunk.shrink_case);
    for (const Delay& delay : delays)
        fmt::print("needs:  {}\n", delay_text(delay, shrunk.least_stalls));
    if (shrunk.shrink_case.disturbance.jitter_per_1024 == 0 && shrunk.shrink_case.decisions.size() == 0)
        fmt::print("needs:  no disturbance at all\n");
    fmt::print("{}; ended by: {}\n", counted(shrunk.runs, "run", "runs"), kEnds[static_cast<std::size_t>(shrunk.end)]);
    ExitCode code = shrunk.end == ShrinkEnd::kBudget        ? ExitCode::kInconclusive
                    : shrunk.end == ShrinkEnd::kInterrupted ? ExitCode::kInterrupted
                                                            : ExitCode::kFine;
    if (!options.out.empty()) {
        if (!write_small_bundle(options.out, loader, options.scenario.file, *input, shrunk))
            return ExitCode::kNondeterminism;
        fmt::print("bundle: ticklab replay {}\n", shell_quoted(options.out));
    }
    if (!options.promote.empty() && shrunk.end != ShrinkEnd::kInterrupted)
        code = graver(code, promote_to(options, loader, runner, shrunk, delays));
    return code;
}

}  // namespace

Command shrink_command() {
    const auto options = std::make_shared<ShrinkCommandOptions>();
    return {"shrink",
            "Makes a failing run small: fewer delays, steps, loads and CPUs, and the least delay that it needs.",
            [options](CLI::App& app) {
                options->scenario.add_to(app);
                app.add_option("--budget", options->budget, "End after this many runs")
                    ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX))
                    ->type_name("RUNS")
                    ->capture_default_str();
                app.add_option("--out", options->out, "Write the small run as a bundle; `replay` and `shrink` take it")
                    ->type_name("FILE");
                app.add_option("--promote", options->promote,
                               "Write the small run as a scenario of its own that expects the verdict, each delay a "
                               "hold at a site or a stall at an instant")
                    ->type_name("FILE");
                app.footer(
                    "\nSCENARIO may be a bundle that `hunt --bundles` wrote: it has seed and options in it.\n"
                    "\nExamples:\n"
                    "  ticklab shrink found/seed-103.json --out small.json --promote regression.json\n"
                    "  ticklab shrink my-scenario.json --seed 103 --set machine.stall_one_in=300\n"
                    "  ticklab shrink my-scenario.json --seed 103 --promote regression.json");
            },
            [options] { return shrink_for(*options); }};
}

}  // namespace ticklab::lab
