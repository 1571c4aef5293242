#include "ticklab/lab/disturbance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ticklab/lab/values.hpp"
#include "ticklab/sim/choices.hpp"

namespace ticklab::lab {
namespace {

constexpr sim::Site kJitter{"hunt.jitter", "how much jitter a run has"};
constexpr sim::Site kStalls{"hunt.stalls", "how often a run stalls a CPU"};
constexpr sim::Site kStallLength{"hunt.stall_length", "how long the stalls of a run last at most"};
constexpr sim::Site kPlaces{"hunt.stall_places", "at how many places a run stalls CPUs"};
constexpr sim::Site kTies{"hunt.ties", "whether a run breaks ties by choice"};

// A race needs its delay at one place and not everywhere: rare stalls find what dense ones hide.
constexpr std::array<std::uint32_t, 4> kJitters{0, 32, 200, 1024};
constexpr std::array<std::uint64_t, 5> kStallRates{0, 3000, 1000, 300, 60};
// And one kind of place that is stalled often finds what all of them together hide.
constexpr std::array<std::uint64_t, 3> kStallPlaces{1, 4, 16};

template <class T, std::size_t N>
T pick(const std::array<T, N>& from, const sim::Site& site, sim::Choices& choices, sim::ChoiceContext& context) {
    return from[choices.draw(site, context, N)];
}

}  // namespace

Disturbance Disturbance::of(const sim::MachineConfig& config) {
    Disturbance d;
    d.jitter_per_1024 = config.jitter_per_1024;
    d.stall_one_in = config.stall_one_in;
    d.stall_places_one_in = config.stall_places_one_in;
    d.max_stall = config.max_stall;
    d.break_ties = config.break_ties;
    return d;
}

void Disturbance::apply(sim::MachineConfig& config) const {
    config.jitter_per_1024 = jitter_per_1024;
    config.stall_one_in = stall_one_in;
    config.stall_places_one_in = stall_places_one_in;
    config.max_stall = max_stall;
    config.break_ties = break_ties;
}

std::vector<std::string> Disturbance::overrides() const {
    return {fmt::format("machine.jitter_per_1024={}", jitter_per_1024),
            fmt::format("machine.stall_one_in={}", stall_one_in),
            fmt::format("machine.stall_places_one_in={}", stall_places_one_in),
            "machine.max_stall=" + duration_text(max_stall), fmt::format("machine.break_ties={}", break_ties)};
}

sim::Duration stall_length(sim::Duration max_stall, std::uint64_t rung) {
    return std::max(sim::Duration{1}, max_stall / kStallDivisors[rung]);
}

Disturbance random_disturbance(std::uint64_t seed, const sim::MachineConfig& config) {
    sim::Choices choices(seed);
    sim::ChoiceContext context(sim::name_hash("hunt"));
    Disturbance d;
    d.jitter_per_1024 = pick(kJitters, kJitter, choices, context);
    d.stall_places_one_in = pick(kStallPlaces, kPlaces, choices, context);
    // As many stalls a run, on average, at whichever places.
    d.stall_one_in = pick(kStallRates, kStalls, choices, context);
    if (d.stall_one_in != 0)
        d.stall_one_in = std::max<std::uint64_t>(1, d.stall_one_in / d.stall_places_one_in);
    d.max_stall = stall_length(config.max_stall, choices.draw(kStallLength, context, kStallDivisors.size()));
    d.break_ties = config.memory_model == sim::MemoryModel::kSequential && choices.draw(kTies, context, 2) != 0;
    return d;
}

}  // namespace ticklab::lab
