#include "ticklab/lab/why/firing_watch.hpp"

#include <algorithm>

#include "ticklab/lab/scenario_records.hpp"

namespace ticklab::lab {

void FiringWatch::consume(std::span<const sim::Record> batch) {
    for (const sim::Record& record : batch) {
        log_.consume(record);
        if (record.kind->id != kCallbackBeginRecord.id)
            continue;
        std::deque<Firing>& waiting = waiting_[record.cpu];
        if (waiting.empty() || waiting.front().record != record.id)
            continue;
        const Firing firing = waiting.front();
        waiting.pop_front();
        for (FiringObserver* observer : observers_)
            observer->fired(firing, record.unsigned_at(0), log_);
    }
}

namespace {

/// Whether `a` comes before `b` among the worst: later, or of equal ones the lower number.
bool worse(const Firing& a, const Firing& b) {
    const sim::Duration late_a = a.at - a.requested();
    const sim::Duration late_b = b.at - b.requested();
    return late_a != late_b ? late_a > late_b : a.timer < b.timer;
}

}  // namespace

void WorstTimers::fired(const Firing& firing, std::uint64_t timer, const ActivityLog& log) {
    const auto known = std::find_if(worst_.begin(), worst_.end(),
                                    [&](const LatenessSplit& s) { return s.firing.timer == firing.timer; });
    if (known != worst_.end()) {
        if (!worse(firing, known->firing))
            return;
        worst_.erase(known);
    } else if (worst_.size() == count_) {
        if (!worse(firing, worst_.back().firing))
            return;
        worst_.pop_back();
    }
    const auto place = std::upper_bound(worst_.begin(), worst_.end(), firing,
                                        [](const Firing& f, const LatenessSplit& s) { return worse(f, s.firing); });
    worst_.insert(place, split_lateness(log, firing, timer));
}

const LatenessSplit* WorstTimers::find(sim::TimerIndex timer) const {
    const auto it =
        std::find_if(worst_.begin(), worst_.end(), [timer](const LatenessSplit& s) { return s.firing.timer == timer; });
    return it == worst_.end() ? nullptr : &*it;
}

}  // namespace ticklab::lab
