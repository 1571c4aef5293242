// What the commands that run one scenario, under one seed or many, have in common on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/bundle/bundle.hpp"
#include "ticklab/lab/exit_code.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/scenario.hpp"
#include "ticklab/lab/values.hpp"

namespace ticklab::lab {

/// SCENARIO
void add_scenario_argument(CLI::App& app, std::string& file);
/// --set
void add_overrides(CLI::App& app, std::vector<std::string>& overrides);
/// --seeds
void add_seeds(CLI::App& app, std::string& seeds);
/// --jobs
void add_jobs(CLI::App& app, unsigned& jobs);
/// As many as the host runs at a time.
unsigned default_jobs();

/// Both included; at least one.
struct SeedRange {
    std::uint64_t first;
    std::uint64_t last;
};
/// "A..B", or one seed.
Parsed<SeedRange> parse_seeds(std::string_view text);

/// What a command runs: a scenario as --seed, --set and --schedule make it, or a bundle, which has all of these in it.
struct RunInput {
    Scenario scenario;
    nlohmann::json document;    ///< that the scenario was loaded from
    ExperimentOptions options;  ///< seed, and schedule or decisions
    std::string command_line;   ///< what gives it to the command again, as a shell reads it
    std::optional<Bundle> bundle;
};

struct ScenarioOptions {
    std::string file;
    std::vector<std::string> overrides;
    std::optional<std::uint64_t> seed{};
    std::string schedule{};

    /// SCENARIO, --seed, --set and --schedule.
    void add_to(CLI::App& app);
    /// Prints errors and returns nothing if it cannot be loaded.
    std::optional<RunInput> load(const ScenarioLoader& loader) const;
    /// "FILE --seed N --set ...", as a shell reads it.
    std::string command_line() const;
};

/// Prints "where: message".
ExitCode refuse(const std::string& where, const std::string& message);

}  // namespace ticklab::lab
