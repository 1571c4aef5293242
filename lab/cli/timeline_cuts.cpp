#include "ticklab/lab/cli/timeline_cuts.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "ticklab/lab/values.hpp"

namespace ticklab::lab {
namespace {

/// Reads an instant into `at`, unless nothing was typed.
void read_instant(const char* option, const std::optional<std::string>& text, sim::Time& at,
                  std::vector<InputError>& errors) {
    if (!text)
        return;
    const Parsed<sim::Duration> since_boot = parse_duration(*text);
    if (since_boot.value)
        at = sim::kBoot + *since_boot.value;
    else
        errors.push_back(file_error(option, found_expected(in_quotes(*text), since_boot.expected)));
}

std::vector<std::string_view> known_categories(const Registry& registry) {
    std::set<std::string_view> names;
    for (const sim::RecordKind* kind : registry.record_kinds())
        if (kind->shape != sim::TimelineShape::kHidden)
            names.insert(kind->category);
    return {names.begin(), names.end()};
}

void read_categories(const std::string& text, const Registry& registry, TimelineOptions& options,
                     std::vector<InputError>& errors) {
    const std::vector<std::string_view> known = known_categories(registry);
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        if (std::find(known.begin(), known.end(), word) != known.end())
            options.categories.push_back(word);
        else
            errors.push_back(
                file_error("--cat", found_expected(in_quotes(word), one_of(known), nearest_word(word, known))));
        begin = end + 1;
    }
}

}  // namespace

void add_timeline_cuts(CLI::App& app, TimelineCuts& cuts, CLI::Option& timeline) {
    app.add_option("--from", cuts.from, "Begin what is written at this instant, such as 2ms")->type_name("TIME");
    app.add_option("--to", cuts.to, "End what is written at this instant, which is included")->type_name("TIME");
    app.add_option("--cpu", cuts.cpus, "Draw these CPUs only, such as 0-3,7; devices are drawn in any case")
        ->type_name("CPUS")
        ->needs(&timeline);
    app.add_option("--cat", cuts.categories, "Draw these categories only, such as timer,irq")
        ->type_name("WORDS")
        ->needs(&timeline);
}

void apply_timeline_cuts(const TimelineCuts& cuts, const Registry& registry, sim::Time end, TimelineOptions& options,
                         std::vector<InputError>& errors) {
    read_instant("--from", cuts.from, options.from, errors);
    read_instant("--to", cuts.to, options.to, errors);
    const sim::Time latest = std::min(end, options.to);
    if (errors.empty() && cuts.from && options.from > latest)
        errors.push_back(file_error(
            "--from", found_expected(in_quotes(*cuts.from),
                                     "an instant up to " + duration_text(latest - sim::kBoot) +
                                         (options.to < end ? ", which --to says" : ", where the run ends"))));
    if (cuts.cpus) {
        Parsed<std::vector<sim::CpuId>> cpus = parse_cpu_list(nlohmann::json(*cuts.cpus), options.cpu_count);
        if (cpus.value)
            options.cpus = *std::move(cpus.value);
        else
            errors.push_back(file_error("--cpu", found_expected(in_quotes(*cuts.cpus), cpus.expected)));
    }
    if (cuts.categories)
        read_categories(*cuts.categories, registry, options, errors);
}

}  // namespace ticklab::lab
