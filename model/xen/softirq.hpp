// Softirqs: work that an interrupt leaves for later, one bit a kind and CPU (XT 3.3).
//
// Rules
//  (1) Handlers run at outermost level only, interrupts enabled, no lock held: before user mode and in the idle loop.
//  (2) The bit is cleared before its handler runs, so a raise during the handler makes it run again.
//  (3) The lowest number goes first. Dispatch ends when nothing is pending or the CPU has left the online map.
//  (4) Another CPU's bit that was set already sends no IPI: its first raiser did.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::xen {

/// The numbers are priorities.
enum class SoftirqNumber : std::uint8_t { kTimer = 0, kSchedule = 1 };
inline constexpr std::size_t kSoftirqCount = 2;

/// What a softirq does. `object` is what was given with it.
struct SoftirqHandler {
    void (*run)(void* object, sim::Cpu& cpu) = nullptr;
    void* object = nullptr;
};

class Softirqs {
public:
    /// `run_budget`: handlers in one run() before it counts as endless.
    Softirqs(sim::Machine& machine, std::uint64_t run_budget);

    void set_handler(SoftirqNumber number, SoftirqHandler handler) { handlers_[index(number)] = handler; }

    /// On this CPU. Any context. [point]
    void raise_local(sim::Cpu& cpu, SoftirqNumber number) { raise_on(cpu, cpu.id(), number); }
    /// On any CPU; sends an event-check IPI where that is another one and its bit was clear. True if it did. Any
    /// context. [point]
    bool raise_on(sim::Cpu& cpu, sim::CpuId target, SoftirqNumber number);
    /// Runs what is pending on this CPU: thread level, interrupts on, no lock held. [point]
    void run(sim::Cpu& cpu);
    /// Whether anything is pending on this CPU. [point]
    bool any_pending(sim::Cpu& cpu) { return state_[cpu.id()].pending.load(cpu) != 0; }

    /// For oracles: the bit is set, or its handler is about to start or under way.
    bool will_run(sim::CpuId cpu, SoftirqNumber number) const;

private:
    struct PerCpuState {
        sim::Atomic<std::uint32_t> pending{0};
        /// Who set the bit.
        std::array<sim::Cause, kSoftirqCount> causes;
        std::uint32_t dispatching = 0;
    };
    static constexpr std::size_t index(SoftirqNumber n) { return static_cast<std::size_t>(n); }
    static constexpr std::uint32_t bit(SoftirqNumber n) { return 1u << index(n); }

    std::deque<PerCpuState> state_;
    std::array<SoftirqHandler, kSoftirqCount> handlers_;
    sim::Price dispatch_price_;
    std::uint64_t run_budget_;
};

}  // namespace ticklab::xen
