// Named places of the machine itself, for choices and triggers (MA 7.3).
#pragma once

#include <array>

#include "ticklab/sim/choices.hpp"

namespace ticklab::sim::sites {

inline constexpr Site kJitter{"sim.jitter", "extra cycles of one priced operation"};
inline constexpr Site kStallAtPoint{"sim.point.stall", "a stall at an interleaving point"};
inline constexpr Site kStallLength{"sim.point.stall_length", "length of such a stall"};
inline constexpr Site kStallPlace{"sim.stall_place", "whether points of one place are stalled in this run"};
inline constexpr Site kTie{"sim.tie", "order of activities that are due at one instant in one class"};
inline constexpr Site kFlight{"sim.apic.flight", "extra flight time of an interrupt message"};
inline constexpr Site kEarlyTscRead{"sim.tsc.early_read", "how much earlier a plain read of the TSC is done"};
inline constexpr Site kStaleRead{"sim.memory.stale_read", "how many stores a read lags behind"};
inline constexpr Site kStoreDrain{"sim.memory.store_drain", "how long a store stays in its CPU's buffer"};
inline constexpr Site kIdleDecide{"sim.idle.decide",
                                  "interrupts are off and pending work was checked for the last time"};
inline constexpr Site kIdleCommit{"sim.idle.commit", "the entry latency has passed; what stops in deep states stops"};
inline constexpr Site kLockAcquired{"sim.lock.acquired", "a spin lock was taken"};
inline constexpr Site kLockRelease{"sim.lock.release", "a spin lock is about to be released"};
inline constexpr Site kHotplugState{"sim.hotplug.state", "between two hotplug states"};

inline constexpr std::array kMachineSites{&kJitter,     &kStallAtPoint, &kStallLength, &kStallPlace,  &kTie,
                                          &kFlight,     &kEarlyTscRead, &kStaleRead,   &kStoreDrain,  &kIdleDecide,
                                          &kIdleCommit, &kLockAcquired, &kLockRelease, &kHotplugState};

}  // namespace ticklab::sim::sites
