// How small the schedule of a find gets.
#pragma once

#include <cstdint>
#include <functional>

#include "ticklab/lab/hunt/hunt.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/museum/exhibit.hpp"

namespace ticklab::lab {

/// What disturbs a run: its stalls and broken ties, and whether its steps jitter as well.
struct ScheduleSize {
    std::uint64_t decisions = 0;
    bool jitter = false;
};

struct ShrunkSize {
    ScheduleSize before, after;
    bool minimal = false;  ///< false if the budget of runs ended it
};

inline constexpr std::uint64_t kMuseumShrinkRuns = 2000;

/// Shrinks the failure, which a check found in the exhibit's broken scenario, in at most kMuseumShrinkRuns runs. Throws
/// std::logic_error if the failure does not come back.
ShrunkSize shrunk_size(const ScenarioLoader& loader, const Exhibit& exhibit, const HuntFailure& failure,
                       const std::function<bool()>& interrupted);

}  // namespace ticklab::lab
