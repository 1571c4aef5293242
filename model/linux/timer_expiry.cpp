// The TIMER softirq: collecting what is due and running it (LTW 9, 10).
#include <fmt/format.h>

#include "ticklab/model/linux/checks.hpp"
#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/sites.hpp"
#include "ticklab/model/linux/timer_wheel.hpp"

namespace ticklab::linux_ {

using sim::Cause;
using sim::Cpu;
using sim::Frame;

void TimerWheel::tick(Cpu& cpu) {
    for (std::size_t i = 0; i < kBasesPerCpu; ++i) {
        const auto index = static_cast<BaseIndex>(i);
        if (unused(index))
            continue;
        // Without the lock: at worst the softirq finds nothing, or a timer that another CPU queues here waits a tick.
        const Jiffies next{base(cpu.id(), index).next_expiry.read_once(cpu)};
        if (next <= time_.jiffies(cpu) || (index == BaseIndex::kDeferrable && migration_->requires_remote(cpu))) {
            softirqs_.raise(cpu, SoftirqNumber::kTimer);
            return;
        }
    }
}

void TimerWheel::softirq_action(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    for (std::size_t i = 0; i < kBasesPerCpu; ++i)
        if (!unused(static_cast<BaseIndex>(i)))
            run_base(cpu, base(cpu.id(), static_cast<BaseIndex>(i)));
    if (nohz_active_)
        migration_->handle_remote(cpu);
}

void TimerWheel::run_base(Cpu& cpu, TimerBase& base) {
    const Jiffies next{base.next_expiry.read_once(cpu)};
    if (time_.jiffies(cpu) < next)
        return;
    const Frame frame(cpu, "run timers");
    cpu.irq_disable();
    base.lock.acquire(cpu);
    // Another CPU executes this base already, the owner or one that pulls (LTW 9.6).
    if (form_.unguarded_runs || !base.running.peek()) {
        while (base.locked(cpu).due(time_.jiffies(cpu))) {
            const bool expected = !base.wheel.recalc() && base.wheel.timers_pending();
            const unsigned lists = base.wheel.collect();
            const Jiffies collected_at = base.wheel.clk() - 1;
            cpu.require(lists != 0 || !expected, "a base promised a timer and had none");
            cpu.spend(prices_.wheel_level.cycles * (lists + base.wheel.recalculate()));
            for (unsigned i = lists; i-- > 0;)
                run_list(cpu, base, base.wheel.collected(i), collected_at);
        }
    }
    unlock(cpu, base);
    cpu.irq_enable();
}

void TimerWheel::run_list(Cpu& cpu, TimerBase& base, TimerList& list, Jiffies collected_at) {
    while (!list.empty())
        run_timer(cpu, base, list.front(), collected_at);
}

void TimerWheel::run_timer(Cpu& cpu, TimerBase& base, Timer& t, Jiffies collected_at) {
    if (base.running.peek())
        fail(cpu, checks::kTwoRunners, t,
             fmt::format("CPU {} runs it, and CPU {} runs another timer", cpu.id(), base.runner));
    base.running.write_once(cpu, &t);
    base.runner = cpu.id();
    base.counters.pushed_asleep += t.pushed && base.is_idle.peek();
    t.pushed = false;
    detach(cpu, base, t, true);
    ++base.counters.expired;
    base.counters.expired_remotely += base.cpu != cpu.id();
    const TimerFunction function = t.function;
    void* const argument = t.argument;
    const std::uint64_t object = t.object;
    const std::uint64_t function_name = t.function_name;
    const Cause armed_by = t.armed_by;
    const bool irq_safe = t.has(timer_flags::kIrqSafe);
    cpu.require(function, "a pending timer has no callback");
    unlock(cpu, base);
    if (!irq_safe)
        cpu.irq_enable();
    cpu.at(sites::kExpireBeforeCallback);

    // From here on `t` may be deleted, freed or queued elsewhere.
    const std::uint64_t root = sim::mix(armed_by.root, object + 3);
    const Cause outer = cpu.set_cause(armed_by);
    const sim::RecordId entry = cpu.record_waited(last_exit_of(cpu), kTimerExpireEntryRecord, object, function_name,
                                                  time_.peek_jiffies().count(), collected_at.count());
    (void)cpu.set_cause({entry, root});
    cpu.choice_context().begin(root);
    {
        const Frame frame(cpu, "timer callback");
        cpu.spend(prices_.callback_call);
        const sim::CodeScope code(cpu, sim::Code::kOther);
        function(cpu, t, argument);
    }
    set_last_exit(cpu, cpu.record(kTimerExpireExitRecord, object));
    (void)cpu.set_cause(outer);
    cpu.choice_context().begin(sim::mix(outer.root, object));
    cpu.require(cpu.irqs_enabled() == !irq_safe, "a timer callback returned in another interrupt state");
    cpu.at(sites::kExpireAfterCallback);

    cpu.irq_disable();
    base.lock.acquire(cpu);
    base.running.write_once(cpu, nullptr);
    base.runner = sim::kNoCpu;
}

}  // namespace ticklab::linux_
