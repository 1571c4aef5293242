// What the kernel's timer code checks itself: breaches of its contract by clients (LTW 8.2), and its own invariants
// (LTW 16, LNT 8.6, 13, LHR 14, CH 7).
#pragma once

#include <array>

#include "ticklab/sim/declare.hpp"

namespace ticklab::linux_::checks {

using sim::CheckDecl;

inline constexpr CheckDecl kInitPending{"linux.timer.init_pending", "A timer was initialised while it was pending."};
inline constexpr CheckDecl kAddPending{"linux.timer.add_pending", "A timer was added while it was pending."};
inline constexpr CheckDecl kAddOffline{"linux.timer.add_offline",
                                       "A timer was added on a CPU that is off-line, which would forget it."};
inline constexpr CheckDecl kSyncContext{"linux.timer.sync_context",
                                        "A delete that waits was used in a hard interrupt."};
inline constexpr CheckDecl kSyncFromCallback{
    "linux.timer.sync_from_callback", "A delete that waits was used in the timer's own callback, which never ends."};
inline constexpr CheckDecl kTimerKind{"linux.timer.kind",
                                      "One timer was used both on the wheel and as a high-resolution timer."};

inline constexpr CheckDecl kForeignBase{"linux.timer.foreign_base",
                                        "A timer was queued or taken out without the lock of its base (LTW 4.1)."};
inline constexpr CheckDecl kBitmap{"linux.wheel.bitmap", "A bucket is marked and empty, or not marked and used (W1)."};
inline constexpr CheckDecl kMembership{
    "linux.wheel.membership",
    "A queued timer's flags do not name the bucket, the CPU and the base that it is in (W2, W10)."};
inline constexpr CheckDecl kPinnedElsewhere{
    "linux.wheel.pinned_elsewhere",
    "A pinned timer is queued on another CPU than the one that armed it, or that it was added on (LPP Q6)."};
inline constexpr CheckDecl kClock{"linux.wheel.clock",
                                  "A base's clock went back, or is ahead of jiffies or of its next expiry (W3)."};
inline constexpr CheckDecl kNextExpiry{
    "linux.wheel.next_expiry", "A base's next expiry is not its first bucket, or too late while in doubt (W4)."};
inline constexpr CheckDecl kForgotten{"linux.wheel.forgotten", "A base that says it has no timers has some (W5)."};
inline constexpr CheckDecl kBucketRange{"linux.wheel.bucket_range",
                                        "A queued timer's bucket lies outside the range of its level (W6)."};
inline constexpr CheckDecl kRunning{"linux.wheel.running",
                                    "A timer is marked as running, and no CPU is in its callback (W7)."};
inline constexpr CheckDecl kTwoRunners{
    "linux.wheel.two_runners",
    "Two CPUs run callbacks of one base, which remembers one of them: a delete may return too early (TM17 11.10)."};
inline constexpr CheckDecl kBaseIdle{"linux.wheel.base_idle",
                                     "A local base is marked idle, and its CPU's tick is not stopped (W8)."};
inline constexpr CheckDecl kShutDownQueued{"linux.wheel.shut_down_queued",
                                           "A timer that was shut down is in a bucket (W9)."};
inline constexpr CheckDecl kGlobalIdle{"linux.wheel.global_idle",
                                       "A base other than the local one is marked idle (W11)."};
inline constexpr CheckDecl kJiffies{"linux.jiffies",
                                    "Jiffies, the last edge and the next one do not belong together (N1, N2)."};
inline constexpr CheckDecl kStoppedNotIdle{
    "linux.tick.stopped_not_idle", "A CPU's tick is stopped, and whoever queues a timer there does not wake it (T1)."};
inline constexpr CheckDecl kNoTick{"linux.tick.none",
                                   "A CPU's tick is not stopped, and none is coming within a tick (T2)."};
inline constexpr CheckDecl kNextTick{"linux.tick.next_tick",
                                     "A stopped tick is not where the decision to stop it put it (T3)."};
inline constexpr CheckDecl kStaleDecision{"linux.tick.stale_decision",
                                          "A CPU left idle with a tick decision that was not used (T4)."};
inline constexpr CheckDecl kNotArmed{"linux.tick.not_armed",
                                     "A CPU sleeps past its first local timer or high-resolution timer (T6)."};
inline constexpr CheckDecl kSoftirqAsleep{"linux.tick.softirq_asleep",
                                          "A CPU sleeps with its timer softirq pending (T8)."};
inline constexpr CheckDecl kBroadcastUncovered{
    "linux.broadcast.uncovered",
    "A CPU sleeps with its own timer stopped, and the broadcast device is armed for later than it has to wake (B1)."};
inline constexpr CheckDecl kBalancerOwner{
    "linux.balancer.owner", "The owner of the idle load balancer is not in the set of those it works for (LNT 10.1)."};
inline constexpr CheckDecl kBalancerDeadCpu{
    "linux.balancer.dead_cpu",
    "A dead CPU is in the idle load balancer's set, or owns it, and nobody will take it out (NOHZ-04)."};
inline constexpr CheckDecl kRtcStalled{
    "linux.rtc.stalled",
    "The RTC's comparator was left behind the counter: its interrupts stop until the counter wraps (HP-P5)."};
inline constexpr CheckDecl kRtcNotStarted{
    "linux.rtc.not_started",
    "The RTC's first comparator was behind the counter when it came into force: no interrupt comes until the counter "
    "wraps (HP 10.5)."};
inline constexpr CheckDecl kRtcRate{"linux.rtc.rate",
                                    "The RTC's periodic interrupt has another period than its rate (HP 10.2)."};
inline constexpr CheckDecl kRtcAlarm{
    "linux.rtc.alarm", "The RTC's alarm is due and enabled and not reported, or reported and not enabled (HP 10.4)."};
inline constexpr CheckDecl kHrtimerForeignBase{
    "linux.hrtimer.foreign_base", "A high-resolution timer was queued or removed without the lock of its queue."};
inline constexpr CheckDecl kTimerLeft{"linux.hotplug.timer_left",
                                      "A timer is still queued on a CPU whose timers were taken over (CH H3)."};

inline constexpr std::array kLinuxChecks{
    kInitPending, kAddPending,      kAddOffline,      kSyncContext,        kSyncFromCallback, kTimerKind,
    kBitmap,      kMembership,      kClock,           kNextExpiry,         kForgotten,        kBucketRange,
    kRunning,     kBaseIdle,        kShutDownQueued,  kGlobalIdle,         kJiffies,          kStoppedNotIdle,
    kNoTick,      kNextTick,        kStaleDecision,   kNotArmed,           kSoftirqAsleep,    kHrtimerForeignBase,
    kTimerLeft,   kPinnedElsewhere, kTwoRunners,      kBroadcastUncovered, kRtcStalled,       kRtcRate,
    kRtcAlarm,    kBalancerOwner,   kBalancerDeadCpu, kForeignBase,        kRtcNotStarted};

}  // namespace ticklab::linux_::checks
