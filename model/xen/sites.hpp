// Named places of the hypervisor's timer core (MA 7.3): scenarios trigger and hold here, and hunts stall here.
#pragma once

#include <array>

#include "ticklab/sim/choices.hpp"

namespace ticklab::xen::sites {

using sim::Site;

inline constexpr Site kLockTimerAfterRead{"xen.lock_timer.after_read",
                                          "the owner of a timer was read, its base is not locked yet"};
inline constexpr Site kLockPairBetween{"xen.lock_pair.between", "the first of two base locks is held"};
inline constexpr Site kMoveAfterStop{"xen.move.after_stop",
                                     "without XEN-04: the timer is stopped, its owner not overwritten yet"};
inline constexpr Site kBaseAllocate{"xen.base.allocate", "the memory of a CPU's timer base is allocated"};
inline constexpr Site kBasePrepared{"xen.base.prepared", "the timer base of a CPU that comes up is ready"};
inline constexpr Site kStackAllocate{"xen.stack.allocate", "the stack of a CPU that comes up is allocated"};
inline constexpr Site kSetBeforeLock{"xen.set.before_lock", "set was called, nothing is locked"};
inline constexpr Site kStopBeforeLock{"xen.stop.before_lock", "stop was called, nothing is locked"};
inline constexpr Site kMigrateBeforeLock{"xen.migrate.before_lock",
                                         "migrate has read the old owner, no base is locked yet"};
inline constexpr Site kMigrateAfterLock{"xen.migrate.after_lock", "migrate holds both base locks"};
inline constexpr Site kKillBeforeLock{"xen.kill.before_lock", "kill was called, nothing is locked"};
inline constexpr Site kKillBeforeWait{"xen.kill.before_wait",
                                      "the timer is killed, kill is about to wait for a running callback"};
inline constexpr Site kSoftirqEntry{"xen.softirq.entry", "the timer softirq starts, its bit is clear"};
inline constexpr Site kHeapGrow{"xen.heap.grow", "a larger array for a heap is allocated"};
inline constexpr Site kHeapGrowBeforeLock{"xen.heap.grow.before_lock",
                                          "the larger array is there, the base is not locked yet"};
inline constexpr Site kExecuteBeforeCallback{"xen.execute.before_callback",
                                             "the base lock is dropped, the callback is about to start"};
inline constexpr Site kExecuteAfterCallback{"xen.execute.after_callback",
                                            "the callback returned, the base is not locked yet"};
inline constexpr Site kDrainBeforeLock{"xen.drain.before_lock", "the drain of a dead CPU begins, nothing is locked"};
inline constexpr Site kDrainAfterUnlock{"xen.drain.after_unlock",
                                        "the timers have moved, the target's softirq is not raised yet"};

inline constexpr Site kIdleBeforeIrqsOff{"xen.idle.before_irqs_off",
                                         "the state to sleep in is chosen, interrupts are still enabled"};
inline constexpr Site kBroadcastEnter{"xen.broadcast.enter",
                                      "a CPU has left its local timer and is not in a channel's set yet"};
inline constexpr Site kBroadcastExit{"xen.broadcast.exit",
                                     "a woken CPU has its local timer again and is still in the channel's set"};
inline constexpr Site kBroadcastBeforeComparator{"xen.broadcast.before_comparator",
                                                 "the counter was read, the comparator is not written yet"};
inline constexpr Site kBroadcastScan{"xen.broadcast.scan",
                                     "the channel's handler has dropped the lock and looks at the sleeping CPUs"};

inline constexpr std::array kXenSites{&kLockPairBetween,
                                      &kMoveAfterStop,
                                      &kBaseAllocate,
                                      &kBasePrepared,
                                      &kStackAllocate,
                                      &kLockTimerAfterRead,
                                      &kSetBeforeLock,
                                      &kStopBeforeLock,
                                      &kMigrateBeforeLock,
                                      &kMigrateAfterLock,
                                      &kKillBeforeLock,
                                      &kKillBeforeWait,
                                      &kSoftirqEntry,
                                      &kHeapGrow,
                                      &kHeapGrowBeforeLock,
                                      &kExecuteBeforeCallback,
                                      &kExecuteAfterCallback,
                                      &kDrainBeforeLock,
                                      &kDrainAfterUnlock,
                                      &kIdleBeforeIrqsOff,
                                      &kBroadcastEnter,
                                      &kBroadcastExit,
                                      &kBroadcastBeforeComparator,
                                      &kBroadcastScan};

}  // namespace ticklab::xen::sites
