#include "ticklab/lab/timeline/timeline_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "ticklab/lab/timeline/chrome_json.hpp"

namespace ticklab::lab {
namespace {

using sim::CpuId;
using sim::kNoCpu;
using sim::Record;
using sim::RecordId;
using sim::Time;
using sim::TimelineShape;

/// Records that are not drawn pass on their cause's arrow; so many of them for each event that may be drawn.
constexpr std::size_t kCarriersPerEvent = 4;

TimelineTrack track_of(std::string_view category, CpuId cpu) {
    if (category == "oracle")
        return {kOraclesProcess, kMainThread};
    // Devices that belong to a CPU have threads of their own: what they do is no doing of the CPU's code.
    if (category == "hw")
        return {kHardwareProcess, cpu == kNoCpu ? kMainThread : kMainThread + 1 + cpu};
    if (cpu != kNoCpu)
        return {kCpusProcess, kMainThread + cpu};
    return {category == "scenario" ? kScenarioProcess : kHardwareProcess, kMainThread};
}

TimelineTrack async_track_of(std::string_view category) {
    if (category == "oracle")
        return {kOraclesProcess, kMainThread};
    if (category == "hw")
        return {kHardwareProcess, kMainThread};
    return {category == "scenario" ? kScenarioProcess : kTimersProcess, kMainThread};
}

bool is_counter(const sim::Operand& operand) {
    return !operand.drawn_name.empty() &&
           (operand.drawn_as == sim::DrawnAs::kCounter || operand.drawn_as == sim::DrawnAs::kCounterCleared);
}

std::uint64_t key_of(std::span<const std::uint64_t> operands) { return operands.empty() ? 0 : operands[0]; }

/// A counter's value as it is drawn, times in nanoseconds: what differs by less is no change.
std::uint64_t counter_value(const sim::Operand& operand, std::uint64_t word) {
    const bool is_ps = operand.type == sim::OperandType::kTimePs || operand.type == sim::OperandType::kDurationPs;
    const bool is_time = is_ps || operand.type == sim::OperandType::kTimeNs;
    const auto time = static_cast<std::int64_t>(word);
    if (operand.drawn_as == sim::DrawnAs::kCounterCleared || (is_time && time == INT64_MAX))
        return 0;
    return is_ps ? static_cast<std::uint64_t>(sim::ns_floor(Time{sim::Duration{time}})) : word;
}

}  // namespace

TimelineWriter::TimelineWriter(std::unique_ptr<TimelineSink> sink, TimelineOptions options,
                               std::span<const sim::RecordKind* const> kinds)
    : sink_(std::move(sink)), options_(std::move(options)), kinds_(kinds) {
    assert(options_.max_events > 0);
    for (CpuId cpu = 0; cpu < options_.cpu_count; ++cpu)
        if (options_.cpus.empty() || std::count(options_.cpus.begin(), options_.cpus.end(), cpu) != 0)
            content_.cpus.push_back(cpu);
    const CpuId last = options_.cpu_count == 0 ? 0 : options_.cpu_count - 1;
    content_.cpu_digits = std::max(2u, static_cast<unsigned>(fmt::formatted_size("{}", last)));
    content_.metadata = options_.metadata;
}

void TimelineWriter::note(std::string key, std::string value) {
    content_.metadata.emplace_back(std::move(key), std::move(value));
}

void TimelineWriter::consume(std::span<const Record> batch) {
    for (const Record& r : batch) {
        if (over_)
            return;
        if (r.at > options_.to) {
            over_ = true;
            return;
        }
        if (!begun_ && r.at >= options_.from)
            begin_timeline();
        // Intervals that are open will need an end each.
        if (content_.events.size() + open_asyncs_ >= options_.max_events) {
            over_ = cut_ = true;
            cut_at_ = r.at;
            return;
        }
        take(r);
    }
}

void TimelineWriter::take(const Record& r) {
    const TimelineKind& kind = kinds_.of(*r.kind);
    if (kind.track != kNoOperand)
        show_object(r, kind);
    else if (kind.has_counter && drawn(kind, r.cpu))
        count(r, kind, std::nullopt);
    switch (r.kind->shape) {
        case TimelineShape::kInstant:
            mark_cpu(r, kind);
            break;
        case TimelineShape::kSliceBegin:
            begin_slice(r, kind);
            break;
        case TimelineShape::kSliceEnd:
            end_slice(r, kind);
            break;
        case TimelineShape::kAsyncBegin:
            begin_async(r, kind);
            break;
        case TimelineShape::kAsyncEnd:
            end_async(r, kind);
            break;
        case TimelineShape::kHidden:
            carry(r.id, carrier(r.cause));
            break;
    }
}

void TimelineWriter::begin_timeline() {
    begun_ = true;
    const std::int64_t ns = sim::ns_floor(options_.from);
    for (auto& [at, track] : tracks_)
        for (Opened& opened : track.open) {
            opened.clipped = true;
            show_slice(at, track, opened, ns);
        }
    for (auto& [key, async] : asyncs_)
        if (async.open) {
            async.begin.clipped = true;
            show_async(async, ns);
        }
}

TimelineWriter::Opened TimelineWriter::opened_by(const Record& r, const TimelineKind& kind) {
    Opened opened;
    opened.kind = &kind;
    opened.at = r.at;
    opened.record = r.id;
    opened.cause = r.cause;
    opened.waited_on = r.waited_on;
    std::copy(r.operands.begin(), r.operands.end(), opened.operands.begin());
    return opened;
}

void TimelineWriter::begin_slice(const Record& r, const TimelineKind& kind) {
    if (!drawn(kind, r.cpu)) {
        carry(r.id, carrier(r.cause));
        return;
    }
    const TimelineTrack at = track_of(kind.category, r.cpu);
    Track& track = tracks_[at];
    if (track.open.size() == kDepthMax) {
        ++too_deep_;
        return;
    }
    Opened& opened = track.open.emplace_back(opened_by(r, kind));
    if (!begun_)
        return;
    show_slice(at, track, opened, sim::ns_floor(r.at));
    carry(r.id, opened.event);
}

void TimelineWriter::show_slice(TimelineTrack at, Track& track, Opened& opened, std::int64_t ns) {
    TimelineEvent event;
    event.phase = TimelinePhase::kSlice;
    event.ts_ns = std::max(ns, track.last_end_ns);
    // The slice around this one may have been moved.
    for (const Opened& outer : track.open)
        if (&outer != &opened && outer.event != kNone)
            event.ts_ns = std::max(event.ts_ns, content_.events[outer.event].ts_ns);
    event.at = opened.at;
    event.record = opened.record;
    event.cause = opened.cause;
    event.waited_on = opened.waited_on;
    event.kind = opened.kind;
    event.words = keep({opened.operands.data(), opened.kind->kind->operand_count});
    event.track = at;
    event.on_cpu = opened.on_cpu;
    event.row = opened.row;
    const bool first_piece = opened.event == kNone;
    opened.event = add(event);
    // A state is no activity: arrows go past it, from cause to effect.
    if (opened.row != kNoOperand)
        return;
    if (first_piece && !opened.clipped)
        content_.events[opened.event].ts_ns = connect(opened.event, opened.cause);
    if (first_piece && opened.clipped)
        carry(opened.record, opened.event);
}

void TimelineWriter::end_slice(const Record& r, const TimelineKind& kind) {
    const auto found = tracks_.find(track_of(kind.category, r.cpu));
    const TimelineInterval& interval = kinds_.interval(kind.interval);
    // Innermost first; one of the same name with another key only if none has the key.
    std::size_t match = kNone;
    bool match_is_exact = false;
    if (found != tracks_.end()) {
        const std::vector<Opened>& open = found->second.open;
        for (std::size_t i = open.size(); i-- > 0 && !match_is_exact;) {
            if (open[i].kind->interval != kind.interval)
                continue;
            match_is_exact = !interval.keyed || open[i].operands[0] == key_of(r.operands);
            if (match == kNone || match_is_exact)
                match = i;
        }
    }
    if (match == kNone) {
        if (drawn(kind, r.cpu))
            ++unmatched_ends_;
        carry(r.id, carrier(r.cause));
        return;
    }
    Track& track = found->second;
    const EventIndex closed = track.open[match].event;
    if (begun_) {
        const std::int64_t ns = sim::ns_floor(r.at);
        for (std::size_t i = track.open.size(); i-- > match;)
            close_slice(track, track.open[i], ns);
        TimelineEvent& event = content_.events[closed];
        event.end_kind = &kind;
        event.end_words = keep(r.operands);
        if (r.waited_on)
            event.waited_on = r.waited_on;
        carry(r.id, closed);
    }
    track.open.erase(track.open.begin() + static_cast<std::ptrdiff_t>(match));
    if (begun_)
        for (std::size_t i = match; i < track.open.size(); ++i)
            show_slice(found->first, track, track.open[i], sim::ns_floor(r.at));
}

void TimelineWriter::close_slice(Track& track, const Opened& opened, std::int64_t ns) {
    TimelineEvent& event = content_.events[opened.event];
    // It ended in the nanosecond in which the timeline begins, or it goes on in a further piece there.
    if (opened.clipped && !event.flow_out && ns <= event.ts_ns && track.last_end_ns <= event.ts_ns) {
        event.dropped = true;
        return;
    }
    const std::int64_t end_ns = std::max({ns, event.ts_ns + 1, track.last_end_ns});
    event.dur_ns = end_ns - event.ts_ns;
    track.last_end_ns = end_ns;
}

void TimelineWriter::begin_async(const Record& r, const TimelineKind& kind) {
    const auto key = std::pair{kind.interval, key_of(r.operands)};
    if (const auto former = asyncs_.find(key); former != asyncs_.end() && former->second.open)
        close_async(former->second, sim::ns_floor(r.at), nullptr, nullptr);
    if (!drawn(kind, r.cpu)) {
        carry(r.id, carrier(r.cause));
        return;
    }
    Async& async = asyncs_[key];
    async.begin = opened_by(r, kind);
    async.open = true;
    ++open_asyncs_;
    if (!begun_)
        return;
    show_async(async, sim::ns_floor(r.at));
    carry(r.id, async.begin.event);
}

void TimelineWriter::show_async(Async& async, std::int64_t ns) {
    Opened& begin = async.begin;
    TimelineEvent event;
    event.phase = TimelinePhase::kAsyncBegin;
    event.ts_ns = std::max(ns, async.last_end_ns);
    event.at = begin.at;
    event.record = begin.record;
    event.cause = begin.cause;
    event.waited_on = begin.waited_on;
    event.kind = begin.kind;
    event.words = keep({begin.operands.data(), begin.kind->kind->operand_count});
    event.track = async_track_of(begin.kind->category);
    begin.event = add(event);
    if (!begin.clipped)
        content_.events[begin.event].ts_ns = connect(begin.event, begin.cause);
    else
        carry(begin.record, begin.event);
}

void TimelineWriter::end_async(const Record& r, const TimelineKind& kind) {
    const auto found = asyncs_.find({kind.interval, key_of(r.operands)});
    if (found == asyncs_.end() || !found->second.open) {
        if (drawn(kind, r.cpu))
            ++unmatched_ends_;
        carry(r.id, carrier(r.cause));
        return;
    }
    // The event of an end cannot carry an arrow (TE 1): what the end causes is drawn from the begin, or, if something
    // else continues its arrow already (the interrupt that led here), from the end's own cause.
    const EventIndex begin = found->second.begin.event;
    const bool taken = begin != kNone && content_.events[begin].flow_out;
    carry(r.id, taken ? carrier(r.cause) : begin);
    close_async(found->second, sim::ns_floor(r.at), &r, &kind);
}

void TimelineWriter::close_async(Async& async, std::int64_t ns, const Record* end, const TimelineKind* end_kind) {
    async.open = false;
    --open_asyncs_;
    if (async.begin.event == kNone)
        return;
    TimelineEvent& begin = content_.events[async.begin.event];
    if (async.begin.clipped && !begin.flow_out && ns <= begin.ts_ns) {
        begin.dropped = true;
        return;
    }
    TimelineEvent event;
    event.phase = TimelinePhase::kAsyncEnd;
    event.ts_ns = std::max(ns, begin.ts_ns + 1);
    event.kind = begin.kind;
    event.words = begin.words;
    event.track = begin.track;
    event.unfinished = over_ && end == nullptr;
    if (end != nullptr) {
        event.at = end->at;
        event.record = end->id;
        event.cause = end->cause;
        event.waited_on = end->waited_on;
        event.end_kind = end_kind;
        event.end_words = keep(end->operands);
    }
    async.last_end_ns = event.ts_ns;
    add(event);
}

void TimelineWriter::mark_cpu(const Record& r, const TimelineKind& kind) {
    // An instant has no arrows of its own: those through it go from its cause to its effects.
    carry(r.id, carrier(r.cause));
    if (begun_ && drawn(kind, r.cpu))
        mark(r, kind, track_of(kind.category, r.cpu), kNoCpu);
}

void TimelineWriter::mark(const Record& r, const TimelineKind& kind, TimelineTrack at, CpuId on_cpu) {
    TimelineEvent event;
    event.phase = TimelinePhase::kInstant;
    event.ts_ns = sim::ns_floor(r.at);
    event.at = r.at;
    event.record = r.id;
    event.cause = r.cause;
    event.waited_on = r.waited_on;
    event.kind = &kind;
    event.words = keep(r.operands);
    event.track = at;
    event.on_cpu = on_cpu;
    add(event);
}

std::size_t TimelineWriter::object_of(const Record& r, const TimelineKind& kind) {
    const std::string_view process = kind.kind->operands[kind.track].drawn_name;
    const std::uint64_t object = r.operands[kind.track];
    const auto [known, is_new] = objects_.try_emplace({process, object}, content_.objects.size());
    if (!is_new)
        return known->second;
    TimelineObject added;
    added.object = object;
    added.process = process;
    if (kind.rank != kNoOperand) {
        added.rank_name = kind.kind->operands[kind.rank].drawn_name;
        added.rank = r.operands[kind.rank];
    }
    std::uint32_t others = 0;
    std::uint32_t beside = 0;
    for (const TimelineObject& o : content_.objects) {
        others += o.process != process && o.track.thread == kMainThread;
        beside += o.process == process;
    }
    const auto first = std::find_if(content_.objects.begin(), content_.objects.end(),
                                    [process](const TimelineObject& o) { return o.process == process; });
    if (first != content_.objects.end())
        added.track.process = first->track.process;
    else
        added.track.process = others == 0 ? std::uint32_t{kObjectsProcess} : kOraclesProcess + others;
    added.track.thread = kMainThread + beside;
    content_.objects.push_back(added);
    return known->second;
}

void TimelineWriter::show_object(const Record& r, const TimelineKind& kind) {
    if (!category_drawn(kind))
        return;
    const std::size_t object = object_of(r, kind);
    const TimelineTrack at = content_.objects[object].track;
    if (kind.has_counter)
        count(r, kind, object);
    if (kind.has_rows)
        set_rows(r, kind, at);
    else if (begun_)
        mark(r, kind, at, r.cpu);
}

void TimelineWriter::set_rows(const Record& r, const TimelineKind& kind, TimelineTrack at) {
    Track& track = tracks_[at];
    std::vector<Opened>& rows = track.open;
    const auto name_of = [](const Opened& o) { return o.kind->kind->operands[o.row].drawn_name; };
    // Rows that say something else now, and where in the stack.
    std::vector<std::pair<std::size_t, std::uint8_t>> changed;
    std::size_t depth = rows.size();
    std::size_t new_rows = 0;
    for (std::uint8_t i = kind.kind->operand_count; i-- > 0;) {
        const sim::Operand& operand = kind.kind->operands[i];
        if (operand.drawn_name.empty() || operand.drawn_as != sim::DrawnAs::kRow)
            continue;
        const auto row =
            std::find_if(rows.begin(), rows.end(), [&](const Opened& o) { return name_of(o) == operand.drawn_name; });
        if (row != rows.end() && row->operands[row->row] == r.operands[i])
            continue;
        const std::size_t place =
            row == rows.end() ? rows.size() + new_rows++ : static_cast<std::size_t>(row - rows.begin());
        changed.emplace_back(place, i);
        depth = std::min(depth, place);
    }
    if (changed.empty())
        return;
    // What they enclose ends with them and goes on in a further piece.
    const std::int64_t ns = sim::ns_floor(r.at);
    if (begun_)
        for (std::size_t k = rows.size(); k-- > depth;)
            close_slice(track, rows[k], ns);
    rows.resize(rows.size() + new_rows);
    for (const auto& [place, operand] : changed) {
        rows[place] = opened_by(r, kind);
        rows[place].row = operand;
        rows[place].on_cpu = r.cpu;
    }
    if (begun_)
        for (std::size_t k = depth; k < rows.size(); ++k)
            show_slice(at, track, rows[k], ns);
}

void TimelineWriter::count(const Record& r, const TimelineKind& kind, std::optional<std::size_t> object) {
    for (std::size_t i = 0; i < r.operands.size(); ++i) {
        const sim::Operand& operand = kind.kind->operands[i];
        if (!is_counter(operand))
            continue;
        const CpuId cpu = object ? kNoCpu : r.cpu;
        const auto [known, is_new] = counters_.try_emplace({operand.drawn_name, cpu, object}, 0);
        if (is_new) {
            known->second = static_cast<std::uint32_t>(content_.counters.size());
            TimelineCounter counter;
            counter.name = operand.drawn_name;
            counter.type = operand.type;
            counter.cpu = cpu;
            counter.object = object;
            if (object)
                counter.track = content_.objects[*object].track;
            else
                counter.track = cpu == kNoCpu ? track_of(kind.category, kNoCpu) : track_of({}, cpu);
            counter.category = kind.category;
            content_.counters.push_back(counter);
        }
        TimelineCounter& counter = content_.counters[known->second];
        const std::uint64_t value = counter_value(operand, r.operands[i]);
        if (value == counter.value)
            continue;
        counter.value = value;
        if (!begun_) {
            counter.first = value;
            continue;
        }
        TimelineEvent event;
        event.phase = TimelinePhase::kCounter;
        event.ts_ns = sim::ns_floor(r.at);
        event.at = r.at;
        event.kind = &kind;
        event.words = value;
        event.counter = known->second;
        event.track = counter.track;
        add(event);
    }
}

bool TimelineWriter::drawn(const TimelineKind& kind, CpuId cpu) const {
    const auto& cpus = options_.cpus;
    return (cpus.empty() || cpu == kNoCpu || std::find(cpus.begin(), cpus.end(), cpu) != cpus.end()) &&
           category_drawn(kind);
}

bool TimelineWriter::category_drawn(const TimelineKind& kind) const {
    const auto& categories = options_.categories;
    return categories.empty() || std::find(categories.begin(), categories.end(), kind.category) != categories.end();
}

std::uint64_t TimelineWriter::keep(std::span<const std::uint64_t> operands) {
    const std::uint64_t offset = content_.words.size();
    content_.words.insert(content_.words.end(), operands.begin(), operands.end());
    return offset;
}

TimelineWriter::EventIndex TimelineWriter::add(TimelineEvent event) {
    content_.events.push_back(event);
    return content_.events.size() - 1;
}

TimelineWriter::EventIndex TimelineWriter::carrier(RecordId record) const {
    const auto found = carriers_.find(record.bits);
    return found == carriers_.end() ? kNone : found->second;
}

void TimelineWriter::carry(RecordId record, EventIndex event) {
    if (event != kNone && carriers_.size() / kCarriersPerEvent < options_.max_events)
        carriers_.insert_or_assign(record.bits, event);
}

/// Draws the arrow from the cause to an event just added, if it can be drawn; returns when the event begins then.
std::int64_t TimelineWriter::connect(EventIndex effect, RecordId cause) {
    TimelineEvent& to = content_.events[effect];
    const EventIndex source = carrier(cause);
    if (source == kNone)
        return to.ts_ns;
    TimelineEvent& from = content_.events[source];
    if (from.dropped || from.flow_out)
        return to.ts_ns;
    if (from.flow == 0)
        from.flow = ++flows_;
    from.flow_out = true;
    to.flow = from.flow;
    to.flow_in = true;
    return std::max(to.ts_ns, from.ts_ns + 1);
}

void TimelineWriter::close_everything(std::int64_t ns) {
    for (auto& [at, track] : tracks_) {
        for (std::size_t i = track.open.size(); i-- > 0;) {
            close_slice(track, track.open[i], ns);
            content_.events[track.open[i].event].unfinished = true;
        }
        track.open.clear();
    }
    for (auto& [key, async] : asyncs_)
        if (async.open)
            close_async(async, ns, nullptr, nullptr);
}

void TimelineWriter::finish(Time end, const sim::RecordStream& names) {
    const Time last = std::min({end, options_.to, cut_at_});
    if (!begun_ && last >= options_.from)
        begin_timeline();
    over_ = true;
    content_.begin_ns = sim::ns_floor(options_.from);
    content_.end_ns = std::max(content_.begin_ns, sim::ns_floor(last));
    if (begun_)
        close_everything(content_.end_ns);
    if (cut_)
        note("cut", fmt::format("at {} ns, after {} events: ask for a shorter span, fewer CPUs or categories, or more "
                                "events",
                                content_.end_ns, options_.max_events));
    const auto written = std::count_if(content_.events.begin(), content_.events.end(),
                                       [](const TimelineEvent& e) { return !e.dropped; });
    content_.figures = {{"events", static_cast<std::uint64_t>(written)},
                        {"begin_ns", static_cast<std::uint64_t>(content_.begin_ns)},
                        {"end_ns", static_cast<std::uint64_t>(content_.end_ns)},
                        {"ends_without_begin", unmatched_ends_},
                        {"slices_too_deep", too_deep_}};
    write_chrome_json(content_, names, kinds_, *sink_);
    sink_->close();
}

}  // namespace ticklab::lab
