#include "ticklab/lab/shrink/shrink.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <variant>

#include "ticklab/lab/shrink/minimise.hpp"
#include "ticklab/lab/values.hpp"

namespace ticklab::lab {
namespace {

using nlohmann::json;
using sim::Duration;

/// A run that takes so many times the steps of the first one goes nowhere.
constexpr std::uint64_t kStepsFactor = 4;
constexpr std::uint64_t kStepsSpare = 100'000;
constexpr int kMostDigits = 3;
/// A stall is tried at so many points of a run at most, the last ones.
constexpr std::size_t kMostPoints = 10'000;
constexpr std::array<std::int64_t, 4> kTradeDivisors{1000, 100, 10, 1};
constexpr Duration kNanosecond{1000};

/// Lists of a scenario in which each entry is worth trying to do without.
const std::array<json::json_pointer, 7>& lists_of_scenario() {
    static const std::array<json::json_pointer, 7> lists{
        json::json_pointer("/load"),          json::json_pointer("/faults"), json::json_pointer("/script"),
        json::json_pointer("/timers"),        json::json_pointer("/locks"),  json::json_pointer("/kernel/with"),
        json::json_pointer("/kernel/without")};
    return lists;
}

constexpr std::array<sim::CpuId, 17> kCpuCounts{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512};

std::int64_t unit_of_digits(Duration span, int digits) {
    std::int64_t unit = 1;
    const std::int64_t limit = span.count();
    for (std::int64_t rest = limit; rest > 0; rest /= 10)
        if (digits-- <= 0)
            unit *= 10;
    return unit;
}

class Shrinker {
public:
    Shrinker(CaseRunner& runner, const ShrinkCase& failing, const CaseRun& first, std::uint64_t budget,
             const ShrinkObserver& observer)
        : runner_(runner), budget_(budget), observer_(observer), check_(first.check) {
        result_.shrink_case = failing;
        result_.run = first;
        runner_.limit_steps(first.steps * kStepsFactor + kStepsSpare);
    }

    Shrunk go() {
        shrink_all();
        if (trade_for_one_stall())
            shrink_all();
        shrink_stalls();
        return std::move(result_);
    }

private:
    void shrink_all() {
        do {
            smaller_ = false;
            shorten();
            shrink_decisions();
            shrink_lists();
            shrink_machine();
            round_times();
        } while (smaller_ && result_.end == ShrinkEnd::kMinimal);
    }

    /// Jitter is spread over the whole run, and a tie cannot be scripted: one stall in their place says more. The
    /// points near the failure first, and short stalls first.
    bool trade_for_one_stall() {
        const ShrinkCase& c = result_.shrink_case;
        if (c.disturbance.jitter_per_1024 == 0 && c.decisions.ties.empty())
            return false;
        ShrinkCase candidate = c;
        candidate.disturbance.jitter_per_1024 = 0;
        candidate.disturbance.stall_places_one_in = 1;
        candidate.disturbance.max_stall = std::max(c.disturbance.max_stall, sim::MachineConfig{}.max_stall);
        const std::vector<StallDecision> points = runner_.points(c, kMostPoints);
        for (const std::int64_t divisor : kTradeDivisors)
            for (auto point = points.rbegin(); point != points.rend(); ++point) {
                candidate.decisions = {};
                candidate.decisions.stalls.push_back(
                    {point->key, point->nth, sim::MachineConfig{}.max_stall / divisor});
                candidate.ask_for_decisions();
                if (fails(candidate))
                    return true;
            }
        return false;
    }

    /// Runs it; if it fails as the first one did, it is the case from now on.
    bool fails(const ShrinkCase& candidate) {
        if (result_.end != ShrinkEnd::kMinimal)
            return false;
        if (observer_.interrupted())
            result_.end = ShrinkEnd::kInterrupted;
        else if (result_.runs == budget_)
            result_.end = ShrinkEnd::kBudget;
        if (result_.end != ShrinkEnd::kMinimal)
            return false;
        ++result_.runs;
        std::optional<CaseRun> run = runner_.run(candidate);
        const bool as_before = run && run->check == check_;
        if (as_before) {
            result_.shrink_case = candidate;
            result_.run = *std::move(run);
            smaller_ = true;
        }
        observer_.progress(result_);
        return as_before;
    }

    /// The case with the value at `place` changed; nothing new if it is the same.
    bool fails_with(const json::json_pointer& place, json value) {
        ShrinkCase candidate = result_.shrink_case;
        if (candidate.scenario.contains(place) && candidate.scenario[place] == value)
            return false;
        candidate.scenario[place] = std::move(value);
        return fails(candidate);
    }

    /// Nothing that comes after the failure is needed.
    void shorten() {
        static const json::json_pointer length_at("/duration");
        const Duration now =
            parse_duration(result_.shrink_case.scenario[length_at].get_ref<const std::string&>()).value.value();
        const Duration needed = result_.run.at - sim::kBoot;
        for (int digits = 1; digits <= kMostDigits; ++digits)
            if (const Duration shorter = rounded_up(needed, digits);
                shorter < now && shorter > Duration::zero() && fails_with(length_at, duration_text(shorter)))
                return;
    }

    void shrink_decisions() {
        ShrinkCase& c = result_.shrink_case;
        // What the run does not come to takes no part in it.
        c.decisions = result_.run.reached;
        while (c.disturbance.jitter_per_1024 != 0) {
            ShrinkCase calmer = c;
            calmer.disturbance.jitter_per_1024 = 0;
            if (fails(calmer))
                break;
            calmer.disturbance.jitter_per_1024 = c.disturbance.jitter_per_1024 / 2;
            if (calmer.disturbance.jitter_per_1024 == 0 || !fails(calmer))
                break;
        }
        using Entry = std::variant<StallDecision, TieDecision>;
        std::vector<Entry> entries(c.decisions.stalls.begin(), c.decisions.stalls.end());
        entries.insert(entries.end(), c.decisions.ties.begin(), c.decisions.ties.end());
        minimise(entries, [&](const std::vector<Entry>& rest) {
            ShrinkCase candidate = result_.shrink_case;
            candidate.decisions = {};
            for (const Entry& entry : rest)
                if (const auto* stall = std::get_if<StallDecision>(&entry))
                    candidate.decisions.stalls.push_back(*stall);
                else
                    candidate.decisions.ties.push_back(std::get<TieDecision>(entry));
            candidate.ask_for_decisions();
            return fails(candidate);
        });
    }

    void shrink_lists() {
        for (const json::json_pointer& place : lists_of_scenario()) {
            if (!result_.shrink_case.scenario.contains(place))
                continue;
            auto items = result_.shrink_case.scenario[place].get<std::vector<json>>();
            minimise(items, [&](const std::vector<json>& rest) { return fails_with(place, rest); });
        }
        const std::size_t timers =
            result_.shrink_case.scenario.contains("timers") ? result_.shrink_case.scenario["timers"].size() : 0;
        for (std::size_t i = 0; i < timers; ++i)
            if (result_.shrink_case.scenario["timers"][i].contains("callback")) {
                ShrinkCase candidate = result_.shrink_case;
                candidate.scenario["timers"][i].erase("callback");
                fails(candidate);
            }
    }

    void shrink_machine() {
        static const json::json_pointer cpus_at("/machine/cpus"), nodes_at("/machine/nodes"),
            online_at("/machine/online");
        const auto fails_with_cpus = [&](sim::CpuId cpus) {
            ShrinkCase candidate = result_.shrink_case;
            candidate.scenario[cpus_at] = cpus;
            if (candidate.scenario.contains(online_at) && candidate.scenario[online_at] > cpus)
                candidate.scenario[online_at] = cpus;
            return fails(candidate);
        };
        if (result_.run.node_count > 1)
            fails_with(nodes_at, 1);
        for (const sim::CpuId cpus : kCpuCounts) {
            if (cpus >= result_.run.cpu_count)
                break;
            if (fails_with_cpus(cpus))
                break;
        }
    }

    void round_times() {
        for (const char* part : {"/script", "/faults", "/load", "/timers"})
            if (const json::json_pointer place(part); result_.shrink_case.scenario.contains(place))
                round_times(place);
    }

    void round_times(const json::json_pointer& place) {
        const json value = result_.shrink_case.scenario[place];
        if (value.is_string())
            round_time(place, value.get_ref<const std::string&>());
        else if (value.is_array())
            for (std::size_t i = 0; i < value.size(); ++i)
                round_times(place / i);
        else if (value.is_object())
            for (const auto& member : value.items())
                round_times(place / member.key());
    }

    void round_time(const json::json_pointer& place, const std::string& text) {
        const Parsed<TimeText> time = parse_time(text);
        if (!time.value)
            return;
        const std::string sign = time.value->relative ? "+" : "";
        for (int digits = 1; digits <= kMostDigits; ++digits)
            for (const auto rounded : {&rounded_down, &rounded_up})
                if (const std::string shorter = sign + duration_text(rounded(time.value->span, digits));
                    shorter.size() < text.size() && fails_with(place, shorter))
                    return;
    }

    /// Cuts each stall to the least that still fails; with one ns less it does not.
    void shrink_stalls() {
        for (std::size_t i = 0; i < result_.shrink_case.decisions.stalls.size(); ++i) {
            const auto fails_with_length = [&](std::int64_t ns) {
                ShrinkCase candidate = result_.shrink_case;
                candidate.decisions.stalls[i].length = ns * kNanosecond;
                return fails(candidate);
            };
            const Duration length = result_.shrink_case.decisions.stalls[i].length;
            std::int64_t least = (length + kNanosecond - Duration{1}) / kNanosecond;
            if (length % kNanosecond != Duration::zero() && !fails_with_length(least))
                return;
            for (std::int64_t none = 0; least - none > 1;) {
                const std::int64_t middle = none + (least - none) / 2;
                (fails_with_length(middle) ? least : none) = middle;
            }
        }
        result_.least_stalls = result_.end == ShrinkEnd::kMinimal;
    }

    CaseRunner& runner_;
    std::uint64_t budget_;
    const ShrinkObserver& observer_;
    std::string check_;
    Shrunk result_;
    bool smaller_ = false;
};

}  // namespace

Duration rounded_down(Duration span, int digits) {
    const std::int64_t unit = unit_of_digits(span, digits);
    return Duration{span.count() / unit * unit};
}

Duration rounded_up(Duration span, int digits) {
    const std::int64_t unit = unit_of_digits(span, digits);
    const std::int64_t down = span.count() / unit * unit;
    return Duration{down == span.count() || down > std::numeric_limits<std::int64_t>::max() - unit ? down
                                                                                                   : down + unit};
}

Shrunk shrink(CaseRunner& runner, const ShrinkCase& failing, const CaseRun& first, std::uint64_t budget,
              const ShrinkObserver& observer) {
    return Shrinker(runner, failing, first, budget, observer).go();
}

}  // namespace ticklab::lab
