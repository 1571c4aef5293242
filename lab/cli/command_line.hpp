// The parser of the whole command line: what the program reads by, and what the manual is made of.
#pragma once

#include <CLI/CLI.hpp>
#include <vector>

#include "ticklab/lab/cli/command.hpp"

namespace ticklab::lab {

struct CommandLine {
    CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    CLI::App app;
    std::vector<Command> commands;
    std::vector<CLI::App*> parsers;  ///< of the commands, in their order
};

}  // namespace ticklab::lab
