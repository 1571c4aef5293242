// What a comparison measures of each run. A kernel that has no such thing has no value, not 0.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ticklab/lab/compare/run_watch.hpp"
#include "ticklab/lab/experiment.hpp"

namespace ticklab::lab {

/// In which whole numbers values are kept.
enum class MetricUnit : std::uint8_t { kCount, kCycles, kPicoseconds, kPartsPerMillion, kNanojoule };

/// Which of two values is the better one; kNeither where that depends.
enum class Better : std::uint8_t { kLess, kMore, kNeither };

/// A run that has ended by its time; `watch` is finished.
struct MeasuredRun {
    Experiment& experiment;
    const RunWatch& watch;
};

struct Metric {
    std::string_view key;    ///< in JSON
    std::string_view title;  ///< in tables
    MetricUnit unit;
    Better better;
    std::string_view help;  ///< one sentence
    std::optional<std::int64_t> (*read)(const MeasuredRun& run);
};

/// In the order of tables.
std::span<const Metric> metrics();

}  // namespace ticklab::lab
