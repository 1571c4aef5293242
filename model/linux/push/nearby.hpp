// The choice of a busy CPU near by for a timer that an idle one arms (LPP 3, 11).
//
// Rules
//  (1) Nothing is reserved: the answer may be stale when it is used (LPP 3.4).
//  (2) Domains have active CPUs only: from the last step up to the first one down. They are replaced as a whole; who
//      reads the old ones does so to the end of its RCU section (LPP 11.2).
//  (3) The machine has nodes, and no smaller parts of its topology: the domains of a CPU are its node, then all CPUs. A
//      level that adds no CPU is left out (LPP 11.1).
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <vector>

#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::linux_ {

/// What a choice needs of the scheduler.
class IdleTest {
public:
    virtual ~IdleTest() = default;
    /// Whether `asked` runs its idle task, or an interrupt of it, with nothing else to run and no wake-up on its way;
    /// lockless. Any context. (LPP 3.2) [point]
    virtual bool is_idle(sim::Cpu& cpu, sim::CpuId asked) = 0;
};

}  // namespace ticklab::linux_

namespace ticklab::linux_::push {

/// CPUs that are set apart; by CPU, empty for none.
struct Isolation {
    /// Not housekeepers, and in no scheduling domain.
    std::vector<bool> isolated;
    /// Not housekeepers.
    std::vector<bool> nohz_full;
};

/// Figures of one CPU's choices (LPP 10).
struct ChoiceCounters {
    std::uint64_t busy = 0;         ///< it was busy itself
    std::uint64_t near = 0;         ///< a busy CPU of its node
    std::uint64_t far = 0;          ///< a busy CPU of another node
    std::uint64_t idle = 0;         ///< nobody was busy
    std::uint64_t housekeeper = 0;  ///< nobody was busy, and the CPU is no housekeeper itself
    std::uint64_t idle_tests = 0;
};

class Nearby {
public:
    Nearby(sim::Machine& machine, const Isolation& isolation, IdleTest& test);

    /// Where a timer goes that this CPU arms: interrupts off. (LPP 3.1) [point]
    sim::CpuId choose(sim::Cpu& cpu);
    /// The CPU becomes active, or is so no longer: in a thread that may sleep; hotplug is serialised. [point]
    void set_active(sim::Cpu& cpu, sim::CpuId target, bool active);

    const ChoiceCounters& counters(sim::CpuId cpu) const { return counters_[cpu]; }

private:
    using Span = std::vector<sim::CpuId>;
    /// By CPU, the smallest span first.
    using Domains = std::vector<std::vector<Span>>;

    Domains build() const;
    bool housekeeper(sim::CpuId cpu) const { return housekeepers_[cpu]; }
    bool idle(sim::Cpu& cpu, sim::CpuId asked);
    sim::CpuId search(sim::Cpu& cpu);
    sim::CpuId any_housekeeper(sim::CpuId near) const;

    sim::Machine& machine_;
    const std::vector<bool> isolated_;
    const std::vector<bool> housekeepers_;
    IdleTest& test_;
    /// Under hotplug's lock.
    std::vector<bool> active_;
    /// The newest last; older ones until nobody reads them.
    std::list<Domains> built_;
    sim::Atomic<const Domains*> domains_;
    std::deque<ChoiceCounters> counters_;
};

}  // namespace ticklab::linux_::push
