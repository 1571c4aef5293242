// What uses the timer core: the scheduler, guests with their timers and interrupts, the hypervisor's own timers,
// suspend (XT 12). One object a run, in the order in which they depend on each other.
//
// Rules
//  (1) A kernel without guests and without own timers behaves as if none of this were there.
//  (2) The objects here outlive the bases, whose lists link their timers.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ticklab/model/xen/emulated_timers.hpp"
#include "ticklab/model/xen/guests.hpp"
#include "ticklab/model/xen/own_timers.hpp"

namespace ticklab::xen {

struct ClientParameters {
    std::uint32_t guests = 0;
    std::uint32_t vcpus = 1;
    GuestIdle guest_idle = GuestIdle::kBlock;
    StimeSpan slice{30'000'000};
    StimeSpan calibration{};
    StimeSpan rcu_idle{};
};

class Clients {
public:
    Clients(sim::Machine& machine, Timers& timers, Softirqs& softirqs, const SystemTime& time,
            const Reprogrammer& reprogrammer, sim::TimerClient& client, ClientTimers::Promise promise,
            const ClientParameters& parameters);

    /// On each CPU that starts, interrupts off.
    void start(sim::Cpu& cpu);
    /// On the way out of the hypervisor: softirqs and hypercalls until nothing is left. Thread level.
    void leave_hypervisor(sim::Cpu& cpu);
    /// Runs the vCPU of this CPU; false if there is none.
    bool run_guest(sim::Cpu& cpu);
    /// Takes the system down for that long: all other CPUs off-line, timers frozen. In a thread of CPU 0 that may
    /// sleep.
    void suspend(sim::Cpu& cpu, sim::Duration length);
    /// Prints the timer queues of all CPUs, as a key of the console does. Thread level.
    void dump(sim::Cpu& cpu);
    /// Adds their states to a table in ascending order.
    void add_hotplug_states(std::vector<sim::HotplugState>& states);
    /// Value of a client state; none if the path names nothing that exists.
    std::optional<std::int64_t> state(std::string_view path) const;

    ClientTimers timers;
    Scheduler scheduler;
    VcpuTimers vcpu_timers;
    GuestIrqs irqs;
    Guests guests;
    EmulatedTimers emulated;
    Calibration calibration;
    RcuIdle rcu_idle;

private:
    void program_again(sim::Cpu& cpu);
    void restore_count(sim::Cpu& cpu, std::uint64_t count, Stime armed_for);
    void dump_queues(sim::Cpu& cpu, bool with_softirqs);
    bool has_guests() const { return parameters_.guests != 0; }

    sim::Machine& machine_;
    /// By the suspend under way: not on its stack, which a verdict abandons (MA 1.4).
    std::vector<sim::CpuId> taken_down_;
    Timers& core_;
    Softirqs& softirqs_;
    const Reprogrammer& reprogrammer_;
    ClientParameters parameters_;
    std::uint64_t suspends_ = 0;
};

}  // namespace ticklab::xen
