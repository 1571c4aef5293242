// One scenario under many seeds, each run disturbed in its own way, until a check fails (DESIGN 6).
//
// Rules
//  (1) A run depends on the scenario, the options and its seed alone, so a failure is its seed: the line that replays
//  it
//      names the disturbance as well.
//  (2) Runs go to as many threads as asked for; they share nothing but the scenario, which none of them changes.
//  (3) Results are handed over in the order of seeds, and a hunt that stops early reports the seeds before that point
//      only: what is said does not depend on the number of threads.
//  (4) A run fails by its verdict. What a scenario expects besides holds for the undisturbed run and counts if asked
//  for.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "ticklab/lab/disturbance.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/scenario.hpp"

namespace ticklab::lab {

/// How runs differ beyond their seeds.
enum class HuntStrategy : std::uint8_t {
    kRandom,  ///< each seed draws its own random_disturbance()
    kSeeds,   ///< nothing beyond the seed: the scenario's own machine options hold
};

struct HuntOptions {
    std::uint64_t first_seed = 1;
    std::uint64_t last_seed = 1000;  ///< included
    HuntStrategy strategy = HuntStrategy::kRandom;
    unsigned jobs = 1;
    /// Ends the hunt with this many failures; 0: with the last seed.
    std::uint64_t stop_after = 1;
    /// Ends the hunt when so much wall time has gone by.
    std::optional<std::chrono::nanoseconds> budget;
    /// Missed expectations are failures too.
    bool count_expectations = false;
};

/// One run that failed.
struct HuntFailure {
    std::uint64_t seed = 0;
    /// Nothing if the scenario's own machine options held.
    std::optional<Disturbance> disturbance;
    std::string check;  ///< name of the check, or "expectation"
    std::string message;
    sim::Time at = sim::kBoot;
    sim::CpuId cpu = sim::kNoCpu;
    std::uint64_t record_number = 0;
};

/// Looks at the structures in a run of a hunt: the kernel's own checks look at each lock, and a few looks from outside
/// bound a loss.
inline constexpr unsigned kHuntLooks = 8;

/// How a finished run failed, if it did; seed and disturbance are left to the caller.
std::optional<HuntFailure> failure_of(const Experiment& experiment, const Scenario& scenario, bool expectations);

enum class HuntEnd : std::uint8_t { kAllSeeds, kStopAfter, kBudget, kInterrupted };

struct HuntResult {
    HuntEnd end = HuntEnd::kAllSeeds;
    std::uint64_t runs = 0;
    std::uint64_t failures = 0;
    /// Runs that hit the scenario's bound of steps before their end.
    std::uint64_t inconclusive = 0;
    std::uint64_t records = 0;
};

/// Told in the thread that called hunt(), in the order of seeds.
struct HuntObserver {
    std::function<void(const HuntFailure&)> failed;
    /// After each run that was handed over.
    std::function<void(const HuntResult& so_far)> progress;
    /// Asked often, from this thread: whether to end the hunt.
    std::function<bool()> interrupted;
};

/// Throws std::invalid_argument with the message of machine or kernel if they do not accept the configuration.
HuntResult hunt(const Scenario& scenario, const HuntOptions& options, const HuntObserver& observer);

}  // namespace ticklab::lab
