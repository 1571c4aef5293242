// Read-copy-update grace periods of the modelled kernel (MA 5.2, DESIGN 2).
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <vector>

#include "ticklab/sim/happens_before.hpp"
#include "ticklab/sim/record.hpp"

namespace ticklab::sim {

class Cpu;
class Machine;
class Thread;

/// Classic RCU on a machine without kernel preemption: a grace period is over when every CPU that was inside a read
/// section at its start has left it. Readers cost nothing and never wait.
class Rcu {
public:
    explicit Rcu(Machine& machine);

    /// Nests. Any context. No sleeping inside.
    void read_lock(Cpu& cpu);
    /// The end of the outermost section is an instant that others may wait for. [point, window]
    void read_unlock(Cpu& cpu);
    bool in_read_section(const Cpu& cpu) const;
    /// Waits for a grace period: thread level, may sleep. [point]
    void synchronize(Cpu& cpu);
    /// Runs `callback` after a grace period, on the CPU that ends it, at its read_unlock or at once. Must not sleep.
    void call(Cpu& cpu, std::function<void(Cpu&)> callback);

private:
    struct Waiting {
        std::vector<CpuId> readers;
        std::function<void(Cpu&)> callback;
        SyncClock called;
        std::size_t waited_readers = 0;
    };
    void run_finished(Cpu& cpu);

    Machine& machine_;
    std::vector<std::uint32_t> depth_;
    /// A CPU: what it did up to the end of its last read section.
    std::vector<SyncClock> left_;
    // Kept here and not on stacks, which may be abandoned.
    std::list<Waiting> called_;
    std::list<Waiting> waiting_;
    std::list<Waiting> finished_;
    std::list<Waiting> running_;
};

}  // namespace ticklab::sim
