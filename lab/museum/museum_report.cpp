#include "ticklab/lab/museum/museum_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "ticklab/lab/hunt/hunt_document.hpp"

namespace ticklab::lab {
namespace {

using MuseumJson = nlohmann::ordered_json;

std::string_view strategy_name(HuntStrategy strategy) { return kHuntStrategies[static_cast<std::size_t>(strategy)]; }

/// How often each check was the first to fail.
std::map<std::string, std::uint64_t> verdicts(const MuseumResult& entry) {
    std::map<std::string, std::uint64_t> counts;
    for (const StrategySearches& strategy : entry.strategies)
        for (const MuseumSearch& search : strategy.searches)
            if (search.failure)
                ++counts[search.failure->check];
    return counts;
}

/// The one that failed most often, and how many others did.
std::string verdict_cell(const MuseumResult& entry) {
    const std::map<std::string, std::uint64_t> counts = verdicts(entry);
    const auto most = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most == counts.end())
        return "-";
    return counts.size() == 1 ? most->first : fmt::format("{} +{}", most->first, counts.size() - 1);
}

std::string milliseconds(std::optional<double> seconds) {
    return seconds ? fmt::format("{:.{}f}", *seconds * 1000, *seconds < 0.01 ? 1 : 0) : "-";
}

std::string size_cell(const ScheduleSize& size) {
    return fmt::format("{}{}", size.decisions, size.jitter ? " + jitter" : "");
}

std::string fixed_cell(const MuseumResult& entry) {
    return fmt::format("{}{}", entry.fixed_runs(), entry.false_alarm() ? ", FAILS" : "");
}

using TextRow = std::vector<std::string>;

std::string markdown(const std::vector<TextRow>& rows, std::size_t left_columns) {
    std::vector<std::size_t> widths(rows.front().size());
    for (const TextRow& row : rows)
        for (std::size_t i = 0; i < widths.size(); ++i)
            widths[i] = std::max(widths[i], row[i].size());
    std::string text;
    for (const TextRow& row : rows) {
        for (std::size_t i = 0; i < widths.size(); ++i)
            text += i < left_columns ? fmt::format("| {:<{}} ", row[i], widths[i])
                                     : fmt::format("| {:>{}} ", row[i], widths[i]);
        text += "|\n";
        if (&row != &rows.front())
            continue;
        for (std::size_t i = 0; i < widths.size(); ++i)
            text += i < left_columns ? fmt::format("|:{:-<{}}", "", widths[i] + 1)
                                     : fmt::format("|{:-<{}}:", "", widths[i] + 1);
        text += "|\n";
    }
    return text;
}

template <class T>
MuseumJson value_or_null(const std::optional<T>& value) {
    return value ? MuseumJson(*value) : MuseumJson();
}

MuseumJson failure_json(const std::optional<HuntFailure>& failure) {
    if (!failure)
        return nullptr;
    return {{"check", failure->check}, {"message", failure->message}, {"seed", failure->seed}, {"run", failure->run}};
}

MuseumJson size_json(const ScheduleSize& size) { return {{"decisions", size.decisions}, {"jitter", size.jitter}}; }

MuseumJson strategy_json(const StrategySearches& strategy) {
    MuseumJson searches = MuseumJson::array();
    for (const MuseumSearch& search : strategy.searches)
        searches.push_back({{"runs", search.runs},
                            {"wall_seconds", search.seconds},
                            {"failure", failure_json(search.failure)},
                            {"fixed_runs", search.fixed_runs},
                            {"false_alarm", failure_json(search.false_alarm)}});
    return {{"strategy", strategy_name(strategy.strategy)},
            {"found", strategy.found()},
            {"runs", value_or_null(strategy.median_runs())},
            {"wall_seconds", value_or_null(strategy.median_seconds())},
            {"masters", std::move(searches)}};
}

}  // namespace

std::vector<NotShown> not_shown(std::span<const Exhibit> exhibits) {
    constexpr std::array<std::string_view, 2> kWithPage{"linux", "xen"};
    std::map<std::string_view, const sim::KernelDecl*> kernels;
    for (const Exhibit& exhibit : exhibits)
        kernels.emplace(exhibit.fixed.kernel->name, exhibit.fixed.kernel);
    std::vector<NotShown> all;
    for (const auto& [name, kernel] : kernels)
        if (std::vector<std::string> changes = changes_not_shown(*kernel, exhibits); !changes.empty())
            all.push_back({std::string(name), std::move(changes),
                           std::find(kWithPage.begin(), kWithPage.end(), name) == kWithPage.end()
                               ? std::string()
                               : fmt::format("docs/{}-coverage.md", name)});
    return all;
}

std::string museum_table(const Museum& museum, const MuseumOptions& options) {
    TextRow head{"without", "verdict", "found"};
    for (const HuntStrategy strategy : options.strategies) {
        head.push_back(fmt::format("{}, runs", strategy_name(strategy)));
        head.emplace_back("ms");
    }
    head.emplace_back("fixed, runs");
    if (options.shrink)
        head.insert(head.end(), {"decisions", "shrunk"});
    std::vector<TextRow> rows{head};
    for (const MuseumResult& entry : museum.entries) {
        TextRow row{entry.exhibit->entry.change, verdict_cell(entry),
                    fmt::format("{}/{}", entry.found(), options.masters * options.strategies.size())};
        for (const StrategySearches& strategy : entry.strategies) {
            const std::optional<std::uint64_t> runs = strategy.median_runs();
            row.push_back(runs ? std::to_string(*runs) : "-");
            row.push_back(milliseconds(strategy.median_seconds()));
        }
        row.push_back(fixed_cell(entry));
        if (options.shrink && entry.shrunk) {
            row.push_back(size_cell(entry.shrunk->before));
            row.push_back(size_cell(entry.shrunk->after) + (entry.shrunk->minimal ? "" : " at most"));
        } else if (options.shrink) {
            row.insert(row.end(), 2, "-");
        }
        rows.push_back(std::move(row));
    }
    constexpr std::size_t kLeftColumns = 2;
    return markdown(rows, kLeftColumns);
}

MuseumJson museum_json(const Museum& museum) {
    MuseumJson entries = MuseumJson::array();
    for (const MuseumResult& entry : museum.entries) {
        MuseumJson strategies = MuseumJson::array();
        for (const StrategySearches& strategy : entry.strategies)
            strategies.push_back(strategy_json(strategy));
        MuseumJson row{{"id", entry.exhibit->entry.change},  {"kernel", entry.exhibit->fixed.kernel->name},
                       {"file", entry.exhibit->file},        {"expect", entry.exhibit->entry.expect},
                       {"found", entry.found() != 0},        {"verdicts", verdicts(entry)},
                       {"runs", strategies.front()["runs"]}, {"fixed_runs", entry.fixed_runs()},
                       {"false_alarm", entry.false_alarm()}, {"strategies", std::move(strategies)}};
        if (entry.shrunk)
            row["schedule"] = {{"before", size_json(entry.shrunk->before)},
                               {"after", size_json(entry.shrunk->after)},
                               {"minimal", entry.shrunk->minimal}};
        entries.push_back(std::move(row));
    }
    return entries;
}

}  // namespace ticklab::lab
