// Makes a timeline of a run's records: Chrome JSON trace events that open in Perfetto's UI (TE 1).
//
// Rules
//  - It knows kinds of records by their declarations only (TimelineShape, slice, category, operands); no kernel is
//    named.
//  - Slices of one track nest strictly, whatever the records say. Instants are rounded down to nanoseconds; a slice
//    that would be empty or would begin together with its cause is moved by single nanoseconds, and args.at_ns has the
//    truth.
//  - An end without a begin is left out; of two slices that overlap, the later one is cut in two where the earlier one
//    ends.
//  - Arrows follow the links to causes. An event of the format has one arrow number, so arrows form chains: the first
//    effect continues its cause's chain, further effects of it are found by args.cause only.
//  - A producer of an arrow must say so, and files are in order of time: events are therefore kept, about 150 bytes
//    each, until finish(). max_events bounds them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ticklab/lab/timeline/timeline_event.hpp"
#include "ticklab/lab/timeline/timeline_kinds.hpp"
#include "ticklab/lab/timeline/timeline_sink.hpp"
#include "ticklab/sim/record.hpp"
#include "ticklab/sim/record_stream.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::lab {

struct TimelineOptions {
    /// CPUs of the machine: each gets a track.
    sim::CpuId cpu_count = 0;
    /// Categories of records to draw; all if empty.
    std::vector<std::string> categories{};
    /// CPUs to draw; all if empty. What happens on no CPU is drawn in either case.
    std::vector<sim::CpuId> cpus{};
    /// Both included. Slices that reach over them are clipped.
    sim::Time from = sim::kBoot;
    sim::Time to = sim::kNever;
    /// The timeline is cut where it would have more events than this (by a few: one record may make several); its
    /// metadata say where. At least 1.
    std::size_t max_events = 1'000'000;
    /// In this order: seed, scenario, scenario hash, version, replay command and what else tells where it comes from.
    std::vector<std::pair<std::string, std::string>> metadata{};
};

/// Usage: construct, add as a consumer of the records, run, finish(). Without finish() no file comes to be.
class TimelineWriter final : public sim::RecordConsumer {
public:
    /// Most slices of one track that are open at once; deeper ones are left out and counted.
    static constexpr std::size_t kDepthMax = 128;

    /// `kinds` has every kind that may come. Throws std::invalid_argument as TimelineKinds does.
    TimelineWriter(std::unique_ptr<TimelineSink> sink, TimelineOptions options,
                   std::span<const sim::RecordKind* const> kinds);

    /// Throws std::invalid_argument for a kind that was not declared.
    void consume(std::span<const sim::Record> batch) override;

    /// Adds metadata that are known late, such as the digest.
    void note(std::string key, std::string value);

    /// Ends the timeline at `end`, the instant up to which the machine ran, and writes it. Once. `names` is the stream
    /// that the records came from. Throws std::runtime_error if the file cannot be written.
    void finish(sim::Time end, const sim::RecordStream& names);

private:
    /// Index of an event; kNone for none.
    using EventIndex = std::size_t;
    static constexpr EventIndex kNone = ~EventIndex{0};

    /// A begin that waits for its end.
    struct Opened {
        const TimelineKind* kind = nullptr;
        sim::Time at{};
        sim::RecordId record;
        sim::RecordId cause;
        sim::RecordId waited_on;
        std::array<std::uint64_t, sim::kMaxOperands> operands{};
        EventIndex event = kNone;  ///< none while the timeline has not begun
        sim::CpuId on_cpu = sim::kNoCpu;
        std::uint8_t row = kNoOperand;  ///< of a row of an object's track: the operand that it shows
        bool clipped = false;           ///< began before the timeline
    };
    struct Track {
        std::vector<Opened> open;
        std::int64_t last_end_ns = 0;
    };
    struct Async {
        Opened begin;
        bool open = false;
        std::int64_t last_end_ns = 0;
    };

    void take(const sim::Record& r);
    void begin_timeline();
    void begin_slice(const sim::Record& r, const TimelineKind& kind);
    void end_slice(const sim::Record& r, const TimelineKind& kind);
    void begin_async(const sim::Record& r, const TimelineKind& kind);
    void end_async(const sim::Record& r, const TimelineKind& kind);
    void mark(const sim::Record& r, const TimelineKind& kind, TimelineTrack at, sim::CpuId on_cpu);
    void mark_cpu(const sim::Record& r, const TimelineKind& kind);
    void count(const sim::Record& r, const TimelineKind& kind, std::optional<std::size_t> object);
    void show_object(const sim::Record& r, const TimelineKind& kind);
    void set_rows(const sim::Record& r, const TimelineKind& kind, TimelineTrack at);
    std::size_t object_of(const sim::Record& r, const TimelineKind& kind);

    void show_slice(TimelineTrack at, Track& track, Opened& opened, std::int64_t ns);
    void close_slice(Track& track, const Opened& opened, std::int64_t ns);
    void show_async(Async& async, std::int64_t ns);
    void close_async(Async& async, std::int64_t ns, const sim::Record* end, const TimelineKind* end_kind);
    void close_everything(std::int64_t ns);

    bool drawn(const TimelineKind& kind, sim::CpuId cpu) const;
    bool category_drawn(const TimelineKind& kind) const;
    std::uint64_t keep(std::span<const std::uint64_t> operands);
    EventIndex add(TimelineEvent event);
    EventIndex carrier(sim::RecordId record) const;
    void carry(sim::RecordId record, EventIndex event);
    std::int64_t connect(EventIndex effect, sim::RecordId cause);
    static Opened opened_by(const sim::Record& r, const TimelineKind& kind);

    std::unique_ptr<TimelineSink> sink_;
    TimelineOptions options_;
    TimelineKinds kinds_;
    TimelineContent content_;
    std::map<TimelineTrack, Track> tracks_;
    /// By interval and object.
    std::map<std::pair<std::uint32_t, std::uint64_t>, Async> asyncs_;
    /// By name and CPU, or index of the object.
    std::map<std::tuple<std::string_view, sim::CpuId, std::optional<std::size_t>>, std::uint32_t> counters_;
    /// By name of the process and object; the index in the content.
    std::map<std::pair<std::string_view, std::uint64_t>, std::size_t> objects_;
    /// The event that an arrow from a record starts at. Never iterated over.
    std::unordered_map<std::uint64_t, EventIndex> carriers_;
    std::size_t open_asyncs_ = 0;
    std::uint32_t flows_ = 0;
    std::uint64_t unmatched_ends_ = 0;
    std::uint64_t too_deep_ = 0;
    bool begun_ = false;
    bool over_ = false;  ///< no further record is taken
    bool cut_ = false;   ///< because there are too many
    sim::Time cut_at_ = sim::kNever;
};

}  // namespace ticklab::lab
