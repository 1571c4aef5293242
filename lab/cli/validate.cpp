#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/hunt/swarm.hpp"
#include "ticklab/lab/loader.hpp"

namespace ticklab::lab {
namespace {

struct Options {
    std::vector<std::string> files;
    std::vector<std::string> overrides;
    bool json = false;
};

nlohmann::ordered_json report_of(const std::string& file, const std::vector<InputError>& errors) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const InputError& error : errors)
        list.push_back({{"file", error.file},
                        {"line", error.place.line},
                        {"column", error.place.column},
                        {"pointer", error.place.pointer},
                        {"message", error.message}});
    return {{"file", file}, {"valid", errors.empty()}, {"errors", std::move(list)}};
}

ExitCode validate(const Options& options) {
    const ScenarioLoader loader(program_registry());
    ExitCode code = ExitCode::kFine;
    nlohmann::ordered_json reports = nlohmann::ordered_json::array();
    for (const std::string& file : options.files) {
        std::vector<InputError> errors;
        const std::optional<Scenario> scenario = loader.load(file, options.overrides, errors);
        const bool fine = scenario && Swarm::read(loader, *scenario, options.overrides, errors);
        if (!fine)
            code = ExitCode::kBadInput;
        print_errors(errors);
        if (options.json)
            reports.push_back(report_of(file, errors));
        else if (fine)
            fmt::print("{}: fine: {}\n", file, scenario->name);
    }
    if (options.json)
        fmt::print("{}", document_text(reports));
    return code;
}

}  // namespace

Command validate_command() {
    const auto options = std::make_shared<Options>();
    return {"validate", "Checks scenario files without running them.",
            [options](CLI::App& app) {
                app.add_option("FILE", options->files, "Scenario files; - is the standard input")
                    ->type_name("FILE")
                    ->required();
                add_overrides(app, options->overrides);
                app.add_flag("--json", options->json, "Print one JSON document");
                app.footer(
                    "\nExamples:\n  ticklab validate my-scenario.json\n"
                    "  ticklab validate my-scenario.json --set machine.cpus=64 --set /duration=1s");
            },
            [options] { return validate(*options); }};
}

}  // namespace ticklab::lab
