// When each CPU was idle or in user mode with nothing to keep an interrupt away: the time that excuses no lateness.
//
// Rules
//  - Time in the kernel counts as busy, whatever it was spent on; so does the time of a stall or hold, and that in
//    which the kernel leaves its timers alone (RecordRole::kRest).
//  - Idle counts from the decision to sleep to the end of the exit latency.
//  - Fed with committed records only; asked about instants up to the last of them.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "ticklab/sim/record.hpp"

namespace ticklab::lab {

class QuietLog {
public:
    explicit QuietLog(sim::CpuId cpu_count) : cpus_(cpu_count) {}

    void consume(const sim::Record& record);
    /// Quiet time of `cpu` in [from, to]. Intervals older than the last kMaxIntervals of a CPU are forgotten and count
    /// as busy.
    sim::Duration quiet(sim::CpuId cpu, sim::Time from, sim::Time to) const;
    /// Whether a stall that befell the CPU in idle or user mode lasts beyond `at`.
    bool stalled(sim::CpuId cpu, sim::Time at) const { return cpus_[cpu].open != sim::kNever && cpus_[cpu].open > at; }

private:
    static constexpr std::size_t kMaxIntervals = 1024;
    struct Interval {
        sim::Time begin;
        sim::Time end;
    };
    struct PerCpu {
        std::deque<Interval> intervals;
        sim::Time open = sim::kNever;  ///< begin of the interval that is not over
        sim::Time rests_until = sim::kBoot;
    };
    static void close(PerCpu& cpu, sim::Time at);

    std::vector<PerCpu> cpus_;
};

}  // namespace ticklab::lab
