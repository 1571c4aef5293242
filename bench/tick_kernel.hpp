// The smallest kernel that ticks: a one-shot local APIC timer a CPU, its interrupt raises a softirq, the softirq takes
// the CPU's base lock, does a little work and arms the next tick.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ticklab/sim/devices/local_apic_registers.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::bench {

inline constexpr sim::RecordKind kSoftirqEntry{
    40000, "tick", "softirq_entry", "irq", sim::TimelineShape::kSliceBegin, "softirq", "the tick softirq began", {}};
inline constexpr sim::RecordKind kSoftirqExit{
    40001, "tick", "softirq_exit", "irq", sim::TimelineShape::kSliceEnd, "softirq", "the tick softirq ended", {}};
inline constexpr sim::RecordKind kTimerExpire{40002,
                                              "tick",
                                              "timer_expire",
                                              "timer",
                                              sim::TimelineShape::kInstant,
                                              {},
                                              "the tick's timer ran",
                                              {{"expires", sim::OperandType::kTimePs}}};

struct TickOptions {
    sim::Duration period = std::chrono::milliseconds{1};
    bool staggered = true;
};

class TickKernel final : public sim::Kernel {
public:
    TickKernel(sim::CpuId cpu_count, TickOptions options) : options_(options), cpus_(cpu_count) {}

    std::uint64_t ticks() const {
        std::uint64_t sum = 0;
        for (const PerCpu& c : cpus_)
            sum += c.ticks;
        return sum;
    }

    void boot(sim::Machine& machine) override {
        sim::LockClass& lock_class = machine.lock_class("tick base");
        for (sim::CpuId c = 0; c < machine.cpu_count(); ++c)
            locks_.emplace_back(machine, lock_class, "tick base " + std::to_string(c));
        work_ = machine.price("cache_transfer");
        tsc_hz_ = machine.config().tsc_hz;
    }

    void cpu_start(sim::Cpu& cpu) override {
        namespace apic = sim::apic;
        cpu.apic_write(apic::kSvr, apic::kSvrEnable | 0xff);
        cpu.apic_write(apic::kLvtTimer, kTimerVector | (2u << apic::kLvtTimerModeShift));
        const std::int64_t phase_ps =
            options_.staggered ? options_.period.count() / static_cast<std::int64_t>(cpus_.size()) * cpu.id() : 0;
        cpus_[cpu.id()].next = sim::kBoot + 2 * options_.period + sim::Duration{phase_ps};
        arm(cpu);
    }

    void interrupt(sim::Cpu& cpu, std::uint8_t) override {
        cpu.apic_eoi();
        cpus_[cpu.id()].softirq_pending = true;
    }
    void nmi(sim::Cpu&) override {}
    void exit_to_user(sim::Cpu& cpu) override { run_softirq(cpu); }

    void idle_pass(sim::Cpu& cpu) override {
        run_softirq(cpu);
        cpu.irq_disable();
        if (cpus_[cpu.id()].softirq_pending)
            cpu.irq_enable();
        else
            cpu.halt(0);
    }
    void kick(sim::Cpu&, sim::Cpu&) override {}
    std::span<const sim::HotplugState> hotplug_states() override { return {}; }
    void perform(sim::Cpu&, const sim::VerbCall&) override {}
    void perform_outside(const sim::VerbCall&) override {}
    sim::TimerPromise promise(const sim::VerbCall&, sim::Time now) const override { return {now, sim::kNever, false}; }
    void visit(sim::StructureVisitor&) const override {}
    std::optional<std::int64_t> state(std::string_view) const override { return std::nullopt; }

private:
    static constexpr std::uint8_t kTimerVector = 0xec;

    struct PerCpu {
        sim::Time next = sim::kBoot;
        std::uint64_t ticks = 0;
        bool softirq_pending = false;
    };

    void arm(sim::Cpu& cpu) {
        const auto ps = static_cast<std::uint64_t>(sim::ps(cpus_[cpu.id()].next));
        cpu.write_tsc_deadline(static_cast<std::uint64_t>(sim::UInt128{ps} * tsc_hz_ / 1'000'000'000'000));
    }

    void run_softirq(sim::Cpu& cpu) {
        PerCpu& own = cpus_[cpu.id()];
        if (!own.softirq_pending)
            return;
        own.softirq_pending = false;
        cpu.record(kSoftirqEntry);
        {
            const sim::SpinLockIrqGuard guard(cpu, locks_[cpu.id()]);
            cpu.spend(work_);
            ++own.ticks;
            cpu.record(kTimerExpire, sim::ps(own.next));
            own.next += options_.period;
            arm(cpu);
        }
        cpu.record(kSoftirqExit);
    }

    TickOptions options_;
    std::vector<PerCpu> cpus_;
    std::deque<sim::SpinLock> locks_;
    sim::Price work_;
    std::uint64_t tsc_hz_ = 0;
};

/// A machine configuration with prices of the usual magnitude, so that what runs ahead of what is as in a real load.
/// `kernel_costs`: what its kernel has prices for.
inline sim::MachineConfig bench_config(sim::CpuId cpu_count, std::span<const sim::CostDecl> kernel_costs = {}) {
    sim::MachineConfig c;
    c.cpu_count = cpu_count;
    c.online_at_boot = cpu_count;
    c.node_count = cpu_count >= 64 ? 2 : 1;
    c.c_states = {
        {"C1", std::chrono::nanoseconds{0}, std::chrono::nanoseconds{500}, std::chrono::microseconds{2}, 900, false}};
    for (const std::span<const sim::CostDecl> decls : {sim::machine_cost_decls(), kernel_costs})
        for (const sim::CostDecl& d : decls)
            c.costs.set(std::string(d.name), sim::Cycles{60}, "bench");
    c.costs.set("cache_hit", sim::Cycles{4}, "bench");
    c.costs.set("irq_entry", sim::Cycles{600}, "bench");
    c.costs.set("irq_exit", sim::Cycles{400}, "bench");
    c.check_races = false;
    return c;
}

}  // namespace ticklab::bench
