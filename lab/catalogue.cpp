#include "ticklab/lab/catalogue.hpp"

#include <fmt/format.h>

#include <array>

#include "ticklab/lab/data_files.hpp"
#include "ticklab/lab/json_source.hpp"
#include "ticklab/lab/load_decls.hpp"
#include "ticklab/lab/machine_options.hpp"
#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/schema.hpp"

namespace ticklab::lab {
namespace {

using Json = nlohmann::ordered_json;
using sim::KernelDecl;
using sim::ParameterDecl;
using sim::ValueType;

constexpr std::string_view kMachine = "machine";

std::string_view owner(const KernelDecl* kernel) { return kernel == nullptr ? kMachine : kernel->name; }

Json parameter_row(const ParameterDecl& p) {
    Json row{{"name", p.name}, {"type", type_text(p)}, {"required", p.required}};
    if (!p.default_text.empty())
        row["default"] = default_value(p);
    row["help"] = p.help;
    return row;
}

Json option_row(std::string_view of, const ParameterDecl& p) {
    Json row{{"kernel", of}};
    row.update(parameter_row(p));
    return row;
}

/// Name and "name" or "about" of the files of a kind.
Json file_rows(DataKind kind, const char* title) {
    Json rows = Json::array();
    for (const DataFile& data : list_data_files(kind)) {
        std::vector<InputError> errors;
        const std::optional<JsonSource> source = JsonSource::read(data.file, errors);
        const bool titled =
            source && source->root().is_object() && source->root().contains(title) && source->root()[title].is_string();
        rows.push_back(
            {{"name", data.name},
             {"file", data.file},
             {"help", titled ? source->root()[title].get<std::string>()
                             : to_text(errors.empty() ? file_error(data.file, fmt::format("no \"{}\"", title))
                                                      : errors.front())}});
    }
    return rows;
}

Json scenarios(const Registry&) { return file_rows(DataKind::kScenario, "name"); }
Json machines(const Registry&) { return file_rows(DataKind::kMachine, "about"); }
Json cost_tables(const Registry&) { return file_rows(DataKind::kCostTable, "about"); }

Json kernels(const Registry& registry) {
    Json rows = Json::array();
    for (const KernelDecl* kernel : registry.kernels())
        rows.push_back({{"name", kernel->name}, {"versions", kernel->versions}, {"help", kernel->help}});
    return rows;
}

void add_verbs(Json& rows, std::string_view of, std::span<const sim::VerbDecl> verbs) {
    constexpr std::array<std::string_view, 4> kContexts{"thread", "interrupt", "control thread", "no CPU"};
    for (const sim::VerbDecl& verb : verbs) {
        Json parameters = Json::array();
        for (const ParameterDecl& p : verb.parameters)
            parameters.push_back(parameter_row(p));
        rows.push_back({{"kernel", of},
                        {"name", verb.name},
                        {"context", kContexts[static_cast<std::size_t>(verb.context)]},
                        {"help", verb.help},
                        {"parameters", std::move(parameters)}});
    }
}

Json verbs(const Registry& registry) {
    Json rows = Json::array();
    add_verbs(rows, kMachine, machine_verbs());
    for (const KernelDecl* kernel : registry.kernels())
        add_verbs(rows, kernel->name, kernel->verbs);
    return rows;
}

Json options(const Registry& registry) {
    Json rows = Json::array();
    for (const MachineOption& option : machine_options())
        rows.push_back(option_row(kMachine, option.decl));
    for (const KernelDecl* kernel : registry.kernels())
        for (const ParameterDecl& option : kernel->options)
            rows.push_back(option_row(kernel->name, option));
    return rows;
}

Json loads(const Registry&) {
    constexpr std::array<std::string_view, 5> kTypes{"an integer", "a rate", "a probability", "a duration",
                                                     "a distribution"};
    Json rows = Json::array();
    for (const LoadDecl& load : load_decls()) {
        Json parameters = Json::array();
        for (const LoadParameterDecl& p : load.parameters) {
            Json row{{"name", p.name}, {"type", kTypes[static_cast<std::size_t>(p.type)]}, {"required", p.required}};
            if (!p.default_text.empty())
                row["default"] = p.default_text;
            row["help"] = p.help;
            parameters.push_back(std::move(row));
        }
        rows.push_back({{"name", load.name}, {"help", load.help}, {"parameters", std::move(parameters)}});
    }
    return rows;
}

Json fixes(const Registry& registry) {
    constexpr std::array<std::string_view, 3> kKinds{"fix", "feature", "rename"};
    Json rows = Json::array();
    for (const KernelDecl* kernel : registry.kernels())
        for (const sim::ChangeDecl& change : kernel->changes)
            rows.push_back({{"id", change.id},
                            {"name", change.name},
                            {"kernel", kernel->name},
                            {"part", change.part},
                            {"kind", kKinds[static_cast<std::size_t>(change.kind)]},
                            {"fixed_in", change.since},
                            {"source", change.source},
                            {"symptom", change.symptom},
                            {"requires", change.requires_ids},
                            {"conflicts", change.conflicts}});
    return rows;
}

Json states(const Registry& registry) {
    Json rows = Json::array();
    for (const KernelDecl* kernel : registry.kernels())
        for (const sim::StateDecl& state : kernel->states)
            rows.push_back({{"kernel", kernel->name}, {"name", state.pattern}, {"help", state.help}});
    return rows;
}

Json sites(const Registry& registry) {
    Json rows = Json::array();
    for (const Registry::OwnedSite& owned : registry.sites())
        rows.push_back({{"kernel", owner(owned.kernel)}, {"name", owned.site->name()}, {"help", owned.site->help()}});
    return rows;
}

Json checks(const Registry& registry) {
    Json rows = Json::array();
    for (const Registry::OwnedCheck& owned : registry.checks())
        rows.push_back({{"kernel", owner(owned.kernel)}, {"name", owned.check->name}, {"help", owned.check->sentence}});
    return rows;
}

Json records(const Registry& registry) {
    Json rows = Json::array();
    for (const sim::RecordKind* kind : registry.record_kinds()) {
        Json operands = Json::array();
        for (std::size_t i = 0; i < kind->operand_count; ++i)
            operands.push_back(kind->operands[i].name);
        rows.push_back({{"id", kind->id},
                        {"name", fmt::format("{}:{}", kind->system, kind->name)},
                        {"category", kind->category},
                        {"digested", kind->digest_class == sim::DigestClass::kBase},
                        {"operands", std::move(operands)},
                        {"help", kind->help}});
    }
    return rows;
}

Json prices(const Registry& registry) {
    Json rows = Json::array();
    for (const sim::CostDecl& cost : registry.costs())
        rows.push_back({{"name", cost.name}, {"help", cost.help}});
    return rows;
}

constexpr std::string_view kNamed[] = {"name", "help"};
constexpr std::string_view kOwned[] = {"kernel", "name", "help"};
constexpr std::string_view kOptionColumns[] = {"kernel", "name", "type", "default", "help"};
constexpr std::string_view kFixColumns[] = {"id", "name", "kernel", "fixed_in", "symptom"};
constexpr std::string_view kRecordColumns[] = {"id", "name", "category", "help"};
constexpr std::string_view kKernelColumns[] = {"name", "versions", "help"};

constexpr CatalogueList kLists[] = {
    {"scenarios", "Scenarios that come with ticklab.", scenarios, kNamed},
    {"machines", "Machine profiles: values of machine.profile.", machines, kNamed},
    {"costs", "Cost tables: values of machine.costs.", cost_tables, kNamed},
    {"kernels", "Kernels: values of kernel.type.", kernels, kKernelColumns},
    {"verbs", "What steps of a script can do.", verbs, kOwned},
    {"options", "Options of the machine and of each kernel.", options, kOptionColumns},
    {"loads", "Generators of random load.", loads, kNamed},
    {"fixes", "Changes in the history of each kernel that a scenario can leave out or put in.", fixes, kFixColumns},
    {"states", "States that expectations can ask for; * is a number.", states, kOwned},
    {"sites", "Named places: of choices, of triggers, of holds.", sites, kOwned},
    {"checks", "What is checked in every run.", checks, kOwned},
    {"records", "Kinds of records of a run.", records, kRecordColumns},
    {"prices", "Prices in cycles: entries of cost tables, members of machine.prices.", prices, kNamed},
};

}  // namespace

std::span<const CatalogueList> catalogue() { return kLists; }

const CatalogueList* find_list(std::string_view name) {
    for (const CatalogueList& list : kLists)
        if (list.name == name)
            return &list;
    return nullptr;
}

std::string type_text(const ParameterDecl& p) {
    switch (p.type) {
        case ValueType::kInteger:
            if (p.min != INT64_MIN && p.max != INT64_MAX)
                return fmt::format("an integer from {} to {}", p.min, p.max);
            if (p.min != INT64_MIN)
                return fmt::format("an integer of at least {}", p.min);
            return p.max != INT64_MAX ? fmt::format("an integer of at most {}", p.max) : "an integer";
        case ValueType::kBool:
            return "true or false";
        case ValueType::kDuration:
            return "a duration";
        case ValueType::kTime:
            return "a time";
        case ValueType::kCpu:
            return "a CPU";
        case ValueType::kTimer:
            return "a timer";
        case ValueType::kWord:
            return one_of(p.words);
        case ValueType::kText:
            return "a string";
    }
    return {};
}

}  // namespace ticklab::lab
