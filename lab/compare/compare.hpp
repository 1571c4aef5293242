// One scenario in several variants, each under the same seeds, measured (DESIGN 6).
//
// Rules
//  (1) Runs are those of `ticklab run` with the same options and seed: nothing is disturbed beyond what the scenario
//      says, and all checks are on.
//  (2) A run that a verdict or its bound on steps ended has no figures: it is counted, and the others are summed up.
//  (3) What the scenario expects of timers and states is not asked: it is said of the scenario as it stands.
//  (4) Seed after seed, each for all variants; an interrupted comparison keeps the seeds that are whole. The number of
//      threads changes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ticklab/lab/compare/metrics.hpp"
#include "ticklab/lab/compare/variants.hpp"

namespace ticklab::lab {

/// Most runs of one comparison: each keeps its figures to the end.
inline constexpr std::uint64_t kMaxCompareRuns = 200'000;

struct CompareOptions {
    std::uint64_t first_seed = 1;
    std::uint64_t last_seed = 10;  ///< included
    unsigned jobs = 1;
};

/// A metric over the runs of one variant.
struct Summary {
    std::int64_t median = 0;  ///< of an even number of values the lower one of the two in the middle
    std::int64_t least = 0;
    std::int64_t greatest = 0;
    bool best = false;  ///< no other variant's median is better, and not all are equal
};

/// Runs of one variant that one check ended.
struct CheckFailure {
    std::string check;
    bool expected = false;  ///< by the scenario
    std::uint64_t runs = 0;
    std::uint64_t first_seed = 0;
    std::string message;  ///< of the first seed
};

struct VariantResult {
    std::uint64_t runs = 0;
    std::uint64_t measured = 0;
    std::uint64_t inconclusive = 0;               ///< ended by the scenario's bound on steps
    std::vector<CheckFailure> failures;           ///< in the order of their first seeds
    std::vector<std::optional<Summary>> figures;  ///< in the order of metrics(); none where no run has the metric

    /// Ended by a check that the scenario does not expect to fail.
    std::uint64_t failed() const;
};

struct Comparison {
    bool interrupted = false;
    std::vector<VariantResult> variants;
};

/// Called in the thread that called compare().
struct CompareObserver {
    /// After each run that was handed over.
    std::function<void(std::uint64_t runs, std::uint64_t failures)> progress;
    /// Asked often: whether to end.
    std::function<bool()> interrupted;
};

/// `variants` times seeds is at most kMaxCompareRuns. Throws std::invalid_argument with the variant and the message of
/// machine or kernel if they do not accept a configuration.
Comparison compare(std::span<const Variant> variants, const CompareOptions& options, const CompareObserver& observer);

}  // namespace ticklab::lab
