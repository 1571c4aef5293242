// Scenarios with a "museum" member: fine with the change, and failing as foretold without it (DESIGN 3, 5); and the
// command that hunts for each (issue 6, point 6).
#include "ticklab/lab/museum/museum.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/exit_code.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/museum/exhibit.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/report.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;
namespace fs = std::filesystem;

namespace {

const ScenarioLoader& museum_loader() {
    static const ScenarioLoader loader(program_registry());
    return loader;
}

std::string fix_file(const std::string& kernel, const std::string& id) {
    return source_dir() + "/scenarios/" + kernel + "/fixes/" + id + ".json";
}

Exhibit exhibit_of(const std::string& file, ScriptedDelays delays = ScriptedDelays::kKept) {
    std::vector<InputError> errors;
    std::optional<Exhibit> exhibit = load_exhibit(museum_loader(), file, delays, {}, errors);
    REQUIRE_MESSAGE(exhibit, file);
    return *std::move(exhibit);
}

std::vector<Exhibit> all_exhibits() {
    std::vector<InputError> errors;
    std::vector<Exhibit> exhibits;
    for (const std::string& file : museum_files(source_dir() + "/scenarios", errors)) {
        exhibits.push_back(exhibit_of(file));
        CHECK_MESSAGE(fs::path(file).stem() == exhibits.back().entry.change, file);
    }
    CHECK(errors.empty());
    return exhibits;
}

RunReport run_with_seed(const Scenario& scenario, std::uint64_t seed) {
    ExperimentOptions options;
    options.seed = seed;
    Experiment experiment(scenario, options);
    experiment.run();
    return report_of(experiment, 0, {});
}

/// The check that failed, "expectation" if only expectations did, empty if all is well.
std::string outcome(const RunReport& report) {
    if (exit_code_of(report) == ExitCode::kFine)
        return {};
    return report.verdict ? std::string(report.verdict->check->name) : std::string(MuseumEntry::kExpectationFails);
}

Museum walked(
    const std::vector<Exhibit>& exhibits, const MuseumOptions& options,
    const std::function<bool()>& interrupted = [] { return false; }) {
    MuseumObserver observer;
    observer.progress = [](std::uint64_t, std::uint64_t, const Exhibit&) {};
    observer.interrupted = interrupted;
    return walk_museum(museum_loader(), exhibits, options, observer);
}

/// Of every search, but for its wall time.
std::string searches_text(const Museum& museum) {
    std::string text;
    for (const MuseumResult& entry : museum.entries)
        for (const StrategySearches& strategy : entry.strategies)
            for (const MuseumSearch& search : strategy.searches)
                text += entry.exhibit->entry.change + " " + std::to_string(search.runs) + " " +
                        std::to_string(search.fixed_runs) + " " + (search.failure ? search.failure->check : "-") + "\n";
    return text;
}

/// Whether a table of the page has the id in a list of ids, or in a first cell.
bool names_change(const std::string& page, const std::string& id) {
    for (std::size_t at = page.find(id); at != std::string::npos; at = page.find(id, at + 1)) {
        const std::string_view before = std::string_view(page).substr(at - 2, 2);
        const std::string_view after = std::string_view(page).substr(at + id.size(), 2);
        if ((before == "| " || before == ", ") && (after == " |" || after == ", "))
            return true;
    }
    return false;
}

}  // namespace

TEST_CASE("each scenario of a fix is fine with it, and fails as foretold without it, whatever the seed") {
    for (const Exhibit& exhibit : all_exhibits()) {
        CAPTURE(exhibit.file);
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            CHECK(outcome(run_with_seed(exhibit.fixed, seed)) == "");
            CHECK(outcome(run_with_seed(exhibit.broken, seed)) == exhibit.entry.expect);
        }
    }
}

TEST_CASE("with every fix, scenarios of fixes bear jitter and stalls without a verdict") {
    for (const Exhibit& exhibit : all_exhibits()) {
        CAPTURE(exhibit.file);
        Scenario scenario = exhibit.fixed;
        scenario.machine.jitter_per_1024 = 200;
        scenario.machine.stall_one_in = 500;
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            const RunReport report = run_with_seed(scenario, seed);
            CHECK_MESSAGE(!report.verdict, text_report(report, false));
        }
    }
}

TEST_CASE("every change of a kernel has a scenario or is named in the kernel's coverage page") {
    const std::vector<Exhibit> exhibits = all_exhibits();
    for (const std::string kernel : {"linux", "xen"}) {
        const std::string page = contents(source_dir() + "/docs/" + kernel + "-coverage.md");
        const sim::KernelDecl* const decl = program_registry().find_kernel(kernel);
        REQUIRE(decl);
        for (const std::string& id : changes_not_shown(*decl, exhibits))
            CHECK_MESSAGE(names_change(page, id), kernel, ": ", id);
    }
}

TEST_CASE("the museum finds each of a few fixes left out, and nothing with them, whatever the number of threads") {
    const std::vector<Exhibit> exhibits{exhibit_of(fix_file("linux", "TMIGR-19")),
                                        exhibit_of(fix_file("linux", "LNT 2.7")), exhibit_of(fix_file("xen", "XEN-22")),
                                        exhibit_of(fix_file("xen", "XEN-11"))};
    MuseumOptions options;
    options.strategies = {HuntStrategy::kRandom, HuntStrategy::kPct, HuntStrategy::kDelay};
    options.runs = 20;
    options.masters = 2;
    const Museum museum = walked(exhibits, options);
    CHECK(!museum.interrupted);
    REQUIRE(museum.entries.size() == exhibits.size());
    for (const MuseumResult& entry : museum.entries) {
        CAPTURE(entry.exhibit->file);
        CHECK(entry.found() == 6);
        CHECK(!entry.false_alarm());
        CHECK(entry.strategies.front().median_runs().has_value());
        CHECK(entry.strategies.front().median_seconds().has_value());
        for (const StrategySearches& strategy : entry.strategies)
            for (const MuseumSearch& search : strategy.searches)
                CHECK(search.fixed_runs == search.runs);
    }
    options.jobs = 5;
    CHECK(searches_text(walked(exhibits, options)) == searches_text(museum));
}

TEST_CASE("what the fix does not mend is a false alarm of the museum") {
    Exhibit exhibit = exhibit_of(fix_file("linux", "TMIGR-19"));
    exhibit.fixed = exhibit.broken;
    const Museum museum = walked({exhibit}, {});
    REQUIRE(museum.entries.size() == 1);
    CHECK(museum.entries[0].false_alarm());
}

TEST_CASE("MA 13.1: one delay where a conflict is turned round finds a race in a few runs") {
    std::vector<Exhibit> exhibits;
    for (const auto& [kernel, fix] :
         {std::pair{"xen", "XEN-04"}, {"xen", "XEN-37"}, {"xen", "HPET-17"}, {"cputime", "LC-F8"}})
        exhibits.push_back(exhibit_of(fix_file(kernel, fix), ScriptedDelays::kLeftOut));
    MuseumOptions options;
    options.strategies = {HuntStrategy::kDelay};
    options.runs = 40;
    for (const MuseumResult& entry : walked(exhibits, options).entries) {
        CAPTURE(entry.exhibit->file);
        CHECK(entry.found() == options.masters);
        CHECK(!entry.false_alarm());
    }
}

TEST_CASE("LC-F7b: a timer clock lacks what is used while it is started, however long a CPU stands still in there") {
    const Said said = program({"museum", fix_file("cputime", "LC-F7 (F7c)"), "--free", "--strategy", "delay", "--set",
                               "machine.max_stall=20ms", "--masters", "1", "--runs", "100"});
    CHECK_MESSAGE(said.code == 0, said.out);
}

TEST_CASE("medians of a museum count a search that found nothing as longer than any") {
    StrategySearches strategy;
    for (const std::uint64_t runs : std::initializer_list<std::uint64_t>{7, 3, 5, 1}) {
        strategy.searches.push_back({HuntFailure{}, runs, static_cast<double>(runs), {}, runs});
    }
    CHECK(strategy.median_runs() == 5);
    CHECK(strategy.median_seconds() == 5.0);
    strategy.searches[0] = {std::nullopt, 2, 2.0, {}, 2};
    CHECK(strategy.median_runs() == 5);
    strategy.searches[2] = {std::nullopt, 2, 2.0, {}, 2};
    CHECK(!strategy.median_runs());
    CHECK(!strategy.median_seconds());
    CHECK(strategy.found() == 2);
}

TEST_CASE("free of scripted delays, no hold, release or stall is left, and what else there is stays") {
    const std::string file = fix_file("linux", "HRT-05");
    const Exhibit kept = exhibit_of(file), free = exhibit_of(file, ScriptedDelays::kLeftOut);
    CHECK(kept.fixed.script.size() == 6);
    CHECK(free.fixed.script.size() == 4);
    CHECK(free.broken.script.size() == 4);
    CHECK(outcome(run_with_seed(free.broken, 1)) == "");
}

TEST_CASE("an interrupted walk keeps the rows that are done") {
    const std::vector<Exhibit> exhibits{exhibit_of(fix_file("linux", "LNT 2.7")),
                                        exhibit_of(fix_file("linux", "HRT-05"), ScriptedDelays::kLeftOut)};
    MuseumOptions options;
    options.masters = 1;
    options.runs = kMaxMuseumRuns;
    std::uint64_t asked = 0;
    const Museum museum = walked(exhibits, options, [&] { return ++asked > 50; });
    CHECK(museum.interrupted);
    REQUIRE(museum.entries.size() == 1);
    CHECK(museum.entries[0].found() == 1);
}

TEST_CASE("`ticklab museum` prints a row a fix, says what it does not show, and refuses what there is not") {
    const std::string folder = source_dir() + "/scenarios/linux/fixes";
    const Said text = program({"museum", folder, "--fix", "TMIGR-19", "--masters", "1", "--shrink"});
    CHECK(text.code == 0);
    CHECK(text.out.find("| TMIGR-19 | tmigr.quiet.active_bit |") != std::string::npos);

    const Said said = program({"museum", folder, "--fix", "TMIGR-19", "--masters", "1", "--shrink", "--json"});
    const auto document = nlohmann::json::parse(said.out);
    REQUIRE(document["entries"].size() == 1);
    const auto& entry = document["entries"][0];
    CHECK(entry["id"] == "TMIGR-19");
    CHECK(entry["found"] == true);
    CHECK(entry["runs"].get<std::uint64_t>() >= 1);
    // The scenario has its delay in the script: no other is needed.
    CHECK(entry["schedule"]["after"]["decisions"] == 0);
    CHECK(entry["schedule"]["after"]["jitter"] == false);

    const Said hidden = program({"museum", folder, "--fix", "HRT-05", "--free", "--masters", "1", "--runs", "3"});
    CHECK(hidden.code == static_cast<int>(ExitCode::kInconclusive));

    // It needs longer stalls than a system management interrupt takes, and then hardly any runs.
    const Said longer = program({"museum", folder, "--fix", "TMIGR-14", "--free", "--strategy", "delay", "--set",
                                 "machine.max_stall=20ms", "--masters", "1"});
    CHECK_MESSAGE(longer.code == 0, longer.out);
    const Said bound = program({"museum", folder, "--fix", "LTW 4.3", "--free"});
    CHECK(bound.err.find("left out, since their scripts need their delays: LTW 4.3") != std::string::npos);
    CHECK(program({"museum", "--set", "machine.max_stall=2ms", folder, "--fix", "TMIGR-14"}).code == 0);
    const Said nonsense = program({"museum", folder, "--set", "machine"});
    CHECK(nonsense.code == 2);
    CHECK(std::count(nonsense.err.begin(), nonsense.err.end(), '\n') == 1);

    const Said unknown = program({"museum", folder, "--fix", "TMIGR-18"});
    CHECK(unknown.code == 2);
    CHECK(unknown.err.find("--fix: found \"TMIGR-18\", expected a change with a scenario here; did you mean") !=
          std::string::npos);
    CHECK(program({"museum", source_dir() + "/scenarios/machines"}).code == 2);
    CHECK(program({"museum", source_dir() + "/scenarios/linux/tmigr-one-busy.json"}).code == 2);
    CHECK(program({"museum", folder, "--strategy", "exhaustive"}).code == 2);
}
