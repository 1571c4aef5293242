// What the migration hierarchy promises (TMM 14), and the kernel's own warnings.
#pragma once

#include <array>

#include "ticklab/sim/declare.hpp"

namespace ticklab::linux_::tmigr::checks {

using sim::CheckDecl;

// Always true (TMM 14.2, 14.6).
inline constexpr CheckDecl kMigrator{"tmigr.state.migrator",
                                     "A group has a migrator that is not one of its active children, or none although "
                                     "a child is active (M2)."};
inline constexpr CheckDecl kMask{"tmigr.walk.mask",
                                 "A walk entered a group with no mask or with the mask of another level."};
inline constexpr CheckDecl kQueued{"tmigr.event.queued", "An event was queued that is in a queue already."};
inline constexpr CheckDecl kParent{"tmigr.group.parent", "The parent of a group changed a second time."};
inline constexpr CheckDecl kNextExpiry{"tmigr.group.next_expiry",
                                       "A group's next expiry is later than an event that it has queued (M5)."};
inline constexpr CheckDecl kEndlessPull{"tmigr.remote.endless",
                                        "One pass of remote expiry meets the same expired events again and again."};
inline constexpr CheckDecl kSetupBounds{"tmigr.setup.bounds", "The set-up used an entry below its lowest level."};

// The kernel's warnings.
inline constexpr CheckDecl kNotIdle{"tmigr.warn.not_idle", "A CPU was activated that is active already."};
inline constexpr CheckDecl kIdleForecast{"tmigr.warn.idle_forecast",
                                         "A forecast was asked for a CPU that is idle already."};
inline constexpr CheckDecl kOldRootInactive{"tmigr.warn.old_root",
                                            "A new root was marked active for an old one that is not."};
inline constexpr CheckDecl kNoSuccessor{"tmigr.warn.successor",
                                        "The last CPU left the hierarchy with events pending, and none can follow."};

// When quiet (TMM 14.1).
inline constexpr CheckDecl kActiveBit{"tmigr.quiet.active_bit",
                                      "A group's active bit is not what its child or CPU is (M1, M13)."};
inline constexpr CheckDecl kIdleFlag{"tmigr.quiet.idle_flag",
                                     "A CPU is idle to the hierarchy and not to its wheel, or the reverse (M3)."};
inline constexpr CheckDecl kRemoteFlag{"tmigr.quiet.remote",
                                       "A CPU is still marked as expired remotely, or its event names another (M4)."};
inline constexpr CheckDecl kUncoveredCpu{"tmigr.quiet.uncovered_cpu",
                                         "An idle CPU has a global timer that no queued event shows (M6)."};
inline constexpr CheckDecl kUncoveredGroup{"tmigr.quiet.uncovered_group",
                                           "An inactive group has an event that its parent does not show (M7)."};
inline constexpr CheckDecl kNobodyWakes{"tmigr.quiet.nobody_wakes",
                                        "All CPUs sleep, and none wakes for the first event (M8)."};
inline constexpr CheckDecl kActiveEvent{"tmigr.quiet.active_event", "The event of an active CPU is not ignored (M9)."};
inline constexpr CheckDecl kRoots{"tmigr.quiet.roots",
                                  "A hierarchy has more than one root, or children do not match their masks (M10, "
                                  "M11)."};
inline constexpr CheckDecl kNodes{"tmigr.quiet.nodes",
                                  "A group below the crossnode level has CPUs of two nodes (M12)."};

inline constexpr std::array kTmigrChecks{kMigrator,       kMask,        kQueued,      kParent,       kNextExpiry,
                                         kEndlessPull,    kSetupBounds, kNotIdle,     kIdleForecast, kOldRootInactive,
                                         kNoSuccessor,    kActiveBit,   kIdleFlag,    kRemoteFlag,   kUncoveredCpu,
                                         kUncoveredGroup, kNobodyWakes, kActiveEvent, kRoots,        kNodes};

}  // namespace ticklab::linux_::tmigr::checks
