#include "ticklab/model/cputime/life.hpp"

#include "ticklab/model/cputime/core.hpp"
#include "ticklab/model/cputime/records.hpp"
#include "ticklab/model/cputime/sites.hpp"

namespace ticklab::cputime {

using sim::Cpu;

namespace {

/// Of clock_t, in which SIGCHLD tells times (LC 9.4).
constexpr CpuTime kUserTick{10'000'000};

}  // namespace

Process& Life::make_process(const Spawn& spawn) {
    core_.processes.emplace_back(core_.machine, spawn.process, static_cast<std::uint32_t>(core_.processes.size()));
    Process& process = core_.processes.back();
    core_.accounting->add_process(process);
    if (spawn.parent != spawn.process)
        process.parent = core_.find_process(spawn.parent);
    return process;
}

Task& Life::make_thread(Cpu& cpu, Process& process, sim::CpuId home, const Behaviour& behaviour) {
    cpu.spend(core_.prices.thread_exit);
    core_.tasks.emplace_back(core_.machine, process.made, process, home, behaviour);
    Task& task = core_.tasks.back();
    {
        const sim::SpinLockIrqGuard guard(cpu, process.sighand);
        core_.accounting->thread_joins(cpu, process, task);
        Task*& long_before = process.last_made[process.made % process.last_made.size()];
        if (long_before)
            long_before->far_next = &task;
        long_before = &task;
        ++process.made;
        ++process.live;
        ++process.count;
        if (!process.leader)
            process.leader = &task;
        Task* last = process.first.read_once(cpu);
        if (!last) {
            process.first.write_once(cpu, &task);
        } else {
            while (last->next)
                last = last->next;
            last->next = &task;
        }
        cpu.record(kTaskNewRecord, task.object, process.number);
    }
    return task;
}

void Life::spawn(Cpu& cpu, const Spawn& spawn) {
    Process* process = core_.find_process(spawn.process);
    const bool is_new = !process;
    if (is_new)
        process = &make_process(spawn);
    if (process->dying || process->gone)
        return;
    for (std::uint32_t i = 0; i < spawn.count; ++i)
        make_thread(cpu, *process, (spawn.cpu + i % spawn.cpus) % core_.machine.cpu_count(), spawn.behaviour);
    if (is_new && process->parent)
        core_.cpu_timers.inherit(cpu, *process->parent, *process);
    // Only now: a second thread is made before the first one runs.
    for (Task* t = process->first.read_once(cpu); t; t = t->next)
        if (t->state == TaskState::kNew)
            core_.scheduler.wake(cpu, *t);
}

void Life::ask_exit(Cpu& cpu, Task& task) {
    task.exit_asked.store(cpu, true);
    core_.scheduler.wake(cpu, task);
    core_.scheduler.kick(cpu, task);
}

void Life::exit_group(Cpu& cpu, Process& process) {
    process.dying = true;
    for (Task* t = process.first.read_once(cpu); t; t = t->next)
        if (!t->exiting.read_once(cpu))
            ask_exit(cpu, *t);
}

void Life::ask_exec(Cpu& cpu, Task& task) {
    task.exec_asked = true;
    core_.scheduler.wake(cpu, task);
    core_.scheduler.kick(cpu, task);
}

bool Life::leave_kernel(Cpu& cpu, Task& task) {
    if (task.exit_asked.load(cpu)) {
        exit(cpu, task);
        return true;
    }
    if (task.exec_asked) {
        exec(cpu, task);
        return true;
    }
    if (task.work_scheduled)
        core_.cpu_timers.task_work(cpu, task);
    if (!task.signal_pending.load(cpu))
        return false;
    core_.signals.deliver(cpu, task);
    return task.exit_asked.load(cpu);
}

void Life::exit(Cpu& cpu, Task& task) {
    Process& process = task.process;
    cpu.spend(core_.prices.thread_exit);
    task.exiting.write_once(cpu, true);
    if (task.behaviour.respawn && !process.dying && !process.in_exec)
        core_.scheduler.wake(cpu, make_thread(cpu, process, task.cpu, task.behaviour));
    cpu.irq_disable();
    process.sighand.acquire(cpu);
    core_.signals.hand_on(cpu, task);
    const bool last = --process.live == 0;
    process.sighand.release(cpu);
    if (last)
        core_.cpu_timers.delete_all(cpu, process);
    process.sighand.acquire(cpu);
    // The group's clocks get its last stretch too (LC-D6).
    core_.scheduler.account_current(cpu);
    const Times own = task.run.peek().times;
    cpu.record(kTaskExitRecord, task.object, own.utime.count(), own.stime.count(), own.sum_exec.count());
    if (&task != process.leader)
        reap(cpu, task);
    const bool leader_left =
        process.count == 1 && process.first.peek() == process.leader && process.leader->exiting.peek();
    if (leader_left && !process.gone)
        release_leader(cpu, process);
    process.sighand.release(cpu);
    cpu.at(sites::kUnlinked);
    core_.scheduler.leave(cpu, TaskState::kZombie);
    cpu.irq_enable();
}

void Life::unlink(Cpu& cpu, Task& task) {
    Process& process = task.process;
    if (Task* before = process.first.read_once(cpu); before == &task) {
        process.first.write_once(cpu, task.next);
    } else {
        while (before->next != &task)
            before = before->next;
        before->next = task.next;
    }
    --process.count;
}

void Life::reap(Cpu& cpu, Task& task) {
    Process& process = task.process;
    core_.cpu_timers.detach_thread(cpu, task);
    const sim::SpinLockIrqGuard stats(cpu, process.stats_lock);
    process.stats_sequence.fetch_add(cpu, 1u);
    core_.accounting->fold(cpu, task);
    task.folded = true;
    core_.cpu_timers.oracle().conserved(cpu, process, true);
    cpu.at(sites::kFolded);
    unlink(cpu, task);
    process.stats_sequence.fetch_add(cpu, 1u);
}

void Life::release_leader(Cpu& cpu, Process& process) {
    process.gone = true;
    core_.cpu_timers.detach_process(cpu, process);
    Times all = core_.accounting->totals(process).value_or(process.sum_for_oracle());
    core_.cpu_timers.oracle().conserved(cpu, process, true);
    const CpuTime unit = core_.config.design == Design::kGlobal && !core_.config.changes.child_times_in_user_hz
                             ? core_.config.tick()
                             : kUserTick;
    process.told = {CpuTime{all.utime / unit}, CpuTime{all.stime / unit}, {}};
    all += process.children;
    cpu.record(kChildRecord, process.number, all.utime.count(), all.stime.count());
    if (!process.parent)
        return;
    // Locks of one class, child before parent (LC 9.3).
    process.parent->sighand.acquire_nested(cpu, 1);
    process.parent->children += all;
    process.parent->sighand.release(cpu);
}

void Life::exec(Cpu& cpu, Task& task) {
    Process& process = task.process;
    bool irqs = process.sighand.acquire_irqsave(cpu);
    process.in_exec = true;
    const bool alone = process.live == 1;
    process.sighand.release_restore(cpu, irqs);
    if (!alone) {
        for (Task* t = process.first.read_once(cpu); t; t = t->next)
            if (t != &task && !t->exiting.read_once(cpu))
                ask_exit(cpu, *t);
        // Looked at again at the next tick.
        cpu.irq_disable();
        task.wake_at = CpuTime::zero();
        core_.scheduler.leave(cpu, TaskState::kSleeping);
        cpu.irq_enable();
        return;
    }
    core_.cpu_timers.delete_all(cpu, process);
    task.exec_asked = false;
    irqs = process.sighand.acquire_irqsave(cpu);
    process.in_exec = false;
    if (Task* const old = process.leader; old != &task) {
        process.leader = &task;
        reap(cpu, *old);
    }
    process.sighand.release_restore(cpu, irqs);
}

}  // namespace ticklab::cputime
