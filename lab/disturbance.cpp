#include "ticklab/lab/disturbance.hpp"

#include <fmt/format.h>

#include <array>

#include "ticklab/lab/values.hpp"
#include "ticklab/sim/choices.hpp"

namespace ticklab::lab {
namespace {

constexpr sim::Site kJitter{"hunt.jitter", "how much jitter a run has"};
constexpr sim::Site kStalls{"hunt.stalls", "how often a run stalls a CPU"};
constexpr sim::Site kStallLength{"hunt.stall_length", "how long the stalls of a run last at most"};
constexpr sim::Site kTies{"hunt.ties", "whether a run breaks ties by choice"};

// A race needs its delay at one place and not everywhere: rare stalls find what dense ones hide.
constexpr std::array<std::uint32_t, 4> kJitters{0, 32, 200, 1024};
constexpr std::array<std::uint64_t, 5> kStallRates{0, 3000, 1000, 300, 60};
constexpr std::array<std::int64_t, 4> kStallDivisors{1, 10, 100, 1000};

template <class T, std::size_t N>
T pick(const std::array<T, N>& from, const sim::Site& site, sim::Choices& choices, sim::ChoiceContext& context) {
    return from[choices.draw(site, context, N)];
}

}  // namespace

void Disturbance::apply(sim::MachineConfig& config) const {
    config.jitter_per_1024 = jitter_per_1024;
    config.stall_one_in = stall_one_in;
    config.max_stall = max_stall;
    config.break_ties = break_ties;
}

std::vector<std::string> Disturbance::overrides() const {
    return {fmt::format("machine.jitter_per_1024={}", jitter_per_1024),
            fmt::format("machine.stall_one_in={}", stall_one_in), "machine.max_stall=" + duration_text(max_stall),
            fmt::format("machine.break_ties={}", break_ties)};
}

Disturbance random_disturbance(std::uint64_t seed, const sim::MachineConfig& config) {
    sim::Choices choices(seed);
    sim::ChoiceContext context(sim::name_hash("hunt"));
    Disturbance d;
    d.jitter_per_1024 = pick(kJitters, kJitter, choices, context);
    d.stall_one_in = pick(kStallRates, kStalls, choices, context);
    d.max_stall = config.max_stall / pick(kStallDivisors, kStallLength, choices, context);
    d.break_ties = config.memory_model == sim::MemoryModel::kSequential && choices.draw(kTies, context, 2) != 0;
    return d;
}

}  // namespace ticklab::lab
