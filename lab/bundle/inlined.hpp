// A scenario that stands on its own: machine profile, cost table and --set written into it.
#pragma once

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "ticklab/lab/scenario.hpp"

namespace ticklab::lab {

/// A run cannot be done again as it was: why.
class UnrepeatableRun : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The scenario that `scenario` was loaded from with these --set arguments, as a document that means the same whatever
/// profiles and cost tables are installed where it is loaded. Throws UnrepeatableRun with the reason if one of the
/// files that it names is no longer what it was.
nlohmann::json inlined(const Scenario& scenario, const std::vector<std::string>& overrides);

}  // namespace ticklab::lab
