// Types for virtual time.
//
// Rules
//  - One master time T (TC 1, MA 2.1): signed 64-bit picoseconds since boot, horizon 106 days.
//  - Nothing that decides what happens uses floating point.
//  - "Never" is the named value kNever, not a large number.
//  - Cycles are counts of a CPU's clock, not time; converting them needs a CycleLength (sim/cost_table.hpp).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>
#include <ratio>

namespace ticklab::sim {

/// The virtual clock. It has no now(): only the engine of a run knows the present.
struct VirtualClock {
    using rep = std::int64_t;
    using period = std::pico;
    using duration = std::chrono::duration<rep, period>;
    using time_point = std::chrono::time_point<VirtualClock>;
    static constexpr bool is_steady = true;
};

/// A span of virtual time, in picoseconds. May be negative in arithmetic; interfaces say where it may not.
using Duration = VirtualClock::duration;
/// An instant of virtual time, counted from boot.
using Time = VirtualClock::time_point;

using Picoseconds = Duration;
using Nanoseconds = std::chrono::duration<std::int64_t, std::nano>;

inline constexpr std::uint64_t kPicosecondsPerSecond = 1'000'000'000'000;

inline constexpr Time kBoot{};
/// The instant that does not come: an unarmed source, an endless wait.
inline constexpr Time kNever = Time::max();

/// Picoseconds since boot.
constexpr std::int64_t ps(Time t) { return t.time_since_epoch().count(); }
/// Whole nanoseconds since boot, rounded down.
constexpr std::int64_t ns_floor(Time t) { return std::chrono::floor<Nanoseconds>(t.time_since_epoch()).count(); }

/// `t + d`, or kNever where that is out of range. `d` must not be negative.
constexpr Time saturating_add(Time t, Duration d) { return kNever - t < d ? kNever : t + d; }

/// A number of cycles of a CPU's nominal clock.
struct Cycles {
    std::uint64_t count = 0;

    friend constexpr auto operator<=>(Cycles, Cycles) = default;
    constexpr Cycles& operator+=(Cycles o) {
        count += o.count;
        return *this;
    }
    friend constexpr Cycles operator+(Cycles a, Cycles b) { return Cycles{a.count + b.count}; }
    friend constexpr Cycles operator-(Cycles a, Cycles b) { return Cycles{a.count - b.count}; }
    friend constexpr Cycles operator*(Cycles a, std::uint64_t n) { return Cycles{a.count * n}; }
};

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

}  // namespace ticklab::sim
