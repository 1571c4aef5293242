// The timers of a vCPU: single-shot, periodic, poll (XT 12.2 - 12.4).
//
// Rules
//  (1) set_singleshot, set_legacy and poll are hypercalls of the vCPU that runs on the calling CPU: that CPU
//      becomes the timer's owner.
//  (2) migrate-then-set is not atomic (XT 5.4): between them the old expiry is live on the new CPU.
//  (3) A vCPU that has no CPU gets no periodic events; at switch-in at most one stands for all that were missed.
#pragma once

#include "ticklab/model/xen/scheduler.hpp"

namespace ticklab::xen {

class VcpuTimers {
public:
    VcpuTimers(sim::Machine& machine, ClientTimers& timers, Scheduler& scheduler, const SystemTime& time,
               const XenChanges& changes)
        : machine_(machine), timers_(timers), scheduler_(scheduler), time_(time), changes_(changes) {}

    /// Least period that is accepted (XT 12.3).
    static constexpr StimeSpan kMinPeriod{1'000'000};
    /// Further than this from now a legacy timeout is not honoured (XT 12.2); and the time that is taken for it.
    static constexpr StimeSpan kLegacyHorizon{std::int64_t{1} << 50};
    static constexpr StimeSpan kLegacyFallback{100'000'000};

    /// The three timers of a new vCPU, on the CPU that it is for.
    void init(sim::Cpu& cpu, Vcpu& v, sim::CpuId owner);
    /// `future`: refuse an instant that has passed (ETIME). False if it did.
    bool set_singleshot(sim::Cpu& cpu, Vcpu& v, Stime when, bool future);
    void stop_singleshot(sim::Cpu& cpu, Vcpu& v);
    /// The call of older guests: 0 stops; negative and very late instants are odd.
    void set_legacy(sim::Cpu& cpu, Vcpu& v, std::int64_t timeout);
    /// Zero stops it. False if the period is refused.
    bool set_period(sim::Cpu& cpu, Vcpu& v, std::int64_t period);
    /// Sleeps until an event of `mask` or `until`.
    void poll(sim::Cpu& cpu, Vcpu& v, Stime until, std::uint32_t mask);
    /// The vCPU goes on after a poll.
    void poll_over(sim::Cpu& cpu, Vcpu& v);
    /// Ends the timers of a vCPU that has been retired. Thread level.
    void kill(sim::Cpu& cpu, Vcpu& v);

    void switched_out(sim::Cpu& cpu, Vcpu& v);
    void switched_in(sim::Cpu& cpu, Vcpu& v) { periodic_work(cpu, v); }

private:
    struct Fired {
        VcpuTimers* timers;
        Vcpu* vcpu;
    };
    void periodic_work(sim::Cpu& cpu, Vcpu& v);
    Stime far_timeout(sim::Cpu& cpu, Vcpu& v, Stime now);
    void kill_poll_under_lock(sim::Cpu& cpu, Vcpu& v);
    static StimeSpan longest_period() { return StimeSpan{std::int64_t{1} << 60}; }

    sim::Machine& machine_;
    ClientTimers& timers_;
    Scheduler& scheduler_;
    const SystemTime& time_;
    const XenChanges& changes_;
    std::deque<Fired> fired_;
};

}  // namespace ticklab::xen
