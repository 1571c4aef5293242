// How a run is disturbed beyond what its scenario says: what a hunt draws for each seed.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ticklab/sim/machine_config.hpp"

namespace ticklab::lab {

/// Replaces the machine options of the same names (docs/scenario-reference.md).
struct Disturbance {
    std::uint32_t jitter_per_1024 = 0;
    std::uint64_t stall_one_in = 0;
    std::uint64_t stall_places_one_in = 1;
    sim::Duration max_stall{};
    bool break_ties = false;

    /// The one that a machine has.
    static Disturbance of(const sim::MachineConfig& config);
    void apply(sim::MachineConfig& config) const;
    /// What `ticklab run --set` takes to do the same.
    std::vector<std::string> overrides() const;
};

/// Stalls last `max_stall` divided by one of these: a race needs its delay, not a longer one.
inline constexpr std::array<std::int64_t, 4> kStallDivisors{1, 10, 100, 1000};
/// By the index of the divisor; at least the shortest stall there is.
sim::Duration stall_length(sim::Duration max_stall, std::uint64_t rung);

/// The two levels of the strategy "random": this draws how much of each disturbance the run of `seed` has, often none,
/// and whether at all places or at few. The run's own choices then draw which places these are, and there when
/// (DESIGN 2 "Choices"). Stalls last at most `config.max_stall` (MA 13.1).
Disturbance random_disturbance(std::uint64_t seed, const sim::MachineConfig& config);

}  // namespace ticklab::lab
