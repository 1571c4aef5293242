// How a run is disturbed beyond what its scenario says: what a hunt draws for each seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ticklab/sim/machine_config.hpp"

namespace ticklab::lab {

/// Replaces the machine options of the same names (docs/scenario-reference.md).
struct Disturbance {
    std::uint32_t jitter_per_1024 = 0;
    std::uint64_t stall_one_in = 0;
    sim::Duration max_stall{};
    bool break_ties = false;

    void apply(sim::MachineConfig& config) const;
    /// What `ticklab run --set` takes to do the same.
    std::vector<std::string> overrides() const;
};

/// The two levels of the strategy "random": this draws how much of each disturbance the run of `seed` has, often none;
/// the run's own choices then draw where (DESIGN 2 "Choices"). Stalls last at most `config.max_stall` (MA 13.1).
Disturbance random_disturbance(std::uint64_t seed, const sim::MachineConfig& config);

}  // namespace ticklab::lab
