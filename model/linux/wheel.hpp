// The wheel of one base as a data structure: buckets, bitmap, clock and the cached next expiry (LTW 1, 2, 5,
// 6, 9.1, 9.2, 11). It knows nothing of CPUs, locks and prices; the base's lock guards it.
//
// Rules
//  (1) No cascading: a timer stays in the bucket chosen when it was queued (LTW 1.5).
//  (2) The clock never overtakes a bucket that is due and not collected, and is never rewound (LTW 5.2).
//  (3) The cached next expiry may be too early while `recalc` is set, never too late (LTW 6.3).
//  (4) A collected timer stays linked in one of the lists of collected(), whose bucket it still names, until it runs or
//      an operation detaches it (LTW 9.3).
#pragma once

#include <array>
#include <cstdint>

#include "ticklab/model/linux/timer.hpp"
#include "ticklab/model/linux/wheel_geometry.hpp"

namespace ticklab::linux_ {

class Wheel {
public:
    explicit Wheel(unsigned levels) : levels_(levels) {}

    unsigned levels() const { return levels_; }
    Jiffies clk() const { return clk_; }
    Jiffies next_expiry() const { return next_expiry_; }
    bool recalc() const { return recalc_; }
    bool timers_pending() const { return timers_pending_; }

    /// An empty wheel at `now` (LTW 13.1). The buckets must be empty.
    void reset(Jiffies now);

    /// Where a timer would go now.
    wheel::Bucket bucket_for(Jiffies expires) const { return wheel::bucket_for(expires, clk_, levels_); }
    /// Puts a timer that is on no list in front of its bucket. True if it became the first of the wheel (LTW 6).
    bool enqueue(Timer& timer, const wheel::Bucket& bucket);
    /// Takes a timer from its bucket, or from a list of collected ones (LTW 9.1).
    void detach(Timer& timer);

    /// Moves the clock towards `now`, as far as rule (2) allows (LTW 5.1). False if that would have rewound it.
    bool forward(Jiffies now) { return forward(now, now); }
    /// As 4.8 did: jiffies are read once to compare and once to store (WHEEL-04).
    bool forward(Jiffies compared, Jiffies stored);
    /// As 4.8 did at idle entry: the clock goes to `now` or to the first expiry, wherever it is (WHEEL-05).
    void forward_anywhere(Jiffies now) { clk_ = next_expiry_ > now ? now : next_expiry_; }
    /// For the empty wheel: no event for as long as can be told from `now` (LTW 12.2).
    void refresh_empty(Jiffies now) { next_expiry_ = now + wheel::kHorizon; }
    /// Whether the first bucket is due at `now`, and the clock has not passed it.
    bool due(Jiffies now) const { return clk_ <= now && next_expiry_ <= now; }
    /// Steps 1 and 3 of LTW 9.2: moves the clock to the first expiry, takes the buckets that are due there, moves the
    /// clock one further. Returns how many lists of collected() were filled, the coarsest one last.
    unsigned collect();
    TimerList& collected(unsigned i) { return collected_[i]; }
    const TimerList& collected(unsigned i) const { return collected_[i]; }
    /// Finds the first bucket again; returns how many levels were looked at (LTW 11).
    unsigned recalculate();

    TimerList& bucket(unsigned index) { return buckets_[index]; }
    const TimerList& bucket(unsigned index) const { return buckets_[index]; }
    unsigned bucket_count() const { return levels_ * wheel::kSlots; }
    /// The first bucket from `index` on that may hold a timer or is marked; bucket_count() if there is none. What is
    /// skipped is empty, by whatever way its timers have left.
    unsigned next_used(unsigned index) const;
    bool marked(unsigned index) const { return (pending_[index / wheel::kSlots] >> (index % wheel::kSlots)) & 1; }
    bool empty() const;

private:
    void mark(unsigned index) { pending_[index / wheel::kSlots] |= std::uint64_t{1} << (index % wheel::kSlots); }
    void note_empty(unsigned index);
    void clear_mark(unsigned index) {
        pending_[index / wheel::kSlots] &= ~(std::uint64_t{1} << (index % wheel::kSlots));
    }

    unsigned levels_;
    Jiffies clk_;
    Jiffies next_expiry_;
    bool recalc_ = false;
    bool timers_pending_ = false;
    std::array<std::uint64_t, wheel::kMaxLevels> pending_{};
    /// Buckets that were filled and not seen empty since. No part of the wheel: walks over all buckets go by it.
    std::array<std::uint64_t, wheel::kMaxLevels> used_{};
    std::array<TimerList, wheel::kMaxLevels * wheel::kSlots> buckets_;
    std::array<TimerList, wheel::kMaxLevels> collected_;
};

}  // namespace ticklab::linux_
