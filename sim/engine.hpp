// The engine: owner of the virtual clock and of every armed source.
//
// Rules
//  - Activities are performed in the order of their full keys (MA 3.4): time; class: device edge, interrupt arrival,
//    CPU resume, script; slot number in the class. When hunting, the order of equal times within a class is a choice.
//  - A source is re-armed in place. Its handler runs at exactly the instant it was armed for.
//  - The number of activities at one instant is bounded; reaching the bound is the verdict "livelock".
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <vector>

#include "ticklab/sim/pending_set.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// Class of an activity, the second part of its key (MA 3.4).
enum class ActivityClass : std::uint32_t { kDevice = 0, kArrival = 1, kCpu = 2, kScript = 3 };

/// Something that acts when its source comes due. Device handlers run on no CPU and take no virtual time.
class ActivityHandler {
public:
    virtual ~ActivityHandler() = default;
    virtual void due(Time at) = 0;
};

inline constexpr std::uint32_t kRankClassShift = 30;

constexpr std::uint32_t rank_of(ActivityClass c, std::uint32_t slot) {
    return (static_cast<std::uint32_t>(c) << kRankClassShift) | slot;
}
constexpr ActivityClass class_of(std::uint32_t rank) { return static_cast<ActivityClass>(rank >> kRankClassShift); }
constexpr std::uint32_t slot_of(std::uint32_t rank) { return rank & ((1u << kRankClassShift) - 1); }

/// Asked for the order of activities that are due at one instant in one class (MA 3.4, hunting).
class TieBreaker {
public:
    virtual ~TieBreaker() = default;
    /// Which of `count` activities, in slot order, goes first: 0 is the stated order.
    virtual std::uint32_t pick(ActivityClass activity_class, std::uint32_t count) = 0;
};

class Engine {
public:
    /// Most activities at one instant before the verdict "livelock" (per armed source there is at least this factor).
    static constexpr std::uint64_t kStepsAtOneInstant = 4096;

    /// Adds a source of `activity_class`; slots number from 0 in the order of registration within the class.
    SourceIndex add(ActivityClass activity_class, ActivityHandler& handler);

    /// The instant of the activity that is being performed, or of the last one; between runs, the end of the last.
    Time now() const { return now_.at; }
    /// The full key of that activity.
    const Key& current() const { return now_; }

    void arm(SourceIndex s, Time at) { pending_.arm(s, at); }
    void arm_periodic(SourceIndex s, Time first, Duration period) {
        periods_[s] = period;
        pending_.arm_periodic(s, first, period);
    }
    void disarm(SourceIndex s) { pending_.disarm(s); }
    bool armed(SourceIndex s) const { return pending_.armed(s); }
    Time armed_for(SourceIndex s) const { return pending_.armed_for(s); }
    std::uint32_t rank(SourceIndex s) const { return ranks_[s]; }

    /// Whether an activity with this key may act now: nothing pending comes before it (MA 3.3).
    bool may_act(const Key& key) const {
        const Key& next = pending_.earliest();
        if (key.at != next.at) [[likely]]
            return key.at < next.at;
        return key.rank < next.rank && !(tie_breaker_ && class_of(key.rank) == class_of(next.rank));
    }
    /// Declares that the activity with this key acts now, without having been pending. may_act(key) holds.
    void advance(const Key& key) {
        assert(key.at >= now_.at);
        steps_at_instant_ = key.at == now_.at ? steps_at_instant_ + 1 : 0;
        ++steps_;
        now_ = key;
    }
    /// A run has come to its end at `at`, and nothing is pending before it.
    void reach(Time at) {
        if (at > now_.at) {
            now_ = Key{at, 0};
            steps_at_instant_ = 0;
        }
    }

    /// Takes the next activity; the caller dispatches it. There is one (check earliest()).
    SourceIndex take();
    const Key& earliest() const { return pending_.earliest(); }
    ActivityHandler& handler(SourceIndex s) const { return *handlers_[s]; }

    /// Activities performed so far.
    std::uint64_t steps() const { return steps_; }
    /// Whether the bound on activities at one instant has been reached.
    bool livelocked() const { return steps_at_instant_ > kStepsAtOneInstant * (ranks_.size() + 1); }

    /// Asks `breaker` about ties from now on; null for the stated order.
    void set_tie_breaker(TieBreaker* breaker) { tie_breaker_ = breaker; }

private:
    SourceIndex break_tie(SourceIndex first);

    PendingSet pending_;
    std::vector<ActivityHandler*> handlers_;
    std::vector<std::uint32_t> ranks_;
    std::vector<Duration> periods_;
    std::array<std::uint32_t, 4> slot_count_{};
    std::vector<SourceIndex> tied_;
    TieBreaker* tie_breaker_ = nullptr;
    Key now_{kBoot, 0};
    std::uint64_t steps_ = 0;
    std::uint64_t steps_at_instant_ = 0;
};

}  // namespace ticklab::sim
