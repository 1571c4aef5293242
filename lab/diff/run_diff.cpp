#include "ticklab/lab/diff/run_diff.hpp"

#include <algorithm>

#include "ticklab/sim/record_stream.hpp"

namespace ticklab::lab {
namespace {

/// Hashes of the base records `first` to `last`, both from 1.
class LinkWatch final : public sim::RecordConsumer {
public:
    LinkWatch(std::uint64_t first, std::uint64_t last) : first_(first), last_(last) {}
    void consume(std::span<const sim::Record> batch) override {
        for (const sim::Record& record : batch) {
            if (record.kind->digest_class != sim::DigestClass::kBase)
                continue;
            if (++count_ >= first_ && count_ <= last_)
                hashes_.push_back(record_hash(record));
        }
    }
    std::vector<std::uint64_t> take() { return std::move(hashes_); }

private:
    std::uint64_t first_, last_;
    std::uint64_t count_ = 0;
    std::vector<std::uint64_t> hashes_;
};

RunOutcome outcome_here(const DiffInput& input, sim::RecordConsumer* consumer) {
    ExperimentOptions options = input.options;
    options.metrics = false;
    options.consumers.clear();
    if (consumer)
        options.consumers.push_back(consumer);
    Experiment experiment(*input.scenario, options);
    experiment.run();
    return outcome_of(experiment, RecordMarks(), input.bundle && input.bundle->expectations);
}

bool same_records(const RunOutcome& a, const RunOutcome& b) {
    return a.records == b.records && a.digest == b.digest && a.chain == b.chain;
}

DiffSide side_of(const DiffInput& input) {
    DiffSide side;
    side.outcome = outcome_here(input, nullptr);
    if (input.bundle && !same_records(side.outcome, input.bundle->outcome)) {
        side.done_here = false;
        side.outcome = input.bundle->outcome;
    }
    return side;
}

std::vector<std::uint64_t> link_hashes(const DiffInput& input, DiffSide& side, std::uint64_t first,
                                       std::uint64_t last) {
    if (side.done_here) {
        LinkWatch watch(first, last);
        side.repeats = same_records(outcome_here(input, &watch), side.outcome);
        return watch.take();
    }
    std::vector<std::uint64_t> hashes;
    for (std::uint64_t number = first; number <= std::min(last, side.outcome.records); ++number)
        hashes.push_back(std::stoull(std::string(mark_at(side.outcome.marks, number - 1)), nullptr, 16));
    return hashes;
}

std::optional<RecordContext> context_here(const DiffInput& input, const DiffSide& side, std::uint64_t number) {
    if (side.done_here)
        return context_of(*input.scenario, input.options, number);
    return input.bundle->near && input.bundle->near->number == number ? input.bundle->near : std::nullopt;
}

}  // namespace

RunDiff diff_runs(const DiffInput& a, const DiffInput& b) {
    RunDiff diff;
    diff.a = side_of(a);
    diff.b = side_of(b);
    const RunOutcome &of_a = diff.a.outcome, &of_b = diff.b.outcome;
    diff.equal = same_records(of_a, of_b);
    if (diff.equal)
        return diff;

    constexpr std::uint64_t kLink = sim::RecordStream::kChunkRecords;
    const std::size_t links = equal_links(of_a, of_b);
    diff.link = links + 1;
    diff.first_record = links * kLink + 1;
    diff.last_record = std::min(std::max(of_a.records, of_b.records), diff.first_record + kLink - 1);
    const std::vector<std::uint64_t> here = link_hashes(a, diff.a, diff.first_record, diff.last_record);
    const std::vector<std::uint64_t> there = link_hashes(b, diff.b, diff.first_record, diff.last_record);
    // Of a run of another build there are marks only.
    const std::uint64_t counts = diff.a.done_here && diff.b.done_here ? UINT64_MAX : kMarkMask;
    const auto at = std::mismatch(here.begin(), here.end(), there.begin(), there.end(),
                                  [&](std::uint64_t x, std::uint64_t y) { return (x & counts) == (y & counts); });
    if (at.first == here.end() && at.second == there.end())
        return diff;
    diff.record = diff.first_record + static_cast<std::uint64_t>(at.first - here.begin());
    diff.a.context = context_here(a, diff.a, *diff.record);
    diff.b.context = context_here(b, diff.b, *diff.record);
    return diff;
}

}  // namespace ticklab::lab
