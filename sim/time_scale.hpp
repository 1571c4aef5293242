// Conversions between ticks and nanoseconds as kernels compute them, with their rounding (TC 4, TC 6.1).
//
// Rules
//  - These are the arithmetic of the modelled software, not of the machine: they round, lose bits and can overflow
//    exactly where the kernels' arithmetic does. The machine's own clocks are sim/linear_clock.hpp.
//  - Scales and their reciprocals round down in both directions (TC-P2).
#pragma once

#include <bit>
#include <cstdint>

#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// A factor as a 0.32 fraction and a shift in -31 .. 31 (TC 4.1).
struct TimeScale {
    std::uint32_t frac = 0x80000000;
    int shift = 1;

    /// Nanoseconds per tick of a clock of `hz`, at least 1 (TC 4.2).
    static constexpr TimeScale of_frequency(std::uint64_t hz) {
        int shift = 0;
        while (hz > 2'000'000'000) {
            hz >>= 1;
            --shift;
        }
        while (hz <= 1'000'000'000) {
            hz <<= 1;
            ++shift;
        }
        return {static_cast<std::uint32_t>((std::uint64_t{1'000'000'000} << 32) / hz), shift};
    }

    /// The opposite conversion (TC 4.3). `frac` is at least 2^31.
    constexpr TimeScale reciprocal() const {
        std::uint32_t dividend = 0x80000000;
        int reciprocal_shift = 1 - shift;
        while (dividend >= frac) {
            dividend >>= 1;
            ++reciprocal_shift;
        }
        return {static_cast<std::uint32_t>((std::uint64_t{dividend} << 32) / frac), reciprocal_shift};
    }

    /// Converts `delta`, rounding down. The shift comes first and drops low bits on the right; bits that it pushes
    /// beyond 2^64 are lost, so `delta` << shift must stay below that.
    constexpr std::uint64_t scale(std::uint64_t delta) const {
        const std::uint64_t shifted = shift < 0 ? delta >> -shift : delta << shift;
        return static_cast<std::uint64_t>((UInt128{shifted} * frac) >> 32);
    }

    friend constexpr bool operator==(const TimeScale&, const TimeScale&) = default;
};

/// Nanoseconds to ticks of the local APIC's bus clock with an 18-bit fraction (TC 4.5).
struct BusScale {
    std::uint64_t factor = 0;

    /// For a bus of `bus_hz`, 1 .. 10^12.
    static constexpr BusScale of_frequency(std::uint64_t bus_hz) {
        const std::uint64_t cycle_ps = 1'000'000'000'000 / bus_hz;
        return {(std::uint64_t{1000} << 18) / cycle_ps};
    }
    /// Ticks in `ns` nanoseconds, rounded down; `ns` * factor must stay below 2^64.
    constexpr std::uint64_t ticks(std::uint64_t ns) const { return (factor * ns) >> 18; }
};

/// Nanoseconds per tick as mult / 2^shift (TC 6.1).
struct MultShift {
    std::uint64_t mult = 0;
    int shift = 0;

    constexpr std::uint64_t ns(std::uint64_t ticks) const { return (ticks * mult) >> shift; }

    /// mult for a clock of `hz` with a given shift, rounded to nearest.
    static constexpr MultShift of_frequency(std::uint64_t hz, int shift) {
        return {((std::uint64_t{1'000'000'000} << shift) + hz / 2) / hz, shift};
    }
    /// mult from the period an HPET states, rounded down, as 2.6.29 computes it (shift 22 there).
    static constexpr MultShift of_period(std::uint64_t period_fs, int shift) {
        return {(period_fs << shift) / 1'000'000, shift};
    }
    /// The most exact pair whose product does not overflow 64 bits within `range_s` seconds: the general search.
    static constexpr MultShift for_range(std::uint64_t hz, std::uint64_t range_s) {
        const auto high_ticks = static_cast<std::uint64_t>((UInt128{range_s} * hz) >> 32);
        const int room = 32 - static_cast<int>(std::bit_width(high_ticks));
        int shift = 32;
        while (shift > 1 && (of_frequency(hz, shift).mult >> room) != 0)
            --shift;
        return of_frequency(hz, shift);
    }

    friend constexpr bool operator==(const MultShift&, const MultShift&) = default;
};

}  // namespace ticklab::sim
