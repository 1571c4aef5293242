// `ticklab run --timeline FILE` with cuts (TE 1, Limits).
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "command_line.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/whole_file.hpp"

using namespace ticklab;
using namespace ticklab::lab::testing;

namespace {

const std::string kCutScenario = ticklab::source_dir() + "/scenarios/xen/offline-active-inactive.json";

/// The arguments of a run that writes a timeline.
std::vector<std::string> timeline_run(const std::string& file, const std::vector<std::string>& cuts) {
    std::vector<std::string> words{"run", kCutScenario, "--timeline", file};
    words.insert(words.end(), cuts.begin(), cuts.end());
    return words;
}

nlohmann::json timeline_with(const std::vector<std::string>& cuts) {
    const ScratchFolder folder;
    const Said said = program(timeline_run(folder / "t.json", cuts));
    CHECK(said.code == 0);
    return nlohmann::json::parse(contents(folder / "t.json"));
}

}  // namespace

TEST_CASE("a timeline is cut to a span, CPUs and categories by --from, --to, --cpu and --cat (TE 1)") {
    const auto cut = timeline_with({"--from", "1.2ms", "--to", "9ms", "--cpu", "2", "--cat", "timer,irq"});
    std::set<std::string> categories;
    std::set<std::int64_t> threads;
    for (const auto& event : cut["traceEvents"]) {
        if (event["ph"] == "M")
            continue;
        const double begin = event["ts"];
        CHECK(begin >= 1200.0);
        CHECK(begin + event.value("dur", 0.0) <= 9000.001);
        if (event.contains("cat"))
            categories.insert(event["cat"]);
        if (event["pid"] == 1 && event["ph"] == "X")
            threads.insert(event["tid"].get<std::int64_t>());
    }
    CHECK(categories == std::set<std::string>{"irq", "timer"});
    CHECK(threads == std::set<std::int64_t>{3});  // tid is the CPU's number and 1
    CHECK(cut["traceEvents"].size() < timeline_with({})["traceEvents"].size());
}

TEST_CASE("golden tracks of the hierarchy's groups: migrator, active mask, next expiry, queued events (TE 1)") {
    const ScratchFolder folder;
    const std::string scenario = source_dir() + "/scenarios/linux/tmigr-last-leaves.json";
    CHECK(program({"run", scenario, "--timeline", folder / "t.json", "--from", "99ms", "--to", "144.5ms"}).code == 0);
    std::istringstream lines(contents(folder / "t.json"));
    std::string groups;
    for (std::string line; std::getline(lines, line);)
        if (line.find(R"("pid":3,)") != std::string::npos)
            groups += line + '\n';
    const std::string golden = source_dir() + "/tests/golden/timeline-groups.txt";
    if (std::getenv("TICKLAB_REWRITE") != nullptr)
        lab::write_whole_file(golden, groups);
    const bool same = contents(golden) == groups;
    CHECK_MESSAGE(same, golden, " is out of date: TICKLAB_REWRITE=1 rewrites it");
    for (const char* const shown : {R"("name":"timer migration")", "LVL 0 tmigr group 0", "migrator 0x", "active 0x",
                                    "next expiry", "queued events", "tmigr_handle_remote"})
        CHECK_MESSAGE(groups.find(shown) != std::string::npos, shown);
}

TEST_CASE("a cut changes nothing about the run (MA 11.2)") {
    CHECK(timeline_with({"--from", "5ms", "--cat", "irq"})["metadata"]["digest"] ==
          timeline_with({})["metadata"]["digest"]);
}

TEST_CASE("a cut with a bad value is refused with one message and exit code 2, and no file comes to be (DESIGN 6)") {
    struct Row {
        std::vector<std::string> cuts;
        std::string message;
    };
    const Row rows[] = {
        {{"--from", "soon"}, R"(--from: found "soon", expected a duration such as "250us")"},
        {{"--from", "-1ms"}, "--from"},
        {{"--to", "2"}, R"(--to: found "2", expected a duration)"},
        {{"--from", "3ms", "--to", "2ms"}, R"(--from: found "3ms", expected an instant up to 2ms, which --to says)"},
        {{"--from", "31ms"}, R"(--from: found "31ms", expected an instant up to 30ms, where the run ends)"},
        {{"--from", "3ms", "--until", "2ms"}, "an instant up to 2ms, where the run ends"},
        {{"--cpu", "4"}, R"(--cpu: found "4", expected CPUs below 4)"},
        {{"--cpu", "two"}, R"(--cpu: found "two", expected a list of CPUs such as "0-7,9")"},
        {{"--cpu", "1,1"}, "each CPU once"},
        {{"--cat", "timers"}, R"(did you mean "timer"?)"},
        {{"--cat", "timer,,irq"}, R"(--cat: found "", expected one of)"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.message);
        const ScratchFolder folder;
        const Said said = program(timeline_run(folder / "t.json", row.cuts));
        CHECK(said.code == 2);
        CHECK(said.out.empty());
        CHECK_MESSAGE(said.err.find(row.message) != std::string::npos, said.err);
        CHECK(std::count(said.err.begin(), said.err.end(), '\n') == 1);
        CHECK(contents(folder / "t.json").empty());
    }
    const Said alone = program({"run", kCutScenario, "--from", "1ms"});
    CHECK(alone.code == 2);
    CHECK(alone.err.find("--timeline") != std::string::npos);
}
