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

#include "ticklab/model/linux/nohz_balancer.hpp"
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
    /// Whether this CPU's idle task has to give way. [point]
    virtual bool need_resched(sim::Cpu& cpu) = 0;
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
    std::uint64_t owner = 0;        ///< the owner of the idle load balancer
    std::uint64_t idle = 0;         ///< nobody was busy, or owned the balancer
    std::uint64_t housekeeper = 0;  ///< nobody was busy, and the CPU is no housekeeper itself
    std::uint64_t idle_tests = 0;
};

class Nearby {
public:
    Nearby(sim::Machine& machine, const Isolation& isolation, IdleTest& test);

    /// Where a timer goes that this CPU arms: interrupts off. (LPP 3.1) [point]
    sim::CpuId choose(sim::Cpu& cpu);
    /// The same as of 2.6.31 to 2.6.35: to the balancer's owner, who keeps its tick; a stale one too (LPP 3.7). [point]
    sim::CpuId choose_owner(sim::Cpu& cpu, NohzBalancer& balancer);
    /// The CPU becomes active, or is so no longer: in a thread that may sleep. [point]
    void set_active(sim::Cpu& cpu, sim::CpuId target, bool active);
    /// The CPU is isolated from here on, or no longer: in a thread that may sleep. [point]
    void set_isolated(sim::Cpu& cpu, sim::CpuId target, bool isolated);
    /// Whether it may be chosen.
    bool housekeeper(sim::CpuId cpu) const { return !isolated_[cpu] && !nohz_full_[cpu]; }

    const ChoiceCounters& counters(sim::CpuId cpu) const { return counters_[cpu]; }

private:
    using Span = std::vector<sim::CpuId>;
    /// All but CPUs that are not active, and isolated ones. They have no domains themselves.
    struct Domains {
        std::vector<bool> members;
        std::vector<Span> by_node;
        Span all;
    };

    Domains build() const;
    void rebuild(sim::Cpu& cpu);
    bool idle(sim::Cpu& cpu, sim::CpuId asked);
    sim::CpuId search(sim::Cpu& cpu);
    sim::CpuId first_busy(sim::Cpu& cpu, const Span& span);
    sim::CpuId any_housekeeper(sim::CpuId near) const;

    sim::Machine& machine_;
    IdleTest& test_;
    /// Around each change.
    sim::Mutex mutex_;
    std::vector<bool> isolated_;
    const std::vector<bool> nohz_full_;
    std::vector<bool> active_;
    /// The newest last; older ones until nobody reads them.
    std::list<Domains> built_;
    sim::Atomic<const Domains*> domains_;
    std::deque<ChoiceCounters> counters_;
};

}  // namespace ticklab::linux_::push
