// The machine's own verbs, for "script" and "faults" of a scenario: what happens to CPUs, interrupts, clocks and memory
// whatever kernel runs.
//
// Rules
//  - The table is ordered as MachineVerb, so a call's verb is told from its index and no name is compared while
//    running.
//  - `cpu` is the CPU that it is about; `on` of the step is the CPU that performs it, which only control verbs use.
//  - Verbs of the fault tables in sim/ (apic.*, tsc.*, hpet.*) carry the fault's name there and have the arguments
//    (cpu, value); those of the HPET, which is no CPU's, have (value).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ticklab/sim/declare.hpp"

namespace ticklab::lab {

enum class MachineVerb : std::uint8_t {
    kCpuBusy,     ///< cpu [for]
    kCpuIdle,     ///< cpu
    kCpuOffline,  ///< cpu; on the control CPU, in a thread that may sleep
    kCpuOnline,   ///< cpu; likewise
    kCpuStall,    ///< cpu for
    kCpuHold,     ///< [cpu] [for]; of steps with "when" only
    kCpuRelease,  ///< cpu
    kIrqLose,     ///< cpu [count]
    kIrqLate,     ///< cpu by [count]
    kMemoryFail,  ///< [count]
    kApicModeChangeKeepsTimer,
    kApicDeadlineOvertakesLvt,
    kApicLostEdgeAtRetarget,
    kApicMissingEoi,
    kApicSpuriousInterrupt,
    kApicIpiDelay,
    kApicTimerFrequencyError,
    kApicEarlyDeadline,
    kApicTimerStopsInC1,
    kTscSkew,
    kTscDrift,
    kTscStopsInDeepIdle,
    kTscFollowsPState,
    kTscFirmwareWrite,
    kTscUnorderedRead,
    kCpuPState,  ///< cpu hz
    kIrqNmi,     ///< cpu
    kHpetLenientMatch,
    kHpetPostDelay,
    kHpetFirstPeriodicIgnored,
    kHpetNotReady,
    kHpetDeadCounter,
    kHpetDrift,
    kHpetStaleComparator,
    kHpetGlitchRead,
};

/// In the order of MachineVerb.
std::span<const sim::VerbDecl> machine_verbs();

/// Which one `verb` is; it must be an element of machine_verbs().
inline MachineVerb machine_verb_of(const sim::VerbDecl& verb) {
    return static_cast<MachineVerb>(&verb - machine_verbs().data());
}

/// Null if there is none of that name.
const sim::VerbDecl* find_machine_verb(std::string_view name);

}  // namespace ticklab::lab
