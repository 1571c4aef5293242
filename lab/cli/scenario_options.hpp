// What the commands that run one scenario, under one seed or many, have in common on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/exit_code.hpp"
#include "ticklab/lab/experiment.hpp"
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

struct ScenarioOptions {
    std::string file;
    std::vector<std::string> overrides;
    std::uint64_t seed = 1;
    std::string schedule{};

    /// SCENARIO, --seed, --set and --schedule.
    void add_to(CLI::App& app);
    /// What of it is the run's and not the scenario's. Prints an error and returns nothing if the schedule is none.
    std::optional<ExperimentOptions> run_options() const;
    /// Prints errors and returns nothing if it cannot be loaded.
    std::optional<Scenario> load() const;
    /// "FILE --seed N --set ...", as a shell reads it.
    std::string command_line() const;
};

/// Prints "where: message".
ExitCode refuse(const std::string& where, const std::string& message);

}  // namespace ticklab::lab
