// Geometry of the timer wheel (LTW 1, 2): levels, buckets, and where a timer goes. Pure arithmetic on jiffies.
#pragma once

#include <cstdint>

#include "ticklab/model/linux/ktime.hpp"

namespace ticklab::linux_::wheel {

inline constexpr unsigned kSlotBits = 6;
inline constexpr unsigned kSlots = 1u << kSlotBits;
inline constexpr std::uint64_t kSlotMask = kSlots - 1;
/// A level's clock runs slower than the one below it by a factor of 2^3.
inline constexpr unsigned kClockShift = 3;
inline constexpr std::uint64_t kClockMask = (1u << kClockShift) - 1;
inline constexpr unsigned kMaxLevels = 9;
/// Distance of the cached next expiry of an empty base (LTW 0).
inline constexpr std::uint64_t kHorizon = (std::uint64_t{1} << 30) - 1;

constexpr unsigned shift_of(unsigned level) { return level * kClockShift; }
/// Jiffies between two buckets of a level.
constexpr std::uint64_t granularity(unsigned level) { return std::uint64_t{1} << shift_of(level); }
/// Smallest distance that goes to a level, from 1 on: 63 and not 64 slots of the level below, since a bucket is rounded
/// up by one slot and must not meet the one that is being consumed (LTW 1.6).
constexpr std::uint64_t level_start(unsigned level) { return (kSlots - 1) * granularity(level - 1); }

constexpr unsigned levels_for(unsigned hz) { return hz > 100 ? 9 : 8; }
/// Distances from here on are capped.
constexpr std::uint64_t cutoff(unsigned levels) { return level_start(levels); }
/// What they are capped to.
constexpr std::uint64_t max_distance(unsigned levels) { return cutoff(levels) - granularity(levels - 1); }

/// A place in the wheel.
struct Bucket {
    unsigned index = 0;  ///< level * 64 + slot
    Jiffies expiry;      ///< when the bucket is collected

    constexpr unsigned level() const { return index / kSlots; }
    friend constexpr bool operator==(const Bucket&, const Bucket&) = default;
};

/// The bucket of a level for a timer that is not due: rounded up, so never collected before `expires` (LTW 2.1).
constexpr Bucket bucket_on_level(Jiffies expires, unsigned level) {
    const std::uint64_t tick = (expires.count() >> shift_of(level)) + 1;
    return {level * kSlots + static_cast<unsigned>(tick & kSlotMask), Jiffies{tick << shift_of(level)}};
}

/// The lowest level whose range holds `distance`; `levels` where none does.
constexpr unsigned level_for(std::uint64_t distance, unsigned levels) {
    unsigned level = 0;
    while (level < levels && distance >= level_start(level + 1))
        ++level;
    return level;
}

/// Where a timer goes, seen from the base's clock (LTW 2). A negative distance is a huge unsigned one, so it is told
/// from a far one after the levels have been tried (LTW 2.4).
constexpr Bucket bucket_for(Jiffies expires, Jiffies clk, unsigned levels) {
    const auto distance = static_cast<std::uint64_t>(expires - clk);
    const unsigned level = level_for(distance, levels);
    if (level < levels)
        return bucket_on_level(expires, level);
    if (expires < clk)
        return {static_cast<unsigned>(clk.count() & kSlotMask), clk};
    return bucket_on_level(clk + max_distance(levels), levels - 1);
}

static_assert(cutoff(9) == 1'056'964'608 && max_distance(9) == 1'040'187'392);
static_assert(cutoff(8) == 132'120'576 && max_distance(8) == 130'023'424);

}  // namespace ticklab::linux_::wheel
