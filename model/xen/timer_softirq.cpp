// The timer softirq's action (XT 6), growth of the heap (XT 1.4) and the interrupt (XT 8.3).
#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/xen/cause_scope.hpp"
#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/records.hpp"
#include "ticklab/model/xen/sites.hpp"
#include "ticklab/model/xen/timers.hpp"

namespace ticklab::xen {

using sim::Cause;
using sim::Cpu;
using sim::Frame;

namespace {

struct Callback {
    TimerFunction fn;
    void* argument;
    friend bool operator==(const Callback&, const Callback&) = default;
};

// As in 2003, when the lock was dropped first.
Callback callback_read_late(const Timer& t) { return {t.fn, t.argument}; }

}  // namespace

void Timers::timer_interrupt(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    TimerBase& base = bases_[cpu.id()];
    ++base.counters.timer_interrupts;
    if (time_.peek(cpu) < base.deadline_start.peek())
        ++base.counters.early_interrupts;
    raise(cpu, cpu.id());
    base.armed_for = kNoDeadline;
}

void Timers::softirq_action(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "timer softirq");
    TimerBase& base = bases_[cpu.id()];
    if (base.in_pass)
        cpu.fail(checks::kNestedSoftirq, fmt::format("CPU {}", base.cpu));
    cpu.at(sites::kSoftirqEntry);
    const VariantPolicy& policy = *parameters_.policy;
    if (policy.wants_growth(cpu, base))
        grow_heap(cpu, base);

    cpu.irq_disable();
    lock(cpu, base);
    base.in_pass = true;
    Pass pass{*this, cpu, base, time_.now(cpu), 0, {}};
    for (const auto step : policy.steps)
        step(pass);
    const Deadline deadline = policy.compute_deadline(pass);
    publish(pass, deadline);
    program(pass, deadline);

    TimerCounters& counters = base.counters;
    ++counters.passes;
    counters.passes_empty += pass.executed == 0;
    counters.callbacks_max = std::max(counters.callbacks_max, pass.executed);
    base.in_pass = false;
    unlock(cpu, base);
    cpu.irq_enable();
}

void Timers::publish(Pass& pass, const Deadline& deadline) {
    TimerBase& base = pass.base;
    base.published_start = deadline.start;
    base.published_end = deadline.end;
    base.deadline_start.write_once(pass.cpu, deadline.start);
    base.deadline_end.write_once(pass.cpu, deadline.end);
}

void Timers::program(Pass& pass, const Deadline& deadline) {
    Cpu& cpu = pass.cpu;
    const Cause outer = cpu.cause();
    const sim::RecordId by = deadline.cause.record ? deadline.cause.record : outer.record;
    const std::uint64_t root = sim::mix(deadline.cause.record ? deadline.cause.root : outer.root, 2);
    Cause cause{cpu.record_caused(by, kDeadlineRecord, deadline.size, ns(deadline.start), ns(deadline.end)), root};
    pass.base.deadline_cause = cause;
    const CauseScope scope(cpu, cause);
    const Reprogrammed done = reprogrammer_.reprogram(cpu, deadline.hardware);
    cpu.record(kReprogramRecord, ns(deadline.hardware), done.value, done.ok);
    ++pass.base.counters.reprograms;
    pass.base.armed_for = done.ok ? deadline.hardware : kNoDeadline;
    if (!done.ok) {
        ++pass.base.counters.reprogram_failures;
        raise(cpu, cpu.id());
    }
}

void Timers::execute(Pass& pass, Timer& t) {
    Cpu& cpu = pass.cpu;
    TimerBase& base = pass.base;
    if (++pass.executed > parameters_.pass_budget)
        fail(cpu, checks::kEndlessPass, t, "one callback more than the budget of a pass");
    const Callback at_expiry{t.fn, t.argument};
    const std::uint64_t object = t.object;
    const Stime expires = t.expires;
    const Cause armed_by = t.armed_by;
    link_inactive(cpu, base, t);
    cpu.record(kTimerDeactivateRecord, object, base.cpu, true);
    base.running.write_once(cpu, &t);
    unlock(cpu, base);
    cpu.irq_enable();
    cpu.at(sites::kExecuteBeforeCallback);
    const Callback call = parameters_.changes.callback_copied ? at_expiry : callback_read_late(t);
    if (call != at_expiry)
        cpu.fail(checks::kWrongCallback,
                 fmt::format("timer {} was initialised anew meanwhile", machine_.records().name(object)));

    // From here on `t` may be killed, freed or set elsewhere.
    // Unsigned: a time before boot lies as far back as 64 bits go (XT-D7).
    const std::int64_t now_ns = ns(time_.peek(cpu));
    const bool early = now_ns < ns(expires);
    base.counters.early_callbacks += early;
    base.counters.lateness_ns.add(early ? 0
                                        : static_cast<std::uint64_t>(now_ns) - static_cast<std::uint64_t>(ns(expires)));
    ++base.counters.callbacks;
    {
        const std::uint64_t root = sim::mix(armed_by.root, object + 3);
        const Cause outer = cpu.set_cause(armed_by);
        const sim::RecordId entry = cpu.record_waited(pass.last_exit, kTimerExpireEntryRecord, object, ns(expires));
        (void)cpu.set_cause({entry, root});
        cpu.choice_context().begin(root);
        const Frame frame(cpu, "timer callback");
        cpu.spend(prices_.callback_call);
        {
            const sim::CodeScope code(cpu, sim::Code::kOther);
            call.fn(cpu, call.argument);
        }
        pass.last_exit = cpu.record(kTimerExpireExitRecord, object);
        (void)cpu.set_cause(outer);
        cpu.choice_context().begin(sim::mix(outer.root, pass.executed));
    }
    cpu.require(cpu.irqs_enabled(), "a timer callback returned with interrupts disabled");
    cpu.at(sites::kExecuteAfterCallback);

    cpu.irq_disable();
    lock(cpu, base);
    base.running.write_once(cpu, nullptr);
}

// As before October 2008: under the lock, with interrupts off, where the allocator must not be used (XT-F2).
void Timers::allocate_in_insertion(Cpu& cpu, TimerBase& base) {
    const std::uint32_t wanted = (base.heap.limit() + 1) * parameters_.heap_growth_factor - 1;
    (void)machine_.arena().allocate(cpu, TimerHeap::bytes_for(wanted), sites::kHeapGrow);
}

void Timers::grow_heap(Cpu& cpu, TimerBase& base) {
    const std::uint32_t old_limit = base.heap.limit();
    const std::uint32_t wanted = (old_limit + 1) * parameters_.heap_growth_factor - 1;
    if (wanted > parameters_.heap_limit_max && parameters_.changes.heap_limit_respected) {
        if (!base.limit_noted)
            cpu.record(kHeapLimitRecord, old_limit);
        base.limit_noted = true;
        return;
    }
    // Without that the limit is cut to its field, and the array allocated in full: at the largest limit each overflow
    // pays for a new array of no more use (XT-F9).
    const std::uint32_t limit = std::min(wanted, parameters_.heap_limit_max);
    const std::size_t bytes = TimerHeap::bytes_for(wanted);
    cpu.spend(prices_.memory_allocate);
    void* const memory = machine_.arena().allocate(cpu, bytes, sites::kHeapGrow);
    if (!memory) {
        ++base.counters.growth_failures;
        cpu.record(kHeapGrowthFailedRecord, wanted, bytes);
        return;
    }
    cpu.at(sites::kHeapGrowBeforeLock);
    cpu.irq_disable();
    lock(cpu, base);
    spend_times(cpu, prices_.heap_copy_slot, old_limit + 1);
    void* const old = base.heap.replace(memory, limit);
    ++base.counters.growths;
    cpu.record(kHeapGrowthRecord, old_limit, limit, bytes);
    unlock(cpu, base);
    cpu.irq_enable();
    if (old)
        machine_.arena().free(cpu, old);
}

}  // namespace ticklab::xen
