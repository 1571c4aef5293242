// Stores of a CPU that other CPUs cannot see yet, under memory "tso" and "weak" (MA 6).
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "ticklab/sim/happens_before.hpp"
#include "ticklab/sim/record.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

class Cpu;

/// One store to a cell, in coherence order.
struct CellStore {
    std::uint64_t bits = 0;
    CpuId writer = kNoCpu;
    std::uint32_t writer_clock = 0;
    Time visible_at = kBoot;  ///< to other CPUs
    SyncClock release;        ///< what an acquire load that reads it acquires
};

/// The last stores of one cell and how far each CPU has read. Only under tso and weak.
struct CellHistory {
    std::uint64_t first_index = 0;  ///< coherence index of stores.front()
    std::deque<CellStore> stores;
    std::vector<std::uint64_t> floor;  ///< a CPU: it has seen this index and reads nothing older

    CellStore& at(std::uint64_t index) { return stores[index - first_index]; }
    std::uint64_t last_index() const { return first_index + stores.size() - 1; }
};

/// The stores that a CPU has made and not yet drained, oldest first.
class StoreBuffer {
public:
    /// A store drains at `visible_at` at the latest.
    void add(CellHistory& cell, std::uint64_t index, Time visible_at) {
        pending_.push_back({&cell, index, visible_at});
    }
    /// The latest drain among the stores that are still pending at `now`.
    Time last_drain(Time now) const;
    /// Drains everything at `now`.
    void drain(Time now);
    /// Forgets what has drained by `now`.
    void retire(Time now);

private:
    struct Pending {
        CellHistory* cell;
        std::uint64_t index;
        Time visible_at;
    };
    std::deque<Pending> pending_;
};

}  // namespace ticklab::sim
