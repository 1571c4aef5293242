#include "ticklab/lab/machine_verbs.hpp"

namespace ticklab::lab {
namespace {

using sim::ParameterDecl;
using sim::TimerRole;
using sim::ValueType;
using sim::VerbContext;
using sim::VerbDecl;

constexpr ParameterDecl kCpu{"cpu", ValueType::kCpu, "The CPU that it is about.", true};
constexpr ParameterDecl kFor{"for", ValueType::kDuration, "How long.", true};

constexpr ParameterDecl kOfCpu[] = {kCpu};
constexpr ParameterDecl kBusyParameters[] = {
    kCpu, {"for", ValueType::kDuration, "How long; without it until cpu.idle.", false, {}}};
constexpr ParameterDecl kStall[] = {kCpu, kFor};
constexpr ParameterDecl kHold[] = {
    {"cpu", ValueType::kCpu, "The CPU that is held; without it the one that reached the site.", false, {}},
    {"for", ValueType::kDuration, "How long; without it until cpu.release.", false, {}}};
constexpr ParameterDecl kLose[] = {
    kCpu, {"count", ValueType::kInteger, "How many interrupt messages from now.", false, "1", 1, 1'000'000}};
constexpr ParameterDecl kLate[] = {
    kCpu,
    {"by", ValueType::kDuration, "How much later they arrive.", true},
    {"count", ValueType::kInteger, "How many interrupt messages from now.", false, "1", 1, 1'000'000}};
constexpr ParameterDecl kFail[] = {
    {"count", ValueType::kInteger, "How many allocations from now.", false, "1", 1, 1'000'000}};

constexpr ParameterDecl kSwitch[] = {
    kCpu, {"value", ValueType::kBool, "Whether the fault is there from now on.", false, "true"}};
constexpr ParameterDecl kTimes[] = {
    kCpu, {"value", ValueType::kInteger, "That many times from now.", false, "1", 0, 1'000'000}};
constexpr ParameterDecl kDelay[] = {kCpu, {"value", ValueType::kDuration, "How long; 0 takes the fault back.", true}};
constexpr ParameterDecl kPpm[] = {
    kCpu, {"value", ValueType::kInteger, "Parts per million; 0 takes the fault back.", true, {}, -900'000, 900'000}};
constexpr ParameterDecl kForwardTicks[] = {
    kCpu, {"value", ValueType::kInteger, "Ticks of the TSC; 0 takes the fault back.", true, {}, 0}};
constexpr ParameterDecl kTicks[] = {kCpu, {"value", ValueType::kInteger, "Ticks of the TSC.", true}};

constexpr ParameterDecl kPState[] = {
    kCpu, {"hz", ValueType::kInteger, "The CPU's new clock, in Hz.", true, {}, 1'000'000, 100'000'000'000}};
constexpr ParameterDecl kOn[] = {{"value", ValueType::kBool, "Whether the fault is there from now on.", false, "true"}};
constexpr ParameterDecl kPostedTicks[] = {{"value",
                                           ValueType::kInteger,
                                           "Ticks of the HPET, up to 1000000; 0 takes the fault back.",
                                           true,
                                           {},
                                           0,
                                           1'000'000}};
constexpr ParameterDecl kNotReady[] = {
    {"value", ValueType::kDuration, "How long, up to 1s; 0s takes the fault back.", true}};
constexpr ParameterDecl kHpetPpm[] = {
    {"value", ValueType::kInteger, "Parts per million; 0 takes the fault back.", true, {}, -900'000, 900'000}};
constexpr ParameterDecl kReads[] = {
    {"value", ValueType::kInteger, "That many reads from now.", false, "1", 0, 1'000'000}};

constexpr VerbDecl control(std::string_view name, std::string_view help, std::span<const ParameterDecl> parameters) {
    return {name, VerbContext::kControl, TimerRole::kNone, help, parameters};
}
constexpr VerbDecl world(std::string_view name, std::string_view help, std::span<const ParameterDecl> parameters) {
    return {name, VerbContext::kMachine, TimerRole::kNone, help, parameters};
}

constexpr VerbDecl kVerbs[] = {
    world("cpu.busy", "The CPU runs user code whenever its kernel has nothing else to do.", kBusyParameters),
    world("cpu.idle", "The CPU has no user code to run any more.", kOfCpu),
    control("cpu.offline", "Takes the CPU down, through all hotplug states.", kOfCpu),
    control("cpu.online", "Brings the CPU up, through all hotplug states.", kOfCpu),
    world("cpu.stall", "Nothing runs on the CPU, interrupts wait: an SMI, or time stolen by a hypervisor.", kStall),
    world("cpu.hold", "The CPU that reached the step's site stays there.", kHold),
    world("cpu.release", "Ends a hold of the CPU.", kOfCpu),
    world("irq.lose", "The next interrupt messages to the CPU vanish.", kLose),
    world("irq.late", "The next interrupt messages to the CPU arrive late.", kLate),
    world("memory.fail", "The next allocations of the kernel fail.", kFail),
    world("apic.mode_change_keeps_timer",
          "Changing between one-shot and periodic mode leaves the timer running (LA-F1).", kSwitch),
    world("apic.deadline_overtakes_lvt",
          "In xAPIC mode a TSC_DEADLINE write this soon after the LVT write, without a fence, is ignored (LA-F2).",
          kDelay),
    world("apic.lost_edge_at_retarget",
          "An edge in flight to the old destination is lost when its source is re-targeted; the whole machine (LA-F3).",
          kSwitch),
    world("apic.missing_eoi", "The next EOI writes of the CPU have no effect (LA-F4).", kTimes),
    world("apic.spurious_interrupt", "The CPU's interrupt line is raised with no vector behind it (LA-F5).", kTimes),
    world("apic.ipi_delay", "IPIs to the CPU arrive this much later (LA-F6).", kDelay),
    world("apic.timer_frequency_error", "The input clock of the CPU's local timer is off (LA-F7).", kPpm),
    world("apic.early_deadline", "The CPU's TSC-deadline timer fires early (LA-F8).", kForwardTicks),
    world("apic.timer_stops_in_c1", "The CPU's local timer stops in every C-state from C1 on (LA-F9).", kSwitch),
    world("tsc.skew", "The CPU's TSC is ahead of the others (TC-F1).", kTicks),
    world("tsc.drift", "The CPU's TSC runs too fast (TC-F2).", kPpm),
    world("tsc.stops_in_deep_idle", "The TSC stops in deep C-states although it is said not to (TC-F3).", kSwitch),
    world("tsc.follows_p_state", "The TSC's rate follows the P-state although it is said not to (TC-F4).", kSwitch),
    world("tsc.firmware_write", "Firmware writes the TSC so that it jumps; TSC_ADJUST shows it (TC-F5).", kTicks),
    world("tsc.unordered_read", "A plain read of the TSC may show the value of up to this much earlier (TC-F6).",
          kDelay),
    world("cpu.p_state",
          "The CPU changes its frequency: the TSC follows where tsc_class is variable, or under tsc.follows_p_state. "
          "Prices stay.",
          kPState),
    world("irq.nmi", "An NMI comes to the CPU: a watchdog, a button.", kOfCpu),
    world("hpet.lenient_match",
          "A comparator written at or behind the counter matches one tick later instead of after a wrap (HP-F1).", kOn),
    world("hpet.post_delay", "A comparator write reaches the match logic this many ticks later (HP-F2).", kPostedTicks),
    world("hpet.first_periodic_ignored",
          "The first value of a periodic timer is ignored until the counter wraps, unless written while it is halted "
          "(HP-F3).",
          kOn),
    world("hpet.not_ready",
          "Every register of the HPET reads all ones for this long after power-on or reset (HP-F9); at 0s to be there "
          "at boot.",
          kNotReady),
    world("hpet.dead_counter", "The HPET's counter does not move (HP-F10).", kOn),
    world("hpet.drift", "The HPET's counter runs too fast (HP-F11).", kHpetPpm),
    world("hpet.stale_comparator", "The first read of a comparator after a write to it returns the old value (HP-F13).",
          kOn),
    world("hpet.glitch_read", "The next reads of the HPET's counter have one bit flipped (TC-F7).", kReads),
};
static_assert(std::size(kVerbs) == static_cast<std::size_t>(MachineVerb::kHpetGlitchRead) + 1);

}  // namespace

std::span<const sim::VerbDecl> machine_verbs() { return kVerbs; }

const sim::VerbDecl* find_machine_verb(std::string_view name) {
    for (const sim::VerbDecl& verb : kVerbs)
        if (verb.name == name)
            return &verb;
    return nullptr;
}

}  // namespace ticklab::lab
