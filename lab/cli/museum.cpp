#include "ticklab/lab/museum/museum.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <set>
#include <stdexcept>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
#include "ticklab/lab/cli/interrupt.hpp"
#include "ticklab/lab/cli/progress_line.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/hunt/hunt_document.hpp"
#include "ticklab/lab/museum/museum_report.hpp"

namespace ticklab::lab {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
    std::vector<std::string> paths;
    std::vector<std::string> fixes;
    std::vector<std::string> strategies{"random"};
    std::vector<std::string> overrides;
    bool free = false;
    bool json = false;
    MuseumOptions museum;
};

/// Prints errors and returns nothing if what was asked for cannot be shown.
std::optional<std::vector<Exhibit>> exhibits_of(const Options& options, const ScenarioLoader& loader) {
    std::vector<InputError> errors;
    // A file that is named twice is one exhibit.
    std::set<std::string> files;
    for (const std::string& path : options.paths)
        for (std::string& file : museum_files(path, errors))
            files.insert(std::move(file));
    std::vector<Exhibit> exhibits;
    for (const std::string& file : files) {
        std::vector<InputError> here;
        if (std::optional<Exhibit> exhibit = load_exhibit(
                loader, file, options.free ? ScriptedDelays::kLeftOut : ScriptedDelays::kKept, options.overrides, here))
            exhibits.push_back(*std::move(exhibit));
        // What is wrong with an argument is said once, and not for each file.
        for (InputError& error : here)
            if (std::none_of(errors.begin(), errors.end(),
                             [&](const InputError& e) { return to_text(e) == to_text(error); }))
                errors.push_back(std::move(error));
    }
    if (errors.empty() && !options.fixes.empty()) {
        std::vector<std::string_view> ids;
        ids.reserve(exhibits.size());
        for (const Exhibit& exhibit : exhibits)
            ids.push_back(exhibit.entry.change);
        for (const std::string& fix : options.fixes)
            if (std::find(ids.begin(), ids.end(), fix) == ids.end())
                errors.push_back(file_error(
                    "--fix", found_expected(in_quotes(fix), "a change with a scenario here", nearest_word(fix, ids))));
    }
    print_errors(errors);
    if (!errors.empty())
        return std::nullopt;
    std::erase_if(exhibits, [&](const Exhibit& e) {
        return !options.fixes.empty() &&
               std::find(options.fixes.begin(), options.fixes.end(), e.entry.change) == options.fixes.end();
    });
    std::vector<std::string> bound;
    for (const Exhibit& exhibit : exhibits)
        if (options.free && !exhibit.entry.free)
            bound.push_back(exhibit.entry.change);
    if (!bound.empty())
        fmt::print(stderr, "ticklab: left out, since their scripts need their delays: {}\n", fmt::join(bound, ", "));
    std::erase_if(exhibits, [&](const Exhibit& e) { return options.free && !e.entry.free; });
    return exhibits;
}

ExitCode exit_code_of(const Museum& museum) {
    ExitCode code = museum.interrupted ? ExitCode::kInterrupted : ExitCode::kFine;
    for (const MuseumResult& entry : museum.entries) {
        if (entry.false_alarm())
            code = graver(code, ExitCode::kFailed);
        if (entry.found() == 0)
            code = graver(code, ExitCode::kInconclusive);
    }
    return code;
}

void print_false_alarms(const Museum& museum) {
    for (const MuseumResult& entry : museum.entries)
        for (const StrategySearches& strategy : entry.strategies)
            for (const MuseumSearch& search : strategy.searches)
                if (const std::optional<HuntFailure>& f = search.false_alarm)
                    fmt::print("\nfalse alarm: {} with {}, strategy {}, seed {}, run {}: {}\n  {}\n",
                               entry.exhibit->file, entry.exhibit->entry.change,
                               kHuntStrategies[static_cast<std::size_t>(strategy.strategy)], f->seed, f->run, f->check,
                               f->message);
}

void print_text(const Museum& museum, const MuseumOptions& options, const std::vector<NotShown>& missing) {
    if (!museum.entries.empty())
        fmt::print("{}", museum_table(museum, options));
    print_false_alarms(museum);
    for (const NotShown& kernel : missing)
        fmt::print(
            "\n{}: no scenario here shows {}{}\n", kernel.kernel, fmt::join(kernel.changes, ", "),
            kernel.page.empty() ? "" : fmt::format("; {} says how each is held, or why it cannot be", kernel.page));
    if (museum.interrupted)
        fmt::print("\ninterrupted: rows that were not done are left out\n");
}

void print_json(const Museum& museum, const Options& options, const std::vector<NotShown>& missing) {
    Json not_shown_json = Json::array();
    for (const NotShown& kernel : missing)
        not_shown_json.push_back({{"kernel", kernel.kernel}, {"changes", kernel.changes}, {"page", kernel.page}});
    fmt::print("{}", document_text(Json{{"version", TICKLAB_VERSION},
                                        {"free", options.free},
                                        {"overrides", options.overrides},
                                        {"strategies", options.strategies},
                                        {"runs", options.museum.runs},
                                        {"masters", options.museum.masters},
                                        {"end", museum.interrupted ? "interrupted" : "all"},
                                        {"exit_code", static_cast<int>(exit_code_of(museum))},
                                        {"entries", museum_json(museum)},
                                        {"not_shown", std::move(not_shown_json)}}));
}

ExitCode walk(Options options) {
    if (options.paths.empty())
        options.paths = {"scenarios"};
    options.museum.strategies.clear();
    for (const std::string& name : options.strategies)
        options.museum.strategies.push_back(static_cast<HuntStrategy>(
            std::find(kHuntStrategies.begin(), kHuntStrategies.end(), name) - kHuntStrategies.begin()));
    const ScenarioLoader loader(program_registry());
    const std::optional<std::vector<Exhibit>> exhibits = exhibits_of(options, loader);
    if (!exhibits)
        return ExitCode::kBadInput;
    const MuseumOptions& m = options.museum;
    fmt::print(stderr, "ticklab: {} fixes left out, strategies {}, {} master seeds, at most {} runs each{}\n",
               exhibits->size(), fmt::join(options.strategies, ", "), m.masters, m.runs,
               options.free ? ", without scripted delays" : "");
    ProgressLine line(std::chrono::milliseconds{200});
    const MuseumObserver observer{[&](std::uint64_t done, std::uint64_t of, const Exhibit& exhibit) {
                                      if (line.due())
                                          line.show(fmt::format("{} of {}: {}", done, of, exhibit.entry.change));
                                  },
                                  &InterruptWatch::interrupted};
    Museum museum;
    try {
        const InterruptWatch watch;
        museum = walk_museum(loader, *exhibits, m, observer);
    } catch (const std::invalid_argument& e) {
        line.clear();
        complain(e.what());
        return ExitCode::kBadInput;
    }
    line.clear();
    // Of a few files or fixes that were picked, or those that do without their delays, it is no matter which others
    // there are.
    const bool all = !options.free && options.fixes.empty() && options.paths == std::vector<std::string>{"scenarios"};
    const std::vector<NotShown> missing = all ? not_shown(*exhibits) : std::vector<NotShown>();
    if (options.json)
        print_json(museum, options, missing);
    else
        print_text(museum, m, missing);
    return exit_code_of(museum);
}

}  // namespace

Command museum_command() {
    const auto options = std::make_shared<Options>();
    return {"museum", "Leaves out every fix that has a scenario, one at a time, and hunts for what it mended.",
            [options](CLI::App& app) {
                app.add_option(
                       "SCENARIO", options->paths,
                       "Scenario files with a \"museum\" member, or folders of such; all of `scenarios` if none "
                       "is named")
                    ->type_name("FILE...");
                app.add_option("--fix", options->fixes, "Only this one (`ticklab list fixes`); may be repeated")
                    ->type_name("ID")
                    ->take_all()
                    ->allow_extra_args(false);
                app.add_option("--strategy", options->strategies,
                               "How runs differ, one or a list with commas: random, seeds, pct, delay, as of `hunt`")
                    ->check(CLI::IsMember({"random", "seeds", "pct", "delay"}))
                    ->type_name("NAME,...")
                    ->delimiter(',')
                    ->default_str("random");
                app.add_option("--runs", options->museum.runs, "End a search without a failure after so many runs")
                    ->check(CLI::Range(std::uint64_t{1}, kMaxMuseumRuns))
                    ->capture_default_str();
                app.add_option("--masters", options->museum.masters,
                               "Searches of each fix and strategy, from seeds of their own; medians are over these")
                    ->check(CLI::Range(std::uint64_t{1}, kMaxMuseumMasters))
                    ->capture_default_str();
                app.add_flag("--free", options->free,
                             "Leave out scripted holds and stalls: the hunt must find the delay by itself");
                add_overrides(app, options->overrides);
                app.add_flag("--shrink", options->museum.shrink,
                             "Also make the first failure of each small, and say how many stalls and ties it had");
                app.add_option("--jobs", options->museum.jobs,
                               "Searches at a time; what is found does not depend on it, wall times do")
                    ->check(CLI::Range(1u, 1024u))
                    ->default_str("one a processor");
                options->museum.jobs = default_jobs();
                app.add_flag("--json", options->json, "Print one JSON document");
                app.footer(
                    "\nExamples:\n"
                    "  ticklab museum --fix TMIGR-19 --fix TMIGR-20 --shrink\n"
                    "  ticklab museum scenarios/linux --free --set machine.max_stall=20ms --strategy random,delay");
            },
            [options] { return walk(*options); }};
}

}  // namespace ticklab::lab
