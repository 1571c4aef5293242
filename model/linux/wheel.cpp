#include "ticklab/model/linux/wheel.hpp"

#include <algorithm>
#include <bit>

namespace ticklab::linux_ {

using wheel::kClockMask;
using wheel::kClockShift;
using wheel::kSlotMask;
using wheel::kSlots;

void Wheel::reset(Jiffies now) {
    clk_ = now;
    refresh_empty(now);
    recalc_ = false;
    timers_pending_ = false;
    pending_.fill(0);
}

bool Wheel::enqueue(Timer& timer, const wheel::Bucket& bucket) {
    buckets_[bucket.index].push_front(timer);
    used_[bucket.index / kSlots] |= std::uint64_t{1} << (bucket.index % kSlots);
    mark(bucket.index);
    timer.set_bucket(bucket.index);
    // A cache that is too late for an empty wheel would hide what is queued behind it (LTW 11.3).
    if (!(bucket.expiry < next_expiry_) && (timers_pending_ || recalc_))
        return false;
    next_expiry_ = bucket.expiry;
    timers_pending_ = true;
    recalc_ = false;
    return true;
}

void Wheel::detach(Timer& timer) {
    const unsigned index = timer.bucket();
    const TimerList& bucket = buckets_[index];
    // A collected timer is no member of the bucket that it names, whose mark is not about it.
    if (!bucket.empty() && &bucket.front() == &timer && &bucket.back() == &timer) {
        clear_mark(index);
        recalc_ = true;
    }
    timer.hook.unlink();
    note_empty(index);
}

void Wheel::note_empty(unsigned index) {
    if (buckets_[index].empty())
        used_[index / kSlots] &= ~(std::uint64_t{1} << (index % kSlots));
}

unsigned Wheel::next_used(unsigned index) const {
    for (unsigned level = index / kSlots, from = index % kSlots; level < levels_; ++level, from = 0)
        if (const std::uint64_t used = (used_[level] | pending_[level]) >> from; used != 0)
            return level * static_cast<unsigned>(kSlots) + from + static_cast<unsigned>(std::countr_zero(used));
    return bucket_count();
}

bool Wheel::forward(Jiffies compared, Jiffies stored) {
    if (compared <= clk_)
        return true;
    const Jiffies to = next_expiry_ > compared ? stored : next_expiry_;
    if (to < clk_)
        return false;
    clk_ = to;
    return true;
}

unsigned Wheel::collect() {
    clk_ = next_expiry_;
    std::uint64_t clock = clk_.count();
    unsigned filled = 0;
    for (unsigned level = 0; level < levels_; ++level) {
        const auto index = static_cast<unsigned>(level * kSlots + (clock & kSlotMask));
        if (marked(index)) {
            clear_mark(index);
            collected_[filled++].swap(buckets_[index]);
        }
        if ((clock & kClockMask) != 0)
            break;
        clock >>= kClockShift;
    }
    clk_ = clk_ + 1;
    return filled;
}

unsigned Wheel::recalculate() {
    const Jiffies none = clk_ + wheel::kHorizon;
    Jiffies best = none;
    std::uint64_t clock = clk_.count();
    unsigned level = 0;
    for (; level < levels_; ++level) {
        const std::uint64_t low = clock & kClockMask;
        if (const std::uint64_t ring = std::rotr(pending_[level], static_cast<int>(clock & kSlotMask)); ring != 0) {
            const auto distance = static_cast<std::uint64_t>(std::countr_zero(ring));
            const Jiffies candidate{(clock + distance) << wheel::shift_of(level)};
            best = candidate < best ? candidate : best;
            // Nothing of a higher level comes before the next step of its clock.
            if (distance <= ((kClockMask + 1 - low) & kClockMask)) {
                ++level;
                break;
            }
        }
        // With low bits set, the current slot of the level above has been passed already.
        clock = (clock >> kClockShift) + (low != 0);
    }
    next_expiry_ = best;
    recalc_ = false;
    timers_pending_ = best != none;
    return level;
}

bool Wheel::empty() const {
    for (unsigned i = next_used(0); i < bucket_count(); i = next_used(i + 1))
        if (!buckets_[i].empty())
            return false;
    return std::all_of(collected_.begin(), collected_.end(), [](const TimerList& c) { return c.empty(); });
}

}  // namespace ticklab::linux_
