#include "ticklab/lab/bundle/decision_list.hpp"

#include <algorithm>
#include <cassert>

#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::lab {

void DecisionRecorder::at_point(const sim::Cpu& cpu, const sim::InterleavingPoint& point) {
    if (answers_)
        answers_->at_point(cpu, point);
}

std::uint64_t DecisionRecorder::answer(const sim::Site& site, std::uint64_t key, std::uint64_t bound,
                                       std::uint64_t seeded) {
    const std::uint64_t answer = answers_ ? answers_->answer(site, key, bound, seeded) : seeded;
    if (site.hash() == sim::sites::kStallAtPoint.hash()) {
        const std::uint64_t nth = ++points_[key];
        if (answer != 0)
            list_.stalls.push_back({key, nth, sim::Duration{1}});
    } else if (site.hash() == sim::sites::kStallLength.hash()) {
        list_.stalls.back().length = sim::Duration{static_cast<std::int64_t>(answer + 1)};
    } else if (site.hash() == sim::sites::kTie.hash()) {
        const std::uint64_t nth = ++ties_[key];
        if (answer != 0)
            list_.ties.push_back({key, nth, answer});
    }
    return answer;
}

DecisionPlayer::DecisionPlayer(const DecisionList& list) {
    for (const StallDecision& stall : list.stalls)
        stalls_[stall.key].entries[stall.nth].answer = static_cast<std::uint64_t>(stall.length.count());
    for (const TieDecision& tie : list.ties)
        ties_[tie.key].entries[tie.nth].answer = tie.answer;
}

std::uint64_t DecisionPlayer::look_up(Entries& entries, std::uint64_t key) {
    const auto times = entries.find(key);
    if (times == entries.end())
        return 0;
    const auto entry = times->second.entries.find(++times->second.asked);
    if (entry == times->second.entries.end())
        return 0;
    entry->second.reached = true;
    return entry->second.answer;
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

std::size_t DecisionPlayer::unreached(const Entries& entries) {
    std::size_t count = 0;
    for (const auto& times : entries)
        for (const auto& entry : times.second.entries)
            count += entry.second.reached ? 0 : 1;
    return count;
}

std::size_t DecisionPlayer::unreached() const { return unreached(stalls_) + unreached(ties_); }

}  // namespace ticklab::lab
