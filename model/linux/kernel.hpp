// Linux's timer code as a plug-in of the machine: what happens at boot, in interrupts, in idle, and what scenarios may
// ask.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/model/linux/cpu_work.hpp"
#include "ticklab/model/linux/hotplug.hpp"
#include "ticklab/model/linux/hpet_rtc.hpp"
#include "ticklab/model/linux/idle.hpp"
#include "ticklab/model/linux/placements.hpp"
#include "ticklab/sim/kernel.hpp"

namespace ticklab::linux_ {

/// The kernel's options, resolved.
struct LinuxConfig {
    unsigned hz = 250;
    const Placement* placement = &kPlacements.front();
    TickSource tick_source = TickSource::kTscDeadline;
    GovernorKind governor = GovernorKind::kMenu;
    BroadcastKind broadcast = BroadcastKind::kHpet;
    /// The build option of that name (LHR 13): the device is programmed on the way out of the interrupt.
    bool hrtimer_rearm_deferred = false;
    TickParameters tick;
    WheelParameters wheel;
    LinuxChanges changes;
    PlacementParameters placements;
    /// CPUs that run no timers of others, as a list: "2-3,5"; the hierarchy leaves them out from late boot on.
    std::string isolated;
    /// CPUs that stop their tick while they have one task, too, as a list; not CPU 0, which is the timekeeper then.
    std::string nohz_full;
    /// CPUs of half the capacity of the others, as a list.
    std::string little_cpus;

    /// The HPET's main counter begins at 0 when the kernel takes the block into use.
    bool hpet_restart_counter = true;
    /// The RTC's interrupts are the HPET's, with this time of day at boot.
    bool rtc_emulation = false;
    sim::Duration rtc_time{};

    /// One idle CPU keeps its tick to balance the load for the others.
    bool nohz_balancer = false;

    /// Throws std::invalid_argument with a message that names the option.
    static LinuxConfig from(const sim::KernelDecl::Settings& settings);
};

class LinuxKernel final : public sim::Kernel {
public:
    LinuxKernel(const LinuxConfig& config, sim::TimerClient& client) : config_(config), client_(client) {}

    void boot(sim::Machine& machine) override;
    void cpu_start(sim::Cpu& cpu) override;
    void interrupt(sim::Cpu& cpu, std::uint8_t vector) override;
    void nmi(sim::Cpu&) override {}
    void begin_foreign_irq(sim::Cpu& cpu) override { irq_enter(cpu); }
    void end_foreign_irq(sim::Cpu& cpu) override { irq_exit(cpu); }
    void exit_to_user(sim::Cpu& cpu) override;
    void idle_pass(sim::Cpu& cpu) override { core_->idle.run(cpu); }
    void kick(sim::Cpu& from, sim::Cpu& target) override { core_->scheduler.resched(from, target.id()); }
    std::span<const sim::HotplugState> hotplug_states() override { return hotplug_states_; }
    void perform(sim::Cpu& cpu, const sim::VerbCall& call) override;
    void perform_outside(const sim::VerbCall& call) override;
    sim::TimerPromise promise(const sim::VerbCall& call, sim::Time now) const override;
    void visit(sim::StructureVisitor& visitor) const override;
    std::optional<std::int64_t> state(std::string_view path) const override;

    /// What a scenario's timer of the wheel is, besides the timer.
    struct WheelTimer {
        LinuxKernel* kernel = nullptr;
        Timer timer;
        bool initialised = false;
        /// Jiffies when its expiry was asked for first: an operation that asks for the same one again leaves the timer
        /// in its bucket (LTW 8.1 step 1).
        Jiffies asked_at;
        sim::TimerPromise promised{};
        /// What its callbacks have done in one life of the timer, by CPU, for who shut it down and waited (LTW 8.2).
        /// By CPU, for add_timer_on() lets it run on one while it runs on another.
        std::deque<sim::Plain<std::uint64_t>> callback_work;
    };
    struct HighResTimer {
        LinuxKernel* kernel = nullptr;
        Hrtimer timer;
        bool initialised = false;
    };

    /// Everything that the kernel is made of, in the order of construction.
    struct Core {
        Core(sim::Machine& machine, const LinuxConfig& config);
        Timekeeping time;
        Softirqs softirqs;
        Scheduler scheduler;
        ClockEvents devices;
        Hrtimers hrtimers;
        HpetBlock hpet;
        /// Null without option rtc_emulation.
        std::unique_ptr<HpetRtc> rtc;
        /// Null if no CPU's clock-event device stops.
        std::unique_ptr<TickBroadcast> broadcast;
        TimerWheel wheel;
        /// Null without option nohz_balancer.
        std::unique_ptr<NohzBalancer> balancer;
        std::unique_ptr<TimerMigration> migration;
        /// The same if it is the hierarchy, or the proposal of 2017, else null.
        tmigr::TmigrPlacement* hierarchy;
        tmigr2017::Tmigr2017Placement* proposal;
        TickSched tick;
        Governor governor;
        IdleLoop idle;
    };
    /// After boot().
    Core& core() { return *core_; }
    const Core& core() const { return *core_; }
    const LinuxConfig& config() const { return config_; }
    sim::Machine& machine() const { return *machine_; }
    /// The scenario's timer of that number, on the wheel or not; not initialised before its first use.
    WheelTimer& wheel_timer(sim::TimerIndex index);
    HighResTimer& high_res_timer(sim::TimerIndex index);
    const std::deque<WheelTimer>& wheel_timers() const { return wheel_timers_; }
    const std::deque<HighResTimer>& high_res_timers() const { return high_res_timers_; }
    void init_wheel_timer(sim::Cpu& cpu, sim::TimerIndex index, std::uint32_t flags);
    void init_high_res_timer(sim::Cpu& cpu, sim::TimerIndex index, ClockId clock, HrtimerMode mode);

private:
    void irq_enter(sim::Cpu& cpu);
    void irq_exit(sim::Cpu& cpu);
    void bring_up_placement(sim::Cpu& boot_cpu);
    void set_apart(const sim::Machine& machine);

    LinuxConfig config_;
    sim::TimerClient& client_;
    sim::Machine* machine_ = nullptr;
    // Declared before the bases whose lists link them: these go last.
    std::deque<WheelTimer> wheel_timers_;
    std::deque<HighResTimer> high_res_timers_;
    std::unique_ptr<Core> core_;
    std::unique_ptr<CpuWork> boot_work_;
    std::vector<sim::HotplugState> hotplug_states_;
};

/// The declaration for the registry.
const sim::KernelDecl& linux_kernel_decl();

}  // namespace ticklab::linux_
