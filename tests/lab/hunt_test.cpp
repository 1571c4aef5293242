// A hunt finds a race that most seeds do not show, says the same whatever the number of threads, and what it finds
// comes back (lab/hunt/hunt.hpp).
#include "ticklab/lab/hunt/hunt.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "command_line.hpp"
#include "defect_kernel.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/hunt/hunt_document.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;

namespace {

/// Kills that do not wait, just before the callbacks: only a stall brings the two together.
Scenario rare_race(Defect defect) {
    ScenarioBuilder b(defect == Defect::kNone ? fake_decl<Defect::kNone>() : fake_decl<Defect::kKillNoWait>());
    for (sim::TimerIndex t = 0; t < 4; ++t) {
        const sim::Duration from = t * 1ms;
        b.timer(std::string(1, static_cast<char>('a' + t)), {200us, std::nullopt, {}, {}});
        b.set(from + 100us, 0, t, from + 1ms).step(sim::kBoot + from + 996us, 1, 2, t);
    }
    return b.s;
}

struct Hunted {
    HuntResult result;
    std::vector<HuntFailure> failures;
};

Hunted hunted(const Scenario& scenario, const HuntOptions& options) {
    Hunted h;
    HuntObserver observer;
    observer.failed = [&](const HuntFailure& f) { h.failures.push_back(f); };
    observer.progress = [](const HuntResult&) {};
    observer.interrupted = [] { return false; };
    h.result = hunt(scenario, options, observer);
    return h;
}

HuntOptions seeds(std::uint64_t first, std::uint64_t last, std::uint64_t stop_after, unsigned jobs = 1) {
    HuntOptions options;
    options.first_seed = first;
    options.last_seed = last;
    options.stop_after = stop_after;
    options.jobs = jobs;
    return options;
}

/// Two timers, few points, and an expectation that no run meets: each run is told as a failure.
Scenario never_as_expected() {
    ScenarioBuilder b(fake_decl<Defect::kNone>());
    b.timer("a", {1us, std::nullopt, {}, {}});
    b.set(100us, 0, 0, 1ms).step(sim::kBoot + 990us, 1, 2, 0);
    TimerExpectation never;
    never.fires = CountRange{7, 7};
    b.s.expect.push_back(never);
    return b.s;
}

HuntOptions exhaustive(std::uint64_t depth) {
    HuntOptions options = seeds(1, 1, 0, 2);
    options.strategy = HuntStrategy::kExhaustive;
    options.depth = depth;
    options.count_expectations = true;
    return options;
}

std::size_t deviations(const HuntFailure& f) {
    const auto& placed = std::get<PlacedSchedule>(*f.schedule);
    return placed.stalls.size() + placed.ties.size();
}

bool again_fails(const Scenario& scenario, const HuntFailure& f) {
    // By way of the text that the replay line has.
    const Parsed<Schedule> schedule = parse_schedule(schedule_text(*f.schedule));
    ExperimentOptions options;
    options.seed = f.seed;
    options.schedule = schedule.value;
    Experiment again(scenario, options);
    again.run();
    return again.machine().verdict() && again.machine().verdict()->check->name == f.check;
}

HuntJson document_of(const Scenario& scenario, const HuntOptions& options) {
    const Hunted h = hunted(scenario, options);
    HuntJson failures = HuntJson::array();
    for (const HuntFailure& f : h.failures)
        failures.push_back(hunt_failure(f, "ticklab run", "found/bundle.json"));
    return hunt_document(hunt_head(scenario, options, {}), h.result, 0, failures);
}

}  // namespace

TEST_CASE("a hunt finds a race that few seeds show, and nothing in the clean kernel") {
    const Hunted found = hunted(rare_race(Defect::kKillNoWait), seeds(1, 2000, 0));
    CHECK(found.result.end == HuntEnd::kAllRuns);
    CHECK(found.result.runs == 2000);
    CHECK(found.failures.size() == found.result.failures);
    CHECK(found.failures.size() > 0);
    CHECK(found.failures.size() < 100);
    for (const HuntFailure& f : found.failures)
        CHECK(f.check == "timer.after_cancel");
    CHECK(hunted(rare_race(Defect::kNone), seeds(1, 2000, 0)).failures.empty());
}

TEST_CASE("a hunt says the same whatever the number of threads") {
    const Scenario scenario = rare_race(Defect::kKillNoWait);
    const Hunted one = hunted(scenario, seeds(1, 2000, 3));
    CHECK(one.result.end == HuntEnd::kStopAfter);
    for (const unsigned jobs : {2u, 5u}) {
        const Hunted many = hunted(scenario, seeds(1, 2000, 3, jobs));
        CHECK(many.result.end == one.result.end);
        CHECK(many.result.runs == one.result.runs);
        CHECK(many.result.records == one.result.records);
        REQUIRE(many.failures.size() == one.failures.size());
        for (std::size_t i = 0; i < one.failures.size(); ++i) {
            CHECK(many.failures[i].seed == one.failures[i].seed);
            CHECK(many.failures[i].at == one.failures[i].at);
            CHECK(many.failures[i].record_number == one.failures[i].record_number);
        }
    }
}

TEST_CASE("what a hunt finds comes back from its seed and its disturbance") {
    const Scenario scenario = rare_race(Defect::kKillNoWait);
    const Hunted found = hunted(scenario, seeds(1, 2000, 1));
    REQUIRE(found.failures.size() == 1);
    ExperimentOptions options;
    options.seed = found.failures[0].seed;
    options.disturbance = found.failures[0].disturbance;
    Experiment again(scenario, options);
    again.run();
    REQUIRE(again.machine().verdict().has_value());
    CHECK(again.machine().verdict()->check->name == found.failures[0].check);
}

TEST_CASE("a hunt ends when it is told to, and keeps what was handed over") {
    HuntObserver observer;
    std::uint64_t told = 0;
    observer.failed = [](const HuntFailure&) {};
    observer.progress = [&](const HuntResult& so_far) { told = so_far.runs; };
    observer.interrupted = [&] { return told >= 10; };
    const HuntResult result = hunt(rare_race(Defect::kNone), seeds(1, UINT64_MAX, 0, 2), observer);
    CHECK(result.end == HuntEnd::kInterrupted);
    CHECK(result.runs == 10);

    HuntOptions brief = seeds(1, UINT64_MAX, 0);
    brief.budget = std::chrono::milliseconds{1};
    observer.interrupted = [] { return false; };
    CHECK(hunt(rare_race(Defect::kNone), brief, observer).end == HuntEnd::kBudget);
}

TEST_CASE("MA 13.1: each place of one delay is tried once, the race is among them, and each failure comes back") {
    const Scenario scenario = rare_race(Defect::kKillNoWait);
    HuntOptions options = seeds(1, 1, 0);
    options.strategy = HuntStrategy::kDelay;
    const Hunted found = hunted(scenario, options);
    CHECK(found.result.runs == found.result.total);
    CHECK(found.result.total % kStallDivisors.size() == 0);
    REQUIRE(found.result.promising.has_value());
    CHECK(found.result.promising->total > 0);
    CHECK(found.result.promising->total < found.result.total);
    CHECK(found.result.promising->tried == found.result.promising->total);
    REQUIRE(found.failures.size() > 0);
    std::set<std::string> placed;
    for (const HuntFailure& f : found.failures) {
        CHECK(f.check == "timer.after_cancel");
        REQUIRE(f.schedule.has_value());
        CHECK(placed.insert(schedule_text(*f.schedule)).second);
        CHECK(again_fails(scenario, f));
    }
    CHECK(hunted(rare_race(Defect::kNone), options).failures.empty());
}

TEST_CASE("MA 13.1: pct and sampled delays find the race, come back, and raise no false alarm") {
    for (const HuntStrategy strategy : {HuntStrategy::kPct, HuntStrategy::kDelay})
        for (const std::uint64_t depth : {2u, 4u}) {
            CAPTURE(static_cast<int>(strategy));
            CAPTURE(depth);
            HuntOptions options = seeds(1, 1000, 0);
            options.strategy = strategy;
            options.depth = depth;
            const Scenario scenario = rare_race(Defect::kKillNoWait);
            const Hunted found = hunted(scenario, options);
            REQUIRE(found.failures.size() > 0);
            CHECK(again_fails(scenario, found.failures[0]));
            CHECK(hunted(rare_race(Defect::kNone), options).failures.empty());
        }
}

TEST_CASE("MA 13.2: an exhaustive search does each way to deviate once, and says how many there are") {
    const Scenario scenario = never_as_expected();
    const Hunted one = hunted(scenario, exhaustive(1));
    CHECK(one.result.total_exact);
    CHECK(one.result.runs == one.result.total);
    const Hunted two = hunted(scenario, exhaustive(2));
    CHECK_FALSE(two.result.total_exact);
    // Each run of the shallower search is one of the deeper, with what it leads to behind it.
    std::set<std::string> deep, shallow;
    std::uint64_t number = 0;
    for (const HuntFailure& f : two.failures) {
        CHECK(f.run == number++);
        CHECK(deviations(f) <= 2);
        CHECK(deep.insert(schedule_text(*f.schedule)).second);
    }
    for (const HuntFailure& f : one.failures)
        shallow.insert(schedule_text(*f.schedule));
    CHECK(two.result.runs == two.failures.size());
    CHECK(shallow.size() == one.result.runs);
    CHECK(std::includes(deep.begin(), deep.end(), shallow.begin(), shallow.end()));
    CHECK(deep.size() > shallow.size());
    // Nearly as many as n places in pairs: what a delay changes is how often CPUs meet.
    const std::uint64_t n = one.result.runs - 1;
    CHECK(two.result.total == 1 + n + n * (n - 1) / 2);
    const std::uint64_t off = std::max(two.result.runs, two.result.total) - std::min(two.result.runs, two.result.total);
    CHECK(off < two.result.total / 4);
}

TEST_CASE("a hunt that was broken off goes on to what it would have been") {
    HuntOptions delays = seeds(1, 1, 0);
    delays.strategy = HuntStrategy::kDelay;
    delays.count_expectations = true;
    for (const HuntOptions& options : {delays, exhaustive(1), exhaustive(2)}) {
        const Scenario scenario = never_as_expected();
        const Hunted whole = hunted(scenario, options);
        for (const std::uint64_t cut : {std::uint64_t{1}, std::uint64_t{2}, whole.result.runs / 2, whole.result.runs}) {
            CAPTURE(cut);
            HuntOptions first = options, second = options;
            first.stop_after = cut;
            first.jobs = 3;
            const Hunted before = hunted(scenario, first);
            REQUIRE(before.result.runs == cut);
            second.before = before.result;
            const Hunted after = hunted(scenario, second);
            CHECK(after.result.runs == whole.result.runs);
            CHECK(after.result.failures == whole.result.failures);
            CHECK(after.result.records == whole.result.records);
            REQUIRE(before.failures.size() + after.failures.size() == whole.failures.size());
            for (std::size_t i = 0; i < whole.failures.size(); ++i) {
                const HuntFailure& f = i < cut ? before.failures[i] : after.failures[i - cut];
                CHECK(f.run == whole.failures[i].run);
                CHECK(schedule_text(*f.schedule) == schedule_text(*whole.failures[i].schedule));
            }
        }
    }
}

TEST_CASE("the shards of a hunt make up the hunt, in whatever order they are joined") {
    const Scenario scenario = rare_race(Defect::kKillNoWait);
    HuntOptions options = seeds(11, 1010, 0);
    SUBCASE("of seeds") {}
    SUBCASE("of single stalls") { options.strategy = HuntStrategy::kDelay; }
    HuntFile whole{"whole", document_of(scenario, options), {}, {}};
    whole.document["wall_seconds"] = 3.0;
    std::vector<HuntFile> shards;
    testing::ScratchFolder folder;
    for (std::uint64_t index : {0u, 1u, 2u}) {
        options.shard = {index, 3};
        HuntJson document = document_of(scenario, options);
        document["wall_seconds"] = 1.0;
        const std::string name = folder / std::to_string(index);
        std::ofstream(name) << document.dump();
        shards.push_back(read_hunt_file(name));
        REQUIRE(shards.back().problem.empty());
    }
    CHECK(merge_hunts(shards).document.dump() == whole.document.dump());
    std::swap(shards[0], shards[2]);
    CHECK(merge_hunts(shards).document.dump() == whole.document.dump());
    std::swap(shards[0], shards[1]);
    CHECK(merge_hunts(shards).document.dump() == whole.document.dump());

    CHECK(merge_hunts({shards[0], shards[1]}).problem == "2 of 3 shards are there; missing: 1/3");
    const std::string twice = merge_hunts({shards[0], shards[1], shards[2], shards[1]}).problem;
    CHECK(twice.ends_with("are both shard 3/3"));
    shards[0].document["strategy"] = "seeds";
    CHECK(merge_hunts(shards).problem.ends_with("are not of one hunt: \"strategy\" differs"));
}

TEST_CASE("a file that is no result of a hunt is refused with a reason") {
    testing::ScratchFolder folder;
    const auto problem = [&](const std::string& text) {
        std::ofstream(folder / "f") << text;
        return read_hunt_file(folder / "f").problem;
    };
    const HuntJson good = document_of(rare_race(Defect::kNone), seeds(1, 3, 0));
    CHECK(problem(good.dump()).empty());
    CHECK_FALSE(problem("").empty());
    CHECK_FALSE(problem("[1]").empty());
    CHECK_FALSE(problem("{}").empty());
    for (const auto& member : good.items()) {
        HuntJson bad = good;
        bad.erase(member.key());
        CHECK_MESSAGE(!problem(bad.dump()).empty(), member.key());
    }
    for (const char* member : {"format", "format_version", "shard", "end", "runs", "total", "total_exact", "failed",
                               "inconclusive", "records", "wall_seconds", "failures"}) {
        HuntJson bad = good;
        bad[member] = "x";
        CHECK_MESSAGE(!problem(bad.dump()).empty(), member);
    }
    const HuntJson found = document_of(rare_race(Defect::kKillNoWait), seeds(1, 2000, 1));
    REQUIRE(found["failures"].size() == 1);
    CHECK(problem(found.dump()).empty());
    for (const auto& member : found["failures"][0].items()) {
        HuntJson bad = found;
        bad["failures"][0].erase(member.key());
        // A failure that nobody asked to keep has no bundle.
        CHECK_MESSAGE(problem(bad.dump()).empty() == (member.key() == "bundle"), member.key());
        bad["failures"][0][member.key()] = HuntJson::array();
        CHECK_MESSAGE(!problem(bad.dump()).empty(), member.key());
    }
    HuntJson negative = good;
    negative["runs"] = -5;
    CHECK_FALSE(problem(negative.dump()).empty());
    CHECK_FALSE(read_hunt_file(folder / "missing").problem.empty());
}

TEST_CASE("a configuration that the machine refuses ends a hunt as it ends a run") {
    Scenario scenario = rare_race(Defect::kNone);
    scenario.machine.quantum = 1us;
    HuntOptions options = seeds(1, 100, 0, 2);
    CHECK_THROWS_AS(hunted(scenario, options), std::invalid_argument);
}

TEST_CASE("a CPU that leaves its timers alone after too many of them (LHR 9.1) is no false alarm") {
    // Stalls at every third passage of some places: interrupts have no end of timers.
    const std::vector<std::string> disturbed{
        "--set", "machine.jitter_per_1024=200",    "--set", "machine.stall_one_in=3",
        "--set", "machine.stall_places_one_in=16", "--set", "machine.max_stall=300us"};
    for (const char* const name : {"tmigr-deep", "nohz-full", "tmigr-one-busy"}) {
        CAPTURE(name);
        std::vector<std::string> words{
            "hunt", source_dir() + "/scenarios/linux/" + name + ".json", "--strategy", "seeds", "--seeds", "1..12"};
        words.insert(words.end(), disturbed.begin(), disturbed.end());
        const Said said = program(words);
        CHECK_MESSAGE(said.code == 0, said.out);
    }
}

TEST_CASE(
    "a CPU that stood still between reading the clock and arming its timer is no false alarm (progress.uncovered)") {
    // A one-shot count is relative: the timer comes 0.29 ms late, and it takes 0.2 ms to leave C8.
    const Said said = program({"hunt", source_dir() + "/scenarios/xen/single-shot-follows-vcpu.json", "--strategy",
                               "seeds", "--seeds", "556..556", "--set", "machine.jitter_per_1024=32", "--set",
                               "machine.stall_one_in=3", "--set", "machine.stall_places_one_in=16", "--set",
                               "machine.max_stall=300us", "--set", "machine.break_ties=true"});
    CHECK_MESSAGE(said.code == 0, said.out);
}

TEST_CASE("a timer that waits for a migrator which is stalled most of the time is not lost (timer.lost)") {
    // The sleeper's event is with CPU 0, whose tick takes longer than its period: TMIGR-09's scenario without its
    // holds.
    const Said said = program({"hunt", source_dir() + "/scenarios/linux/fixes/TMIGR-09.json", "--strategy", "seeds",
                               "--seeds", "2141..2141", "--set", "/script/2=null", "--set", "/script/4=null", "--set",
                               "machine.jitter_per_1024=200", "--set", "machine.stall_one_in=3", "--set",
                               "machine.stall_places_one_in=16", "--set", "machine.max_stall=300us"});
    CHECK_MESSAGE(said.code == 0, said.out);
}

TEST_CASE("a sleeper whose helper is stalled most of the time loses no timer (timer.lost, progress.uncovered)") {
    // Without ARAT a CPU in a deep state has no timer of its own.
    for (const auto& [seed, jitter] : {std::pair{"3712", "0"}, {"5340", "1024"}}) {
        const Said said =
            program({"hunt", source_dir() + "/scenarios/xen/broadcast-legacy.json", "--strategy", "seeds", "--seeds",
                     std::string(seed) + ".." + seed, "--set", std::string("machine.jitter_per_1024=") + jitter,
                     "--set", "machine.stall_one_in=3", "--set", "machine.stall_places_one_in=16", "--set",
                     "machine.max_stall=300us", "--set", "machine.break_ties=false"});
        CHECK_MESSAGE(said.code == 0, said.out);
    }
}

TEST_CASE("a timer that waits for a migrator which leaves its timers alone (LHR 9.1) is not lost (timer.lost)") {
    // CPU 1 has the sleeper's event; its tick took so long that it lets 47 ms go by: TMIGR-20's scenario without its
    // hold.
    const Said said = program({"hunt", source_dir() + "/scenarios/linux/fixes/TMIGR-20.json", "--strategy", "seeds",
                               "--seeds", "97..97", "--set", "/script/2=null", "--set", "machine.jitter_per_1024=1024",
                               "--set", "machine.stall_one_in=3", "--set", "machine.stall_places_one_in=16", "--set",
                               "machine.max_stall=3ms"});
    CHECK_MESSAGE(said.code == 0, said.out);
}
