// Time as the Linux kernel has it: monotonic nanoseconds and jiffies (LTW 0).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

#include "ticklab/sim/time.hpp"

namespace ticklab::linux_ {

/// CLOCK_MONOTONIC: nanoseconds since boot, which is the machine's own origin.
struct MonotonicClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock>;
    static constexpr bool is_steady = true;
};

using Ktime = MonotonicClock::time_point;
using KtimeSpan = MonotonicClock::duration;

/// "No event" (INF of LTW 0): later than everything.
inline constexpr Ktime kKtimeMax = Ktime::max();

inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;

constexpr Ktime ktime_at(std::int64_t ns) { return Ktime{KtimeSpan{ns}}; }
constexpr std::int64_t ns(Ktime t) { return t.time_since_epoch().count(); }

/// `t + span`, or kKtimeMax where that is out of range. `span` must not be negative.
constexpr Ktime saturating_add(Ktime t, KtimeSpan span) { return kKtimeMax - t < span ? kKtimeMax : t + span; }

/// The tick counter. It wraps; instants compare by the sign of their distance (LTW 0), so only those less than 2^63
/// ticks apart have an order.
class Jiffies {
public:
    constexpr Jiffies() = default;
    constexpr explicit Jiffies(std::uint64_t count) : count_(count) {}
    constexpr std::uint64_t count() const { return count_; }

    constexpr Jiffies operator+(std::uint64_t ticks) const { return Jiffies{count_ + ticks}; }
    constexpr Jiffies operator-(std::uint64_t ticks) const { return Jiffies{count_ - ticks}; }
    /// Signed distance in ticks.
    constexpr std::int64_t operator-(Jiffies other) const { return static_cast<std::int64_t>(count_ - other.count_); }

    friend constexpr bool operator==(Jiffies, Jiffies) = default;
    friend constexpr bool operator<(Jiffies a, Jiffies b) { return a - b < 0; }
    friend constexpr bool operator<=(Jiffies a, Jiffies b) { return a - b <= 0; }
    friend constexpr bool operator>(Jiffies a, Jiffies b) { return a - b > 0; }
    friend constexpr bool operator>=(Jiffies a, Jiffies b) { return a - b >= 0; }

private:
    std::uint64_t count_ = 0;
};

/// A jiffies value and the instant of the tick edge at which it was reached, read as one (LTW 0).
struct JiffiesPair {
    Jiffies basej;
    Ktime basem;
};

}  // namespace ticklab::linux_
