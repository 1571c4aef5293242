#include "ticklab/model/linux/kernel.hpp"

#include <fmt/format.h>

#include "ticklab/model/linux/checks.hpp"
#include "ticklab/model/linux/cpu_list.hpp"
#include "ticklab/model/linux/declarations.hpp"
#include "ticklab/model/linux/vectors.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::CpuId;
using sim::TimerIndex;
using sim::VerbCall;

namespace {

constexpr std::uint32_t kLittleCapacity = tmigr::kCommonCapacity / 2;

}  // namespace

LinuxKernel::Core::Core(sim::Machine& machine, const LinuxConfig& config)
    : time(machine, config.hz),
      softirqs(machine),
      scheduler(machine, config.tick.nohz_full),
      devices(machine, time, config.tick_source),
      hrtimers(machine, config.changes, config.hrtimer_rearm_deferred, time, devices, softirqs, scheduler),
      hpet(config.hpet_restart_counter),
      rtc(config.rtc_emulation ? std::make_unique<HpetRtc>(machine, hpet, config.changes, config.rtc_time) : nullptr),
      broadcast(machine.config().timers_stop_in_idle()
                    ? std::make_unique<TickBroadcast>(machine, time, devices, hrtimers, hpet, config.changes)
                    : nullptr),
      wheel(machine, config.wheel, time, softirqs, scheduler),
      balancer(config.nohz_balancer ? std::make_unique<NohzBalancer>(machine, config.changes) : nullptr),
      migration(config.placement->make({machine, config.placements, wheel, scheduler, scheduler, balancer.get()})),
      hierarchy(dynamic_cast<tmigr::TmigrPlacement*>(migration.get())),
      proposal(dynamic_cast<tmigr2017::Tmigr2017Placement*>(migration.get())),
      tick(machine, config.tick, time, devices, hrtimers, wheel, softirqs, scheduler),
      governor(machine, config.governor, tick, broadcast != nullptr),
      idle(time, tick, scheduler, governor, broadcast.get(), hierarchy, config.wheel.check_effort,
           config.changes.idle_loop_looks_again) {
    wheel.set_migration(*migration);
    hrtimers.set_placement(*migration);
    tick.set_broadcast(broadcast.get());
    tick.set_balancer(balancer.get());
    if (config.placement->asks_idle)
        scheduler.watch_run_queues();
}

void LinuxKernel::boot(sim::Machine& machine) {
    if (config_.tick_source == TickSource::kTscDeadline && !machine.config().tsc_deadline_timer)
        throw std::invalid_argument(
            "kernel.tick_source is \"tsc-deadline\", and the machine's local APIC has no such mode");
    if (config_.broadcast == BroadcastKind::kHrtimer && !config_.tick.highres)
        throw std::invalid_argument("kernel.broadcast is \"hrtimer\", which needs kernel.highres");
    if (config_.nohz_balancer && !config_.tick.nohz)
        throw std::invalid_argument("kernel.nohz_balancer is given, which needs kernel.nohz");
    machine_ = &machine;
    config_.placements.tmigr.check_after_expiry = config_.wheel.check_effort == CheckEffort::kAlways;
    set_apart(machine);
    config_.placements.tmigr.capacities.clear();
    for (const bool little : cpus_listed("little_cpus", config_.little_cpus, machine.cpu_count()))
        config_.placements.tmigr.capacities.push_back(little ? kLittleCapacity : tmigr::kCommonCapacity);
    core_ = std::make_unique<Core>(machine, config_);
    for (CpuId c = 0; c < machine.config().online_at_boot; ++c)
        core_->hrtimers.mark_online(c);
    hotplug_states_ =
        make_hotplug_states({core_->softirqs, core_->wheel, core_->hrtimers, core_->tick, core_->scheduler,
                             *core_->migration, core_->broadcast.get(), core_->rtc.get(), core_->balancer.get()});
    if (config_.placement->needs_bring_up) {
        boot_work_ = std::make_unique<CpuWork>(machine);
        machine_->run_in_control_thread(0, sim::Cause{}, [this](Cpu& cpu) { bring_up_placement(cpu); });
    }
}

void LinuxKernel::set_apart(const sim::Machine& machine) {
    config_.placements.tmigr.isolated = config_.placements.push.isolation.isolated =
        cpus_listed("isolated", config_.isolated, machine.cpu_count());
    if (config_.nohz_full.empty())
        return;
    const std::vector<bool> full = cpus_listed("nohz_full", config_.nohz_full, machine.cpu_count());
    if (full[TickSched::kPinnedTimekeeper])
        throw std::invalid_argument(
            fmt::format("kernel.nohz_full is \"{}\", expected CPUs without CPU 0, which keeps the time for them",
                        config_.nohz_full));
    if (!config_.tick.nohz)
        throw std::invalid_argument("kernel.nohz_full is given, which needs kernel.nohz");
    if (!config_.placement->knows_nohz_full)
        throw std::invalid_argument(
            fmt::format("kernel.nohz_full is given, and placement {} knows no such CPUs", config_.placement->word));
    config_.placements.tmigr.nohz_full = config_.placements.push.isolation.nohz_full = config_.tick.nohz_full =
        config_.wheel.nohz_full = full;
}

void LinuxKernel::bring_up_placement(Cpu& boot_cpu) {
    TimerMigration& migration = *core_->migration;
    for (CpuId c = 0; c < machine_->config().online_at_boot; ++c) {
        bool joined = false;
        {
            const sim::CodeScope code(boot_cpu, sim::Code::kTimer);
            joined = migration.prepare(boot_cpu, c);
        }
        if (joined)
            boot_work_->run_on(boot_cpu, c, [&](Cpu& cpu) {
                const sim::CodeScope code(cpu, sim::Code::kTimer);
                joined = migration.set_available(cpu);
            });
        boot_cpu.require(joined, "no memory for the placement at boot");
    }
    const sim::CodeScope code(boot_cpu, sim::Code::kTimer);
    migration.end_bring_up(boot_cpu);
    if (core_->hierarchy && !config_.isolated.empty())
        core_->hierarchy->enable_isolation(boot_cpu);
}

void LinuxKernel::cpu_start(Cpu& cpu) {
    core_->devices.set_up_apic(cpu);
    // Once: a CPU that comes back finds the devices that there are.
    if (core_->broadcast && cpu.id() == 0 && !core_->broadcast->device())
        core_->broadcast->set_up(cpu, config_.broadcast);
    if (core_->rtc && cpu.id() == 0 && core_->rtc->target() == sim::kNoCpu)
        core_->rtc->set_up(cpu);
    core_->tick.set_up_device(cpu);
}

void LinuxKernel::irq_enter(Cpu& cpu) {
    const bool outermost = !core_->softirqs.in_interrupt(cpu);
    core_->softirqs.irq_enter(cpu);
    if (outermost)
        core_->tick.irq_enter(cpu);
}

void LinuxKernel::exit_to_user(Cpu& cpu) {
    core_->scheduler.scheduled(cpu);
    core_->tick.task_switch(cpu);
    core_->idle.check_tickless(cpu);
}

void LinuxKernel::irq_exit(Cpu& cpu) {
    // Softirqs run with interrupts enabled, for as long as they like.
    if (core_->softirqs.served_at_exit(cpu))
        core_->hrtimers.flush_deferred_rearm(cpu);
    core_->softirqs.irq_exit(cpu);
    core_->tick.irq_exit(cpu);
    core_->hrtimers.flush_deferred_rearm(cpu);
}

void LinuxKernel::interrupt(Cpu& cpu, std::uint8_t vector) {
    if (vector == kSpuriousVector)
        return;
    if (vector == kRescheduleVector && core_->wheel.form().bare_reschedule) {
        cpu.apic_eoi();
        return;
    }
    irq_enter(cpu);
    cpu.apic_eoi();
    // The reschedule interrupt has done its work by coming: need_resched is looked at on the way out.
    if (vector == kLocalTimerVector)
        core_->devices.interrupt(cpu);
    else if (vector == kHpetVector && core_->broadcast)
        core_->broadcast->interrupt(cpu);
    else if (vector == kRtcVector && core_->rtc)
        core_->rtc->interrupt(cpu);
    else if (vector == kIrqWorkVector)
        core_->scheduler.take_irq_work(cpu);
    else if (vector == kCallFunctionVector && core_->scheduler.take_call(cpu))
        core_->hrtimers.reevaluate(cpu);
    irq_exit(cpu);
}

LinuxKernel::WheelTimer& LinuxKernel::wheel_timer(TimerIndex index) {
    while (wheel_timers_.size() <= index) {
        WheelTimer& t = wheel_timers_.emplace_back();
        t.kernel = this;
        t.timer.number = static_cast<std::uint32_t>(wheel_timers_.size() - 1);
    }
    return wheel_timers_[index];
}

LinuxKernel::HighResTimer& LinuxKernel::high_res_timer(TimerIndex index) {
    while (high_res_timers_.size() <= index) {
        HighResTimer& t = high_res_timers_.emplace_back();
        t.kernel = this;
        t.timer.number = static_cast<std::uint32_t>(high_res_timers_.size() - 1);
    }
    return high_res_timers_[index];
}

void LinuxKernel::init_wheel_timer(Cpu& cpu, TimerIndex index, std::uint32_t flags) {
    WheelTimer& t = wheel_timer(index);
    if (high_res_timer(index).initialised)
        cpu.fail(checks::kTimerKind, std::string(client_.timer_name(index)));
    t.initialised = true;
    t.timer.object = machine_->intern(client_.timer_name(index));
    t.timer.function_name = machine_->intern("scenario_timer");
    t.callback_work = std::deque<sim::Plain<std::uint64_t>>(machine_->cpu_count());
    core_->wheel.init(
        cpu, t.timer,
        [](Cpu& at, Timer& timer, void* argument) {
            auto& fired = *static_cast<WheelTimer*>(argument);
            ++fired.callback_work[at.id()].write(at);
            fired.kernel->client_.timer_fired(at, timer.number);
        },
        &t, flags);
}

void LinuxKernel::init_high_res_timer(Cpu& cpu, TimerIndex index, ClockId clock, HrtimerMode mode) {
    HighResTimer& t = high_res_timer(index);
    if (wheel_timer(index).initialised)
        cpu.fail(checks::kTimerKind, std::string(client_.timer_name(index)));
    t.initialised = true;
    t.timer.object = machine_->intern(client_.timer_name(index));
    t.timer.function_name = machine_->intern("scenario_hrtimer");
    core_->hrtimers.setup(
        cpu, t.timer,
        [](Cpu& at, Hrtimer& timer, void* argument) {
            static_cast<HighResTimer*>(argument)->kernel->client_.timer_fired(at, timer.number);
            return HrtimerRestart::kNoRestart;
        },
        &t, clock, mode);
}

void LinuxKernel::perform(Cpu& cpu, const VerbCall& call) {
    const LinuxVerb* const verb = find_verb(call);
    cpu.require(verb, "a verb was performed that this kernel does not declare");
    verb->perform(*this, cpu, call);
}

void LinuxKernel::perform_outside(const VerbCall&) {
    throw std::logic_error("the kernel declares no verb that is performed on no CPU");
}

sim::TimerPromise LinuxKernel::promise(const VerbCall& call, sim::Time now) const {
    const LinuxVerb* const verb = find_verb(call);
    return verb && verb->promise ? verb->promise(*this, call, now) : sim::TimerPromise{sim::kBoot, sim::kNever, false};
}

void LinuxKernel::visit(sim::StructureVisitor& visitor) const {
    for (const TimerBase& base : core_->wheel.bases()) {
        const auto show = [&](const TimerList& list, std::uint64_t position) {
            for (const Timer& t : list)
                if (t.number != Timer::kNoNumber)
                    visitor.timer(base.cpu, t.number, "wheel", position, t.expires - core_->time.initial());
        };
        for (unsigned i = base.wheel.next_used(0); i < base.wheel.bucket_count(); i = base.wheel.next_used(i + 1))
            show(base.wheel.bucket(i), i);
        for (unsigned i = 0; i < base.wheel.levels(); ++i)
            show(base.wheel.collected(i), base.wheel.bucket_count());
    }
    for (const HrtimerCpu& cpu : core_->hrtimers.all())
        for (const HrtimerClockBase& base : cpu.bases) {
            std::uint64_t position = 0;
            for (const Hrtimer& t : base.queue)
                if (t.number != Timer::kNoNumber)
                    visitor.timer(cpu.cpu, t.number, "hrtimer queue", position++, ns(t.expires));
        }
}

std::optional<std::int64_t> LinuxKernel::state(std::string_view path) const { return read_state(*this, path); }

}  // namespace ticklab::linux_
