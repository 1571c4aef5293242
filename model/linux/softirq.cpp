#include "ticklab/model/linux/softirq.hpp"

#include <fmt/format.h>

#include <bit>

#include "ticklab/model/linux/records.hpp"
#include "ticklab/sim/cause_scope.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {
namespace {

constexpr std::array<std::string_view, kSoftirqCount> kActions{"HI",       "TIMER",   "NET_TX", "NET_RX",  "BLOCK",
                                                               "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU"};

}  // namespace

Softirqs::Softirqs(sim::Machine& machine)
    : state_(machine.cpu_count()), dispatch_price_(machine.price("softirq_dispatch")) {
    for (std::size_t i = 0; i < kSoftirqCount; ++i)
        action_names_[i] = machine.intern(kActions[i]);
    for (sim::CpuId c = 0; c < machine.cpu_count(); ++c)
        state_[c].ksoftirqd = &machine.make_thread(machine.cpu(c), fmt::format("ksoftirqd/{}", c),
                                                   sim::ThreadClass::kKernel, [this](sim::Cpu& cpu) {
                                                       for (;;) {
                                                           run_pending(cpu);
                                                           cpu.block();
                                                       }
                                                   });
}

void Softirqs::raise(sim::Cpu& cpu, SoftirqNumber number) {
    cpu.require(!cpu.irqs_enabled(), "a softirq was raised with interrupts enabled");
    PerCpuState& s = state_[cpu.id()];
    if ((s.pending & bit(number)) != 0)
        return;
    s.pending |= bit(number);
    s.causes[index(number)] = {cpu.record(kSoftirqRaiseRecord, index(number), action_names_[index(number)]),
                               cpu.cause().root};
}

void Softirqs::run_one(sim::Cpu& cpu, std::uint32_t number) {
    const sim::Frame frame(cpu, "softirq");
    const sim::Cause cause = state_[cpu.id()].causes[number];
    cpu.spend(dispatch_price_);
    // A root of its own for each run, so that choices made in it do not depend on how many went before (MA 7.1).
    const std::uint64_t root = sim::mix(cause.root, number + 1);
    cpu.choice_context().begin(root);
    const sim::CauseScope scope(
        cpu, sim::Cause{cpu.record_caused(cause.record, kSoftirqEntryRecord, number, action_names_[number]), root});
    handlers_[number].run(handlers_[number].object, cpu);
    cpu.record(kSoftirqExitRecord, number, action_names_[number]);
}

void Softirqs::serve(sim::Cpu& cpu) {
    PerCpuState& s = state_[cpu.id()];
    s.serving = true;
    for (unsigned round = 0; s.pending != 0 && round < kMaxRestart; ++round) {
        s.taken = s.pending;
        s.pending = 0;
        cpu.irq_enable();
        for (std::uint32_t left = s.taken; left != 0; left &= left - 1)
            run_one(cpu, static_cast<std::uint32_t>(std::countr_zero(left)));
        cpu.require(cpu.irqs_enabled(), "a softirq handler returned with interrupts disabled");
        cpu.irq_disable();
        s.taken = 0;
    }
    s.serving = false;
    if (s.pending != 0)
        cpu.wake(*s.ksoftirqd);
}

void Softirqs::irq_exit(sim::Cpu& cpu) {
    const bool serves = served_at_exit(cpu);
    --state_[cpu.id()].hardirq_depth;
    if (serves)
        serve(cpu);
}

void Softirqs::run_pending(sim::Cpu& cpu) {
    cpu.irq_disable();
    if (state_[cpu.id()].pending != 0)
        serve(cpu);
    cpu.irq_enable();
}

}  // namespace ticklab::linux_
