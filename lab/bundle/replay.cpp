#include "ticklab/lab/bundle/replay.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/lab/bundle/record_marks.hpp"
#include "ticklab/lab/why/record_ring.hpp"
#include "ticklab/lab/why/tell.hpp"

namespace ticklab::lab {
namespace {

/// Compares the records of a run with the marks that a bundle keeps.
class ReplayWatch final : public sim::RecordConsumer {
public:
    explicit ReplayWatch(const std::vector<std::string>& kept) : kept_(kept) {}

    void consume(std::span<const sim::Record> batch) override {
        for (const sim::Record& record : batch) {
            if (record.kind->digest_class != sim::DigestClass::kBase)
                continue;
            const std::uint64_t index = marks_.size();
            if (index % sim::RecordStream::kChunkRecords == 0)
                spans_.push_back({record.at, record.at});
            spans_.back().to = record.at;
            if (marks_.add(record) != mark_at(kept_, index) && !first_)
                first_.emplace(record, index + 1);
        }
    }

    const RecordMarks& marks() const { return marks_; }

    std::optional<RecordDifference> record_difference(const sim::RecordStream& names, std::uint64_t kept) const {
        if (first_)
            return RecordDifference{first_->number,
                                    fmt::format("{}: {}", tell_place(*first_), tell_record(*first_, names)), first_->at,
                                    first_->number <= kept};
        if (marks_.size() < kept)
            return RecordDifference{marks_.size() + 1, {}, sim::kNever, true};
        return std::nullopt;
    }

    LinkDifference link(std::size_t index) const {
        LinkDifference link;
        link.number = index + 1;
        link.first_record = index * sim::RecordStream::kChunkRecords + 1;
        link.last_record = std::min(marks_.size(), link.first_record + sim::RecordStream::kChunkRecords - 1);
        if (index < spans_.size()) {
            link.from = spans_[index].from;
            link.to = spans_[index].to;
        }
        return link;
    }

private:
    struct LinkSpan {
        sim::Time from, to;
    };
    const std::vector<std::string>& kept_;
    RecordMarks marks_;
    std::vector<LinkSpan> spans_;
    std::optional<KeptRecord> first_;
};

}  // namespace

BundleReplay replay_bundle(const Bundle& bundle, const Scenario& scenario) {
    const RunOutcome& kept = bundle.outcome;
    ReplayWatch watch(kept.marks);
    ExperimentOptions options = replay_options(bundle);
    options.consumers.push_back(&watch);
    Experiment experiment(scenario, options);
    experiment.run();
    BundleReplay replay;
    replay.now = outcome_of(experiment, watch.marks(), bundle.expectations);
    replay.unreached = experiment.decision_player()->unreached();
    replay.beyond = experiment.decision_player()->beyond();
    replay.same = replay.now == kept;
    if (replay.same)
        return replay;
    replay.record = watch.record_difference(experiment.machine().records(), kept.records);
    if (replay.now.chain != kept.chain || replay.now.digest != kept.digest)
        replay.link = watch.link(equal_links(kept, replay.now));
    replay.repeats = run_bundle(bundle, scenario, options) == replay.now;
    return replay;
}

}  // namespace ticklab::lab
