// Interrupt messages: what travels between local APICs, I/O APICs and devices (LA 6, LA 8, LA 9).
#pragma once

#include <cstdint>

#include "ticklab/sim/record.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// Delivery mode, bits 10:8 of ICR, LVT entries, MSI data and redirection entries. 3 is reserved.
enum class DeliveryMode : std::uint8_t {
    kFixed = 0,
    kLowestPriority = 1,
    kSmi = 2,
    kReserved = 3,
    kNmi = 4,
    kInit = 5,
    kStartUp = 6,
    kExtInt = 7,
};
inline constexpr unsigned kDeliveryModeCount = 8;

/// Bits 10:8 of a register that has a delivery mode there.
constexpr DeliveryMode delivery_mode_of(std::uint32_t bits) { return static_cast<DeliveryMode>((bits >> 8) & 7); }

/// Destination shorthand, ICR bits 19:18.
enum class Shorthand : std::uint8_t { kNone = 0, kSelf = 1, kAllIncludingSelf = 2, kAllExcludingSelf = 3 };

/// What a message came from; decides its flight time and whether a fault touches it.
enum class MessageSource : std::uint8_t { kTimer, kIpi, kMsi, kIoApic, kFault };

/// Why an interrupt or a signal came to nothing.
enum class LostReason : std::uint8_t {
    kApicDisabled,      ///< the local APIC is globally disabled (LA 5)
    kSoftwareDisabled,  ///< SVR bit 8 is clear (LA-D4)
    kOffline,           ///< the CPU is off-line (LA 6)
    kIllegalVector,     ///< vector below 16 (LA 4.1)
    kReset,             ///< was in IRR when the APIC was reset (LA 11)
    kNotWaiting,        ///< start-up IPI to a CPU that waits for none (LA 6)
    kNoTarget,          ///< no local APIC matches the destination (LA-D5)
    kNoController,      ///< ExtINT: the machine has no 8259
    kMaskedEdge,        ///< edge on a masked pin of an I/O APIC (LA 9)
    kRetargeted,        ///< LA-F3
    kQueueFull,         ///< ApicFlightQueue::kMaxInFlight reached
    kFault,             ///< a fault of the scenario took it (irq.lose)
};
inline constexpr unsigned kLostReasonCount = 12;

/// Where a message goes.
struct ApicDestination {
    std::uint32_t id = 0;
    bool logical = false;
    /// The physical id that means every CPU: 0xFF, or 0xFFFFFFFF from a sender in x2APIC mode.
    std::uint32_t broadcast = 0xff;
};

/// One message in flight to one CPU.
struct ApicMessage {
    Time arrival;
    Cause cause;
    CpuId sender = kNoCpu;  ///< of an IPI
    std::uint8_t vector = 0;
    DeliveryMode mode = DeliveryMode::kFixed;
    MessageSource source = MessageSource::kIpi;
    bool level = false;
};
static_assert(sizeof(ApicMessage) == 32);

}  // namespace ticklab::sim
