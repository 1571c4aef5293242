// A comparison's figures are those of the single runs, whatever the number of threads; what a check ends is told and
// not measured; the best of each metric is marked (lab/compare/compare.hpp).
#include "ticklab/lab/compare/compare.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "defect_kernel.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/compare/table.hpp"
#include "ticklab/lab/whole_file.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;
using Json = nlohmann::ordered_json;

namespace {

const std::string kCompareSource = source_dir();
const std::string kOneBusy = kCompareSource + "/scenarios/linux/tmigr-one-busy.json";
const std::string kPlacement = kCompareSource + "/scenarios/linux/placement-one-busy.json";
const std::string kGuests = kCompareSource + "/scenarios/xen/guests-under-load.json";

Variant variant(std::string value, Scenario scenario) { return {{value}, {"defect=" + value}, std::move(scenario)}; }

/// Timers of two CPUs, each set once.
Scenario timers_of_two(const sim::KernelDecl& kernel) {
    ScenarioBuilder b(kernel);
    for (sim::TimerIndex t = 0; t < 4; ++t)
        b.timer("t" + std::to_string(t)).set((t + 1) * 100us, t % 2, t, 1ms + t * 300us);
    return b.s;
}

Comparison compared(std::span<const Variant> variants, std::uint64_t first, std::uint64_t last, unsigned jobs = 1) {
    return compare(variants, {first, last, jobs}, {[](std::uint64_t, std::uint64_t) {}, [] { return false; }});
}

Said said_of(std::vector<std::string> words) {
    words.insert(words.begin(), "compare");
    return program(words);
}

/// What `ticklab run --json` says of what it has in common with a comparison; lateness in ns.
std::map<std::string, std::int64_t> figures_of_run(const std::vector<std::string>& words) {
    const Said said = program(words);
    REQUIRE(said.code == 0);
    const Json report = Json::parse(said.out);
    std::map<std::string, std::int64_t> figures;
    for (const Json& cpu : report["cpus"])
        figures["wakeups"] += cpu["wakeups"].get<std::int64_t>();
    for (const Json& lock : report["locks"])
        figures["lock_waits"] += lock["contended"].get<std::int64_t>();
    figures["energy"] = report["energy"]["nanojoule"].get<std::int64_t>();
    for (const char* key : {"p50", "p99", "max"})
        figures["late_" + std::string(key)] = report["timers"]["lateness_ns"][key].get<std::int64_t>();
    return figures;
}

/// The figures of one variant's runs, which have all come to their ends, by key.
std::map<std::string, Summary> figures_of(const VariantResult& result) {
    CHECK(result.measured == result.runs);
    std::map<std::string, Summary> figures;
    for (std::size_t m = 0; m < metrics().size(); ++m)
        if (result.figures[m])
            figures[std::string(metrics()[m].key)] = *result.figures[m];
    return figures;
}

const Axis kDefects{"defect", {"none", "other"}};

}  // namespace

TEST_CASE("medians and bounds of a comparison are those of the single runs of its seeds") {
    const std::vector<std::string> shared{"--set", "machine.jitter_per_1024=200"};
    std::vector<std::string> words{kGuests, "--vary", "kernel.variant=V0,V4", "--seeds", "3..6", "--json"};
    words.insert(words.end(), shared.begin(), shared.end());
    const Said said = said_of(words);
    REQUIRE(said.code == 0);
    const Json report = Json::parse(said.out);
    REQUIRE(report["variants"].size() == 2);
    for (const Json& variant : report["variants"]) {
        std::map<std::string, std::vector<std::int64_t>> singles;
        for (std::uint64_t seed = 3; seed <= 6; ++seed) {
            std::vector<std::string> run{"run", kGuests, "--json", "--seed", std::to_string(seed)};
            run.insert(run.end(), shared.begin(), shared.end());
            run.insert(run.end(), {"--set", "kernel.variant=" + variant["values"][0].get<std::string>()});
            for (const auto& [key, value] : figures_of_run(run))
                singles[key].push_back(value);
        }
        CHECK(variant["measured"] == 4);
        for (auto& item : singles) {
            CAPTURE(item.first);
            std::vector<std::int64_t>& values = item.second;
            std::sort(values.begin(), values.end());
            const Json& found = variant["figures"][item.first];
            const std::int64_t in_ns = item.first.starts_with("late_") ? 1000 : 1;
            CHECK(found["least"].get<std::int64_t>() / in_ns == values[0]);
            CHECK(found["median"].get<std::int64_t>() / in_ns == values[1]);
            CHECK(found["greatest"].get<std::int64_t>() / in_ns == values[3]);
        }
    }
    CHECK(report["variants"][0]["figures"]["wakeups"] != report["variants"][1]["figures"]["wakeups"]);
}

TEST_CASE("a comparison says the same whatever the number of threads") {
    const std::vector<std::string> words{
        kOneBusy, "--vary",        "kernel.placement=local,tmigr", "--vary", "machine.cpus=8,9", "--seeds", "1..3",
        "--set",  "duration=120ms"};
    for (const bool as_json : {false, true}) {
        std::string one;
        for (const char* jobs : {"1", "2", "5"}) {
            std::vector<std::string> all = words;
            all.insert(all.end(), {"--set", "expect=[]", "--jobs", jobs});
            if (as_json)
                all.emplace_back("--json");
            const Said said = said_of(all);
            CHECK(said.code == 0);
            if (one.empty())
                one = said.out;
            CHECK(said.out == one);
        }
        CHECK(one.find("local") != std::string::npos);
    }
}

TEST_CASE("under tmigr one busy CPU expires the timers of those that sleep on, and the comparison shows it (TMM 9)") {
    const Said said = said_of({kPlacement, "--vary", "kernel.placement=local,tmigr", "--seeds", "1..2", "--json"});
    REQUIRE(said.code == 0);
    const Json report = Json::parse(said.out);
    const Json& local = report["variants"][0]["figures"];
    const Json& tmigr = report["variants"][1]["figures"];
    CHECK(local["remote_expiries"]["median"] == 0);
    CHECK(tmigr["remote_expiries"]["median"] > 200);
    CHECK(tmigr["remote_expiries"]["best"] == false);
    CHECK(tmigr["wakeups"]["median"].get<std::int64_t>() < local["wakeups"]["median"].get<std::int64_t>());
    CHECK(tmigr["wakeups"]["best"] == true);
    CHECK(local["wakeups"]["best"] == false);
    // CPU 0 is awake for 495 of 500 ms, the others hardly ever.
    CHECK(tmigr["package_idle"]["median"].get<std::int64_t>() <= 10'000);
    CHECK(tmigr["idle_least"]["median"].get<std::int64_t>() <= 10'000);
    CHECK(tmigr["idle_most"]["median"].get<std::int64_t>() > 990'000);
}

TEST_CASE("a metric that a kernel lacks is not shown") {
    const Said xen = said_of({kGuests, "--vary", "kernel.variant=V4", "--seeds", "1"});
    REQUIRE(xen.code == 0);
    CHECK(xen.out.find("wakeups") != std::string::npos);
    CHECK(xen.out.find("remote") == std::string::npos);
    // Nothing fires in a scenario that sets no timer.
    const std::vector<Variant> quiet{variant("none", ScenarioBuilder(fake_decl<Defect::kNone>()).s)};
    CHECK(figures_of(compared(quiet, 1, 1).variants[0]).contains("late_max") == false);
    CHECK(figures_of(compared(quiet, 1, 1).variants[0]).contains("remote_expiries") == false);
}

TEST_CASE("the best of each metric is marked: all that are, and none where all are equal") {
    Scenario none = timers_of_two(fake_decl<Defect::kNone>());
    Scenario frugal = none;
    frugal.machine.c_states[0].power_mw = 1;
    const std::vector<Variant> variants{variant("a", none), variant("b", frugal), variant("c", frugal)};
    const Comparison comparison = compared(variants, 1, 2);
    std::vector<std::map<std::string, Summary>> figures;
    for (const VariantResult& result : comparison.variants)
        figures.push_back(figures_of(result));
    CHECK_FALSE(figures[0]["energy"].best);
    CHECK(figures[1]["energy"].best);
    CHECK(figures[2]["energy"].best);
    for (std::map<std::string, Summary>& of_variant : figures)
        for (const char* key : {"wakeups", "late_p50", "idle_mean"})
            CHECK_FALSE(of_variant[key].best);
    // More sleep is better.
    Scenario busy = none;
    busy.machine.c_states[0].exit_latency = 100us;
    const std::vector<Variant> sleepers{variant("long exit", busy), variant("short exit", none)};
    const Comparison slept = compared(sleepers, 1, 1);
    CHECK(figures_of(slept.variants[1])["late_max"].best);
    CHECK_FALSE(figures_of(slept.variants[0])["late_max"].best);
    CHECK(figures_of(slept.variants[1])["idle_mean"].best);
    CHECK_FALSE(figures_of(slept.variants[0])["idle_mean"].best);
}

TEST_CASE("package idle is what no CPU breaks, and kernel time what is neither sleep, exit nor callback") {
    ScenarioBuilder b(fake_decl<Defect::kNone>(), 1);
    b.timer("a", {400us, std::nullopt, {}, {}}).set(100us, 0, 0, 1ms);
    Scenario one = b.s;
    one.machine.c_states[0].exit_latency = 100us;
    Scenario idler = one;
    idler.timers[0].callback.spend = 0us;
    const std::vector<Variant> variants{variant("spends", one), variant("idles", idler)};
    const Comparison comparison = compared(variants, 1, 1);
    for (const VariantResult& result : comparison.variants) {
        std::map<std::string, Summary> figures = figures_of(result);
        // With one CPU the package sleeps when it does.
        CHECK(figures["package_idle"].median == figures["idle_mean"].median);
        CHECK(figures["idle_least"].median == figures["idle_most"].median);
        // At 1 GHz: 5 ms less sleep, exits and callback is a few microseconds.
        CHECK(figures["kernel_cycles"].median > 100);
        CHECK(figures["kernel_cycles"].median < 5'000);
    }
    const std::int64_t spends = figures_of(comparison.variants[0])["package_idle"].median;
    const std::int64_t idles = figures_of(comparison.variants[1])["package_idle"].median;
    // 400 us of 5 ms.
    CHECK(idles - spends >= 79'900);
    CHECK(idles - spends <= 80'100);
    CHECK(figures_of(comparison.variants[0])["kernel_cycles"].median ==
          figures_of(comparison.variants[1])["kernel_cycles"].median);
}

TEST_CASE(
    "cycles in timer code are a part of those in the kernel, with the wait for a callback and without callbacks") {
    const auto timer_code_of = [](const std::string& file) {
        const Said said = said_of({file, "--vary", "timers.0.callback.spend=0s,4ms", "--seeds", "1..1", "--json"});
        REQUIRE(said.code == 0);
        const Json report = Json::parse(said.out);
        std::vector<std::int64_t> cycles;
        for (const Json& variant : report["variants"]) {
            cycles.push_back(variant["figures"]["timer_cycles"]["median"].get<std::int64_t>());
            CHECK(cycles.back() > 1'000);
            CHECK(cycles.back() < variant["figures"]["kernel_cycles"]["median"].get<std::int64_t>());
        }
        return cycles;
    };
    // 4 ms are millions of cycles.
    const std::vector<std::int64_t> linux_cycles =
        timer_code_of(kCompareSource + "/scenarios/linux/fixes/TMIGR17-07.json");
    CHECK(linux_cycles[1] - linux_cycles[0] < 100'000);
    // A CPU kills the timer meanwhile, and waits.
    const std::vector<std::int64_t> xen_cycles =
        timer_code_of(kCompareSource + "/scenarios/xen/kill-running-callback.json");
    CHECK(xen_cycles[1] - xen_cycles[0] > 4'000'000);
}

TEST_CASE("sleeps whose ends are told late make up the package's sleep exactly") {
    const auto at = [](sim::Duration d) { return sim::kBoot + d; };
    PackageIdle package(2, 100us);
    package.fell_asleep(at(10us));
    package.fell_asleep(at(20us));
    // The second leaves at once, the first before it but with a long way out; both sleep again in between.
    package.woke(at(50us), at(51us));
    package.fell_asleep(at(60us));
    package.woke(at(40us), at(140us));
    package.fell_asleep(at(150us));
    // 20 to 40, and 150 to the end.
    CHECK(package.total(at(200us)) == 70us);
}

TEST_CASE("runs that a check ends are told and counted, and have no figures") {
    const std::vector<Variant> variants{variant("none", timers_of_two(fake_decl<Defect::kNone>())),
                                        variant("other", timers_of_two(fake_decl<Defect::kTwice>()))};
    const Comparison comparison = compared(variants, 5, 7);
    CHECK(comparison.variants[0].failed() == 0);
    CHECK(comparison.variants[0].measured == 3);
    const VariantResult& broken = comparison.variants[1];
    CHECK(broken.runs == 3);
    CHECK(broken.measured == 0);
    CHECK(broken.failed() == 3);
    REQUIRE(broken.failures.size() == 1);
    CHECK(broken.failures[0].check == "timer.twice");
    CHECK(broken.failures[0].runs == 3);
    CHECK(broken.failures[0].first_seed == 5);
    CHECK(std::none_of(broken.figures.begin(), broken.figures.end(), [](const auto& f) { return f.has_value(); }));
    const std::string table = comparison_table({&kDefects, 1}, variants, comparison, false);
    const std::size_t row = table.find("| runs without figures");
    REQUIRE(row != std::string::npos);
    const std::string cells = table.substr(row, table.find('\n', row) - row);
    CHECK(cells.find(" 0 of 3 |") != std::string::npos);
    CHECK(cells.ends_with(" 3 of 3 |"));
    CHECK(table.find("**") == std::string::npos);

    // A check that the scenario expects is no failure.
    std::vector<Variant> expected{variants[1]};
    expected[0].scenario.expect.push_back(VerdictExpectation{"timer.twice", {}});
    const Comparison foretold = compared(expected, 1, 1);
    CHECK(foretold.variants[0].failed() == 0);
    REQUIRE(foretold.variants[0].failures.size() == 1);
    CHECK(foretold.variants[0].failures[0].expected);

    // Nor has a run figures that its bound on steps ended.
    std::vector<Variant> bounded{variants[0]};
    bounded[0].scenario.max_steps = 3;
    CHECK(compared(bounded, 1, 1).variants[0].inconclusive == 1);
    CHECK(compared(bounded, 1, 1).variants[0].measured == 0);
}

TEST_CASE("a check that fails in one variant makes exit code 1, with the seed and a line that replays it") {
    const std::string file = kCompareSource + "/scenarios/linux/fixes/TMIGR-02.json";
    const Said said = said_of({file, "--vary", R"(kernel.without=[],["TMIGR-02"])", "--seeds", "1..2"});
    CHECK(said.code == 1);
    CHECK(said.out.find("in 2 of 2 runs, first with seed 1\n") != std::string::npos);
    CHECK(said.out.find(R"(--seed 1 --set 'kernel.without=["TMIGR-02"]')") != std::string::npos);
    const Said bounded = said_of({kOneBusy, "--vary", "max_steps=10,1000000", "--seeds", "1"});
    CHECK(bounded.code == 5);
    CHECK(bounded.out.find("10: 1 of 1 runs ended by their bound on steps") != std::string::npos);
}

TEST_CASE("bad input of a comparison: one message that names the place, exit code 2") {
    const auto refused = [](std::vector<std::string> words, std::string_view message) {
        words.insert(words.begin(), kOneBusy);
        const Said said = said_of(words);
        CAPTURE(said.err);
        CHECK(said.code == 2);
        CHECK(said.out.empty());
        CHECK(said.err.find(message) != std::string::npos);
    };
    refused({"--vary", "kernel.placement"}, "--vary: found \"kernel.placement\", expected /pointer=V1,V2");
    refused({"--vary", "=1,2"}, "--vary: found \"=1,2\"");
    refused({"--vary", "kernel.placement=local,,tmigr"}, "expected a value after each = and comma");
    refused({"--vary", "kernel.placement=local,local"}, "each value once, not \"local\" twice");
    refused({"--vary", "kernel.placement=local,tmigrr"}, "--vary kernel.placement=tmigrr: /kernel/placement");
    refused({"--vary", "kernel.plaement=local"}, "--vary kernel.plaement=local");
    refused({"--vary", "machine.cpus=2,8", "--vary", "/machine/cpus=4"}, "found \"/machine/cpus\" twice");
    refused({"--vary", "machine.cpus=8", "--seeds", "5..2"}, "--seeds: found \"5..2\"");
    refused({"--vary", "machine.cpus=8", "--seeds", "1..18446744073709551615"}, "at most 200000 seeds");
    refused({"--vary", "machine.cpus=8", "--set", "kernel.placement=no"}, "--set kernel.placement=no");
    refused({}, "--vary is required");
    // The machine's own refusal names the variant.
    refused({"--vary", "machine.quantum=0s,1us", "--seeds", "1", "--set", "machine.memory=tso"}, "1us: ");
}

TEST_CASE("values of --vary are split at commas that are not inside a value") {
    const auto values = [](std::string_view text) { return parse_axis(text).value.value().values; };
    using Values = std::vector<std::string>;
    CHECK(values("a=1,x,2.5") == Values{"1", "x", "2.5"});
    CHECK(values(R"(a=[],["x","y"],{"b":[1,2]})") == Values{"[]", R"(["x","y"])", R"({"b":[1,2]})"});
    CHECK(values(R"(a="p,q","r\",s",t)") == Values{R"("p,q")", R"("r\",s")", "t"});
    CHECK(values("a=b=c") == Values{"b=c"});
}

TEST_CASE("a table of many variants is turned, and stays within its width") {
    std::vector<Variant> variants;
    const Scenario scenario = timers_of_two(fake_decl<Defect::kNone>());
    for (unsigned i = 0; i < 12; ++i)
        variants.push_back(variant("variant number " + std::to_string(i), scenario));
    const std::string table = comparison_table({&kDefects, 1}, variants, compared(variants, 1, 1), false);
    CHECK(table.starts_with("| defect"));
    CHECK(table.find("\n| variant number 11 |") != std::string::npos);
    std::size_t tables = 1;
    for (std::size_t at = 0; at < table.size();) {
        const std::size_t end = table.find('\n', at);
        CHECK(end - at <= kTableWidth);
        tables += end == at;
        at = end + 1;
    }
    CHECK(tables > 1);
}

TEST_CASE("an interrupted comparison keeps the seeds that are whole") {
    const Scenario scenario = timers_of_two(fake_decl<Defect::kNone>());
    const std::vector<Variant> variants{variant("a", scenario), variant("b", scenario)};
    std::uint64_t told = 0;
    const Comparison comparison = compare(
        variants, {1, 1000, 2}, {[&](std::uint64_t runs, std::uint64_t) { told = runs; }, [&] { return told >= 5; }});
    CHECK(comparison.interrupted);
    CHECK(comparison.variants[0].runs == comparison.variants[1].runs);
    CHECK(comparison.variants[0].runs >= 2);
    CHECK(comparison.variants[0].runs < 10);
}

TEST_CASE("the table of a comparison, byte for byte") {
    const Said said = said_of({kPlacement, "--vary", "kernel.placement=local,tmigr", "--seeds", "1..3"});
    CHECK(said.code == 0);
    const std::string golden = kCompareSource + "/tests/golden/compare.txt";
    if (std::getenv("TICKLAB_REWRITE") != nullptr)
        write_whole_file(golden, said.out);
    CHECK(said.out == contents(golden));
    CHECK(said.out.find('\x1b') == std::string::npos);
}
