// Scenarios of the HPET broadcast, as whole runs: each fix seen both ways, and no false alarm under disturbance.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "source_dir.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/registry.hpp"

using namespace ticklab;
namespace fs = std::filesystem;

namespace {

const fs::path kBroadcastScenarios = fs::path(source_dir()) / "scenarios/xen";

/// Name of the verdict of a run, "expect" for a missed expectation, empty if all is well.
std::string outcome(const fs::path& file, const std::vector<std::string>& overrides, std::uint64_t seed = 1) {
    static const lab::ScenarioLoader loader(lab::program_registry());
    std::vector<lab::InputError> errors;
    const std::optional<lab::Scenario> scenario = loader.load(file.string(), overrides, errors);
    for (const lab::InputError& error : errors)
        MESSAGE(lab::to_text(error));
    REQUIRE(scenario);
    lab::ExperimentOptions options;
    options.seed = seed;
    lab::Experiment experiment(*scenario, options);
    experiment.run();
    if (const auto& verdict = experiment.machine().verdict()) {
        INFO(verdict->message);
        return std::string(verdict->check->name);
    }
    const bool met =
        std::all_of(experiment.expectations().begin(), experiment.expectations().end(),
                    [](const lab::ExpectationResult& r) { return r.outcome == lab::ExpectationOutcome::kMet; });
    return met ? "" : "expect";
}

}  // namespace

TEST_CASE("each fix of the broadcast and the local timer: fine with it, and its own trouble without (change-ids C)") {
    struct Row {
        const char* change;
        std::vector<std::string> seen;
    };
    const Row rows[] = {
        {"XEN-32", {"timer.lost", "progress.uncovered"}},
        {"HPET-11", {"timer.lost", "progress.uncovered"}},
        {"HPET-16", {"lock.irq_unsafe"}},
        {"HPET-17", {"xen.broadcast.nested"}},
        {"HPET-20", {"timer.lost", "progress.uncovered"}},
        {"LAPIC-01", {"xen.deadline.lost"}},
        {"LAPIC-03", {"xen.softirq.storm"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.change);
        const fs::path file = kBroadcastScenarios / "fixes" / (std::string(row.change) + ".json");
        CHECK(outcome(file, {}) == "");
        const std::string without = outcome(file, {std::string("kernel.without=[\"") + row.change + "\"]"});
        CAPTURE(without);
        CHECK(std::find(row.seen.begin(), row.seen.end(), without) != row.seen.end());
    }
}

TEST_CASE("the broadcast scenarios break nothing, disturbed or not (HP-P4, HP 13)") {
    for (const char* const name : {"broadcast-shared-channels", "broadcast-legacy", "broadcast-mwait"})
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            CAPTURE(name);
            CAPTURE(seed);
            const fs::path file = kBroadcastScenarios / (std::string(name) + ".json");
            CHECK(outcome(file, {}, seed) == "");
            CHECK(outcome(file, {"machine.jitter_per_1024=200", "machine.stall_one_in=500"}, seed) == "");
            CHECK(outcome(file, {"machine.flight_jitter=5us", "machine.break_ties=true"}, seed) == "");
        }
}
