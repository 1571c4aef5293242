#include "ticklab/model/xen/softirq.hpp"

#include <fmt/format.h>

#include <bit>

#include "ticklab/model/xen/cause_scope.hpp"
#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/records.hpp"
#include "ticklab/model/xen/vectors.hpp"
#include "ticklab/sim/choices.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::xen {

Softirqs::Softirqs(sim::Machine& machine, std::uint64_t run_budget)
    : state_(machine.cpu_count()), dispatch_price_(machine.price("softirq_dispatch")), run_budget_(run_budget) {}

bool Softirqs::raise_on(sim::Cpu& cpu, sim::CpuId target, SoftirqNumber number) {
    PerCpuState& s = state_[target];
    const bool was_clear = (s.pending.fetch_or(cpu, bit(number)) & bit(number)) == 0;
    if (!was_clear)
        return false;
    const bool ipi = target != cpu.id();
    const sim::Cause cause{cpu.record(kSoftirqRaiseRecord, target, index(number), ipi), cpu.cause().root};
    s.causes[index(number)] = cause;
    if (ipi) {
        const CauseScope scope(cpu, cause);
        cpu.send_ipi(target, kEventCheckVector);
    }
    return ipi;
}

bool Softirqs::will_run(sim::CpuId cpu, SoftirqNumber number) const {
    const PerCpuState& s = state_[cpu];
    return ((s.pending.peek() | s.dispatching) & bit(number)) != 0;
}

void Softirqs::run(sim::Cpu& cpu) {
    PerCpuState& s = state_[cpu.id()];
    for (std::uint64_t runs = 0; cpu.online(); ++runs) {
        const std::uint32_t pending = s.pending.load(cpu);
        if (pending == 0)
            return;
        const auto number = static_cast<std::uint32_t>(std::countr_zero(pending));
        cpu.require(!cpu.in_irq(), "softirqs run in an interrupt");
        if (!cpu.irqs_enabled())
            cpu.fail(checks::kSoftirqIrqsOff, fmt::format("softirq {} on CPU {}", number, cpu.id()));
        if (runs == run_budget_)
            cpu.fail(checks::kSoftirqStorm, fmt::format("{} handlers in a row on CPU {}", runs, cpu.id()));
        const sim::Frame frame(cpu, "softirq");
        const std::uint32_t outer = s.dispatching;
        s.dispatching = outer | (1u << number);
        const sim::Cause cause = s.causes[number];
        s.pending.fetch_and(cpu, ~(1u << number));
        cpu.spend(dispatch_price_);
        // A root of its own for each run, so that choices made in it do not depend on how many went before (MA 7.1).
        const std::uint64_t root = sim::mix(cause.root, number + 1);
        cpu.choice_context().begin(root);
        const CauseScope scope(cpu, sim::Cause{cpu.record_caused(cause.record, kSoftirqEntryRecord, number), root});
        handlers_[number].run(handlers_[number].object, cpu);
        cpu.record(kSoftirqExitRecord, number);
        s.dispatching = outer;
    }
}

}  // namespace ticklab::xen
