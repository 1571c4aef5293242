#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "ticklab/lab/catalogue.hpp"
#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"

namespace ticklab::lab {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
    std::string what;
    bool json = false;
};

std::string cell(const Json& row, std::string_view column) {
    const auto at = row.find(column);
    if (at == row.end())
        return {};
    if (at->is_array() && !at->empty())
        return fmt::format("{} .. {}", at->front().get<std::string>(), at->back().get<std::string>());
    return at->is_string() ? at->get<std::string>() : at->dump();
}

void print_text(const CatalogueList& list, const Json& rows) {
    const bool colour = colour_allowed(STDOUT_FILENO);
    std::vector<std::size_t> widths(list.columns.size());
    for (const Json& row : rows)
        for (std::size_t i = 0; i + 1 < widths.size(); ++i)
            widths[i] = std::max(widths[i], cell(row, list.columns[i]).size());
    for (const Json& row : rows) {
        for (std::size_t i = 0; i < widths.size(); ++i) {
            const bool bold = colour && (list.columns[i] == "name" || list.columns[i] == "id");
            fmt::print("{}{:{}}{}{}", bold ? "\x1b[1m" : "", cell(row, list.columns[i]), widths[i],
                       bold ? "\x1b[0m" : "", i + 1 < widths.size() ? "  " : "\n");
        }
        for (const Json& p : row.value("parameters", Json::array())) {
            const bool required = p["required"];
            const std::string note = required                ? ""
                                     : p.contains("default") ? ", default " + cell(p, "default")
                                                             : ", optional";
            fmt::print("    {:12} {}{}. {}\n", p["name"].get<std::string>(), p["type"].get<std::string>(), note,
                       p["help"].get<std::string>());
        }
    }
}

ExitCode print_list(const Options& options) {
    const CatalogueList* const list = find_list(options.what);
    if (list == nullptr) {
        std::vector<std::string_view> names;
        for (const CatalogueList& known : catalogue())
            names.push_back(known.name);
        complain(found_expected(fmt::format("list {}", in_quotes(options.what)), one_of(names),
                                nearest_word(options.what, names)));
        return ExitCode::kBadInput;
    }
    const Json rows = list->rows(program_registry());
    if (options.json)
        fmt::print("{}", document_text(rows));
    else
        print_text(*list, rows);
    return ExitCode::kFine;
}

}  // namespace

Command list_command() {
    const auto options = std::make_shared<Options>();
    return {"list", "Lists what there is: scenarios, verbs, options, fixes, sites, checks, records and more.",
            [options](CLI::App& app) {
                std::string lists = "\nLists:\n", names;
                for (const CatalogueList& list : catalogue()) {
                    lists += fmt::format("  {:10} {}\n", list.name, list.help);
                    names += (names.empty() ? "" : ",") + std::string(list.name);
                }
                app.add_option("WHAT", options->what, "Which list")->type_name("{" + names + "}")->required();
                app.add_flag("--json", options->json, "Print one JSON document");
                app.footer(lists + "\nExamples:\n  ticklab list verbs\n  ticklab list fixes --json");
            },
            [options] { return print_list(*options); }};
}

}  // namespace ticklab::lab
