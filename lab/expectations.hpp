// What a scenario expects, against what happened.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ticklab/lab/scenario.hpp"
#include "ticklab/sim/verdict.hpp"

namespace ticklab::lab {

struct TimerFigures;

enum class ExpectationOutcome : std::uint8_t {
    kMet,
    kFailed,
    kNotReached,  ///< the run ended before it could be told
};

struct ExpectationResult {
    std::string what;   ///< "timer vcpu3.singleshot fires on CPU 0"
    std::string found;  ///< "it last fired on CPU 2"
    ExpectationOutcome outcome;
    SourcePlace place;
};

/// A state as it was read at the instant that an expectation names.
struct StateReading {
    std::size_t expectation;  ///< index in Scenario::expect
    std::optional<std::int64_t> value;
};

/// What a run left behind, for judging expectations.
struct RunFacts {
    std::span<const TimerFigures> timers;
    std::span<const StateReading> states;
    const std::optional<sim::Verdict>& verdict;
    bool complete;  ///< the run went on to the scenario's end
    bool observed;  ///< timers were watched
};

/// One result a bound that an expectation states, in the order of the scenario. A scenario that expects a verdict is
/// met if exactly that check failed; what else it expects then counts only as far as it was reached.
std::vector<ExpectationResult> judge_expectations(const Scenario& scenario, const RunFacts& facts);

/// Whether the verdict is one that the scenario asks for.
bool verdict_expected(const Scenario& scenario, const sim::Verdict& verdict);

}  // namespace ticklab::lab
