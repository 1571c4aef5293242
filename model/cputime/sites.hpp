// Named places of CPU time accounting (MA 7.3): scenarios trigger and hold here, and hunts stall here.
#pragma once

#include <array>

#include "ticklab/sim/choices.hpp"

namespace ticklab::cputime::sites {

using sim::Site;

inline constexpr Site kHookThreadDone{"cputime.account.thread_done",
                                      "a hook added to the thread's time, the group's is not touched yet (LC 2.6)"};
inline constexpr Site kStartBeforeSum{"cputime.start.before_sum",
                                      "the timer clock is about to start, the threads are not summed yet (LC 2.4)"};
inline constexpr Site kSumThreadsDone{"cputime.sum.threads_done",
                                      "the live threads are summed, the dead ones are not added yet (LC 2.3)"};
inline constexpr Site kFolded{"cputime.exit.folded",
                              "an exiting thread's time is with the dead, the thread is still listed (LC 9.1)"};
inline constexpr Site kUnlinked{"cputime.exit.unlinked", "an exiting thread is not listed any more and still runs"};
inline constexpr Site kCollected{"cputime.check.collected",
                                 "expired timers are taken off their lists, none has fired yet (LC 5.4)"};
inline constexpr Site kRearm{"cputime.rearm",
                             "the signal of a periodic timer is delivered, it is not armed again yet (LC 6.5)"};
inline constexpr Site kRunTimeRead{"cputime.clock.sum_read",
                                   "the run time of a thread was read, what it runs now is not added yet (LC 2.2)"};

inline constexpr std::array kCpuTimeSites{&kHookThreadDone, &kStartBeforeSum, &kSumThreadsDone, &kFolded,
                                          &kUnlinked,       &kCollected,      &kRearm,          &kRunTimeRead};

}  // namespace ticklab::cputime::sites
