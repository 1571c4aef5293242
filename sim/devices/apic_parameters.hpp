// Parameters of the interrupt hardware of a machine (LA 1, LA 3, LA 7).
#pragma once

#include <chrono>
#include <cstdint>

#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

struct ApicParameters {
    /// Input clock of the local APIC timers, 1 Hz to 10 GHz.
    std::uint64_t bus_hz = 100'000'000;
    /// Ticks that a reload of a periodic timer takes: 0, or 1 as in an emulator (LA-D1).
    std::uint32_t reload_ticks = 0;
    bool tsc_deadline = true;
    bool x2apic = true;
    bool cmci = true;
    bool eoi_broadcast_suppression = true;
    /// 15-bit destinations of MSIs and redirection entries (LA-D9).
    bool extended_destination = false;

    Duration ipi_fly = std::chrono::nanoseconds{500};
    Duration ipi_fly_remote = std::chrono::nanoseconds{900};  ///< to a CPU of another node
    Duration msi_fly = std::chrono::nanoseconds{400};
    Duration ioapic_fly = std::chrono::nanoseconds{700};
    Duration timer_fly = std::chrono::nanoseconds{20};
};

}  // namespace ticklab::sim
