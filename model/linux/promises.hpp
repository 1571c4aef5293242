// What a timer is promised when it is armed: by the request and the options alone (LTW 15, LHR 15).
#pragma once

#include "ticklab/model/linux/jiffies.hpp"
#include "ticklab/sim/kernel.hpp"

namespace ticklab::linux_ {

/// It has no effect, which is no arming at all.
inline constexpr sim::TimerPromise kNoPromise{sim::kNever, sim::kNever, false};

/// A timer of the wheel for `expires`, which was asked for at `asked_at` and is armed at `now`. A deferrable one has no
/// latest instant.
sim::TimerPromise wheel_promise(const Timekeeping& time, Jiffies expires, Jiffies asked_at, sim::Time now,
                                bool deferrable, KtimeSpan tick_skew);
/// A high-resolution timer that may run from `expires` on and must have run `slack` later; in low-resolution mode at a
/// tick.
sim::TimerPromise hrtimer_promise(const Timekeeping& time, sim::Time expires, sim::Duration slack, sim::Time now,
                                  KtimeSpan min_delta, bool high_res);

}  // namespace ticklab::linux_
