// The guests: what their vCPUs do when they have a CPU (XT 12).
//
// Rules
//  (1) What a scenario asks of a guest goes into the program of the vCPU, which performs it when it runs next, as
//      hypercalls on the CPU where it is then: that wakes it if it is blocked.
//  (2) A vCPU with nothing to do blocks, or spins, as the option says.
//  (3) Timer events are taken as soon as the guest runs. Interrupts are handled by those guests that are bound with a
//      handler's time, after that much computing; the others leave them pending until the scenario says irq.eoi.
#pragma once

#include <deque>

#include "ticklab/model/xen/guest_irqs.hpp"
#include "ticklab/model/xen/vcpu_timers.hpp"

namespace ticklab::xen {

enum class GuestIdle : std::uint8_t { kBlock, kSpin };
inline constexpr std::array<std::string_view, 2> kGuestIdles{"block", "spin"};

class Guests {
public:
    /// Performs one call of a guest's program on the CPU where its vCPU runs. Thread level.
    using Hypercall = std::function<void(sim::Cpu&, Vcpu&, const sim::VerbCall&)>;

    Guests(sim::Machine& machine, ClientTimers& timers, Scheduler& scheduler, VcpuTimers& vcpu_timers, GuestIrqs& irqs,
           std::uint32_t guests, std::uint32_t vcpus, GuestIdle idle);

    void set_hypercall(Hypercall hypercall) { hypercall_ = std::move(hypercall); }
    /// On a CPU that starts: the timers of the vCPUs that begin there, which then run.
    void start(sim::Cpu& cpu);
    /// Adds to the program of a vCPU, from outside the CPUs.
    void ask(Vcpu& v, const sim::VerbCall& call);
    /// Performs what the vCPU that runs here has in its program. True if there was something: softirqs may be pending.
    bool perform_program(sim::Cpu& cpu);
    /// One pass of the vCPU that runs here; it may end in user mode.
    void run(sim::Cpu& cpu, Vcpu& v);

    /// Null if there is none of that number.
    Vcpu* find(std::uint32_t guest, std::uint32_t vcpu);
    Vcpu& of(std::string_view name);
    std::deque<Vcpu>& vcpus() { return vcpus_; }
    const std::deque<Vcpu>& vcpus() const { return vcpus_; }
    /// Starts computing of that length.
    static void compute(Vcpu& v, sim::Duration length) { v.work_left = length; }
    /// Events that keep a vCPU from blocking: those that its guest will take by itself.
    std::uint32_t wakeful_events(const Vcpu& v) const;

private:
    void take_events(sim::Cpu& cpu, Vcpu& v);
    bool find_work(Vcpu& v);

    sim::Machine& machine_;
    Scheduler& scheduler_;
    VcpuTimers& vcpu_timers_;
    GuestIrqs& irqs_;
    GuestIdle idle_;
    std::uint32_t vcpus_a_guest_;
    std::deque<Vcpu> vcpus_;
    Hypercall hypercall_;
};

}  // namespace ticklab::xen
