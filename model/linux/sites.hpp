// Named places of the kernel's timer code (MA 7.3): scenarios trigger and hold here, and hunts stall here.
#pragma once

#include <array>

#include "ticklab/sim/choices.hpp"

namespace ticklab::linux_::sites {

using sim::Site;

inline constexpr Site kJiffiesBeforeEdge{"linux.jiffies.before_edge",
                                         "jiffies have advanced, the next edge is not published yet"};
inline constexpr Site kLockBaseAfterRead{"linux.lock_timer_base.after_read",
                                         "the flags of a timer were read, its base is not locked yet"};
inline constexpr Site kForwardBetweenReads{"linux.forward.between_reads",
                                           "the old forwarding is between its two reads of jiffies (WHEEL-04)"};
inline constexpr Site kMigrating{"linux.timer.migrating", "a timer is between two bases, neither is locked"};
inline constexpr Site kModBeforeLock{"linux.mod_timer.before_lock", "a modification was called, nothing is locked"};
inline constexpr Site kDeleteBeforeLock{"linux.timer_delete.before_lock", "a delete was called, nothing is locked"};
inline constexpr Site kDeleteLocked{"linux.timer_delete.locked", "a delete has locked the timer's base"};
inline constexpr Site kExpireBeforeCallback{"linux.timer.before_callback",
                                            "the base lock is dropped, the callback is about to start"};
inline constexpr Site kExpireAfterCallback{"linux.timer.after_callback",
                                           "the callback returned, the base is not locked yet"};
inline constexpr Site kIdleBaseMarked{"linux.tick_stop.base_idle",
                                      "the local base is marked idle, the hardware is not programmed yet"};
inline constexpr Site kTickStopped{"linux.tick_stop.stopped", "the tick is stopped and the hardware programmed"};
inline constexpr Site kTickRestart{"linux.tick_restart.before_activate",
                                   "the tick is about to restart, the base is still marked idle"};
inline constexpr Site kIdleBeforeSleep{"linux.idle.before_sleep", "polling is off, need_resched was looked at"};
inline constexpr Site kBroadcastHandled{
    "linux.broadcast.handled", "who is due was called, the broadcast device is asked for the next, nothing is locked"};
inline constexpr Site kHrtimerBeforeLock{"linux.hrtimer_start.before_lock", "a start was called, nothing is locked"};
inline constexpr Site kHrtimerReadAgain{"linux.hrtimer.read_again",
                                        "the old lock loop is before or after its second read of the base (HRT-05)"};
inline constexpr Site kHrtimerBeforeCallback{"linux.hrtimer.before_callback",
                                             "the base lock is dropped, the callback is about to start"};
inline constexpr Site kHrtimerAfterCallback{"linux.hrtimer.after_callback",
                                            "the callback returned, the base is not locked yet"};
inline constexpr Site kTimersDeadBeforeLock{"linux.timers_dead.before_lock",
                                            "the timers of a dead CPU are about to move, nothing is locked"};
inline constexpr Site kRtcFirstComparator{
    "linux.rtc.first_comparator", "the RTC's first comparator is computed and not written yet, interrupts are off"};

inline constexpr std::array kLinuxSites{
    &kJiffiesBeforeEdge,    &kLockBaseAfterRead,    &kForwardBetweenReads, &kMigrating,        &kModBeforeLock,
    &kDeleteBeforeLock,     &kExpireBeforeCallback, &kExpireAfterCallback, &kIdleBaseMarked,   &kTickStopped,
    &kTickRestart,          &kIdleBeforeSleep,      &kHrtimerBeforeLock,   &kHrtimerReadAgain, &kHrtimerBeforeCallback,
    &kHrtimerAfterCallback, &kTimersDeadBeforeLock, &kBroadcastHandled,    &kDeleteLocked,     &kRtcFirstComparator};

}  // namespace ticklab::linux_::sites
