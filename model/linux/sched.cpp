#include "ticklab/model/linux/sched.hpp"

#include "ticklab/model/linux/vectors.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::CpuId;

void Scheduler::resched(Cpu& from, CpuId target) {
    if ((cpus_[target].flags.fetch_or(from, kNeedResched) & kPolling) == 0)
        from.send_ipi(target, kRescheduleVector);
}

void Scheduler::kick_tick(Cpu& from, CpuId target) {
    if (machine_.cpu(target).online() && !cpus_[target].irq_work.exchange(from, true))
        from.send_ipi(target, kIrqWorkVector);
}

bool Scheduler::shares_cpu(const Cpu& cpu) const {
    // What a scenario does at thread level is done by the task that it keeps the CPU busy with.
    bool user = machine_.busy_until(cpu.id()) > cpu.local_time();
    std::size_t threads = 0;
    const auto count = [&](const sim::Thread& thread) {
        user = user || thread.thread_class() == sim::ThreadClass::kScript;
        threads += thread.thread_class() < sim::ThreadClass::kScript;
    };
    count(cpu.current());
    for (const sim::Thread* thread : cpu.runnable())
        count(*thread);
    return threads + std::size_t{user} > 1;
}

void Scheduler::wake_idle(Cpu& from, CpuId target) {
    if (nohz_full_[target])
        return kick_tick(from, target);
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
