// `ticklab bisect`: the one change at which a scenario turns (DESIGN 3, 6).
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "source_dir.hpp"

using namespace ticklab;
using lab::testing::program;
using nlohmann::json;

namespace {

json bisected(std::vector<std::string> words, int code) {
    words.insert(words.begin(), "bisect");
    words.push_back("--json");
    const lab::testing::Said said = program(words);
    CAPTURE(said.err);
    REQUIRE(said.code == code);
    return json::parse(said.out);
}

std::string scenario_of(const std::string& name) { return source_dir() + "/scenarios/" + name + ".json"; }

}  // namespace

TEST_CASE("a scenario of a fix is bisected to the fix by versions and then by changes (DESIGN 3)") {
    struct Case {
        const char *file, *fix, *before, *after;
    };
    for (const Case& c :
         {Case{"linux/fixes/TMM 9.6", "TMM 9.6", "7.1", "7.2"}, Case{"xen/fixes/XEN-31", "XEN-31", "4.9", "4.10"}}) {
        CAPTURE(c.fix);
        const json found = bisected({scenario_of(c.file)}, 0);
        CHECK(found["found"] == true);
        CHECK(found["fails_after"] == false);
        CHECK(found["put_in"] == true);
        CHECK(found["before"] == c.before);
        CHECK(found["after"] == c.after);
        REQUIRE(found["changes"].size() == 1);
        CHECK(found["changes"][0]["id"] == c.fix);
        CHECK(found["changes"][0]["fixed_in"] == c.after);
    }
}

TEST_CASE("a change that the scenario itself leaves out is found where versions do not differ") {
    const json found =
        bisected({scenario_of("linux/fixes/TMM 9.6"), "--set", R"(kernel.without=["TMM 9.6","TMIGR-03"])"}, 0);
    REQUIRE(found["changes"].size() == 1);
    CHECK(found["changes"][0]["id"] == "TMM 9.6");
    CHECK(found["fails_after"] == true);
    CHECK(found["put_in"] == false);
}

TEST_CASE("a bisection between two ends alike is inconclusive") {
    const json none = bisected({scenario_of("xen/fixes/XEN-31"), "--from", "4.0", "--to", "4.1"}, 5);
    CHECK(none["found"] == false);
    CHECK(none["trials"].size() == 2);
}

TEST_CASE("with a check, kernels that fail by another are passed over and the one change is found") {
    // Xen 3.3 fails by what XEN-08 mends, whatever the scenario is about.
    const json swallowed = bisected({scenario_of("xen/fixes/XEN-31"), "--check", "xen.idle.swallowed"}, 0);
    CHECK(swallowed["trials"][0]["check"] == "context.irq");
    CHECK(swallowed["trials"][0]["passed_over"] == true);
    CHECK(swallowed["trials"][0]["failed"] == false);
    REQUIRE(swallowed["changes"].size() == 1);
    CHECK(swallowed["changes"][0]["id"] == "XEN-31");

    // The other way round the releases between 3.3 and 4.10 say nothing, so no single change is found.
    const json irq = bisected({scenario_of("xen/fixes/XEN-31"), "--check", "context.irq"}, 0);
    CHECK(irq["before"] == "3.3");
    CHECK(irq["after"] == "4.10");
    REQUIRE(irq["changes"].size() == 13);
    CHECK(irq["changes"].front()["id"] == "XEN-08");
    CHECK(irq["changes"].back()["id"] == "XEN-31");

    // What fails by nothing else than that is no end to begin from.
    CHECK(bisected({scenario_of("xen/fixes/XEN-26"), "--check", "progress.uncovered"}, 5)["found"] == false);
}

TEST_CASE("a check that is none is bad input of bisect") {
    const lab::testing::Said none =
        program({"bisect", scenario_of("xen/fixes/XEN-31"), "--check", "xen.idle.swalowed"});
    CHECK(none.code == 2);
    CHECK(
        none.err ==
        "ticklab: --check: found \"xen.idle.swalowed\", expected a check of `ticklab list checks`, or expectation; did "
        "you mean \"xen.idle.swallowed\"?\n");
    CHECK(program({"bisect", scenario_of("xen/fixes/XEN-31"), "--check", "linux.wheel.clock"}).code == 2);
}

TEST_CASE("a version that is none, or in the wrong order, is bad input of bisect") {
    const lab::testing::Said none = program({"bisect", scenario_of("xen/fixes/XEN-31"), "--from", "1.0"});
    CHECK(none.code == 2);
    CHECK(none.err == "ticklab: --from: found \"1.0\", expected a version of kernel xen, \"3.3\" to \"4.22\"\n");
    CHECK(program({"bisect", scenario_of("xen/fixes/XEN-31"), "--from", "4.1", "--to", "4.0"}).code == 2);
    CHECK(program({"bisect", scenario_of("xen/fixes/XEN-31"), "--seeds", "x"}).code == 2);
}
