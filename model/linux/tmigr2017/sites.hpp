// Named places of the proposal of 2017 (MA 7.3).
#pragma once

#include <array>

#include "ticklab/sim/choices.hpp"

namespace ticklab::linux_::tmigr2017::sites {

using sim::Site;

inline constexpr Site kIdleBeforeLock{"tmigr2017.idle.before_lock",
                                      "a CPU has looked at its timers, the hierarchy is not told yet (TM17 11.11)"};
inline constexpr Site kRemoteAfterPop{"tmigr2017.remote.after_pop",
                                      "an event was taken out of a group, nothing is locked (TM17 11.4)"};
inline constexpr Site kRemoteExpired{"tmigr2017.remote.expired",
                                     "a CPU's timers were run for it, its next one is not shown yet"};
inline constexpr Site kOnlineBeforeLeaf{"tmigr2017.online.before_leaf",
                                        "a CPU comes up, and may have no leaf yet (TM17 11.3)"};
inline constexpr Site kOfflineBeforeLock{"tmigr2017.offline.before_lock",
                                         "a CPU goes off-line, the hierarchy is not told yet (TM17 11.7)"};
inline constexpr Site kSetupAllocate{"tmigr2017.setup.allocate", "a group is allocated"};

inline constexpr std::array kTmigr2017Sites{&kIdleBeforeLock,   &kRemoteAfterPop,    &kRemoteExpired,
                                            &kOnlineBeforeLeaf, &kOfflineBeforeLock, &kSetupAllocate};

}  // namespace ticklab::linux_::tmigr2017::sites
