// Interrupt vectors of the hypervisor: the highest classes, so that nothing of a guest's delays them.
#pragma once

#include <cstdint>

namespace ticklab::xen {

/// "Look at your softirq bits": sent by raise_on (XT 3.3).
inline constexpr std::uint8_t kEventCheckVector = 0xfb;
/// The local APIC's timer.
inline constexpr std::uint8_t kTimerVector = 0xfa;
inline constexpr std::uint8_t kSpuriousVector = 0xff;
/// Interrupts of devices that are bound to guests: one a pin of the I/O APIC.
inline constexpr std::uint8_t kFirstGuestVector = 0x40;

}  // namespace ticklab::xen
