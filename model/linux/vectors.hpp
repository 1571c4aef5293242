// Interrupt vectors of the kernel on x86.
#pragma once

#include <cstdint>

namespace ticklab::linux_ {

/// The interrupt of the HPET's timer 0: pin 2 of the I/O APIC, in place of the PIT.
inline constexpr std::uint8_t kHpetVector = 0x30;
/// The interrupt of the HPET's timer 1: pin 8, in place of the RTC.
inline constexpr std::uint8_t kRtcVector = 0x38;
/// The local APIC's timer, and the broadcast's IPI to a CPU whose timer is stopped.
inline constexpr std::uint8_t kLocalTimerVector = 0xec;
/// "Look at need_resched": the way out of the interrupt does it.
inline constexpr std::uint8_t kRescheduleVector = 0xfd;
/// Asynchronous function calls: run what is queued for this CPU.
inline constexpr std::uint8_t kCallFunctionVector = 0xfb;
/// An irq-work that does nothing: the way out of the interrupt looks at the tick.
inline constexpr std::uint8_t kIrqWorkVector = 0xf6;
inline constexpr std::uint8_t kSpuriousVector = 0xff;

}  // namespace ticklab::linux_
