#include "ticklab/model/cputime/kernel.hpp"

#include <algorithm>
#include <stdexcept>

#include "ticklab/model/cputime/declarations.hpp"
#include "ticklab/model/cputime/vectors.hpp"

namespace ticklab::cputime {

using sim::Cpu;

Core::Core(sim::Machine& machine_, const CpuTimeConfig& config_)
    : machine(machine_),
      config(config_),
      prices(machine_),
      scheduler(*this),
      accounting(make_accounting(config.design, machine_, config.changes, scheduler)),
      signals(*this),
      cpu_timers(*this),
      life(*this) {}

Process* Core::find_process(std::int64_t number) {
    const auto it =
        std::find_if(processes.begin(), processes.end(), [&](const Process& p) { return p.number == number; });
    return it == processes.end() ? nullptr : &*it;
}

const Process* Core::find_process(std::int64_t number) const {
    const auto it =
        std::find_if(processes.begin(), processes.end(), [&](const Process& p) { return p.number == number; });
    return it == processes.end() ? nullptr : &*it;
}

const PosixTimer* Core::find_timer(std::int64_t number) const {
    const auto it = std::find_if(timers.begin(), timers.end(), [&](const PosixTimer& t) { return t.number == number; });
    return it == timers.end() ? nullptr : &*it;
}

PosixTimer& Core::timer(std::int64_t number) {
    const auto it = std::find_if(timers.begin(), timers.end(), [&](const PosixTimer& t) { return t.number == number; });
    return it == timers.end() ? timers.emplace_back(machine, static_cast<std::uint32_t>(number)) : *it;
}

Task* Core::find_thread(Process& process, std::int64_t number) {
    for (Task* t = process.first.peek(); t; t = t->next)
        if (t->number == number)
            return t;
    return nullptr;
}

void CpuTimeKernel::boot(sim::Machine& machine) {
    if (!machine.config().tsc_deadline_timer)
        throw std::invalid_argument("kernel linux-cputime needs a machine with a TSC-deadline timer");
    core_ = std::make_unique<Core>(machine, config_);
    // Threads stay where they are.
    hotplug_states_ = {{"cputime:tasks", sim::HotplugSection::kOnline, {}, [](Cpu&, Cpu&) { return false; }}};
}

void CpuTimeKernel::interrupt(Cpu& cpu, std::uint8_t vector) {
    cpu.apic_eoi();
    // The reschedule IPI has done its work by coming: the run queue is looked at on the way out.
    if (vector == kTickVector)
        core_->scheduler.tick(cpu);
}

void CpuTimeKernel::kick(Cpu& from, Cpu& target) { from.send_ipi(target.id(), kRescheduleVector); }

void CpuTimeKernel::perform(Cpu& cpu, const sim::VerbCall& call) {
    for (const CpuTimeVerb& verb : cputime_verbs())
        if (verb.decl.name == call.verb->name)
            return verb.perform(*core_, cpu, call);
}

std::optional<std::int64_t> CpuTimeKernel::state(std::string_view path) const { return read_state(*core_, path); }

}  // namespace ticklab::cputime
