#include "ticklab/lab/machine_options.hpp"

#include <string>
#include <type_traits>

namespace ticklab::lab {
namespace {

using sim::Duration;
using sim::MachineConfig;
using sim::ParameterDecl;
using sim::Value;
using sim::ValueType;

constexpr std::int64_t kMaxHz = 100'000'000'000;

template <auto Field>
void set_integer(MachineConfig& config, const Value& value) {
    config.*Field = static_cast<std::remove_reference_t<decltype(config.*Field)>>(std::get<std::int64_t>(value));
}
template <auto Field>
void set_bool(MachineConfig& config, const Value& value) {
    config.*Field = std::get<bool>(value);
}
template <auto Field>
void set_duration(MachineConfig& config, const Value& value) {
    config.*Field = std::get<Duration>(value);
}

constexpr std::string_view kMemoryWords[] = {"sc", "tso", "weak"};
constexpr std::string_view kPeriodWords[] = {"strict", "permissive", "both"};
constexpr std::string_view kTscWords[] = {"variable", "constant", "invariant"};

/// The index of the word is the value of the enumeration.
template <auto Field, const auto& Words>
void set_word(MachineConfig& config, const Value& value) {
    const std::string& word = std::get<std::string>(value);
    for (std::size_t i = 0; i < std::size(Words); ++i)
        if (Words[i] == word)
            config.*Field = static_cast<std::remove_reference_t<decltype(config.*Field)>>(i);
}

constexpr ParameterDecl integer(std::string_view name, std::string_view help, std::string_view default_text,
                                std::int64_t min, std::int64_t max) {
    return {name, ValueType::kInteger, help, false, default_text, min, max};
}
constexpr ParameterDecl toggle(std::string_view name, std::string_view help, std::string_view default_text) {
    return {name, ValueType::kBool, help, false, default_text};
}
constexpr ParameterDecl duration(std::string_view name, std::string_view help, std::string_view default_text) {
    return {name, ValueType::kDuration, help, false, default_text};
}
constexpr ParameterDecl word(std::string_view name, std::string_view help, std::string_view default_text,
                             std::span<const std::string_view> words) {
    return {name, ValueType::kWord, help, false, default_text, INT64_MIN, INT64_MAX, words};
}

constexpr MachineOption kOptions[] = {
    {integer("cpus", "Number of CPUs.", "1", 1, sim::kMaxCpuCount), set_integer<&MachineConfig::cpu_count>},
    {integer("online", "CPUs that are online at boot; the others are present and off-line. All without it.", {}, 1,
             sim::kMaxCpuCount),
     set_integer<&MachineConfig::online_at_boot>},
    {integer("nodes", "Number of NUMA nodes; divides the number of CPUs.", "1", 1, 1024),
     set_integer<&MachineConfig::node_count>},
    {integer("nominal_hz", "Clock of a CPU, in Hz.", "2400000000", 1'000'000, kMaxHz),
     set_integer<&MachineConfig::nominal_hz>},
    {integer("tsc_hz", "Rate of the TSC, in Hz.", "2400000000", 1'000'000, kMaxHz),
     set_integer<&MachineConfig::tsc_hz>},
    {word("tsc_class", "Whether the TSC follows P-states (variable), stops in deep C-states (constant) or neither.",
          "invariant", kTscWords),
     set_word<&MachineConfig::tsc_class, kTscWords>},
    {integer("apic_bus_hz", "Input clock of the local APIC timers, in Hz.", "100000000", 1'000'000, kMaxHz),
     set_integer<&MachineConfig::apic_bus_hz>},
    {toggle("x2apic", "The local APICs are accessed by MSR, not by MMIO.", "true"), set_bool<&MachineConfig::x2apic>},
    {toggle("tsc_deadline_timer", "The local APIC timers have the TSC-deadline mode.", "true"),
     set_bool<&MachineConfig::tsc_deadline_timer>},
    {toggle("arat", "The local APIC timers run in deep C-states too.", "true"), set_bool<&MachineConfig::arat>},
    {duration("ipi_fly", "Time of an IPI on its way within a node.", "500ns"), set_duration<&MachineConfig::ipi_fly>},
    {duration("ipi_fly_remote", "Time of an IPI on its way to another node.", "900ns"),
     set_duration<&MachineConfig::ipi_fly_remote>},
    {duration("msi_fly", "Time of a message-signalled interrupt on its way.", "400ns"),
     set_duration<&MachineConfig::msi_fly>},
    {duration("ioapic_fly", "Time of an interrupt on its way through the I/O APIC.", "700ns"),
     set_duration<&MachineConfig::ioapic_fly>},
    {duration("timer_fly", "Time from the event of a local APIC timer to its interrupt.", "20ns"),
     set_duration<&MachineConfig::timer_fly>},
    {duration("flight_jitter", "An IPI or a device's message takes up to this much longer, by choice.", "0s"),
     set_duration<&MachineConfig::flight_jitter>},
    {integer("hpet_period_fs", "Period of the HPET's counter, in femtoseconds.", "69841279", 1, 100'000'000),
     set_integer<&MachineConfig::hpet_period_fs>},
    {integer("hpet_counter_bits", "Width of the HPET's counter: 32 or 64.", "64", 32, 64),
     set_integer<&MachineConfig::hpet_counter_bits>},
    {integer("hpet_timers", "Number of comparators of the HPET.", "8", 3, 32),
     set_integer<&MachineConfig::hpet_timer_count>},
    {integer("hpet_counter_start", "Value of the HPET's counter at boot; near its end to see it wrap.", "0", 0,
             INT64_MAX),
     set_integer<&MachineConfig::hpet_counter_start>},
    {integer("hpet_fsb_timers", "Comparators that can send messages (MSI), the last ones of the block; 32 for all.",
             "32", 0, 32),
     set_integer<&MachineConfig::hpet_fsb_timers>},
    {toggle("hpet_legacy", "The HPET has legacy replacement routing.", "true"), set_bool<&MachineConfig::hpet_legacy>},
    {word("hpet_period_writes", "What a write to a periodic comparator changes (HP 4.3).", "strict", kPeriodWords),
     set_word<&MachineConfig::hpet_period_writes, kPeriodWords>},
    {toggle("hpet_irq_at_wrap",
            "A 32-bit one-shot of the HPET interrupts where the counter wraps before its match (HP 4.2).", "false"),
     set_bool<&MachineConfig::hpet_irq_at_wrap>},
    {toggle("hpet_stops_in_deep_idle",
            "The HPET stands still while every CPU is off-line or in the deepest C-state, if that one is deep "
            "(HPET-08).",
            "false"),
     set_bool<&MachineConfig::hpet_stops_in_deep_idle>},
    {integer("active_power_mw", "Power of one CPU that runs, in milliwatts.", "0", 0, 1'000'000),
     set_integer<&MachineConfig::active_power_mw>},
    {word("memory", "What CPUs may see of each other's stores: in order (sc), store buffers (tso), reordering (weak).",
          "sc", kMemoryWords),
     set_word<&MachineConfig::memory_model, kMemoryWords>},
    {duration("max_staleness", "Longest time that a store may stay unseen (MA 6.2).", "1us"),
     set_duration<&MachineConfig::max_staleness>},
    {duration("quantum", "How far a CPU may run ahead of the others; 0s is exact (MA 12).", "0s"),
     set_duration<&MachineConfig::quantum>},
    {duration("max_stall", "Longest stall by choice (MA 13.1).", "300us"), set_duration<&MachineConfig::max_stall>},
    {integer("jitter_per_1024", "Each priced operation takes up to this share more, in 1/1024, by choice.", "0", 0,
             1024),
     set_integer<&MachineConfig::jitter_per_1024>},
    {integer("stall_one_in", "One interleaving point in this many is stalled by choice; 0 for none.", "0", 0,
             INT64_MAX),
     set_integer<&MachineConfig::stall_one_in>},
    {integer("stall_places_one_in",
             "Only one place in this many is ever stalled, by choice: a named site, or what a CPU is doing; 1 for all.",
             "1", 1, INT64_MAX),
     set_integer<&MachineConfig::stall_places_one_in>},
    {toggle("break_ties", "The order of activities that are due at one instant is a choice (MA 3.4).", "false"),
     set_bool<&MachineConfig::break_ties>},
    {duration("soft_lockup", "Longest wait of a CPU that cannot be interrupted before it is a verdict.", "500ms"),
     set_duration<&MachineConfig::soft_lockup>},
    {toggle("check_locks", "Lock order and use are checked.", "true"), set_bool<&MachineConfig::check_locks>},
    {toggle("check_races", "Accesses without happens-before order are found; up to 64 CPUs.", "true"),
     set_bool<&MachineConfig::check_races>},
    {integer("stack_bytes", "Size of a thread's stack, in bytes.", "32768", 16'384, 16'777'216),
     set_integer<&MachineConfig::stack_bytes>},
};

constexpr ParameterDecl kCState[] = {
    {"name", ValueType::kText, "Name of the state, such as C1.", true},
    {"entry", ValueType::kDuration, "From deciding to sleep to being asleep.", true},
    {"exit", ValueType::kDuration, "From the wake-up to the first instruction.", true},
    {"target_residency", ValueType::kDuration, "Shortest sleep for which it should be chosen.", true},
    {"power_mw", ValueType::kInteger, "Power of a CPU in it, in milliwatts.", true, {}, 0, 1'000'000},
    {"deep", ValueType::kBool, "Stops what LA 10 says.", false, "false"},
};

}  // namespace

std::span<const MachineOption> machine_options() { return kOptions; }

std::span<const ParameterDecl> c_state_parameters() { return kCState; }

}  // namespace ticklab::lab
