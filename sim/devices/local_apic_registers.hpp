// Registers of a local APIC (LA 2): offsets, MSR numbers, bits.
#pragma once

#include <array>
#include <cstdint>

namespace ticklab::sim {

/// What a forbidden register access does to the CPU that makes it.
enum class [[nodiscard]] AccessFault : std::uint8_t{
    kNone,
    kGeneralProtection,  ///< #GP: reserved bit or register, wrong direction, illegal mode change
    kNotMapped,          ///< the MMIO window is dead (disabled or x2APIC mode): the access goes to memory
    kMisaligned,         ///< MMIO access that is not aligned to 32 bits: undefined on hardware
};

namespace apic {

/// xAPIC offsets. The x2APIC MSR is 0x800 + offset / 16.
inline constexpr std::uint32_t kId = 0x020;
inline constexpr std::uint32_t kVersion = 0x030;
inline constexpr std::uint32_t kTpr = 0x080;
inline constexpr std::uint32_t kPpr = 0x0a0;
inline constexpr std::uint32_t kEoi = 0x0b0;
inline constexpr std::uint32_t kLdr = 0x0d0;
inline constexpr std::uint32_t kDfr = 0x0e0;
inline constexpr std::uint32_t kSvr = 0x0f0;
inline constexpr std::uint32_t kIsr = 0x100;
inline constexpr std::uint32_t kTmr = 0x180;
inline constexpr std::uint32_t kIrr = 0x200;
inline constexpr std::uint32_t kEsr = 0x280;
inline constexpr std::uint32_t kLvtCmci = 0x2f0;
inline constexpr std::uint32_t kIcrLow = 0x300;
inline constexpr std::uint32_t kIcrHigh = 0x310;
inline constexpr std::uint32_t kLvtTimer = 0x320;
inline constexpr std::uint32_t kLvtThermal = 0x330;
inline constexpr std::uint32_t kLvtPerformance = 0x340;
inline constexpr std::uint32_t kLvtLint0 = 0x350;
inline constexpr std::uint32_t kLvtLint1 = 0x360;
inline constexpr std::uint32_t kLvtError = 0x370;
inline constexpr std::uint32_t kInitialCount = 0x380;
inline constexpr std::uint32_t kCurrentCount = 0x390;
inline constexpr std::uint32_t kDivideConfiguration = 0x3e0;
inline constexpr std::uint32_t kSelfIpi = 0x3f0;

inline constexpr std::uint32_t kMsrBase = 0x1b;
inline constexpr std::uint32_t kMsrTscDeadline = 0x6e0;
inline constexpr std::uint32_t kMsrX2apicFirst = 0x800;
inline constexpr std::uint32_t kMsrX2apicLast = 0x8ff;

/// The x2APIC MSR of an xAPIC offset.
constexpr std::uint32_t msr_of(std::uint32_t offset) { return kMsrX2apicFirst + (offset >> 4); }

inline constexpr std::uint64_t kBaseBsp = 1u << 8;
inline constexpr std::uint64_t kBaseX2apic = 1u << 10;
inline constexpr std::uint64_t kBaseEnable = 1u << 11;
inline constexpr std::uint64_t kBaseAddress = 0x000f'ffff'ffff'f000;
inline constexpr std::uint64_t kBaseAddressReset = 0xfee0'0000;

inline constexpr std::uint32_t kSvrEnable = 1u << 8;
inline constexpr std::uint32_t kSvrSuppressEoiBroadcast = 1u << 12;
inline constexpr std::uint32_t kSvrReset = 0xff;

inline constexpr std::uint32_t kLvtMasked = 1u << 16;
inline constexpr unsigned kLvtTimerModeShift = 17;
inline constexpr std::uint32_t kLvtTimerMode = 3u << kLvtTimerModeShift;
inline constexpr std::uint32_t kLvtTimerDeadlineBit = 1u << 18;

inline constexpr std::uint64_t kIcrLogical = 1u << 11;
inline constexpr std::uint64_t kIcrPending = 1u << 12;
inline constexpr std::uint64_t kIcrAssert = 1u << 14;
inline constexpr std::uint64_t kIcrLevel = 1u << 15;
inline constexpr unsigned kIcrShorthandShift = 18;

inline constexpr std::uint32_t kEsrRedirectableIpi = 1u << 4;
inline constexpr std::uint32_t kEsrSendIllegalVector = 1u << 5;
inline constexpr std::uint32_t kEsrReceivedIllegalVector = 1u << 6;
inline constexpr std::uint32_t kEsrIllegalRegister = 1u << 7;

inline constexpr std::uint32_t kDfrFlat = 0xffff'ffff;
inline constexpr std::uint8_t kFirstLegalVector = 16;

}  // namespace apic

/// Entries of the local vector table, in the order of their registers.
enum class LvtEntry : std::uint8_t { kCmci, kTimer, kThermal, kPerformance, kLint0, kLint1, kError };
inline constexpr unsigned kLvtCount = 7;

}  // namespace ticklab::sim
