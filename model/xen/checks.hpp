// What the timer core checks itself: breaches of its contract by clients (XT 2.3), and its own invariants (XT 14).
#pragma once

#include <array>

#include "ticklab/sim/declare.hpp"

namespace ticklab::xen::checks {

using sim::CheckDecl;

inline constexpr CheckDecl kDoubleInit{"xen.timer.double_init",
                                       "A timer was initialised while it was inactive or queued."};
inline constexpr CheckDecl kInitRace{"xen.timer.init_race", "A timer was used while its initialisation was under way."};
inline constexpr CheckDecl kNotInitialised{"xen.timer.not_initialised", "A timer was used that was never initialised."};
inline constexpr CheckDecl kKillFromCallback{"xen.timer.kill_from_callback",
                                             "A timer was killed from its own callback, which would wait for ever."};
inline constexpr CheckDecl kKilledUsed{"xen.timer.killed_used", "A killed timer was killed again or migrated."};
inline constexpr CheckDecl kNoBase{"xen.timer.no_base", "A timer was given to a CPU that has no timer base."};
inline constexpr CheckDecl kBadStatus{"xen.timer.bad_status",
                                      "A queue operation met a timer whose status does not allow it."};
inline constexpr CheckDecl kAlignZero{"xen.timer.align_zero", "A first instant below 1 ns was aligned."};
inline constexpr CheckDecl kNestedSoftirq{"xen.softirq.nested", "The timer softirq was entered again from a callback."};
inline constexpr CheckDecl kSoftirqStorm{"xen.softirq.storm", "A CPU did not get out of its softirqs."};
inline constexpr CheckDecl kEndlessPass{"xen.pass.endless",
                                        "One pass of the timer softirq did not end within its budget."};
inline constexpr CheckDecl kWrongCallback{
    "xen.timer.wrong_callback", "The callback that was called is not the one that the timer had when it expired."};
inline constexpr CheckDecl kForeignBase{
    "xen.timer.foreign_base", "A timer was about to be unlinked under the lock of a CPU that has not got it."};
inline constexpr CheckDecl kDrainTarget{"xen.drain.target",
                                        "Timers were to be drained to a CPU that is off-line, or to the victim."};
inline constexpr CheckDecl kMembership{"xen.structure.membership",
                                       "A timer is not linked where its status and its owner say (XT-I1, I4, I5)."};
inline constexpr CheckDecl kHeap{"xen.structure.heap", "A heap is out of order or an index is wrong (XT-I2)."};
inline constexpr CheckDecl kList{"xen.structure.list", "An overflow list is out of order (XT-I3)."};
inline constexpr CheckDecl kRunning{"xen.structure.running",
                                    "A callback is marked as running outside the timer softirq (XT-I6)."};
inline constexpr CheckDecl kLostDeadline{"xen.deadline.lost",
                                         "A timer is queued, and neither softirq nor hardware will look at it in time "
                                         "(XT-I7)."};
inline constexpr CheckDecl kConservation{
    "xen.structure.conservation", "The timers in all structures are not those initialised and not killed (XT-I8)."};
inline constexpr CheckDecl kGroup{"xen.deadline.group",
                                  "A member of the group cannot run in the published deadline range (XT-I9, I12)."};
inline constexpr CheckDecl kForeignDeadline{"xen.deadline.foreign",
                                            "A published deadline changed outside its CPU's timer softirq (XT-I10)."};
inline constexpr CheckDecl kDrainLeft{"xen.drain.left", "A drained CPU still owns a timer (XT-I11)."};

inline constexpr CheckDecl kSoftirqIrqsOff{"xen.softirq.irqs_off", "Softirqs were run with interrupts disabled."};
inline constexpr CheckDecl kForeignSlice{"xen.sched.foreign_slice",
                                         "A CPU's slice timer ran on another CPU, which it cannot preempt."};
inline constexpr CheckDecl kTimeBackwards{"xen.sched.time_backwards",
                                          "A scheduler's decision is older than what it decides about."};
inline constexpr CheckDecl kIdleSwallowed{
    "xen.idle.swallowed", "A timer that was due when its CPU woke up was stopped before its softirq ran."};
inline constexpr CheckDecl kCalibrationLost{"xen.calibration.lost",
                                            "The periodic calibration is not queued after the system was resumed."};
inline constexpr CheckDecl kBroadcastNested{"xen.broadcast.nested",
                                            "A channel's interrupt was taken inside its own handler."};
inline constexpr CheckDecl kBroadcastUncovered{
    "xen.broadcast.uncovered", "A CPU sleeps in a channel's set, and the channel will not wake it in time (HP-P4)."};

inline constexpr std::array kXenChecks{kDoubleInit,
                                       kInitRace,
                                       kNotInitialised,
                                       kKillFromCallback,
                                       kKilledUsed,
                                       kNoBase,
                                       kBadStatus,
                                       kAlignZero,
                                       kNestedSoftirq,
                                       kSoftirqStorm,
                                       kEndlessPass,
                                       kWrongCallback,
                                       kForeignBase,
                                       kDrainTarget,
                                       kMembership,
                                       kHeap,
                                       kList,
                                       kRunning,
                                       kLostDeadline,
                                       kConservation,
                                       kGroup,
                                       kForeignDeadline,
                                       kDrainLeft,
                                       kSoftirqIrqsOff,
                                       kForeignSlice,
                                       kTimeBackwards,
                                       kIdleSwallowed,
                                       kCalibrationLost,
                                       kBroadcastNested,
                                       kBroadcastUncovered};

}  // namespace ticklab::xen::checks
