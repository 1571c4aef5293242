#include "ticklab/lab/cli/scenario_options.hpp"

#include <fmt/format.h>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/report.hpp"

namespace ticklab::lab {

void ScenarioOptions::add_to(CLI::App& app) {
    app.add_option("SCENARIO", file, "Scenario file, or - for the standard input")->type_name("FILE")->required();
    app.add_option("--seed", seed, "Seed of everything that the scenario leaves open")
        ->type_name("NUMBER")
        ->capture_default_str();
    app.add_option("--set", overrides,
                   "Put a value in place of the file's: /pointer=value or dotted.path=value; may be repeated")
        ->type_name("PATH=VALUE")
        ->take_all()
        ->expected(1);
}

std::optional<Scenario> ScenarioOptions::load() const {
    std::vector<InputError> errors;
    std::optional<Scenario> scenario = ScenarioLoader(program_registry()).load(file, overrides, errors);
    print_errors(errors);
    return scenario;
}

std::string ScenarioOptions::command_line() const {
    std::string line = fmt::format("{} --seed {}", shell_quoted(file), seed);
    for (const std::string& set : overrides)
        line += " --set " + shell_quoted(set);
    return line;
}

ExitCode refuse(const std::string& where, const std::string& message) {
    const InputError error = file_error(where, message);
    print_errors({&error, 1});
    return ExitCode::kBadInput;
}

}  // namespace ticklab::lab
