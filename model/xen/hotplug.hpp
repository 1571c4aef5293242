// CPUs that come and go, for the timer core (XT 10).
//
// Rules
//  (1) timers:prepare is the first state on the way up and the last on the way down: clients that prepare or die with
//  the
//      CPU find its base.
//  (2) The table is made for one stage of draining; where the drain happens is all that differs between them (XT 10.4).
#pragma once

#include <string_view>
#include <vector>

#include "ticklab/model/xen/timers.hpp"
#include "ticklab/sim/hotplug_state.hpp"

namespace ticklab::xen {

/// Where the timers of a CPU that goes down move away (XT 10.4).
enum class OfflineStage : std::uint8_t {
    kDead,  ///< after it is dead, on the controlling CPU (C2010)
};

struct HotplugParameters {
    OfflineStage stage = OfflineStage::kDead;
    /// How long a dying CPU enables interrupts once more, its local APIC masked (XT 10.2).
    sim::Duration irq_window = std::chrono::milliseconds{1};
};

/// The hypervisor's states in ascending order. The references must outlive the table.
std::vector<sim::HotplugState> make_hotplug_states(Timers& timers, const Reprogrammer& reprogrammer,
                                                   const HotplugParameters& parameters);

}  // namespace ticklab::xen
