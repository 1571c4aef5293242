// Judges the wheel's structures by walking them (LTW 16). Shares no code with what keeps them.
//
// Rules
//  - Observers: they spend no time, emit no record and make no choice.
//  - check_at_release() runs before each release of a base lock, so that nobody ever sees a broken structure (MA 5.3).
//    The amortised effort looks at a base once in kAmortisedReleases.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/record.hpp"

namespace ticklab::linux_ {

class TimerWheel;
struct TimerBase;

enum class CheckEffort : std::uint8_t { kNever, kAmortised, kAlways };

/// A broken invariant.
struct Broken {
    const sim::CheckDecl* check;
    std::string message;
};

inline constexpr std::uint32_t kAmortisedReleases = 64;

/// W1 to W7, W9 to W11 of one base, whose lock is held or free.
std::optional<Broken> check_base(const TimerWheel& wheel, const TimerBase& base);
/// The same, if the effort wants it now.
std::optional<Broken> check_at_release(const TimerWheel& wheel, TimerBase& base, CheckEffort effort);
/// CH H3: no base of `victim` holds a timer.
std::optional<Broken> check_drained(const TimerWheel& wheel, sim::CpuId victim);

}  // namespace ticklab::linux_
