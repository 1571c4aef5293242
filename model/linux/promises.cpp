#include "ticklab/model/linux/promises.hpp"

#include <algorithm>

#include "ticklab/model/linux/wheel_geometry.hpp"

namespace ticklab::linux_ {
namespace {

/// A base's clock may trail jiffies while what is due waits for its softirq: the distance that decides the level is
/// larger by that (LTW 15.2).
constexpr std::uint64_t kClockLag = 8;
/// The first tick at or after the bucket's edge, and one more if it saw stale jiffies (LTW 15.3).
constexpr int kServiceTicks = 2;

Jiffies later(Jiffies a, Jiffies b) { return a < b ? b : a; }

}  // namespace

sim::TimerPromise wheel_promise(const Timekeeping& time, Jiffies expires, Jiffies asked_at, sim::Time now,
                                bool deferrable, KtimeSpan tick_skew) {
    const unsigned levels = wheel::levels_for(time.hz());
    const Jiffies present = time.ideal_jiffies(ktime_at(sim::ns_floor(now)));
    const auto distance = static_cast<std::uint64_t>(std::max<std::int64_t>(0, expires - asked_at)) + kClockLag;
    const unsigned level = std::min(wheel::level_for(distance, levels), levels - 1);
    Jiffies earliest = expires + 1;
    if (distance >= wheel::cutoff(levels))
        // The only timer that may come early (LTW 2.3).
        earliest = asked_at + (wheel::max_distance(levels) - wheel::granularity(levels - 1));
    sim::TimerPromise promise{now, sim::kNever, false};
    promise.look_every = time.tick();
    if (earliest > present)
        promise.not_before = time.first_at(time.edge_of(earliest));
    if (!deferrable) {
        const Ktime last = time.edge_of(later(expires, present) + wheel::granularity(level));
        promise.not_after = last == kKtimeMax
                                ? sim::kNever
                                : sim::saturating_add(time.first_at(last), kServiceTicks * time.tick() + tick_skew);
    }
    return promise;
}

sim::TimerPromise hrtimer_promise(const Timekeeping& time, sim::Time expires, sim::Duration slack, sim::Time now,
                                  KtimeSpan min_delta, bool high_res) {
    const auto at = [&time](sim::Time t) { return time.first_at(ktime_at(sim::ns_floor(t))); };
    const sim::Time latest = std::max(at(sim::saturating_add(expires, slack)), now);
    sim::TimerPromise promise{std::max(at(expires), now),
                              sim::saturating_add(latest, high_res ? min_delta : 2 * time.tick()), false};
    if (!high_res)
        promise.look_every = time.tick();
    return promise;
}

}  // namespace ticklab::linux_
