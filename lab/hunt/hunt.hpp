// One scenario under many seeds, each run disturbed in its own way, until a check fails (DESIGN 6).
//
// Rules
//  (1) A run depends on the scenario, the options and its seed alone, so a failure is its seed: the line that
//      replays it names the disturbance as well.
//  (2) Runs go to as many threads as asked for; they share nothing but the scenario, which none of them changes. Where
//      the hunt swarms each run has a scenario of its own.
//  (3) Results are handed over in the order of runs, and a hunt that stops early reports the runs before that point
//      only: what is said does not depend on the number of threads.
//  (4) A run fails by its verdict. What a scenario expects besides holds for the undisturbed run and counts if
//      asked for.
//  (5) The runs of a hunt are numbered from 0, each strategy in an order of its own, which options, scenario and first
//      seed settle: a hunt can be cut into shards, broken off and gone on with.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/disturbance.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/hunt/swarm.hpp"
#include "ticklab/lab/scenario.hpp"

namespace ticklab::lab {

/// How runs differ.
enum class HuntStrategy : std::uint8_t {
    kRandom,      ///< each seed draws its own random_disturbance()
    kSeeds,       ///< nothing beyond the seed: the scenario's own machine options hold
    kPct,         ///< each seed draws its own PctSchedule, with `depth` - 1 change points
    kDelay,       ///< depth 1: the whole StallOrder under the first seed; deeper: each seed draws a sample
    kExhaustive,  ///< under the first seed, all ways to deviate at up to `depth` points and ties (MA 13.2)
};

/// Of PctSchedule where nobody says.
inline constexpr std::uint64_t kPctDepth = 3;

/// Part `index` of `count`: the runs whose number has that remainder.
struct HuntShard {
    std::uint64_t index = 0;
    std::uint64_t count = 1;
};

/// Whether the runs differ by where stalls are placed and not by their seeds.
constexpr bool goes_through_one_seed(HuntStrategy strategy, std::uint64_t depth) {
    return strategy == HuntStrategy::kExhaustive || (strategy == HuntStrategy::kDelay && depth == 1);
}

enum class HuntEnd : std::uint8_t { kAllRuns, kStopAfter, kBudget, kInterrupted };

/// Of a hunt that tries each single stall: those that turn a conflict round or make a CPU late for an interrupt, which
/// come first (lab/hunt/stall_order.hpp).
struct PromisingStalls {
    std::uint64_t total = 0;  ///< in this shard
    std::uint64_t tried = 0;
};

struct HuntResult {
    HuntEnd end = HuntEnd::kAllRuns;
    std::uint64_t runs = 0;
    /// Runs there are in all, in this shard; an estimate unless it is exact.
    std::uint64_t total = 0;
    bool total_exact = true;
    std::uint64_t failures = 0;
    /// Runs that hit the scenario's bound of steps before their end.
    std::uint64_t inconclusive = 0;
    std::uint64_t records = 0;
    std::optional<PromisingStalls> promising{};
};

struct HuntOptions {
    std::uint64_t first_seed = 1;
    std::uint64_t last_seed = 1000;  ///< included; of no account where the hunt goes through one seed
    HuntStrategy strategy = HuntStrategy::kRandom;
    /// Of a schedule, 1 to kMaxScheduleDepth.
    std::uint64_t depth = 1;
    /// Of which each seed draws a scenario of its own; null if all run the one there is, as they do where the hunt goes
    /// through one seed. Outlives the hunt.
    const Swarm* swarm = nullptr;
    /// An exhaustive search has one shard: where its runs lead is known only when they are over.
    HuntShard shard;
    /// What a hunt with the same options before has come to; this one goes on behind its last run.
    HuntResult before;
    unsigned jobs = 1;
    /// Ends the hunt with this many failures, those before included; 0: with the last run.
    std::uint64_t stop_after = 1;
    /// Ends the hunt when so much wall time has gone by.
    std::optional<std::chrono::nanoseconds> budget;
    /// Missed expectations are failures too.
    bool count_expectations = false;
};

/// One run that failed.
struct HuntFailure {
    std::uint64_t run = 0;  ///< its number
    std::uint64_t seed = 0;
    /// What the seed has drawn of the scenario, as --set arguments; none where it does not swarm.
    std::vector<std::string> drawn;
    /// The options of the machine in place of the scenario's; none where those hold.
    std::optional<Disturbance> disturbance;
    std::optional<Schedule> schedule;
    std::string check;  ///< name of the check, or MuseumEntry::kExpectationFails
    std::string message;
    sim::Time at = sim::kBoot;
    sim::CpuId cpu = sim::kNoCpu;
    std::uint64_t record_number = 0;
};

/// Looks at the structures in a run of a hunt. The kernel's own checks look at them at each lock; a few looks from
/// outside bound a loss. They cost more than a short run itself.
unsigned hunt_looks(sim::Duration length);

/// How a finished run failed, if it did; number, seed, draws, disturbance and schedule are left to the caller.
std::optional<HuntFailure> failure_of(const Experiment& experiment, bool expectations);

/// Told in the thread that called hunt(), in the order of runs.
struct HuntObserver {
    std::function<void(const HuntFailure&)> failed;
    /// After each run that was handed over.
    std::function<void(const HuntResult& so_far)> progress;
    /// Asked often, from this thread: whether to end the hunt.
    std::function<bool()> interrupted;
};

/// Throws std::invalid_argument with the message of machine or kernel if they do not accept the configuration, and if a
/// seed has drawn a scenario that does not load; runs before that one have been handed over.
HuntResult hunt(const Scenario& scenario, const HuntOptions& options, const HuntObserver& observer);

}  // namespace ticklab::lab
