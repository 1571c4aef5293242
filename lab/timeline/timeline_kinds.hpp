// Kinds of records as a timeline needs them: begins and ends brought together by their slice names.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ticklab/sim/record.hpp"

namespace ticklab::lab {

/// What the begin and end kinds of one name make.
struct TimelineInterval {
    std::string_view name;
    /// Of the first declared begin kind: begin and end of an async event must agree in it (TE 1).
    std::string_view category;
    bool is_async = false;
    /// Operand 0 of its kinds has one name, so that its value tells intervals apart.
    bool keyed = true;
};

inline constexpr std::uint32_t kNoInterval = 0xffffffff;
inline constexpr std::uint8_t kNoOperand = 0xff;

struct TimelineKind {
    const sim::RecordKind* kind = nullptr;
    std::uint32_t interval = kNoInterval;
    /// The interval's category, or the kind's own.
    std::string_view category;
    bool has_counter = false;
    bool has_rows = false;
    /// The operand that is an object with a track of its own, and that which gives its place; kNoOperand for none.
    std::uint8_t track = kNoOperand;
    std::uint8_t rank = kNoOperand;
};

class TimelineKinds {
public:
    /// Throws std::invalid_argument that names the kind and the fault: an id used twice, a begin or end without a slice
    /// name, an async kind whose operand 0 is missing, an operand that cannot be drawn as it says.
    explicit TimelineKinds(std::span<const sim::RecordKind* const> kinds);

    /// Throws std::invalid_argument if the kind was not in the list.
    const TimelineKind& of(const sim::RecordKind& kind) const;
    const TimelineInterval& interval(std::uint32_t i) const { return intervals_[i]; }

private:
    void join_interval(TimelineKind& known);
    static void note_drawn(TimelineKind& known, std::uint8_t operand);

    /// By record id; the kind is null where there is none.
    std::vector<TimelineKind> kinds_;
    std::vector<TimelineInterval> intervals_;
    std::vector<std::string_view> key_names_;
};

}  // namespace ticklab::lab
