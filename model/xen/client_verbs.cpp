#include "ticklab/model/xen/client_verbs.hpp"

#include <fmt/format.h>

#include <array>

namespace ticklab::xen {
namespace {

using sim::Cpu;
using sim::CpuId;
using sim::Duration;
using sim::ParameterDecl;
using sim::TimerRole;
using sim::ValueType;
using sim::VerbCall;
using sim::VerbContext;

constexpr std::string_view kVcpuParameter = "vcpu";
constexpr std::string_view kGuestParameter = "guest";

constexpr ParameterDecl kVcpu{kVcpuParameter, ValueType::kText, R"(the vCPU, such as "d1v0")", true, {}};
constexpr ParameterDecl kIrq{"irq", ValueType::kInteger, "pin of the I/O APIC", true, {}, 0, kIrqCount - 1};
constexpr ParameterDecl kGuest{kGuestParameter, ValueType::kInteger, "the guest, from 0", true, {}, 0, kMaxGuests - 1};
constexpr ParameterDecl kSingleshotTimer{"timer", ValueType::kTimer, R"(such as "d1v0.singleshot")", true, {}};
constexpr ParameterDecl kPeriodicTimer{"timer", ValueType::kTimer, R"(such as "d1v0.periodic")", true, {}};
constexpr ParameterDecl kPollTimer{"timer", ValueType::kTimer, R"(such as "d1v0.poll")", true, {}};

constexpr std::array kOfVcpu{kVcpu};
constexpr std::array kPin{kVcpu, ParameterDecl{"cpu", ValueType::kCpu, "where alone it runs; without it, anywhere"}};
constexpr std::array kCompute{kVcpu, ParameterDecl{"for", ValueType::kDuration, "how long", true, {}}};
constexpr std::array kSetSingleshot{
    kSingleshotTimer, ParameterDecl{"expires", ValueType::kTime, "since boot, or relative", true, {}},
    ParameterDecl{"future", ValueType::kBool, "refuse an instant that has passed", false, "false"}};
constexpr std::array kStopSingleshot{kSingleshotTimer};
constexpr std::array kSetLegacy{
    kSingleshotTimer,
    ParameterDecl{
        "timeout_ns", ValueType::kInteger, "ns since boot; 0 stops, and negative or very late ones are odd", true, {}}};
constexpr std::array kSetPeriod{
    kPeriodicTimer,
    ParameterDecl{"period_ns", ValueType::kInteger, "in ns, 0 for none; below 1 ms it is refused", true, {}, 0}};
constexpr std::array kStartEmulated{
    kVcpu, ParameterDecl{"period_ns", ValueType::kInteger, "in ns, 0 for none", true, {}, 0, 1'000'000'000'000}};
constexpr std::array kPoll{kPollTimer, ParameterDecl{"until", ValueType::kTime, "since boot, or relative", true, {}}};
constexpr std::array kBind{
    kIrq, kGuest,
    ParameterDecl{"ack", ValueType::kWord, "how it is acknowledged: an edge by nobody, a level by unmasking", false,
                  "none", 0, 0, kAckTypes},
    ParameterDecl{"cpu", ValueType::kCpu, "the CPU that takes it, from the first guest's call; else CPU 0"},
    ParameterDecl{"handled_in", ValueType::kDuration,
                  "computing that the guest's handler takes; without it the guest handles nothing by itself"}};
constexpr std::array kUnbind{kIrq, kGuest};
constexpr std::array kRaise{kIrq};
constexpr std::array kEoi{kVcpu, kIrq};
constexpr std::array kSuspend{ParameterDecl{"for", ValueType::kDuration, "how long it sleeps", true, {}}};

Stime instant(Cpu& cpu, const VerbCall& call, std::size_t i) {
    if (const auto* const span = std::get_if<Duration>(&*call.arguments[i]))
        return stime_not_before(sim::saturating_add(cpu.local_time(), *span));
    return stime_not_before(call.get<sim::Time>(i));
}
std::uint32_t number(const VerbCall& call, std::size_t i) {
    return static_cast<std::uint32_t>(call.get<std::int64_t>(i));
}
Vcpu& vcpu_of(Clients& c, const VerbCall& call) { return c.guests.of(call.get<std::string>(0)); }

void bind(Clients& c, Cpu& cpu, const VerbCall& call) {
    const AckType ack = call.get<std::string>(2) == kAckTypes[0] ? AckType::kNone : AckType::kUnmask;
    c.irqs.bind(cpu, number(call, 0), *c.guests.find(number(call, 1), 0), ack, call.has(3) ? number(call, 3) : 0,
                call.has(4) ? std::optional(call.get<Duration>(4)) : std::nullopt);
}

void pin(Clients& c, Cpu& cpu, const VerbCall& call) {
    Vcpu& v = vcpu_of(c, call);
    v.counters.refused += !c.scheduler.pin(cpu, v, call.has(1) ? std::optional<CpuId>(number(call, 1)) : std::nullopt);
}

void destroy(Clients& c, Cpu& cpu, const VerbCall& call) {
    Vcpu& v = vcpu_of(c, call);
    if (v.destroyed)
        return;
    c.scheduler.retire(cpu, v);
    c.vcpu_timers.kill(cpu, v);
}

void suspend(Clients& c, Cpu& cpu, const VerbCall& call) {
    const Duration length = call.get<Duration>(0);
    if (cpu.id() == 0)
        return c.suspend(cpu, length);
    cpu.machine().run_in_control_thread(0, cpu.cause(), [&c, length](Cpu& boot) { c.suspend(boot, length); });
}

constexpr std::array kClientVerbs{
    // Of guests: in the program of the vCPU.
    ClientVerb{{"vcpu.set_timer", VerbContext::kMachine, TimerRole::kNone,
                "a vCPU sets its single-shot timer, when it runs next", kSetSingleshot},
               nullptr,
               nullptr,
               [](Clients& c, Cpu& cpu, Vcpu& v, const VerbCall& call) {
                   (void)c.vcpu_timers.set_singleshot(cpu, v, instant(cpu, call, 1), call.get<bool>(2));
               },
               VcpuTimer::kSingleshot},
    ClientVerb{{"vcpu.stop_timer", VerbContext::kMachine, TimerRole::kNone, "a vCPU stops its single-shot timer",
                kStopSingleshot},
               nullptr,
               nullptr,
               [](Clients& c, Cpu& cpu, Vcpu& v, const VerbCall&) { c.vcpu_timers.stop_singleshot(cpu, v); },
               VcpuTimer::kSingleshot},
    ClientVerb{{"vcpu.set_timer_legacy", VerbContext::kMachine, TimerRole::kNone,
                "a vCPU sets its single-shot timer by the call of older guests", kSetLegacy},
               nullptr,
               nullptr,
               [](Clients& c, Cpu& cpu, Vcpu& v, const VerbCall& call) {
                   c.vcpu_timers.set_legacy(cpu, v, call.get<std::int64_t>(1));
               },
               VcpuTimer::kSingleshot},
    ClientVerb{{"vcpu.set_period", VerbContext::kMachine, TimerRole::kNone,
                "a vCPU sets the period of its periodic timer", kSetPeriod},
               nullptr,
               nullptr,
               [](Clients& c, Cpu& cpu, Vcpu& v, const VerbCall& call) {
                   (void)c.vcpu_timers.set_period(cpu, v, call.get<std::int64_t>(1));
               },
               VcpuTimer::kPeriodic},
    ClientVerb{
        {"vcpu.poll", VerbContext::kMachine, TimerRole::kNone, "a vCPU sleeps until an event or an instant", kPoll},
        nullptr,
        nullptr,
        [](Clients& c, Cpu& cpu, Vcpu& v, const VerbCall& call) {
            c.vcpu_timers.poll(cpu, v, instant(cpu, call, 1), c.guests.wakeful_events(v));
        },
        VcpuTimer::kPoll},
    ClientVerb{{"vcpu.block", VerbContext::kMachine, TimerRole::kNone, "a vCPU sleeps until an event", kOfVcpu},
               nullptr,
               nullptr,
               [](Clients& c, Cpu& cpu, Vcpu& v, const VerbCall&) {
                   (void)c.scheduler.block(cpu, v, c.guests.wakeful_events(v), false);
               }},
    ClientVerb{{"vcpu.compute", VerbContext::kMachine, TimerRole::kNone, "a vCPU has work for that long", kCompute},
               nullptr,
               nullptr,
               [](Clients&, Cpu&, Vcpu& v, const VerbCall& call) { Guests::compute(v, call.get<Duration>(1)); }},
    ClientVerb{{"vcpu.start_emulated", VerbContext::kMachine, TimerRole::kNone,
                "a vCPU starts its guest's emulated timer, whose ticks are at multiples of the period", kStartEmulated},
               nullptr,
               nullptr,
               [](Clients& c, Cpu& cpu, Vcpu& v, const VerbCall& call) {
                   c.emulated.start(cpu, v, StimeSpan{call.get<std::int64_t>(1)});
               }},
    ClientVerb{{"irq.eoi", VerbContext::kMachine, TimerRole::kNone,
                "vCPU 0 of a guest has handled an interrupt and ends it", kEoi},
               nullptr,
               nullptr,
               [](Clients& c, Cpu& cpu, Vcpu& v, const VerbCall& call) { c.irqs.guest_done(cpu, v, number(call, 1)); }},
    // Of the world.
    ClientVerb{{"irq.raise", VerbContext::kMachine, TimerRole::kNone,
                "a device asks for an interrupt: an edge, or a level until a guest has handled it", kRaise},
               nullptr,
               [](Clients& c, const VerbCall& call) { c.irqs.raise(number(call, 0), call.cause); }},
    // Of the control domain, on the CPU that performs them.
    ClientVerb{
        {"vcpu.wake", VerbContext::kThread, TimerRole::kNone, "posts an event to a vCPU", kOfVcpu},
        [](Clients& c, Cpu& cpu, const VerbCall& call) { c.scheduler.post(cpu, vcpu_of(c, call), kOtherEvent); }},
    ClientVerb{
        {"vcpu.pause", VerbContext::kThread, TimerRole::kNone, "takes a vCPU from its CPU; pauses nest", kOfVcpu},
        [](Clients& c, Cpu& cpu, const VerbCall& call) { c.scheduler.pause(cpu, vcpu_of(c, call)); }},
    ClientVerb{{"vcpu.unpause", VerbContext::kThread, TimerRole::kNone, "ends one pause of a vCPU", kOfVcpu},
               [](Clients& c, Cpu& cpu, const VerbCall& call) { c.scheduler.unpause(cpu, vcpu_of(c, call)); }},
    ClientVerb{{"vcpu.pin", VerbContext::kThread, TimerRole::kNone,
                "moves a vCPU to a CPU that cannot go off-line from then on, or unpins it", kPin},
               &pin},
    ClientVerb{{"vcpu.destroy", VerbContext::kThread, TimerRole::kNone, "ends a vCPU and kills its timers", kOfVcpu},
               &destroy},
    ClientVerb{{"vcpu.take_emulated", VerbContext::kThread, TimerRole::kNone,
                "gives the emulated timer of its guest to a vCPU", kOfVcpu},
               [](Clients& c, Cpu& cpu, const VerbCall& call) { c.emulated.give(cpu, vcpu_of(c, call)); }},
    ClientVerb{{"irq.bind", VerbContext::kThread, TimerRole::kNone, "binds a guest to an interrupt", kBind}, &bind},
    ClientVerb{
        {"irq.unbind", VerbContext::kThread, TimerRole::kNone, "takes a guest from an interrupt", kUnbind},
        [](Clients& c, Cpu& cpu, const VerbCall& call) { c.irqs.unbind(cpu, number(call, 0), number(call, 1)); }},
    ClientVerb{{"rcu.call",
                VerbContext::kThread,
                TimerRole::kNone,
                "queues an RCU callback on the CPU, for the RCU idle timer",
                {}},
               [](Clients& c, Cpu& cpu, const VerbCall&) { c.rcu_idle.call(cpu); }},
    ClientVerb{{"timers.dump", VerbContext::kThread, TimerRole::kNone, "prints the timer queues of all CPUs", {}},
               [](Clients& c, Cpu& cpu, const VerbCall&) { c.dump(cpu); }},
    ClientVerb{{"system.suspend", VerbContext::kControl, TimerRole::kNone,
                "takes all CPUs but CPU 0 off-line, sleeps, and resumes", kSuspend},
               &suspend},
};

std::optional<VcpuName> known(const ClientParameters& p, std::string_view name) {
    const std::optional<VcpuName> n = parse_vcpu_name(name);
    return n && n->guest < p.guests && n->vcpu < p.vcpus ? n : std::nullopt;
}

std::string vcpus_text(const ClientParameters& p, std::string_view timer) {
    if (p.guests == 0)
        return "no vCPU: kernel.guests is 0";
    return fmt::format("\"d0v0{0}\" to \"d{1}v{2}{0}\" (kernel.guests, kernel.vcpus)", timer, p.guests - 1,
                       p.vcpus - 1);
}

}  // namespace

std::span<const ClientVerb> client_verbs() { return kClientVerbs; }

const ClientVerb* find_client_verb(const VerbCall& call) {
    for (const ClientVerb& verb : kClientVerbs)
        if (verb.decl.name == call.verb->name)
            return &verb;
    return nullptr;
}

void perform_outside(Clients& clients, const VerbCall& call, const sim::TimerClient& names) {
    const ClientVerb& verb = *find_client_verb(call);
    if (verb.outside)
        return verb.outside(clients, call);
    const bool by_timer = verb.decl.parameters[0].type == ValueType::kTimer;
    const std::string_view name =
        by_timer ? names.timer_name(static_cast<sim::TimerIndex>(call.get<std::int64_t>(0))) : call.get<std::string>(0);
    clients.guests.ask(clients.guests.of(name.substr(0, name.find('.'))), call);
}

void perform_hypercall(Clients& clients, Cpu& cpu, Vcpu& v, const VerbCall& call) {
    find_client_verb(call)->hypercall(clients, cpu, v, call);
}

std::optional<sim::CallRefusal> refuse_client_call(const ClientParameters& p, const VerbCall& call,
                                                   std::string_view timer) {
    const ClientVerb* const own = find_client_verb(call);
    for (std::size_t i = 0; i < call.arguments.size(); ++i) {
        if (!call.has(i))
            continue;
        const ParameterDecl& parameter = call.verb->parameters[i];
        if (parameter.type == ValueType::kTimer) {
            const std::optional<VcpuName> name = known(p, timer);
            if (!own && name && name->timer)
                return sim::CallRefusal{i, "a timer of the scenario's own: this one is set by vcpu.* verbs"};
            if (own && (!name || name->timer != own->timer))
                return sim::CallRefusal{
                    i, vcpus_text(p, '.' + std::string(kVcpuTimerNames[static_cast<std::size_t>(*own->timer)]))};
        } else if (own && parameter.name == kVcpuParameter) {
            const std::optional<VcpuName> name = known(p, call.get<std::string>(i));
            if (!name || name->timer)
                return sim::CallRefusal{i, vcpus_text(p, "")};
        } else if (own && parameter.name == kIrq.name && p.guests == 0) {
            return sim::CallRefusal{i, "no guest interrupt: kernel.guests is 0"};
        } else if (own && parameter.name == kGuestParameter && number(call, i) >= p.guests) {
            return sim::CallRefusal{i, fmt::format("a guest below {} (kernel.guests)", p.guests)};
        }
    }
    return std::nullopt;
}

}  // namespace ticklab::xen
