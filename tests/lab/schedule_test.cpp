// Schedules: what is placed happens there and nowhere else, and asking costs nothing (lab/schedule.hpp, MA 13).
#include "ticklab/lab/schedule.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <stdexcept>

#include "defect_kernel.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/sim/machine_records.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;

namespace {

/// The stalls of a run, and how long each CPU stood.
class Stalls final : public sim::RecordConsumer {
public:
    void consume(std::span<const sim::Record> batch) override {
        for (const sim::Record& r : batch)
            if (r.kind->id == sim::kStall.id) {
                lengths.push_back(sim::Time{sim::Duration{r.signed_at(0)}} - r.at);
                by_cpu[r.cpu].push_back({r.at, r.at + lengths.back()});
            }
    }
    std::vector<sim::Duration> lengths;
    std::map<sim::CpuId, std::vector<std::pair<sim::Time, sim::Time>>> by_cpu;
};

/// Four CPUs with timers of their own, all at the same instants.
Scenario four_cpus() {
    ScenarioBuilder b(fake_decl<Defect::kNone>(), 4);
    for (sim::TimerIndex t = 0; t < 8; ++t) {
        b.timer(std::string(1, static_cast<char>('a' + t)), {20us, std::nullopt, {}, {}});
        b.set(100us + (t / 4) * 1ms, t % 4, t, 1ms + (t / 4) * 1ms);
    }
    return b.s;
}

struct Scheduled {
    std::string digest;
    Stalls stalls;
    std::uint64_t points = 0;
    bool fine = false;
};

Scheduled scheduled(const std::optional<Schedule>& schedule, std::uint64_t seed = 1) {
    const Scenario scenario = four_cpus();
    Scheduled result;
    ExperimentOptions options;
    options.seed = seed;
    options.schedule = schedule;
    options.consumers.push_back(&result.stalls);
    Experiment experiment(scenario, options);
    experiment.run();
    result.digest = experiment.machine().records().digest().hex();
    result.points = experiment.scheduler() ? experiment.scheduler()->points() : 0;
    result.fine = !experiment.machine().verdict();
    return result;
}

}  // namespace

TEST_CASE("a schedule without places is the undisturbed run") {
    CHECK(scheduled(PlacedSchedule{}).digest == scheduled(std::nullopt).digest);
    CHECK(scheduled(PlacedSchedule{{}, {}, true}).stalls.lengths.empty());
}

TEST_CASE("a placed stall happens at its point and is the only one") {
    const std::uint64_t points = scheduled(PlacedSchedule{}).points;
    REQUIRE(points > 20);
    // Numbers go up with time on each CPU; CPUs run ahead of each other between points.
    std::map<sim::CpuId, sim::Time> before;
    std::set<std::string> digests;
    for (std::uint64_t point = 1; point <= points; ++point) {
        const Scheduled run = scheduled(PlacedSchedule{{{point, 30us}}, {}, false});
        REQUIRE(run.stalls.lengths.size() == 1);
        CHECK(run.stalls.lengths[0] == 30us);
        CHECK(run.fine);
        const auto& [cpu, spans] = *run.stalls.by_cpu.begin();
        CHECK(spans[0].first >= before[cpu]);
        before[cpu] = spans[0].first;
        digests.insert(run.digest);
    }
    CHECK(before.size() == 4);
    // Stalls at two points with no record between them make one run.
    CHECK(digests.size() > points / 4);
    CHECK(scheduled(PlacedSchedule{{{points + 1000, 30us}}, {}, false}).digest == scheduled(PlacedSchedule{}).digest);
}

TEST_CASE("MA 13.1: under pct a CPU is late and never starved") {
    const std::uint64_t points = scheduled(PlacedSchedule{}).points;
    std::size_t stalled_runs = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed)
        for (const PctSchedule& pct : {PctSchedule{}, PctSchedule{{points / 3, points / 2 + seed}}}) {
            const Scheduled run = scheduled(pct, seed);
            CHECK(run.fine);
            CHECK(run.digest == scheduled(pct, seed).digest);
            stalled_runs += !run.stalls.lengths.empty();
            CHECK(std::set<sim::Duration>(run.stalls.lengths.begin(), run.stalls.lengths.end()).size() <= 1);
            // Between two stalls a CPU runs nine times as long, but for the change points.
            std::size_t too_soon = 0;
            for (const auto& cpu : run.stalls.by_cpu)
                for (std::size_t i = 1; i < cpu.second.size(); ++i)
                    too_soon += cpu.second[i].first - cpu.second[i - 1].second < 9 * run.stalls.lengths[0];
            CHECK(too_soon <= pct.changes.size());
        }
    CHECK(stalled_runs > 200);
}

TEST_CASE("what a schedule is written as is read as the same") {
    for (const char* text :
         {"none", "ties", "pct", "pct@4812", "pct@3+4812", "stall@17=300us", "stall@17=300us,stall@18=1ns,tie@4=1"}) {
        const Parsed<Schedule> parsed = parse_schedule(text);
        REQUIRE_MESSAGE(parsed.value, text);
        CHECK(schedule_text(*parsed.value) == text);
    }
    for (const char* text : {"",
                             ",",
                             "pct@",
                             "pct:3:4812",
                             "pct@0",
                             "pct@1+",
                             "pct@1+1",
                             "pct@2+1",
                             "pct@1,tie@4=1",
                             "stall@17",
                             "stall@0=1us",
                             "stall@1=0us",
                             "stall@1=1",
                             "stall@2=1us,stall@1=1us",
                             "stall@1=1us,stall@1=1us",
                             "tie@1=0",
                             "tie@1=x",
                             "hold@1=1us",
                             "stall@1=1us,",
                             "stall=1@2",
                             "none,ties",
                             "stall@99999999999999999999=1us"})
        CHECK_MESSAGE(!parse_schedule(text).value, text);
}

TEST_CASE("a stall that is longer than the machine's longest is refused") {
    CHECK_THROWS_AS(scheduled(PlacedSchedule{{{1, 301us}}, {}, false}), std::invalid_argument);
    CHECK_NOTHROW(scheduled(PlacedSchedule{{{1, 300us}}, {}, false}));
}

TEST_CASE("stalls at few places: the seed says which, and other places have none") {
    Scenario scenario = four_cpus();
    scenario.machine.max_stall = 1ns;
    scenario.machine.stall_one_in = 1;
    const auto stalls = [&](std::uint64_t places_one_in, std::uint64_t seed) {
        scenario.machine.stall_places_one_in = places_one_in;
        Stalls seen;
        ExperimentOptions options;
        options.seed = seed;
        options.consumers.push_back(&seen);
        Experiment experiment(scenario, options);
        experiment.run();
        return seen.lengths.size();
    };
    const std::size_t everywhere = stalls(1, 1);
    std::set<std::size_t> counts;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        counts.insert(stalls(4, seed));
        CHECK(stalls(UINT64_MAX, seed) == 0);
    }
    CHECK(*counts.rbegin() < everywhere);
    CHECK(counts.size() > 5);
}
