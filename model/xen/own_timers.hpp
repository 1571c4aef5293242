// The hypervisor's own timers: periodic calibration (XT 12.5) and the RCU idle timer, whose wake-up path must not
// swallow its own expiry (XT 5.6, XT-F7).
#pragma once

#include <deque>

#include "ticklab/model/xen/client_timers.hpp"

namespace ticklab::xen {

/// Re-arms itself on CPU 0 every period. Suspend stops it, resume sets it again.
class Calibration {
public:
    /// Period zero: there is none.
    Calibration(ClientTimers& timers, const SystemTime& time, StimeSpan period, const XenChanges& changes);
    /// On CPU 0 at boot.
    void start(sim::Cpu& cpu);
    /// On CPU 0, thread level.
    void suspend(sim::Cpu& cpu);
    void resume(sim::Cpu& cpu);
    std::uint64_t count() const { return count_; }

private:
    static void run(sim::Cpu& cpu, void* self);
    void kill_for_suspend(sim::Cpu& cpu);

    ClientTimers& timers_;
    const SystemTime& time_;
    StimeSpan period_;
    const XenChanges& changes_;
    Timer timer_;
    std::uint64_t count_ = 0;
};

/// A CPU that goes idle with RCU callbacks queued sets a timer, so that they run although it sleeps; coming out of idle
/// it stops the timer.
class RcuIdle {
public:
    RcuIdle(sim::Machine& machine, ClientTimers& timers, const SystemTime& time, StimeSpan period,
            const XenChanges& changes);
    /// On a CPU that starts for the first time.
    void start(sim::Cpu& cpu);
    /// Queues a callback on this CPU. Thread level.
    void call(sim::Cpu& cpu) { ++cpus_[cpu.id()].queued; }
    /// About to go idle, interrupts on. True if the timer was set: its softirq is pending.
    bool idle_enter(sim::Cpu& cpu);
    /// Out of idle, before the softirqs.
    void idle_exit(sim::Cpu& cpu);
    std::uint64_t queued(sim::CpuId cpu) const { return cpus_[cpu].queued; }
    std::uint64_t runs(sim::CpuId cpu) const { return cpus_[cpu].runs; }

private:
    struct PerCpuState {
        RcuIdle* owner = nullptr;
        Timer timer;
        bool armed = false;
        std::uint64_t queued = 0;
        std::uint64_t runs = 0;
    };
    static void run(sim::Cpu& cpu, void* state);
    void stop_unless_due(sim::Cpu& cpu, Timer& t);
    void stop_anyway(sim::Cpu& cpu, Timer& t);

    ClientTimers& timers_;
    const SystemTime& time_;
    StimeSpan period_;
    const XenChanges& changes_;
    std::deque<PerCpuState> cpus_;
};

}  // namespace ticklab::xen
