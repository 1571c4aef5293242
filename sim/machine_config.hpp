// The parameters of a machine; filled in by lab/ from a machine profile and a scenario.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "ticklab/sim/cost_table.hpp"
#include "ticklab/sim/record.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

enum class MemoryModel : std::uint8_t { kSequential, kTso, kWeak };
enum class TscClass : std::uint8_t { kVariable, kConstant, kInvariant };  ///< TC 3.2

/// One idle state of a CPU.
struct CState {
    std::string name;             ///< "C1"
    Duration entry_latency{};     ///< decide -> commit
    Duration exit_latency{};      ///< wake-up -> first instruction
    Duration target_residency{};  ///< shortest sleep for which a governor should choose it
    std::uint64_t power_mw = 0;
    bool deep = false;  ///< C2/C3+: stops what LA 10 says
};

struct MachineConfig {
    CpuId cpu_count = 1;
    /// CPUs from here on are present but off-line at boot.
    CpuId online_at_boot = 1;
    std::uint32_t node_count = 1;  ///< CPUs are split evenly and contiguously over nodes

    std::uint64_t nominal_hz = 2'400'000'000;
    std::uint64_t tsc_hz = 2'400'000'000;
    TscClass tsc_class = TscClass::kInvariant;
    std::uint64_t apic_bus_hz = 100'000'000;
    bool x2apic = true;
    bool tsc_deadline_timer = true;  ///< the local APIC has the mode
    bool arat = true;                ///< the local APIC timer runs in deep C-states

    Duration ipi_fly = std::chrono::nanoseconds{500};
    Duration ipi_fly_remote = std::chrono::nanoseconds{900};
    Duration msi_fly = std::chrono::nanoseconds{400};
    Duration ioapic_fly = std::chrono::nanoseconds{700};
    Duration timer_fly = std::chrono::nanoseconds{20};
    /// An IPI or a device's message takes up to this much longer, by choice (LA 7).
    Duration flight_jitter{};

    std::uint64_t hpet_period_fs = 69'841'279;
    unsigned hpet_counter_bits = 64;
    unsigned hpet_timer_count = 8;
    std::uint64_t hpet_counter_start = 0;
    /// Timers that can send messages (FSB): the last ones of the block. More than there are means all.
    unsigned hpet_fsb_timers = 32;
    bool hpet_legacy = true;          ///< the block has legacy replacement routing
    unsigned hpet_period_writes = 0;  ///< HpetPeriodModel (HP 4.3)
    bool hpet_irq_at_wrap = false;    ///< HP 4.2
    bool hpet_stops_in_deep_idle =
        false;  ///< the block stands still while every CPU is in the deepest C-state (HPET-08)

    std::vector<CState> c_states;
    std::uint64_t active_power_mw = 0;  ///< of one CPU that runs
    CostTable costs;

    MemoryModel memory_model = MemoryModel::kSequential;
    Duration max_staleness = std::chrono::microseconds{1};  ///< MA 6.2
    Duration quantum{};                                     ///< MA 12; zero is exact
    Duration max_stall = std::chrono::microseconds{300};    ///< MA 13.1
    /// Jitter: each priced operation may take up to this share more, in 1/1024; zero for none. Drawn from the choices.
    std::uint32_t jitter_per_1024 = 0;
    /// One interleaving point in this many is stalled for up to max_stall; zero for none. Drawn from the choices.
    std::uint64_t stall_one_in = 0;
    /// Only one place in this many is ever stalled; one for all of them. Drawn from the choices, once a place.
    std::uint64_t stall_places_one_in = 1;
    /// The order of activities at one instant in one class is a choice (MA 3.4).
    bool break_ties = false;
    /// Longest wait of a CPU that cannot be interrupted before the verdict "soft lock-up".
    Duration soft_lockup = std::chrono::milliseconds{500};

    bool check_locks = true;
    /// Happens-before races; vector clocks grow with the square of the CPUs, so above 64 CPUs they are off.
    bool check_races = true;

    std::uint64_t seed = 1;
    std::size_t stack_bytes = std::size_t{32} * 1024;

    /// Whether there is a C-state in which a CPU's local APIC timer stops for depth (LA 10).
    bool timers_stop_in_idle() const {
        return !arat && std::any_of(c_states.begin(), c_states.end(), [](const CState& s) { return s.deep; });
    }
};

}  // namespace ticklab::sim
