#include "ticklab/model/linux/invariants.hpp"

#include <fmt/format.h>

#include "ticklab/model/linux/checks.hpp"
#include "ticklab/model/linux/timer_wheel.hpp"

namespace ticklab::linux_ {
namespace {

std::string name_of(const TimerBase& base) {
    return fmt::format("{} base of CPU {}", kBaseNames[static_cast<std::size_t>(base.index)], base.cpu);
}

std::string name_of(const TimerWheel& wheel, const Timer& t) {
    return std::string(wheel.machine().records().name(t.object));
}

/// 8^level by multiplication: the code under check shifts.
std::uint64_t step_of(unsigned level) {
    std::uint64_t step = 1;
    while (level-- > 0)
        step *= 8;
    return step;
}

std::optional<Broken> misplaced(const TimerWheel& wheel, const TimerBase& base, const Timer& t) {
    if (!t.pending || t.has(timer_flags::kMigrating) || t.cpu() != base.cpu)
        return Broken{&checks::kMembership,
                      fmt::format("timer {} of flags {:#x}, {}pending, is in the {}", name_of(wheel, t), t.flags,
                                  t.pending ? "" : "not ", name_of(base))};
    const bool deferrable = t.has(timer_flags::kDeferrable);
    const bool pinned = t.has(timer_flags::kPinned);
    const BaseIndex expected = deferrable                        ? BaseIndex::kDeferrable
                               : pinned || wheel.form().one_base ? BaseIndex::kLocal
                                                                 : BaseIndex::kGlobal;
    if (base.index != expected)
        return Broken{&checks::kMembership,
                      fmt::format("timer {} of flags {:#x} is in the {}", name_of(wheel, t), t.flags, name_of(base))};
    if (pinned && t.armed_on != base.cpu)
        return Broken{&checks::kPinnedElsewhere, fmt::format("timer {} in the {} was armed on CPU {}",
                                                             name_of(wheel, t), name_of(base), t.armed_on)};
    if (!t.function)
        return Broken{&checks::kShutDownQueued, fmt::format("timer {} in the {}", name_of(wheel, t), name_of(base))};
    return std::nullopt;
}

std::optional<Broken> check_bucket(const TimerWheel& wheel, const TimerBase& base, unsigned index,
                                   std::optional<Jiffies>& first) {
    const Wheel& w = base.wheel;
    const TimerList& bucket = w.bucket(index);
    if (w.marked(index) == bucket.empty())
        return Broken{&checks::kBitmap, fmt::format("bucket {} of the {} is {}marked", index, name_of(base),
                                                    w.marked(index) ? "empty and " : "used and not ")};
    const std::uint64_t step = step_of(index / 64);
    for (const Timer& t : bucket) {
        if (auto broken = misplaced(wheel, base, t))
            return broken;
        const std::int64_t ahead = t.bucket_expiry - w.clk();
        if (t.bucket() != index || ahead < 0 || static_cast<std::uint64_t>(ahead) > 64 * step ||
            t.bucket_expiry.count() % step != 0 || t.bucket_expiry.count() / step % 64 != index % 64)
            return Broken{&checks::kBucketRange,
                          fmt::format("timer {} for {} is in bucket {} of the {}, its own is {} for {}, the clock {}",
                                      name_of(wheel, t), t.expires.count(), index, name_of(base), t.bucket(),
                                      t.bucket_expiry.count(), w.clk().count())};
        if (!first || t.bucket_expiry < *first)
            first = t.bucket_expiry;
    }
    return std::nullopt;
}

std::optional<Broken> check_next(const TimerBase& base, const std::optional<Jiffies>& first) {
    const Wheel& w = base.wheel;
    if (!first)
        return std::nullopt;
    if (!w.recalc() && !w.timers_pending())
        return Broken{&checks::kForgotten, name_of(base)};
    if (w.recalc() ? *first < w.next_expiry() : w.next_expiry() != *first)
        return Broken{&checks::kNextExpiry,
                      fmt::format("the {} says {}{}, its first bucket is for {}", name_of(base),
                                  w.next_expiry().count(), w.recalc() ? " at the earliest" : "", first->count())};
    return std::nullopt;
}

}  // namespace

std::optional<Broken> check_base(const TimerWheel& wheel, const TimerBase& base) {
    const Wheel& w = base.wheel;
    if (w.clk() > wheel.time().peek_jiffies() + 1 || w.clk() > w.next_expiry() || w.clk() < base.clk_seen)
        return Broken{&checks::kClock,
                      fmt::format("the clock of the {} is {} after {}, jiffies are {}, the next expiry {}",
                                  name_of(base), w.clk().count(), base.clk_seen.count(),
                                  wheel.time().peek_jiffies().count(), w.next_expiry().count())};
    std::optional<Jiffies> first;
    for (unsigned i = w.next_used(0); i < w.bucket_count(); i = w.next_used(i + 1))
        if (auto broken = check_bucket(wheel, base, i, first))
            return broken;
    if (auto broken = check_next(base, first))
        return broken;
    for (unsigned i = 0; i < w.levels(); ++i)
        for (const Timer& t : w.collected(i))
            if (auto broken = misplaced(wheel, base, t))
                return broken;
    if ((base.running.peek() != nullptr) != (base.runner != sim::kNoCpu))
        return Broken{&checks::kRunning, name_of(base)};
    if (base.is_idle.peek() && base.index != BaseIndex::kLocal &&
        !(base.index == BaseIndex::kGlobal && wheel.nohz_full(base.cpu)))
        return Broken{&checks::kGlobalIdle, name_of(base)};
    return std::nullopt;
}

std::optional<Broken> check_at_release(const TimerWheel& wheel, TimerBase& base, CheckEffort effort) {
    if (effort == CheckEffort::kNever)
        return std::nullopt;
    if (effort == CheckEffort::kAmortised && ++base.releases_since_check < kAmortisedReleases)
        return std::nullopt;
    base.releases_since_check = 0;
    std::optional<Broken> broken = check_base(wheel, base);
    base.clk_seen = base.wheel.clk();
    return broken;
}

std::optional<Broken> check_drained(const TimerWheel& wheel, sim::CpuId victim) {
    for (std::size_t i = 0; i < kBasesPerCpu; ++i)
        if (const TimerBase& base = wheel.base(victim, static_cast<BaseIndex>(i)); !base.wheel.empty())
            return Broken{&checks::kTimerLeft, name_of(base)};
    return std::nullopt;
}

}  // namespace ticklab::linux_
