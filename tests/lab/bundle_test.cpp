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

/// Hunts the scenario without its fix into that folder, with more options behind.
Said hunt_into(const std::string& folder, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{
        "hunt", fix_scenario(), "--jobs", "1", "--set", R"(kernel.without=["TMIGR-03"])", "--bundles", folder};
    words.insert(words.end(), more.begin(), more.end());
    return program(words);
}

std::vector<std::string> bundles_in(const std::string& folder) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
    return files;
}

/// Of a hunt that ends with its first failure.
nlohmann::json bundle_of_hunt(const ScratchFolder& folder) {
    REQUIRE(hunt_into(folder / "found").code == 1);
    const std::vector<std::string> files = bundles_in(folder / "found");
    REQUIRE(files.size() == 1);
    return nlohmann::json::parse(contents(files[0]));
}

Said replay_of_text(const std::string& text, const ScratchFolder& folder) {
    const std::string file = folder / "changed.json";
    std::ofstream(file) << text;
    return program({"replay", file});
}

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("what a hunt keeps comes back from the bundle alone (DESIGN 6)") {
    const ScratchFolder folder;
    const Said hunted = hunt_into(folder / "found");
    CAPTURE(hunted.err);
    CHECK(hunted.code == 1);
    const std::vector<std::string> files = bundles_in(folder / "found");
    REQUIRE(files.size() == 1);
    CHECK(mentions(hunted.out, "bundle: ticklab replay " + files[0]));

    const Said replayed = program({"replay", files[0]});
    CHECK(replayed.code == 1);
    CHECK(replayed.out.starts_with("the same: tmigr."));

    const nlohmann::json bundle = nlohmann::json::parse(contents(files[0]));
    CHECK_FALSE(bundle["scenario"]["machine"].contains("profile"));
    CHECK_FALSE(bundle["scenario"]["machine"].contains("costs"));

    const Said watched = program({"run", files[0], "--json"});
    CHECK(watched.code == 1);
    CHECK(nlohmann::json::parse(watched.out)["digest"] == bundle["digest"]);
    CHECK(program({"run", files[0], "--seed", "3"}).code == 2);
}

TEST_CASE("MA 7.2: a failure of every strategy comes back from the decisions in its bundle") {
    struct Row {
        std::vector<std::string> options;
        bool always_deviates;
    };
    const std::vector<Row> rows{{{"--strategy", "random"}, false},
                                {{"--strategy", "seeds"}, false},
                                {{"--strategy", "pct"}, true},
                                {{"--strategy", "delay"}, true},
                                {{"--strategy", "delay", "--depth", "3"}, true},
                                {{"--strategy", "exhaustive"}, true}};
    for (const Row& row : rows) {
        CAPTURE(row.options.back());
        const ScratchFolder folder;
        std::vector<std::string> options{"--stop-after", "3", "--out", folder / "hunt.json"};
        options.insert(options.end(), row.options.begin(), row.options.end());
        const Said hunted = hunt_into(folder / "found", options);
        CAPTURE(hunted.err);
        CHECK(hunted.code == 1);
        const std::vector<std::string> files = bundles_in(folder / "found");
        CHECK(files.size() == 3);
        std::size_t decisions = 0;
        for (const std::string& file : files) {
            const Said replayed = program({"replay", file});
            CAPTURE(replayed.out);
            CHECK(replayed.code == 1);
            CHECK(replayed.out.starts_with("the same: tmigr."));
            const nlohmann::json list = nlohmann::json::parse(contents(file))["decisions"];
            decisions += list["stalls"].size() + list["ties"].size();
        }
        if (row.always_deviates)
            CHECK(decisions > 0);
        const nlohmann::json document = nlohmann::json::parse(contents(folder / "hunt.json"));
        REQUIRE(document["failures"].size() == 3);
        for (const nlohmann::json& failure : document["failures"])
            CHECK(std::count(files.begin(), files.end(), failure["bundle"].get<std::string>()) == 1);
    }
}

TEST_CASE("a replay names the first record that differs, the link of the chain, and the verdicts") {
    const ScratchFolder folder;
    const nlohmann::json bundle = bundle_of_hunt(folder);
    REQUIRE(bundle["chain"].size() == 1);
    const auto said_of = [&](const nlohmann::json& changed) {
        const Said said = replay_of_text(changed.dump(), folder);
        CHECK(said.code == 4);
        CHECK(mentions(said.out, "a second run here is as the first"));
        return said.out;
    };
    nlohmann::json changed = bundle;
    std::string mark = bundle["marks"][1];
    mark[4 * 10] = mark[4 * 10] == '0' ? '1' : '0';
    changed["marks"][1] = mark;
    CHECK(mentions(said_of(changed), "record 1035 is the first that differs; here it is, at "));

    changed = bundle;
    changed["digest"] = "0";
    CHECK(mentions(said_of(changed), "link 2 of the digest chain is the first that differs: records 1025 to "));
    changed["chain"][0] = "0";
    CHECK(mentions(said_of(changed), "link 1 of the digest chain is the first that differs: records 1 to 1024, here "));

    changed = bundle;
    changed["records"] = 1030;
    changed["marks"][1] = bundle["marks"][1].get<std::string>().substr(0, 4 * 6);
    CHECK(mentions(said_of(changed), "the same up to record 1030, where the bundle's run ends; here comes, at "));

    changed = bundle;
    changed["verdict"]["check"] = "progress.deadlock";
    CHECK(mentions(said_of(changed), "bundle: progress.deadlock at "));

    // As if the program had changed: another run, which ends early.
    changed = bundle;
    changed["scenario"]["duration"] = "120ms";
    const std::string early = said_of(changed);
    CHECK(mentions(early, "now:    no failure"));
    CHECK(mentions(early, "where the run ends here; the bundle has "));
    const Said document = program({"replay", folder / "changed.json", "--json"});
    CHECK(document.code == 4);
    CHECK(nlohmann::json::parse(document.out)["same"] == false);
}

TEST_CASE("a bad bundle is one message with its place, and exit code 2") {
    const ScratchFolder folder;
    const nlohmann::json bundle = bundle_of_hunt(folder);
    struct Case {
        const char* pointer;
        nlohmann::json value;
        const char* said;
    };
    const nlohmann::json one{{"key", "1f"}, {"nth", 1}, {"length", "1us"}};
    const std::vector<Case> cases{
        {"/bundle", 2, "/bundle: found 2, expected format 1 of bundles"},
        {"/seed", "many", "/seed: found \"many\", expected a seed: digits"},
        {"/seed", 1, "/seed: found"},
        {"/looks", 0, "/looks"},
        {"/records", "many", "/records"},
        {"/verdict/cpu", "none", "/verdict/cpu"},
        {"/decisions/stalls", 7, "/decisions/stalls"},
        {"/decisions/stalls",
         {{{"key", "xyz"}, {"nth", 1}, {"length", "1us"}}},
         "/decisions/stalls/0/key: found \"xyz\""},
        {"/decisions/stalls",
         {{{"key", "1f"}, {"nth", 1}, {"length", "0s"}}},
         "/decisions/stalls/0/length: found \"0s\""},
        {"/decisions/stalls",
         {{{"key", "1f"}, {"nth", 1}, {"length", "1s"}}},
         "/decisions/stalls/0/length: found 1s, expected at most"},
        {"/decisions/stalls", {one, one}, "/decisions/stalls/1/key: found a key and time that are there already"},
        {"/decisions/ties", {{{"key", "1f"}, {"nth", 1}, {"answer", 0}}}, "/decisions/ties/0/answer"},
        {"/chain", nlohmann::json::array(), "/chain: found 0 links"},
        {"/marks/0", "abc", "/marks/0: found \"abc\", expected 4096 hexadecimal digits"},
        {"/marks", nlohmann::json::array(), "/marks: found 0 strings"},
        {"/scenario/machine/cpus", 0, "/scenario/machine/cpus"}};
    for (const Case& bad : cases) {
        CAPTURE(bad.said);
        nlohmann::json changed = bundle;
        changed[nlohmann::json::json_pointer(bad.pointer)] = bad.value;
        const Said said = replay_of_text(changed.dump(), folder);
        CAPTURE(said.err);
        CHECK(said.code == 2);
        CHECK(mentions(said.err, bad.said));
        CHECK(std::count(said.err.begin(), said.err.end(), '\n') == 1);
    }
    const std::string text = bundle.dump();
    const Said cut = replay_of_text(text.substr(0, text.size() / 2), folder);
    CHECK(cut.code == 2);
    CHECK(std::count(cut.err.begin(), cut.err.end(), '\n') == 1);
    CHECK(program({"replay", fix_scenario()}).code == 2);
    CHECK(program({"replay", folder / "absent"}).code == 2);
}

TEST_CASE("MA 7.2: an answer that a run of ties cannot have had is bad input") {
    const ScratchFolder folder;
    REQUIRE(hunt_into(folder / "found", {"--strategy", "pct"}).code == 1);
    nlohmann::json bundle = nlohmann::json::parse(contents(bundles_in(folder / "found").at(0)));
    nlohmann::json& ties = bundle["decisions"]["ties"];
    REQUIRE(ties.size() > 0);
    // Where there are two, the last one goes first either way.
    for (nlohmann::json& tie : ties)
        tie["answer"] = 1000;
    const Said said = replay_of_text(bundle.dump(), folder);
    CAPTURE(said.out);
    CAPTURE(said.err);
    CHECK((said.code == 2 ? mentions(said.err, "/decisions/ties: found answers out of range")
                          : said.code == 4 && mentions(said.out, "fewer activities due than the bundle says")));
}

TEST_CASE("a missed expectation is kept and comes back, and is none to shrink") {
    const ScratchFolder folder;
    REQUIRE(program({"hunt", fix_scenario(), "--jobs", "1", "--seeds", "1", "--expectations", "--set",
                     "/expect/0/fires=7", "--bundles", folder / "found"})
                .code == 1);
    const std::string file = bundles_in(folder / "found").at(0);
    const Said replayed = program({"replay", file});
    CHECK(replayed.code == 1);
    CHECK(replayed.out.starts_with("the same: expectation at "));
    const Said shrunk = program({"shrink", file});
    CHECK(shrunk.code == 2);
    CHECK(mentions(shrunk.err, "found a missed expectation, expected a run in which a check fails"));
}

TEST_CASE("an inlined scenario is the same run as the files it was made of") {
    const ScenarioLoader loader(program_registry());
    for (const char* const name :
         {"/scenarios/linux/fixes/TMIGR-03.json", "/scenarios/linux/fixes/NOHZ-07.json",
          "/scenarios/linux/fixes/TMIGR-24.json", "/scenarios/xen/offline-against-guest-set-dead.json"}) {
        CAPTURE(name);
        std::vector<InputError> errors;
        const std::vector<std::string> overrides{"machine.jitter_per_1024=32"};
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
