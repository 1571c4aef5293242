// The run of a bundle done again, and where it parts from the one that the bundle keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ticklab/lab/bundle/bundle.hpp"

namespace ticklab::lab {

/// The first record in which the two runs differ.
struct RecordDifference {
    std::uint64_t number = 0;  ///< from 1, in the order of commitment
    /// What it is here: "CPU 1: a CPU went to sleep: state C1". Empty if the run here ends before it.
    std::string what;
    sim::Time at = sim::kNever;
    bool kept = true;  ///< whether the run of the bundle has a record of that number
};

/// The first link of the digest chain in which the two runs differ, the last one unfinished.
struct LinkDifference {
    std::uint64_t number = 0;        ///< from 1
    std::uint64_t first_record = 0;  ///< from 1
    std::uint64_t last_record = 0;   ///< as far as the run here has them; less than the first if not at all
    sim::Time from = sim::kNever, to = sim::kNever;  ///< of these two records here
};

struct BundleReplay {
    RunOutcome now;
    bool same = false;
    std::optional<RecordDifference> record;
    std::optional<LinkDifference> link;
    /// Entries of the bundle's list that the run did not come to.
    std::size_t unreached = 0;
    /// Ties whose answer named more activities than were due.
    std::size_t beyond = 0;
    /// If something differs: whether a second run here is as the first one was.
    bool repeats = true;
};

/// Throws std::invalid_argument with the message of machine or kernel if they do not accept the configuration.
BundleReplay replay_bundle(const Bundle& bundle, const Scenario& scenario);

}  // namespace ticklab::lab
