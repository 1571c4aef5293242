// What is always checked of CPU time and its timers.
#pragma once

#include <array>

#include "ticklab/sim/declare.hpp"

namespace ticklab::cputime::checks {

using sim::CheckDecl;

inline constexpr CheckDecl kConservation{
    "cputime.conservation", "The times of a group are not what its live and dead threads have used (LC-I1, LC-I8)."};
inline constexpr CheckDecl kBackwards{"cputime.clock.backwards", "A CPU clock showed less than before (LC-P1)."};
inline constexpr CheckDecl kClockAhead{"cputime.timer_clock.ahead",
                                       "The timer clock of a group is ahead of its process clock (LC-I2)."};
inline constexpr CheckDecl kClockBehind{
    "cputime.timer_clock.behind",
    "The timer clock of a group lacks more than one accounting step a thread (LC-I2, LC-F7b)."};
inline constexpr CheckDecl kClockFell{"cputime.timer_clock.fell", "The timer clock of a group decreased (LC-I3)."};
inline constexpr CheckDecl kEarly{"cputime.timer.early",
                                  "A signal was made before its clock had reached the expiry (LC-P2, LC-P10)."};
inline constexpr CheckDecl kMissed{"cputime.timer.missed",
                                   "A tick that saw the clock at or past an expiry left it armed (LC-P3)."};
inline constexpr CheckDecl kForeignTick{"cputime.timer.foreign_tick",
                                        "A timer of a thread was collected at a tick of another thread (LC-P4)."};
inline constexpr CheckDecl kList{"cputime.timer.list",
                                 "A timer list is out of order, or a timer that fires is linked (LC-I4)."};
inline constexpr CheckDecl kCache{"cputime.timer.cache",
                                  "A cached expiry is later than an armed source of its clock (LC-I5)."};
inline constexpr CheckDecl kStopped{"cputime.timer_clock.stopped",
                                    "A process timer is armed and the timer clock stands still (LC-I6)."};
inline constexpr CheckDecl kPeriods{"cputime.timer.periods",
                                    "Signals and overruns of a periodic timer are not its elapsed intervals (LC-P7)."};

inline constexpr std::array kCpuTimeChecks{kConservation, kBackwards, kClockAhead, kClockBehind,
                                           kClockFell,    kEarly,     kMissed,     kForeignTick,
                                           kList,         kCache,     kStopped,    kPeriods};

}  // namespace ticklab::cputime::checks
