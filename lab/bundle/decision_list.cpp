#include "ticklab/lab/bundle/decision_list.hpp"

#include <algorithm>
#include <cassert>
#include <set>

#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::lab {

DecisionList decision_list(std::span<const sim::Decision> recorded) {
    DecisionList list;
    std::set<std::uint64_t> stalls, ties;
    for (std::size_t i = 0; i < recorded.size(); ++i) {
        const sim::Decision& decision = recorded[i];
        if (decision.site == sim::sites::kStallAtPoint.name() && stalls.insert(decision.key).second) {
            // The length is drawn next; the shortest is answer 0, which is not recorded.
            const bool longer = i + 1 < recorded.size() && recorded[i + 1].site == sim::sites::kStallLength.name();
            const std::uint64_t ps = 1 + (longer ? recorded[i + 1].answer : 0);
            list.stalls.push_back({decision.key, sim::Duration{static_cast<std::int64_t>(ps)}});
        } else if (decision.site == sim::sites::kTie.name() && ties.insert(decision.key).second) {
            list.ties.push_back({decision.key, decision.answer});
        }
    }
    return list;
}

DecisionPlayer::DecisionPlayer(const DecisionList& list) {
    for (const StallDecision& stall : list.stalls)
        stalls_[stall.key].answer = static_cast<std::uint64_t>(stall.length.count());
    for (const TieDecision& tie : list.ties)
        ties_[tie.key].answer = tie.answer;
}

std::uint64_t DecisionPlayer::look_up(Entries& entries, std::uint64_t key) {
    const auto at = entries.find(key);
    if (at == entries.end())
        return 0;
    at->second.reached = true;
    return at->second.answer;
}

std::uint64_t DecisionPlayer::answer(const sim::Site& site, std::uint64_t key, std::uint64_t bound,
                                     std::uint64_t seeded) {
    if (site.hash() == sim::sites::kStallAtPoint.hash()) {
        stall_ps_ = look_up(stalls_, key);
        return stall_ps_ != 0 ? 1 : 0;
    }
    if (site.hash() == sim::sites::kStallLength.hash()) {
        assert(stall_ps_ != 0);
        return std::min(stall_ps_, bound) - 1;
    }
    if (site.hash() == sim::sites::kTie.hash()) {
        // An edited run may have fewer activities due than the one that was recorded.
        const std::uint64_t answer = look_up(ties_, key);
        beyond_ += answer >= bound ? 1 : 0;
        return std::min(answer, bound - 1);
    }
    return seeded;
}

std::size_t DecisionPlayer::unreached() const {
    const auto is_unreached = [](const Entries::value_type& entry) { return !entry.second.reached; };
    return static_cast<std::size_t>(std::count_if(stalls_.begin(), stalls_.end(), is_unreached) +
                                    std::count_if(ties_.begin(), ties_.end(), is_unreached));
}

}  // namespace ticklab::lab
