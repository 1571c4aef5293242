#include "ticklab/model/xen/kernel.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/client_verbs.hpp"
#include "ticklab/model/xen/declarations.hpp"
#include "ticklab/model/xen/vectors.hpp"

namespace ticklab::xen {

using sim::Cpu;
using sim::CpuId;
using sim::TimerIndex;
using sim::VerbCall;

namespace {

/// Of a set without effect.
constexpr sim::TimerPromise kNoPromise{sim::kNever, sim::kNever, false};

}  // namespace

XenKernel::Core::Core(sim::Machine& machine, const XenConfig& config)
    : time(machine.config().tsc_hz, machine.cpu_count()),
      softirqs(machine, config.timers.pass_budget),
      reprogrammer(time, config.tick_source, machine.config().apic_bus_hz, config.timers.changes),
      timers(machine, config.timers, time, softirqs, reprogrammer),
      broadcast(timers, softirqs, reprogrammer, config.timers.changes),
      idle(timers, softirqs, broadcast, config.idle, config.timers.changes) {}

void XenKernel::boot(sim::Machine& machine) {
    if (config_.tick_source == TickSource::kTscDeadline && !machine.config().tsc_deadline_timer)
        throw std::invalid_argument(
            "kernel.tick_source is \"tsc-deadline\", and the machine's local APIC has no such mode");
    machine_ = &machine;
    core_ = std::make_unique<Core>(machine, config_);
    for (CpuId c = 0; c < machine.config().online_at_boot; ++c)
        core_->timers.prepare_base_at_boot(core_->timers.base(c));
    hotplug_states_ = make_hotplug_states(core_->timers, core_->reprogrammer, config_.hotplug);
    clients_ = std::make_unique<Clients>(
        machine, core_->timers, core_->softirqs, core_->time, core_->reprogrammer, client_,
        [this](const Timer& t, Stime when, sim::Time now) {
            return t.status == TimerStatus::kKilled ? kNoPromise : promise_at(when, now);
        },
        config_.clients);
    clients_->guests.set_hypercall(
        [this](Cpu& cpu, Vcpu& v, const VerbCall& call) { perform_hypercall(*clients_, cpu, v, call); });
    clients_->add_hotplug_states(hotplug_states_);
}

void XenKernel::cpu_start(Cpu& cpu) {
    core_->reprogrammer.set_up(cpu);
    if (cpu.id() == kBootCpu)
        core_->broadcast.set_up(cpu);
    clients_->start(cpu);
}

void XenKernel::interrupt(Cpu& cpu, std::uint8_t vector) {
    if (GuestIrqs::is_guest_vector(vector))
        return clients_->irqs.interrupt(cpu, vector);
    if (core_->broadcast.owns(vector))
        return core_->broadcast.interrupt(cpu, vector);
    cpu.apic_eoi();
    // The event-check IPI has done its work by coming: softirqs are looked at on the way out.
    if (vector == kTimerVector)
        core_->timers.timer_interrupt(cpu);
}

void XenKernel::nmi(Cpu&) {}

void XenKernel::exit_to_user(Cpu& cpu) { clients_->leave_hypervisor(cpu); }

void XenKernel::idle_pass(Cpu& cpu) {
    clients_->leave_hypervisor(cpu);
    if (clients_->run_guest(cpu))
        return;
    if (clients_->rcu_idle.idle_enter(cpu))
        core_->softirqs.run(cpu);
    core_->idle.pass(cpu);
    clients_->rcu_idle.idle_exit(cpu);
}

void XenKernel::kick(Cpu& from, Cpu& target) { from.send_ipi(target.id(), kEventCheckVector); }

Timer& XenKernel::scenario_timer(TimerIndex index) {
    while (scenario_timers_.size() <= index) {
        const auto number = static_cast<std::uint32_t>(scenario_timers_.size());
        scenario_timers_.emplace_back().number = number;
    }
    return scenario_timers_[index];
}

void XenKernel::init_timer(Cpu& cpu, TimerIndex index, CpuId owner) {
    Timer& t = scenario_timer(index);
    t.object = machine_->intern(client_.timer_name(index));
    core_->timers.init(cpu, t, &XenKernel::scenario_timer_fired, &lives_.emplace_back(TimerLife{this, index}), owner);
}

Timer& XenKernel::usable_timer(Cpu& cpu, const VerbCall& call) {
    const auto index = static_cast<TimerIndex>(call.get<std::int64_t>(0));
    Timer& t = scenario_timer(index);
    if (!t.initialised)
        init_timer(cpu, index, cpu.id());
    return t;
}

void XenKernel::scenario_timer_fired(Cpu& cpu, void* argument) {
    const TimerLife& life = *static_cast<TimerLife*>(argument);
    life.kernel->client_.timer_fired(cpu, life.index);
}

void XenKernel::verb_init(Cpu& cpu, const VerbCall& call) {
    init_timer(cpu, static_cast<TimerIndex>(call.get<std::int64_t>(0)),
               call.has(1) ? static_cast<CpuId>(call.get<std::int64_t>(1)) : cpu.id());
}

void XenKernel::verb_set(Cpu& cpu, const VerbCall& call) {
    core_->timers.set(cpu, usable_timer(cpu, call), stime_not_before(call.get<sim::Time>(1)));
}

void XenKernel::verb_stop(Cpu& cpu, const VerbCall& call) { core_->timers.stop(cpu, usable_timer(cpu, call)); }

void XenKernel::verb_migrate(Cpu& cpu, const VerbCall& call) {
    core_->timers.migrate(cpu, usable_timer(cpu, call), static_cast<CpuId>(call.get<std::int64_t>(1)));
}

void XenKernel::verb_kill(Cpu& cpu, const VerbCall& call) { core_->timers.kill(cpu, usable_timer(cpu, call)); }

void XenKernel::perform(Cpu& cpu, const VerbCall& call) {
    if (const ClientVerb* const verb = find_client_verb(call))
        return verb->perform(*clients_, cpu, call);
    const XenVerb* const verb = find_verb(call);
    cpu.require(verb, "a verb was performed that this kernel does not declare");
    (this->*verb->perform)(cpu, call);
}

void XenKernel::perform_outside(const VerbCall& call) { xen::perform_outside(*clients_, call, client_); }

sim::TimerPromise XenKernel::promise(const VerbCall& call, sim::Time now) const {
    // A set on a killed timer has no effect, which is no arming at all.
    const auto index = static_cast<std::size_t>(call.get<std::int64_t>(0));
    if (index < scenario_timers_.size() && scenario_timers_[index].status == TimerStatus::kKilled)
        return kNoPromise;
    return promise_at(stime_not_before(call.get<sim::Time>(1)), now);
}

sim::TimerPromise XenKernel::promise_at(Stime when, sim::Time now) const {
    const TimerParameters& p = config_.timers;
    const Stime latest = p.policy->latest(when, stime_not_before(now), p.slop);
    const sim::Time asked_for = core_->time.first_after(when);
    const sim::Time earliest = core_->time.first_after(p.policy->earliest(when, p.slop));
    return {
        earliest,
        sim::saturating_add(core_->time.first_after(latest), core_->reprogrammer.quantum() + core_->broadcast.bound()),
        false, asked_for - earliest};
}

void XenKernel::visit(sim::StructureVisitor& visitor) const {
    const auto show = [&visitor](const TimerBase& base, const Timer& t, std::string_view where,
                                 std::uint64_t position) {
        visitor.timer(base.cpu, t.number, where, position, ns(t.expires));
    };
    for (CpuId c = 0; c < core_->timers.cpu_count(); ++c) {
        const TimerBase& base = core_->timers.base(c);
        for (std::uint32_t i = 1; i <= base.heap.size(); ++i)
            show(base, base.heap.at(i), "heap", i);
        std::uint64_t position = 0;
        for (const Timer& t : base.list)
            show(base, t, "list", position++);
        position = 0;
        for (const Timer& t : base.ready)
            show(base, t, "ready", position++);
        position = 0;
        for (const Timer& t : base.inactive)
            show(base, t, "inactive", position++);
        for (const XenState& s : xen_states())
            visitor.value(c, s.name, s.read(base));
    }
}

std::optional<std::int64_t> XenKernel::state(std::string_view path) const {
    if (const std::optional<std::int64_t> value = clients_->state(path))
        return value;
    if (const std::optional<std::int64_t> value = core_->broadcast.state(path))
        return value;
    return read_state(core_->timers, path);
}

}  // namespace ticklab::xen
