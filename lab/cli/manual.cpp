#include "ticklab/lab/cli/manual.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "ticklab/lab/whole_file.hpp"

namespace ticklab::lab {
namespace {

/// One argument or option as every form of the manual shows it.
struct Entry {
    std::string names;  ///< "--seed", "-h, --help", or the name of an argument
    std::string value;  ///< type name of its value, empty for a flag
    std::string help;
    std::string default_text;
    std::string needs;  ///< the option without which it means nothing
    bool positional;
    bool repeated;
};

/// "{a,b}" where a check for these words says "TEXT:{a,b}"; of other checks only what they check.
std::string value_of(const CLI::Option& option) {
    if (option.get_items_expected_max() == 0)
        return {};
    std::string type = option.get_type_name();
    const std::size_t check = type.find(':');
    if (check == std::string::npos)
        return type;
    return type[check + 1] == '{' ? type.substr(check + 1) : type.substr(0, check);
}

Entry entry_of(const CLI::Option& option) {
    std::string names;
    for (const std::string& name : option.get_snames())
        names += (names.empty() ? "-" : ", -") + name;
    for (const std::string& name : option.get_lnames())
        names += (names.empty() ? "--" : ", --") + name;
    const bool positional = option.get_positional();
    return {positional ? option.get_name(true) : names,
            value_of(option),
            option.get_description(),
            option.get_default_str(),
            option.get_needs().empty() ? std::string() : (*option.get_needs().begin())->get_name(),
            positional,
            option.get_items_expected_max() > 1 || option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll};
}

/// Arguments first, then options, each in the order of their definition.
std::vector<Entry> entries_of(const CLI::App& app) {
    std::vector<Entry> entries;
    for (const CLI::Option* option : app.get_options())
        entries.push_back(entry_of(*option));
    std::stable_partition(entries.begin(), entries.end(), [](const Entry& e) { return e.positional; });
    return entries;
}

std::string synopsis(const std::string& program, const CLI::App& command) {
    std::string text = program + " " + command.get_name();
    for (const Entry& e : entries_of(command))
        if (e.positional)
            text += fmt::format(" {}{}", e.names, e.repeated ? "..." : "");
    return text + " [OPTION...]";
}

/// "--seed UINT", and of an argument its name.
std::string head_of(const Entry& e) { return e.positional || e.value.empty() ? e.names : e.names + " " + e.value; }

std::string sentence_of(const Entry& e) {
    std::string text = e.help;
    if (!e.default_text.empty())
        text += fmt::format(" (default {})", e.default_text);
    if (!e.needs.empty())
        text += fmt::format(" (needs {})", e.needs);
    return text;
}

struct Variable {
    std::string_view name;
    std::string_view meaning;
};
constexpr std::array<Variable, 2> kEnvironment{
    {{"TICKLAB_DATA", "A folder with machines/ and costs/, looked into before those that come with ticklab"},
     {"NO_COLOR", "Set to anything: no colours"}}};

std::string_view without_blank_start(std::string_view text) {
    while (text.starts_with('\n'))
        text.remove_prefix(1);
    return text;
}

/// As man(7) reads it literally.
std::string in_man(std::string_view text) {
    std::string safe;
    bool line_start = true;
    for (const char c : text) {
        if (line_start && (c == '.' || c == '\''))
            safe += "\\&";
        if (c == '-')
            safe += '\\';
        if (c == '\\')
            safe += "\\e";
        else
            safe += c;
        line_start = c == '\n';
    }
    return safe;
}

std::string in_table(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        if (c == '|')
            safe += '\\';
        safe += c;
    }
    return safe;
}

/// The words that may follow the option, "{a,b}" in its type name; `file` if any file may.
struct Completion {
    std::string words;
    bool file;
};
Completion completion_of(const Entry& e) {
    const std::size_t open = e.value.find('{'), close = e.value.find('}');
    std::string words;
    if (open != std::string::npos && close != std::string::npos && open < close) {
        words = e.value.substr(open + 1, close - open - 1);
        std::replace(words.begin(), words.end(), ',', ' ');
    }
    return {words, e.value.find("FILE") != std::string::npos};
}

/// "--seed|--set" for a case of the shell.
std::string case_of(const Entry& e) {
    std::string text = e.names;
    for (std::size_t at = text.find(", "); at != std::string::npos; at = text.find(", "))
        text.replace(at, 2, "|");
    return text;
}

std::string option_words(const CLI::App& app) {
    std::string words;
    for (const Entry& e : entries_of(app)) {
        if (e.positional)
            continue;
        std::string names = e.names;
        names.erase(std::remove(names.begin(), names.end(), ','), names.end());
        words += (words.empty() ? "" : " ") + names;
    }
    return words;
}

std::string completion_case(const CLI::App& command) {
    std::string text = fmt::format("        {})\n            case $before in\n", command.get_name());
    std::string arguments;
    bool argument_file = false;
    for (const Entry& e : entries_of(command)) {
        const Completion c = completion_of(e);
        if (e.positional) {
            arguments = c.words;
            argument_file = c.file;
        } else if (!e.value.empty()) {
            text += fmt::format("                {}) words='{}' files='{}' options='' ;;\n", case_of(e), c.words,
                                c.file ? "yes" : "");
        }
    }
    return text + fmt::format("                *) words='{}' files='{}' options='{}' ;;\n            esac ;;\n",
                              arguments, argument_file ? "yes" : "", option_words(command));
}

}  // namespace

std::string manual_markdown(const CommandLine& line) {
    std::string text =
        "# Command line\n\n*Generated by `ticklab manual`; do not edit.*\n\n" + line.app.get_description() + "\n\n" +
        "The report goes to the standard output, messages and progress to the standard error. `ticklab --version` "
        "prints the version.\n\n| command | what it does |\n|---|---|\n";
    for (const CLI::App* command : line.parsers)
        text += fmt::format("| [{0}](#{0}) | {1} |\n", command->get_name(), in_table(command->get_description()));
    for (const CLI::App* command : line.parsers) {
        text += fmt::format("\n## {}\n\n{}\n\n```text\n{}\n```\n\n| argument or option | meaning |\n|---|---|\n",
                            command->get_name(), command->get_description(), synopsis(line.app.get_name(), *command));
        for (const Entry& e : entries_of(*command))
            text += fmt::format("| `{}` | {} |\n", in_table(head_of(e)), in_table(sentence_of(e)));
        text += fmt::format("\n```text\n{}\n```\n", without_blank_start(command->get_footer()));
    }
    text += "\n## Exit codes\n\n| code | meaning |\n|---|---|\n";
    for (const ExitCodeText& t : kExitCodeTexts)
        text += fmt::format("| {} | {} |\n", static_cast<int>(t.code), t.meaning);
    text += "\n## Environment\n\n| variable | meaning |\n|---|---|\n";
    for (const Variable& v : kEnvironment)
        text += fmt::format("| `{}` | {} |\n", v.name, v.meaning);
    return text;
}

std::string manual_page(const CommandLine& line) {
    std::string text = fmt::format(
        ".\\\" Generated by `ticklab manual --form man`; do not edit.\n"
        ".TH TICKLAB 1 \"\" \"ticklab {}\" \"User Commands\"\n.SH NAME\nticklab \\- a laboratory for timer cores\n"
        ".SH SYNOPSIS\n.B ticklab\n.I COMMAND\n[\\fIARGUMENT\\fR...] [\\fIOPTION\\fR...]\n"
        ".SH DESCRIPTION\n{}\n.PP\nThe report goes to the standard output, messages and progress to the standard "
        "error.\n.SH COMMANDS\n",
        TICKLAB_VERSION, in_man(line.app.get_description()));
    for (const CLI::App* command : line.parsers) {
        text += fmt::format(".SS \"{}\"\n{}\n", in_man(synopsis(line.app.get_name(), *command)),
                            in_man(command->get_description()));
        for (const Entry& e : entries_of(*command))
            text += fmt::format(".TP\n.B \"{}\"\n{}\n", in_man(head_of(e)), in_man(sentence_of(e)));
        text += fmt::format(".PP\n.nf\n{}\n.fi\n", in_man(without_blank_start(command->get_footer())));
    }
    text += ".SH EXIT STATUS\n";
    for (const ExitCodeText& t : kExitCodeTexts)
        text += fmt::format(".TP\n.B {}\n{}\n", static_cast<int>(t.code), in_man(t.meaning));
    text += ".SH ENVIRONMENT\n";
    for (const Variable& v : kEnvironment)
        text += fmt::format(".TP\n.B {}\n{}\n", in_man(v.name), in_man(v.meaning));
    return text;
}

std::string bash_completion(const CommandLine& line) {
    std::string names;
    for (const CLI::App* command : line.parsers)
        names += (names.empty() ? "" : " ") + command->get_name();
    std::string text =
        "# Generated by `ticklab manual --form bash`; do not edit.\n"
        "# shellcheck shell=bash\n"
        "_ticklab() {\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words='' files='' options=''\n"
        "    if [[ $COMP_CWORD -eq 1 ]]; then\n"
        "        words='" +
        names + "' options='" + option_words(line.app) +
        "'\n"
        "    else\n"
        "        case ${COMP_WORDS[1]} in\n";
    for (const CLI::App* command : line.parsers) {
        std::string part = completion_case(*command);
        // One level deeper than the functions above have it.
        std::string indented;
        for (std::size_t at = 0; at < part.size();) {
            const std::size_t end = part.find('\n', at);
            indented += "    " + part.substr(at, end - at) + "\n";
            at = end + 1;
        }
        text += indented;
    }
    return text +
           "        esac\n"
           "    fi\n"
           "    [[ $word == -* || -z $words$files ]] && words=$options files=''\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\"; [[ -z $files ]] || compgen -f -- "
           "\"$word\")\n"
           "    [[ -z $files ]] || compopt -o filenames 2>/dev/null\n"
           "}\n"
           "complete -F _ticklab ticklab\n";
}

namespace {

struct Form {
    std::string_view name;
    std::string (*print)(const CommandLine& line);
};
constexpr std::array<Form, 3> kForms{
    {{"markdown", &manual_markdown}, {"man", &manual_page}, {"bash", &bash_completion}}};

struct Options {
    std::string form = "markdown";
    std::string out;
};

ExitCode print_manual(const Options& options) {
    const CommandLine line;
    const auto form = std::find_if(kForms.begin(), kForms.end(), [&](const Form& f) { return f.name == options.form; });
    const std::string text = form->print(line);
    if (options.out.empty())
        fmt::print("{}", text);
    else
        write_whole_file(options.out, text);
    return ExitCode::kFine;
}

}  // namespace

Command manual_command() {
    const auto options = std::make_shared<Options>();
    return {"manual", "Prints the reference of the command line: for a browser, for man, or for the shell to complete.",
            [options](CLI::App& app) {
                std::vector<std::string> forms;
                forms.reserve(kForms.size());
                for (const Form& form : kForms)
                    forms.emplace_back(form.name);
                app.add_option("--form", options->form, "What to print")
                    ->check(CLI::IsMember(forms))
                    ->capture_default_str();
                app.add_option("--out", options->out, "Write to this file, whole or not at all")->type_name("FILE");
                app.footer(
                    "\nExamples:\n  ticklab manual --form man --out ticklab.1\n"
                    "  source <(ticklab manual --form bash)");
            },
            [options] { return print_manual(*options); }};
}

}  // namespace ticklab::lab
