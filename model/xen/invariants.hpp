// Judges the timer core's structures by walking them (XT 14). Shares no code with what keeps them.
//
// Rules
//  - Observers: they spend no time, emit no record and make no choice.
//  - check_base() runs before each release of a base lock, so that nobody ever sees a broken structure (MA 5.3). The
//    amortised effort looks at a base once in a number of releases that grows with its size, so that it costs a
//    constant a release.
//  - check_quiet() wants every base lock free and no operation under way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ticklab/sim/declare.hpp"

namespace ticklab::xen {

class Timers;
struct TimerBase;

enum class CheckEffort : std::uint8_t { kNever, kAmortised, kAlways };

/// A broken invariant.
struct Broken {
    const sim::CheckDecl* check;
    std::string message;
};

/// XT-I1 to I4, I6, I7, I9, I10 and I12 of one base.
std::optional<Broken> check_base(const Timers& timers, const TimerBase& base);
/// check_base() of all bases, and XT-I8.
std::optional<Broken> check_quiet(const Timers& timers);
/// XT-I11: `victim` was drained.
std::optional<Broken> check_drained(const TimerBase& victim);

}  // namespace ticklab::xen
