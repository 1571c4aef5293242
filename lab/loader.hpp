// From a scenario file to a Scenario: reading, --set, schema, and what a schema cannot say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/input_error.hpp"
#include "ticklab/lab/machine_setup.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/scenario.hpp"
#include "ticklab/lab/schema_check.hpp"

namespace ticklab::lab {

/// Bound on activities of a scenario that gives none.
inline constexpr std::int64_t kDefaultMaxSteps = 1'000'000'000;

/// Loads any number of scenarios; setting it up is the costly part. Loading changes nothing.
class ScenarioLoader {
public:
    explicit ScenarioLoader(const Registry& registry);

    /// Loads `file` with the given --set arguments applied in order. Nothing, and at least one more error, if anything
    /// is wrong.
    std::optional<Scenario> load(const std::string& file, const std::vector<std::string>& overrides,
                                 std::vector<InputError>& errors) const;
    /// The same for a text that came from `file`, or that a bundle holds.
    std::optional<Scenario> load_text(const std::string& file, std::string text,
                                      const std::vector<std::string>& overrides, std::vector<InputError>& errors) const;

    const MachineSetup& machine_setup() const { return machine_setup_; }

private:
    std::optional<Scenario> load_source(JsonSource source, const std::vector<std::string>& overrides,
                                        std::vector<InputError>& errors) const;

    const Registry& registry_;
    SchemaChecker schema_;
    MachineSetup machine_setup_;
};

}  // namespace ticklab::lab
