// A hunt that swarms draws a scenario for each seed, within what the scenario says, and each comes back from its line
// (lab/hunt/swarm.hpp, docs/hunting.md).
#include "ticklab/lab/hunt/swarm.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "command_line.hpp"
#include "ticklab/lab/hunt/hunt_document.hpp"
#include "ticklab/lab/values.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;
using namespace std::chrono_literals;

namespace {

using SwarmJson = nlohmann::json;

/// Fine as it stands. With TMIGR-02 left out the last CPU to go idle without a timer leaves the others' to nobody.
SwarmJson two_cpus(const SwarmJson& swarm) {
    return {{"name", "swarming"},
            {"machine", {{"profile", "client"}, {"cpus", 2}}},
            {"kernel",
             {{"type", "linux"},
              {"hz", 1000},
              {"placement", "tmigr"},
              {"governor", "always"},
              {"check_structures", "always"},
              {"without", SwarmJson::array()}}},
            {"duration", "60ms"},
            {"script",
             {{{"at", "30ms"}, {"do", "cpu.busy"}, {"cpu", 0}, {"for", "5ms"}},
              {{"at", "32ms"}, {"on", 1}, {"do", "timer.mod"}, {"timer", "t"}, {"expires", "+10ms"}}}},
            {"faults",
             {{{"at", "31ms"}, {"do", "stall"}, {"cpu", 1}, {"for", "20us"}},
              {{"at", "33ms"}, {"do", "stall"}, {"cpu", 0}, {"for", "30us"}}}},
            {"swarm", swarm}};
}

const SwarmJson kEntries = SwarmJson::parse(R"([
    {"set": "/machine/cpus", "from": 2, "to": 12},
    {"set": "/script/1/at", "from": "25ms", "to": "34.0005ms"},
    {"set": "/script/1/expires", "from": "+2ms", "to": "+12ms"},
    {"set": "/kernel/hz", "one_of": [100, 250, 1000]},
    {"set": "/faults/0/for", "one_of": ["1us", "7us"]},
    {"set": "/kernel/without", "one_of": [[], ["TMIGR-02"]]},
    {"omit": "/script/0"},
    {"omit": "/faults/0"},
    {"omit": "/faults/1"},
    {"omit": "/kernel/governor"}])");

const ScenarioLoader& swarm_loader() {
    static const ScenarioLoader loader(program_registry());
    return loader;
}

Swarm swarm_of(const SwarmJson& document, const std::vector<std::string>& overrides = {}) {
    std::vector<InputError> errors;
    const std::optional<Scenario> scenario = swarm_loader().load_text("s.json", document.dump(), overrides, errors);
    for (const InputError& error : errors)
        MESSAGE(to_text(error));
    REQUIRE(scenario.has_value());
    std::optional<Swarm> swarm = Swarm::read(swarm_loader(), *scenario, overrides, errors);
    for (const InputError& error : errors)
        MESSAGE(to_text(error));
    REQUIRE(swarm.has_value());
    return *std::move(swarm);
}

/// A scenario in a folder that goes away with it.
class SwarmFile {
public:
    explicit SwarmFile(const SwarmJson& document) { std::ofstream(name()) << document.dump(); }
    std::string name() const { return folder_ / "swarm.json"; }
    std::string beside(const std::string& other) const { return folder_ / other; }

    Said hunt(const std::vector<std::string>& more) const {
        std::vector<std::string> words{"hunt", name(), "--swarm", "--json"};
        words.insert(words.end(), more.begin(), more.end());
        return program(words);
    }

private:
    ScratchFolder folder_;
};

SwarmJson without_time(const std::string& text) {
    SwarmJson document = SwarmJson::parse(text);
    document.erase("wall_seconds");
    return document;
}

/// The arguments of a replay line, as a shell reads them: without the program's name and what is behind "#".
std::vector<std::string> words_of(const std::string& line) {
    std::vector<std::string> words(1);
    bool quoted = false;
    for (const char c : line.substr(0, line.find("  #"))) {
        if (c == '\'')
            quoted = !quoted;
        else if (c == ' ' && !quoted)
            words.emplace_back();
        else
            words.back() += c;
    }
    words.erase(words.begin());
    return words;
}

std::map<std::string, std::string> by_place(const std::vector<std::string>& drawn) {
    std::map<std::string, std::string> places;
    for (const std::string& set : drawn)
        CHECK(places.emplace(set.substr(0, set.find('=')), set.substr(set.find('=') + 1)).second);
    return places;
}

}  // namespace

TEST_CASE("what a seed draws is in range, and each value of a range comes up") {
    const Swarm swarm = swarm_of(two_cpus(kEntries));
    std::map<std::string, std::set<std::string>> seen;
    constexpr std::uint64_t kSeeds = 400;
    std::map<std::string, std::uint64_t> left_out;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed)
        for (const auto& [place, value] : by_place(swarm.draw(seed))) {
            seen[place].insert(value);
            left_out[place] += value == "null";
        }
    CHECK(seen["/machine/cpus"].size() == 11);
    for (const std::string& value : seen["/machine/cpus"])
        CHECK((std::stoi(value) >= 2 && std::stoi(value) <= 12));
    CHECK(seen["/kernel/hz"] == std::set<std::string>{"100", "250", "1000"});
    CHECK(seen["/faults/0/for"] == std::set<std::string>{"1us", "7us"});
    for (const std::string& value : seen["/script/1/at"]) {
        const sim::Duration at = *parse_duration(value).value;
        CHECK((at >= 25ms && at <= 34ms + 500ns));
        CHECK((at == 34ms + 500ns || at % 1us == 0us));
    }
    CHECK(seen["/script/1/at"].size() > kSeeds * 9 / 10);
    for (const std::string& value : seen["/script/1/expires"]) {
        REQUIRE(value.starts_with('+'));
        const sim::Duration after = *parse_duration(value.substr(1)).value;
        CHECK((after >= 2ms && after <= 12ms && after % 10us == 0us));
    }
    for (const char* const place : {"/script/0", "/faults/0", "/faults/1", "/kernel/governor"}) {
        CAPTURE(place);
        CHECK(seen[place] == std::set<std::string>{"null"});
        CHECK(left_out[place] > kSeeds * 2 / 5);
        CHECK(left_out[place] < kSeeds * 3 / 5);
    }
}

TEST_CASE("times of a range differ by a power of ten, of which a thousand fit, and both ends are drawn") {
    const struct {
        sim::Duration from, to, grain;
    } table[] = {
        {1ms, 4ms, 1us},
        {0ms, 1ms, 1us},
        {0ms, 999us, 100ns},
        {5ns, 5ns, sim::Duration{1}},
        {0ns, sim::Duration{999}, sim::Duration{1}},
        {0s, sim::Duration::max(), 1000s},
        {1ms, 11ms, 10us},
    };
    for (const auto& row : table)
        CHECK(swarm_grain(row.from, row.to).count() == row.grain.count());

    const Swarm swarm =
        swarm_of(two_cpus(SwarmJson::parse(R"([{"set": "/script/1/expires", "from": "1ns", "to": "1.003ns"}])")));
    std::set<std::string> seen;
    for (std::uint64_t seed = 1; seed <= 200; ++seed)
        seen.insert(swarm.draw(seed).front());
    CHECK(seen == std::set<std::string>{"/script/1/expires=1ns", "/script/1/expires=1001ps", "/script/1/expires=1002ps",
                                        "/script/1/expires=1003ps"});
}

TEST_CASE("a draw does not depend on the other entries") {
    const Swarm whole = swarm_of(two_cpus(kEntries));
    std::vector<Swarm> alone;
    for (const SwarmJson& entry : kEntries)
        alone.push_back(swarm_of(two_cpus(SwarmJson::array({entry}))));
    SwarmJson turned = kEntries;
    std::reverse(turned.begin(), turned.end());
    const Swarm backwards = swarm_of(two_cpus(turned));
    std::size_t dropped = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        std::vector<std::string> single, together = whole.draw(seed), reversed = backwards.draw(seed);
        for (const Swarm& swarm : alone)
            for (const std::string& set : swarm.draw(seed))
                single.push_back(set);
        // Within what is left out nothing is set.
        if (std::find(single.begin(), single.end(), "/faults/0=null") != single.end())
            dropped += std::erase_if(single, [](const std::string& set) { return set.starts_with("/faults/0/for"); });
        CHECK(together == single);
        std::reverse(reversed.begin(), reversed.end());
        CHECK(together == reversed);
    }
    CHECK(dropped > 50);
}

TEST_CASE("places are those of the file as it stands, and what the user sets holds") {
    const Swarm swarm = swarm_of(two_cpus(kEntries), {"machine.cpus=3", "/faults/0=null"});
    CHECK(swarm.text().starts_with("/script/1/at "));
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        const std::vector<std::string> drawn = swarm.draw(seed);
        const Scenario scenario = swarm.load(seed, drawn);
        CHECK(scenario.machine.cpu_count == 3);
        const auto places = by_place(drawn);
        CHECK_FALSE(places.contains("/machine/cpus"));
        CHECK_FALSE(places.contains("/faults/0/for"));
        CHECK(scenario.script.size() == 3 - places.count("/script/0") - places.count("/faults/1"));
    }
}

TEST_CASE("the replay line of each failure of a hunt that swarms fails alike, whatever the strategy") {
    const SwarmFile file(two_cpus(kEntries));
    CHECK(program({"run", file.name()}).code == 0);
    for (const std::vector<std::string>& strategy :
         {std::vector<std::string>{"random"}, {"seeds"}, {"pct"}, {"delay", "--depth", "2"}}) {
        CAPTURE(strategy[0]);
        std::vector<std::string> words{"--keep-going", "--seeds", "1..60", "--strategy"};
        words.insert(words.end(), strategy.begin(), strategy.end());
        const Said said = file.hunt(words);
        CHECK(said.code == 1);
        const SwarmJson document = SwarmJson::parse(said.out);
        CHECK(document["swarm"] ==
              "/machine/cpus 2 to 12, /script/1/at 25ms to 34000500ns, /script/1/expires +2ms to +12ms, /kernel/hz of "
              "3 values and 2 more; with or without /script/0, /faults/0, /faults/1, /kernel/governor");
        REQUIRE(document["failures"].size() > 1);
        CHECK(document["failures"].size() < document["runs"].get<std::size_t>());
        for (const SwarmJson& failure : document["failures"]) {
            CHECK(failure["drawn"].size() >= 4);
            std::vector<std::string> replay = words_of(failure["replay"].get<std::string>());
            CAPTURE(failure["replay"].get<std::string>());
            replay.emplace_back("--json");
            const Said again = program(replay);
            CHECK(again.code == 1);
            CHECK(SwarmJson::parse(again.out)["violations"][0]["check"] == failure["check"]);
        }
    }
}

TEST_CASE("a hunt that swarms says the same whatever the number of threads, in shards, and broken off") {
    const SwarmFile file(two_cpus(kEntries));
    const std::vector<std::string> all{"--keep-going", "--seeds", "1..60"};
    const auto more = [&](std::vector<std::string> words) {
        words.insert(words.end(), all.begin(), all.end());
        return words;
    };
    const SwarmJson whole = without_time(file.hunt(more({"--jobs", "1"})).out);
    REQUIRE(whole["failures"].size() > 1);
    CHECK(without_time(file.hunt(more({"--jobs", "2"})).out) == whole);

    for (const char* const shard : {"1/2", "2/2"})
        file.hunt(more({"--shard", shard, "--out", file.beside(shard[0] == '1' ? "1.json" : "2.json")}));
    const Said merged = program({"merge", file.beside("2.json"), file.beside("1.json"), "--json"});
    CHECK(without_time(merged.out) == whole);
    CHECK(
        program({"merge", file.beside("2.json"), file.beside("1.json")}).out.find("; varied: /machine/cpus 2 to 12") !=
        std::string::npos);

    const std::string kept = file.beside("kept.json");
    file.hunt({"--seeds", "1..60", "--stop-after", "1", "--out", kept});
    CHECK(without_time(contents(kept))["runs"] < 60);
    CHECK(without_time(file.hunt(more({"--resume", kept})).out) == whole);
    CHECK(without_time(contents(kept)) == whole);

    const Said plain = program({"hunt", file.name(), "--seeds", "1..60", "--resume", kept});
    CHECK(plain.code == 2);
    CHECK(plain.err.find("\"swarm\"") != std::string::npos);
}

TEST_CASE("the bundle of a failure has what was drawn in it, comes back, and is made small") {
    const SwarmFile file(two_cpus(kEntries));
    const std::string found = file.beside("found");
    const SwarmJson document =
        SwarmJson::parse(file.hunt({"--seeds", "1..200", "--stop-after", "3", "--bundles", found}).out);
    REQUIRE(document["failures"].size() == 3);
    for (const SwarmJson& failure : document["failures"]) {
        const std::string name = failure["bundle"].get<std::string>();
        CHECK(name.starts_with(found + "/swarm-random-seed-"));
        const SwarmJson bundle = SwarmJson::parse(contents(name));
        CHECK(bundle["overrides"] == failure["drawn"]);
        CHECK_FALSE(bundle["scenario"].contains("swarm"));
        const auto places = by_place(failure["drawn"].get<std::vector<std::string>>());
        CHECK(bundle["scenario"]["faults"].size() == 2 - places.count("/faults/0") - places.count("/faults/1"));
        CHECK(bundle["scenario"]["machine"]["cpus"].dump() == places.at("/machine/cpus"));
        const Said replayed = program({"replay", name});
        CHECK(replayed.code == 1);
        CHECK(replayed.out.starts_with("the same: " + failure["check"].get<std::string>()));
    }
    const std::string small = file.beside("small.json");
    const Said shrunk = program({"shrink", document["failures"][0]["bundle"], "--out", small});
    CHECK_MESSAGE(shrunk.code == 0, shrunk.err);
    CHECK(program({"replay", small}).code == 1);
    // A line with what was drawn is as good as a bundle.
    std::vector<std::string> words = words_of(document["failures"][0]["replay"].get<std::string>());
    words[0] = "shrink";
    CHECK(program(words).code == 0);
}

TEST_CASE("two places that do not go together end the hunt with seed, draws and reason, and what was found is kept") {
    SwarmJson clash = two_cpus(kEntries);
    // Nodes divide the CPUs, as 1 and 2 do those of the file.
    clash["machine"]["nodes"] = 1;
    clash["swarm"].push_back({{"set", "/machine/nodes"}, {"one_of", {1, 2}}});
    const SwarmFile file(clash);
    const std::string kept = file.beside("kept.json");
    const Said said = file.hunt({"--keep-going", "--seeds", "1..200", "--out", kept});
    CHECK(said.code == 2);
    CAPTURE(said.err);
    const SwarmJson document = SwarmJson::parse(contents(kept));
    CHECK(document["end"] == "interrupted");
    const auto seed = 1 + document["runs"].get<std::uint64_t>();
    REQUIRE(seed > 1);
    CHECK(document["failures"].size() == document["failed"].get<std::size_t>());
    CHECK(said.err.find("seed " + std::to_string(seed) + " with --set /machine/cpus=") != std::string::npos);
    CHECK(
        said.err.find("does not load: --set /machine/nodes=2: /machine/nodes: found 2 nodes, expected a divisor of ") !=
        std::string::npos);
    CHECK(without_time(said.out) == without_time(contents(kept)));
}

TEST_CASE("a \"swarm\" that cannot be is refused with its place, by hunt and by validate") {
    const struct {
        const char* entry;
        const char* message;
    } table[] = {
        {R"({"set": "/machine/cups", "from": 1, "to": 2})",
         R"(/swarm/0/set: found "/machine/cups", expected a place of the file: /machine has no "cups"; did you mean "cpus"?)"},
        {R"({"omit": "/faults/2"})",
         R"(/swarm/0/omit: found "/faults/2", expected a place of the file: /faults has 2 elements)"},
        {R"({"omit": "/name/x"})",
         R"(/swarm/0/omit: found "/name/x", expected a place of the file: /name is "swarming")"},
        {R"({"omit": "faults.1"})",
         R"(/swarm/0/omit: found "faults.1", expected a JSON pointer such as "/machine/cpus")"},
        {R"({"set": "/machine/cpus", "from": 4, "to": 2})",
         R"(/swarm/0/to: found 2, expected no less than 4 ("from"))"},
        {R"({"set": "/script/1/at", "from": "4ms", "to": "2ms"})",
         R"(/swarm/0/to: found "2ms", expected no less than "4ms" ("from"))"},
        {R"({"set": "/machine/cpus", "from": 2, "to": "4ms"})",
         R"(/swarm/0/to: found "4ms", expected an integer, as "from" is)"},
        {R"({"set": "/script/1/at", "from": "2ms", "to": 4})",
         R"(/swarm/0/to: found 4, expected a time, as "from" is)"},
        {R"({"set": "/script/1/expires", "from": "+2ms", "to": "4ms"})",
         R"(/swarm/0/to: found "4ms", expected "+" before both times or before none)"},
        {R"({"set": "/script/1/at", "from": "2 ms", "to": "4ms"})", R"(/swarm/0/from: found "2 ms", expected)"},
        {R"({"set": "/script/1/at", "from": 1.5, "to": 2})",
         R"(/swarm/0/from: found 1.5, expected an integer or a time such as "5ms")"},
        {R"({"set": "/machine/cpus", "from": 2, "to": 70000})",
         R"(/swarm/0/to: found /machine/cpus=70000, with which the scenario does not load (--set /machine/cpus=70000: )"},
        {R"({"set": "/machine/cpus", "from": 1, "to": 2})",
         R"(/swarm/0/from: found /machine/cpus=1, with which the scenario does not load ()"},
        {R"({"set": "/kernel/hz", "one_of": [1000, 250, 0]})",
         R"(/swarm/0/one_of/2: found /kernel/hz=0, with which the scenario does not load ()"},
        {R"({"omit": "/kernel"})", R"(/swarm/0/omit: found /kernel=null, with which the scenario does not load ()"},
        {R"({"set": "/machine/cpus"})", R"(/swarm/0: found none of them, expected exactly one of "from" and "one_of")"},
        {R"({"set": "/machine/cpus", "from": 2})", R"(/swarm/0/from: found "from" without "to", expected both)"},
        {R"({"set": "/machine/cpus", "omit": "/faults/0"})",
         R"(/swarm/0: found "set" and "omit", expected exactly one of "set" and "omit")"},
        {R"({"omit": "/faults/0", "from": 2, "to": 3})", R"(/swarm/0/from: found "from" without "set", expected both)"},
        {R"({"set": "/machine/cpus", "from": 2, "to": 3, "one_of": [1, 2]})",
         R"(/swarm/0: found "from" and "one_of", expected exactly one of "from" and "one_of")"},
        {R"({"set": "/machine/cpus", "one_of": [2]})", R"(/swarm/0/one_of: found 1 elements, expected at least 2)"},
        {R"({"set": "/machine/cpus", "form": 2, "to": 3})", R"(did you mean "from"?)"},
        {R"({"omit": "/faults/0"}, {"omit": "/faults/0"})",
         R"(/swarm/1/omit: found "/faults/0" again, expected each place once)"},
        {R"("/faults/0")", R"(/swarm/0: found "/faults/0", expected an object with "set" or "omit")"},
    };
    for (const auto& row : table) {
        CAPTURE(row.entry);
        const SwarmFile file(two_cpus(SwarmJson::parse("[" + std::string(row.entry) + "]")));
        for (const Said& said : {file.hunt({}), program({"validate", file.name()})}) {
            CHECK(said.code == 2);
            CHECK_MESSAGE(said.err.find(row.message) != std::string::npos, said.err);
            CHECK(said.err.find("swarm.json:1:") != std::string::npos);
        }
    }
    const SwarmFile fine(two_cpus(kEntries));
    CHECK(program({"validate", fine.name()}).code == 0);
    // Of the user's, not of the file's.
    const Said own = program({"validate", fine.name(), "--set", "/swarm/0/to=1"});
    CHECK(own.code == 2);
    CHECK(own.err.find("--set /swarm/0/to=1: /swarm/0/to: found 1, expected no less than 2 (\"from\")") !=
          std::string::npos);
}

TEST_CASE("what cannot swarm is refused with what can") {
    SwarmJson none = two_cpus(kEntries);
    none.erase("swarm");
    const Said said = SwarmFile(none).hunt({});
    CHECK(said.code == 2);
    CHECK(said.err.find("found no \"swarm\" with a place that no --set fixes, expected") != std::string::npos);
    const SwarmFile file(two_cpus(kEntries));
    for (const std::vector<std::string>& strategy :
         {std::vector<std::string>{"delay"}, {"exhaustive", "--depth", "2"}}) {
        std::vector<std::string> words{"--strategy"};
        words.insert(words.end(), strategy.begin(), strategy.end());
        const Said refused = file.hunt(words);
        CHECK(refused.code == 2);
        CHECK(refused.err.find("--swarm: found strategy " + strategy[0] + " of depth ") != std::string::npos);
    }
}
