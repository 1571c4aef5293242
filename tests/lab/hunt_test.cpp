// A hunt finds a race that most seeds do not show, says the same whatever the number of threads, and what it finds
// comes back (lab/hunt/hunt.hpp).
#include "ticklab/lab/hunt/hunt.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

#include "defect_kernel.hpp"

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

}  // namespace

TEST_CASE("a hunt finds a race that few seeds show, and nothing in the clean kernel") {
    const Hunted found = hunted(rare_race(Defect::kKillNoWait), seeds(1, 2000, 0));
    CHECK(found.result.end == HuntEnd::kAllSeeds);
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

TEST_CASE("a configuration that the machine refuses ends a hunt as it ends a run") {
    Scenario scenario = rare_race(Defect::kNone);
    scenario.machine.quantum = 1us;
    HuntOptions options = seeds(1, 100, 0, 2);
    CHECK_THROWS_AS(hunted(scenario, options), std::invalid_argument);
}
