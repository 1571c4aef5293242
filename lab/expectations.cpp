#include "ticklab/lab/expectations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "ticklab/lab/experiment.hpp"

namespace ticklab::lab {
namespace {

using Outcome = ExpectationOutcome;

/// Collects results; what a run that stopped early cannot tell is "not reached".
class Collector {
public:
    Collector(std::vector<ExpectationResult>& results, bool complete) : results_(results), complete_(complete) {}

    void add(std::string what, std::string found, bool met, const SourcePlace& place, bool final_already = false) {
        const Outcome outcome = !complete_ && !final_already ? Outcome::kNotReached
                                : met                        ? Outcome::kMet
                                                             : Outcome::kFailed;
        results_.push_back({std::move(what), std::move(found), outcome, place});
    }

private:
    std::vector<ExpectationResult>& results_;
    bool complete_;
};

template <class T>
std::string range_text(const std::optional<T>& min, const std::optional<T>& max,
                       const std::function<std::string(const T&)>& show_one) {
    if (min && max)
        return *min == *max ? show_one(*min) : fmt::format("{} to {}", show_one(*min), show_one(*max));
    return min ? "at least " + show_one(*min) : "at most " + show_one(*max);
}

template <class T>
bool within(const T& value, const std::optional<T>& min, const std::optional<T>& max) {
    return (!min || value >= *min) && (!max || value <= *max);
}

void judge_timer(const Scenario& scenario, const TimerExpectation& e, const RunFacts& facts, Collector& collect) {
    const std::string name = "timer " + scenario.timers[e.timer].name;
    if (!facts.observed) {
        collect.add(name, "timers were not observed", true, e.place);
        return;
    }
    const TimerFigures& f = facts.timers[e.timer];
    const std::string never = "it never fired";
    if (e.fires_on)
        collect.add(fmt::format("{} fires on CPU {}", name, *e.fires_on),
                    f.fired ? fmt::format("it last fired on CPU {}", f.last_cpu) : never,
                    f.fired && f.last_cpu == *e.fires_on, e.place);
    if (e.fires) {
        const auto plain = [](const std::uint64_t& n) { return fmt::format("{}", n); };
        collect.add(
            fmt::format("{} fires {} times", name, range_text<std::uint64_t>(e.fires->min, e.fires->max, plain)),
            fmt::format("it fired {} times", f.fired), within(f.fired, e.fires->min, e.fires->max), e.place);
    }
    if (e.late) {
        const auto text = [](const sim::Duration& d) { return show(d); };
        const bool met =
            f.fired && (!e.late->min || f.late_min >= *e.late->min) && (!e.late->max || f.late_max <= *e.late->max);
        collect.add(fmt::format("{} is late by {}", name, range_text<sim::Duration>(e.late->min, e.late->max, text)),
                    f.fired ? fmt::format("it was late by {} to {}", show(f.late_min), show(f.late_max)) : never, met,
                    e.place);
    }
    if (e.fires_at_min || e.fires_at_max) {
        const auto text = [](const sim::Time& t) { return show(t); };
        collect.add(
            fmt::format("{} first fires at {}", name, range_text<sim::Time>(e.fires_at_min, e.fires_at_max, text)),
            f.fired ? fmt::format("it first fired at {}", show(f.first_fired)) : never,
            f.fired && within(f.first_fired, e.fires_at_min, e.fires_at_max), e.place);
    }
}

void judge_state(const StateExpectation& e, std::size_t index, const RunFacts& facts, Collector& collect) {
    const std::optional<std::int64_t> min = e.is ? e.is : e.min;
    const std::optional<std::int64_t> max = e.is ? e.is : e.max;
    const auto plain = [](const std::int64_t& n) { return fmt::format("{}", n); };
    const std::string what = fmt::format("{} is {} at {}", e.path, range_text<std::int64_t>(min, max, plain),
                                         e.at == sim::kNever ? std::string("the end") : show(e.at));
    const auto reading = std::find_if(facts.states.begin(), facts.states.end(),
                                      [&](const StateReading& r) { return r.expectation == index; });
    if (reading == facts.states.end())
        collect.add(what, "the run ended before", false, e.place);
    else if (!reading->value)
        collect.add(what, "there is nothing of that name", false, e.place, true);
    else
        collect.add(what, fmt::format("it was {}", *reading->value), within(*reading->value, min, max), e.place, true);
}

}  // namespace

bool verdict_expected(const Scenario& scenario, const sim::Verdict& verdict) {
    return std::any_of(scenario.expect.begin(), scenario.expect.end(), [&](const Expectation& e) {
        const auto* v = std::get_if<VerdictExpectation>(&e);
        return v && v->check == verdict.check->name;
    });
}

std::vector<ExpectationResult> judge_expectations(const Scenario& scenario, const RunFacts& facts) {
    std::vector<ExpectationResult> results;
    Collector collect(results, facts.complete);
    for (std::size_t i = 0; i < scenario.expect.size(); ++i) {
        if (const auto* timer = std::get_if<TimerExpectation>(&scenario.expect[i])) {
            judge_timer(scenario, *timer, facts, collect);
        } else if (const auto* state = std::get_if<StateExpectation>(&scenario.expect[i])) {
            judge_state(*state, i, facts, collect);
        } else {
            const auto& wanted = std::get<VerdictExpectation>(scenario.expect[i]);
            collect.add("the check " + wanted.check + " fails",
                        facts.verdict ? fmt::format("{} failed", facts.verdict->check->name) : "every check held",
                        facts.verdict && facts.verdict->check->name == wanted.check, wanted.place,
                        facts.verdict.has_value());
        }
    }
    return results;
}

}  // namespace ticklab::lab
