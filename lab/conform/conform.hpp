// A recorded kernel against the model: what was compared, what matches, and why the rest does not.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/lab/conform/recording.hpp"
#include "ticklab/lab/conform/replay.hpp"
#include "ticklab/sim/kernel.hpp"

namespace ticklab::lab {

/// Which model a recording is compared with.
struct ConformModel {
    sim::KernelDecl::Settings settings;
    /// Fixes that the stable release has and the release that it began with had not.
    std::vector<std::string> stable_fixes;
    linux_::tmigr::TmigrChanges changes;
};

/// Why a recorded event and the model's differ, as far as the recording shows it.
enum class MismatchReason : std::uint8_t {
    kInferred,  ///< instants differ that depend on a next event which the model had to infer (Inferred)
    kUnseen,    ///< the event names an instant that no event of its part before it has queued
    kFollows,   ///< something differed within the last kFollowTicks ticks: the model's state is another one since
    kOverlap,   ///< nothing differed shortly before, and records of other CPUs stand within the CPU's operation
    kOrder,     ///< the same without such records, and the states of a group differ
    kUnknown,
};
inline constexpr std::int64_t kFollowTicks = 10;
struct MismatchReasonText {
    MismatchReason reason;
    std::string_view word, meaning;
};
/// In the order of the values.
inline constexpr std::array<MismatchReasonText, 6> kMismatchReasonTexts{{
    {MismatchReason::kInferred, "inferred",
     "it depends on the next event of a CPU after a remote expiry, which left no event: the model has it from the "
     "timers that the wheel is seen to hold"},
    {MismatchReason::kUnseen, "unseen",
     "it names an instant that no event of this part has queued: queued before it or in the gap, or remembered by a "
     "wheel whose timer is gone"},
    {MismatchReason::kFollows, "follows", "it follows from a difference within the last 10 ticks"},
    {MismatchReason::kOverlap, "overlap",
     "other CPUs acted between two records of the CPU's operation, or of the one before: what it did between them "
     "without a record may stand in another order"},
    {MismatchReason::kOrder, "order",
     "two CPUs changed or saw one group at once, and their records stand in another order than that"},
    {MismatchReason::kUnknown, "unknown", "nothing in the recording explains it"},
}};

struct ExplainedMismatch {
    const Mismatch* mismatch;
    /// Line of the difference that it follows from; its own if it is none that follows.
    std::size_t root;
};

/// Mismatches that look alike: the same reason, the same event, the same fields.
struct MismatchKind {
    MismatchReason reason;
    std::string event;
    /// Fields whose values differ; empty where the model makes another event, or none.
    std::vector<std::string> fields;
    std::vector<ExplainedMismatch> mismatches;
};

struct ConformPart {
    std::string name;  ///< "boot", "trace"
    ReplayResult result;
    std::vector<MismatchKind> kinds;
};

struct ConformReport {
    std::string file;
    std::string release;
    ConformModel model;
    sim::CpuId cpu_count = 0;
    std::uint32_t node_count = 0;
    std::int64_t tick_ns = 0;
    /// The shape of the hierarchy as the kernel says it and as the model has it; the first is empty if it says nothing.
    std::string recorded_shape, modelled_shape;
    std::vector<ConformPart> parts;

    bool shape_matches() const { return recorded_shape.empty() || recorded_shape == modelled_shape; }
    bool matches() const;
};

/// The model of the release that `kernel` names or, if that is empty, that the recording says; `with` and `without` as
/// in a scenario. Throws std::invalid_argument with what was found and expected.
ConformModel model_of(const Recording& recording, const std::string& kernel, std::vector<std::string> with,
                      std::vector<std::string> without);

/// Performs the recording in the model.
ConformReport conform(const Recording& recording, const ConformModel& model);

/// Mismatches of a kind that a text report shows.
inline constexpr std::size_t kShownMismatches = 5;

std::string text_of(const ConformReport& report);
/// With every mismatch.
nlohmann::ordered_json json_of(const ConformReport& report);

}  // namespace ticklab::lab
