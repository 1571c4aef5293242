// CPUs that come and go, for the timer core (XT 10).
//
// Rules
//  (1) timers:prepare is the first state on the way up and the last on the way down: clients that prepare or die
//      with the CPU find its base.
//  (2) The table is made for one design of draining (XT 10.4), which the changes in force decide: XEN-22 and XEN-23.
#pragma once

#include <string_view>
#include <vector>

#include "ticklab/model/xen/timers.hpp"
#include "ticklab/sim/hotplug_state.hpp"

namespace ticklab::xen {

/// The boot CPU, which is the drain target of C2010.
inline constexpr sim::CpuId kBootCpu = 0;

struct HotplugParameters {
    /// CPUs that go off-line are parked: their memory is kept (XT 10.6).
    bool park = false;
    /// CPU 0 may go off-line.
    bool boot_cpu_removable = false;
    /// How long a dying CPU enables interrupts once more, its local APIC masked (XT 10.2).
    sim::Duration irq_window = std::chrono::milliseconds{1};
};

/// The hypervisor's states in ascending order. The references must outlive the table.
std::vector<sim::HotplugState> make_hotplug_states(Timers& timers, const Reprogrammer& reprogrammer,
                                                   const HotplugParameters& parameters);

}  // namespace ticklab::xen
