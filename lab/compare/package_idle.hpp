// For how long all CPUs of a machine slept at once.
#pragma once

#include <map>

#include "ticklab/sim/record.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::lab {

/// Told of each sleep's begin and end; an end may be told late, after its exit latency, so sums wait that long.
class PackageIdle {
public:
    /// `awake` CPUs are awake at boot; no end is told later than `longest_delay` after it.
    PackageIdle(sim::CpuId awake, sim::Duration longest_delay) : longest_delay_(longest_delay), awake_(awake) {}

    void fell_asleep(sim::Time at) { change(at, -1, at); }
    /// Told at `now`.
    void woke(sim::Time at, sim::Time now) { change(at, +1, now); }
    /// Up to the end of the run at `at`; nothing is told after it.
    sim::Duration total(sim::Time at);

private:
    void change(sim::Time at, int delta, sim::Time now);
    void settle(sim::Time until);

    sim::Duration longest_delay_;
    std::map<sim::Time, int> changes_;  ///< of the number of CPUs awake, not in the sum yet
    std::int64_t awake_;
    sim::Time settled_ = sim::kBoot;
    sim::Duration total_{};
};

}  // namespace ticklab::lab
