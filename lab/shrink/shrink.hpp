// A failing run made small: what is left fails by the same check, and most of what is left is needed for it.
//
// Rules
//  (1) A smaller case counts if the same check fails in it; when, where and with which message may change.
//  (2) Everything is tried in a fixed order, one run after the other: the same case and budget, the same result.
//  (3) A run that takes several times the steps of the first one does not fail.
//  (4) What the scenario expects is left out: it takes no part in the run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "ticklab/lab/shrink/case_runner.hpp"

namespace ticklab::lab {

enum class ShrinkEnd : std::uint8_t {
    kMinimal,      ///< nothing that is tried makes it smaller
    kBudget,       ///< it had so many runs
    kInterrupted,  ///< by the user
};

struct Shrunk {
    ShrinkCase shrink_case;
    CaseRun run;
    std::uint64_t runs = 0;
    ShrinkEnd end = ShrinkEnd::kMinimal;
    /// Whether each stall was cut to the least length, in whole ns, that still fails.
    bool least_stalls = false;
};

struct ShrinkObserver {
    /// After each run.
    std::function<void(const Shrunk& so_far)> progress;
    /// Asked before each run: whether to end.
    std::function<bool()> interrupted;
};

/// Shrinks a case whose run, `first`, failed by a check, in at most `budget` runs. Limits the runner's steps.
Shrunk shrink(CaseRunner& runner, const ShrinkCase& failing, const CaseRun& first, std::uint64_t budget,
              const ShrinkObserver& observer);

/// The least span of so many decimal digits that is no shorter. `digits` >= 1.
sim::Duration rounded_up(sim::Duration span, int digits);
/// The longest span of so many decimal digits that is no longer.
sim::Duration rounded_down(sim::Duration span, int digits);

}  // namespace ticklab::lab
