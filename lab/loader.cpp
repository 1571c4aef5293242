#include "ticklab/lab/loader.hpp"

#include <algorithm>
#include <tuple>

#include "ticklab/lab/bundle/bundle.hpp"
#include "ticklab/lab/scenario_reader.hpp"
#include "ticklab/lab/schema.hpp"

namespace ticklab::lab {

ScenarioLoader::ScenarioLoader(const Registry& registry)
    : registry_(registry), schema_(scenario_schema(registry)), machine_setup_(registry) {}

std::optional<Scenario> ScenarioLoader::load(const std::string& file, const std::vector<std::string>& overrides,
                                             std::vector<InputError>& errors) const {
    std::optional<JsonSource> source = JsonSource::read(file, errors);
    return source ? load_source(*std::move(source), overrides, errors) : std::nullopt;
}

std::optional<Scenario> ScenarioLoader::load_text(const std::string& file, std::string text,
                                                  const std::vector<std::string>& overrides,
                                                  std::vector<InputError>& errors) const {
    std::optional<JsonSource> source = JsonSource::parse(file, std::move(text), errors);
    return source ? load_source(*std::move(source), overrides, errors) : std::nullopt;
}

std::optional<Scenario> ScenarioLoader::load_source(JsonSource source, const std::vector<std::string>& overrides,
                                                    std::vector<InputError>& errors) const {
    if (looks_like_bundle(source)) {
        errors.push_back(file_error(
            source.file(), found_expected("a bundle", "a scenario: run, why, replay, shrink and diff take bundles")));
        return std::nullopt;
    }
    if (!source.override_values(overrides, errors))
        return std::nullopt;
    std::vector<InputError> found;
    const auto give_up = [&] {
        std::stable_sort(found.begin(), found.end(), [](const InputError& a, const InputError& b) {
            return std::tie(a.file, a.place.line, a.place.column) < std::tie(b.file, b.place.line, b.place.column);
        });
        std::move(found.begin(), found.end(), std::back_inserter(errors));
        return std::nullopt;
    };
    if (!schema_.check(source, found))
        return give_up();

    Scenario scenario;
    scenario.file = source.file();
    scenario.text = source.text();
    scenario.kernel = registry_.find_kernel(source.root()["kernel"]["type"].get_ref<const std::string&>());
    std::optional<MachineSetup::Result> machine = machine_setup_.read(source, *scenario.kernel, found);
    if (!machine)
        return give_up();
    scenario.machine = std::move(machine->config);
    scenario.profile = std::move(machine->profile);

    ScenarioReader reader(registry_, source, scenario, found);
    reader.read_head();
    reader.read_kernel();
    reader.read_timers();
    reader.read_script();
    reader.read_load();
    reader.read_expectations();
    if (!found.empty())
        return give_up();
    return scenario;
}

}  // namespace ticklab::lab
