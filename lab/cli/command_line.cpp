#include "ticklab/lab/cli/command_line.hpp"

#include <fmt/format.h>

#include "ticklab/sim/record.hpp"

namespace ticklab::lab {
namespace {

constexpr const char* kAbout =
    "A laboratory for timer cores: runs them on a simulated multicore machine, in virtual time.";
constexpr const char* kExamples =
    "\nExamples:\n"
    "  ticklab list scenarios\n"
    "  ticklab validate my-scenario.json\n";

std::string footer() {
    std::string text = kExamples;
    text += "\n`ticklab COMMAND --help` says more. Exit codes:";
    const char* separator = " ";
    for (const ExitCodeText& t : kExitCodeTexts) {
        text += fmt::format("{}{} {}", separator, static_cast<int>(t.code), t.meaning);
        separator = t.code == ExitCode::kBadInput ? ";\n" : "; ";
    }
    return text + ".";
}

}  // namespace

CommandLine::CommandLine() : app(kAbout, "ticklab"), commands(lab::commands()) {
    app.footer(footer());
    app.set_version_flag("--version",
                         fmt::format("ticklab {} (records version {})", TICKLAB_VERSION, sim::kRecordVersion));
    app.require_subcommand(1);
    for (Command& command : commands) {
        CLI::App* const parser = app.add_subcommand(command.name, command.help);
        command.setup(*parser);
        parsers.push_back(parser);
    }
}

}  // namespace ticklab::lab
