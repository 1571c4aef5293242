// Two runs, and the first record in which they differ.
//
// Rules
//  (1) No stream of records is kept: the digest chains of both runs name the first link that differs, each run is done
//      again for the records of that link, and once more for what surrounds the first that differs.
//  (2) The run of a bundle is the one it keeps. If this ticklab does that run as it was, all is known of it; else it is
//      the run of another build, of which its bundle has the chain, the marks, and the context of one record at most.
//  (3) A run done again here that is not as it was, or two runs of one input that differ, are nondeterminism.
#pragma once

#include <cstdint>
#include <optional>

#include "ticklab/lab/bundle/bundle.hpp"
#include "ticklab/lab/bundle/record_context.hpp"

namespace ticklab::lab {

struct DiffInput {
    const Scenario* scenario = nullptr;
    ExperimentOptions options;
    const Bundle* bundle = nullptr;  ///< that the scenario is of; null if it is of a file
};

struct DiffSide {
    RunOutcome outcome;
    /// Whether this ticklab does the run as it is; else it is one of another build.
    bool done_here = true;
    /// Whether it came out the same each time it was done here.
    bool repeats = true;
    /// Of the record that differs; null if it is not known.
    std::optional<RecordContext> context;
};

struct RunDiff {
    bool equal = true;
    /// The first link of the digest chain that differs, the last one unfinished; from 1.
    std::uint64_t link = 0;
    std::uint64_t first_record = 0, last_record = 0;  ///< of that link in the longer run; from 1
    /// From 1; one run may end before it. Null if the marks of the whole link are the same.
    std::optional<std::uint64_t> record;
    DiffSide a, b;
};

/// Throws std::invalid_argument with the message of machine or kernel if they do not accept a configuration.
RunDiff diff_runs(const DiffInput& a, const DiffInput& b);

}  // namespace ticklab::lab
