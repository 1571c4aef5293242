// A machine on which nothing happens but what a replay performs.
#pragma once

#include "ticklab/sim/kernel.hpp"
#include "ticklab/sim/machine_config.hpp"

namespace ticklab::lab {

/// Every price the same: a replay's order comes from the recording, not from prices.
sim::MachineConfig replay_machine(sim::CpuId cpu_count, std::uint32_t node_count);

/// Idle CPUs halt until they are kicked. No timers, no verbs.
class ReplayKernel final : public sim::Kernel {
public:
    void boot(sim::Machine&) override {}
    void cpu_start(sim::Cpu& cpu) override;
    void interrupt(sim::Cpu& cpu, std::uint8_t vector) override;
    void nmi(sim::Cpu&) override {}
    void exit_to_user(sim::Cpu&) override {}
    void idle_pass(sim::Cpu& cpu) override;
    void kick(sim::Cpu& from, sim::Cpu& target) override;
    std::span<const sim::HotplugState> hotplug_states() override { return {}; }
    void perform(sim::Cpu&, const sim::VerbCall&) override {}
    void perform_outside(const sim::VerbCall&) override {}
    sim::TimerPromise promise(const sim::VerbCall&, sim::Time now) const override { return {now, sim::kNever, false}; }
    void visit(sim::StructureVisitor&) const override {}
    std::optional<std::int64_t> state(std::string_view) const override { return std::nullopt; }
};

}  // namespace ticklab::lab
