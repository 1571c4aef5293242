// A scheduler small enough to move vCPUs (XT 12.4): one queue a CPU, round robin by slices, no balancing of its own.
//
// Rules
//  (1) Lock order: periodic lock of a vCPU, then schedule locks (of two the lower CPU number first), then timer
//      bases. A schedule lock is taken with interrupts off.
//  (2) schedule() is the schedule softirq: it alone decides what a CPU runs. Whoever makes a vCPU runnable on an
//      idle CPU raises that softirq.
//  (3) The slice timer belongs to its CPU: initialised before the CPU comes up, killed when it is dead; its callback
//      raises the schedule softirq and nothing else.
//  (4) A CPU that goes off-line takes no new vCPU from the moment of the veto; those it has move in stop-machine.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "ticklab/model/xen/client_timers.hpp"
#include "ticklab/model/xen/softirq.hpp"
#include "ticklab/model/xen/vcpu.hpp"
#include "ticklab/sim/hotplug_state.hpp"

namespace ticklab::xen {

/// What else happens when a CPU changes its vCPU; called on that CPU with no lock held.
struct SwitchHooks {
    std::function<void(sim::Cpu&, Vcpu&)> out;
    std::function<void(sim::Cpu&, Vcpu&)> in;
};

class Scheduler {
public:
    /// `slice` zero: a vCPU runs until it blocks. With no vCPUs to come (`present` false) it has no CPUs either.
    Scheduler(sim::Machine& machine, ClientTimers& timers, Softirqs& softirqs, const SystemTime& time, StimeSpan slice,
              bool present, const XenChanges& changes);

    void set_hooks(SwitchHooks hooks) { hooks_ = std::move(hooks); }
    /// Outside virtual time, before the first use.
    void add(Vcpu& v) { vcpus_.push_back(&v); }
    /// On a CPU that starts for the first time: its slice timer.
    void start(sim::Cpu& cpu);

    /// vCPU that runs on this CPU; null for none. For code on that CPU, and for observers.
    Vcpu* current(sim::CpuId cpu) const { return cpus_[cpu].current.peek(); }
    std::size_t queued(sim::CpuId cpu) const { return cpus_[cpu].queue.size(); }
    std::uint64_t switches(sim::CpuId cpu) const { return cpus_[cpu].switches; }

    /// Whether softirqs are pending on this CPU: the last question before user mode, with no window behind it. [point]
    bool must_stay(sim::Cpu& cpu) { return softirqs_.any_pending(cpu); }
    /// The schedule softirq's action.
    void schedule(sim::Cpu& cpu);
    /// Ends blocking, if it is blocked. Any context.
    void wake(sim::Cpu& cpu, Vcpu& v);
    /// Posts an event and wakes the vCPU. Any context.
    void post(sim::Cpu& cpu, Vcpu& v, std::uint32_t event);
    /// The current vCPU sleeps until wake(), unless an event of `mask` is pending; `poll` if it has a time limit. True
    /// if it sleeps.
    bool block(sim::Cpu& cpu, Vcpu& v, std::uint32_t mask, bool poll);
    void pause(sim::Cpu& cpu, Vcpu& v);
    void unpause(sim::Cpu& cpu, Vcpu& v);
    /// Lets it run on `target` alone, or anywhere if that is empty. False if that CPU is off-line or on its way there.
    bool pin(sim::Cpu& cpu, Vcpu& v, std::optional<sim::CpuId> target);
    /// It will not run any more: returns once it does not. Thread level.
    void retire(sim::Cpu& cpu, Vcpu& v);
    /// Runs `body` with the vCPU's schedule lock held.
    void with_lock(sim::Cpu& cpu, Vcpu& v, sim::FunctionRef<void()> body);
    /// Gives a vCPU that does not run to the CPU it belongs on, other than `except`.
    void place(sim::Cpu& cpu, Vcpu& v, sim::CpuId except = sim::kNoCpu);
    /// Gives a paused vCPU back to the CPU it was on before the system was suspended, if that is there.
    void return_home(sim::Cpu& cpu, Vcpu& v) {
        if (usable(v.home))
            move(cpu, v, v.home);
    }
    /// The time of a poll is over: wakes the vCPU if it still polls, and says so.
    bool end_poll(sim::Cpu& cpu, Vcpu& v);

    /// Between these, CPUs that go down keep their slice timers, and pins do not hold CPUs up.
    void set_suspending(bool on) { suspending_ = on; }
    std::vector<sim::HotplugState> hotplug_states();

private:
    struct PerCpuState {
        PerCpuState(sim::Machine& machine, sim::LockClass& lock_class, sim::CpuId id)
            : lock(machine, lock_class, "schedule " + std::to_string(id)), cpu(id) {}
        sim::SpinLock lock;
        sim::Shared<Vcpu*> current{nullptr};
        std::deque<Vcpu*> queue;
        Timer slice;
        Scheduler* scheduler = nullptr;
        const sim::CpuId cpu;
        bool leaving = false;
        std::uint64_t switches = 0;
    };

    PerCpuState& lock_of(sim::Cpu& cpu, Vcpu& v);
    Stime lock_then_sample(sim::Cpu& cpu, PerCpuState& s);
    Stime sample_then_lock(sim::Cpu& cpu, PerCpuState& s);
    void enqueue(sim::Cpu& cpu, PerCpuState& s, Vcpu& v, Stime now);
    void unblock(sim::Cpu& cpu, Vcpu& v);
    void stop_running(sim::Cpu& cpu, Vcpu& v, std::string_view why);
    void saved(sim::Cpu& cpu, Vcpu& v);
    void move(sim::Cpu& cpu, Vcpu& v, sim::CpuId target);
    sim::CpuId choose(const Vcpu& v, sim::CpuId except) const;
    bool usable(sim::CpuId c) const;
    void init_slice(sim::Cpu& cpu, sim::CpuId owner);
    bool prepare(sim::Cpu& on, sim::CpuId target);
    bool may_leave(sim::Cpu& on, sim::CpuId target);
    void leave(sim::Cpu& cpu);
    void dead(sim::Cpu& on, sim::CpuId victim);
    static void slice_over(sim::Cpu& cpu, void* argument);

    sim::Machine& machine_;
    ClientTimers& timers_;
    Softirqs& softirqs_;
    const SystemTime& time_;
    StimeSpan slice_;
    const XenChanges& changes_;
    SwitchHooks hooks_;
    std::deque<PerCpuState> cpus_;
    std::vector<Vcpu*> vcpus_;
    std::uint64_t none_ = 0;
    bool suspending_ = false;
};

}  // namespace ticklab::xen
