// A failure is kept as a bundle that stands on its own and comes back record for record (DESIGN 6, lab/bundle).
#include "ticklab/lab/bundle/bundle.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "command_line.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/bundle/inlined.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;

namespace {

std::string fix_scenario() { return source_dir() + "/scenarios/linux/fixes/TMIGR-03.json"; }

std::vector<std::string> hunt_words(const std::string& folder) {
    return {"hunt",      fix_scenario(), "--seeds", "1..20", "--jobs", "1", "--set", R"(kernel.without=["TMIGR-03"])",
            "--bundles", folder};
}

/// The one bundle that the hunt wrote.
std::string bundle_in(const std::string& folder) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        files.push_back(entry.path().string());
    REQUIRE(files.size() == 1);
    return files[0];
}

Said replay_of(const nlohmann::json& bundle, const ScratchFolder& folder) {
    const std::string file = folder / "changed.json";
    std::ofstream(file) << bundle.dump();
    return program({"replay", file});
}

}  // namespace

TEST_CASE("what a hunt keeps comes back from the bundle alone, and says so if it does not (DESIGN 6)") {
    const ScratchFolder folder;
    const Said hunted = program(hunt_words(folder / "found"));
    CAPTURE(hunted.err);
    CHECK(hunted.code == 1);
    const std::string file = bundle_in(folder / "found");
    CHECK(hunted.out.find("bundle: ticklab replay " + file) != std::string::npos);

    const Said replayed = program({"replay", file});
    CHECK(replayed.code == 1);
    CHECK(replayed.out.starts_with("the same: tmigr."));

    const nlohmann::json bundle = nlohmann::json::parse(contents(file));
    CHECK(!bundle["scenario"]["machine"].contains("profile"));
    CHECK(!bundle["scenario"]["machine"].contains("costs"));

    nlohmann::json changed = bundle;
    REQUIRE(bundle["chain"].size() == 1);
    changed["digest"] = "0";
    const Said late = replay_of(changed, folder);
    CHECK(late.code == 4);
    CHECK(late.out.find("the first difference is among records 1025 to 2048") != std::string::npos);
    changed["chain"][0] = "0";
    const Said early = replay_of(changed, folder);
    CHECK(early.code == 4);
    CHECK(early.out.find("the first difference is among records 1 to 1024") != std::string::npos);

    changed = bundle;
    changed["verdict"]["check"] = "progress.deadlock";
    CHECK(replay_of(changed, folder).code == 4);
}

TEST_CASE("a bad bundle is one message with its place, and exit code 2") {
    const ScratchFolder folder;
    REQUIRE(program(hunt_words(folder / "found")).code == 1);
    const nlohmann::json bundle = nlohmann::json::parse(contents(bundle_in(folder / "found")));
    struct Case {
        const char* pointer;
        nlohmann::json value;
        const char* said;
    };
    const std::vector<Case> cases{
        {"/bundle", 2, "/bundle"},
        {"/seed", "many", "/seed: found \"many\", expected a seed: digits"},
        {"/looks", 0, "/looks"},
        {"/decisions/stalls", {{{"key", "xyz"}, {"length", "1us"}}}, "/decisions/stalls/0/key: found \"xyz\""},
        {"/decisions/stalls", {{{"key", "1f"}, {"length", "0s"}}}, "/decisions/stalls/0/length: found \"0s\""},
        {"/scenario/machine/cpus", 0, "/scenario/machine/cpus"}};
    for (const Case& bad : cases) {
        CAPTURE(bad.said);
        nlohmann::json changed = bundle;
        changed[nlohmann::json::json_pointer(bad.pointer)] = bad.value;
        const Said said = replay_of(changed, folder);
        CAPTURE(said.err);
        CHECK(said.code == 2);
        CHECK(said.err.find(bad.said) != std::string::npos);
        CHECK(std::count(said.err.begin(), said.err.end(), '\n') == 1);
    }
    CHECK(program({"replay", fix_scenario()}).code == 2);
    CHECK(program({"replay", folder / "absent"}).code == 2);
}

TEST_CASE("an inlined scenario is the same run as the files it was made of") {
    const ScenarioLoader loader(program_registry());
    for (const char* const name : {"/scenarios/linux/fixes/TMIGR-03.json", "/scenarios/linux/nohz-idle.json",
                                   "/scenarios/xen/offline-against-guest-set-dead.json"}) {
        CAPTURE(name);
        std::vector<InputError> errors;
        const std::vector<std::string> overrides{"machine.profile=server-2s"};
        const std::optional<Scenario> scenario = loader.load(source_dir() + name, overrides, errors);
        REQUIRE(scenario.has_value());
        const std::optional<Scenario> own =
            loader.load_text("inlined", inlined(*scenario, overrides).dump(), {}, errors);
        for (const InputError& error : errors)
            MESSAGE(to_text(error));
        REQUIRE(own.has_value());
        Experiment first(*scenario, {});
        first.run();
        Experiment second(*own, {});
        second.run();
        CHECK(first.machine().records().digest() == second.machine().records().digest());
    }
}
