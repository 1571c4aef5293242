// The checks that lab/ makes on every run, whatever kernel runs (DESIGN 5).
#pragma once

#include <array>

#include "ticklab/sim/declare.hpp"

namespace ticklab::lab::checks {

inline constexpr sim::CheckDecl kTimerEarly{"timer.early", "A timer's callback ran before its time had come."};
inline constexpr sim::CheckDecl kTimerTwice{"timer.twice",
                                            "A timer's callback ran although every arming had been used up."};
inline constexpr sim::CheckDecl kTimerAfterCancel{
    "timer.after_cancel",
    "A timer's callback ran, or was still running, after a cancel had promised that it would not."};
inline constexpr sim::CheckDecl kTimerLost{"timer.lost",
                                           "An armed timer did not run although its CPU had the time for it."};
inline constexpr sim::CheckDecl kTimerLate{
    "timer.late", "A timer's callback ran later than promised, and nothing that was measured on its CPU explains it."};
inline constexpr sim::CheckDecl kUncovered{
    "progress.uncovered", "Every CPU sleeps, and nothing that is armed will wake one in time for an armed timer."};
inline constexpr sim::CheckDecl kHeapOrder{
    "structure.heap_order", "An element of a timer heap expires before its parent, or is not where it says."};
inline constexpr sim::CheckDecl kListOrder{"structure.list_order", "A sorted timer list is not in order of expiry."};
inline constexpr sim::CheckDecl kMembership{
    "structure.membership",
    "A timer is in more than one structure, or its being queued contradicts what was asked of it."};

inline constexpr std::array kLabChecks{&kTimerEarly, &kTimerTwice, &kTimerAfterCancel, &kTimerLost, &kTimerLate,
                                       &kUncovered,  &kHeapOrder,  &kListOrder,        &kMembership};

}  // namespace ticklab::lab::checks
