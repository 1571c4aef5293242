#include "ticklab/sim/pending_set.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>

namespace ticklab::sim {

PendingSet::PendingSet() : front_slots_(2, kAboveAll), front_(front_slots_.data()) {
    for (unsigned i = 0; i < buckets_.size(); ++i) {
        buckets_[i] = {kEnd | i, kEnd | i};
    }
}

PendingSet::~PendingSet() = default;

void PendingSet::misused(const char* what) {
    std::fprintf(stderr, "PendingSet misused: %s\n", what);
    std::abort();
}

SourceIndex PendingSet::add(std::uint32_t rank) {
    const auto s = static_cast<SourceIndex>(nodes_.size());
    if (s == kMaxSources) {
        misused("add: too many sources");
    }
    Node n;
    n.rank = rank;
    nodes_.push_back(n);
    // Room for every source above the highest sentinel, so that no insertion at the back has to ask.
    const auto sentinel = front_ - front_slots_.data();
    front_slots_.resize(2 * nodes_.size() + 2, kAboveAll);
    front_ = front_slots_.data() + sentinel;
    return s;
}

Time PendingSet::armed_for(SourceIndex s) const {
    const Node& n = nodes_[s];
    if (n.place == kUnarmed) {
        return kNever;
    }
    return n.place >= kRing ? ring_instant(n) : n.at;
}

void PendingSet::arm_periodic(SourceIndex s, Time first, Duration period) {
    if (first < last_popped_ || first == kNever || period <= Duration::zero()) {
        misused("arm_periodic: the first instant is before the last popped one or kNever, or no positive period");
    }
    disarm(s);
    Node& n = nodes_[s];
    n.at = first;
    n.period = period;
    if (!ring_join(s)) {
        place(s, first);
    }
    refresh_earliest();
}

// A periodic source that no ring could take, just popped: joins a ring if one fits by now, else goes back to the wheel.
void PendingSet::rearm_periodic(SourceIndex s) {
    Node& n = nodes_[s];
    const Time next = saturating_add(n.at, n.period);
    if (next == kNever) {
        return;
    }
    n.at = next;
    if (!ring_join(s)) {
        place(s, next);
    }
}

std::uint64_t PendingSet::bucket_start(unsigned level, unsigned digit) const {
    const unsigned shift = level * kDigitBits;
    const std::uint64_t above = level + 1 == kLevels ? 0 : wheel_base_ >> (shift + kDigitBits) << (shift + kDigitBits);
    return above | std::uint64_t{digit} << shift;
}

// CPUs that do the same at the same time go on together from one instant to the next: the later group is kept in the
// front from its first member on, behind the rest of the earlier one, and never sees the wheel. Called with an instant
// behind the front's end; moves the end if nothing in the wheel comes before.
bool PendingSet::extend_front(Time at) {
    const Time last = time_of(front_[1]);
    if (front_count_ == 0 || (last != at && last != last_popped_)) {
        return false;
    }
    if (wheel_count_ != 0) {
        const auto level = static_cast<unsigned>(std::countr_zero(wheel_levels_));
        const auto digit = static_cast<unsigned>(std::countr_zero(bitmaps_[level]));
        if (bucket_start(level, digit) <= raw(at)) {
            return false;
        }
    }
    front_end_ = Entry{raw(at) + 1} << 64;
    return true;
}

// Visits a list that is not empty from both ends at once: its nodes are anywhere in memory, and two chains of loads
// take half the time of one. The visits, of the first half in its order and of the second in the opposite one, may
// relink the source; a list linked last by the former and first by the latter is the old one turned round at its
// middle.
template <class Visit, class VisitBackwards>
void PendingSet::walk(Bucket list, Visit visit, VisitBackwards visit_backwards) {
    SourceIndex a = list.first;
    SourceIndex b = list.last;
    for (;;) {
        const SourceIndex after_a = nodes_[a].next;
        const SourceIndex before_b = nodes_[b].prev;
        visit(a);
        if (a == b) {
            return;
        }
        visit_backwards(b);
        if (after_a == b) {
            return;
        }
        a = after_a;
        b = before_b;
    }
}

// Copies a run into the front in descending order: its earliest entry to `last`, the others below. Counts for each
// entry how many are earlier, four entries at a time: runs are short, and no branch depends on their order.
void PendingSet::sort_run(const Entry* run, std::uint32_t count, Entry* last) {
    std::uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const std::uint64_t t0 = raw_time(run[i]), t1 = raw_time(run[i + 1]), t2 = raw_time(run[i + 2]),
                            t3 = raw_time(run[i + 3]);
        std::uint64_t n0 = 0, n1 = t0 <= t1, n2 = (t0 <= t2) + (t1 <= t2), n3 = (t0 <= t3) + (t1 <= t3) + (t2 <= t3);
        n0 += (t1 < t0) + (t2 < t0) + (t3 < t0);
        n1 += (t2 < t1) + (t3 < t1);
        n2 += t3 < t2;
        std::uint32_t j = 0;
        for (; j < i; ++j) {
            const std::uint64_t t = raw_time(run[j]);
            n0 += t <= t0;
            n1 += t <= t1;
            n2 += t <= t2;
            n3 += t <= t3;
        }
        for (j = i + 4; j < count; ++j) {
            const std::uint64_t t = raw_time(run[j]);
            n0 += t < t0;
            n1 += t < t1;
            n2 += t < t2;
            n3 += t < t3;
        }
        *(last - n0) = run[i];
        *(last - n1) = run[i + 1];
        *(last - n2) = run[i + 2];
        *(last - n3) = run[i + 3];
    }
    for (; i < count; ++i) {
        const std::uint64_t t0 = raw_time(run[i]);
        std::uint64_t n0 = 0;
        for (std::uint32_t j = 0; j < i; ++j) {
            n0 += raw_time(run[j]) <= t0;
        }
        for (std::uint32_t j = i + 1; j < count; ++j) {
            n0 += raw_time(run[j]) < t0;
        }
        *(last - n0) = run[i];
    }
    // That went by time alone, so ranks within one instant may still be out of order.
    for (std::uint32_t k = 1; k < count; ++k) {
        Entry* slot = last - k;
        if (*slot < slot[1]) [[unlikely]] {
            const Entry e = *slot;
            for (; slot != last && e < slot[1]; ++slot) {
                *slot = slot[1];
            }
            *slot = e;
        }
    }
}

// Makes room before the front, for as many entries as there are sources.
void PendingSet::front_go_home() {
    Entry* const home = front_home();
    std::memmove(home, front_, (std::size_t{front_count_} + 1) * sizeof(Entry));
    front_ = home;
}

// Inserts into the front, not near its back; shifts what lies on the shorter side. When that is no few of a long front,
// the later part goes to the wheel: a front extended for one instant may have drawn in what is armed for many.
void PendingSet::front_insert_far(Entry e) {
    if (front_ == front_slots_.data()) {
        front_go_home();
    }
    Entry* const position = front_position(e);
    const auto before = static_cast<std::uint32_t>(position - (front_ + 1));
    const std::uint32_t after = front_count_ - before;
    if (before < after) {
        std::memmove(front_, front_ + 1, before * sizeof(Entry));
        *--front_ = kAboveAll;
        front_[1 + before] = e;
    } else {
        std::memmove(position + 1, position, after * sizeof(Entry));
        *position = e;
    }
    ++front_count_;
    if (before > kFrontGrowth && after >= kMaxRun && raw_time(e) >= wheel_base_) {
        move_to_wheel(before + 1);
    } else if (front_count_ > front_limit_) {
        spill();
    }
}

// Copies the entries of `bucket` to `run`, in any order; leaves the bucket as it is and returns `limit` + 1 if it holds
// more than `limit`.
std::uint32_t PendingSet::copy_bucket(unsigned bucket, Entry* run, std::uint32_t limit) {
    std::uint32_t length = 0;
    for (SourceIndex s = buckets_[bucket].first; (s & kEnd) == 0; s = nodes_[s].next) {
        if (length == limit) {
            return limit + 1;
        }
        run[length++] = entry_of(s);
    }
    return length;
}

// Copies all entries of `bucket`, which is not empty, to `run` and returns their number; 0 if they are not all of one
// instant.
std::uint32_t PendingSet::copy_one_instant(unsigned bucket, Entry* run) {
    const Time at = nodes_[buckets_[bucket].first].at;
    std::uint32_t length = 0;
    for (SourceIndex s = buckets_[bucket].first; (s & kEnd) == 0; s = nodes_[s].next) {
        if (nodes_[s].at != at) {
            return 0;
        }
        run[length++] = entry_of(s);
    }
    return length;
}

// Sorts a run of one instant, descending. CPUs that do the same at the same time are armed in the order of their ranks,
// and a list has the last armed first; splitting a bucket may have turned it round at some place (walk()).
void PendingSet::sort_one_instant(Entry* first, Entry* last) {
    Entry* const turn = std::is_sorted_until(first, last, std::greater<>{});
    if (turn == last) {
        return;
    }
    if (*first < last[-1] && std::is_sorted(turn, last, std::greater<>{})) {
        std::rotate(first, turn, last);
    } else {
        std::sort(first, last, std::greater<>{});
    }
}

// The front is empty: moves the wheel's earliest buckets to it.
void PendingSet::refill() {
    std::array<Entry, kMinRefill + kMaxRun> runs;
    std::array<std::uint32_t, kMinRefill + 1> starts{};
    std::uint32_t run_count = 0;
    std::uint32_t count = 0;
    std::uint64_t end = 0;
    front_ = front_home();
    *front_ = kAboveAll;
    while (wheel_levels_ != 0 && count < kMinRefill) {
        const auto level = static_cast<unsigned>(std::countr_zero(wheel_levels_));
        const auto digit = static_cast<unsigned>(std::countr_zero(bitmaps_[level]));
        const unsigned bucket = level * kBuckets + digit;
        const std::uint32_t taken = copy_bucket(bucket, runs.data() + count, kMaxRun);
        if (taken <= kMaxRun) {
            wheel_base_ = bucket_start(level, digit);
            end = wheel_base_ + (std::uint64_t{1} << (level * kDigitBits));
            detach_bucket(bucket);
            count += taken;
            starts[++run_count] = count;
        } else if (count != 0) {
            break;
        } else if (const std::uint32_t alike = copy_one_instant(bucket, front_ + 1); alike != 0) {
            // Cannot be split.
            wheel_base_ = raw(nodes_[buckets_[bucket].first].at);
            end = wheel_base_ + 1;
            count = alike;
            detach_bucket(bucket);
            sort_one_instant(front_ + 1, front_ + 1 + count);
            break;
        } else {
            wheel_base_ = bucket_start(level, digit);
            walk(
                detach_bucket(bucket), [this](SourceIndex s) { link_last(s); }, [this](SourceIndex s) { link(s); });
        }
    }
    for (std::uint32_t r = 0; r < run_count; ++r) {
        sort_run(runs.data() + starts[r], starts[r + 1] - starts[r], front_ + count - starts[r]);
    }
    for (std::uint32_t i = 1; i <= count; ++i) {
        nodes_[source_of(front_[i])].place = kFront;
    }
    front_count_ = count;
    wheel_count_ -= count;
    // An open end behind thousands of one instant would have every later arming shift them.
    front_end_ = wheel_count_ == 0 && count <= kMaxRun ? kAboveAll : Entry{end} << 64;
    front_alike_ = count > 1 && raw_time(front_[1]) == raw_time(front_[count]);
    refill_count_ = count;
    front_limit_ = std::max(count, kMaxRun) + kFrontGrowth;
}

// The front has grown too long: moves all but its earliest entries to the wheel.
//
// That may cost far more than the growth that led here: a refill may have jumped ahead over a gap (the base has to come
// back down, and all below the level where it differs is linked anew), or have brought thousands that share an instant.
// So the front is let grow with the square root of that cost first, which keeps both parts of the cost small.
void PendingSet::spill() {
    const std::uint32_t moved = front_count_ - kMaxRun;
    const Entry first_moved = front_[moved];
    const bool lowers = wheel_count_ == 0 || raw_time(first_moved) < wheel_base_;
    const std::uint64_t cost = std::uint64_t{moved} + (lowers ? wheel_count_ : 0);
    const std::uint64_t growth = front_count_ - std::min(refill_count_, front_count_);
    if (growth * growth < 16 * cost) {
        front_limit_ = front_count_ + std::max(static_cast<std::uint32_t>(growth), kFrontGrowth);
        return;
    }
    if (lowers) {
        lower_base(raw_time(first_moved));
    }
    move_to_wheel(moved);
}

// Moves the front's first `moved` entries, none of them earlier than the wheel's base.
void PendingSet::move_to_wheel(std::uint32_t moved) {
    front_end_ = front_[moved];
    for (std::uint32_t i = 1; i <= moved; ++i) {
        link(source_of(front_[i]));
    }
    wheel_count_ += moved;
    front_count_ -= moved;
    const Entry* const kept = front_ + 1 + moved;
    front_ = front_home();
    std::memmove(front_ + 1, kept, front_count_ * sizeof(Entry));
    *front_ = kAboveAll;
    refill_count_ = front_count_;
    front_limit_ = std::max(front_count_, kMaxRun) + kFrontGrowth;
}

// Entries above the highest level where the old and the new base differ stay where they are; those at that level too:
// their digit is above the old base's, hence above the new one's.
void PendingSet::lower_base(std::uint64_t at_ps) {
    const unsigned highest = level_of(at_ps);
    std::vector<SourceIndex> moved;
    while (wheel_levels_ != 0) {
        const auto level = static_cast<unsigned>(std::countr_zero(wheel_levels_));
        if (level >= highest) {
            break;
        }
        const auto digit = static_cast<unsigned>(std::countr_zero(bitmaps_[level]));
        const auto collect = [&moved](SourceIndex s) { moved.push_back(s); };
        walk(detach_bucket(level * kBuckets + digit), collect, collect);
    }
    wheel_base_ = at_ps;
    for (const SourceIndex s : moved) {
        link(s);
    }
}

// The place of `e` in the ring's cyclic order, counted from its head: how many members are below.
std::uint32_t PendingSet::ring_position(const Ring& ring, Entry e) const {
    const auto size = static_cast<std::uint32_t>(ring.members.size());
    std::uint32_t low = 0;
    std::uint32_t high = size;
    while (low < high) {
        const std::uint32_t mid = low + (high - low) / 2;
        if (ring.members[(ring.head + mid) % size] < e) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

bool PendingSet::ring_join(SourceIndex s) {
    Node& n = nodes_[s];
    std::uint32_t chosen = kMaxRings;
    for (std::uint32_t i = 0; i < kMaxRings; ++i) {
        if (!rings_[i].members.empty() && rings_[i].period == n.period) {
            chosen = i;
            break;
        }
        if (rings_[i].members.empty() && chosen == kMaxRings) {
            chosen = i;
        }
    }
    if (chosen == kMaxRings) {
        return false;
    }
    Ring& ring = rings_[chosen];
    const auto size = static_cast<std::uint32_t>(ring.members.size());
    const Entry joining = entry_of(s);
    if (size == 0) {
        ring.period = n.period;
        ring.head = 0;
        ring.members.push_back(joining);
        ++ring_count_;
    } else {
        const Entry round = Entry{static_cast<std::uint64_t>(ring.period.count())} << 64;
        const Entry head = ring.members[ring.head];
        const Entry tail = ring.members[(ring.head + size - 1) % size];
        if (joining > head ? joining >= head + round : tail >= joining + round) {
            return false;
        }
        std::uint32_t at = ring.head + ring_position(ring, joining);
        if (at > size) {
            at -= size;
            ++ring.head;
        }
        ring.members.insert(ring.members.begin() + at, joining);
    }
    n.place = kRing + chosen;
    ++armed_count_;
    choose_ring();
    return true;
}

void PendingSet::ring_leave(SourceIndex s) {
    Node& n = nodes_[s];
    Ring& ring = rings_[n.place - kRing];
    const auto size = static_cast<std::uint32_t>(ring.members.size());
    const std::uint32_t at = (ring.head + ring_position(ring, entry(ring_instant(n), n.rank, s))) % size;
    ring.members.erase(ring.members.begin() + at);
    if (at < ring.head) {
        --ring.head;
    } else if (ring.head == size - 1) {
        ring.head = 0;
    }
    n.place = kUnarmed;
    --armed_count_;
    if (ring.members.empty()) {
        --ring_count_;
    }
    choose_ring();
}

void PendingSet::choose_ring() {
    Entry least = kAboveAll;
    for (std::uint32_t i = 0; i < kMaxRings; ++i) {
        const Ring& ring = rings_[i];
        if (!ring.members.empty() && ring.members[ring.head] < least) {
            least = ring.members[ring.head];
            earliest_ring_ = i;
        }
    }
}

// The next instant of a ring's member. Popping touches the ring alone, not the node; by invariant (3) the next instant
// is the one of the source's instants that lies within a period of the head.
Time PendingSet::ring_instant(const Node& n) const {
    const Ring& ring = rings_[n.place - kRing];
    const Entry head = ring.members[ring.head];
    Duration ahead = (n.at - time_of(head)) % ring.period;
    if (ahead < Duration::zero() || (ahead == Duration::zero() && n.rank < rank_of(head))) {
        ahead += ring.period;
    }
    return saturating_add(time_of(head), ahead);
}

const char* PendingSet::broken_part(std::vector<char>& seen) const {
    const auto mark = [&](SourceIndex s, std::uint32_t place) {
        return nodes_[s].place == place && !std::exchange(seen[s], char{1});
    };
    for (std::uint32_t i = 1; i <= front_count_; ++i) {
        const Entry e = front_[i];
        if (!mark(source_of(e), kFront) || e != entry_of(source_of(e))) {
            return "a front entry differs from its node";
        }
        if (e >= front_end_ || e >= front_[i - 1]) {
            return "the front is not sorted below its end (1)";
        }
    }
    for (unsigned bucket = 0; bucket < buckets_.size(); ++bucket) {
        const unsigned level = bucket / kBuckets;
        if (((bitmaps_[level] >> bucket % kBuckets & 1) != 0) != ((buckets_[bucket].first & kEnd) == 0) ||
            ((wheel_levels_ >> level & 1) != 0) != (bitmaps_[level] != 0)) {
            return "a bitmap differs from its buckets";
        }
        SourceIndex prev = kEnd | bucket;
        for (SourceIndex s = buckets_[bucket].first; (s & kEnd) == 0; prev = s, s = nodes_[s].next) {
            const std::uint64_t at = raw(nodes_[s].at);
            if (!mark(s, kWheel) || nodes_[s].prev != prev) {
                return "a bucket's list is broken";
            }
            if (entry_of(s) < front_end_ || level_of(at) != level ||
                (at >> (level * kDigitBits)) % kBuckets != bucket % kBuckets || at < wheel_base_) {
                return "a wheel entry is not in its bucket or below the front's end (1)";
            }
        }
        if (buckets_[bucket].last != prev) {
            return "a bucket's last entry is another";
        }
    }
    for (const Ring& ring : rings_) {
        const auto size = static_cast<std::uint32_t>(ring.members.size());
        for (std::uint32_t i = 0; i < size; ++i) {
            const Entry e = ring.members[(ring.head + i) % size];
            const SourceIndex s = source_of(e);
            if (!mark(s, kRing + static_cast<std::uint32_t>(&ring - rings_.data())) ||
                nodes_[s].period != ring.period || e != entry(ring_instant(nodes_[s]), nodes_[s].rank, s)) {
                return "a ring's member differs from its node";
            }
            if (i != 0 && e <= ring.members[(ring.head + i - 1) % size]) {
                return "a ring is not in order (3)";
            }
        }
    }
    return nullptr;
}

const char* PendingSet::broken_invariant() const {
    std::vector<char> seen(nodes_.size(), 0);
    if (const char* broken = broken_part(seen)) {
        return broken;
    }
    const auto count = static_cast<std::uint32_t>(std::count(seen.begin(), seen.end(), char{1}));
    std::uint32_t in_rings = 0;
    Entry least = front_[front_count_];
    for (const Ring& ring : rings_) {
        in_rings += static_cast<std::uint32_t>(ring.members.size());
        if (!ring.members.empty()) {
            least = std::min(least, ring.members[ring.head]);
        }
    }
    if (count != armed_count_ || count != front_count_ + wheel_count_ + in_rings) {
        return "the counts differ from the parts";
    }
    if (front_count_ == 0 && (wheel_count_ != 0 || front_end_ != kAboveAll)) {
        return "the front is dry (2)";
    }
    if (wheel_base_ > raw_time(front_end_)) {
        return "the wheel's base is beyond the front's end (1)";
    }
    if (earliest_ != Key{time_of(least), rank_of(least)} || earliest_source_ != source_of(least)) {
        return "the earliest key is not the least (4)";
    }
    return nullptr;
}

}  // namespace ticklab::sim
