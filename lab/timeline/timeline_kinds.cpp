#include "ticklab/lab/timeline/timeline_kinds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace ticklab::lab {
namespace {

using sim::OperandType;
using sim::RecordKind;
using sim::TimelineShape;

bool is_begin(TimelineShape s) { return s == TimelineShape::kSliceBegin || s == TimelineShape::kAsyncBegin; }
bool is_async(TimelineShape s) { return s == TimelineShape::kAsyncBegin || s == TimelineShape::kAsyncEnd; }
bool makes_interval(TimelineShape s) { return s != TimelineShape::kInstant && s != TimelineShape::kHidden; }
bool is_number(OperandType t) { return t != OperandType::kObject && t != OperandType::kName; }
bool is_time(OperandType t) {
    return t == OperandType::kTimePs || t == OperandType::kDurationPs || t == OperandType::kTimeNs;
}

[[noreturn]] void refuse(const RecordKind& kind, std::string_view fault) {
    throw std::invalid_argument(fmt::format("record kind {}:{} (id {}): {}", kind.system, kind.name, kind.id, fault));
}

}  // namespace

TimelineKinds::TimelineKinds(std::span<const RecordKind* const> kinds) {
    for (const RecordKind* kind : kinds) {
        if (kinds_.size() <= kind->id)
            kinds_.resize(std::size_t{kind->id} + 1);
        TimelineKind& known = kinds_[kind->id];
        if (known.kind != nullptr)
            refuse(*kind, fmt::format("its id is that of {}:{} too", known.kind->system, known.kind->name));
        known.kind = kind;
        known.category = kind->category;
        for (std::uint8_t i = 0; i < kind->operand_count; ++i)
            if (!kind->operands[i].drawn_name.empty())
                note_drawn(known, i);
        if ((known.has_rows || known.rank != kNoOperand) && known.track == kNoOperand)
            refuse(*kind, "a row or a rank needs an operand that is an object with a track");
        if (makes_interval(kind->shape))
            join_interval(known);
    }
    for (TimelineKind& known : kinds_)
        if (known.interval != kNoInterval && !intervals_[known.interval].category.empty())
            known.category = intervals_[known.interval].category;
}

void TimelineKinds::note_drawn(TimelineKind& known, std::uint8_t operand) {
    const RecordKind& kind = *known.kind;
    const sim::Operand& o = kind.operands[operand];
    const auto only = [&](std::uint8_t& place, bool fits, std::string_view what) {
        if (!fits)
            refuse(kind, fmt::format("operand \"{}\" is {}", o.name, what));
        if (place != kNoOperand)
            refuse(kind, fmt::format("operand \"{}\" is one too many: \"{}\" is drawn as that", o.name,
                                     kind.operands[place].name));
        place = operand;
    };
    switch (o.drawn_as) {
        case sim::DrawnAs::kCounter:
        case sim::DrawnAs::kCounterCleared:
            if (!is_number(o.type))
                refuse(kind, fmt::format("operand \"{}\" has a counter but is no number", o.name));
            known.has_counter = true;
            break;
        case sim::DrawnAs::kTrack:
            only(known.track, o.type == OperandType::kObject, "to have a track but is no object");
            break;
        case sim::DrawnAs::kRank:
            only(known.rank, is_number(o.type) && !is_time(o.type), "to be a rank but is no plain number");
            break;
        case sim::DrawnAs::kRow:
            if (is_time(o.type) || o.type == OperandType::kObject)
                refuse(kind, fmt::format("operand \"{}\" is a row but has too many values", o.name));
            known.has_rows = true;
            break;
    }
}

void TimelineKinds::join_interval(TimelineKind& known) {
    const RecordKind& kind = *known.kind;
    if (kind.slice.empty())
        refuse(kind, "a begin or end needs the name of a slice");
    const bool async = is_async(kind.shape);
    if (async && kind.operand_count == 0)
        refuse(kind, "an async begin or end needs an object as operand 0");

    const auto found = std::find_if(intervals_.begin(), intervals_.end(), [&](const TimelineInterval& i) {
        return i.name == kind.slice && i.is_async == async;
    });
    known.interval = static_cast<std::uint32_t>(found - intervals_.begin());
    const std::string_view key_name = kind.operand_count == 0 ? std::string_view{} : kind.operands[0].name;
    if (found == intervals_.end()) {
        intervals_.push_back({kind.slice, {}, async, true});
        key_names_.push_back(key_name);
    }
    TimelineInterval& interval = intervals_[known.interval];
    if (key_name.empty() || key_name != key_names_[known.interval])
        interval.keyed = false;
    if (is_begin(kind.shape) && interval.category.empty())
        interval.category = kind.category;
}

const TimelineKind& TimelineKinds::of(const RecordKind& kind) const {
    if (kind.id >= kinds_.size() || kinds_[kind.id].kind == nullptr || kinds_[kind.id].kind->name != kind.name)
        refuse(kind, "it is not in the registry");
    return kinds_[kind.id];
}

}  // namespace ticklab::lab
