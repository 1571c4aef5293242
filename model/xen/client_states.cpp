// Quantities of the timer core's clients that scenarios may expect.
#include <array>

#include "ticklab/model/xen/client_verbs.hpp"

namespace ticklab::xen {
namespace {

using sim::CpuId;

template <class Of>
struct Quantity {
    std::string_view name;
    std::int64_t (*read)(const Of& of);
};

template <std::uint64_t VcpuCounters::*Counter>
std::int64_t vcpu_counter(const Vcpu& v) {
    return static_cast<std::int64_t>(v.counters.*Counter);
}
template <std::uint64_t IrqCounters::*Counter>
std::int64_t irq_counter(const GuestIrqs::Descriptor& d) {
    return static_cast<std::int64_t>(d.counters.*Counter);
}

constexpr std::array kVcpuQuantities{
    Quantity<Vcpu>{"timer_events", vcpu_counter<&VcpuCounters::timer_events>},
    Quantity<Vcpu>{"coalesced", vcpu_counter<&VcpuCounters::coalesced>},
    Quantity<Vcpu>{"taken", vcpu_counter<&VcpuCounters::taken>},
    Quantity<Vcpu>{"periods_missed", vcpu_counter<&VcpuCounters::periods_missed>},
    Quantity<Vcpu>{"refused", vcpu_counter<&VcpuCounters::refused>},
    Quantity<Vcpu>{"odd_timeouts", vcpu_counter<&VcpuCounters::odd_timeouts>},
    Quantity<Vcpu>{"poll_timeouts", vcpu_counter<&VcpuCounters::poll_timeouts>},
    Quantity<Vcpu>{"switches", vcpu_counter<&VcpuCounters::switches>},
    Quantity<Vcpu>{"moves", vcpu_counter<&VcpuCounters::moves>},
    Quantity<Vcpu>{"last_timer_event", [](const Vcpu& v) { return ns(v.counters.last_timer_event); }},
    Quantity<Vcpu>{"cpu", [](const Vcpu& v) { return std::int64_t{v.processor.peek()}; }},
    Quantity<Vcpu>{"running", [](const Vcpu& v) { return std::int64_t{v.running.peek()}; }},
    Quantity<Vcpu>{"blocked", [](const Vcpu& v) { return std::int64_t{v.blocked}; }},
};

constexpr std::array kIrqQuantities{
    Quantity<GuestIrqs::Descriptor>{"delivered", irq_counter<&IrqCounters::delivered>},
    Quantity<GuestIrqs::Descriptor>{"guarded", irq_counter<&IrqCounters::guarded>},
    Quantity<GuestIrqs::Descriptor>{"ended", irq_counter<&IrqCounters::ended>},
    Quantity<GuestIrqs::Descriptor>{"forced", irq_counter<&IrqCounters::forced>},
    Quantity<GuestIrqs::Descriptor>{"open", [](const GuestIrqs::Descriptor& d) { return std::int64_t{!d.masked}; }},
    Quantity<GuestIrqs::Descriptor>{"in_flight",
                                    [](const GuestIrqs::Descriptor& d) { return std::int64_t{d.in_flight}; }},
};

constexpr std::array kClientStates{
    ClientState{"d*v*.timer_events", "timer events posted to a vCPU"},
    ClientState{"d*v*.coalesced", "of them, those that found the last one not taken yet"},
    ClientState{"d*v*.taken", "timer events that the guest took"},
    ClientState{"d*v*.periods_missed", "periods of its periodic timer that one event stood for, less that one"},
    ClientState{"d*v*.refused", "calls about a vCPU that were refused"},
    ClientState{"d*v*.odd_timeouts", "legacy timeouts that were not honoured"},
    ClientState{"d*v*.poll_timeouts", "polls that ended by their time"},
    ClientState{"d*v*.switches", "times that a vCPU was given a CPU"},
    ClientState{"d*v*.moves", "times that a vCPU was given to another CPU's queue"},
    ClientState{"d*v*.last_timer_event", "when the last timer event was posted, in ns since boot"},
    ClientState{"d*v*.cpu", "the CPU in whose queue a vCPU is"},
    ClientState{"d*v*.running", "1 while a vCPU has a CPU"},
    ClientState{"d*v*.blocked", "1 while a vCPU waits for an event"},
    ClientState{"irq*.delivered", "interrupts delivered to guests"},
    ClientState{"irq*.guarded", "times that the EOI timer was set"},
    ClientState{"irq*.ended", "times that guests opened the line again"},
    ClientState{"irq*.forced", "times that the EOI timer did"},
    ClientState{"irq*.open", "1 while the line is open at the controller"},
    ClientState{"irq*.in_flight", "guests that have the interrupt and have not ended it"},
    ClientState{"cpu*.sched.queued", "vCPUs that wait for a CPU"},
    ClientState{"cpu*.sched.switches", "times that a CPU changed its vCPU"},
    ClientState{"cpu*.rcu.queued", "RCU callbacks that wait for the RCU idle timer"},
    ClientState{"cpu*.rcu.runs", "runs of the RCU idle timer's callback"},
    ClientState{"system.calibrations", "runs of the periodic calibration"},
    ClientState{"system.suspends", "times that the system slept"},
};

template <class Of, std::size_t N>
std::optional<std::int64_t> read(const std::array<Quantity<Of>, N>& quantities, std::string_view name, const Of& of) {
    for (const Quantity<Of>& q : quantities)
        if (q.name == name)
            return q.read(of);
    return std::nullopt;
}

}  // namespace

std::span<const ClientState> client_states() { return kClientStates; }

std::optional<std::int64_t> Clients::state(std::string_view path) const {
    if (path == "system.calibrations")
        return static_cast<std::int64_t>(calibration.count());
    if (path == "system.suspends")
        return static_cast<std::int64_t>(suspends_);
    const std::size_t dot = path.find('.');
    if (dot == std::string_view::npos)
        return std::nullopt;
    std::string_view subject = path.substr(0, dot);
    const std::string_view name = path.substr(dot + 1);
    if (const std::optional<VcpuName> n = parse_vcpu_name(subject)) {
        const std::size_t i = std::size_t{n->guest} * parameters_.vcpus + n->vcpu;
        if (n->vcpu >= parameters_.vcpus || i >= guests.vcpus().size())
            return std::nullopt;
        return read(kVcpuQuantities, name, guests.vcpus()[i]);
    }
    const bool of_irq = subject.starts_with("irq");
    if (!of_irq && !subject.starts_with("cpu"))
        return std::nullopt;
    subject.remove_prefix(3);
    const std::optional<std::uint32_t> number = take_number(subject);
    if (!number || !subject.empty() || *number >= (of_irq ? kIrqCount : machine_.cpu_count()))
        return std::nullopt;
    if (!has_guests() && (of_irq || name.starts_with("sched.")))
        return std::nullopt;
    if (of_irq)
        return read(kIrqQuantities, name, irqs.descriptor(*number));
    if (name == "sched.queued")
        return static_cast<std::int64_t>(scheduler.queued(*number));
    if (name == "sched.switches")
        return static_cast<std::int64_t>(scheduler.switches(*number));
    if (name == "rcu.queued")
        return static_cast<std::int64_t>(rcu_idle.queued(*number));
    if (name == "rcu.runs")
        return static_cast<std::int64_t>(rcu_idle.runs(*number));
    return std::nullopt;
}

}  // namespace ticklab::xen
