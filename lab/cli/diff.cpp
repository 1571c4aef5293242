#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/diff/run_diff.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/report.hpp"

namespace ticklab::lab {
namespace {

using Json = nlohmann::ordered_json;

/// One of the two runs as the command line has it.
struct SideOptions {
    std::string name;  ///< "A"
    ScenarioOptions run{};
};

struct Options {
    SideOptions a{"A"}, b{"B"};
    std::optional<std::uint64_t> seed;
    std::vector<std::string> overrides;
    bool json = false;
};

/// With what is given for both runs.
ScenarioOptions with_common(const Options& options, const SideOptions& side) {
    ScenarioOptions run = side.run;
    if (!run.seed)
        run.seed = options.seed;
    run.overrides = options.overrides;
    run.overrides.insert(run.overrides.end(), side.run.overrides.begin(), side.run.overrides.end());
    return run;
}

DiffInput diff_input(const RunInput& input) {
    return {&input.scenario, input.options, input.bundle ? &*input.bundle : nullptr};
}

bool one_input(const RunInput& a, const RunInput& b) {
    return a.document == b.document && a.options.seed == b.options.seed && a.options.looks == b.options.looks &&
           a.options.decisions == b.options.decisions;
}

std::string outcome_text(const RunOutcome& outcome) {
    return fmt::format("{} records, digest {}, {}", outcome.records, outcome.digest,
                       outcome.check.empty() ? "no failure" : fmt::format("{} at {}", outcome.check, show(outcome.at)));
}

/// How to come by what a bundle of another build does not tell.
std::string unknown_text(const RunInput& input, std::uint64_t number) {
    const std::string file = shell_quoted(input.scenario.file);
    return fmt::format(
        "of another build ({}), which its bundle has no records of there; with that build:\n"
        "    ticklab run {} --bundle NEW.json --around {}",
        input.bundle->version, file, number);
}

void print_side(const std::string& name, const RunInput& input, const DiffSide& side,
                const std::optional<std::uint64_t>& record) {
    fmt::print("\n{}: {}\n  {}\n", name, input.command_line, outcome_text(side.outcome));
    if (!side.repeats)
        fmt::print("  done again here it is another run\n");
    if (!record)
        return;
    const bool ends_before = side.outcome.records < *record;
    if (!side.context && !ends_before)
        fmt::print("  {}\n", unknown_text(input, *record));
    if (side.context)
        for (const ToldRecord& told : side.context->records)
            fmt::print("  {} {:>8}  {:>14}  {}\n", told.number == *record ? '>' : ' ', told.number, show(told.at),
                       told.what);
    if (ends_before)
        fmt::print("  > {:>8}  the run ends\n", *record);
    if (!side.context)
        return;
    for (std::size_t cpu = 0; cpu < side.context->cpus.size(); ++cpu)
        fmt::print("  CPU {:<3} {}\n", cpu, side.context->cpus[cpu]);
}

Json side_json(const RunInput& input, const DiffSide& side) {
    return {{"run", input.command_line},
            {"records", side.outcome.records},
            {"digest", side.outcome.digest},
            {"check", side.outcome.check.empty() ? Json(nullptr) : Json(side.outcome.check)},
            {"version", side.done_here ? TICKLAB_VERSION : input.bundle->version},
            {"done_here", side.done_here},
            {"repeats", side.repeats},
            {"context", side.context ? to_json(*side.context) : Json(nullptr)}};
}

Json diff_json(const RunInput& a, const RunInput& b, const RunDiff& diff) {
    Json link = nullptr;
    if (!diff.equal)
        link = {{"number", diff.link}, {"first_record", diff.first_record}, {"last_record", diff.last_record}};
    return {{"equal", diff.equal},
            {"first_link_that_differs", std::move(link)},
            {"first_record_that_differs", diff.record ? Json(*diff.record) : Json(nullptr)},
            {"a", side_json(a, diff.a)},
            {"b", side_json(b, diff.b)}};
}

void print_diff(const Options& options, const RunInput& a, const RunInput& b, const RunDiff& diff) {
    if (diff.equal) {
        fmt::print("equal: {}\n", outcome_text(diff.a.outcome));
        return;
    }
    if (diff.record)
        fmt::print("record {} is the first that differs; ", *diff.record);
    else
        fmt::print("no mark of a record differs; ");
    fmt::print("link {} of the digest chain is the first, records {} to {}\n", diff.link, diff.first_record,
               diff.last_record);
    print_side(options.a.name, a, diff.a, diff.record);
    print_side(options.b.name, b, diff.b, diff.record);
}

ExitCode diff_of(const Options& options) {
    const ScenarioLoader loader(program_registry());
    const std::optional<RunInput> a = with_common(options, options.a).load(loader);
    const std::optional<RunInput> b = with_common(options, options.b).load(loader);
    if (!a || !b)
        return ExitCode::kBadInput;
    RunDiff diff;
    try {
        diff = diff_runs(diff_input(*a), diff_input(*b));
    } catch (const std::invalid_argument& e) {
        return refuse("ticklab diff", e.what());
    }
    if (options.json)
        fmt::print("{}", document_text(diff_json(*a, *b, diff)));
    else
        print_diff(options, *a, *b, diff);
    if (diff.equal)
        return ExitCode::kFine;
    const bool here = diff.a.done_here && diff.b.done_here;
    if (!diff.a.repeats || !diff.b.repeats || (here && one_input(*a, *b))) {
        complain("one build makes two runs of one input: it is not deterministic");
        return ExitCode::kNondeterminism;
    }
    return ExitCode::kFailed;
}

void add_side(CLI::App& app, SideOptions& side, const std::string& suffix) {
    app.add_option(side.name, side.run.file, "Scenario file or bundle")->type_name("FILE")->required();
    app.add_option("--seed-" + suffix, side.run.seed, "Seed of " + side.name + " alone")->type_name("NUMBER");
    app.add_option("--set-" + suffix, side.run.overrides, "As --set, for " + side.name + " alone")
        ->type_name("PATH=VALUE")
        ->take_all()
        ->allow_extra_args(false);
}

}  // namespace

Command diff_command() {
    const auto options = std::make_shared<Options>();
    return {"diff", "Finds the first record in which two runs differ, and shows what surrounds it in both.",
            [options](CLI::App& app) {
                add_side(app, options->a, "a");
                add_side(app, options->b, "b");
                app.add_option("--seed", options->seed, "Seed of both")->type_name("NUMBER");
                add_overrides(app, options->overrides);
                app.add_flag("--json", options->json, "Print one JSON document");
                app.footer(
                    "\nThe run of a bundle is the one it keeps, whatever build it is of. Exit code 0 if the runs are "
                    "equal, 1 if they differ, 4 if one\nbuild made two runs of one input.\n"
                    "\nExamples:\n"
                    "  ticklab diff scenarios/linux/tmigr-churn.json scenarios/linux/tmigr-churn.json --seed-b 2\n"
                    "  ticklab diff my-scenario.json my-scenario.json --set-a kernel.version=4.1 --set-b "
                    "kernel.version=4.2\n"
                    "  ticklab run my-scenario.json --bundle old.json     # with the build before\n"
                    "  ticklab diff old.json my-scenario.json             # with the build after");
            },
            [options] { return diff_of(*options); }};
}

}  // namespace ticklab::lab
