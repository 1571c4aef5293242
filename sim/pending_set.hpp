// The set of armed sources, ordered by full key (MA 3.4).
//
// Rules
//  - A source is one slot of activity (a CPU's next resume, one comparator, the IPIs in flight to one CPU, the script).
//    It is added once and re-armed in place; it is armed for at most one instant.
//  - Keys are (time, rank). Ranks are unique, so equal keys cannot exist.
//  - Time only moves forward: arming before the last popped instant is a programming error (asserted).
//  - A source armed with a period stays armed: pop() re-arms it one period later by itself.
//  - The order of pops depends on keys alone, never on the order or history of calls.
//
// How it works: three parts, every armed source in exactly one of them.
//  - The front: the earliest keys, a small array sorted descending, so that the earliest is at its back.
//  - The wheel: every key not below `front_end_`. A radix heap: a source is at the level of the highest 6-bit digit in
//    which its time differs from `wheel_base_`, in the bucket of that digit; 64 buckets and one bitmap a level. So the
//    first bucket of the lowest level in use holds the earliest sources, exactly to the picosecond.
//  - Rings: periodic sources that share a period, in cyclic order; popping one leaves the order as it is.
//
// Invariants (broken_invariant() checks them all)
//  (1) Front keys < front_end_ <= wheel keys; wheel_base_ <= the time of front_end_.
//  (2) The front is empty only if the wheel is, and then front_end_ is above every key.
//  (3) Within a ring, every key lies in [head, head + period).
//  (4) earliest_ is the smaller of the front's back and the earliest ring's head.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// Dense index of a source in its PendingSet.
using SourceIndex = std::uint32_t;
inline constexpr SourceIndex kNoSource = ~SourceIndex{0};

/// The ordering key of an activity (MA 3.4): time, then rank. The rank holds the class in its top two bits and the slot
/// number below them; see sim/engine.hpp.
struct Key {
    Time at = kNever;
    std::uint32_t rank = ~std::uint32_t{0};

    friend constexpr auto operator<=>(const Key&, const Key&) = default;
};

class PendingSet {
public:
    PendingSet();
    ~PendingSet();
    PendingSet(const PendingSet&) = delete;
    PendingSet& operator=(const PendingSet&) = delete;

    /// Adds a source, unarmed. `rank` must be unique in the set.
    SourceIndex add(std::uint32_t rank);

    /// Arms `s` for `at`, whether it was armed or not. `at` is not before the last popped instant and not kNever.
    void arm(SourceIndex s, Time at);

    /// Arms `s` for `first` and then for every `period` after it, until it is armed otherwise or disarmed. Sources that
    /// share a period share a ring: constant cost a pop. `period` is positive.
    void arm_periodic(SourceIndex s, Time first, Duration period);

    /// Takes `s` out; harmless if it is not armed.
    void disarm(SourceIndex s);

    /// Whether `s` is armed.
    bool armed(SourceIndex s) const;

    /// The instant `s` is armed for, kNever if it is not.
    Time armed_for(SourceIndex s) const;

    /// The key of the earliest armed source; a default Key (kNever) if there is none. Constant time.
    const Key& earliest() const;

    /// Takes the earliest source and returns it. The set must not be empty.
    SourceIndex pop();

    /// Number of armed sources.
    std::uint32_t size() const { return armed_count_; }

    /// For tests: walks the whole set; the first invariant found broken in words, or nullptr.
    const char* broken_invariant() const;

private:
    // Key is no POD for the purpose of layout, so `source` sits in its tail padding.
    struct Entry : Key {
        SourceIndex source = kNoSource;
    };
    static_assert(sizeof(Entry) == 16);

    enum Place : std::uint32_t { kUnarmed, kFront, kWheel, kRing };

    struct Node {
        Time at = kNever;  // in a ring: one of the source's instants, not always the next
        Duration period{};  // zero: one-shot
        std::uint32_t rank = 0;
        SourceIndex next = kNoSource;
        std::uint32_t prev = 0;  // the first of a bucket holds kFirst | bucket
        std::uint32_t place = kUnarmed;  // kRing + i: in ring i
    };
    static_assert(sizeof(Node) == 32);

    struct Ring {
        Duration period{};
        std::uint32_t head = 0;
        std::vector<Entry> members;  // ascending from `head`, wrapping round
    };

    static constexpr unsigned kDigitBits = 6;
    static constexpr unsigned kBuckets = 1U << kDigitBits;
    static constexpr unsigned kLevels = (63 + kDigitBits - 1) / kDigitBits;
    static constexpr std::uint32_t kFirst = 0x8000'0000U;
    static constexpr std::uint32_t kMaxSources = kFirst - 1;
    static constexpr unsigned kMaxRings = 8;
    // A bucket with more entries than kMaxRun is split before it is sorted; a refill goes on to the next bucket until it
    // has kMinRefill entries; the front may grow by kFrontGrowth before its later part goes back to the wheel.
    static constexpr std::uint32_t kMaxRun = 32;
    static constexpr std::uint32_t kMinRefill = 16;
    static constexpr std::uint32_t kFrontGrowth = 48;
    static constexpr UInt128 kAboveAll = ~UInt128{0};

    // A key as one number, so that comparing two is a compare and a subtract-with-borrow, no branch.
    static constexpr UInt128 ordinal(std::uint64_t at_ps, std::uint32_t rank) { return UInt128{at_ps} << 64 | rank; }
    static constexpr UInt128 ordinal(const Key& k) { return ordinal(raw(k.at), k.rank); }
    static constexpr std::uint64_t raw(Time t) { return static_cast<std::uint64_t>(ps(t)); }

    [[noreturn]] static void misused(const char* what);

    void place(SourceIndex s, Time at);
    void refresh_earliest();

    std::uint32_t front_position(UInt128 key) const;
    void front_insert(SourceIndex s, UInt128 key);
    void front_erase(UInt128 key);
    void front_move(const Node& n, UInt128 to);
    void refill();
    void spill();
    std::uint32_t copy_bucket(unsigned bucket, Entry* run, std::uint32_t limit);
    static void sort_run(const Entry* run, std::uint32_t count, Entry* last);

    unsigned level_of(std::uint64_t at_ps) const;
    void link(SourceIndex s);
    void unlink(SourceIndex s);
    SourceIndex detach_bucket(unsigned bucket);
    void relink_chain(SourceIndex first);
    void lower_base(std::uint64_t at_ps);
    std::uint64_t bucket_start(unsigned level, unsigned digit) const;

    bool ring_join(SourceIndex s);
    void ring_leave(SourceIndex s);
    void ring_advance();
    void choose_ring();
    std::uint32_t ring_position(const Ring& ring, UInt128 key) const;
    Time ring_instant(const Node& n) const;
    void rearm_periodic(SourceIndex s);
    const char* broken_part(std::vector<char>& seen) const;

    Entry earliest_;
    bool earliest_in_ring_ = false;
    std::uint32_t armed_count_ = 0;
    std::uint32_t front_count_ = 0;
    std::uint32_t front_limit_ = kMaxRun + kFrontGrowth;
    std::uint32_t refill_count_ = kMaxRun;
    std::uint32_t wheel_count_ = 0;
    Time last_popped_ = kBoot;
    UInt128 front_end_ = kAboveAll;
    std::vector<Entry> front_;  // [0] is a sentinel that is never earliest, [front_count_] the earliest
    std::vector<Node> nodes_;

    std::uint64_t wheel_base_ = 0;
    std::uint32_t wheel_levels_ = 0;
    std::array<std::uint64_t, kLevels> bitmaps_{};
    std::array<SourceIndex, kLevels * kBuckets> buckets_;

    std::uint32_t ring_count_ = 0;
    std::uint32_t earliest_ring_ = 0;
    std::array<Ring, kMaxRings> rings_;
};

inline bool PendingSet::armed(SourceIndex s) const { return nodes_[s].place != kUnarmed; }

inline const Key& PendingSet::earliest() const { return earliest_; }

inline void PendingSet::refresh_earliest() {
    earliest_ = front_[front_count_];
    earliest_in_ring_ = false;
    if (ring_count_ != 0) {
        const Ring& ring = rings_[earliest_ring_];
        const Entry& head = ring.members[ring.head];
        if (ordinal(head) < ordinal(earliest_)) {
            earliest_ = head;
            earliest_in_ring_ = true;
        }
    }
}

// The index of the first front entry that is not above `key`, front_count_ + 1 if all are.
inline std::uint32_t PendingSet::front_position(UInt128 key) const {
    const Entry* first = front_.data() + 1;
    std::uint32_t length = front_count_;
    while (length > 1) {
        const std::uint32_t half = length / 2;
        first += ordinal(first[half - 1]) > key ? half : 0;
        length -= half;
    }
    if (length == 1 && ordinal(*first) > key) {
        ++first;
    }
    return static_cast<std::uint32_t>(first - front_.data());
}

inline void PendingSet::front_insert(SourceIndex s, UInt128 key) {
    Node& n = nodes_[s];
    n.place = kFront;
    const std::uint32_t at = front_count_ != 0 && ordinal(front_[front_count_]) > key ? front_count_ + 1
                                                                                       : front_position(key);
    Entry* slot = front_.data() + at;
    std::memmove(static_cast<void*>(slot + 1), slot, (front_count_ + 1 - at) * sizeof(Entry));
    *slot = Entry{{n.at, n.rank}, s};
    if (++front_count_ > front_limit_) [[unlikely]] {
        spill();
    }
}

inline void PendingSet::front_erase(UInt128 key) {
    Entry* slot = front_.data() + front_position(key);
    const auto after = static_cast<std::uint32_t>(front_.data() + front_count_ - slot);
    std::memmove(static_cast<void*>(slot), slot + 1, after * sizeof(Entry));
    --front_count_;
}

// Moves the entry of `n`, which is in the front, to key `to`, also in the front; shifts only what lies between.
inline void PendingSet::front_move(const Node& n, UInt128 to) {
    Entry* const from_slot = front_.data() + front_position(ordinal({n.at, n.rank}));
    Entry* to_slot = front_.data() + front_position(to);
    Entry moved = *from_slot;
    moved.at = Time{Duration{static_cast<std::int64_t>(to >> 64)}};
    if (to_slot > from_slot) {
        --to_slot;
        std::memmove(static_cast<void*>(from_slot), from_slot + 1,
                     static_cast<std::size_t>(to_slot - from_slot) * sizeof(Entry));
    } else {
        std::memmove(static_cast<void*>(to_slot + 1), to_slot,
                     static_cast<std::size_t>(from_slot - to_slot) * sizeof(Entry));
    }
    *to_slot = moved;
}

inline unsigned PendingSet::level_of(std::uint64_t at_ps) const {
    return static_cast<unsigned>(std::bit_width((at_ps ^ wheel_base_) | 1) - 1) / kDigitBits;
}

inline void PendingSet::link(SourceIndex s) {
    Node& n = nodes_[s];
    const unsigned level = level_of(raw(n.at));
    const unsigned digit = static_cast<unsigned>(raw(n.at) >> (level * kDigitBits)) % kBuckets;
    const unsigned bucket = level * kBuckets + digit;
    const SourceIndex next = buckets_[bucket];
    n.place = kWheel;
    n.next = next;
    n.prev = kFirst | bucket;
    if (next != kNoSource) {
        nodes_[next].prev = s;
    }
    buckets_[bucket] = s;
    bitmaps_[level] |= std::uint64_t{1} << digit;
    wheel_levels_ |= 1U << level;
}

inline void PendingSet::unlink(SourceIndex s) {
    const Node& n = nodes_[s];
    if (n.next != kNoSource) {
        nodes_[n.next].prev = n.prev;
    }
    if ((n.prev & kFirst) == 0) {
        nodes_[n.prev].next = n.next;
        return;
    }
    const unsigned bucket = n.prev & ~kFirst;
    buckets_[bucket] = n.next;
    if (n.next == kNoSource) {
        std::uint64_t& bitmap = bitmaps_[bucket / kBuckets];
        bitmap &= ~(std::uint64_t{1} << bucket % kBuckets);
        if (bitmap == 0) {
            wheel_levels_ &= ~(1U << bucket / kBuckets);
        }
    }
}

// Puts `s`, which is in no ring, where `at` belongs.
inline void PendingSet::place(SourceIndex s, Time at) {
    Node& n = nodes_[s];
    const UInt128 key = ordinal({at, n.rank});
    const bool to_front = key < front_end_;
    if (n.place == kFront) {
        if (to_front) {
            front_move(n, key);
            n.at = at;
            return;
        }
        front_erase(ordinal({n.at, n.rank}));
    } else if (n.place == kWheel) {
        unlink(s);
        --wheel_count_;
    } else {
        ++armed_count_;
    }
    n.at = at;
    if (to_front) {
        front_insert(s, key);
    } else {
        link(s);
        ++wheel_count_;
        if (front_count_ == 0) {
            refill();
        }
    }
}

inline void PendingSet::arm(SourceIndex s, Time at) {
    Node& n = nodes_[s];
    if (at < last_popped_ || at == kNever) [[unlikely]] {
        misused("arm: the instant is before the last popped one, or kNever");
    }
    if (n.place >= kRing) [[unlikely]] {
        ring_leave(s);
    }
    n.period = Duration::zero();
    place(s, at);
    refresh_earliest();
}

inline void PendingSet::disarm(SourceIndex s) {
    Node& n = nodes_[s];
    if (n.place == kUnarmed) {
        return;
    }
    if (n.place >= kRing) {
        ring_leave(s);
    } else {
        --armed_count_;
        if (n.place == kFront) {
            front_erase(ordinal({n.at, n.rank}));
            n.place = kUnarmed;
            if (front_count_ == 0) {
                refill();
            }
        } else {
            unlink(s);
            --wheel_count_;
        }
    }
    n.place = kUnarmed;
    refresh_earliest();
}

inline SourceIndex PendingSet::pop() {
    const SourceIndex s = earliest_.source;
    if (s == kNoSource) [[unlikely]] {
        misused("pop: the set is empty");
    }
    last_popped_ = earliest_.at;
    if (earliest_in_ring_) {
        ring_advance();
    } else {
        Node& n = nodes_[s];
        n.place = kUnarmed;
        --armed_count_;
        --front_count_;
        if (n.period != Duration::zero()) [[unlikely]] {
            rearm_periodic(s);
        }
        if (front_count_ == 0) {
            refill();
        }
    }
    refresh_earliest();
    return s;
}

inline void PendingSet::ring_advance() {
    Ring& ring = rings_[earliest_ring_];
    Entry& head = ring.members[ring.head];
    if (kNever - head.at <= ring.period) [[unlikely]] {
        ring_leave(head.source);
        return;
    }
    head.at += ring.period;
    if (++ring.head == ring.members.size()) {
        ring.head = 0;
    }
    if (ring_count_ > 1) {
        choose_ring();
    }
}

}  // namespace ticklab::sim
