#include "ticklab/lab/machine_setup.hpp"

#include <fmt/format.h>

#include <functional>

#include "ticklab/lab/data_files.hpp"
#include "ticklab/lab/machine_options.hpp"
#include "ticklab/lab/schema.hpp"
#include "ticklab/lab/value_reader.hpp"

namespace ticklab::lab {
namespace {

using nlohmann::json;
using sim::MachineConfig;

constexpr std::string_view kDefaultProfile = "client";
constexpr sim::CpuId kMaxCheckedCpus = 64;

/// Reads the file that `name` means; its directory decides what names in it mean.
std::optional<JsonSource> read_data(DataKind kind, const std::string& name, const JsonSource& mentioned_in,
                                    const std::string& pointer, std::vector<InputError>& errors) {
    const std::optional<std::string> file = find_data_file(kind, name, mentioned_in.file());
    if (file)
        return JsonSource::read(*file, errors);
    const std::vector<DataFile> files = list_data_files(kind, mentioned_in.file());
    std::vector<std::string_view> names;
    names.reserve(files.size());
    for (const DataFile& known : files)
        names.push_back(known.name);
    const std::string what = kind == DataKind::kMachine ? "a machine profile" : "a cost table";
    errors.push_back(mentioned_in.error_at(
        pointer, found_expected(in_quotes(name), names.empty() ? what : fmt::format("{}: {}", what, one_of(names)),
                                nearest_word(name, names))));
    return std::nullopt;
}

/// The value of an option with the document that gives it: the scenario's if it has it, else the profile's.
struct Given {
    const json* value = nullptr;
    const JsonSource* source = nullptr;
    std::string pointer;
};

Given given_in(const json& machine, const JsonSource& scenario, const JsonSource& profile, std::string_view name) {
    if (const auto own = machine.find(name); own != machine.end())
        return {&*own, &scenario, pointer_to("/machine", name)};
    if (const auto common = profile.root().find(name); common != profile.root().end())
        return {&*common, &profile, pointer_to("", name)};
    return {nullptr, &scenario, pointer_to("/machine", name)};
}

void read_c_states(const Given& given, std::vector<InputError>& errors, MachineConfig& config) {
    ValueReader reader(*given.source, errors);
    for (std::size_t i = 0; i < given.value->size(); ++i) {
        const std::size_t before = errors.size();
        const std::vector<std::optional<sim::Value>> values =
            reader.arguments((*given.value)[i], pointer_to(given.pointer, i), c_state_parameters(), {});
        if (errors.size() != before)
            return;
        config.c_states.push_back({std::get<std::string>(*values[0]), std::get<sim::Duration>(*values[1]),
                                   std::get<sim::Duration>(*values[2]), std::get<sim::Duration>(*values[3]),
                                   static_cast<std::uint64_t>(std::get<std::int64_t>(*values[4])),
                                   std::get<bool>(*values[5])});
    }
}

/// What options demand of each other.
void check_together(const MachineConfig& config, const std::function<Given(std::string_view)>& given,
                    std::vector<InputError>& errors) {
    const auto require = [&](bool ok, std::string_view option, const std::string& found, const std::string& expected) {
        const Given at = given(option);
        if (!ok)
            ValueReader(*at.source, errors).refuse(at.pointer, found, expected);
    };
    const sim::CpuId cpus = config.cpu_count;
    require(config.online_at_boot <= cpus, "online", fmt::format("{} CPUs online at boot", config.online_at_boot),
            fmt::format("at most {} (machine.cpus)", cpus));
    require(config.node_count <= cpus && cpus % config.node_count == 0, "nodes",
            fmt::format("{} nodes", config.node_count), fmt::format("a divisor of {} (machine.cpus)", cpus));
    require(config.hpet_counter_bits == 32 || config.hpet_counter_bits == 64, "hpet_counter_bits",
            std::to_string(config.hpet_counter_bits), "32 or 64");
    require(config.hpet_counter_bits == 64 || config.hpet_counter_start <= UINT32_MAX, "hpet_counter_start",
            std::to_string(config.hpet_counter_start), "a value that fits in hpet_counter_bits");
    require(config.memory_model == sim::MemoryModel::kSequential || (config.check_races && cpus <= kMaxCheckedCpus),
            "memory", "a memory model other than \"sc\"",
            fmt::format("\"sc\", or check_races and at most {} CPUs", kMaxCheckedCpus));
}

}  // namespace

MachineSetup::MachineSetup(const Registry& registry)
    : profile_schema_(profile_schema()), cost_schema_(cost_table_schema(registry)) {}

bool MachineSetup::check_profile(const JsonSource& profile, std::vector<InputError>& errors) const {
    return profile_schema_.check(profile, errors);
}

bool MachineSetup::check_cost_table(const JsonSource& table, std::vector<InputError>& errors) const {
    return cost_schema_.check(table, errors);
}

std::optional<sim::CostTable> MachineSetup::read_costs(const JsonSource& mentioned_in, const json& name,
                                                       const std::string& pointer,
                                                       std::vector<InputError>& errors) const {
    const std::optional<JsonSource> file =
        read_data(DataKind::kCostTable, name.get_ref<const std::string&>(), mentioned_in, pointer, errors);
    if (!file || !check_cost_table(*file, errors))
        return std::nullopt;
    sim::CostTable table;
    for (const auto& [price, entry] : file->root()["prices"].items())
        table.set(price, sim::Cycles{entry["cycles"].get<std::uint64_t>()}, entry["source"].get<std::string>());
    return table;
}

std::optional<MachineSetup::Result> MachineSetup::read(const JsonSource& scenario, const sim::KernelDecl& kernel,
                                                       std::vector<InputError>& errors) const {
    const std::size_t before = errors.size();
    const json machine = scenario.root().value("machine", json::object());
    Result result;
    result.profile = machine.value("profile", std::string(kDefaultProfile));
    const std::optional<JsonSource> profile =
        read_data(DataKind::kMachine, result.profile, scenario, "/machine/profile", errors);
    if (!profile || !check_profile(*profile, errors))
        return std::nullopt;

    const auto given = [&](std::string_view name) { return given_in(machine, scenario, *profile, name); };
    MachineConfig& config = result.config;
    bool online_given = false;
    for (const MachineOption& option : machine_options()) {
        const Given at = given(option.decl.name);
        if (at.value == nullptr && option.decl.default_text.empty())
            continue;
        const json value = at.value != nullptr ? *at.value : json::parse(default_value(option.decl).dump());
        const std::optional<sim::Value> read =
            ValueReader(*at.source, errors).value(value, at.pointer, option.decl, {});
        if (read)
            option.apply(config, *read);
        online_given = online_given || option.decl.name == "online";
    }
    if (!online_given)
        config.online_at_boot = config.cpu_count;
    read_c_states(given("c_states"), errors, config);

    const Given costs = given("costs");
    if (std::optional<sim::CostTable> table = read_costs(*costs.source, *costs.value, costs.pointer, errors))
        config.costs = *std::move(table);
    else
        return std::nullopt;
    const json prices = machine.value("prices", json::object());
    for (const auto& [price, cycles] : prices.items())
        config.costs.set(price, sim::Cycles{cycles.get<std::uint64_t>()}, "the scenario");
    for (const sim::CostDecl& cost : kernel.costs)
        if (config.costs.find(cost.name) == nullptr)
            ValueReader(*costs.source, errors)
                .refuse(costs.pointer, fmt::format("a cost table without the price {}", in_quotes(cost.name)),
                        fmt::format("every price of kernel {} ({})", in_quotes(kernel.name), cost.help));
    if (errors.size() == before)
        check_together(config, given, errors);
    if (errors.size() != before)
        return std::nullopt;
    return result;
}

}  // namespace ticklab::lab
