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
//  - The front: the earliest keys, a small array sorted descending, so that the earliest is at its back. It has room
//    at both ends: when many CPUs do the same at the same time, each goes from its back to before its first.
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
#include <utility>
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

    // clang-tidy 14 sees the zero of a comparison category in a defaulted comparison.
    friend constexpr auto operator<=>(const Key&, const Key&) = default;  // NOLINT(modernize-use-nullptr)
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
    // Time, rank and source as one number: comparing two is a compare and a subtract-with-borrow, no branch.
    using Entry = UInt128;
    // The default Key and kNoSource: what an empty set shows as its earliest.
    static constexpr Entry kAboveAll = Entry{~std::uint64_t{0} >> 1} << 64 | ~std::uint64_t{0};

    enum Place : std::uint32_t { kUnarmed, kFront, kWheel, kRing };

    struct Node {
        Time at = kNever;   // in a ring: one of the source's instants, not always the next
        Duration period{};  // zero: one-shot
        std::uint32_t rank = 0;
        // In a bucket: the neighbours, or kEnd | bucket at either end.
        SourceIndex next = kNoSource;
        SourceIndex prev = kNoSource;
        std::uint32_t place = kUnarmed;  // kRing + i: in ring i
    };
    static_assert(sizeof(Node) == 32);

    struct Bucket {
        SourceIndex first;
        SourceIndex last;
    };

    struct Ring {
        Duration period{};
        std::uint32_t head = 0;
        std::vector<Entry> members;  // ascending from `head`, wrapping round
    };

    static constexpr unsigned kDigitBits = 6;
    static constexpr unsigned kBuckets = 1U << kDigitBits;
    static constexpr unsigned kLevels = (63 + kDigitBits - 1) / kDigitBits;
    static constexpr std::uint32_t kEnd = 0x8000'0000U;
    static constexpr std::uint32_t kMaxSources = kEnd - 1;
    static constexpr unsigned kMaxRings = 8;
    // A bucket with more entries than kMaxRun is split before it is sorted; a refill goes on to the next bucket until
    // it has kMinRefill entries; the front may grow by kFrontGrowth before its later part goes back to the wheel.
    static constexpr std::uint32_t kMaxRun = 32;
    static constexpr std::uint32_t kMinRefill = 8;
    static constexpr std::uint32_t kFrontGrowth = 48;
    // A front this long is searched from its back for what is in it; beyond, by halving.
    static constexpr std::uint32_t kSearchFromBack = kMaxRun + kFrontGrowth;
    // What belongs behind so many goes to its place by halving: the CPUs of a convoy overtake half of the others each
    // time.
    static constexpr std::uint32_t kNearBack = 12;

    static constexpr std::uint64_t raw(Time t) { return static_cast<std::uint64_t>(ps(t)); }
    static constexpr Entry entry(Time at, std::uint32_t rank, SourceIndex s) {
        return Entry{raw(at)} << 64 | std::uint64_t{rank} << 32 | s;
    }
    static constexpr std::uint64_t raw_time(Entry e) { return static_cast<std::uint64_t>(e >> 64); }
    static constexpr Time time_of(Entry e) { return Time{Duration{static_cast<std::int64_t>(raw_time(e))}}; }
    static constexpr std::uint32_t rank_of(Entry e) {
        return static_cast<std::uint32_t>(static_cast<std::uint64_t>(e) >> 32);
    }
    static constexpr SourceIndex source_of(Entry e) { return static_cast<SourceIndex>(e); }
    Entry entry_of(SourceIndex s) const { return entry(nodes_[s].at, nodes_[s].rank, s); }

    [[noreturn]] static void misused(const char* what);

    void place(SourceIndex s, Time at);
    void refresh_earliest();

    Entry* front_position(Entry e);
    Entry* front_find(Entry e);
    void front_insert(Entry e);
    void front_insert_far(Entry e);
    void front_go_home();
    // With the sentinel no higher there is room for all sources above it.
    Entry* front_home() { return front_slots_.data() + nodes_.size(); }
    void front_erase(Entry e);
    void front_move(Entry from, Entry to);
    std::uint32_t copy_one_instant(unsigned bucket, Entry* run);
    static void sort_one_instant(Entry* first, Entry* last);
    void refill();
    void spill();
    void move_to_wheel(std::uint32_t moved);
    std::uint32_t copy_bucket(unsigned bucket, Entry* run, std::uint32_t limit);
    static void sort_run(const Entry* run, std::uint32_t count, Entry* last);

    unsigned level_of(std::uint64_t at_ps) const;
    unsigned bucket_for(Node& n);
    void link(SourceIndex s);
    void link_last(SourceIndex s);
    void unlink(SourceIndex s);
    template <class Visit, class VisitBackwards>
    void walk(Bucket list, Visit visit, VisitBackwards visit_backwards);
    bool extend_front(Time at);
    Bucket detach_bucket(unsigned bucket);
    void lower_base(std::uint64_t at_ps);
    std::uint64_t bucket_start(unsigned level, unsigned digit) const;

    bool ring_join(SourceIndex s);
    void ring_leave(SourceIndex s);
    void ring_advance();
    void choose_ring();
    std::uint32_t ring_position(const Ring& ring, Entry e) const;
    Time ring_instant(const Node& n) const;
    void rearm_periodic(SourceIndex s);
    const char* broken_part(std::vector<char>& seen) const;

    Key earliest_;
    SourceIndex earliest_source_ = kNoSource;
    bool earliest_in_ring_ = false;
    std::uint32_t armed_count_ = 0;
    std::uint32_t front_count_ = 0;
    std::uint32_t front_limit_ = kMaxRun + kFrontGrowth;
    std::uint32_t refill_count_ = kMaxRun;
    std::uint32_t wheel_count_ = 0;
    Time last_popped_ = kBoot;
    Entry front_end_ = kAboveAll;
    bool front_alike_ = false;  // was refilled with sources of one instant
    // Holds the front anywhere within: twice as many slots as sources, and a sentinel.
    std::vector<Entry> front_slots_;
    Entry* front_ = nullptr;  // [0] is a sentinel that is never earliest, [front_count_] the earliest
    std::vector<Node> nodes_;

    std::uint64_t wheel_base_ = 0;
    std::uint32_t wheel_levels_ = 0;
    std::array<std::uint64_t, kLevels> bitmaps_{};
    std::array<Bucket, std::size_t{kLevels} * kBuckets> buckets_;

    std::uint32_t ring_count_ = 0;
    std::uint32_t earliest_ring_ = 0;
    std::array<Ring, kMaxRings> rings_;
};

inline bool PendingSet::armed(SourceIndex s) const { return nodes_[s].place != kUnarmed; }

inline const Key& PendingSet::earliest() const { return earliest_; }

inline void PendingSet::refresh_earliest() {
    Entry e = front_[front_count_];
    earliest_in_ring_ = false;
    if (ring_count_ != 0) {
        const Ring& ring = rings_[earliest_ring_];
        const Entry head = ring.members[ring.head];
        if (head < e) {
            e = head;
            earliest_in_ring_ = true;
        }
    }
    earliest_.at = time_of(e);
    earliest_.rank = rank_of(e);
    earliest_source_ = source_of(e);
}

// The first front entry that is not above `e`, the slot after the last if all are.
inline PendingSet::Entry* PendingSet::front_position(Entry e) {
    Entry* first = front_ + 1;
    std::uint32_t length = front_count_;
    while (length > 1) {
        const std::uint32_t half = length / 2;
        first += first[half - 1] > e ? half : 0;
        length -= half;
    }
    return first + (length == 1 && *first > e ? 1 : 0);
}

inline PendingSet::Entry* PendingSet::front_find(Entry e) {
    if (front_count_ > kSearchFromBack) {
        return front_position(e);
    }
    Entry* slot = front_ + front_count_;
    while (source_of(*slot) != source_of(e)) {
        --slot;
    }
    return slot;
}

inline void PendingSet::front_insert(Entry e) {
    nodes_[source_of(e)].place = kFront;
    if (front_count_ != 0 && e > front_[1]) {
        if (front_ == front_slots_.data()) [[unlikely]] {
            front_go_home();
        }
        front_[0] = e;
        *--front_ = kAboveAll;
    } else if (front_count_ > kNearBack && e > front_[front_count_ - kNearBack]) {
        front_insert_far(e);
        return;
    } else {
        Entry* slot = front_ + front_count_ + 1;
        for (; slot[-1] < e; --slot) {
            *slot = slot[-1];
        }
        *slot = e;
    }
    if (++front_count_ > front_limit_) [[unlikely]] {
        spill();
    }
}

inline void PendingSet::front_erase(Entry e) {
    Entry* const slot = front_find(e);
    const auto after = static_cast<std::size_t>(front_ + front_count_ - slot);
    std::memmove(slot, slot + 1, after * sizeof(Entry));
    --front_count_;
}

// Replaces `from` by `to`, which belongs in the front too; shifts only what lies between.
inline void PendingSet::front_move(Entry from, Entry to) {
    Entry* slot = front_find(from);
    while (slot[-1] < to) {
        *slot = slot[-1];
        --slot;
    }
    for (const Entry* const back = front_ + front_count_; slot != back && slot[1] > to; ++slot) {
        *slot = slot[1];
    }
    *slot = to;
}

inline unsigned PendingSet::level_of(std::uint64_t at_ps) const {
    return static_cast<unsigned>(std::bit_width((at_ps ^ wheel_base_) | 1) - 1) / kDigitBits;
}

// The bucket where `s` belongs, marked as in use.
inline unsigned PendingSet::bucket_for(Node& n) {
    const unsigned level = level_of(raw(n.at));
    const unsigned digit = static_cast<unsigned>(raw(n.at) >> (level * kDigitBits)) % kBuckets;
    n.place = kWheel;
    bitmaps_[level] |= std::uint64_t{1} << digit;
    wheel_levels_ |= 1U << level;
    return level * kBuckets + digit;
}

inline void PendingSet::link(SourceIndex s) {
    Node& n = nodes_[s];
    const unsigned index = bucket_for(n);
    Bucket& bucket = buckets_[index];
    n.next = bucket.first;
    n.prev = kEnd | index;
    if ((n.next & kEnd) == 0) {
        nodes_[n.next].prev = s;
    } else {
        bucket.last = s;
    }
    bucket.first = s;
}

inline void PendingSet::link_last(SourceIndex s) {
    Node& n = nodes_[s];
    const unsigned index = bucket_for(n);
    Bucket& bucket = buckets_[index];
    n.prev = bucket.last;
    n.next = kEnd | index;
    if ((n.prev & kEnd) == 0) {
        nodes_[n.prev].next = s;
    } else {
        bucket.first = s;
    }
    bucket.last = s;
}

inline void PendingSet::unlink(SourceIndex s) {
    const Node& n = nodes_[s];
    if ((n.next & kEnd) == 0) {
        nodes_[n.next].prev = n.prev;
    } else {
        buckets_[n.next & ~kEnd].last = n.prev;
    }
    if ((n.prev & kEnd) == 0) {
        nodes_[n.prev].next = n.next;
    } else if ((n.next & kEnd) == 0) {
        buckets_[n.prev & ~kEnd].first = n.next;
    } else {
        detach_bucket(n.prev & ~kEnd);
    }
}

// Empties the bucket and returns its list.
inline PendingSet::Bucket PendingSet::detach_bucket(unsigned bucket) {
    std::uint64_t& bitmap = bitmaps_[bucket / kBuckets];
    bitmap &= ~(std::uint64_t{1} << bucket % kBuckets);
    if (bitmap == 0) {
        wheel_levels_ &= ~(1U << bucket / kBuckets);
    }
    return std::exchange(buckets_[bucket], Bucket{kEnd | bucket, kEnd | bucket});
}

// Puts `s`, which is in no ring, where `at` belongs.
inline void PendingSet::place(SourceIndex s, Time at) {
    Node& n = nodes_[s];
    const Entry e = entry(at, n.rank, s);
    const bool to_front = e < front_end_ || (front_alike_ && extend_front(at));
    if (n.place == kFront) {
        const Entry old = entry_of(s);
        if (to_front) {
            n.at = at;
            front_move(old, e);
            return;
        }
        front_erase(old);
    } else if (n.place == kWheel) {
        unlink(s);
        --wheel_count_;
    } else {
        ++armed_count_;
    }
    n.at = at;
    if (to_front) {
        front_insert(e);
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
            front_erase(entry_of(s));
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
    const SourceIndex s = earliest_source_;
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
    if (kNever - time_of(head) <= ring.period) [[unlikely]] {
        ring_leave(source_of(head));
        return;
    }
    head += Entry{static_cast<std::uint64_t>(ring.period.count())} << 64;
    if (++ring.head == ring.members.size()) {
        ring.head = 0;
    }
    if (ring_count_ > 1) {
        choose_ring();
    }
}

}  // namespace ticklab::sim
