// A scenario, checked and resolved: what loading gives to running. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ticklab/sim/choices.hpp"
#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/kernel.hpp"
#include "ticklab/sim/machine_config.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::lab {

/// Where in the scenario file something stands.
struct SourcePlace {
    std::string pointer;  ///< JSON pointer
    int line = 0;
    int column = 0;
};

/// A span of time that may be drawn anew for each use.
struct Distribution {
    enum class Shape : std::uint8_t { kFixed, kUniform, kExponential } shape = Shape::kFixed;
    sim::Duration low{};   ///< the value, the lower bound, or the mean
    sim::Duration high{};  ///< upper bound (included) of kUniform
};

/// "when": the step is taken when a CPU reaches a site for the nth time.
struct SiteTrigger {
    const sim::Site* site = nullptr;
    std::optional<sim::CpuId> cpu;  ///< any if empty
    std::uint64_t nth = 1;          ///< counted over the CPUs that match
};
using Trigger = std::variant<sim::Time, SiteTrigger>;

/// A relative kTime argument ("+5ms") is an absolute Time in steps at a fixed instant; in steps with a site and in
/// callbacks it stays a Duration, and whoever performs the call adds the present.
///
/// One entry of "script" or "faults": a verb of the machine (cpu.offline, cpu.hold, ...) or of the kernel (timer.set,
/// ...).
struct Step {
    Trigger trigger;
    /// The CPU that performs it ("on"); the site's CPU if empty and the trigger is a site, else CPU 0.
    std::optional<sim::CpuId> on;
    sim::VerbCall call;
    bool of_machine = false;  ///< a verb of lab/machine_verbs.hpp, not of the kernel
    SourcePlace place;
};

/// One entry of "load": a generator of lab/load.hpp.
struct Load {
    const struct LoadDecl* generator = nullptr;
    std::vector<sim::CpuId> cpus;
    sim::Time from = sim::kBoot;
    sim::Time until = sim::kNever;
    /// In the order of the generator's declared parameters.
    std::vector<std::optional<std::variant<std::int64_t, sim::Duration, Distribution, std::string>>> arguments;
    SourcePlace place;
};

/// What the callback of a timer does, in this order.
struct CallbackScript {
    sim::Duration spend{};               ///< CPU time it takes
    std::optional<sim::Duration> rearm;  ///< arms itself again this long after the present
    std::vector<sim::VerbCall> then;     ///< kernel verbs of context kThread or kIrq, performed in the callback
    std::string lock;                    ///< a scenario lock held while it runs; empty for none
};

struct TimerPlan {
    std::string name;
    sim::CpuId cpu = 0;  ///< owner at initialisation
    CallbackScript callback;
    SourcePlace place;
};

struct CountRange {
    std::optional<std::uint64_t> min, max;
};
struct DurationRange {
    std::optional<sim::Duration> min, max;
};

/// One entry of "expect" about a timer, over the whole run.
struct TimerExpectation {
    sim::TimerIndex timer = 0;
    std::optional<sim::CpuId> fires_on;                   ///< CPU of the last firing
    std::optional<CountRange> fires;                      ///< number of firings
    std::optional<DurationRange> late;                    ///< of every firing
    std::optional<sim::Time> fires_at_min, fires_at_max;  ///< instant of the first firing
    SourcePlace place;
};

/// One about a declared state at an instant (kNever: at the end).
struct StateExpectation {
    sim::Time at = sim::kNever;
    std::string path;
    std::optional<std::int64_t> is, min, max;
    SourcePlace place;
};

/// One that asks for a verdict: the scenario shows a defect on purpose.
struct VerdictExpectation {
    std::string check;
    SourcePlace place;
};

using Expectation = std::variant<TimerExpectation, StateExpectation, VerdictExpectation>;

/// "museum": the scenario shows what a change of the kernel is for. As it stands the run is fine; with the change left
/// out it fails as foretold.
struct MuseumEntry {
    std::string change;
    std::string expect;  ///< the check that fails, or kExpectationFails
    /// False if the script keeps to the rules of callers only as long as its holds and stalls are in it.
    bool free = true;
    /// An expectation of the scenario is not met, and no check fails.
    static constexpr std::string_view kExpectationFails = "expectation";
};

struct Scenario {
    std::string name;
    std::string about;
    std::string file;
    std::string text;  ///< as read: hashed into replay lines and inlined in bundles
    sim::MachineConfig machine;
    std::string profile;
    const sim::KernelDecl* kernel = nullptr;
    sim::KernelDecl::Settings settings;
    sim::Duration duration{};
    std::uint64_t max_steps = 0;  ///< bound on activities; reaching it ends the run inconclusive (exit code 5)
    std::vector<TimerPlan> timers;
    std::vector<std::string> locks;
    std::vector<Step> script;  ///< "script" and then "faults", each in file order
    std::vector<Load> load;
    std::vector<Expectation> expect;
    std::optional<MuseumEntry> museum;
};

}  // namespace ticklab::lab
