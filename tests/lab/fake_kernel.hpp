// A kernel by declaration only: what loading needs of one.
#pragma once

#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/sim/kernel.hpp"

namespace ticklab::test {

inline constexpr sim::Site kFakeBeforeLock{"fake.set.before_lock", "nothing is locked"};
inline constexpr const sim::Site* kFakeSites[] = {&kFakeBeforeLock};

inline constexpr std::string_view kFakeVersions[] = {"1.0", "1.1", "2.0"};
inline constexpr std::string_view kFakePlacements[] = {"local", "push"};
inline constexpr sim::ParameterDecl kFakeOptions[] = {
    {"timer_slop", sim::ValueType::kDuration, "Slack.", false, "50us"},
    {"placement", sim::ValueType::kWord, "Where timers go.", false, "local", INT64_MIN, INT64_MAX, kFakePlacements},
    {"children", sim::ValueType::kInteger, "Children a group.", false, "8", 2, 8},
    {"tickless", sim::ValueType::kBool, "No tick.", false, "true"},
};
inline constexpr sim::ParameterDecl kFakeSet[] = {
    {"timer", sim::ValueType::kTimer, "Which.", true},
    {"expires", sim::ValueType::kTime, "When.", true},
    {"slack", sim::ValueType::kDuration, "Slack."},
};
inline constexpr sim::ParameterDecl kFakeStop[] = {{"timer", sim::ValueType::kTimer, "Which.", true}};
inline constexpr sim::ParameterDecl kFakeMigrate[] = {{"timer", sim::ValueType::kTimer, "Which.", true},
                                                      {"to", sim::ValueType::kCpu, "Where to.", true}};
inline constexpr sim::VerbDecl kFakeVerbs[] = {
    {"timer.set", sim::VerbContext::kThread, sim::TimerRole::kArm, "Arms a timer.", kFakeSet},
    {"timer.stop", sim::VerbContext::kThread, sim::TimerRole::kCancel, "Stops a timer.", kFakeStop},
    {"timer.migrate", sim::VerbContext::kControl, sim::TimerRole::kMove, "Moves a timer.", kFakeMigrate},
};
inline constexpr sim::StateDecl kFakeStates[] = {{"cpu*.timers.inactive", "Timers that are not queued."},
                                                 {"machine.timers", "All timers."}};
inline constexpr std::string_view kNeedsFake1[] = {"FAKE-1"};
inline constexpr std::string_view kConflictsFake2[] = {"FAKE-2"};
inline constexpr sim::ChangeDecl kFakeChanges[] = {
    {"FAKE-1", "first", "timers", sim::ChangeKind::kFix, "1.1", {}, {}, "here", "timers are lost"},
    {"FAKE-2", "second", "timers", sim::ChangeKind::kFix, "2.0", kNeedsFake1, {}, "here", "timers are late"},
    {"FAKE-3", "third", "timers", sim::ChangeKind::kFeature, "", {}, kConflictsFake2, "here", "nothing"},
};
inline constexpr sim::CheckDecl kFakeChecks[] = {{"fake.order", "Fakes are in order."}};
inline constexpr sim::CostDecl kFakeCosts[] = {{"heap_sift_step", "one level"}};
inline constexpr sim::RecordKind kFakeRecords[] = {
    {40000, "fake", "armed", "timer", sim::TimelineShape::kInstant, {}, "a timer was armed", {}}};

inline const sim::KernelDecl kFakeKernel{.name = "fake",
                                         .help = "A kernel for tests of loading.",
                                         .versions = kFakeVersions,
                                         .options = kFakeOptions,
                                         .verbs = kFakeVerbs,
                                         .states = kFakeStates,
                                         .changes = kFakeChanges,
                                         .checks = kFakeChecks,
                                         .costs = kFakeCosts,
                                         .records = kFakeRecords,
                                         .sites = kFakeSites,
                                         .make = nullptr};

inline const lab::Registry& fake_registry() {
    static const lab::Registry registry = [] {
        lab::Registry r;
        r.register_kernel(kFakeKernel);
        return r;
    }();
    return registry;
}

/// Knows no kernel but the fake one.
inline const lab::ScenarioLoader& fake_loader() {
    static const lab::ScenarioLoader instance(fake_registry());
    return instance;
}

/// A scenario that uses everything a scenario can say.
inline constexpr const char* kFullScenario = R"({
  // comments are allowed
  "name": "everything", /* of both kinds */
  "about": "uses all there is",
  "machine": {
    "profile": "server-2s", "cpus": 8, "nodes": 2, "online": 6, "memory": "tso", "quantum": "0s",
    "prices": { "irq_entry": 900 },
    "c_states": [ { "name": "C1", "entry": "1us", "exit": "2us", "target_residency": "4us", "power_mw": 10 } ]
  },
  "kernel": { "type": "fake", "version": "1.1", "timer_slop": "60us", "placement": "push",
              "with": ["FAKE-2"], "without": ["FAKE-3"] },
  "duration": "20ms",
  "max_steps": 1000,
  "seed": 7,
  "locks": ["biglock"],
  "timers": [
    { "name": "tick", "cpu": 2, "callback": { "spend": "3us", "rearm": "1ms", "lock": "biglock",
      "then": [ { "do": "timer.set", "timer": "other", "expires": "+2ms" } ] } }
  ],
  "script": [
    { "at": "1ms", "on": 2, "do": "timer.set", "timer": "tick", "expires": "+1.5ms", "slack": "10ns" },
    { "at": "2ms", "do": "cpu.offline", "cpu": 3 },
    { "when": { "site": "fake.set.before_lock", "cpu": 1, "nth": 2 }, "do": "cpu.hold", "for": "30us" },
    { "when": { "site": "sim.idle.decide" }, "on": 1, "do": "timer.set", "timer": "late", "expires": "+5us" }
  ],
  "faults": [
    { "at": "3ms", "cpu": 1, "do": "stall", "for": "200us" },
    { "at": "3200us", "cpu": 1, "do": "cpu.stall", "for": "1us" },
    { "at": "4ms", "do": "tsc.skew", "cpu": 1, "value": -40 }
  ],
  "load": [
    { "cpus": "0-2,5", "do": "timer.churn", "rate": "20k/s", "timeout": { "exp": "5ms" }, "cancelled": 0.9 },
    { "do": "cpu.duty", "busy": { "uniform": ["1us", "5us"] }, "idle": "1ms", "from": "1ms", "until": "10ms" }
  ],
  "expect": [
    { "timer": "tick", "fires_on": 2, "fires": { "min": 1 }, "late": { "max": "100us" }, "fires_at": { "max": "4ms" } },
    { "at": "6ms", "state": "cpu2.timers.inactive", "is": 0 },
    { "verdict": "lock.order" }
  ]
})";

}  // namespace ticklab::test
