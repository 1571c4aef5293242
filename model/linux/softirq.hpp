// Softirqs and the contexts that they run between (LTW 10, LNT 7.5, 7.6).
//
// Rules
//  (1) A CPU raises its own softirqs only, so the pending bits need no atomics.
//  (2) They run at the exit of the outermost interrupt, interrupts enabled, unless softirqs are running there already;
//      what is still pending after kMaxRestart rounds is left to ksoftirqd.
//  (3) The bits are taken all at once before the handlers run, the lowest number first; one raised meanwhile makes
//      another round.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ticklab/sim/cpu.hpp"

namespace ticklab::linux_ {

/// The kernel's numbers; those that the model uses.
enum class SoftirqNumber : std::uint8_t { kTimer = 1, kHrtimer = 8 };
inline constexpr std::size_t kSoftirqCount = 10;

struct SoftirqHandler {
    void (*run)(void* object, sim::Cpu& cpu) = nullptr;
    void* object = nullptr;
};

class Softirqs {
public:
    static constexpr unsigned kMaxRestart = 10;

    explicit Softirqs(sim::Machine& machine);

    void set_handler(SoftirqNumber number, SoftirqHandler handler) { handlers_[index(number)] = handler; }
    /// On this CPU: hard interrupt or interrupts off.
    void raise(sim::Cpu& cpu, SoftirqNumber number);
    bool pending(const sim::Cpu& cpu) const { return state_[cpu.id()].pending != 0; }
    bool pending(sim::CpuId cpu, SoftirqNumber number) const { return (state_[cpu].pending & bit(number)) != 0; }
    /// For oracles: the bit is set, or its handler is about to run or under way.
    bool will_run(sim::CpuId cpu, SoftirqNumber number) const {
        return ((state_[cpu].pending | state_[cpu].taken) & bit(number)) != 0;
    }

    /// Whether irq_exit() would run softirqs now.
    bool served_at_exit(const sim::Cpu& cpu) const {
        const PerCpuState& s = state_[cpu.id()];
        return s.hardirq_depth == 1 && !s.serving && s.pending != 0;
    }
    /// Around every hard interrupt: interrupts off.
    void irq_enter(const sim::Cpu& cpu) { ++state_[cpu.id()].hardirq_depth; }
    /// Runs softirqs if this is the outermost interrupt. Interrupts are off at return. [point]
    void irq_exit(sim::Cpu& cpu);
    /// What is pending and no interrupt exit will come for: thread level, interrupts on. [point]
    void run_pending(sim::Cpu& cpu);

    bool in_hardirq(const sim::Cpu& cpu) const { return state_[cpu.id()].hardirq_depth != 0; }
    bool in_softirq(const sim::Cpu& cpu) const { return state_[cpu.id()].serving; }
    bool in_interrupt(const sim::Cpu& cpu) const { return in_hardirq(cpu) || in_softirq(cpu); }
    /// Forgets what a dead CPU left pending (CH 2, softirq:dead).
    void forget(sim::CpuId cpu) { state_[cpu].pending = 0; }

private:
    struct PerCpuState {
        std::uint32_t pending = 0;
        std::uint32_t taken = 0;
        unsigned hardirq_depth = 0;
        bool serving = false;
        std::array<sim::Cause, kSoftirqCount> causes;
        sim::Thread* ksoftirqd = nullptr;
    };
    static constexpr std::size_t index(SoftirqNumber n) { return static_cast<std::size_t>(n); }
    static constexpr std::uint32_t bit(SoftirqNumber n) { return 1u << index(n); }

    void serve(sim::Cpu& cpu);
    void run_one(sim::Cpu& cpu, std::uint32_t number);

    std::vector<PerCpuState> state_;
    std::array<SoftirqHandler, kSoftirqCount> handlers_;
    std::array<std::uint64_t, kSoftirqCount> action_names_{};
    sim::Price dispatch_price_;
};

}  // namespace ticklab::linux_
