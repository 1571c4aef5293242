// What a timeline shows, in memory: small events, and the operands of their records in one place.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ticklab/lab/timeline/timeline_kinds.hpp"
#include "ticklab/sim/record.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::lab {

/// Processes of the layout of TE 1. A number is left out where nothing of the kind is drawn.
enum TimelineProcess : std::uint32_t {
    kCpusProcess = 1,
    kTimersProcess = 2,
    /// Objects with tracks of their own; where kinds name several processes for them, the others come last.
    kObjectsProcess = 3,
    kHardwareProcess = 4,
    kScenarioProcess = 5,
    kOraclesProcess = 6,
};

/// The thread of a process that is about no CPU.
inline constexpr std::uint32_t kMainThread = 1;

struct TimelineTrack {
    std::uint32_t process = 0;
    std::uint32_t thread = 0;  ///< never 0: readers take that for the process's own number (TE 1)
    // clang-tidy 14 sees the zero of a comparison category in a defaulted comparison.
    friend constexpr auto operator<=>(const TimelineTrack&,
                                      const TimelineTrack&) = default;  // NOLINT(modernize-use-nullptr)
};

enum class TimelinePhase : std::uint8_t { kSlice, kAsyncBegin, kAsyncEnd, kInstant, kCounter };

struct TimelineEvent {
    std::int64_t ts_ns = 0;
    std::int64_t dur_ns = 0;  ///< of slices, at least 1
    sim::Time at{};           ///< true instant of the record
    sim::RecordId record;
    sim::RecordId cause;
    sim::RecordId waited_on;
    const TimelineKind* kind = nullptr;
    const TimelineKind* end_kind = nullptr;  ///< of the record that closed a slice or interval, if one did
    std::uint64_t words = 0;                 ///< where the operands start; of a counter, its value
    std::uint64_t end_words = 0;
    TimelineTrack track;
    std::uint32_t flow = 0;           ///< number of the arrows through this event, 0 for none
    std::uint32_t counter = 0;        ///< of a counter event, which one
    sim::CpuId on_cpu = sim::kNoCpu;  ///< of an event on an object's track: where the record comes from
    std::uint8_t row = kNoOperand;    ///< of a row's slice: the operand that it shows
    TimelinePhase phase = TimelinePhase::kInstant;
    bool flow_in = false;
    bool flow_out = false;
    bool unfinished = false;  ///< still open where the timeline ends
    bool dropped = false;     ///< turned out to lie outside
};

/// One counter of the timeline.
struct TimelineCounter {
    std::string_view name;
    sim::OperandType type = sim::OperandType::kUnsigned;
    sim::CpuId cpu = sim::kNoCpu;
    /// Index in TimelineContent::objects of what it counts for; none if for a CPU.
    std::optional<std::size_t> object{};
    TimelineTrack track;
    std::string_view category;
    std::uint64_t first = 0;  ///< value where the timeline begins; of times, nanoseconds
    std::uint64_t value = 0;
};

/// An object with a track of its own.
struct TimelineObject {
    std::uint64_t object = 0;
    std::string_view process;    ///< name of the process that its track is in
    std::string_view rank_name;  ///< empty if it has no rank
    std::uint64_t rank = 0;
    TimelineTrack track;
};

/// Everything that is to be drawn.
struct TimelineContent {
    std::vector<TimelineEvent> events;
    std::vector<std::uint64_t> words;
    std::vector<TimelineCounter> counters;
    std::vector<TimelineObject> objects;
    std::vector<sim::CpuId> cpus;  ///< that have a track whether something happens there or not; ascending
    unsigned cpu_digits = 2;
    std::int64_t begin_ns = 0;
    std::int64_t end_ns = 0;
    std::vector<std::pair<std::string, std::string>> metadata;
    std::vector<std::pair<std::string, std::uint64_t>> figures;  ///< metadata that are numbers
};

}  // namespace ticklab::lab
