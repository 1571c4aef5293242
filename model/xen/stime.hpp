// Time as the hypervisor counts it: signed nanoseconds since boot (XT, "Time unit").
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

#include "ticklab/sim/time.hpp"

namespace ticklab::xen {

/// The hypervisor's system time. It has no now(): see SystemTime.
struct StimeClock {
    using rep = std::int64_t;
    using period = std::nano;
    using duration = std::chrono::duration<rep, period>;
    using time_point = std::chrono::time_point<StimeClock>;
    static constexpr bool is_steady = true;
};

using Stime = StimeClock::time_point;
using StimeSpan = StimeClock::duration;

inline constexpr Stime kStimeMax = Stime::max();
/// In deadline fields: no timer is pending (XT, "Time unit").
inline constexpr Stime kNoDeadline{};

constexpr std::int64_t ns(Stime t) { return t.time_since_epoch().count(); }
constexpr Stime stime_at(std::int64_t nanoseconds) { return Stime{StimeSpan{nanoseconds}}; }

/// `t + span`, or kStimeMax where that is out of range (XT-D2). `span` is not negative.
constexpr Stime saturating_add(Stime t, StimeSpan span) {
    // Negative instants cannot overflow, and kStimeMax - t would.
    return t.time_since_epoch().count() > 0 && kStimeMax - t < span ? kStimeMax : t + span;
}

/// The first nanosecond of system time that is not before `t`: a request between two of them is for the later one.
constexpr Stime stime_not_before(sim::Time t) { return Stime{std::chrono::ceil<StimeSpan>(t.time_since_epoch())}; }

/// The instant that `t` would be on an ideal clock; kNever beyond the horizon of virtual time.
constexpr sim::Time to_virtual(Stime t) {
    constexpr std::int64_t kPerNs = 1000;
    if (ns(t) > std::numeric_limits<std::int64_t>::max() / kPerNs)
        return sim::kNever;
    if (ns(t) < std::numeric_limits<std::int64_t>::min() / kPerNs)
        return sim::Time::min();
    return sim::Time{sim::Duration{ns(t) * kPerNs}};
}

/// Smallest multiple of `period` that is not before `first`; `first` where `period` is zero (XT 11). For `first` >= 1
/// ns and `period` >= 0: zero would wrap the modulo and is a breach of contract (XT-D4).
constexpr Stime align(Stime first, StimeSpan period) {
    if (period == StimeSpan::zero())
        return first;
    const auto whole = static_cast<std::uint64_t>(ns(first));
    const auto step = static_cast<std::uint64_t>(period.count());
    return stime_at(static_cast<std::int64_t>(whole + (step - 1) - (whole - 1) % step));
}

}  // namespace ticklab::xen
