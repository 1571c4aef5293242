#include "ticklab/lab/bundle/record_context.hpp"

#include <fmt/format.h>

#include "ticklab/lab/joined.hpp"
#include "ticklab/lab/why/tell.hpp"

namespace ticklab::lab {

void ContextWatch::watch(Experiment& experiment) {
    experiment_ = &experiment;
    log_.emplace(experiment.machine());
}

void ContextWatch::consume(std::span<const sim::Record> batch) {
    for (const sim::Record& record : batch) {
        if (record.kind->digest_class == sim::DigestClass::kBase) {
            if (++count_ == number_)
                keep_frames();
            if (count_ + RecordContext::kBefore >= number_ && count_ <= number_ + RecordContext::kBehind)
                records_.emplace_back(record, count_);
        }
        log_->consume(record);
    }
    if (count_ >= number_ + RecordContext::kBehind)
        experiment_->stop();
}

void ContextWatch::keep_frames() {
    for (sim::CpuId cpu = 0; cpu < log_->cpu_count(); ++cpu) {
        const std::span<const CpuFrame> frames = log_->frames(cpu);
        frames_.emplace_back(frames.begin(), frames.end());
    }
}

RecordContext ContextWatch::context() {
    if (count_ < number_)
        keep_frames();
    const sim::RecordStream& names = experiment_->machine().records();
    RecordContext context;
    context.number = number_;
    for (const KeptRecord& record : records_)
        context.records.push_back(
            {record.number, record.at, fmt::format("{}: {}", tell_place(record), tell_record(record, names))});
    for (const Frames& frames : frames_) {
        std::vector<std::string> told;
        for (const CpuFrame& frame : frames)
            told.push_back(tell_frame(frame, names));
        context.cpus.push_back(told.empty() ? "thread-level code" : joined(told, " > "));
    }
    return context;
}

RecordContext context_of(const Scenario& scenario, ExperimentOptions options, std::uint64_t number) {
    ContextWatch watch(number);
    options.metrics = false;
    options.consumers = {&watch};
    Experiment experiment(scenario, options);
    watch.watch(experiment);
    experiment.run();
    return watch.context();
}

}  // namespace ticklab::lab
