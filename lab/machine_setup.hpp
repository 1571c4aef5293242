// The machine of a scenario: its profile, its cost table, and what the scenario says in their place.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/json_source.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/schema_check.hpp"
#include "ticklab/sim/kernel.hpp"
#include "ticklab/sim/machine_config.hpp"

namespace ticklab::lab {

class MachineSetup {
public:
    explicit MachineSetup(const Registry& registry);

    struct Result {
        sim::MachineConfig config;
        std::string profile;
    };
    /// Reads "machine" of a scenario that its schema accepts. `kernel` says which prices are needed besides the
    /// machine's. Nothing, and at least one more error, if it is wrong.
    std::optional<Result> read(const JsonSource& scenario, const sim::KernelDecl& kernel,
                               std::vector<InputError>& errors) const;

    /// Checks a file of its own, as `validate` and tests do. False, and at least one more error, if it is wrong.
    bool check_profile(const JsonSource& profile, std::vector<InputError>& errors) const;
    bool check_cost_table(const JsonSource& table, std::vector<InputError>& errors) const;

private:
    std::optional<sim::CostTable> read_costs(const JsonSource& mentioned_in, const nlohmann::json& name,
                                             const std::string& pointer, std::vector<InputError>& errors) const;

    SchemaChecker profile_schema_;
    SchemaChecker cost_schema_;
};

}  // namespace ticklab::lab
