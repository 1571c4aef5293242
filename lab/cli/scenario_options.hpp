// What the commands that run one scenario under one seed have in common on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/exit_code.hpp"
#include "ticklab/lab/scenario.hpp"

namespace ticklab::lab {

struct ScenarioOptions {
    std::string file;
    std::vector<std::string> overrides;
    std::uint64_t seed = 1;

    /// SCENARIO, --seed and --set.
    void add_to(CLI::App& app);
    /// Prints errors and returns nothing if it cannot be loaded.
    std::optional<Scenario> load() const;
    /// "FILE --seed N --set ...", as a shell reads it.
    std::string command_line() const;
};

/// Prints "where: message".
ExitCode refuse(const std::string& where, const std::string& message);

}  // namespace ticklab::lab
