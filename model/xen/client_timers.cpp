#include "ticklab/model/xen/client_timers.hpp"

namespace ticklab::xen {

using sim::Cpu;
using sim::TimerRole;

static_assert(Timer::kNoNumber == sim::kNoTimer);

void ClientTimers::name(Timer& t, std::string_view name) {
    t.object = timers_.machine().intern(name);
    t.number = client_.timer_index(name);
}

template <class Body>
void ClientTimers::observed(Cpu& cpu, const Timer& t, TimerRole role, const sim::TimerPromise& promise, Body body) {
    if (t.number == Timer::kNoNumber)
        return body();
    const std::uint64_t operation = client_.timer_operation_begins(cpu, t.number, role, promise);
    body();
    client_.timer_operation_done(cpu, operation);
}

void ClientTimers::set_as(Cpu& cpu, Timer& t, Stime when, Stime asked) {
    observed(cpu, t, TimerRole::kArm, promise_(t, asked, cpu.local_time()), [&] { timers_.set(cpu, t, when); });
}

void ClientTimers::stop(Cpu& cpu, Timer& t) {
    observed(cpu, t, TimerRole::kCancel, {}, [&] { timers_.stop(cpu, t); });
}

void ClientTimers::migrate(Cpu& cpu, Timer& t, sim::CpuId new_cpu) {
    observed(cpu, t, TimerRole::kMove, {}, [&] { timers_.migrate(cpu, t, new_cpu); });
}

void ClientTimers::kill(Cpu& cpu, Timer& t) {
    observed(cpu, t, TimerRole::kSyncCancel, {}, [&] { timers_.kill(cpu, t); });
}

}  // namespace ticklab::xen
