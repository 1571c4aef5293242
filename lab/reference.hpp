// The scenario reference for users, generated from the declarations.
#pragma once

#include <string>

#include "ticklab/lab/registry.hpp"

namespace ticklab::lab {

/// docs/scenario-reference.md.
std::string scenario_reference(const Registry& registry);

}  // namespace ticklab::lab
