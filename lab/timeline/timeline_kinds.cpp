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

[[noreturn]] void refuse(const RecordKind& kind, std::string_view fault) {
    throw std::invalid_argument(fmt::format("record kind {}:{} (id {}): {}", kind.system, kind.name, kind.id, fault));
}

std::span<const sim::Operand> operands_of(const RecordKind& kind) { return {kind.operands.data(), kind.operand_count}; }

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
        for (const sim::Operand& o : operands_of(*kind)) {
            if (!o.counter.empty() && !is_number(o.type))
                refuse(*kind, fmt::format("operand \"{}\" has a counter but is no number", o.name));
            known.has_counter = known.has_counter || !o.counter.empty();
        }
        if (makes_interval(kind->shape))
            join_interval(known);
    }
    for (TimelineKind& known : kinds_)
        if (known.interval != kNoInterval && !intervals_[known.interval].category.empty())
            known.category = intervals_[known.interval].category;
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
