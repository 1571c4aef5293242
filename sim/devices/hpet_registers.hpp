// Registers of an HPET as its drivers and the device name them (HP 2): offsets into the window, and bits. The bits of a
// timer's configuration are with the timer (sim/devices/hpet_timer.hpp).
#pragma once

#include <cstdint>

namespace ticklab::sim::hpet {

inline constexpr std::uint32_t kCapabilities = 0x000;
/// The upper half of kCapabilities: femtoseconds a tick.
inline constexpr std::uint32_t kPeriod = 0x004;
inline constexpr std::uint32_t kConfiguration = 0x010;
inline constexpr std::uint32_t kStatus = 0x020;
inline constexpr std::uint32_t kMainCounter = 0x0f0;
/// Timer 0; each has kTimerStride bytes.
inline constexpr std::uint32_t kTimerBase = 0x100;
inline constexpr std::uint32_t kTimerStride = 0x20;

/// Of each timer, from its base on. The message's data and address are the halves of one register.
inline constexpr std::uint32_t kTimerConfiguration = 0x00;
inline constexpr std::uint32_t kTimerComparator = 0x08;
inline constexpr std::uint32_t kTimerMessage = 0x10;
inline constexpr std::uint32_t kTimerMessageAddress = 0x14;

constexpr std::uint32_t timer_register(unsigned timer, std::uint32_t offset) {
    return kTimerBase + kTimerStride * timer + offset;
}

/// Bits of kConfiguration.
inline constexpr std::uint32_t kEnable = 1u << 0;
inline constexpr std::uint32_t kLegacyRouting = 1u << 1;
/// Bits of kCapabilities.
inline constexpr std::uint32_t kRevision = 0xff;
inline constexpr std::uint32_t kLegacyCapable = 1u << 15;

/// How many timers there are, by the low half of kCapabilities.
constexpr unsigned timer_count(std::uint32_t capabilities) { return (capabilities >> 8 & 0x1f) + 1; }

}  // namespace ticklab::sim::hpet
