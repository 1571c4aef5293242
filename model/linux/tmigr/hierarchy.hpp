// The tree of groups of one CPU capacity (TMM 2.6); in effect there is one for all CPUs.
//
// Rules
//  (1) All of it changes under the set-up mutex only. Groups are never freed once a CPU can reach them.
//  (2) `levels[l]` has the groups of level l, the newest first: the set-up looks for room in that order (TMM 13.2).
#pragma once

#include <list>
#include <vector>

#include "ticklab/model/linux/tmigr/group.hpp"

namespace ticklab::linux_::tmigr {

struct Hierarchy {
    Hierarchy(std::uint32_t capacity_, unsigned level_count, sim::CpuId cpu_count)
        : capacity(capacity_), levels(level_count), cpus(cpu_count) {}

    const std::uint32_t capacity;
    Group* root = nullptr;
    std::vector<std::list<Group*>> levels;
    /// CPUs that were attached.
    std::vector<bool> cpus;
};

}  // namespace ticklab::linux_::tmigr
