// CPUs that come and go (CH): the states in which the timer code has something to do, in the kernel's order and with
// its names.
#pragma once

#include <vector>

#include "ticklab/model/linux/hpet_rtc.hpp"
#include "ticklab/model/linux/nohz_balancer.hpp"
#include "ticklab/model/linux/tick_sched.hpp"
#include "ticklab/sim/hotplug_state.hpp"

namespace ticklab::linux_ {

/// What the states work on; it must outlive the table.
struct HotplugParts {
    Softirqs& softirqs;
    TimerWheel& wheel;
    Hrtimers& hrtimers;
    TickSched& tick;
    Scheduler& scheduler;
    TimerMigration& migration;
    /// Null if no clock-event device stops.
    TickBroadcast* broadcast;
    /// Null if the RTC's interrupts are not emulated.
    HpetRtc* rtc;
    /// Null if no idle CPU balances for others.
    NohzBalancer* balancer;
};

/// The kernel's states in ascending order (CH 2).
std::vector<sim::HotplugState> make_hotplug_states(const HotplugParts& parts);

}  // namespace ticklab::linux_
