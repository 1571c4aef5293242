#include "ticklab/lab/compare/compare.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
#include "ticklab/lab/cli/interrupt.hpp"
#include "ticklab/lab/cli/progress_line.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/compare/compare_json.hpp"
#include "ticklab/lab/compare/table.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/report.hpp"

namespace ticklab::lab {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
    std::string file;
    std::vector<std::string> overrides;
    std::vector<std::string> vary;
    std::string seeds = "1..10";
    unsigned jobs = default_jobs();
    bool json = false;
};

/// All that was asked for, checked.
struct Request {
    std::vector<Axis> axes;
    std::vector<Variant> variants;
    CompareOptions options;
};

std::optional<Request> request_of(const Options& options) {
    Request request;
    const Parsed<SeedRange> seeds = parse_seeds(options.seeds);
    if (!seeds.value) {
        refuse("--seeds", found_expected(in_quotes(options.seeds), seeds.expected));
        return std::nullopt;
    }
    request.options = {seeds.value->first, seeds.value->last, options.jobs};
    for (const std::string& argument : options.vary) {
        Parsed<Axis> axis = parse_axis(argument);
        if (!axis.value) {
            refuse("--vary", found_expected(in_quotes(argument), axis.expected));
            return std::nullopt;
        }
        request.axes.push_back(*std::move(axis.value));
    }
    std::vector<InputError> errors;
    request.variants =
        load_variants(ScenarioLoader(program_registry()), options.file, options.overrides, request.axes, errors);
    print_errors(errors);
    if (request.variants.empty())
        return std::nullopt;
    // Not their number, which may overflow.
    if (seeds.value->last - seeds.value->first >= kMaxCompareRuns / request.variants.size()) {
        refuse("--seeds", found_expected(in_quotes(options.seeds),
                                         fmt::format("at most {} seeds: {} variants make {} runs at most",
                                                     kMaxCompareRuns / request.variants.size(), request.variants.size(),
                                                     kMaxCompareRuns)));
        return std::nullopt;
    }
    return request;
}

/// What `ticklab run` is given to do that run of the variant again.
std::string command_of(const Options& options, const Variant& variant, std::uint64_t seed) {
    ScenarioOptions run{options.file, options.overrides, seed};
    run.overrides.insert(run.overrides.end(), variant.overrides.begin(), variant.overrides.end());
    return "ticklab run " + run.command_line();
}

ExitCode exit_code_of(const Comparison& comparison) {
    ExitCode code = comparison.interrupted ? ExitCode::kInterrupted : ExitCode::kFine;
    for (const VariantResult& variant : comparison.variants) {
        if (variant.failed() != 0)
            code = graver(code, ExitCode::kFailed);
        if (variant.inconclusive != 0)
            code = graver(code, ExitCode::kInconclusive);
    }
    return code;
}

void print_text(const Options& options, const Request& request, const Comparison& comparison) {
    const Scenario& scenario = request.variants.front().scenario;
    const std::uint64_t runs = comparison.variants.front().runs;
    if (runs == 0)
        return;
    const std::uint64_t first = request.options.first_seed;
    fmt::print("{}: {}{}\n", scenario.name,
               runs == 1 ? fmt::format("seed {}", first)
                         : fmt::format("medians (least..greatest) of seeds {} to {}", first, first + runs - 1),
               comparison.interrupted ? ", interrupted" : "");
    fmt::print("\n{}", comparison_table(request.axes, request.variants, comparison, colour_allowed(STDOUT_FILENO)));
    for (std::size_t v = 0; v < request.variants.size(); ++v) {
        const Variant& variant = request.variants[v];
        const VariantResult& result = comparison.variants[v];
        for (const CheckFailure& f : result.failures)
            fmt::print("\n{}: {}{} in {} of {} runs, first with seed {}\n  {}\n  replay: {}\n", variant.name(), f.check,
                       f.expected ? ", as the scenario expects," : "", f.runs, result.runs, f.first_seed, f.message,
                       command_of(options, variant, f.first_seed));
        if (result.inconclusive != 0)
            fmt::print("\n{}: {} of {} runs ended by their bound on steps\n", variant.name(), result.inconclusive,
                       result.runs);
    }
}

void print_json(const Options& options, const Request& request, const Comparison& comparison) {
    Json variants = Json::array();
    for (std::size_t v = 0; v < request.variants.size(); ++v) {
        Json variant = variant_json(request.variants[v], comparison.variants[v]);
        for (Json& failure : variant["failures"])
            failure["replay"] = command_of(options, request.variants[v], failure["first_seed"].get<std::uint64_t>());
        variants.push_back(std::move(variant));
    }
    const Scenario& scenario = request.variants.front().scenario;
    fmt::print("{}", document_text(Json{{"scenario", scenario.name},
                                        {"file", options.file},
                                        {"scenario_hash", scenario_hash(scenario.text)},
                                        {"version", TICKLAB_VERSION},
                                        {"set", options.overrides},
                                        {"vary", axes_json(request.axes)},
                                        {"first_seed", request.options.first_seed},
                                        {"last_seed", request.options.last_seed},
                                        {"end", comparison.interrupted ? "interrupted" : "all seeds"},
                                        {"exit_code", static_cast<int>(exit_code_of(comparison))},
                                        {"metrics", metrics_json(comparison)},
                                        {"variants", std::move(variants)}}));
}

ExitCode compare_for(const Options& options) {
    const std::optional<Request> request = request_of(options);
    if (!request)
        return ExitCode::kBadInput;
    const std::uint64_t seeds = request->options.last_seed - request->options.first_seed + 1;
    fmt::print(stderr, "ticklab: {}: seeds {} to {} of {} variants\n", request->variants.front().scenario.name,
               request->options.first_seed, request->options.last_seed, request->variants.size());
    const std::uint64_t of = seeds * request->variants.size();
    RunsProgress line;
    const CompareObserver observer{[&](std::uint64_t runs, std::uint64_t failures) { line.show(runs, of, failures); },
                                   &InterruptWatch::interrupted};
    Comparison comparison;
    try {
        const InterruptWatch watch;
        comparison = compare(request->variants, request->options, observer);
    } catch (const std::invalid_argument& e) {
        line.clear();
        return refuse(options.file, e.what());
    }
    line.clear();
    if (options.json)
        print_json(options, *request, comparison);
    else
        print_text(options, *request, comparison);
    return exit_code_of(comparison);
}

}  // namespace

Command compare_command() {
    const auto options = std::make_shared<Options>();
    return {"compare",
            "Runs a scenario in several variants under the same seeds and prints one table of what they cost.",
            [options](CLI::App& app) {
                add_scenario_argument(app, options->file);
                app.add_option("--vary", options->vary,
                               "Run with each of these values in place of the file's, written as for --set; may be "
                               "repeated, for every combination")
                    ->type_name("PATH=V1,V2,...")
                    ->required()
                    ->take_all()
                    ->allow_extra_args(false);
                add_seeds(app, options->seeds);
                add_jobs(app, options->jobs);
                add_overrides(app, options->overrides);
                app.add_flag("--json", options->json, "Print one JSON document");
                app.footer(
                    "\nExamples:\n"
                    "  ticklab compare scenarios/linux/placement-one-busy.json --vary kernel.placement=local,tmigr\n"
                    "  ticklab compare my-scenario.json --vary kernel.version=4.1,4.2 --vary machine.cpus=4,64 "
                    "--seeds 1..100");
            },
            [options] { return compare_for(*options); }};
}

}  // namespace ticklab::lab
