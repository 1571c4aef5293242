#include "ticklab/lab/conform/replay_machine.hpp"

#include "ticklab/model/linux/tmigr/prices.hpp"
#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/devices/local_apic_registers.hpp"
#include "ticklab/sim/machine_costs.hpp"

namespace ticklab::lab {
namespace {

constexpr std::uint8_t kKickVector = 0xf0;

}  // namespace

sim::MachineConfig replay_machine(sim::CpuId cpu_count, std::uint32_t node_count) {
    using namespace std::chrono_literals;
    constexpr sim::Cycles kPrice{10};
    sim::MachineConfig config;
    config.cpu_count = config.online_at_boot = cpu_count;
    config.node_count = node_count;
    config.nominal_hz = config.tsc_hz = 1'000'000'000;
    config.c_states = {sim::CState{"C1", 100ns, 200ns, 1us, 500, false}};
    // CPUs wait for one another for as long as the recording says.
    config.soft_lockup = std::chrono::hours{1000};
    for (const sim::CostDecl& cost : sim::machine_cost_decls())
        config.costs.set(std::string(cost.name), kPrice, "replay");
    for (const linux_::tmigr::TmigrPriceSlot& slot : linux_::tmigr::kTmigrPriceSlots)
        config.costs.set(std::string(slot.decl.name), kPrice, "replay");
    return config;
}

void ReplayKernel::cpu_start(sim::Cpu& cpu) { cpu.apic_write(sim::apic::kSvr, sim::apic::kSvrEnable | 0xff); }

void ReplayKernel::interrupt(sim::Cpu& cpu, std::uint8_t) { cpu.apic_eoi(); }

void ReplayKernel::idle_pass(sim::Cpu& cpu) {
    cpu.irq_disable();
    cpu.halt(0);
}

void ReplayKernel::kick(sim::Cpu& from, sim::Cpu& target) { from.send_ipi(target.id(), kKickVector); }

}  // namespace ticklab::lab
