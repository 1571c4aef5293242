#include "ticklab/lab/schema.hpp"

#include <fmt/format.h>

#include <memory>

#include "ticklab/lab/bundle/bundle.hpp"
#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/reference.hpp"
#include "ticklab/lab/whole_file.hpp"

namespace ticklab::lab {
namespace {

struct Options {
    std::string of = "scenario";
    std::string out;
    bool markdown = false;
};

ExitCode print_schema(const Options& options) {
    const Registry& registry = program_registry();
    const std::string text = options.markdown ? scenario_reference(registry)
                                              : (options.of == "scenario"  ? scenario_schema(registry)
                                                 : options.of == "profile" ? profile_schema()
                                                 : options.of == "bundle"  ? bundle_schema()
                                                                           : cost_table_schema(registry))
                                                        .dump(2) +
                                                    "\n";
    if (options.out.empty())
        fmt::print("{}", text);
    else
        write_whole_file(options.out, text);
    return ExitCode::kFine;
}

}  // namespace

Command schema_command() {
    const auto options = std::make_shared<Options>();
    return {"schema", "Prints the JSON Schema of scenario files, or the scenario reference.",
            [options](CLI::App& app) {
                app.add_option("--of", options->of, "scenario, profile, costs or bundle")
                    ->check(CLI::IsMember({"scenario", "profile", "costs", "bundle"}))
                    ->capture_default_str();
                app.add_option("--out", options->out, "Write to this file, whole or not at all")->type_name("FILE");
                app.add_flag("--markdown", options->markdown, "The scenario reference in place of the schema");
                app.footer(
                    "\nExamples:\n  ticklab schema --out docs/scenario.schema.json\n"
                    "  ticklab schema --markdown --out docs/scenario-reference.md");
            },
            [options] { return print_schema(*options); }};
}

}  // namespace ticklab::lab
