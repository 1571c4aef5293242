#include "ticklab/lab/hunt/swarm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "ticklab/lab/json_source.hpp"
#include "ticklab/lab/report.hpp"
#include "ticklab/lab/values.hpp"
#include "ticklab/sim/choices.hpp"

namespace ticklab::lab {
namespace {

using nlohmann::json;
using sim::Duration;

constexpr sim::Site kSwarmValue{"hunt.swarm_value", "which value a place of the scenario has"};
constexpr sim::Site kSwarmOmission{"hunt.swarm_omission", "whether a place of the scenario is left out"};

constexpr std::uint64_t kGrainsInRange = 1000;

std::string time_as_set(const SwarmTimes& times, std::uint64_t grains) {
    const std::int64_t span = (times.to - times.from).count();
    const Duration grain = swarm_grain(times.from, times.to);
    // The last grain may be cut short.
    const bool last = grains >= static_cast<std::uint64_t>(span / grain.count()) + 1;
    const Duration at = last ? times.to : times.from + static_cast<std::int64_t>(grains) * grain;
    return (times.relative ? "+" : "") + duration_text(at);
}

/// What a kind of range has: how many answers there are, each as --set takes it, and the range in words.
struct CountAnswers {
    std::uint64_t operator()(const SwarmIntegers& range) const {
        return static_cast<std::uint64_t>(range.to) - static_cast<std::uint64_t>(range.from) + 1;
    }
    std::uint64_t operator()(const SwarmTimes& range) const {
        const auto span = static_cast<std::uint64_t>((range.to - range.from).count());
        const auto grain = static_cast<std::uint64_t>(swarm_grain(range.from, range.to).count());
        return (span + grain - 1) / grain + 1;
    }
    std::uint64_t operator()(const SwarmValues& values) const { return values.size(); }
    std::uint64_t operator()(SwarmOmission) const { return 2; }
};

struct AnswerAsSet {
    std::uint64_t answer;

    std::string operator()(const SwarmIntegers& range) const {
        return std::to_string(static_cast<std::int64_t>(static_cast<std::uint64_t>(range.from) + answer));
    }
    std::string operator()(const SwarmTimes& range) const { return time_as_set(range, answer); }
    std::string operator()(const SwarmValues& values) const { return values[answer]; }
    std::string operator()(SwarmOmission) const { return "null"; }
};

struct RangeInWords {
    std::string operator()(const SwarmIntegers& range) const { return fmt::format("{} to {}", range.from, range.to); }
    std::string operator()(const SwarmTimes& range) const {
        return fmt::format("{} to {}", time_as_set(range, 0), time_as_set(range, UINT64_MAX));
    }
    std::string operator()(const SwarmValues& values) const { return fmt::format("of {} values", values.size()); }
    std::string operator()(SwarmOmission) const { return {}; }
};

bool leaves_out(const SwarmEntry& entry) { return std::holds_alternative<SwarmOmission>(entry.range); }

std::string as_set(const SwarmEntry& entry, std::uint64_t answer) {
    return entry.place + "=" + std::visit(AnswerAsSet{answer}, entry.range);
}

/// What --set reads as this value.
std::string value_as_set(const json& value) {
    const bool text = value.is_string() && !looks_like_json(value.get_ref<const std::string&>());
    return text ? value.get<std::string>() : value.dump();
}

/// The first few, and how many more there are.
std::string few_of(const std::vector<std::string>& words) {
    constexpr std::size_t kFew = 4;
    const std::size_t told = words.size() <= kFew + 1 ? words.size() : kFew;
    std::string text;
    for (std::size_t i = 0; i < told; ++i)
        text += (i == 0 ? "" : ", ") + words[i];
    return told == words.size() ? text : text + fmt::format(" and {} more", words.size() - told);
}

/// Reads one "swarm".
class SwarmReader {
public:
    SwarmReader(const JsonSource& file, const JsonSource& source, std::vector<InputError>& errors)
        : file_(file), source_(source), errors_(errors) {}

    std::vector<SwarmEntry> read() {
        std::vector<SwarmEntry> entries;
        const json* const list = source_.value_at("/swarm");
        for (std::size_t i = 0; list != nullptr && i < list->size(); ++i)
            if (std::optional<SwarmEntry> entry = read_entry((*list)[i], pointer_to("/swarm", i)))
                entries.push_back(*std::move(entry));
        return entries;
    }

private:
    std::optional<SwarmEntry> read_entry(const json& given, const std::string& pointer) {
        const char* const verb = given.contains("omit") ? "omit" : "set";
        SwarmEntry entry{given[verb], SwarmOmission{}};
        const std::string at = pointer_to(pointer, verb);
        if (!check_place(entry.place, at))
            return std::nullopt;
        if (!seen_.insert({verb, entry.place}).second) {
            refuse(at, in_quotes(entry.place) + " again", "each place once");
            return std::nullopt;
        }
        if (given.contains("one_of")) {
            SwarmValues values;
            for (const json& value : given["one_of"])
                values.push_back(value_as_set(value));
            entry.range = std::move(values);
        } else if (given.contains("from")) {
            const json &from = given["from"], &to = given["to"];
            const bool fine = from.is_number() ? read_integers(from, to, pointer, entry.range)
                                               : read_times(from, to, pointer, entry.range);
            if (!fine)
                return std::nullopt;
        }
        return entry;
    }

    bool check_place(const std::string& place, const std::string& at) {
        if (!place.starts_with('/')) {
            refuse(at, in_quotes(place), R"(a JSON pointer such as "/machine/cpus")");
            return false;
        }
        std::string reached;
        for (const std::string& token : tokens_of(place)) {
            const std::string next = pointer_to(reached, token);
            if (file_.value_at(next) == nullptr) {
                refuse_place(place, reached, token, at);
                return false;
            }
            reached = next;
        }
        return true;
    }

    void refuse_place(const std::string& place, const std::string& reached, const std::string& token,
                      const std::string& at) {
        const json& around = *file_.value_at(reached);
        std::vector<std::string_view> known;
        if (around.is_object())
            for (const auto& member : around.items())
                known.push_back(member.key());
        const std::string where = reached.empty() ? "the scenario" : reached;
        refuse(at, in_quotes(place),
               around.is_array()    ? fmt::format("a place of the file: {} has {} elements", where, around.size())
               : around.is_object() ? fmt::format("a place of the file: {} has no {}", where, in_quotes(token))
                                    : fmt::format("a place of the file: {} is {}", where, shown(around)),
               nearest_word(token, known));
    }

    template <class Range>
    bool read_integers(const json& from, const json& to, const std::string& pointer, Range& range) {
        if (!to.is_number()) {
            refuse(pointer + "/to", shown(to), "an integer, as \"from\" is");
            return false;
        }
        const SwarmIntegers read{from.get<std::int64_t>(), to.get<std::int64_t>()};
        range = read;
        return in_order(read.from <= read.to, from, to, pointer);
    }

    template <class Range>
    bool read_times(const json& from, const json& to, const std::string& pointer, Range& range) {
        const std::optional<TimeText> first = time(from, pointer + "/from");
        if (!first)
            return false;
        if (!to.is_string()) {
            refuse(pointer + "/to", shown(to), "a time, as \"from\" is");
            return false;
        }
        const std::optional<TimeText> last = time(to, pointer + "/to");
        if (!last)
            return false;
        if (first->relative != last->relative) {
            refuse(pointer + "/to", shown(to), "\"+\" before both times or before none");
            return false;
        }
        range = SwarmTimes{first->span, last->span, first->relative};
        return in_order(first->span <= last->span, from, to, pointer);
    }

    std::optional<TimeText> time(const json& given, const std::string& pointer) {
        const Parsed<TimeText> parsed = parse_time(given.get_ref<const std::string&>());
        if (!parsed.value)
            refuse(pointer, shown(given), parsed.expected);
        return parsed.value;
    }

    bool in_order(bool ordered, const json& from, const json& to, const std::string& pointer) {
        if (!ordered)
            refuse(pointer + "/to", shown(to), fmt::format("no less than {} (\"from\")", shown(from)));
        return ordered;
    }

    void refuse(const std::string& pointer, std::string_view found, std::string_view expected,
                std::string_view nearest = {}) {
        if (errors_.size() < kMaxInputErrors)
            errors_.push_back(source_.error_at(pointer, found_expected(found, expected, nearest)));
    }

    const JsonSource& file_;    ///< as it stands
    const JsonSource& source_;  ///< as the user's --set make it
    std::vector<InputError>& errors_;
    std::set<std::pair<std::string, std::string>> seen_;
};

/// Whether the user has set the place, or what is around it.
bool is_fixed(const SwarmEntry& entry, const std::vector<std::string>& overrides) {
    return std::any_of(overrides.begin(), overrides.end(), [&](const std::string& set) {
        return lies_at(entry.place, pointer_of_path(set.substr(0, set.find('='))));
    });
}

/// Of the answers of an entry, those with which the scenario must load, each with the member that says so.
std::vector<std::pair<std::string, std::uint64_t>> ends_of(const SwarmEntry& entry) {
    if (leaves_out(entry))
        return {{"omit", 1}};
    if (const auto* const values = std::get_if<SwarmValues>(&entry.range)) {
        std::vector<std::pair<std::string, std::uint64_t>> ends;
        for (std::size_t i = 0; i < values->size(); ++i)
            ends.emplace_back(fmt::format("one_of/{}", i), i);
        return ends;
    }
    return {{"from", 0}, {"to", std::visit(CountAnswers{}, entry.range) - 1}};
}

}  // namespace

Duration swarm_grain(Duration from, Duration to) {
    const std::uint64_t span = static_cast<std::uint64_t>((to - from).count());
    std::uint64_t grain = 1;
    while (span / kGrainsInRange / 10 >= grain)
        grain *= 10;
    return Duration{static_cast<std::int64_t>(grain)};
}

std::optional<Swarm> Swarm::read(const ScenarioLoader& loader, const Scenario& scenario,
                                 const std::vector<std::string>& overrides, std::vector<InputError>& errors) {
    Swarm swarm(loader, scenario, overrides);
    std::vector<InputError> found;
    const std::optional<JsonSource> file = JsonSource::parse(swarm.file_, swarm.text_, errors);
    std::optional<JsonSource> source = file;
    if (!source || !source->override_values(overrides, errors))
        return std::nullopt;
    const std::vector<SwarmEntry> entries = SwarmReader(*file, *source, found).read();
    for (std::size_t i = 0; i < entries.size() && found.empty(); ++i) {
        if (is_fixed(entries[i], overrides))
            continue;
        for (const auto& [member, answer] : ends_of(entries[i])) {
            std::vector<InputError> why;
            const std::string set = as_set(entries[i], answer);
            if (!loader.load_text(swarm.file_, swarm.text_, swarm.overrides({set}), why))
                found.push_back(source->error_at(
                    pointer_to("/swarm", i) + "/" + member,
                    found_expected(
                        fmt::format("{}, with which the scenario does not load ({})", set, to_text(why.front())),
                        "what it loads with")));
        }
        swarm.entries_.push_back(entries[i]);
    }
    if (found.empty())
        return swarm;
    errors.insert(errors.end(), found.begin(), found.end());
    return std::nullopt;
}

std::vector<std::string> Swarm::draw(std::uint64_t seed) const {
    sim::Choices choices(seed);
    const auto answer_of = [&](const SwarmEntry& entry) {
        sim::ChoiceContext context(sim::name_hash("swarm " + entry.place));
        return choices.draw(leaves_out(entry) ? kSwarmOmission : kSwarmValue, context,
                            std::visit(CountAnswers{}, entry.range));
    };
    std::vector<const SwarmEntry*> left_out;
    for (const SwarmEntry& entry : entries_)
        if (leaves_out(entry) && answer_of(entry) != 0)
            left_out.push_back(&entry);
    std::vector<std::string> drawn;
    for (const SwarmEntry& entry : entries_) {
        const bool out = std::find(left_out.begin(), left_out.end(), &entry) != left_out.end();
        const bool within = std::any_of(left_out.begin(), left_out.end(), [&](const SwarmEntry* other) {
            return other != &entry && lies_at(entry.place, other->place);
        });
        if (!within && (out || !leaves_out(entry)))
            drawn.push_back(as_set(entry, answer_of(entry)));
    }
    return drawn;
}

std::vector<std::string> Swarm::overrides(const std::vector<std::string>& drawn) const {
    std::vector<std::string> all = drawn;
    all.insert(all.end(), overrides_.begin(), overrides_.end());
    return all;
}

Scenario Swarm::load(std::uint64_t seed, const std::vector<std::string>& drawn) const {
    std::vector<InputError> errors;
    std::optional<Scenario> scenario = loader_->load_text(file_, text_, overrides(drawn), errors);
    if (!scenario)
        throw std::invalid_argument(problem(seed, drawn, "does not load: " + to_text(errors.front())));
    return *std::move(scenario);
}

std::string Swarm::problem(std::uint64_t seed, const std::vector<std::string>& drawn, const std::string& what) {
    std::string text = fmt::format("seed {} with", seed);
    for (const std::string& set : drawn)
        text += " --set " + shell_quoted(set);
    return fmt::format("{}{}: {}", text, drawn.empty() ? " nothing drawn" : "", what);
}

std::string Swarm::text() const {
    std::vector<std::string> set, omitted;
    for (const SwarmEntry& entry : entries_) {
        if (leaves_out(entry))
            omitted.push_back(entry.place);
        else
            set.push_back(entry.place + " " + std::visit(RangeInWords{}, entry.range));
    }
    std::string text = few_of(set);
    if (!omitted.empty())
        text += (text.empty() ? "with or without " : "; with or without ") + few_of(omitted);
    return text;
}

}  // namespace ticklab::lab
