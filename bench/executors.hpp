// What a load runs on. An executor adds handlers, arms them and performs what is due, in order, until an instant.
#pragma once

#include <cstdint>
#include <vector>

#include "indexed_heap.hpp"
#include "ticklab/sim/engine.hpp"
#include "ticklab/sim/pending_set.hpp"

namespace ticklab::bench {

/// A set of keys and a table of handlers: the least an engine can do.
template <class Set>
class SetExecutor {
public:
    sim::SourceIndex add(sim::ActivityHandler& handler) {
        handlers_.push_back(&handler);
        return set_.add(static_cast<std::uint32_t>(handlers_.size() - 1));
    }
    void arm(sim::SourceIndex s, sim::Time at) { set_.arm(s, at); }
    void arm_periodic(sim::SourceIndex s, sim::Time first, sim::Duration period) {
        set_.arm_periodic(s, first, period);
    }
    void run_until(sim::Time end) {
        while (set_.earliest().at <= end) {
            const sim::Time at = set_.earliest().at;
            handlers_[set_.pop()]->due(at);
        }
    }

private:
    Set set_;
    std::vector<sim::ActivityHandler*> handlers_;
};

/// A heap that knows no periods: a periodic source is armed again before its handler runs.
class PeriodicHeap : public IndexedHeap {
public:
    sim::SourceIndex add(std::uint32_t rank) {
        periods_.push_back(sim::Duration::zero());
        return IndexedHeap::add(rank);
    }
    void arm_periodic(sim::SourceIndex s, sim::Time first, sim::Duration period) {
        periods_[s] = period;
        arm(s, first);
    }
    sim::SourceIndex pop() {
        const sim::Key key = earliest();
        const sim::SourceIndex s = first();
        if (periods_[s] != sim::Duration::zero()) {
            arm(s, key.at + periods_[s]);
        } else {
            disarm(s);
        }
        return s;
    }

private:
    std::vector<sim::Duration> periods_;
};

using PendingSetExecutor = SetExecutor<sim::PendingSet>;
using HeapExecutor = SetExecutor<PeriodicHeap>;

/// The engine that the machine runs on.
class EngineExecutor {
public:
    sim::SourceIndex add(sim::ActivityHandler& handler) { return engine_.add(sim::ActivityClass::kCpu, handler); }
    void arm(sim::SourceIndex s, sim::Time at) { engine_.arm(s, at); }
    void arm_periodic(sim::SourceIndex s, sim::Time first, sim::Duration period) {
        engine_.arm_periodic(s, first, period);
    }
    void run_until(sim::Time end) {
        while (engine_.earliest().at <= end) {
            const sim::SourceIndex s = engine_.take();
            engine_.handler(s).due(engine_.now());
        }
    }

private:
    sim::Engine engine_;
};

}  // namespace ticklab::bench
