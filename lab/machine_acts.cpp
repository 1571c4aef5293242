// What the machine's verbs do (lab/machine_verbs.hpp).
#include <fmt/format.h>

#include <algorithm>

#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/performer.hpp"

namespace ticklab::lab {

using sim::CpuId;
using sim::Duration;
using sim::Time;
using sim::VerbCall;

bool Performer::control(sim::Cpu& cpu, const VerbCall& call) {
    sim::Cpu& target = machine_.cpu(static_cast<CpuId>(call.get<std::int64_t>(0)));
    return machine_verb_of(*call.verb) == MachineVerb::kCpuOffline ? machine_.cpu_down(cpu, target)
                                                                   : machine_.cpu_up(cpu, target);
}

namespace {

std::int64_t count_of(const sim::Value& value) {
    if (const auto* on = std::get_if<bool>(&value))
        return *on ? 1 : 0;
    if (const auto* span = std::get_if<Duration>(&value))
        return span->count();
    return std::get<std::int64_t>(value);
}

}  // namespace

void Performer::act(const VerbCall& call) {
    const Time now = machine_.now();
    const auto cpu = [&] { return static_cast<CpuId>(call.get<std::int64_t>(0)); };
    const auto until = [&] { return call.has(1) ? sim::saturating_add(now, call.get<Duration>(1)) : sim::kNever; };
    switch (machine_verb_of(*call.verb)) {
        case MachineVerb::kCpuBusy:
            machine_.set_busy(cpu(), until());
            return;
        case MachineVerb::kCpuIdle:
            machine_.set_busy(cpu(), sim::kBoot);
            return;
        case MachineVerb::kCpuStall:
            machine_.stall(cpu(), until());
            return;
        case MachineVerb::kCpuRelease:
            machine_.release(cpu());
            return;
        case MachineVerb::kMemoryFail:
            machine_.arena().fail_next(static_cast<std::uint64_t>(call.get<std::int64_t>(0)));
            return;
        case MachineVerb::kIrqLose:
            machine_.apic_bus().lose_next(cpu(), static_cast<std::uint32_t>(call.get<std::int64_t>(1)));
            return;
        case MachineVerb::kIrqLate:
            machine_.apic_bus().delay_next(cpu(), call.get<Duration>(1),
                                           static_cast<std::uint32_t>(call.get<std::int64_t>(2)));
            if (judge_)
                judge_->allow(call.get<Duration>(1));
            return;
        case MachineVerb::kCpuPState:
            machine_.cpu(cpu()).tsc().set_p_state(now, static_cast<std::uint64_t>(call.get<std::int64_t>(1)),
                                                  call.cause);
            return;
        case MachineVerb::kIrqNmi:
            machine_.raise_nmi(cpu(), call.cause);
            return;
        case MachineVerb::kCpuHold:
        case MachineVerb::kCpuOffline:
        case MachineVerb::kCpuOnline:
            return;  // taken care of by the script and by control()
        default:
            break;
    }
    const std::int64_t value = count_of(*call.arguments.back());
    if (const auto fault = sim::find_apic_fault(call.verb->name)) {
        machine_.apic_bus().set_fault(now, fault->fault, cpu(), value, call.cause);
        if (judge_ && fault->fault == sim::ApicFault::kIpiDelay)
            judge_->allow(Duration{value});
    } else if (const auto tsc_fault = sim::find_tsc_fault(call.verb->name)) {
        machine_.cpu(cpu()).tsc().set_fault(now, tsc_fault->fault, value, call.cause);
        if (judge_ && tsc_fault->fault == sim::TscFault::kUnorderedRead)
            judge_->allow(Duration{value});
    } else if (const auto hpet_fault = sim::find_hpet_fault(call.verb->name)) {
        const auto& range = *hpet_fault;
        machine_.hpet().set_fault(now, range.fault, std::clamp(value, range.min, range.max), call.cause);
    }
}

}  // namespace ticklab::lab
