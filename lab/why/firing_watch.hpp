// Tells observers of each callback that started, once the records up to its start are committed and logged.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "ticklab/lab/obligations.hpp"
#include "ticklab/lab/why/activity_log.hpp"
#include "ticklab/lab/why/split.hpp"

namespace ticklab::lab {

class FiringObserver {
public:
    virtual ~FiringObserver() = default;
    /// `timer` is the object of firing.timer. The log stands at the record of the firing.
    virtual void fired(const Firing& firing, std::uint64_t timer, const ActivityLog& log) = 0;
};

class FiringWatch final : public sim::RecordConsumer {
public:
    FiringWatch(sim::Machine& machine, std::size_t capacity) : log_(machine, capacity), waiting_(machine.cpu_count()) {}

    /// In the order in which they were added.
    void add(FiringObserver& observer) { observers_.push_back(&observer); }
    /// A callback has started; its record is `firing.record`.
    void fired(const Firing& firing) { waiting_[firing.cpu].push_back(firing); }
    void consume(std::span<const sim::Record> batch) override;

    const ActivityLog& log() const { return log_; }

private:
    ActivityLog log_;
    std::vector<FiringObserver*> observers_;
    std::vector<std::deque<Firing>> waiting_;
};

/// Keeps the splits of the timers that were the latest, each at its worst.
class WorstTimers final : public FiringObserver {
public:
    explicit WorstTimers(std::size_t count) : count_(count) {}
    void fired(const Firing& firing, std::uint64_t timer, const ActivityLog& log) override;
    /// Null if the timer is none of them.
    const LatenessSplit* find(sim::TimerIndex timer) const;

private:
    std::size_t count_;
    std::vector<LatenessSplit> worst_;
};

}  // namespace ticklab::lab
