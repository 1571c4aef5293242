// The faults of the interrupt hardware (LA 15), by name.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ticklab::sim {

enum class ApicFault : std::uint8_t {
    kModeChangeKeepsTimer,
    kDeadlineOvertakesLvt,
    kLostEdgeAtRetarget,
    kMissingEoi,
    kSpuriousInterrupt,
    kIpiDelay,
    kTimerFrequencyError,
    kEarlyDeadline,
    kTimerStopsInC1,
};

/// What the value of a fault means. Zero always switches it off.
enum class FaultUnit : std::uint8_t {
    kSwitch,      ///< 0 or 1
    kCount,       ///< that many times from now, below 2^32
    kDurationPs,  ///< picoseconds, 0 to 10^15
    kPpm,         ///< parts per million, -900000 to 900000
    kTicks,       ///< ticks of the TSC, below 2^32
};

struct ApicFaultInfo {
    ApicFault fault;
    std::string_view number;  ///< "LA-F1"
    std::string_view name;
    FaultUnit unit;
    bool whole_machine;  ///< not a CPU's own
    std::string_view help;
};

inline constexpr std::array<ApicFaultInfo, 9> kApicFaults{{
    {ApicFault::kModeChangeKeepsTimer, "LA-F1", "apic.mode_change_keeps_timer", FaultUnit::kSwitch, false,
     "changing between one-shot and periodic mode leaves the timer running"},
    {ApicFault::kDeadlineOvertakesLvt, "LA-F2", "apic.deadline_overtakes_lvt", FaultUnit::kDurationPs, false,
     "in xAPIC mode a TSC_DEADLINE write this soon after the LVT write and without a fence is ignored"},
    {ApicFault::kLostEdgeAtRetarget, "LA-F3", "apic.lost_edge_at_retarget", FaultUnit::kSwitch, true,
     "an edge in flight to the old destination is lost when its source is re-targeted"},
    {ApicFault::kMissingEoi, "LA-F4", "apic.missing_eoi", FaultUnit::kCount, false,
     "the next EOI writes have no effect: the class in service and those below it stay blocked"},
    {ApicFault::kSpuriousInterrupt, "LA-F5", "apic.spurious_interrupt", FaultUnit::kSwitch, false,
     "the interrupt line is raised once, with no vector behind it"},
    {ApicFault::kIpiDelay, "LA-F6", "apic.ipi_delay", FaultUnit::kDurationPs, false,
     "IPIs to the CPU arrive this much later"},
    {ApicFault::kTimerFrequencyError, "LA-F7", "apic.timer_frequency_error", FaultUnit::kPpm, false,
     "the timer's input clock is off by this much"},
    {ApicFault::kEarlyDeadline, "LA-F8", "apic.early_deadline", FaultUnit::kTicks, false,
     "the TSC-deadline timer fires this many ticks of the TSC early"},
    {ApicFault::kTimerStopsInC1, "LA-F9", "apic.timer_stops_in_c1", FaultUnit::kSwitch, false,
     "the timer stops in every C-state from C1 on"},
}};

/// The fault of that name; nothing if there is none.
constexpr std::optional<ApicFaultInfo> find_apic_fault(std::string_view name) {
    for (const ApicFaultInfo& info : kApicFaults)
        if (info.name == name)
            return info;
    return std::nullopt;
}

}  // namespace ticklab::sim
