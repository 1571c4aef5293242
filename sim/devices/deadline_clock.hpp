// What the TSC-deadline timer needs of its CPU's TSC (LA 3.4).
#pragma once

#include <cstdint>

#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// The visible TSC of one CPU. Whoever changes its mapping to virtual time calls LocalApic::deadline_clock_changed().
class DeadlineClock {
public:
    virtual ~DeadlineClock() = default;
    /// The first instant with read() >= `tsc` by the present mapping; may be past. kNever while the clock is stopped
    /// short of it.
    virtual Time first_at(std::uint64_t tsc) const = 0;
    /// The TSC at `at`.
    virtual std::uint64_t read(Time at) const = 0;
};

}  // namespace ticklab::sim
