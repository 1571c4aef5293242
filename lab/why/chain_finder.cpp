#include "ticklab/lab/why/chain_finder.hpp"

#include <algorithm>

#include "ticklab/lab/scenario_records.hpp"

namespace ticklab::lab {
namespace {

/// Keeps the last records until all that is wanted was found.
class Gatherer final : public sim::RecordConsumer {
public:
    explicit Gatherer(ChainFinder& finder) : finder_(finder), ring_(kWhyCapacity) {}
    void watch(Experiment& experiment) { experiment_ = &experiment; }

    void consume(std::span<const sim::Record> batch) override {
        for (const sim::Record& record : batch) {
            ring_.push(record);
            if (finder_.missing(record.id))
                finder_.gather(ring_);
        }
        if (finder_.done())
            experiment_->stop();
    }

private:
    ChainFinder& finder_;
    RecordRing ring_;
    Experiment* experiment_ = nullptr;
};

bool is_callback(const sim::RecordKind& kind) {
    return kind.id == kCallbackBeginRecord.id || kind.role == sim::RecordRole::kCallbackBegin;
}

}  // namespace

void ChainFinder::ask(sim::RecordId id, bool follow, bool start) {
    if (id && !found_.contains(id))
        wanted_.try_emplace(id, Wanted{follow, start});
}

void ChainFinder::gather(const RecordRing& ring) {
    ring.backwards([&](const KeptRecord& record) {
        const auto wanted = wanted_.find(record.id);
        if (wanted == wanted_.end())
            return true;
        const Wanted how = wanted->second;
        wanted_.erase(wanted);
        const bool follow = how.follow && (how.start || !is_callback(*record.kind));
        found_.emplace(record.id, Link{record, follow});
        if (follow) {
            // The kernel's call of a callback leads on to what armed the timer.
            ask(record.cause, true, how.start && is_callback(*record.kind));
            ask(record.waited_on, false, false);
        }
        return !wanted_.empty();
    });
}

void ChainFinder::complete(const Scenario& scenario, const ExperimentOptions& options) {
    for (unsigned run = 0; run < kMostRuns && !done(); ++run) {
        Gatherer gatherer(*this);
        ExperimentOptions again = options;
        again.checks = again.metrics = false;
        again.consumers = {&gatherer};
        again.firing_observers.clear();
        Experiment experiment(scenario, again);
        gatherer.watch(experiment);
        experiment.run();
    }
}

std::vector<ChainFinder::Link> ChainFinder::links() const {
    std::vector<Link> links;
    for (const auto& [id, link] : found_)
        links.push_back(link);
    std::sort(links.begin(), links.end(),
              [](const Link& a, const Link& b) { return a.record.number < b.record.number; });
    return links;
}

}  // namespace ticklab::lab
