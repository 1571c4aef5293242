// Named places of the migration hierarchy (MA 7.3): every step that races of TMM name has one before or after it.
#pragma once

#include <array>

#include "ticklab/sim/choices.hpp"

namespace ticklab::linux_::tmigr::sites {

using sim::Site;

inline constexpr Site kActivateBeforeLock{"tmigr.activate.before_lock", "a CPU leaves idle, its record is not locked"};
inline constexpr Site kActiveBeforeCas{"tmigr.active.before_cas", "activation has read the group's state"};
inline constexpr Site kActiveAfterCas{"tmigr.active.after_cas",
                                      "activation has changed the group's state, its event is not ignored yet"};
inline constexpr Site kDeactivateBeforeLock{"tmigr.deactivate.before_lock",
                                            "a CPU goes idle, its record is not locked"};
inline constexpr Site kInactiveBeforeRead{"tmigr.inactive.before_read",
                                          "deactivation enters a group, whose state is not read yet"};
inline constexpr Site kInactiveBeforeCas{"tmigr.inactive.before_cas",
                                         "deactivation has read the states of group and child"};
inline constexpr Site kInactiveAfterCas{"tmigr.inactive.after_cas",
                                        "deactivation has changed the group's state, no event is updated yet"};
inline constexpr Site kWalkBeforeParent{"tmigr.walk.before_parent",
                                        "a walk has done with a group, its parent is not read yet"};
inline constexpr Site kWalkBetweenReads{"tmigr.walk.between_reads",
                                        "the old walk is between its two reads of the parent (TMIGR-06)"};
inline constexpr Site kEventsBeforeLock{"tmigr.events.before_lock", "an event is to be updated, no group is locked"};
inline constexpr Site kEventsSampled{"tmigr.events.sampled", "states were sampled before the lock is taken (TMIGR-20)"};
inline constexpr Site kNewTimerBeforeLock{"tmigr.new_timer.before_lock",
                                          "an idle CPU has looked at its timers, its record is not locked"};
inline constexpr Site kRemoteBeforeSnapshot{"tmigr.remote.before_snapshot",
                                            "remote expiry starts, the jiffies are not read yet"};
inline constexpr Site kRemoteBeforePop{"tmigr.remote.before_pop",
                                       "a migrator is responsible for a group, which is not locked yet"};
inline constexpr Site kRemoteAfterPop{"tmigr.remote.after_pop",
                                      "an event was taken out of a group, its CPU's record is not locked yet"};
inline constexpr Site kRemoteExpire{"tmigr.remote.expire",
                                    "a CPU is marked as expired remotely, its timers are not run yet"};
inline constexpr Site kRemoteBeforeBases{"tmigr.remote.before_bases",
                                         "a CPU's timers were run for it, its bases are not locked yet"};
inline constexpr Site kRemoteBeforeWakeup{"tmigr.remote.before_wakeup",
                                          "remote expiry has done, its CPU's next duty is not noted yet"};
inline constexpr Site kSetupAllocate{"tmigr.setup.allocate", "a group is allocated"};
inline constexpr Site kSetupLinked{"tmigr.setup.linked", "a group or CPU has its parent"};
inline constexpr Site kSetupPublished{"tmigr.setup.published",
                                      "a group has its parent and no mask there yet (TMIGR-09)"};
inline constexpr Site kSetupBeforePropagate{"tmigr.setup.before_propagate",
                                            "the old root has its parent, its state is not read yet"};
inline constexpr Site kSetupSampled{"tmigr.setup.sampled",
                                    "the old root's state was read, the new root does not show it yet"};
inline constexpr Site kUnavailableAfterWalk{"tmigr.unavailable.after_walk",
                                            "a CPU has left the hierarchy, its successor is not awake yet"};

inline constexpr std::array kTmigrSites{
    &kActivateBeforeLock, &kActiveBeforeCas,      &kActiveAfterCas,       &kDeactivateBeforeLock, &kInactiveBeforeRead,
    &kInactiveBeforeCas,  &kInactiveAfterCas,     &kWalkBeforeParent,     &kWalkBetweenReads,     &kEventsBeforeLock,
    &kEventsSampled,      &kNewTimerBeforeLock,   &kRemoteBeforeSnapshot, &kRemoteBeforePop,      &kRemoteAfterPop,
    &kRemoteExpire,       &kRemoteBeforeBases,    &kRemoteBeforeWakeup,   &kSetupAllocate,        &kSetupLinked,
    &kSetupPublished,     &kSetupBeforePropagate, &kSetupSampled,         &kUnavailableAfterWalk};

}  // namespace ticklab::linux_::tmigr::sites
