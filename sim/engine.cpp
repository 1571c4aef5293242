#include "ticklab/sim/engine.hpp"

#include <cassert>

namespace ticklab::sim {

SourceIndex Engine::add(ActivityClass activity_class, ActivityHandler& handler) {
    const std::uint32_t rank = rank_of(activity_class, slot_count_[static_cast<std::size_t>(activity_class)]++);
    const SourceIndex s = pending_.add(rank);
    assert(s == handlers_.size());
    handlers_.push_back(&handler);
    ranks_.push_back(rank);
    periods_.push_back(Duration::zero());
    return s;
}

SourceIndex Engine::take() {
    const Key key = pending_.earliest();
    SourceIndex s = pending_.pop();
    if (tie_breaker_ && pending_.earliest().at == key.at && class_of(pending_.earliest().rank) == class_of(key.rank))
        [[unlikely]]
        s = break_tie(s);
    advance(Key{key.at, ranks_[s]});
    return s;
}

SourceIndex Engine::break_tie(SourceIndex first) {
    const Key key{pending_.earliest().at, ranks_[first]};
    tied_.assign(1, first);
    while (pending_.earliest().at == key.at && class_of(pending_.earliest().rank) == class_of(key.rank))
        tied_.push_back(pending_.pop());
    const std::uint32_t chosen = tie_breaker_->pick(class_of(key.rank), static_cast<std::uint32_t>(tied_.size()));
    assert(chosen < tied_.size());
    const SourceIndex s = tied_[chosen];
    for (const SourceIndex other : tied_) {
        if (other == s)
            continue;
        // Popping a periodic source has already armed its next period.
        if (pending_.armed(other))
            pending_.arm_periodic(other, key.at, periods_[other]);
        else
            pending_.arm(other, key.at);
    }
    return s;
}

}  // namespace ticklab::sim
