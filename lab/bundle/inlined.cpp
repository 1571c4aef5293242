#include "ticklab/lab/bundle/inlined.hpp"

#include "ticklab/lab/data_files.hpp"
#include "ticklab/lab/json_source.hpp"
#include "ticklab/lab/machine_options.hpp"
#include "ticklab/lab/schema.hpp"

namespace ticklab::lab {
namespace {

using nlohmann::json;

[[noreturn]] void give_up(const std::vector<InputError>& errors) {
    throw UnrepeatableRun(errors.empty() ? "a file that the scenario names is gone" : to_text(errors.front()));
}

JsonSource named_file(DataKind kind, const std::string& name, const std::string& mentioned_in) {
    std::vector<InputError> errors;
    if (const std::optional<std::string> file = find_data_file(kind, name, mentioned_in))
        if (std::optional<JsonSource> source = JsonSource::read(*file, errors))
            return *std::move(source);
    give_up(errors);
}

}  // namespace

json inlined(const Scenario& scenario, const std::vector<std::string>& overrides) {
    std::vector<InputError> errors;
    std::optional<JsonSource> source = JsonSource::parse(scenario.file, scenario.text, errors);
    if (!source)
        give_up(errors);
    if (!source->override_values(overrides, errors))
        give_up(errors);
    json document = source->root();
    // Of one run it says nothing, and its places are those of the whole file.
    document.erase("swarm");
    json& machine = document["machine"];
    const JsonSource profile = named_file(DataKind::kMachine, scenario.profile, scenario.file);

    const bool own_costs = machine.contains("costs");
    const std::string costs_name = (own_costs ? machine : profile.root()).at("costs").get<std::string>();
    const JsonSource costs = named_file(DataKind::kCostTable, costs_name, own_costs ? scenario.file : profile.file());
    json prices = json::object();
    for (const auto& [price, entry] : costs.root().at("prices").items())
        prices[price] = entry.at("cycles");
    prices.update(machine.value("prices", json::object()));
    machine["prices"] = std::move(prices);

    // What neither says is said as well: the profile that a bundle is loaded with may say something else.
    for (const MachineOption& option : machine_options()) {
        const std::string name(option.decl.name);
        if (machine.contains(name))
            continue;
        if (profile.root().contains(name))
            machine[name] = profile.root()[name];
        else if (!option.decl.default_text.empty())
            machine[name] = json::parse(default_value(option.decl).dump());
    }
    if (!machine.contains("c_states"))
        machine["c_states"] = profile.root().at("c_states");
    machine.erase("profile");
    machine.erase("costs");
    return document;
}

}  // namespace ticklab::lab
