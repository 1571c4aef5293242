// Planted defects are found, each by its own check, and none in the clean kernel (DESIGN 5; STYLE 14).
#include "ticklab/lab/experiment.hpp"

#include <doctest/doctest.h>

#include "defect_kernel.hpp"
#include "ticklab/lab/load_decls.hpp"
#include "ticklab/lab/machine_verbs.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;

namespace {

const sim::VerbDecl& machine_verb(MachineVerb verb) { return machine_verbs()[static_cast<std::size_t>(verb)]; }

/// Sets, re-sets, stops, lets fire, on two CPUs.
Scenario usual(const sim::KernelDecl& kernel) {
    ScenarioBuilder b(kernel);
    b.timer("a").timer("b").timer("c", {2us, 400us, {}, {}}).timer("d");
    b.set(100us, 0, 0, 1ms).set(110us, 0, 1, 800us).set(120us, 1, 2, 600us).set(130us, 1, 3, 500us);
    b.step(sim::kBoot + 200us, 0, 1, 3);
    b.set(300us, 0, 3, 900us);
    b.step(sim::kBoot + 3ms, 1, 2, 2);
    return b.s;
}

std::string verdict_of(const Scenario& scenario, const ExperimentOptions& options = {}) {
    Experiment experiment(scenario, options);
    experiment.run();
    const auto& verdict = experiment.machine().verdict();
    if (verdict)
        MESSAGE(verdict->message);
    return verdict ? std::string(verdict->check->name) : "";
}

}  // namespace

TEST_CASE("the clean kernel breaks no check (DESIGN 5)") {
    const Scenario scenario = usual(fake_decl<Defect::kNone>());
    Experiment experiment(scenario, {});
    experiment.run();
    CHECK_FALSE(experiment.machine().verdict().has_value());
    CHECK(experiment.end() == sim::RunEnd::kTime);
    CHECK(experiment.reached() == sim::kBoot + 5ms);
    const TimerCounters& c = experiment.obligations()->counters();
    CHECK(c.armed >= 8);
    CHECK(c.fired >= 6);
    CHECK(experiment.timers()[0].fired == 1);
    CHECK(experiment.timers()[0].last_cpu == 0);
    CHECK(experiment.timers()[3].fired == 1);
    CHECK(experiment.timers()[2].fired >= 4);
}

TEST_CASE("each planted defect is found by its own check (DESIGN 5, XT-P1, XT-P2, XT-P4, XT-P7)") {
    CHECK(verdict_of(usual(fake_decl<Defect::kEarly>())) == "timer.early");
    ScenarioBuilder once(fake_decl<Defect::kTwice>());
    once.timer("a").set(100us, 0, 0, 1ms);
    CHECK(verdict_of(once.s) == "timer.twice");
    ExperimentOptions seldom;
    seldom.looks = 1;
    CHECK(verdict_of(usual(fake_decl<Defect::kLate>()), seldom) == "timer.late");
    CHECK(verdict_of(usual(fake_decl<Defect::kLate>())) == "progress.uncovered");
    CHECK(verdict_of(usual(fake_decl<Defect::kHeapOrder>())) == "structure.heap_order");
    CHECK(verdict_of(usual(fake_decl<Defect::kNever>())) == "progress.uncovered");
    CHECK(verdict_of(usual(fake_decl<Defect::kForgets>())) == "progress.uncovered");

    ScenarioBuilder stopped(fake_decl<Defect::kAfterCancel>());
    stopped.timer("a").set(100us, 0, 0, 1ms).step(sim::kBoot + 500us, 1, 1, 0);
    CHECK(verdict_of(stopped.s, seldom) == "timer.after_cancel");
    CHECK(verdict_of(stopped.s) == "structure.membership");

    ScenarioBuilder killed(fake_decl<Defect::kKillNoWait>());
    killed.timer("a", {200us, std::nullopt, {}, {}}).set(100us, 0, 0, 1ms).step(sim::kBoot + 1100us, 1, 2, 0);
    CHECK(verdict_of(killed.s) == "timer.after_cancel");
    killed.s.kernel = &fake_decl<Defect::kNone>();
    CHECK(verdict_of(killed.s) == "");
}

TEST_CASE("a timer that is dropped while its CPU is in user mode is lost") {
    ScenarioBuilder b(fake_decl<Defect::kNever>());
    b.timer("a").set(100us, 0, 0, 1ms);
    b.machine_step(sim::kBoot, machine_verb(MachineVerb::kCpuBusy), {std::int64_t{0}, std::nullopt});
    b.machine_step(sim::kBoot, machine_verb(MachineVerb::kCpuBusy), {std::int64_t{1}, std::nullopt});
    CHECK(verdict_of(b.s) == "timer.lost");
    b.s.kernel = &fake_decl<Defect::kNone>();
    CHECK(verdict_of(b.s) == "");
}

TEST_CASE("a stop does not wait: a callback that was taken from the queue may still start (XT-P5)") {
    for (const std::size_t cancel : {1u, 2u}) {
        ScenarioBuilder b(fake_decl<Defect::kNone>());
        b.timer("a").set(100us, 0, 0, 1ms);
        b.machine_step(SiteTrigger{&kBeforeCallback, 0, 1}, machine_verb(MachineVerb::kCpuHold),
                       {std::int64_t{0}, sim::Value{sim::Duration{300us}}});
        b.step(sim::kBoot + 1100us, 1, cancel, 0);
        CHECK(verdict_of(b.s) == "");
    }
    // The kernel whose kill does not wait lets it start after the kill returned (XT-P4).
    ScenarioBuilder b(fake_decl<Defect::kKillNoWait>());
    b.timer("a").set(100us, 0, 0, 1ms);
    b.machine_step(SiteTrigger{&kBeforeCallback, 0, 1}, machine_verb(MachineVerb::kCpuHold),
                   {std::int64_t{0}, sim::Value{sim::Duration{300us}}});
    b.step(sim::kBoot + 1100us, 1, 2, 0);
    CHECK(verdict_of(b.s) == "timer.after_cancel");
}

TEST_CASE("injected delay excuses lateness, whatever injects it (MA 13.1)") {
    ScenarioBuilder stalled(fake_decl<Defect::kNone>());
    stalled.timer("a").set(100us, 0, 0, 1ms);
    stalled.machine_step(sim::kBoot + 990us, machine_verb(MachineVerb::kCpuStall),
                         {std::int64_t{0}, sim::Value{sim::Duration{800us}}});
    CHECK(verdict_of(stalled.s) == "");

    ScenarioBuilder late(fake_decl<Defect::kNone>());
    late.timer("a").set(100us, 0, 0, 1ms);
    late.machine_step(sim::kBoot + 200us, machine_verb(MachineVerb::kIrqLate),
                      {std::int64_t{0}, sim::Value{sim::Duration{700us}}, sim::Value{std::int64_t{1}}});
    CHECK(verdict_of(late.s) == "");

    ScenarioBuilder lost(fake_decl<Defect::kNone>());
    lost.timer("a").set(100us, 0, 0, 1ms);
    lost.machine_step(sim::kBoot + 200us, machine_verb(MachineVerb::kIrqLose),
                      {std::int64_t{0}, sim::Value{std::int64_t{1}}});
    CHECK(verdict_of(lost.s) == "progress.uncovered");
}

TEST_CASE("a CPU held at a site goes on when it is released (MA 8.1)") {
    ScenarioBuilder b(fake_decl<Defect::kNone>());
    b.timer("a").set(100us, 0, 0, 1ms);
    b.machine_step(SiteTrigger{&kBeforeLock, 0, 1}, machine_verb(MachineVerb::kCpuHold), {std::nullopt, std::nullopt});
    b.machine_step(sim::kBoot + 1500us, machine_verb(MachineVerb::kCpuRelease), {std::int64_t{0}});
    b.s.expect.push_back(
        TimerExpectation{0, 0u, CountRange{1, 1}, std::nullopt, sim::kBoot + 1500us, sim::kBoot + 1600us, {}});
    Experiment experiment(b.s, {});
    experiment.run();
    REQUIRE_FALSE(experiment.machine().verdict().has_value());
    for (const ExpectationResult& r : experiment.expectations())
        CHECK_MESSAGE(r.outcome == ExpectationOutcome::kMet, r.what, ": ", r.found);
}

TEST_CASE("the nth arrival at a site takes a step, on the CPU that reached it") {
    ScenarioBuilder b(fake_decl<Defect::kNone>());
    b.timer("a").timer("b").timer("c");
    b.set(100us, 0, 0, 1ms).set(200us, 1, 1, 2ms);
    b.s.script.push_back({SiteTrigger{&kBeforeCallback, std::nullopt, 2},
                          std::nullopt,
                          ScenarioBuilder::call(0, 2, sim::Value{sim::Duration{500us}}),
                          false,
                          {}});
    Experiment experiment(b.s, {});
    experiment.run();
    CHECK(experiment.timers()[2].fired == 1);
    CHECK(experiment.timers()[2].last_cpu == 1);
    CHECK(experiment.timers()[2].first_fired >= sim::kBoot + 2500us);
}

namespace {

Scenario loaded() {
    ScenarioBuilder b(fake_decl<Defect::kNone>(), 4);
    b.timer("a").set(100us, 0, 0, 1ms);
    Load churn;
    churn.generator = find_load("timer.churn");
    churn.cpus = {0, 1, 2, 3};
    churn.arguments = {std::int64_t{20'000'000}, Distribution{Distribution::Shape::kExponential, 300us, {}},
                       std::int64_t{500'000}, std::int64_t{8}};
    b.s.load.push_back(churn);
    Load periodic;
    periodic.generator = find_load("timer.periodic");
    periodic.cpus = {1, 3};
    periodic.arguments = {sim::Duration{250us}, std::int64_t{2}};
    b.s.load.push_back(periodic);
    Load duty;
    duty.generator = find_load("cpu.duty");
    duty.cpus = {2};
    duty.arguments = {Distribution{Distribution::Shape::kUniform, 10us, 200us}, sim::Duration{100us}};
    b.s.load.push_back(duty);
    Load noise;
    noise.generator = find_load("irq.noise");
    noise.cpus = {0, 2};
    noise.arguments = {std::int64_t{10'000'000}, Distribution{Distribution::Shape::kFixed, 2us, {}}};
    b.s.load.push_back(noise);
    return b.s;
}

struct Identity {
    std::string digest;
    std::uint64_t records;
    friend bool operator==(const Identity&, const Identity&) = default;
};

Identity identity_of(const Scenario& scenario, const ExperimentOptions& options) {
    Experiment experiment(scenario, options);
    experiment.run();
    const auto& verdict = experiment.machine().verdict();
    REQUIRE_MESSAGE(!verdict, (verdict ? verdict->message : std::string()));
    return {experiment.machine().records().digest().hex(), experiment.machine().records().committed()};
}

}  // namespace

TEST_CASE("load: the checks are silent, the same seed gives the same digest and another seed another (MA 7)") {
    const Scenario scenario = loaded();
    ExperimentOptions one, two;
    two.seed = 2;
    const Identity first = identity_of(scenario, one);
    CHECK(first.records > 1000);
    CHECK(identity_of(scenario, one) == first);
    CHECK(identity_of(scenario, two) != first);
}

TEST_CASE("switching observers on or off, and how often they look, changes nothing (MA 11.2)") {
    const Scenario scenario = loaded();
    ExperimentOptions all, none, seldom, often;
    none.checks = none.metrics = false;
    seldom.looks = 1;
    often.looks = 5000;
    const Identity observed = identity_of(scenario, all);
    CHECK(identity_of(scenario, none) == observed);
    CHECK(identity_of(scenario, seldom) == observed);
    CHECK(identity_of(scenario, often) == observed);
}

TEST_CASE("removing one step leaves the draws of the load alone (MA 7.1)") {
    Scenario with = loaded();
    Scenario without = with;
    without.script.clear();
    CHECK(root_of(with.script[0]) == root_of(loaded().script[0]));
    Experiment a(with, {}), b(without, {});
    a.run();
    b.run();
    // The churn arms at the same instants: so many more armings as the step made.
    CHECK(a.obligations()->counters().armed == b.obligations()->counters().armed + 1);
}

TEST_CASE("a budget ends a run early, and expectations that were not reached say so") {
    ScenarioBuilder b(fake_decl<Defect::kNone>());
    b.timer("a").set(100us, 0, 0, 1ms);
    b.s.expect.push_back(StateExpectation{sim::kBoot + 500us, "queued", 1, std::nullopt, std::nullopt, {}});
    b.s.expect.push_back(StateExpectation{sim::kNever, "queued", 0, std::nullopt, std::nullopt, {}});
    b.s.expect.push_back(StateExpectation{sim::kBoot + 600us, "nonsense", 0, std::nullopt, std::nullopt, {}});
    {
        Experiment experiment(b.s, {});
        experiment.run();
        REQUIRE(experiment.expectations().size() == 3);
        CHECK(experiment.expectations()[0].outcome == ExpectationOutcome::kMet);
        CHECK(experiment.expectations()[1].outcome == ExpectationOutcome::kMet);
        CHECK(experiment.expectations()[2].outcome == ExpectationOutcome::kFailed);
    }
    b.s.max_steps = 3;
    Experiment experiment(b.s, {});
    experiment.run();
    CHECK(experiment.end() == sim::RunEnd::kBudget);
    CHECK(experiment.expectations()[1].outcome == ExpectationOutcome::kNotReached);
}

TEST_CASE("a scenario that asks for a verdict is met by that one only") {
    ScenarioBuilder b(fake_decl<Defect::kTwice>());
    b.timer("a").set(100us, 0, 0, 1ms);
    Scenario scenario = b.s;
    scenario.expect.push_back(VerdictExpectation{"timer.twice", {}});
    Experiment right(scenario, {});
    right.run();
    CHECK(right.expectations()[0].outcome == ExpectationOutcome::kMet);
    scenario.kernel = &fake_decl<Defect::kEarly>();
    Experiment wrong(scenario, {});
    wrong.run();
    CHECK(wrong.expectations()[0].outcome == ExpectationOutcome::kFailed);
    scenario.kernel = &fake_decl<Defect::kNone>();
    Experiment clean(scenario, {});
    clean.run();
    CHECK(clean.expectations()[0].outcome == ExpectationOutcome::kFailed);
}
