// The prices that the machine itself asks the cost table for.
#pragma once

#include <span>

#include "ticklab/sim/declare.hpp"

namespace ticklab::sim {

/// Declarations of MachinePrices, for schema and lists.
std::span<const CostDecl> machine_cost_decls();

}  // namespace ticklab::sim
