#include "ticklab/lab/performer.hpp"

#include <fmt/format.h>

#include <utility>

#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/scenario_records.hpp"

namespace ticklab::lab {

using sim::Cpu;
using sim::CpuId;
using sim::Duration;
using sim::Time;
using sim::TimerIndex;
using sim::TimerRole;
using sim::ValueType;
using sim::VerbCall;
using sim::VerbContext;

std::size_t parameter_of_type(const sim::VerbDecl& verb, ValueType type) {
    std::size_t i = 0;
    while (i < verb.parameters.size() && verb.parameters[i].type != type)
        ++i;
    return i;
}

std::size_t Performer::take_slot(const VerbCall& call, bool of_machine) {
    if (free_.empty()) {
        free_.push_back(slots_.size());
        slots_.emplace_back();
    }
    const std::size_t slot = free_.back();
    free_.pop_back();
    slots_[slot].call = call;
    slots_[slot].of_machine = of_machine;
    return slot;
}

void Performer::start(CpuId on, const VerbCall& call, bool of_machine) {
    const VerbContext context = call.verb->context;
    if (context == VerbContext::kMachine) {
        if (of_machine)
            act(call);
        else
            kernel_.perform_outside(call);
        return;
    }
    if (context == VerbContext::kControl) {
        // A CPU cannot take itself down; and where `on` is off-line, any other will do.
        const std::size_t about = parameter_of_type(*call.verb, ValueType::kCpu);
        const CpuId target = about < call.arguments.size() && call.has(about)
                                 ? static_cast<CpuId>(call.get<std::int64_t>(about))
                                 : sim::kNoCpu;
        if (on == target || !machine_.cpu(on).online()) {
            const Cpu* const other = machine_.first_online(target);
            if (!other)
                return;
            on = other->id();
        }
    }
    const std::size_t slot = take_slot(call, of_machine);
    const auto body = [this, slot](Cpu& cpu) { run(cpu, slot); };
    switch (context) {
        case VerbContext::kThread:
            machine_.run_on_thread(on, call.cause, body);
            break;
        case VerbContext::kIrq:
            machine_.run_in_irq(on, call.cause, body);
            break;
        case VerbContext::kControl:
            machine_.run_in_control_thread(on, call.cause, body);
            break;
        case VerbContext::kMachine:
            break;
    }
}

void Performer::perform_here(Cpu& cpu, const VerbCall& call) {
    const std::size_t slot = take_slot(call, false);
    slots_[slot].call.cause = cpu.cause();
    run(cpu, slot);
}

void Performer::run(Cpu& cpu, std::size_t slot) {
    perform(cpu, slots_[slot]);
    free_.push_back(slot);
}

std::uint64_t Performer::begin(Cpu& cpu, TimerIndex timer, TimerRole role, const sim::TimerPromise& promise) {
    if (!obligations_)
        return 0;
    const std::size_t slot = take_slot({}, false);
    slots_[slot].operation = obligations_->begin(timer, role, cpu.id(), cpu.local_time(), promise);
    return slot;
}

void Performer::end(Cpu& cpu, std::uint64_t operation) {
    if (!obligations_)
        return;
    const Obligations::Operation done = slots_[operation].operation;
    free_.push_back(operation);
    if (std::optional<Finding> finding = obligations_->end(done, cpu.local_time()))
        fail(cpu, done.timer, std::move(*finding));
}

std::uint64_t Performer::subject_of(const VerbCall& call) {
    for (std::size_t i = 0; i < call.arguments.size(); ++i) {
        if (!call.has(i))
            continue;
        if (call.verb->parameters[i].type == ValueType::kTimer)
            return machine_.intern(names_.timer_name(static_cast<TimerIndex>(call.get<std::int64_t>(i))));
        if (call.verb->parameters[i].type == ValueType::kCpu)
            return machine_.intern(fmt::format("CPU {}", call.get<std::int64_t>(i)));
    }
    return machine_.intern("machine");
}

void Performer::perform(Cpu& cpu, Slot& slot) {
    VerbCall& call = slot.call;
    const sim::VerbDecl& verb = *call.verb;
    for (std::size_t i = 0; i < call.arguments.size(); ++i)
        if (verb.parameters[i].type == ValueType::kTime && call.has(i) &&
            std::holds_alternative<Duration>(*call.arguments[i]))
            call.arguments[i] = sim::saturating_add(cpu.local_time(), call.get<Duration>(i));
    const std::uint64_t name = machine_.intern(verb.name);
    const std::uint64_t subject = subject_of(call);
    const sim::Cause outer = cpu.cause();
    const sim::RecordId begun = cpu.record(kVerbBeginRecord, name, subject);
    (void)cpu.set_cause({begun, outer.root});
    call.cause = cpu.cause();

    const std::size_t timer_at = parameter_of_type(verb, ValueType::kTimer);
    const bool observed =
        obligations_ && verb.role != TimerRole::kNone && timer_at < call.arguments.size() && call.has(timer_at);
    TimerIndex timer = 0;
    if (observed) {
        timer = static_cast<TimerIndex>(call.get<std::int64_t>(timer_at));
        sim::TimerPromise promise{};
        if (verb.role == TimerRole::kArm)
            promise = kernel_.promise(call, cpu.local_time());
        slot.operation = obligations_->begin(timer, verb.role, cpu.id(), cpu.local_time(), promise);
    }
    bool done = true;
    {
        // Names of verbs are literals.
        const sim::Frame frame(cpu, verb.name.data());
        if (slot.of_machine)
            done = control(cpu, call);
        else
            kernel_.perform(cpu, call);
    }
    if (observed)
        if (std::optional<Finding> finding = obligations_->end(slot.operation, cpu.local_time()))
            fail(cpu, timer, std::move(*finding));
    cpu.record(kVerbEndRecord, name, subject, done);
    (void)cpu.set_cause(outer);
}

void Performer::fail(Cpu& cpu, TimerIndex timer, Finding finding) {
    std::string message = "timer ";
    message += names_.timer_name(timer);
    message += ": ";
    message += finding.message;
    // An abandoned stack owns nothing.
    std::string().swap(finding.message);
    cpu.fail(*finding.check, std::move(message));
}

}  // namespace ticklab::lab
