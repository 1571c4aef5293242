// Named places of the timer core's clients (MA 7.3).
#pragma once

#include <array>

#include "ticklab/sim/choices.hpp"

namespace ticklab::xen::sites {

inline constexpr sim::Site kScheduleBeforeLock{"xen.schedule.before_lock",
                                               "the schedule softirq starts, nothing is locked"};
inline constexpr sim::Site kWakeWithLock{"xen.wake.with_lock",
                                         "a blocked vCPU is about to be queued, its schedule lock is held"};
inline constexpr sim::Site kSingleshotBeforeSet{"xen.singleshot.before_set",
                                                "a guest's single-shot timer was migrated, it is not set yet"};
inline constexpr sim::Site kPollBeforeLock{"xen.poll.before_lock",
                                           "the callback of a poll timer has started, nothing is locked"};
inline constexpr sim::Site kEoiBeforeLock{"xen.eoi_timer.before_lock",
                                          "the callback of an EOI timer has started, the descriptor is not locked"};
inline constexpr sim::Site kUnbindWithLock{"xen.unbind.with_lock",
                                           "the last guest of an interrupt leaves, the descriptor is locked"};
inline constexpr sim::Site kEmulatedWithLock{"xen.emulated.with_lock",
                                             "the callback of an emulated timer holds its vCPU's device lock"};
inline constexpr sim::Site kIdleAfterWake{"xen.idle.after_wake",
                                          "the CPU came out of idle, its softirqs have not run yet"};

inline constexpr std::array kClientSites{&kScheduleBeforeLock, &kWakeWithLock,    &kSingleshotBeforeSet,
                                         &kPollBeforeLock,     &kEoiBeforeLock,   &kUnbindWithLock,
                                         &kIdleAfterWake,      &kEmulatedWithLock};

}  // namespace ticklab::xen::sites
