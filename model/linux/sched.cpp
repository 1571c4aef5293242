#include "ticklab/model/linux/sched.hpp"

#include "ticklab/model/linux/vectors.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::CpuId;

void Scheduler::resched(Cpu& from, CpuId target) {
    if ((cpus_[target].flags.fetch_or(from, kNeedResched) & kPolling) == 0)
        from.send_ipi(target, kRescheduleVector);
}

void Scheduler::wake_idle(Cpu& from, CpuId target) {
    // An interrupt on the idle CPU itself is followed by a pass of its idle loop anyway.
    if (target != from.id())
        resched(from, target);
}

void Scheduler::reevaluate_on(Cpu& from, CpuId target) {
    if (!cpus_[target].call.exchange(from, true))
        from.send_ipi(target, kCallFunctionVector);
}

bool Scheduler::need_resched(Cpu& cpu) {
    return (cpus_[cpu.id()].flags.load(cpu) & kNeedResched) != 0 || has_work(cpu);
}

void Scheduler::set_idle_task(Cpu& cpu, bool runs) {
    PerCpuState& mine = cpus_[cpu.id()];
    if (watched_)
        mine.run_queue.access(cpu, true);
    mine.in_idle_task = runs;
}

bool Scheduler::is_idle(Cpu& cpu, CpuId asked) {
    PerCpuState& other = cpus_[asked];
    other.run_queue.access(cpu, false);
    return other.in_idle_task && !machine_.cpu(asked).has_runnable() && machine_.busy_until(asked) <= cpu.local_time();
}

bool Scheduler::set_polling(Cpu& cpu, bool on) {
    sim::Atomic<std::uint32_t>& flags = cpus_[cpu.id()].flags;
    const std::uint32_t before = on ? flags.fetch_or(cpu, kPolling) : flags.fetch_and(cpu, ~kPolling);
    return (before & kNeedResched) != 0 || has_work(cpu);
}

}  // namespace ticklab::linux_
