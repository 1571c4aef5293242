#include "ticklab/lab/hunt/hunt.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/interrupt.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/report.hpp"
#include "ticklab/lab/values.hpp"

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
    unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
    std::uint64_t stop_after = 1;
    bool keep_going = false;
    std::string budget;
    bool expectations = false;
    bool json = false;
};

/// "A..B", both included, or one seed.
bool parse_seeds(std::string_view text, HuntOptions& into) {
    const auto number = [](std::string_view digits, std::uint64_t& value) {
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return error == std::errc{} && end == digits.data() + digits.size();
    };
    const std::size_t dots = text.find("..");
    if (dots == std::string_view::npos)
        return number(text, into.first_seed) && number(text, into.last_seed);
    return number(text.substr(0, dots), into.first_seed) && number(text.substr(dots + 2), into.last_seed) &&
           into.first_seed <= into.last_seed;
}

ExitCode refuse(const std::string& where, const std::string& message) {
    const InputError error = file_error(where, message);
    print_errors({&error, 1});
    return ExitCode::kBadInput;
}

/// A command line that does the run of that seed again, watched as any run is.
std::string replay_line(const Options& options, const Scenario& scenario, HuntStrategy strategy,
                        const HuntFailure& failure) {
    std::string line = fmt::format("ticklab run {} --seed {}", shell_quoted(options.file), failure.seed);
    for (const std::string& set : options.overrides)
        line += " --set " + shell_quoted(set);
    if (strategy == HuntStrategy::kRandom)
        for (const std::string& set : failure.disturbance.overrides())
            line += " --set " + shell_quoted(set);
    return line + fmt::format("  # scenario {}, ticklab {}", scenario_hash(scenario.text), TICKLAB_VERSION);
}

/// A line on the terminal that says how far the hunt is.
class ProgressLine {
public:
    explicit ProgressLine(std::uint64_t seeds) : seeds_(seeds), began_(Clock::now()), shown_at_(began_) {}
    ~ProgressLine() { clear(); }

    void show(const HuntResult& so_far) {
        const Clock::time_point now = Clock::now();
        if (!terminal_ || now - shown_at_ < std::chrono::milliseconds{200})
            return;
        shown_at_ = now;
        shown_ = true;
        const double seconds = std::chrono::duration<double>(now - began_).count();
        const double rate = static_cast<double>(so_far.runs) / seconds;
        fmt::print(stderr, "\r{} of {} runs, {:.0f} runs/s, {} failures, {:.0f} s to go \x1b[K", so_far.runs, seeds_,
                   rate, so_far.failures, static_cast<double>(seeds_ - so_far.runs) / rate);
        std::fflush(stderr);
    }
    void clear() {
        if (shown_)
            fmt::print(stderr, "\r\x1b[K");
        shown_ = false;
    }

private:
    std::uint64_t seeds_;
    bool terminal_ = ::isatty(STDERR_FILENO) == 1;
    bool shown_ = false;
    Clock::time_point began_;
    Clock::time_point shown_at_;
};

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
    if (!parse_seeds(options.seeds, hunt_options))
        return refuse("--seeds", found_expected(in_quotes(options.seeds), "two seeds such as 1..1000, or one"));
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

    fmt::print(stderr, "ticklab: {}: seeds {} to {}, strategy {}\n", scenario->name, hunt_options.first_seed,
               hunt_options.last_seed, options.strategy);
    Json failures = Json::array();
    const std::uint64_t seeds = hunt_options.last_seed - hunt_options.first_seed + 1;
    ProgressLine line(seeds);
    HuntObserver observer;
    observer.interrupted = &InterruptWatch::interrupted;
    observer.progress = [&](const HuntResult& so_far) { line.show(so_far); };
    observer.failed = [&](const HuntFailure& f) {
        line.clear();
        const std::string replay = replay_line(options, *scenario, hunt_options.strategy, f);
        if (options.json) {
            failures.push_back({{"seed", f.seed},
                                {"check", f.check},
                                {"message", f.message},
                                {"at_ns", sim::ns_floor(f.at)},
                                {"cpu", f.cpu == sim::kNoCpu ? Json(nullptr) : Json(f.cpu)},
                                {"record_number", f.record_number},
                                {"replay", replay}});
            return;
        }
        fmt::print("seed {}: {}\n  {}\n  at {}{}, after {} records\n  replay: {}\n", f.seed, f.check, f.message,
                   show(f.at), show_cpu(f.cpu), f.record_number, replay);
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
    return exit_code(result);
}

}  // namespace

Command hunt_command() {
    const auto options = std::make_shared<Options>();
    return {"hunt", "Runs a scenario under many seeds, each disturbed in its own way, until a check fails.",
            [options](CLI::App& app) {
                app.add_option("SCENARIO", options->file, "Scenario file, or - for the standard input")
                    ->type_name("FILE")
                    ->required();
                app.add_option("--seeds", options->seeds, "Seeds A..B, both included")
                    ->type_name("A..B")
                    ->capture_default_str();
                app.add_option("--strategy", options->strategy,
                               "random: each seed draws how much jitter, which stalls and whether ties are broken; "
                               "seeds: the scenario's own machine options hold")
                    ->check(CLI::IsMember(std::vector<std::string>(kStrategies.begin(), kStrategies.end())))
                    ->capture_default_str();
                app.add_option("--jobs", options->jobs, "Runs at a time; what is found does not depend on it")
                    ->check(CLI::Range(1u, 1024u))
                    ->capture_default_str();
                app.add_option("--stop-after", options->stop_after, "End with this many failures")
                    ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX))
                    ->capture_default_str();
                app.add_flag("--keep-going", options->keep_going, "Go on to the last seed whatever is found");
                app.add_option("--budget", options->budget, "End after this much wall time, such as 60s")
                    ->type_name("TIME");
                app.add_flag("--expectations", options->expectations,
                             "Count missed expectations as failures; a disturbed run may miss exact times by right");
                app.add_option("--set", options->overrides,
                               "Put a value in place of the file's: /pointer=value or dotted.path=value; may be "
                               "repeated")
                    ->type_name("PATH=VALUE")
                    ->take_all()
                    ->expected(1);
                app.add_flag("--json", options->json, "Print one JSON document");
                app.footer(
                    "\nExamples:\n  ticklab hunt scenarios/xen/hotplug-storm.json --seeds 1..200\n"
                    "  ticklab hunt my-scenario.json --set kernel.version=4.0 --keep-going --budget 60s");
            },
            [options] { return hunt_for(*options); }};
}

}  // namespace ticklab::lab
