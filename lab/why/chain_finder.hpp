// Gathers chains of causes over as many runs as it takes.
#pragma once

#include <map>
#include <vector>

#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/why/record_ring.hpp"

namespace ticklab::lab {

/// What a run for `why` keeps, in records: some 30 MB.
inline constexpr std::size_t kWhyCapacity = std::size_t{1} << 18;

class ChainFinder {
public:
    /// Asks for a record and what led to it.
    void want(sim::RecordId id) { ask(id, true, true); }
    /// Takes what is wanted from the ring.
    void gather(const RecordRing& ring);
    /// Runs the scenario again until nothing is missing, or kMostRuns times.
    void complete(const Scenario& scenario, const ExperimentOptions& options);
    bool missing(sim::RecordId id) const { return wanted_.contains(id); }
    bool done() const { return wanted_.empty(); }

    struct Link {
        KeptRecord record;
        bool followed;  ///< its cause is part of the chain
    };
    /// In the order of commitment.
    std::vector<Link> links() const;

private:
    static constexpr unsigned kMostRuns = 32;
    struct Wanted {
        bool follow;
        bool start;
    };
    void ask(sim::RecordId id, bool follow, bool start);

    std::map<sim::RecordId, Wanted> wanted_;
    std::map<sim::RecordId, Link> found_;
};

}  // namespace ticklab::lab
