#include "ticklab/lab/shrink/shrink.hpp"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ticklab/lab/bundle/bundle.hpp"
#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
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

std::string run_text(const CaseRun& run) {
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

/// Throws std::invalid_argument if the schedule is none for the machine.
ShrinkCase shrink_case_of(const RunInput& input) {
    ShrinkCase c;
    c.scenario = input.document;
    for (const char* const needless : {"museum", "swarm", "expect"})
        c.scenario.erase(needless);
    const sim::MachineConfig& machine = input.scenario.machine;
    c.disturbance =
        input.options.schedule ? scheduled_disturbance(*input.options.schedule, machine) : Disturbance::of(machine);
    if (input.bundle)
        c.decisions = input.bundle->decisions;
    return c;
}

/// Runs the case for the first time; without a bundle, what it decides is its list from then on. Prints why and returns
/// nothing if it is none to shrink.
std::optional<CaseRun> first_run(const std::string& file, const CaseRunner& runner, const RunInput& input,
                                 ShrinkCase& failing) {
    const auto refused = [&](const std::string& found, const std::string& expected) {
        (void)refuse(file, found_expected(found, expected));
        return std::nullopt;
    };
    if (!input.bundle) {
        CaseRun run = runner.record(failing, input.options.schedule);
        if (run.check.empty())
            return refused(fmt::format("a run under seed {} in which no check fails", runner.seed()),
                           "one that fails: a hunt finds seeds, and its replay line has the options");
        return run;
    }
    const std::string& check = input.bundle->outcome.check;
    // With fewer steps an expectation is missed for reasons of its own.
    if (check.empty() || check == MuseumEntry::kExpectationFails)
        return refused(check.empty() ? "a run in which nothing fails" : "a missed expectation",
                       "a run in which a check fails");
    std::optional<CaseRun> run = runner.run(failing);
    if (!run || run->check != check)
        return refused(
            run && !run->check.empty() ? "a run that ends with " + in_quotes(run->check)
                                       : "a run in which no check fails",
            fmt::format("one that fails by the bundle's check, {}; `ticklab replay` says more", in_quotes(check)));
    return run;
}

/// Prints what is wrong if it cannot be written.
ExitCode write_small_bundle(const std::string& file, const ScenarioLoader& loader, const RunInput& input,
                            const Shrunk& shrunk) {
    std::vector<InputError> errors;
    const std::optional<Scenario> scenario =
        loader.load_text(input.scenario.file, shrunk.shrink_case.scenario.dump(), {}, errors);
    print_errors(errors);
    if (!scenario)
        return ExitCode::kBadInput;
    try {
        const Bundle bundle = bundle_of(loader, *scenario, input.options.seed, input.options.looks,
                                        shrunk.shrink_case.disturbance, shrunk.shrink_case.decisions);
        write_whole_file(file, document_text(to_json(bundle)));
    } catch (const UnrepeatableRun& e) {
        complain(fmt::format("--out: {}", e.what()));
        return ExitCode::kNondeterminism;
    }
    return ExitCode::kFine;
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
    fmt::print("promoted: ticklab run {}{}  # {} runs\n", shell_quoted(options.promote),
               promotion->seed == 1 ? std::string() : fmt::format(" --seed {}", promotion->seed), promotion->runs);
    return ExitCode::kFine;
}

ExitCode shrink_for(const ShrinkCommandOptions& options) {
    const std::string& file = options.scenario.file;
    const ScenarioLoader loader(program_registry());
    const std::optional<RunInput> input = options.scenario.load(loader);
    if (!input)
        return ExitCode::kBadInput;
    const std::uint64_t seed = input->options.seed;
    fmt::print(stderr, "ticklab: {}: seed {}, at most {} runs\n", input->scenario.name, seed, options.budget);

    CaseRunner runner(loader, file, seed, input->options.looks);
    ShrinkCase failing;
    std::optional<CaseRun> first;
    try {
        failing = shrink_case_of(*input);
        first = first_run(file, runner, *input, failing);
    } catch (const std::invalid_argument& e) {
        return refuse(file, e.what());
    }
    if (!first)
        return ExitCode::kBadInput;
    if (const std::optional<CaseRun> again = runner.run(failing); !again || again->digest != first->digest) {
        complain("the run's own list of decisions gives another digest");
        return ExitCode::kNondeterminism;
    }
    fmt::print("fails:  {}\nbefore: {}\n", run_text(*first), size_text(failing, *first));

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
        shrunk = shrink(runner, failing, *first, options.budget, observer);
    }
    line.clear();
    constexpr std::array<std::string_view, 3> kEnds{"nothing makes it smaller", "budget", "interrupted"};
    fmt::print("after:  {}\nfails:  {}\n", size_text(shrunk.shrink_case, shrunk.run), run_text(shrunk.run));
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
        if (const ExitCode written = write_small_bundle(options.out, loader, *input, shrunk);
            written != ExitCode::kFine)
            return written;
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
                app.add_option("--budget", options->budget, "End after this many runs; those of --promote are besides")
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
                    "\nExamples:\n"
                    "  ticklab shrink found/random-seed-103.json --out small.json --promote regression.json\n"
                    "  ticklab shrink my-scenario.json --seed 103 --set machine.stall_one_in=300\n"
                    "  ticklab shrink my-scenario.json --seed 103 --promote regression.json");
            },
            [options] { return shrink_for(*options); }};
}

}  // namespace ticklab::lab
