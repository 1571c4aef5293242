#include "ticklab/model/xen/clients.hpp"

#include <algorithm>
#include <utility>

#include "ticklab/model/xen/client_records.hpp"
#include "ticklab/model/xen/client_sites.hpp"

namespace ticklab::xen {

using sim::Cpu;
using sim::CpuId;
using sim::Frame;

namespace {

/// Printing one CPU's queues on a slow console.
constexpr sim::Duration kPrinting = std::chrono::microseconds{100};

}  // namespace

Clients::Clients(sim::Machine& machine, Timers& core, Softirqs& softirqs, const SystemTime& time,
                 const Reprogrammer& reprogrammer, sim::TimerClient& client, ClientTimers::Promise promise,
                 const ClientParameters& parameters)
    : timers(core, client, std::move(promise)),
      scheduler(machine, timers, softirqs, time, parameters.slice, parameters.guests != 0, core.parameters().changes),
      vcpu_timers(machine, timers, scheduler, time, core.parameters().changes),
      irqs(machine, timers, scheduler, time, parameters.guests != 0, core.parameters().changes),
      guests(machine, timers, scheduler, vcpu_timers, irqs, parameters.guests, parameters.vcpus, parameters.guest_idle),
      emulated(timers, scheduler, guests, time, parameters.guests, core.parameters().changes),
      calibration(timers, time, parameters.calibration, core.parameters().changes),
      rcu_idle(machine, timers, time, parameters.rcu_idle, core.parameters().changes),
      machine_(machine),
      core_(core),
      softirqs_(softirqs),
      reprogrammer_(reprogrammer),
      parameters_(parameters) {
    scheduler.set_hooks({[this](Cpu& cpu, Vcpu& v) { vcpu_timers.switched_out(cpu, v); },
                         [this](Cpu& cpu, Vcpu& v) { vcpu_timers.switched_in(cpu, v); }});
}

void Clients::start(Cpu& cpu) {
    if (has_guests()) {
        scheduler.start(cpu);
        emulated.init(cpu);
        guests.start(cpu);
    }
    rcu_idle.start(cpu);
    if (cpu.id() == 0)
        calibration.start(cpu);
}

void Clients::leave_hypervisor(Cpu& cpu) {
    do
        softirqs_.run(cpu);
    while (has_guests() && guests.perform_program(cpu));
}

bool Clients::run_guest(Cpu& cpu) {
    Vcpu* const v = has_guests() ? scheduler.current(cpu.id()) : nullptr;
    if (v)
        guests.run(cpu, *v);
    return v != nullptr;
}

// The hardware has forgotten the deadline, whatever its mode; a pass programs it anew.
void Clients::program_again(Cpu& cpu) { softirqs_.raise_local(cpu, SoftirqNumber::kTimer); }

// Before LAPIC-05: the count of one-shot mode was among the registers saved, the deadline MSR was not.
void Clients::restore_count(Cpu& cpu, std::uint64_t count, Stime armed_for) {
    if (count == 0)
        return;
    reprogrammer_.restart(cpu, count);
    core_.base(cpu.id()).armed_for = armed_for;
}

void Clients::suspend(Cpu& cpu, sim::Duration length) {
    const Frame frame(cpu, "suspend");
    for (Vcpu& v : guests.vcpus()) {
        scheduler.pause(cpu, v);
        v.home = v.processor.peek();
    }
    scheduler.set_suspending(true);
    taken_down_.clear();
    for (CpuId c = 1; c < machine_.cpu_count(); ++c)
        if (machine_.cpu(c).online() && machine_.cpu_down(cpu, machine_.cpu(c)))
            taken_down_.push_back(c);
    calibration.suspend(cpu);
    {
        const sim::IrqGuard irqs_off(cpu);
        cpu.record(kSuspendRecord, true);
        const std::uint64_t count = reprogrammer_.count(cpu);
        const Stime armed_for = std::exchange(core_.base(cpu.id()).armed_for, kNoDeadline);
        reprogrammer_.mask(cpu);
        cpu.suspend_to_ram(length);
        reprogrammer_.set_up(cpu);
        if (core_.parameters().changes.deadline_restored)
            program_again(cpu);
        else
            restore_count(cpu, count, armed_for);
        ++suspends_;
        cpu.record(kSuspendRecord, false);
    }
    calibration.resume(cpu);
    for (const CpuId c : taken_down_)
        (void)machine_.cpu_up(cpu, machine_.cpu(c));
    scheduler.set_suspending(false);
    for (Vcpu& v : guests.vcpus()) {
        scheduler.return_home(cpu, v);
        scheduler.unpause(cpu, v);
    }
}

// With softirqs (before XEN-40): printing takes long, so what is pending is run meanwhile, interrupts off as they are.
void Clients::dump_queues(Cpu& cpu, bool with_softirqs) {
    const sim::IrqGuard irqs_off(cpu);
    for (CpuId c = 0; c < machine_.cpu_count(); ++c) {
        cpu.record(kDumpRecord, c, core_.count_queued(cpu, c));
        cpu.spend_time(kPrinting);
        if (with_softirqs)
            softirqs_.run(cpu);
    }
}

void Clients::dump(Cpu& cpu) {
    const Frame frame(cpu, "timer dump");
    dump_queues(cpu, !core_.parameters().changes.dump_without_softirqs);
}

void Clients::add_hotplug_states(std::vector<sim::HotplugState>& states) {
    if (!has_guests())
        return;
    std::vector<sim::HotplugState> own = scheduler.hotplug_states();
    own.push_back({"xen/guests:reroute", sim::HotplugSection::kStarting, {}, [this](Cpu& on, Cpu& target) {
                       irqs.reroute(on, target.id());
                       return true;
                   }});
    // What a guest was asked for on a CPU that died is still to be done.
    own.push_back({"xen/guests:wake", sim::HotplugSection::kPrepare, {}, [this](Cpu& on, Cpu&) {
                       for (Vcpu& v : guests.vcpus())
                           if (!v.program.empty())
                               scheduler.wake(on, v);
                       return true;
                   }});
    // After those of the timer core on the way up, before them on the way down; but the scheduler leaves a CPU when its
    // local interrupts are off (XT 10.2).
    for (sim::HotplugState& state : own) {
        const auto behind = std::find_if(states.begin(), states.end(), [&state](const sim::HotplugState& s) {
            return state.section == sim::HotplugSection::kStarting ? s.section >= state.section
                                                                   : s.section > state.section;
        });
        states.insert(behind, std::move(state));
    }
}

}  // namespace ticklab::xen
