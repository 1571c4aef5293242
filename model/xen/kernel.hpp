// The hypervisor as a plug-in of the machine: what happens at boot, in interrupts, in idle, and what scenarios may ask.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "ticklab/model/xen/clients.hpp"
#include "ticklab/model/xen/hotplug.hpp"
#include "ticklab/model/xen/idle.hpp"
#include "ticklab/model/xen/timers.hpp"
#include "ticklab/sim/kernel.hpp"

namespace ticklab::xen {

/// The kernel's options, resolved.
struct XenConfig {
    TimerParameters timers;
    HotplugParameters hotplug;
    TickSource tick_source = TickSource::kOneShot;
    ClientParameters clients;
    IdleKind idle = IdleKind::kHalt;

    /// Throws std::invalid_argument with a message that names the option.
    static XenConfig from(const sim::KernelDecl::Settings& settings);
};

class XenKernel final : public sim::Kernel {
public:
    XenKernel(const XenConfig& config, sim::TimerClient& client) : config_(config), client_(client) {}

    void boot(sim::Machine& machine) override;
    void cpu_start(sim::Cpu& cpu) override;
    void interrupt(sim::Cpu& cpu, std::uint8_t vector) override;
    void nmi(sim::Cpu& cpu) override;
    void exit_to_user(sim::Cpu& cpu) override;
    void idle_pass(sim::Cpu& cpu) override;
    void kick(sim::Cpu& from, sim::Cpu& target) override;
    std::span<const sim::HotplugState> hotplug_states() override { return hotplug_states_; }
    void perform(sim::Cpu& cpu, const sim::VerbCall& call) override;
    void perform_outside(const sim::VerbCall& call) override;
    sim::TimerPromise promise(const sim::VerbCall& call, sim::Time now) const override;
    void visit(sim::StructureVisitor& visitor) const override;
    std::optional<std::int64_t> state(std::string_view path) const override;

    /// After boot().
    Timers& timers() { return core_->timers; }
    const Timers& timers() const { return core_->timers; }
    Softirqs& softirqs() { return core_->softirqs; }
    Clients& clients() { return *clients_; }
    const SystemTime& time() const { return core_->time; }
    const Reprogrammer& reprogrammer() const { return core_->reprogrammer; }
    HpetBroadcast& broadcast() { return core_->broadcast; }
    /// The scenario's timer of that number; not initialised before its first use.
    Timer& scenario_timer(sim::TimerIndex index);

    // The verbs, in the order of their declarations.
    void verb_init(sim::Cpu& cpu, const sim::VerbCall& call);
    void verb_set(sim::Cpu& cpu, const sim::VerbCall& call);
    void verb_stop(sim::Cpu& cpu, const sim::VerbCall& call);
    void verb_migrate(sim::Cpu& cpu, const sim::VerbCall& call);
    void verb_kill(sim::Cpu& cpu, const sim::VerbCall& call);

private:
    struct Core {
        explicit Core(sim::Machine& machine, const XenConfig& config);
        SystemTime time;
        Softirqs softirqs;
        Reprogrammer reprogrammer;
        Timers timers;
        HpetBroadcast broadcast;
        Idle idle;
    };
    /// From an init of a scenario's timer to the next: the argument of its callback.
    struct TimerLife {
        XenKernel* kernel;
        sim::TimerIndex index;
    };

    Timer& usable_timer(sim::Cpu& cpu, const sim::VerbCall& call);
    void init_timer(sim::Cpu& cpu, sim::TimerIndex index, sim::CpuId owner);
    sim::TimerPromise promise_at(Stime when, sim::Time now) const;
    static void scenario_timer_fired(sim::Cpu& cpu, void* argument);

    XenConfig config_;
    sim::TimerClient& client_;
    sim::Machine* machine_ = nullptr;
    // Declared before the bases whose lists link them: these go last.
    std::deque<Timer> scenario_timers_;
    std::deque<TimerLife> lives_;
    std::unique_ptr<Clients> clients_;
    std::unique_ptr<Core> core_;
    std::vector<sim::HotplugState> hotplug_states_;
};

/// The declaration for the registry.
const sim::KernelDecl& xen_kernel_decl();

}  // namespace ticklab::xen
