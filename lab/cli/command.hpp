// A subcommand of the ticklab program.
//
// Rules
//  - One file a command; the table in lab/cli/commands.cpp lists their factories.
//  - The report goes to stdout; with --json that is one document and nothing else. Messages and progress go to stderr.
//  - Bad input is reported by the command, and its exit code is kBadInput. An exception that leaves run() is an
//    internal error.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ticklab/lab/exit_code.hpp"
#include "ticklab/lab/input_error.hpp"

namespace ticklab::lab {

struct Command {
    std::string name;
    std::string help;  ///< one sentence
    /// Adds options and examples (footer) to the command's part of the command line.
    std::function<void(CLI::App& app)> setup;
    /// Called when the command line was understood and named this command.
    std::function<ExitCode()> run;
};

/// Every command of the program, in the order of the help text.
std::vector<Command> commands();

Command run_command();
Command why_command();
Command hunt_command();
Command merge_command();
Command replay_command();
Command shrink_command();
Command museum_command();
Command bisect_command();
Command diff_command();
Command compare_command();
Command conform_command();
Command validate_command();
Command list_command();
Command schema_command();
Command manual_command();

/// Whether colours may be used on the descriptor: a terminal, and NO_COLOR is not set to anything.
bool colour_allowed(int fd);

/// Prints a line to stderr, after the program's name.
void complain(const std::string& text);
/// Prints errors to stderr, a line each.
void print_errors(std::span<const InputError> errors);

}  // namespace ticklab::lab
