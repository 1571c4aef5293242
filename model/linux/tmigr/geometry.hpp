// The shape of the hierarchy: how many levels a machine needs (TMM 4.1).
#pragma once

#include <cstdint>

#include "ticklab/sim/record.hpp"

namespace ticklab::linux_::tmigr {

struct Geometry {
    unsigned cpu_levels = 0;
    unsigned node_levels = 0;
    /// Children a group has at most: a power of two up to 8. The kernel has 8; fewer make more levels.
    unsigned children = 8;

    unsigned levels() const { return cpu_levels + node_levels; }
    /// Groups below this level have CPUs of one node only (TMM 4.2).
    unsigned crossnode() const { return cpu_levels; }
    /// A machine of one CPU has no hierarchy.
    bool enabled() const { return levels() != 0; }

    /// For `cpus` possible CPUs on `nodes` possible nodes, both at least 1.
    static Geometry of(sim::CpuId cpus, std::uint32_t nodes, unsigned children = 8);
};

}  // namespace ticklab::linux_::tmigr
