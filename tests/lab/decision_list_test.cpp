// What a run decided is kept as a list and played back (MA 7.2, lab/bundle/decision_list.hpp).
#include "ticklab/lab/bundle/decision_list.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>

#include "source_dir.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/sim/machine_sites.hpp"

using namespace ticklab;
using namespace ticklab::lab;

namespace {

Scenario stalled_and_tied() {
    std::vector<InputError> errors;
    std::optional<Scenario> scenario = ScenarioLoader(program_registry())
                                           .load(source_dir() + "/scenarios/linux/fixes/TMIGR-03.json",
                                                 {"machine.stall_one_in=300", "machine.max_stall=20us",
                                                  "machine.break_ties=true", "machine.jitter_per_1024=32"},
                                                 errors);
    REQUIRE(scenario.has_value());
    return *std::move(scenario);
}

}  // namespace

TEST_CASE("a run's decisions played back are the same run, and none of them another (MA 7.2)") {
    const Scenario scenario = stalled_and_tied();
    ExperimentOptions options;
    options.record_decisions = true;
    Experiment first(scenario, options);
    first.run();
    const DecisionList list = first.decided();
    REQUIRE(list.stalls.size() > 3);
    REQUIRE(list.ties.size() > 3);

    options.decisions = list;
    Experiment again(scenario, options);
    again.run();
    CHECK(again.machine().records().digest() == first.machine().records().digest());
    CHECK(again.decision_player()->unreached() == 0);
    CHECK(again.decided() == list);

    options.decisions = DecisionList{};
    Experiment undisturbed(scenario, options);
    undisturbed.run();
    CHECK(undisturbed.machine().records().digest() != first.machine().records().digest());
    CHECK(undisturbed.decided().size() == 0);
}

TEST_CASE("each time that a key is asked is a decision of its own, whoever answers") {
    using sim::sites::kStallAtPoint, sim::sites::kStallLength, sim::sites::kTie;
    const DecisionList list{{{7, 2, sim::Duration{50}}, {7, 3, sim::Duration{1}}, {8, 1, sim::Duration{9}}},
                            {{7, 2, 3}}};
    DecisionPlayer player(list);
    DecisionRecorder recorder(&player);
    const auto stalled_for = [&](std::uint64_t key) {
        return recorder.answer(kStallAtPoint, key, 2, 1) == 0 ? 0 : 1 + recorder.answer(kStallLength, 0, 100, 0);
    };
    const std::array<std::uint64_t, 4> lengths{stalled_for(7), stalled_for(7), stalled_for(7), stalled_for(7)};
    CHECK(lengths == std::array<std::uint64_t, 4>{0, 50, 1, 0});
    CHECK(recorder.answer(kTie, 7, 5, 2) == 0);
    CHECK(player.unreached() == 2);
    CHECK(recorder.answer(kTie, 7, 5, 2) == 3);
    CHECK(stalled_for(8) == 9);
    CHECK(player.unreached() == 0);
    CHECK(recorder.list() == list);
}

TEST_CASE("a decision that the run never comes to is counted, not performed (MA 7.2)") {
    const Scenario scenario = stalled_and_tied();
    ExperimentOptions options;
    options.decisions = DecisionList{};
    Experiment plain(scenario, options);
    plain.run();
    options.decisions->stalls.push_back({0x1234, 1, sim::Duration{std::chrono::microseconds{1}}});
    options.decisions->ties.push_back({0x1234, 1, 1});
    Experiment experiment(scenario, options);
    experiment.run();
    CHECK(experiment.decision_player()->unreached() == 2);
    CHECK(experiment.machine().records().digest() == plain.machine().records().digest());
}
