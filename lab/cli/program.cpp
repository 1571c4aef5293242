#include "ticklab/lab/program.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/command_line.hpp"
#include "ticklab/lab/whole_file.hpp"

namespace ticklab::lab {
namespace {

/// The long option of `app` that an unknown argument was probably meant to be.
std::string nearest_option(const CLI::App& app, const std::vector<std::string>& arguments) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options())
        for (const std::string& name : option->get_lnames())
            names.push_back("--" + name);
    const std::vector<std::string_view> words(names.begin(), names.end());
    for (const std::string& argument : arguments) {
        const std::string word = argument.substr(0, argument.find('='));
        if (word.starts_with("-") && std::find(names.begin(), names.end(), word) == names.end())
            if (const std::string_view nearest = nearest_word(word, words); !nearest.empty())
                return fmt::format("; did you mean {}?", in_quotes(nearest));
    }
    return {};
}

ExitCode run_command_line(int argc, const char* const* argv) {
    CommandLine line;
    CLI::App& app = line.app;
    std::vector<std::string_view> names;
    for (const Command& command : line.commands)
        names.push_back(command.name);

    const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    if (arguments.empty()) {
        fmt::print(stderr, "{}", app.help());
        return ExitCode::kBadInput;
    }
    if (!arguments[0].starts_with("-") && std::find(names.begin(), names.end(), arguments[0]) == names.end()) {
        complain(found_expected(fmt::format("command {}", in_quotes(arguments[0])), one_of(names),
                                nearest_word(arguments[0], names)));
        return ExitCode::kBadInput;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
            app.exit(e);
            return ExitCode::kFine;
        }
        const auto at = std::find(names.begin(), names.end(), arguments[0]);
        const CLI::App& parser = at == names.end() ? app : *line.parsers[static_cast<std::size_t>(at - names.begin())];
        complain(fmt::format("{}{} (`{} --help` says more)", e.what(), nearest_option(parser, arguments),
                             at == names.end() ? "ticklab" : fmt::format("ticklab {}", *at)));
        return ExitCode::kBadInput;
    }
    for (std::size_t i = 0; i < line.commands.size(); ++i)
        if (line.parsers[i]->parsed())
            return line.commands[i].run();
    return ExitCode::kBadInput;
}

}  // namespace

bool colour_allowed(int fd) {
    const char* const no_colour = std::getenv("NO_COLOR");
    return ::isatty(fd) == 1 && (no_colour == nullptr || *no_colour == '\0');
}

void complain(const std::string& text) {
    const bool colour = colour_allowed(STDERR_FILENO);
    fmt::print(stderr, "{}ticklab:{} {}\n", colour ? "\x1b[31m" : "", colour ? "\x1b[0m" : "", text);
}

void print_errors(std::span<const InputError> errors) {
    for (const InputError& error : errors.first(std::min(errors.size(), kMaxInputErrors)))
        complain(to_text(error));
}

int run_program(int argc, const char* const* argv) {
    ExitCode code = ExitCode::kInternalError;
    try {
        code = run_command_line(argc, argv);
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
            complain("the report could not be written to the standard output");
            code = graver(code, ExitCode::kBadInput);
        }
    } catch (const FileError& e) {
        complain(e.what());
        code = ExitCode::kBadInput;
    } catch (const std::exception& e) {
        complain(fmt::format("internal error: {}", e.what()));
    }
    return static_cast<int>(code);
}

}  // namespace ticklab::lab
