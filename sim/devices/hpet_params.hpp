// What one HPET block is like: capabilities, choices where models differ, faults (HP 1, HP 4, HP 12).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/sim/declare.hpp"

namespace ticklab::sim {

inline constexpr unsigned kHpetMinTimers = 3;
inline constexpr unsigned kHpetMaxTimers = 32;
/// Shortest tick: two units of master time, so that no drift makes two ticks fall into one.
inline constexpr std::uint64_t kHpetMinPeriodFs = 2'000;
inline constexpr std::uint64_t kHpetMaxPeriodFs = 100'000'000;

struct HpetTimerParams {
    bool periodic_capable = false;
    bool size64_capable = true;  ///< ignored where the counter has 32 bits
    bool fsb_capable = true;
    std::uint32_t route_capable = 0x00f0'0000;  ///< a bit for each I/O APIC pin
};

/// Which registers a comparator write changes (HP 4.3).
enum class HpetPeriodModel : std::uint8_t {
    kStrict,      ///< comparator if VAL_SET or not periodic, else period
    kPermissive,  ///< with VAL_SET, or not periodic: both
    kBothAlways,
};

struct HpetParams {
    /// `count` timers as HP 1 has them: timer 0 periodic, pins 20 to 23, and 11 and 12 for timers 2 and 3.
    explicit HpetParams(unsigned count = 8);

    std::uint64_t period_fs = 69'841'279;
    unsigned counter_bits = 64;       ///< 32 or 64
    std::uint64_t counter_start = 0;  ///< the counter at power-on and reset: close to its end, a wrap is near
    std::uint8_t revision = 1;        ///< not 0
    std::uint16_t vendor = 0x8086;
    bool legacy_capable = true;
    HpetPeriodModel period_model = HpetPeriodModel::kStrict;
    /// A 32-bit one-shot interrupts where the counter wraps before its match, and matches no more after it (HP 4.2).
    bool irq_at_wrap = false;
    std::vector<HpetTimerParams> timers;

    /// What is wrong with them, found and expected; empty if nothing is.
    std::string problem() const;
};

enum class HpetFault : std::uint8_t {
    kLenientMatch,
    kPostDelay,
    kFirstPeriodicIgnored,
    kNotReady,
    kDeadCounter,
    kDrift,
    kStaleComparator,
    kGlitchRead,
};

struct HpetFaultInfo {
    HpetFault fault;
    std::string_view number;  ///< "HP-F1"
    std::string_view name;
    ValueType type;  ///< kBool as 0 or 1; kDuration in picoseconds
    std::int64_t min;
    std::int64_t max;
    std::string_view help;
};

inline constexpr std::array<HpetFaultInfo, 8> kHpetFaults{{
    {HpetFault::kLenientMatch, "HP-F1", "hpet.lenient_match", ValueType::kBool, 0, 1,
     "a comparator written at or behind the counter matches one tick later instead of after a wrap"},
    {HpetFault::kPostDelay, "HP-F2", "hpet.post_delay", ValueType::kInteger, 0, 1'000'000,
     "a comparator write reaches the match logic this many ticks later"},
    {HpetFault::kFirstPeriodicIgnored, "HP-F3", "hpet.first_periodic_ignored", ValueType::kBool, 0, 1,
     "the first value of a periodic timer is ignored until the counter wraps, unless written while it is halted"},
    {HpetFault::kNotReady, "HP-F9", "hpet.not_ready", ValueType::kDuration, 0, 1'000'000'000'000,
     "every register reads all ones for this long after power-on or reset"},
    {HpetFault::kDeadCounter, "HP-F10", "hpet.dead_counter", ValueType::kBool, 0, 1, "the counter does not move"},
    {HpetFault::kDrift, "HP-F11", "hpet.drift", ValueType::kInteger, -900'000, 900'000,
     "the counter runs this many parts per million too fast"},
    {HpetFault::kStaleComparator, "HP-F13", "hpet.stale_comparator", ValueType::kBool, 0, 1,
     "the first read of a comparator after a write to it returns the old value"},
    {HpetFault::kGlitchRead, "TC-F7", "hpet.glitch_read", ValueType::kInteger, 0, 1'000'000,
     "the next reads of the counter, this many, show one bit flipped: seconds wrong"},
}};

/// The fault of that name; nothing if there is none.
constexpr std::optional<HpetFaultInfo> find_hpet_fault(std::string_view name) {
    for (const HpetFaultInfo& info : kHpetFaults)
        if (info.name == name)
            return info;
    return std::nullopt;
}

/// Uses of the registers that the specification leaves undefined; each leaves a record (hpet_diagnostic).
enum class HpetDiagnostic : std::uint8_t {
    kBadAccess,
    kNoRegister,
    kReadOnly,
    kReservedBits,
    kNotCapable,
    kCounterRunning,
    kBadRoute,
    kRouteUnset,
    kFsbLevel,
};

struct HpetDiagnosticInfo {
    HpetDiagnostic diagnostic;
    std::string_view name;
    std::string_view help;
};

inline constexpr std::array<HpetDiagnosticInfo, 9> kHpetDiagnostics{{
    {HpetDiagnostic::kBadAccess, "bad_access", "neither 4 nor 8 bytes, or not aligned: reads 0, writes are ignored"},
    {HpetDiagnostic::kNoRegister, "no_register", "there is no register: reads 0, writes are ignored"},
    {HpetDiagnostic::kReadOnly, "read_only", "a register that can only be read was written"},
    {HpetDiagnostic::kReservedBits, "reserved_bits", "reserved bits were written as 1"},
    {HpetDiagnostic::kNotCapable, "not_capable", "a function was asked for that the block does not have"},
    {HpetDiagnostic::kCounterRunning, "counter_running", "the counter was written while it runs: ignored"},
    {HpetDiagnostic::kBadRoute, "bad_route", "the pin cannot be routed to: the old one stays"},
    {HpetDiagnostic::kRouteUnset, "route_unset", "an interrupt went to a pin that the timer cannot be routed to"},
    {HpetDiagnostic::kFsbLevel, "fsb_level", "a message was sent by a timer of level type"},
}};

}  // namespace ticklab::sim
