#include "ticklab/model/xen/guests.hpp"

#include "ticklab/model/xen/cause_scope.hpp"
#include "ticklab/model/xen/client_records.hpp"

namespace ticklab::xen {

using sim::Cpu;
using sim::Frame;

Guests::Guests(sim::Machine& machine, ClientTimers& timers, Scheduler& scheduler, VcpuTimers& vcpu_timers,
               GuestIrqs& irqs, std::uint32_t guests, std::uint32_t vcpus, GuestIdle idle)
    : machine_(machine),
      scheduler_(scheduler),
      vcpu_timers_(vcpu_timers),
      irqs_(irqs),
      idle_(idle),
      vcpus_a_guest_(vcpus) {
    if (guests == 0)
        return;
    sim::LockClass& periodic_class = machine.lock_class("vcpu periodic");
    sim::LockClass& device_class = machine.lock_class("vcpu device");
    for (std::uint32_t g = 0; g < guests; ++g)
        for (std::uint32_t n = 0; n < vcpus; ++n) {
            const auto first = static_cast<sim::CpuId>(vcpus_.size() % machine.config().online_at_boot);
            Vcpu& v = vcpus_.emplace_back(machine, periodic_class, device_class, g, n, first);
            for (std::size_t i = 0; i < kVcpuTimerNames.size(); ++i)
                timers.name(v.timer(static_cast<VcpuTimer>(i)), v.name + '.' + std::string(kVcpuTimerNames[i]));
            // Until its first CPU starts it does not run.
            v.blocked = true;
            scheduler.add(v);
        }
}

Vcpu* Guests::find(std::uint32_t guest, std::uint32_t vcpu) {
    const std::size_t i = std::size_t{guest} * vcpus_a_guest_ + vcpu;
    return vcpu < vcpus_a_guest_ && i < vcpus_.size() ? &vcpus_[i] : nullptr;
}

Vcpu& Guests::of(std::string_view name) {
    const std::optional<VcpuName> n = parse_vcpu_name(name);
    Vcpu* const v = n ? find(n->guest, n->vcpu) : nullptr;
    if (!v)
        throw std::invalid_argument("there is no vCPU " + std::string(name));
    return *v;
}

void Guests::start(Cpu& cpu) {
    for (Vcpu& v : vcpus_) {
        if (v.processor.peek() != cpu.id() || v.singleshot.initialised)
            continue;
        vcpu_timers_.init(cpu, v, cpu.id());
        scheduler_.wake(cpu, v);
    }
}

void Guests::ask(Vcpu& v, const sim::VerbCall& call) {
    v.program.push_back(call);
    const sim::CpuId processor = v.processor.peek();
    machine_.run_on_thread(processor, call.cause, [this, &v](Cpu& cpu) { scheduler_.wake(cpu, v); });
}

bool Guests::perform_program(Cpu& cpu) {
    Vcpu* const v = scheduler_.current(cpu.id());
    if (!v || v->program.empty() || v->work_left > sim::Duration::zero() || !v->runnable())
        return false;
    const Frame frame(cpu, "hypercall");
    sim::VerbCall& call = v->program.front();
    const std::uint64_t root = sim::mix(call.cause.root, sim::name_hash(v->name));
    cpu.choice_context().begin(root);
    cpu.spend(machine_.prices().user_entry);
    const CauseScope scope(
        cpu,
        {cpu.record_caused(call.cause.record, kHypercallRecord, v->object, machine_.intern(call.verb->name)), root});
    call.cause = cpu.cause();
    hypercall_(cpu, *v, call);
    v->program.pop_front();
    return true;
}

std::uint32_t Guests::wakeful_events(const Vcpu& v) const {
    std::uint32_t events = 1u << kTimerEvent | 1u << kOtherEvent;
    for (std::uint32_t irq = 0; irq < kIrqCount; ++irq)
        if (const GuestBinding* const b = irqs_.binding(irq, v); b && b->automatic)
            events |= 1u << (kFirstIrqEvent + irq);
    return events;
}

void Guests::take_events(Cpu& cpu, Vcpu& v) {
    constexpr std::uint32_t kMask = 1u << kTimerEvent | 1u << kOtherEvent;
    const std::uint32_t taken = v.pending.fetch_and(cpu, ~kMask) & kMask;
    for (const std::uint32_t event : {kTimerEvent, kOtherEvent})
        if ((taken & (1u << event)) != 0)
            cpu.record_caused(v.posted_by[event], kEventTakeRecord, v.object, event);
    v.counters.taken += (taken & (1u << kTimerEvent)) != 0;
}

bool Guests::find_work(Vcpu& v) {
    if (v.work_left > sim::Duration::zero() || v.handling)
        return true;
    for (std::uint32_t irq = 0; irq < kIrqCount; ++irq) {
        if ((v.pending.peek() & (1u << (kFirstIrqEvent + irq))) == 0)
            continue;
        const GuestBinding* const b = irqs_.binding(irq, v);
        if (!b || !b->automatic)
            continue;
        v.handling = irq;
        v.work_left = b->handled;
        return true;
    }
    return false;
}

void Guests::run(Cpu& cpu, Vcpu& v) {
    if (v.poll_armed)
        vcpu_timers_.poll_over(cpu, v);
    if (v.pending.load(cpu) != 0)
        take_events(cpu, v);
    if (find_work(v)) {
        if (v.work_left > sim::Duration::zero()) {
            // An interrupt since the softirqs ran may have raised others.
            if (scheduler_.must_stay(cpu))
                return;
            const sim::Time began = cpu.local_time();
            cpu.run_user(began + v.work_left);
            v.work_left -= std::min(v.work_left, cpu.local_time() - began);
        }
        if (v.work_left == sim::Duration::zero() && v.handling) {
            const std::uint32_t irq = *v.handling;
            v.handling.reset();
            irqs_.guest_done(cpu, v, irq);
        }
    } else if (idle_ == GuestIdle::kSpin) {
        if (!scheduler_.must_stay(cpu))
            cpu.run_user(sim::kNever);
    } else if (v.program.empty()) {
        cpu.spend(machine_.prices().user_entry);
        (void)scheduler_.block(cpu, v, wakeful_events(v), false);
    }
}

}  // namespace ticklab::xen
