// Hand-made records, and a reader of timelines that checks what every timeline promises (TE 1).
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "ticklab/lab/timeline/timeline_writer.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::lab::testing {

using nlohmann::json;
using sim::CpuId;
using sim::DrawnAs;
using sim::kNoCpu;
using sim::OperandType;
using sim::RecordId;
using sim::RecordKind;
using sim::Time;
using sim::TimelineShape;

inline constexpr RecordKind kIrqIn{
    900, "test", "irq_entry", "irq", TimelineShape::kSliceBegin, "irq", "", {{"vector", OperandType::kVector}}};
inline constexpr RecordKind kIrqOut{
    901, "test", "irq_exit", "irq", TimelineShape::kSliceEnd, "irq", "", {{"vector", OperandType::kVector}}};
inline constexpr RecordKind kIdleIn{
    902, "test", "idle_enter", "idle", TimelineShape::kSliceBegin, "idle", "", {{"state", OperandType::kName}}};
inline constexpr RecordKind kIdleOut{903,
                                     "test",
                                     "idle_exit",
                                     "idle",
                                     TimelineShape::kSliceEnd,
                                     "idle",
                                     "",
                                     {{"state", OperandType::kName}, {"reason", OperandType::kName}}};
inline constexpr RecordKind kExpireIn{904,
                                      "test",
                                      "expire_entry",
                                      "timer",
                                      TimelineShape::kSliceBegin,
                                      "timer expire",
                                      "",
                                      {{"timer", OperandType::kObject}}};
inline constexpr RecordKind kExpireOut{905,
                                       "test",
                                       "expire_exit",
                                       "timer",
                                       TimelineShape::kSliceEnd,
                                       "timer expire",
                                       "",
                                       {{"timer", OperandType::kObject}}};
inline constexpr RecordKind kArm{906,
                                 "test",
                                 "timer_start",
                                 "timer",
                                 TimelineShape::kAsyncBegin,
                                 "timer pending",
                                 "",
                                 {{"timer", OperandType::kObject}, {"expires", OperandType::kTimePs}}};
inline constexpr RecordKind kDue{907,
                                 "test",
                                 "timer_expire",
                                 "timer",
                                 TimelineShape::kAsyncEnd,
                                 "timer pending",
                                 "",
                                 {{"timer", OperandType::kObject}, {"late", OperandType::kDurationPs}}};
inline constexpr RecordKind kProgram{908,
                                     "test",
                                     "program",
                                     "hw",
                                     TimelineShape::kInstant,
                                     {},
                                     "",
                                     {{"deadline", OperandType::kTimePs, "armed deadline"}}};
inline constexpr RecordKind kStop{909,
                                  "test",
                                  "stop",
                                  "hw",
                                  TimelineShape::kInstant,
                                  {},
                                  "",
                                  {{"deadline", OperandType::kTimePs, "armed deadline", DrawnAs::kCounterCleared}}};
inline constexpr RecordKind kStep{
    910, "test", "step", "scenario", TimelineShape::kInstant, {}, "", {{"index", OperandType::kUnsigned}}};
inline constexpr RecordKind kBroken{
    911, "test", "broken", "oracle", TimelineShape::kInstant, {}, "", {{"check", OperandType::kName}}};
inline constexpr RecordKind kSecret{
    912, "test", "secret", "timer", TimelineShape::kHidden, {}, "", {{"count", OperandType::kUnsigned}}};
inline constexpr RecordKind kWaitIn{
    913, "test", "wait_begin", "lock", TimelineShape::kSliceBegin, "lock wait", "", {{"lock", OperandType::kObject}}};
inline constexpr RecordKind kWaitOut{
    914, "test", "wait_end", "lock", TimelineShape::kSliceEnd, "lock wait", "", {{"lock", OperandType::kObject}}};
inline constexpr RecordKind kTypes{915,
                                   "test",
                                   "types",
                                   "hw",
                                   TimelineShape::kInstant,
                                   {},
                                   "",
                                   {{"big", OperandType::kUnsigned},
                                    {"signed", OperandType::kSigned},
                                    {"mask", OperandType::kHex},
                                    {"flag", OperandType::kBool},
                                    {"cpu", OperandType::kCpu},
                                    {"at", OperandType::kTimePs},
                                    {"span_ps", OperandType::kDurationPs},
                                    {"expires_ns", OperandType::kTimeNs},
                                    {"name", OperandType::kName}}};

inline constexpr RecordKind kGroupMade{916,
                                       "test",
                                       "group_made",
                                       "timer",
                                       TimelineShape::kInstant,
                                       {},
                                       "",
                                       {{"group", OperandType::kObject, "groups", DrawnAs::kTrack},
                                        {"lvl", OperandType::kUnsigned, "LVL", DrawnAs::kRank}}};
inline constexpr RecordKind kGroupState{917,
                                        "test",
                                        "group_state",
                                        "timer",
                                        TimelineShape::kInstant,
                                        {},
                                        "",
                                        {{"group", OperandType::kObject, "groups", DrawnAs::kTrack},
                                         {"active", OperandType::kHex, "active", DrawnAs::kRow},
                                         {"migrator", OperandType::kCpu, "migrator", DrawnAs::kRow}}};
inline constexpr RecordKind kGroupQueue{918,
                                        "test",
                                        "group_queue",
                                        "timer",
                                        TimelineShape::kHidden,
                                        {},
                                        "",
                                        {{"group", OperandType::kObject, "groups", DrawnAs::kTrack},
                                         {"next", OperandType::kTimeNs, "next expiry"},
                                         {"events", OperandType::kUnsigned, "queued"}}};

inline constexpr std::array kTestKinds{
    &kIrqIn, &kIrqOut, &kIdleIn, &kIdleOut, &kExpireIn, &kExpireOut, &kArm,       &kDue,        &kProgram,   &kStop,
    &kStep,  &kBroken, &kSecret, &kWaitIn,  &kWaitOut,  &kTypes,     &kGroupMade, &kGroupState, &kGroupQueue};

class StringSink final : public TimelineSink {
public:
    explicit StringSink(std::string& out) : out_(out) {}
    void write(std::string_view bytes) override { out_ += bytes; }
    void close() override { out_ += '\0'; }

private:
    std::string& out_;
};

/// Feeds a writer; ids count from 1.
class Recorder {
public:
    explicit Recorder(TimelineOptions options)
        : writer_(std::make_unique<StringSink>(text_), std::move(options), kTestKinds) {
        // As in a machine, whose first name is none of an object (sim::kNoObject).
        names_.intern("fixed");
    }

    RecordId at_ps(std::int64_t ps, const RecordKind& kind, CpuId cpu, std::vector<std::uint64_t> operands,
                   RecordId cause = {}, RecordId waited_on = {}) {
        operands.resize(kind.operand_count);
        const RecordId id{++count_};
        const sim::Record record{Time{sim::Duration{ps}}, &kind, cpu, id, cause, waited_on, operands};
        writer_.consume({&record, 1});
        return id;
    }
    RecordId at(std::int64_t ns, const RecordKind& kind, CpuId cpu, std::vector<std::uint64_t> operands,
                RecordId cause = {}) {
        return at_ps(ns * 1000, kind, cpu, std::move(operands), cause);
    }
    std::uint64_t name(std::string_view text) { return names_.intern(text); }
    TimelineWriter& writer() { return writer_; }

    /// The file.
    std::string finish(std::int64_t ns) {
        writer_.finish(Time{sim::Duration{ns * 1000}}, names_);
        REQUIRE(text_.ends_with('\0'));
        text_.pop_back();
        return text_;
    }

private:
    std::string text_;
    sim::RecordStream names_;
    TimelineWriter writer_;
    std::uint64_t count_ = 0;
};

/// Nanoseconds of a number of microseconds with three decimals, read from the text itself.
inline std::int64_t exact_ns(const std::string& line, const std::string& key) {
    const std::size_t start = line.find("\"" + key + "\":") + key.size() + 3;
    const std::size_t dot = line.find('.', start);
    const std::string digits = line.substr(start, dot - start) + line.substr(dot + 1, 3);
    const char after = line[dot + 4];
    if (digits.find_first_not_of("0123456789") != std::string::npos || (after != ',' && after != '}'))
        return -1;
    return std::stoll(digits);
}

struct ReadEvent {
    json fields;
    std::int64_t ts_ns = 0;
    std::int64_t end_ns = 0;  ///< of slices
};

/// A timeline read back. `faults` has what breaks TE 1: empty for every timeline that is written.
struct ReadTimeline {
    std::vector<ReadEvent> events;  ///< without metadata events
    json metadata;
    std::map<std::pair<std::int64_t, std::int64_t>, std::string> threads;
    std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> sort_indexes;
    std::vector<std::string> faults;

    std::vector<const ReadEvent*> named(std::string_view name) const {
        std::vector<const ReadEvent*> found;
        for (const ReadEvent& e : events)
            if (e.fields["name"] == name)
                found.push_back(&e);
        return found;
    }
};

inline void check_nesting(ReadTimeline& t) {
    std::map<std::int64_t, std::vector<const ReadEvent*>> open;
    for (const ReadEvent& e : t.events) {
        if (e.fields["ph"] != "X")
            continue;
        auto& stack = open[(e.fields["pid"].get<std::int64_t>() << 32) | e.fields["tid"].get<std::int64_t>()];
        while (!stack.empty() && stack.back()->end_ns <= e.ts_ns)
            stack.pop_back();
        if (e.end_ns <= e.ts_ns)
            t.faults.push_back("empty slice " + e.fields.dump());
        if (!stack.empty() && stack.back()->end_ns < e.end_ns)
            t.faults.push_back("overlap of " + stack.back()->fields.dump() + " and " + e.fields.dump());
        stack.push_back(&e);
    }
}

inline void check_flows(ReadTimeline& t) {
    std::map<std::int64_t, std::int64_t> last_out;
    std::map<std::int64_t, bool> waits_for_in;
    for (const ReadEvent& e : t.events) {
        if (!e.fields.contains("bind_id"))
            continue;
        const auto id = e.fields["bind_id"].get<std::int64_t>();
        const bool in = e.fields.value("flow_in", false);
        const bool out = e.fields.value("flow_out", false);
        const std::string phase = e.fields["ph"];
        if ((!in && !out) || (phase != "X" && phase != "b"))
            t.faults.push_back("arrow at " + e.fields.dump());
        if (in && (!last_out.contains(id) || last_out[id] >= e.ts_ns || !waits_for_in[id]))
            t.faults.push_back("no earlier producer of " + e.fields.dump());
        if (!in && last_out.contains(id))
            t.faults.push_back("second start of " + e.fields.dump());
        last_out[id] = e.ts_ns;
        waits_for_in[id] = out;
    }
    for (const auto& [id, waits] : waits_for_in)
        if (waits)
            t.faults.push_back("arrow to nowhere " + std::to_string(id));
}

inline void check_asyncs(ReadTimeline& t) {
    std::set<std::string> open;
    for (const ReadEvent& e : t.events) {
        const std::string phase = e.fields["ph"];
        if (phase != "b" && phase != "e")
            continue;
        const std::string key =
            json::array({e.fields["pid"], e.fields["name"], e.fields["cat"], e.fields["id"]}).dump();
        const bool changes = phase == "b" ? open.insert(key).second : open.erase(key) == 1;
        if (!changes)
            t.faults.push_back("unpaired " + e.fields.dump());
    }
    for (const std::string& key : open)
        t.faults.push_back("never ended " + key);
}

inline void check_counters(ReadTimeline& t) {
    std::map<std::string, std::vector<json>> samples;
    for (const ReadEvent& e : t.events)
        if (e.fields["ph"] == "C")
            samples[e.fields["name"]].push_back(e.fields["args"]);
    for (const auto& [name, values] : samples) {
        if (values.size() < 2)
            t.faults.push_back("counter without first or last sample: " + name);
        for (std::size_t i = 1; i + 1 < values.size(); ++i)
            if (values[i] == values[i - 1])
                t.faults.push_back("sample without change: " + name);
    }
}

/// Reads the text line by line, so that instants are compared exactly.
inline ReadTimeline read_timeline(const std::string& text) {
    ReadTimeline t;
    const json document = json::parse(text);
    t.metadata = document["metadata"];
    if (text.compare(0, 2, "{\"") != 0)
        t.faults.push_back("would not be recognised");
    bool tracks_over = false;
    std::int64_t last_ns = 0;
    std::size_t position = text.find('\n') + 1;
    for (const json& fields : document["traceEvents"]) {
        const std::string line = text.substr(position, text.find('\n', position) - position);
        position += line.size() + 1;
        const std::pair track{fields["pid"].get<std::int64_t>(), fields["tid"].get<std::int64_t>()};
        if (track.first < 1 || track.second < 1)
            t.faults.push_back("process or thread 0: " + line);
        if (fields["ph"] == "M") {
            if (tracks_over)
                t.faults.push_back("late " + line);
            if (fields["name"] == "thread_name")
                t.threads[track] = fields["args"]["name"];
            if (fields["name"] == "thread_sort_index")
                t.sort_indexes[track] = fields["args"]["sort_index"];
            continue;
        }
        tracks_over = true;
        if (!t.threads.contains(track))
            t.faults.push_back("unnamed track: " + line);
        ReadEvent e{fields, exact_ns(line, "ts"), 0};
        if (fields["ph"] == "X")
            e.end_ns = e.ts_ns + exact_ns(line, "dur");
        if (e.ts_ns < last_ns)
            t.faults.push_back("not in order of time, or no three decimals: " + line);
        last_ns = e.ts_ns;
        t.events.push_back(std::move(e));
    }
    check_nesting(t);
    check_flows(t);
    check_asyncs(t);
    check_counters(t);
    return t;
}

inline TimelineOptions cpus(CpuId count) {
    TimelineOptions options;
    options.cpu_count = count;
    return options;
}

/// What read_timeline() makes of it; each fault that it finds fails the test.
inline ReadTimeline read_sound(const std::string& text) {
    ReadTimeline t = read_timeline(text);
    for (const std::string& fault : t.faults)
        FAIL_CHECK(fault);
    return t;
}

}  // namespace ticklab::lab::testing
