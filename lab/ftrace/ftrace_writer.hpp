// Writes a run as ftrace text, line for line what a kernel's own tracing would write (TE 2, TE 3).
//
// Rules
//  (1) Kinds of records with an ftrace text are written, and interrupts as the kernel's irq_vectors events; nothing
//      else, so that a file holds what a recorded kernel's holds.
//  (2) Events are kept, about 100 bytes each, until finish(): the header says how many there are.
//  (3) Of the flags, records tell the context (hard irq, softirq, NMI). Whether interrupts are off they tell of a hard
//      irq only: X, "not known", stands elsewhere. need-resched and the depths are not known and shown as dots.
//  (4) An address is the object's number, 0 for none; comments behind the header name the objects.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ticklab/lab/ftrace/ftrace_format.hpp"
#include "ticklab/lab/timeline/timeline_sink.hpp"
#include "ticklab/sim/record.hpp"
#include "ticklab/sim/record_stream.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::lab {

struct FtraceOptions {
    sim::CpuId cpu_count = 0;
    /// Both included.
    sim::Time from = sim::kBoot;
    sim::Time to = sim::kNever;
    /// The text is cut behind as many events; a comment says where.
    std::size_t max_events = 1'000'000;
    /// Comments of the form "KEY: VALUE" behind the header: seed, scenario and what else tells where it comes from.
    std::vector<std::pair<std::string, std::string>> notes{};
};

/// Usage: construct, add as a consumer of the records, run, finish(). Without finish() no file comes to be.
class FtraceWriter final : public sim::RecordConsumer {
public:
    FtraceWriter(std::unique_ptr<TimelineSink> sink, FtraceOptions options,
                 std::span<const sim::RecordKind* const> kinds);

    void consume(std::span<const sim::Record> batch) override;
    void note(std::string key, std::string value) { options_.notes.emplace_back(std::move(key), std::move(value)); }
    /// Writes the file. Once. `names` is the stream that the records came from. Throws FileError.
    void finish(const sim::RecordStream& names);

    /// Whether any of `kinds` has an ftrace text: else there is nothing to write.
    static bool any_text(std::span<const sim::RecordKind> kinds);

private:
    struct Text {
        const sim::RecordKind* kind = nullptr;
        std::string_view name;
        FtraceFormat format;
    };
    struct Entry {
        std::int64_t at_us;
        std::uint64_t task;   ///< object of the thread
        std::uint64_t words;  ///< where the operands start
        std::uint32_t text;
        sim::CpuId cpu;
        char irqs_off;
        char context;
    };
    struct CpuState {
        std::uint64_t task = 0;
        unsigned hardirqs = 0;
        unsigned hardirqs_outside = 0;  ///< of the softirq that runs
        unsigned nmis = 0;
        bool in_softirq = false;
    };

    void follow(const sim::Record& r);
    std::uint32_t text_of(const sim::Record& r);
    std::string line_of(const Entry& entry, const sim::RecordStream& names) const;
    std::string header() const;
    std::string objects(const sim::RecordStream& names) const;

    std::unique_ptr<TimelineSink> sink_;
    FtraceOptions options_;
    std::vector<Text> texts_;
    std::vector<std::uint32_t> text_of_kind_;  ///< by record id
    std::vector<CpuState> cpus_;
    std::vector<Entry> entries_;
    std::vector<std::uint64_t> words_;
    bool cut_ = false;
    sim::Time cut_at_ = sim::kNever;
};

}  // namespace ticklab::lab
