// The options of the machine: what "machine" of a scenario and a machine profile may say, each with its one place of
// use.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/machine_config.hpp"

namespace ticklab::lab {

struct MachineOption {
    sim::ParameterDecl decl;
    /// Puts a value of the declared type and range into the configuration.
    void (*apply)(sim::MachineConfig& config, const sim::Value& value);
};

/// Options with one value each. "profile", "costs", "prices" and "c_states" are read by themselves.
std::span<const MachineOption> machine_options();

/// Members of an entry of "c_states"; in this order.
std::span<const sim::ParameterDecl> c_state_parameters();

/// Most that a price may be, in cycles.
inline constexpr std::int64_t kMaxPriceCycles = std::int64_t{1} << 40;

}  // namespace ticklab::lab
