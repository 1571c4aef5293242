// Judges what a kernel says that its structures hold (Kernel::visit), at quiet moments: no lock is held anywhere.
//
// Rules
//  - Knows shapes only: "heap" is a binary heap numbered from 0 or 1 in one array a CPU, "list" is sorted by expiry.
//    "inactive" holds timers that are known but not queued; every other place is a queue.
//  - Shares no code with any kernel. What only a kernel knows (wheel buckets, trees) it checks itself.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ticklab/lab/obligations.hpp"
#include "ticklab/sim/kernel.hpp"

namespace ticklab::lab {

class StructureOracle final : public sim::StructureVisitor {
public:
    struct Entry {
        sim::CpuId owner;
        sim::TimerIndex timer;
        std::string_view where;
        std::uint64_t position;
        std::int64_t expires;
    };

    /// Takes stock of the kernel.
    void look(const sim::Kernel& kernel);
    /// Order of heaps and lists, each timer in one place only.
    std::optional<Finding> shapes(const sim::TimerClient& names) const;
    /// What is queued against what was asked for, at `now`. Silent on a kernel that shows nothing.
    std::optional<Finding> membership(const Obligations& obligations, const sim::TimerClient& names,
                                      sim::Time now) const;
    /// Where the timer is queued or tracked; null if nowhere. After look().
    const Entry* find(sim::TimerIndex timer) const;

    void timer(sim::CpuId owner, sim::TimerIndex timer, std::string_view where, std::uint64_t position,
               std::int64_t expires) override;
    void value(sim::CpuId, std::string_view, std::int64_t) override {}

private:
    std::optional<Finding> heap(std::span<const Entry> heap, const sim::TimerClient& names) const;
    std::optional<Finding> list(std::span<const Entry> list, const sim::TimerClient& names) const;

    std::vector<Entry> by_place_;  ///< sorted by owner, place, position
    std::vector<Entry> by_timer_;  ///< sorted by timer
};

}  // namespace ticklab::lab
