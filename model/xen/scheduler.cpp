#include "ticklab/model/xen/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/client_records.hpp"
#include "ticklab/model/xen/client_sites.hpp"
#include "ticklab/model/xen/vectors.hpp"

namespace ticklab::xen {

using sim::Cpu;
using sim::CpuId;
using sim::Frame;

Scheduler::Scheduler(sim::Machine& machine, ClientTimers& timers, Softirqs& softirqs, const SystemTime& time,
                     StimeSpan slice, bool present, const XenChanges& changes)
    : machine_(machine), timers_(timers), softirqs_(softirqs), time_(time), slice_(slice), changes_(changes) {
    // Names are numbered in the order of their first mention, and a run without guests has none of these.
    if (!present)
        return;
    none_ = machine.intern("none");
    sim::LockClass& lock_class = machine.lock_class("schedule");
    for (CpuId c = 0; c < machine.cpu_count(); ++c) {
        PerCpuState& s = cpus_.emplace_back(machine, lock_class, c);
        s.scheduler = this;
        timers.name(s.slice, fmt::format("cpu{}.slice", c));
    }
    softirqs.set_handler(SoftirqNumber::kSchedule,
                         {[](void* self, Cpu& cpu) { static_cast<Scheduler*>(self)->schedule(cpu); }, this});
}

void Scheduler::init_slice(Cpu& cpu, CpuId owner) {
    PerCpuState& s = cpus_[owner];
    timers_.init(cpu, s.slice, &Scheduler::slice_over, &s, owner);
}

void Scheduler::start(Cpu& cpu) {
    if (!cpus_[cpu.id()].slice.initialised)
        init_slice(cpu, cpu.id());
}

void Scheduler::slice_over(Cpu& cpu, void* argument) {
    PerCpuState& s = *static_cast<PerCpuState*>(argument);
    s.scheduler->timers_.fired(cpu, s.slice);
    if (cpu.id() != s.cpu)
        cpu.fail(checks::kForeignSlice, fmt::format("the slice timer of CPU {} ran on CPU {}", s.cpu, cpu.id()));
    s.scheduler->softirqs_.raise_local(cpu, SoftirqNumber::kSchedule);
}

Scheduler::PerCpuState& Scheduler::lock_of(Cpu& cpu, Vcpu& v) {
    for (;;) {
        PerCpuState& s = cpus_[v.processor.read_once(cpu)];
        s.lock.acquire(cpu);
        if (v.processor.read_once(cpu) == s.cpu)
            return s;
        s.lock.release(cpu);
    }
}

void Scheduler::with_lock(Cpu& cpu, Vcpu& v, sim::FunctionRef<void()> body) {
    const sim::IrqGuard irqs_off(cpu);
    PerCpuState& s = lock_of(cpu, v);
    body();
    s.lock.release(cpu);
}

Stime Scheduler::lock_then_sample(Cpu& cpu, PerCpuState& s) {
    s.lock.acquire(cpu);
    return time_.now(cpu);
}

// Before XEN-38: the wait for the lock makes the sample old.
Stime Scheduler::sample_then_lock(Cpu& cpu, PerCpuState& s) {
    const Stime now = time_.now(cpu);
    s.lock.acquire(cpu);
    return now;
}

void Scheduler::enqueue(Cpu& cpu, PerCpuState& s, Vcpu& v, Stime now) {
    v.queued = true;
    v.runnable_since = now;
    s.queue.push_back(&v);
    cpu.record(kVcpuRunnableRecord, v.object, s.cpu);
    if (!s.current.peek())
        softirqs_.raise_on(cpu, s.cpu, SoftirqNumber::kSchedule);
}

void Scheduler::schedule(Cpu& cpu) {
    const Frame frame(cpu, "schedule");
    PerCpuState& s = cpus_[cpu.id()];
    cpu.at(sites::kScheduleBeforeLock);
    cpu.irq_disable();
    const Stime now = changes_.sample_under_lock ? lock_then_sample(cpu, s) : sample_then_lock(cpu, s);
    cpu.spend(timers_.core().prices().timer_op);
    timers_.stop(cpu, s.slice);
    Vcpu* const previous = s.current.peek();
    if (previous && previous->runnable() && (!previous->pin || *previous->pin == cpu.id()) && !s.leaving)
        enqueue(cpu, s, *previous, now);
    Vcpu* next = nullptr;
    if (!s.queue.empty() && !s.leaving) {
        next = s.queue.front();
        s.queue.pop_front();
        next->queued = false;
    }
    if (previous != next) {
        std::int64_t waited = 0;
        if (next) {
            waited = (now - next->runnable_since).count();
            if (waited < 0)
                cpu.fail(checks::kTimeBackwards,
                         fmt::format("{} was made runnable at {} ns, and CPU {} runs it at {} ns", next->name,
                                     ns(next->runnable_since), cpu.id(), ns(now)));
            next->running.write_once(cpu, true);
            ++next->counters.switches;
        }
        s.current.write_once(cpu, next);
        ++s.switches;
        cpu.record(kVcpuSwitchRecord, previous ? previous->object : none_, next ? next->object : none_, waited);
        cpu.spend(machine_.prices().thread_switch);
    }
    if (next && slice_ > StimeSpan::zero())
        timers_.set(cpu, s.slice, saturating_add(now, slice_));
    s.lock.release(cpu);
    cpu.irq_enable();
    if (previous == next)
        return;
    if (previous) {
        hooks_.out(cpu, *previous);
        saved(cpu, *previous);
    }
    if (next)
        hooks_.in(cpu, *next);
}

// Its context is saved: others may run it now, and it may have been woken, or given another CPU, in the meantime.
void Scheduler::saved(Cpu& cpu, Vcpu& v) {
    bool elsewhere = false;
    with_lock(cpu, v, [&] {
        PerCpuState& s = cpus_[cpu.id()];
        v.running.write_once(cpu, false);
        elsewhere = (v.pin && *v.pin != cpu.id()) || s.leaving;
        if (!elsewhere && v.runnable() && !v.queued)
            enqueue(cpu, s, v, time_.now(cpu));
    });
    if (elsewhere)
        place(cpu, v);
}

void Scheduler::unblock(Cpu& cpu, Vcpu& v) {
    cpu.at(sites::kWakeWithLock);
    v.blocked = false;
    v.polling = false;
    if (v.runnable() && !v.queued && !v.running.peek())
        enqueue(cpu, cpus_[v.processor.peek()], v, time_.now(cpu));
}

void Scheduler::wake(Cpu& cpu, Vcpu& v) {
    with_lock(cpu, v, [&] {
        if (v.blocked)
            unblock(cpu, v);
    });
}

bool Scheduler::end_poll(Cpu& cpu, Vcpu& v) {
    bool polled = false;
    with_lock(cpu, v, [&] {
        polled = v.polling;
        if (polled)
            unblock(cpu, v);
    });
    return polled;
}

void Scheduler::post(Cpu& cpu, Vcpu& v, std::uint32_t event) {
    const std::uint32_t bit = 1u << event;
    const bool coalesced = (v.pending.fetch_or(cpu, bit) & bit) != 0;
    const sim::RecordId record = cpu.record(kEventPostRecord, v.object, event, coalesced);
    if (!coalesced)
        v.posted_by[event] = record;
    if (event == kTimerEvent) {
        ++v.counters.timer_events;
        v.counters.coalesced += coalesced;
        v.counters.last_timer_event = time_.peek(cpu);
    }
    wake(cpu, v);
    // A guest that runs elsewhere notices when that CPU goes back to it.
    const CpuId processor = v.processor.read_once(cpu);
    if (processor != cpu.id() && cpus_[processor].current.peek() == &v)
        cpu.send_ipi(processor, kEventCheckVector);
}

void Scheduler::stop_running(Cpu& cpu, Vcpu& v, std::string_view why) {
    PerCpuState& s = cpus_[v.processor.peek()];
    if (v.queued) {
        std::erase(s.queue, &v);
        v.queued = false;
    }
    cpu.record(kVcpuStopRecord, v.object, machine_.intern(why));
    if (s.current.peek() == &v)
        softirqs_.raise_on(cpu, s.cpu, SoftirqNumber::kSchedule);
}

bool Scheduler::block(Cpu& cpu, Vcpu& v, std::uint32_t mask, bool poll) {
    bool asleep = false;
    with_lock(cpu, v, [&] {
        v.blocked = true;
        // After the store: who posts later sees it and wakes.
        asleep = (v.pending.load(cpu) & mask) == 0;
        v.polling = asleep && poll;
        if (asleep)
            stop_running(cpu, v, poll ? "poll" : "block");
        else
            v.blocked = false;
    });
    return asleep;
}

void Scheduler::pause(Cpu& cpu, Vcpu& v) {
    with_lock(cpu, v, [&] {
        if (v.pauses++ == 0)
            stop_running(cpu, v, "pause");
    });
}

void Scheduler::unpause(Cpu& cpu, Vcpu& v) {
    with_lock(cpu, v, [&] {
        if (v.pauses == 0 || --v.pauses != 0)
            return;
        if (v.runnable() && !v.queued && !v.running.peek())
            enqueue(cpu, cpus_[v.processor.peek()], v, time_.now(cpu));
    });
}

void Scheduler::retire(Cpu& cpu, Vcpu& v) {
    const Frame frame(cpu, "vCPU retire");
    with_lock(cpu, v, [&] {
        v.destroyed = true;
        stop_running(cpu, v, "destroy");
    });
    // On this CPU nobody else would switch it out.
    softirqs_.run(cpu);
    sim::spin_until(
        cpu, v.running.line(), [&] { return !v.running.peek(); }, &machine_.cpu(v.processor.peek()));
}

bool Scheduler::usable(CpuId c) const { return machine_.cpu(c).online() && !cpus_[c].leaving; }

CpuId Scheduler::choose(const Vcpu& v, CpuId except) const {
    if (v.pin && *v.pin != except && usable(*v.pin))
        return *v.pin;
    CpuId best = sim::kNoCpu;
    std::size_t least = 0;
    for (CpuId c = 0; c < cpus_.size(); ++c) {
        if (c == except || !usable(c))
            continue;
        const std::size_t load = cpus_[c].queue.size() + (cpus_[c].current.peek() != nullptr);
        if (best == sim::kNoCpu || load < least) {
            best = c;
            least = load;
        }
    }
    return best;
}

void Scheduler::place(Cpu& cpu, Vcpu& v, CpuId except) {
    const CpuId target = choose(v, except);
    cpu.require(target != sim::kNoCpu, "no CPU is left for a vCPU");
    move(cpu, v, target);
}

void Scheduler::move(Cpu& cpu, Vcpu& v, CpuId target) {
    const Frame frame(cpu, "vCPU move");
    const sim::IrqGuard irqs_off(cpu);
    PerCpuState& to = cpus_[target];
    for (;;) {
        const CpuId old = v.processor.read_once(cpu);
        if (old == target)
            return;
        PerCpuState& from = cpus_[old];
        PerCpuState& first = old < target ? from : to;
        PerCpuState& second = old < target ? to : from;
        first.lock.acquire(cpu);
        second.lock.acquire_nested(cpu, 1);
        const bool found = v.processor.read_once(cpu) == old;
        if (found && !v.running.peek()) {
            if (v.queued) {
                std::erase(from.queue, &v);
                v.queued = false;
            }
            v.processor.write_once(cpu, target);
            ++v.counters.moves;
            cpu.record(kVcpuMoveRecord, v.object, old, target);
            if (v.runnable())
                enqueue(cpu, to, v, time_.now(cpu));
        }
        second.lock.release(cpu);
        first.lock.release(cpu);
        // One that runs is moved by the CPU that runs it, once its context is saved.
        if (found)
            return;
    }
}

bool Scheduler::pin(Cpu& cpu, Vcpu& v, std::optional<CpuId> target) {
    bool accepted = false;
    bool here = false;
    with_lock(cpu, v, [&] {
        accepted = !target || usable(*target);
        if (!accepted)
            return;
        v.pin = target;
        const CpuId processor = v.processor.peek();
        here = target && *target != processor;
        if (here && v.running.peek()) {
            here = false;
            softirqs_.raise_on(cpu, processor, SoftirqNumber::kSchedule);
        }
    });
    if (here)
        place(cpu, v);
    return accepted;
}

bool Scheduler::prepare(Cpu& on, CpuId target) {
    Timer& slice = cpus_[target].slice;
    if (!slice.initialised || slice.status == TimerStatus::kKilled)
        init_slice(on, target);
    else if (changes_.return_timers)
        timers_.migrate(on, slice, target);
    return true;
}

bool Scheduler::may_leave(Cpu& on, CpuId target) {
    const sim::IrqGuard irqs_off(on);
    PerCpuState& s = cpus_[target];
    s.lock.acquire(on);
    const bool held = !suspending_ && std::any_of(vcpus_.begin(), vcpus_.end(), [target](const Vcpu* v) {
        return v->pin == target && !v->destroyed;
    });
    s.leaving = !held;
    s.lock.release(on);
    return !held;
}

// In stop-machine on the victim, which runs none of its vCPUs any more.
void Scheduler::leave(Cpu& cpu) {
    const Frame frame(cpu, "scheduler disable");
    PerCpuState& s = cpus_[cpu.id()];
    timers_.stop(cpu, s.slice);
    if (Vcpu* const v = s.current.peek()) {
        s.current.write_once(cpu, nullptr);
        hooks_.out(cpu, *v);
        v->running.write_once(cpu, false);
    }
    for (Vcpu* const v : vcpus_)
        if (v->processor.peek() == cpu.id())
            place(cpu, *v, cpu.id());
}

void Scheduler::dead(Cpu& on, CpuId victim) {
    if (!suspending_)
        timers_.kill(on, cpus_[victim].slice);
}

std::vector<sim::HotplugState> Scheduler::hotplug_states() {
    using sim::HotplugSection;
    return {{"xen/sched:prepare", HotplugSection::kPrepare,
             [this](Cpu& on, Cpu& target) { return prepare(on, target.id()); },
             [this](Cpu& on, Cpu& target) {
                 dead(on, target.id());
                 return true;
             }},
            {"xen/sched:disable",
             HotplugSection::kStarting,
             {},
             [this](Cpu& on, Cpu&) {
                 leave(on);
                 return true;
             }},
            {"xen/sched:active", HotplugSection::kOnline,
             [this](Cpu& on, Cpu& target) {
                 const sim::IrqGuard irqs_off(on);
                 PerCpuState& s = cpus_[target.id()];
                 s.lock.acquire(on);
                 s.leaving = false;
                 s.lock.release(on);
                 softirqs_.raise_on(on, target.id(), SoftirqNumber::kSchedule);
                 return true;
             },
             [this](Cpu& on, Cpu& target) { return may_leave(on, target.id()); }}};
}

}  // namespace ticklab::xen
