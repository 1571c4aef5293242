// Process CPU time as a plug-in of the machine: what happens at boot, in interrupts, between them, and what scenarios
// may ask.
#pragma once

#include <memory>
#include <vector>

#include "ticklab/model/cputime/core.hpp"
#include "ticklab/sim/kernel.hpp"

namespace ticklab::cputime {

class CpuTimeKernel final : public sim::Kernel {
public:
    explicit CpuTimeKernel(const CpuTimeConfig& config) : config_(config) {}

    void boot(sim::Machine& machine) override;
    void cpu_start(sim::Cpu& cpu) override { core_->scheduler.start(cpu); }
    void interrupt(sim::Cpu& cpu, std::uint8_t vector) override;
    void nmi(sim::Cpu&) override {}
    void exit_to_user(sim::Cpu&) override {}
    void idle_pass(sim::Cpu& cpu) override { core_->scheduler.pass(cpu); }
    void kick(sim::Cpu& from, sim::Cpu& target) override;
    std::span<const sim::HotplugState> hotplug_states() override { return hotplug_states_; }
    void perform(sim::Cpu& cpu, const sim::VerbCall& call) override;
    void perform_outside(const sim::VerbCall&) override {}
    sim::TimerPromise promise(const sim::VerbCall&, sim::Time) const override { return {sim::kNever, sim::kNever}; }
    void visit(sim::StructureVisitor&) const override {}
    std::optional<std::int64_t> state(std::string_view path) const override;

    /// After boot().
    Core& core() { return *core_; }
    const Core& core() const { return *core_; }

private:
    CpuTimeConfig config_;
    std::unique_ptr<Core> core_;
    std::vector<sim::HotplugState> hotplug_states_;
};

/// Options of a scenario, resolved. Throws std::invalid_argument with a message that names the option.
CpuTimeConfig config_from(const sim::KernelDecl::Settings& settings);

/// The declaration for the registry.
const sim::KernelDecl& cputime_kernel_decl();

}  // namespace ticklab::cputime
