#include "ticklab/lab/conform/conform.hpp"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"

namespace ticklab::lab {
namespace {

struct Options {
    std::string file;
    std::string kernel;
    std::vector<std::string> with, without;
    bool json = false;
};

ExitCode run(const Options& options) {
    std::vector<InputError> errors;
    const std::optional<Recording> recording = read_recording(options.file, errors);
    if (!recording) {
        print_errors(errors);
        return ExitCode::kBadInput;
    }
    ConformModel model;
    try {
        model = model_of(*recording, options.kernel, options.with, options.without);
    } catch (const std::invalid_argument& e) {
        return refuse(options.file, e.what());
    }
    const ConformReport report = conform(*recording, model);
    if (options.json)
        fmt::print("{}", document_text(json_of(report)));
    else
        fmt::print("{}", text_of(report));
    return report.matches() ? ExitCode::kFine : ExitCode::kFailed;
}

}  // namespace

Command conform_command() {
    const auto options = std::make_shared<Options>();
    return {"conform", "Compares a recorded kernel's timer migration with the model, event for event.",
            [options](CLI::App& app) {
                app.add_option("TRACE", options->file, "ftrace text since early boot, plain or gzipped")
                    ->type_name("FILE")
                    ->required();
                app.add_option("--kernel", options->kernel,
                               "The kernel's version, such as 6.12; without it what the recording says")
                    ->type_name("VERSION");
                app.add_option("--with", options->with, "A change that the kernel has besides; may be repeated")
                    ->type_name("ID")
                    ->take_all()
                    ->allow_extra_args(false);
                app.add_option("--without", options->without, "A change that the kernel lacks; may be repeated")
                    ->type_name("ID")
                    ->take_all()
                    ->allow_extra_args(false);
                app.add_flag("--json", options->json, "Print one JSON document, with every mismatch");
                app.footer(
                    "\nExamples:\n  ticklab conform trace.txt.gz\n"
                    "  ticklab conform trace.txt --kernel 6.12 --with TMIGR-09 --json");
            },
            [options] { return run(*options); }};
}

}  // namespace ticklab::lab
