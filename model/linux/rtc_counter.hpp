// Comparing a 32-bit counter that wraps with a comparator that goes ahead of it (HP 10.5).
#pragma once

#include <cstdint>

namespace ticklab::linux_ {

/// Whether comparator `a` lies ahead of counter `b`; right as long as they are less than 2^31 apart (HP 10.6).
constexpr bool counter_ahead(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(b - a) < 0; }

/// The same in machine words, as before HPET-01: wrong as soon as either has wrapped and the other has not.
constexpr bool counter_ahead_in_64_bits(std::uint64_t a, std::uint32_t b) {
    return static_cast<std::int64_t>(b - a) < 0;
}

}  // namespace ticklab::linux_
