#include "ticklab/lab/museum/exhibit.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "ticklab/lab/json_source.hpp"

namespace ticklab::lab {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json without_change(json document, const std::string& change) {
    json& kernel = document["kernel"];
    if (const auto with = kernel.find("with"); with != kernel.end())
        if (const auto at = std::find(with->begin(), with->end(), change); at != with->end()) {
            with->erase(at);
            return document;
        }
    kernel["without"].push_back(change);
    return document;
}

json without_scripted_delays(json document) {
    constexpr std::array<std::string_view, 3> kDelays{"cpu.hold", "cpu.release", "cpu.stall"};
    for (const char* const list : {"script", "faults"}) {
        const auto steps = document.find(list);
        if (steps == document.end())
            continue;
        json kept = json::array();
        for (json& step : *steps)
            if (std::find(kDelays.begin(), kDelays.end(), step.at("do").get<std::string>()) == kDelays.end())
                kept.push_back(std::move(step));
        *steps = std::move(kept);
    }
    return document;
}

bool has_museum_entry(const std::string& file, std::vector<InputError>& errors) {
    const std::optional<JsonSource> source = JsonSource::read(file, errors);
    return source && source->root().is_object() && source->root().contains("museum");
}

}  // namespace

std::vector<std::string> museum_files(const std::string& path, std::vector<InputError>& errors) {
    std::error_code error;
    if (!fs::is_directory(path, error))
        return {path};
    std::vector<std::string> files;
    for (fs::recursive_directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
        std::string file = it->path().string();
        if (it->path().extension() == ".json" && has_museum_entry(file, errors))
            files.push_back(std::move(file));
    }
    if (error)
        errors.push_back(file_error(path, error.message()));
    else if (files.empty() && errors.empty())
        errors.push_back(file_error(path, found_expected("no scenario with a \"museum\" member", "at least one")));
    std::sort(files.begin(), files.end());
    return files;
}

std::optional<Exhibit> load_exhibit(const ScenarioLoader& loader, const std::string& file, ScriptedDelays delays,
                                    const std::vector<std::string>& overrides, std::vector<InputError>& errors) {
    std::optional<JsonSource> source = JsonSource::read(file, errors);
    if (!source)
        return std::nullopt;
    std::optional<Scenario> fixed = loader.load_text(file, source->text(), overrides, errors);
    if (!fixed)
        return std::nullopt;
    if (!fixed->museum) {
        errors.push_back(
            file_error(file, found_expected("a scenario without \"museum\"", "one that is about a change")));
        return std::nullopt;
    }
    const MuseumEntry entry = *fixed->museum;
    if (!source->override_values(overrides, errors))
        return std::nullopt;
    json document = source->root();
    if (delays == ScriptedDelays::kLeftOut) {
        document = without_scripted_delays(std::move(document));
        fixed = loader.load_text(file, document.dump(), {}, errors);
    }
    document = without_change(std::move(document), entry.change);
    std::optional<Scenario> broken = loader.load_text(file, document.dump(), {}, errors);
    if (!fixed || !broken)
        return std::nullopt;
    return Exhibit{file, entry, *std::move(fixed), *std::move(broken), std::move(document)};
}

std::vector<std::string> changes_not_shown(const sim::KernelDecl& kernel, std::span<const Exhibit> exhibits) {
    std::vector<std::string> ids;
    for (const sim::ChangeDecl& change : kernel.changes)
        if (std::none_of(exhibits.begin(), exhibits.end(),
                         [&](const Exhibit& e) { return e.fixed.kernel == &kernel && e.entry.change == change.id; }))
            ids.emplace_back(change.id);
    return ids;
}

}  // namespace ticklab::lab
