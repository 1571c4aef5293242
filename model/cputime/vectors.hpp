// Interrupt vectors of the kernel.
#pragma once

#include <cstdint>

namespace ticklab::cputime {

inline constexpr std::uint8_t kTickVector = 0xec;
/// "Look at your run queue, or at the signals of what you run."
inline constexpr std::uint8_t kRescheduleVector = 0xfd;
inline constexpr std::uint8_t kSpuriousVector = 0xff;

}  // namespace ticklab::cputime
