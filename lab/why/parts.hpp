// The named parts that a timer's lateness consists of. A closed list: each has a word and one plain sentence.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ticklab::lab {

/// In the order in which a report lists them.
enum class LatenessPart : std::uint8_t {
    kSetLate,
    kSlack,
    kLateAim,
    kRest,
    kHardware,
    kIdleExit,
    kInterruptsOff,
    kInterrupt,
    kOtherInterrupts,
    kOtherSoftirqs,
    kThreads,
    kCallbacks,
    kLockWait,
    kMigration,
    kFault,
    kKernel,
    kUnattended,
    kNotKept,
};
inline constexpr std::size_t kLatenessPartCount = static_cast<std::size_t>(LatenessPart::kNotKept) + 1;

/// Whether a part excuses a timer that is later than promised (XT-P2: slop + Q + L + W).
enum class Excuse : std::uint8_t {
    kAlways,  ///< others' doing, or what the machine takes by its nature
    kSteps,   ///< the kernel's own work: each step of it only as long as a step may take
    kNever,   ///< nothing that happened explains it
};

struct LatenessPartInfo {
    std::string_view word;
    std::string_view sentence;
    Excuse excuse;
};

/// In the order of LatenessPart.
inline constexpr std::array<LatenessPartInfo, kLatenessPartCount> kLatenessParts{{
    {"set late", "the timer was armed when its time had already come", Excuse::kAlways},
    {"slack", "the kernel waits by its own rules: slack, range or bucket", Excuse::kAlways},
    {"late aim", "the kernel waits on purpose for longer than it promises", Excuse::kNever},
    {"rest", "the kernel left its timers alone, after an interrupt that had no end of them", Excuse::kAlways},
    {"hardware", "the timer hardware had not fired, or it fired early and its pass found nothing due", Excuse::kNever},
    {"idle exit", "the CPU was on its way out of idle", Excuse::kAlways},
    {"interrupts off", "the interrupt was pending, and the CPU kept interrupts disabled", Excuse::kAlways},
    {"interrupt", "the interrupt was on its way, or its handler ran", Excuse::kAlways},
    {"other interrupts", "the CPU handled another interrupt", Excuse::kAlways},
    {"other softirqs", "the CPU ran another softirq", Excuse::kAlways},
    {"threads", "the CPU ran a thread in the kernel, and softirqs wait until it leaves", Excuse::kAlways},
    {"callbacks", "a callback ran before this one", Excuse::kAlways},
    {"lock wait", "the CPU waited for a spin lock", Excuse::kAlways},
    {"migration", "the CPU that had the timer was off-line, and the timer not yet moved", Excuse::kAlways},
    {"fault", "an injected fault: a stall, a hold, a late or lost interrupt", Excuse::kAlways},
    {"kernel", "the kernel's own work on the way to the callback", Excuse::kSteps},
    {"unattended", "the CPU slept or ran user code, and nothing was on its way to the timer", Excuse::kNever},
    {"not kept", "longer ago than the observer remembers", Excuse::kAlways},
}};

constexpr const LatenessPartInfo& info(LatenessPart part) { return kLatenessParts[static_cast<std::size_t>(part)]; }

}  // namespace ticklab::lab
