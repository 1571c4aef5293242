// The set of armed sources, ordered by full key (MA 3.4).
//
// Rules
//  - A source is one slot of activity (a CPU's next resume, one comparator, the IPIs in flight to one CPU, the script).
//    It is added once and re-armed in place; it is armed for at most one instant.
//  - Keys are (time, rank). Ranks are unique, so equal keys cannot exist.
//  - Time only moves forward: arming before the last popped instant is a programming error (asserted).
//  - A source armed with a period stays armed: pop() re-arms it one period later by itself.
//  - The order of pops depends on keys alone, never on the order or history of calls.
#pragma once

#include <compare>
#include <cstdint>
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
    std::uint32_t size() const;
};

}  // namespace ticklab::sim
