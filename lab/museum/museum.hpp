// Every fix left out, one at a time, and hunted for: how many runs it takes to see that it is missing.
//
// Rules
//  (1) One search is a hunt for one missing fix, by one strategy, under one master seed. Master seed m has the seeds
//      from (m - 1) * `runs` + 1 on; a strategy that goes through the places of one seed, those of the first.
//  (2) A search ends with its first failure, whatever check it is, or after `runs` runs. The same runs are then done
//      with the fix: a failure among them is a false alarm.
//  (3) Where the fix is seen in a missed expectation, no run is disturbed beyond its seed: a disturbed run may miss
//      exact times by right.
//  (4) Searches run in parallel, each on one thread. But for the wall times, what comes of them does not depend on the
//      number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ticklab/lab/hunt/hunt.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/museum/exhibit.hpp"
#include "ticklab/lab/museum/shrunk_size.hpp"

namespace ticklab::lab {

struct MuseumOptions {
    std::vector<HuntStrategy> strategies{HuntStrategy::kRandom};  ///< no exhaustive one
    std::uint64_t runs = 200;                                     ///< of one search, 1 to kMaxMuseumRuns
    std::uint64_t masters = 3;                                    ///< 1 to kMaxMuseumMasters
    unsigned jobs = 1;
    /// The first failure of each exhibit is made small.
    bool shrink = false;
};
inline constexpr std::uint64_t kMaxMuseumRuns = 1'000'000'000;
inline constexpr std::uint64_t kMaxMuseumMasters = 1000;

struct MuseumSearch {
    std::optional<HuntFailure> failure;
    std::uint64_t runs = 0;  ///< without the fix, the failing one included
    double seconds = 0;      ///< wall time of these
    std::optional<HuntFailure> false_alarm;
    std::uint64_t fixed_runs = 0;
};

/// What one strategy came to, a search a master seed.
struct StrategySearches {
    HuntStrategy strategy = HuntStrategy::kRandom;
    std::vector<MuseumSearch> searches;

    std::uint64_t found() const;
    /// Of an even number of searches the greater of the two in the middle. Nothing if it is one that found nothing.
    std::optional<std::uint64_t> median_runs() const;
    std::optional<double> median_seconds() const;
};

struct MuseumResult {
    const Exhibit* exhibit = nullptr;
    std::vector<StrategySearches> strategies;
    /// Nothing if not asked for, not found, or no check failed.
    std::optional<ShrunkSize> shrunk;

    std::uint64_t found() const;
    std::uint64_t fixed_runs() const;
    bool false_alarm() const;
};

struct Museum {
    std::vector<MuseumResult> entries;  ///< those that are done, in the order of the exhibits
    bool interrupted = false;
};

struct MuseumObserver {
    /// After each search or shrinking of `of`, from the thread that called.
    std::function<void(std::uint64_t done, std::uint64_t of, const Exhibit& exhibit)> progress;
    /// Asked often, from any thread: whether to end.
    std::function<bool()> interrupted;
};

/// The exhibits must outlive what is returned. Throws std::invalid_argument that names the file if machine or kernel do
/// not accept a configuration.
Museum walk_museum(const ScenarioLoader& loader, std::span<const Exhibit> exhibits, const MuseumOptions& options,
                   const MuseumObserver& observer);

}  // namespace ticklab::lab
