// Reports, exit codes, and the digests of the scenarios that come with ticklab.
#include "ticklab/lab/report.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "defect_kernel.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/whole_file.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;
namespace fs = std::filesystem;

namespace {

const fs::path kReportSource = source_dir();
bool rewriting() { return std::getenv("TICKLAB_REWRITE") != nullptr; }

RunReport run(const Scenario& scenario, const ExperimentOptions& options = {}) {
    Experiment experiment(scenario, options);
    experiment.run();
    return report_of(experiment, 0, "ticklab run fake.json --seed 1");
}

Scenario one_timer(const sim::KernelDecl& kernel) {
    ScenarioBuilder b(kernel);
    b.timer("a").set(std::chrono::microseconds{100}, 0, 0, std::chrono::milliseconds{1});
    return b.s;
}

}  // namespace

TEST_CASE("exit codes: of several, the gravest (MA 14.2)") {
    using enum ExitCode;
    const ExitCode order[] = {kInternalError, kNondeterminism, kBadInput, kFailed, kInterrupted, kInconclusive, kFine};
    for (std::size_t i = 0; i < std::size(order); ++i)
        for (std::size_t j = i; j < std::size(order); ++j) {
            const ExitCode both[] = {order[j], order[i]};
            CHECK(worst_exit_code(both) == order[i]);
        }
    CHECK(worst_exit_code({}) == kFine);
}

TEST_CASE("the exit code of a run is its class of outcome (DESIGN 6)") {
    Scenario clean = one_timer(fake_decl<Defect::kNone>());
    CHECK(exit_code_of(run(clean)) == ExitCode::kFine);
    CHECK(exit_code_of(run(one_timer(fake_decl<Defect::kTwice>()))) == ExitCode::kFailed);
    Scenario wanted = one_timer(fake_decl<Defect::kTwice>());
    wanted.expect.push_back(VerdictExpectation{"timer.twice", {}});
    CHECK(exit_code_of(run(wanted)) == ExitCode::kFine);
    wanted.kernel = &fake_decl<Defect::kEarly>();
    CHECK(exit_code_of(run(wanted)) == ExitCode::kFailed);
    wanted.kernel = &fake_decl<Defect::kNone>();
    CHECK(exit_code_of(run(wanted)) == ExitCode::kFailed);
    clean.expect.push_back(TimerExpectation{0, 1u, std::nullopt, std::nullopt, std::nullopt, std::nullopt, {}});
    CHECK(exit_code_of(run(clean)) == ExitCode::kFailed);
    clean.expect.clear();
    clean.max_steps = 3;
    CHECK(exit_code_of(run(clean)) == ExitCode::kInconclusive);
}

TEST_CASE("the text report of a failed run, byte for byte") {
    const std::string text = text_report(run(one_timer(fake_decl<Defect::kTwice>())), false);
    const fs::path golden = kReportSource / "tests/golden/report.txt";
    if (rewriting())
        write_whole_file(golden.string(), text);
    CHECK(text == contents(golden));
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("replay: ticklab run fake.json --seed 1") != std::string::npos);
}

TEST_CASE("the JSON report has what DESIGN 6 promises") {
    const nlohmann::ordered_json report = json_report(run(one_timer(fake_decl<Defect::kTwice>())));
    for (const char* key : {"digest", "seed", "virtual_ns", "events", "wall_seconds", "timers", "cpus", "locks",
                            "energy", "violations", "expectations", "scenario_hash", "version", "chain_length"})
        CHECK_MESSAGE(report.contains(key), key);
    for (const char* key : {"armed", "fired", "cancelled", "lost", "early", "lateness_ns"})
        CHECK_MESSAGE(report["timers"].contains(key), key);
    CHECK(report["violations"][0]["check"] == "timer.twice");
    CHECK(report["violations"][0]["cpus"].size() == 2);
    ExperimentOptions none;
    none.checks = none.metrics = false;
    CHECK(json_report(run(one_timer(fake_decl<Defect::kNone>()), none))["timers"].is_null());
}

TEST_CASE("arguments of the replay line survive a shell") {
    CHECK(shell_quoted("machine.cpus=64") == "machine.cpus=64");
    CHECK(shell_quoted("a b") == "'a b'");
    CHECK(shell_quoted("it's") == "'it'\\''s'");
    CHECK(shell_quoted("") == "''");
}

TEST_CASE("the scenarios that come with ticklab meet their expectations and have their golden digests") {
    const fs::path golden = kReportSource / "tests/golden/digests.json";
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(kReportSource / "scenarios")) {
        const std::string room = fs::relative(entry.path(), kReportSource / "scenarios").begin()->string();
        if (entry.path().extension() == ".json" && room != "machines" && room != "costs")
            files.push_back(fs::relative(entry.path(), kReportSource).generic_string());
    }
    std::sort(files.begin(), files.end());
    REQUIRE_FALSE(files.empty());
    const ScenarioLoader loader(program_registry());
    nlohmann::ordered_json found = nlohmann::ordered_json::object();
    for (const std::string& file : files) {
        std::vector<InputError> errors;
        const std::optional<Scenario> scenario = loader.load((kReportSource / file).string(), {}, errors);
        REQUIRE_MESSAGE(scenario, file);
        for (const std::uint64_t seed : {1u, 2u, 3u}) {
            ExperimentOptions options;
            options.seed = seed;
            const RunReport report = run(*scenario, options);
            CHECK_MESSAGE(exit_code_of(report) == ExitCode::kFine, text_report(report, false));
            found[file][std::to_string(seed)] = {{"digest", report.digest.hex()}, {"records", report.records}};
        }
    }
    if (rewriting())
        write_whole_file(golden.string(), found.dump(2) + "\n");
    const nlohmann::ordered_json expected = nlohmann::ordered_json::parse(contents(golden));
    CHECK(found.size() == expected.size());
    for (const auto& item : found.items())
        CHECK_MESSAGE((expected.contains(item.key()) && expected[item.key()] == item.value()), item.key());
}
