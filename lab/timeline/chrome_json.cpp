#include "ticklab/lab/timeline/chrome_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <string>
#include <unordered_map>

#include "ticklab/lab/operands.hpp"

namespace ticklab::lab {
namespace {

using sim::Operand;
using sim::OperandType;

constexpr std::size_t kFlushBytes = 1 << 18;
/// JavaScript readers hold larger numbers inexactly.
constexpr std::uint64_t kExactMax = std::uint64_t{1} << 53;
constexpr std::int64_t kPsPerNs = 1000;
constexpr std::int64_t kNsPerUs = 1000;

struct ProcessName {
    std::uint32_t process;
    std::string_view name;
    std::string_view main_thread;
};
constexpr std::array kProcessNames{
    ProcessName{kCpusProcess, "CPUs", "CPU"},
    ProcessName{kTimersProcess, "Timers", "timers"},
    ProcessName{kHardwareProcess, "HPET / LAPIC", "devices"},
    ProcessName{kScenarioProcess, "Scenario", "script"},
    ProcessName{kOraclesProcess, "Oracles", "verdicts"},
};

const ProcessName& process_name(std::uint32_t process) {
    return *std::find_if(kProcessNames.begin(), kProcessNames.end(),
                         [process](const ProcessName& p) { return p.process == process; });
}

std::string json_string(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string_view without_unit(std::string_view name) {
    if (name.ends_with("_ns") || name.ends_with("_ps"))
        name.remove_suffix(3);
    return name;
}

class ChromeJson {
public:
    ChromeJson(const TimelineContent& content, const sim::RecordStream& names, const TimelineKinds& kinds,
               TimelineSink& sink)
        : content_(content), names_(names), kinds_(kinds), sink_(sink) {}

    void write() {
        // Readers recognise the format by its first bytes (TE 1).
        out_ = R"({"displayTimeUnit":"ns","traceEvents":[)";
        write_tracks();
        for (const TimelineCounter& counter : content_.counters)
            write_counter(counter, content_.begin_ns, counter.first);
        write_events();
        for (const TimelineCounter& counter : content_.counters)
            write_counter(counter, last_ns_, counter.value);
        out_ += "\n],\n\"metadata\":";
        write_metadata();
        out_ += "}\n";
        sink_.write(out_);
    }

private:
    template <class... Args>
    void print(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    }

    void next_line() {
        out_ += is_first_ ? "\n" : ",\n";
        is_first_ = false;
        if (out_.size() >= kFlushBytes) {
            sink_.write(out_);
            out_.clear();
        }
    }

    std::string cpu_name(sim::CpuId cpu) const { return fmt::format("CPU {:0{}}", cpu, content_.cpu_digits); }

    const TimelineObject* object_at(TimelineTrack track) const {
        const auto found = std::find_if(content_.objects.begin(), content_.objects.end(),
                                        [track](const TimelineObject& o) { return o.track == track; });
        return found == content_.objects.end() ? nullptr : &*found;
    }

    std::string object_name(const TimelineObject& o) const {
        const std::string rank = o.rank_name.empty() ? std::string{} : fmt::format("{} {} ", o.rank_name, o.rank);
        return rank + std::string(names_.name(o.object));
    }

    /// Of an object's track, its place among those of its process by rank, then in the order of their first records.
    std::uint32_t sort_index(TimelineTrack track) const {
        const TimelineObject* const object = object_at(track);
        if (object == nullptr)
            return track.thread;
        const auto before = std::count_if(content_.objects.begin(), content_.objects.end(), [&](const auto& o) {
            return o.track.process == track.process &&
                   std::pair{o.rank, o.track.thread} < std::pair{object->rank, track.thread};
        });
        return kMainThread + static_cast<std::uint32_t>(before);
    }

    std::string_view process_name_of(TimelineTrack track) const {
        const TimelineObject* const object = object_at(track);
        return object == nullptr ? process_name(track.process).name : object->process;
    }

    std::string thread_name(TimelineTrack track) const {
        if (const TimelineObject* const object = object_at(track))
            return object_name(*object);
        if (track.process == kCpusProcess)
            return cpu_name(track.thread - kMainThread);
        if (track.thread != kMainThread)
            return cpu_name(track.thread - kMainThread - 1) + " hardware";
        return std::string(process_name(track.process).main_thread);
    }

    void write_track(std::string_view what, TimelineTrack track, std::string_view key, std::string_view value) {
        next_line();
        print(R"({{"name":"{}","ph":"M","pid":{},"tid":{},"args":{{"{}":{}}}}})", what, track.process, track.thread,
              key, value);
    }

    void write_tracks() {
        std::set<TimelineTrack> tracks;
        for (const sim::CpuId cpu : content_.cpus)
            tracks.insert({kCpusProcess, kMainThread + cpu});
        for (const TimelineEvent& e : content_.events)
            if (!e.dropped)
                tracks.insert(e.track);
        for (const TimelineCounter& counter : content_.counters)
            tracks.insert(counter.track);
        std::uint32_t process = 0;
        for (const TimelineTrack& track : tracks) {
            if (track.process != process) {
                process = track.process;
                write_track("process_name", track, "name", json_string(process_name_of(track)));
                write_track("process_sort_index", track, "sort_index", std::to_string(process));
            }
            write_track("thread_name", track, "name", json_string(thread_name(track)));
            write_track("thread_sort_index", track, "sort_index", std::to_string(sort_index(track)));
        }
    }

    void write_events() {
        std::vector<std::uint32_t> order(content_.events.size());
        std::iota(order.begin(), order.end(), 0u);
        // Records come in order of time, but slices may have been moved by some nanoseconds.
        std::stable_sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
            return content_.events[a].ts_ns < content_.events[b].ts_ns;
        });
        for (const std::uint32_t i : order)
            if (!content_.events[i].dropped)
                write_event(content_.events[i]);
        // What was moved may lie a little behind the end.
        last_ns_ = content_.end_ns;
        if (!order.empty())
            last_ns_ = std::max(last_ns_, content_.events[order.back()].ts_ns);
    }

    void write_us(std::string_view key, std::int64_t ns) {
        print(R"(,"{}":{}.{:03})", key, ns / kNsPerUs, ns % kNsPerUs);
    }

    void write_head(const TimelineEvent& e, char phase) {
        next_line();
        out_ += R"({"name":)";
        write_name(e);
        print(R"(,"cat":"{}","ph":"{}")", e.kind->category, phase);
        write_us("ts", e.ts_ns);
        if (e.phase == TimelinePhase::kSlice)
            write_us("dur", e.dur_ns);
        print(R"(,"pid":{},"tid":{})", e.track.process, e.track.thread);
    }

    void write_event(const TimelineEvent& e) {
        switch (e.phase) {
            case TimelinePhase::kCounter:
                write_counter(content_.counters[e.counter], e.ts_ns, e.words);
                return;
            case TimelinePhase::kSlice:
                write_head(e, 'X');
                break;
            case TimelinePhase::kInstant:
                write_head(e, 'i');
                print(R"(,"s":"{}")", e.track.process == kOraclesProcess ? 'g' : 't');
                break;
            case TimelinePhase::kAsyncBegin:
                write_head(e, 'b');
                print(R"(,"id":"{}")", content_.words[e.words]);
                break;
            case TimelinePhase::kAsyncEnd:
                write_head(e, 'e');
                print(R"(,"id":"{}")", content_.words[e.words]);
                break;
        }
        if (e.flow_in || e.flow_out)
            print(R"(,"bind_id":{}{}{})", e.flow, e.flow_in ? R"(,"flow_in":true)" : "",
                  e.flow_out ? R"(,"flow_out":true)" : "");
        write_args(e);
        out_ += '}';
    }

    /// Few names: that of the interval, with what a name or a vector as first operand adds to a slice.
    void write_name(const TimelineEvent& e) {
        const sim::RecordKind& kind = *e.kind->kind;
        if (e.phase == TimelinePhase::kInstant) {
            out_ += json_string(kind.name);
            return;
        }
        if (e.row != kNoOperand) {
            const Operand& row = kind.operands[e.row];
            out_ += json_string(
                fmt::format("{} {}", row.drawn_name, operand_text(row.type, content_.words[e.words + e.row], names_)));
            return;
        }
        std::string name(kinds_.interval(e.kind->interval).name);
        if (e.phase == TimelinePhase::kSlice && kind.operand_count != 0) {
            const std::uint64_t word = content_.words[e.words];
            if (kind.operands[0].type == OperandType::kName)
                fmt::format_to(std::back_inserter(name), " {}", names_.name(word));
            else if (kind.operands[0].type == OperandType::kVector)
                fmt::format_to(std::back_inserter(name), " {:#x}", word);
        }
        out_ += json_string(name);
    }

    void write_args(const TimelineEvent& e) {
        out_ += R"(,"args":{)";
        arg_separator_ = "";
        const sim::RecordKind& kind = *e.kind->kind;
        if (e.phase != TimelinePhase::kAsyncEnd)
            for (std::size_t i = 0; i < kind.operand_count; ++i)
                write_operand(kind.operands[i], content_.words[e.words + i]);
        if (e.end_kind != nullptr)
            write_end_operands(e, *e.end_kind->kind);
        if (e.on_cpu != sim::kNoCpu) {
            write_key("on_cpu");
            write_number(e.on_cpu, false);
        }
        if (e.record)
            write_record("record", e.record);
        if (e.cause)
            write_record("cause", e.cause);
        if (e.waited_on)
            write_record("waited_on", e.waited_on);
        const bool has_record = e.phase != TimelinePhase::kAsyncEnd || e.end_kind != nullptr;
        if (has_record && sim::ns_floor(e.at) != e.ts_ns)
            write_time("at_ns", sim::ps(e.at));
        if (e.unfinished)
            print(R"({}"unfinished":true)", arg_separator_);
        out_ += '}';
    }

    /// Those that the begin does not have.
    void write_end_operands(const TimelineEvent& e, const sim::RecordKind& end) {
        const sim::RecordKind& begin = *e.kind->kind;
        const std::size_t begin_count = e.phase == TimelinePhase::kAsyncEnd ? 0 : begin.operand_count;
        for (std::size_t i = 0; i < end.operand_count; ++i) {
            const auto same = [&](const Operand& o) { return o.name == end.operands[i].name; };
            if (std::none_of(begin.operands.begin(), begin.operands.begin() + static_cast<std::ptrdiff_t>(begin_count),
                             same))
                write_operand(end.operands[i], content_.words[e.end_words + i]);
        }
    }

    void write_key(std::string_view name, std::string_view unit = {}) {
        print(R"({}"{}{}":)", arg_separator_, name, unit);
        arg_separator_ = ",";
    }

    /// The form in which other commands name a record.
    void write_record(std::string_view key, sim::RecordId record) {
        write_key(key);
        print(R"("{:#x}")", record.bits);
    }

    /// Nanoseconds, with decimals where they are not whole.
    void write_time(std::string_view key, std::int64_t ps) {
        write_key(key);
        if (ps == INT64_MAX) {
            out_ += R"("never")";
            return;
        }
        const std::uint64_t size = ps < 0 ? 0 - static_cast<std::uint64_t>(ps) : static_cast<std::uint64_t>(ps);
        print("{}{}", ps < 0 ? "-" : "", size / kPsPerNs);
        if (size % kPsPerNs != 0)
            print(".{:03}", size % kPsPerNs);
    }

    void write_operand(const Operand& o, std::uint64_t word) {
        const auto signed_word = static_cast<std::int64_t>(word);
        const std::string time_key = fmt::format("{}_ns", without_unit(o.name));
        switch (o.type) {
            case OperandType::kTimePs:
            case OperandType::kDurationPs:
                write_time(time_key, signed_word);
                return;
            case OperandType::kTimeNs:
                write_key(time_key);
                if (signed_word == INT64_MAX)
                    out_ += R"("never")";
                else
                    write_number(word, signed_word < 0);
                return;
            default:
                break;
        }
        write_key(o.name);
        switch (o.type) {
            case OperandType::kSigned:
                write_number(word, signed_word < 0);
                break;
            case OperandType::kHex:
            case OperandType::kVector:
                print(R"("{:#x}")", word);
                break;
            case OperandType::kBool:
                out_ += word != 0 ? "true" : "false";
                break;
            case OperandType::kCpu:
                if (word == sim::kNoCpu)
                    out_ += R"("none")";
                else
                    write_number(word, false);
                break;
            case OperandType::kObject:
                if (word == sim::kNoObject) {
                    out_ += R"("none")";
                    break;
                }
                [[fallthrough]];
            case OperandType::kName:
                out_ += resolved(word);
                break;
            default:
                write_number(word, false);
                break;
        }
    }

    void write_number(std::uint64_t word, bool is_negative) {
        const std::uint64_t size = is_negative ? 0 - word : word;
        const std::string_view quote = size > kExactMax ? "\"" : "";
        print("{}{}{}{}", quote, is_negative ? "-" : "", size, quote);
    }

    const std::string& resolved(std::uint64_t index) {
        const auto [known, is_new] = resolved_.try_emplace(index);
        if (is_new)
            known->second = json_string(names_.name(index));
        return known->second;
    }

    void write_counter(const TimelineCounter& counter, std::int64_t ns, std::uint64_t value) {
        next_line();
        std::string prefix;
        if (counter.object)
            prefix = object_name(content_.objects[*counter.object]) + " ";
        else if (counter.cpu != sim::kNoCpu)
            prefix = cpu_name(counter.cpu) + " ";
        print(R"({{"name":{},"cat":"{}","ph":"C")", json_string(prefix + std::string(counter.name)), counter.category);
        write_us("ts", ns);
        print(R"(,"pid":{},"tid":{},"args":{{)", counter.track.process, counter.track.thread);
        const auto signed_value = static_cast<std::int64_t>(value);
        if (counter.type == OperandType::kTimePs || counter.type == OperandType::kDurationPs ||
            counter.type == OperandType::kTimeNs) {
            print(R"("us":{}{}.{:03})", signed_value < 0 ? "-" : "", std::abs(signed_value / kNsPerUs),
                  std::abs(signed_value % kNsPerUs));
        } else if (counter.type == OperandType::kSigned) {
            print(R"("n":{})", signed_value);
        } else {
            print(R"("n":{})", value);
        }
        out_ += "}}";
    }

    void write_metadata() {
        nlohmann::ordered_json metadata = nlohmann::ordered_json::object();
        for (const auto& [key, value] : content_.metadata)
            metadata[key] = value;
        for (const auto& [key, value] : content_.figures)
            metadata[key] = value;
        out_ += metadata.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }

    const TimelineContent& content_;
    const sim::RecordStream& names_;
    const TimelineKinds& kinds_;
    TimelineSink& sink_;
    std::string out_;
    std::string_view arg_separator_;
    std::unordered_map<std::uint64_t, std::string> resolved_;
    std::int64_t last_ns_ = 0;
    bool is_first_ = true;
};

}  // namespace

void write_chrome_json(const TimelineContent& content, const sim::RecordStream& names, const TimelineKinds& kinds,
                       TimelineSink& sink) {
    ChromeJson(content, names, kinds, sink).write();
}

}  // namespace ticklab::lab
