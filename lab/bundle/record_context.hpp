// What surrounds one record of a run, in words, so that it can be shown beside that of another run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/why/activity_log.hpp"
#include "ticklab/lab/why/record_ring.hpp"

namespace ticklab::lab {

struct ToldRecord {
    std::uint64_t number = 0;  ///< among base records, from 1, in the order of commitment
    sim::Time at = sim::kBoot;
    std::string what;  ///< "CPU 1: a CPU went to sleep: state C1"
    friend bool operator==(const ToldRecord&, const ToldRecord&) = default;
};

struct RecordContext {
    static constexpr std::uint64_t kBefore = 5;
    static constexpr std::uint64_t kBehind = 2;

    std::uint64_t number = 0;  ///< of the record
    /// Up to kBefore before it, the record, up to kBehind behind it; without the record if the run ends before it.
    std::vector<ToldRecord> records;
    /// What each CPU was doing when the record came, by its number: "interrupt 0xec > softirq 1 > callback of x".
    std::vector<std::string> cpus;
    friend bool operator==(const RecordContext&, const RecordContext&) = default;
};

/// Gathers the context of record `number`, and ends the run behind it.
class ContextWatch final : public sim::RecordConsumer {
public:
    explicit ContextWatch(std::uint64_t number) : number_(number) {}
    /// Before the experiment runs, with this among its consumers.
    void watch(Experiment& experiment);
    void consume(std::span<const sim::Record> batch) override;
    /// When the experiment has run.
    RecordContext context();

private:
    using Frames = std::vector<CpuFrame>;

    void keep_frames();

    std::uint64_t number_;
    std::uint64_t count_ = 0;
    Experiment* experiment_ = nullptr;
    std::optional<ActivityLog> log_;
    std::vector<KeptRecord> records_;
    std::vector<Frames> frames_;
};

/// Does that run again for the context of one of its records.
RecordContext context_of(const Scenario& scenario, ExperimentOptions options, std::uint64_t number);

}  // namespace ticklab::lab
