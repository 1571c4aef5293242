// The core's operations as the hypervisor's own clients call them: those on a timer that the scenario mentions by name
// are told to the owner of the scenario's timers, so that its promises are kept for guests' timers too.
#pragma once

#include <functional>
#include <string_view>

#include "ticklab/model/xen/timers.hpp"
#include "ticklab/sim/kernel.hpp"

namespace ticklab::xen {

class ClientTimers {
public:
    /// What is promised for a timer that is set now (Kernel::promise).
    using Promise = std::function<sim::TimerPromise(const Timer& t, Stime when, sim::Time now)>;

    ClientTimers(Timers& timers, sim::TimerClient& client, Promise promise)
        : timers_(timers), client_(client), promise_(std::move(promise)) {}

    /// Gives a timer its name, before its first use; outside virtual time.
    void name(Timer& t, std::string_view name);

    /// As in Timers.
    void init(sim::Cpu& cpu, Timer& t, TimerFunction fn, void* argument, sim::CpuId owner) {
        timers_.init(cpu, t, fn, argument, owner);
    }
    void set(sim::Cpu& cpu, Timer& t, Stime when) { set_as(cpu, t, when, when); }
    /// set() for `when` where `asked` is what the client is entitled to.
    void set_as(sim::Cpu& cpu, Timer& t, Stime when, Stime asked);
    void stop(sim::Cpu& cpu, Timer& t);
    void migrate(sim::Cpu& cpu, Timer& t, sim::CpuId new_cpu);
    void kill(sim::Cpu& cpu, Timer& t);
    /// First thing in a callback.
    void fired(sim::Cpu& cpu, Timer& t) {
        if (t.number != Timer::kNoNumber)
            client_.timer_fired(cpu, t.number);
    }
    Timers& core() { return timers_; }

private:
    template <class Body>
    void observed(sim::Cpu& cpu, const Timer& t, sim::TimerRole role, const sim::TimerPromise& promise, Body body);

    Timers& timers_;
    sim::TimerClient& client_;
    Promise promise_;
};

}  // namespace ticklab::xen
