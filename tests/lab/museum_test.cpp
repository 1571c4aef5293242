// Scenarios with a "museum" member: fine with the change, and failing as foretold without it (DESIGN 3, 5).
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "source_dir.hpp"
#include "ticklab/lab/exit_code.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/report.hpp"

using namespace ticklab;
using namespace ticklab::lab;
namespace fs = std::filesystem;

namespace {

std::vector<Scenario> museum() {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(source_dir()) / "scenarios"))
        if (entry.path().parent_path().filename() == "fixes")
            files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
    const ScenarioLoader loader(program_registry());
    std::vector<Scenario> scenarios;
    for (const std::string& file : files) {
        std::vector<InputError> errors;
        std::optional<Scenario> scenario = loader.load(file, {}, errors);
        REQUIRE_MESSAGE(scenario, file);
        REQUIRE_MESSAGE(scenario->museum, file);
        CHECK_MESSAGE(fs::path(file).stem() == scenario->museum->change, file);
        scenarios.push_back(*std::move(scenario));
    }
    return scenarios;
}

Scenario without(Scenario scenario, const std::string& change) {
    if (std::erase(scenario.settings.with, change) == 0)
        scenario.settings.without.push_back(change);
    return scenario;
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

}  // namespace

TEST_CASE("each scenario of a fix is fine with it, and fails as foretold without it, whatever the seed") {
    for (const Scenario& fixed : museum()) {
        CAPTURE(fixed.file);
        const Scenario broken = without(fixed, fixed.museum->change);
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            CHECK(outcome(run_with_seed(fixed, seed)) == "");
            CHECK(outcome(run_with_seed(broken, seed)) == fixed.museum->expect);
        }
    }
}

TEST_CASE("with every fix, scenarios of fixes bear jitter and stalls without a verdict") {
    for (Scenario scenario : museum()) {
        CAPTURE(scenario.file);
        scenario.machine.jitter_per_1024 = 200;
        scenario.machine.stall_one_in = 500;
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            const RunReport report = run_with_seed(scenario, seed);
            CHECK_MESSAGE(!report.verdict, text_report(report, false));
        }
    }
}
