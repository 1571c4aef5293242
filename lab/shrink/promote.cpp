#include "ticklab/lab/shrink/promote.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "ticklab/lab/obligations.hpp"
#include "ticklab/lab/values.hpp"

namespace ticklab::lab {
namespace {

using nlohmann::json;
using Ordered = nlohmann::ordered_json;
using sim::Duration;

/// A hold is not tried any longer than this.
constexpr Duration kLongestHold = std::chrono::milliseconds{10};
/// Ways to say the delays that are tried at most.
constexpr std::uint64_t kMostWays = 64;
constexpr Duration kOneNanosecond{1000};
/// A hold a little away from the delay may have to be longer.
constexpr std::array<std::int64_t, 3> kStretches{1, 2, 10};

/// Members that come first where they are, in this order; the others follow by name.
constexpr std::array<std::string_view, 22> kReadingOrder{
    "name",   "about", "machine", "kernel", "duration", "max_steps", "timers", "locks", "script", "load",  "faults",
    "expect", "type",  "version", "at",     "when",     "on",        "do",     "site",  "cpu",    "timer", "for"};

Ordered in_reading_order(const json& value) {
    if (value.is_array()) {
        Ordered list = Ordered::array();
        for (const json& item : value)
            list.push_back(in_reading_order(item));
        return list;
    }
    if (!value.is_object())
        return Ordered::parse(value.dump());
    Ordered object = Ordered::object();
    for (const std::string_view name : kReadingOrder)
        if (const auto member = value.find(name); member != value.end())
            object[std::string(name)] = in_reading_order(*member);
    for (const auto& member : value.items())
        if (!object.contains(member.key()))
            object[member.key()] = in_reading_order(member.value());
    return object;
}

/// One way to say a delay: the step without its length.
struct ScriptedWay {
    std::string part;  ///< list of the scenario that the step goes to
    json step;
    std::string place;
};

ScriptedWay hold_at(const Delay& delay, const SiteVisit& visit) {
    return {"script",
            {{"when", {{"site", visit.site->name()}, {"cpu", delay.cpu}, {"nth", visit.nth}}}, {"do", "cpu.hold"}},
            fmt::format("CPU {} held at {}", delay.cpu, place_text(visit))};
}

std::vector<ScriptedWay> ways_of(const Delay& delay) {
    std::vector<ScriptedWay> ways;
    // A stall on the way into a site is a hold there. The kernel's own sites say more than those of any lock.
    const SiteVisit into = delay.after.at == delay.at + delay.length ? delay.after : SiteVisit{};
    std::vector<SiteVisit> visits;
    if (!delay.kernel_after.empty() && into.site == delay.kernel_after.front().site)
        visits.push_back(into);
    visits.push_back(delay.kernel_before);
    // What the stall was too early for, a hold further on may do as well.
    visits.insert(visits.end(), delay.kernel_after.begin(), delay.kernel_after.end());
    visits.insert(visits.end(), {into, delay.before, delay.after});
    for (const SiteVisit& visit : visits) {
        if (visit.site == nullptr)
            continue;
        ScriptedWay way = hold_at(delay, visit);
        if (std::none_of(ways.begin(), ways.end(), [&](const ScriptedWay& w) { return w.place == way.place; }))
            ways.push_back(std::move(way));
    }
    ways.push_back({"faults",
                    {{"at", duration_text(delay.at - sim::kBoot)}, {"do", "stall"}, {"cpu", delay.cpu}},
                    fmt::format("CPU {} stalled at {}", delay.cpu, show(delay.at))});
    return ways;
}

class Promoter {
public:
    Promoter(const CaseRunner& runner, const Shrunk& shrunk, const std::vector<Delay>& delays)
        : runner_(runner), shrunk_(shrunk), delays_(delays) {
        base_ = shrunk.shrink_case.scenario;
        for (const char* option : {"stall_one_in", "stall_places_one_in", "break_ties", "jitter_per_1024"})
            if (base_.contains("machine"))
                base_["machine"].erase(option);
        // A hunt's bound on its own stalls is none on those of a script.
        if (const json::json_pointer bound("/machine/max_stall"); base_.contains(bound)) {
            const Parsed<Duration> most = parse_duration(base_[bound].get_ref<const std::string&>());
            if (most.value && *most.value <= sim::MachineConfig{}.max_stall)
                base_["machine"].erase("max_stall");
        }
        if (shrunk.shrink_case.disturbance.jitter_per_1024 != 0)
            base_["machine"]["jitter_per_1024"] = shrunk.shrink_case.disturbance.jitter_per_1024;
        // Lists that hold nothing say nothing.
        for (const char* part : {"timers", "locks", "script", "load", "faults"})
            if (base_.contains(part) && base_[part].empty())
                base_.erase(part);
        for (const Delay& delay : delays) {
            ways_.push_back(ways_of(delay));
            lengths_.push_back(delay.length);
        }
        chosen_.assign(delays.size(), 0);
    }

    std::optional<Promotion> go() {
        if (!find_ways())
            return std::nullopt;
        Promotion promotion;
        for (std::size_t i = 0; i < delays_.size(); ++i) {
            ScriptedDelay delay;
            delay.least = least_of(i);
            delay.most = most_of(i, delay.least);
            delay.written = round_length(i, delay);
            const ScriptedWay& way = ways_[i][chosen_[i]];
            delay.place = way.place;
            promotion.delays.push_back(std::move(delay));
        }
        json scenario = document();
        scenario["expect"] = json::array({json{{"verdict", shrunk_.run.check}}});
        scenario["name"] = fmt::format("shrunk: {}", base_.value("name", std::string()));
        if (scenario["name"].get_ref<const std::string&>().size() > kLongestName)
            scenario["name"] = fmt::format("shrunk: {}", shrunk_.run.check);
        scenario["about"] = about(promotion);
        promotion.scenario = in_reading_order(scenario);
        promotion.seed = seed_;
        promotion.runs = runs_;
        return promotion;
    }

private:
    static constexpr std::size_t kLongestName = 200;

    json document() const {
        json scenario = base_;
        for (std::size_t i = 0; i < delays_.size(); ++i) {
            const ScriptedWay& way = ways_[i][chosen_[i]];
            json step = way.step;
            step["for"] = duration_text(lengths_[i]);
            scenario[way.part].push_back(std::move(step));
        }
        return scenario;
    }

    bool fails() {
        ++runs_;
        const std::optional<CaseRun> run = runner_.run_plain(document(), seed_);
        return run && run->check == shrunk_.run.check;
    }

    bool fails_with(std::size_t i, Duration length) {
        const Duration before = lengths_[i];
        lengths_[i] = length;
        if (fails())
            return true;
        lengths_[i] = before;
        return false;
    }

    /// Like an odometer: the preferred ways first.
    bool next_way() {
        for (std::size_t i = 0; i < chosen_.size(); ++i) {
            if (++chosen_[i] < ways_[i].size())
                return true;
            chosen_[i] = 0;
        }
        return false;
    }

    bool find_ways() {
        std::vector<std::uint64_t> seeds{1};
        if (runner_.seed() != 1)
            seeds.push_back(runner_.seed());
        for (const std::uint64_t seed : seeds) {
            seed_ = seed;
            chosen_.assign(delays_.size(), 0);
            std::uint64_t tried = 0;
            do {
                for (const std::int64_t stretch : kStretches) {
                    for (std::size_t i = 0; i < delays_.size(); ++i)
                        lengths_[i] = delays_[i].length * stretch;
                    if (fails())
                        return true;
                    if (delays_.empty())
                        break;
                }
            } while (++tried < kMostWays && next_way());
        }
        return false;
    }

    Duration least_of(std::size_t i) {
        std::int64_t least = (lengths_[i] + kOneNanosecond - Duration{1}) / kOneNanosecond;
        if (!fails_with(i, least * kOneNanosecond))
            return lengths_[i];
        for (std::int64_t none = 0; least - none > 1;) {
            const std::int64_t middle = none + (least - none) / 2;
            (fails_with(i, middle * kOneNanosecond) ? least : none) = middle;
        }
        return least * kOneNanosecond;
    }

    std::optional<Duration> most_of(std::size_t i, Duration least) {
        std::int64_t most = least / kOneNanosecond;
        std::int64_t too_much = most;
        do {
            most = too_much;
            too_much *= 2;
            if (too_much * kOneNanosecond > kLongestHold)
                return std::nullopt;
        } while (fails_with(i, too_much * kOneNanosecond));
        while (too_much - most > 1) {
            const std::int64_t middle = most + (too_much - most) / 2;
            (fails_with(i, middle * kOneNanosecond) ? most : too_much) = middle;
        }
        return most * kOneNanosecond;
    }

    /// Away from both ends: the next change of a price must not heal it.
    Duration round_length(std::size_t i, const ScriptedDelay& delay) {
        const Duration middle = delay.most ? (delay.least + *delay.most) / 2 : 2 * delay.least;
        for (const int digits : {1, 2, 3})
            if (const Duration round = rounded_down(middle, digits); round >= delay.least && fails_with(i, round))
                return round;
        lengths_[i] = delay.least;
        return delay.least;
    }

    std::string about(const Promotion& promotion) const {
        std::string text = fmt::format("Shrunk from a failing run: {}", shrunk_.run.message);
        if (!text.ends_with('.'))
            text += '.';
        for (const ScriptedDelay& delay : promotion.delays)
            text += fmt::format(" {}: fails {}.", delay.place, span_text(delay));
        if (seed_ != 1)
            text += fmt::format(" Needs seed {}.", seed_);
        return text;
    }

    const CaseRunner& runner_;
    const Shrunk& shrunk_;
    const std::vector<Delay>& delays_;
    json base_;
    std::vector<std::vector<ScriptedWay>> ways_;
    std::vector<std::size_t> chosen_;
    std::vector<Duration> lengths_;
    std::uint64_t seed_ = 1;
    std::uint64_t runs_ = 0;
};

std::string_view ordinal_ending(std::uint64_t n) {
    const bool teen = n % 100 / 10 == 1;
    return !teen && n % 10 == 1 ? "st" : !teen && n % 10 == 2 ? "nd" : !teen && n % 10 == 3 ? "rd" : "th";
}

/// On one line, with room between the parts.
std::string spaced_line(const Ordered& value) {
    if (!value.is_structured() || value.empty())
        return value.dump();
    std::vector<std::string> parts;
    for (const auto& member : value.items())
        parts.push_back(value.is_object()
                            ? fmt::format("{}: {}", Ordered(member.key()).dump(), spaced_line(member.value()))
                            : spaced_line(member.value()));
    return value.is_object() ? fmt::format("{{ {} }}", fmt::join(parts, ", "))
                             : fmt::format("[{}]", fmt::join(parts, ", "));
}

}  // namespace

std::string span_text(const ScriptedDelay& delay) {
    return delay.most ? fmt::format("for {} to {}", duration_text(delay.least), duration_text(*delay.most))
                      : fmt::format("from {} on", duration_text(delay.least));
}

std::string scenario_text(const Ordered& scenario) {
    std::vector<std::string> members;
    for (const auto& member : scenario.items()) {
        const Ordered& value = member.value();
        std::string text = spaced_line(value);
        if (value.is_array() && !value.empty() && value.front().is_structured()) {
            std::vector<std::string> items;
            for (const Ordered& item : value)
                items.push_back("    " + spaced_line(item));
            text = fmt::format("[\n{}\n  ]", fmt::join(items, ",\n"));
        }
        members.push_back(fmt::format("  {}: {}", Ordered(member.key()).dump(), text));
    }
    return fmt::format("{{\n{}\n}}\n", fmt::join(members, ",\n"));
}

std::string place_text(const SiteVisit& visit) {
    return visit.site ? fmt::format("{} ({}{} time)", visit.site->name(), visit.nth, ordinal_ending(visit.nth))
                      : std::string("no site");
}

std::optional<Promotion> promote(const CaseRunner& runner, const Shrunk& shrunk, const std::vector<Delay>& delays) {
    return Promoter(runner, shrunk, delays).go();
}

}  // namespace ticklab::lab
