#include "ticklab/model/cputime/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/cputime/core.hpp"
#include "ticklab/model/cputime/records.hpp"
#include "ticklab/model/cputime/sites.hpp"
#include "ticklab/model/cputime/vectors.hpp"
#include "ticklab/sim/devices/local_apic_registers.hpp"

namespace ticklab::cputime {

using sim::Cpu;

namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

// The thread has used `time` of its life.
void live(Cpu& cpu, Task& task, sim::Duration time) {
    if (task.behaviour.lifetime > sim::Duration::zero() && (task.life_left -= time) <= sim::Duration::zero())
        task.exit_asked.store(cpu, true);
}

}  // namespace

Scheduler::RunQueue::RunQueue(sim::Machine& machine, sim::CpuId id)
    : lock(machine, machine.lock_class("run queue"), fmt::format("run queue {}", id)), runnable(lock), sleepers(lock) {}

Scheduler::Scheduler(Core& core)
    : core_(core),
      at_once_(core.config.changes.run_time_read_at_once),
      account_folded_(!core.config.changes.folded_not_accounted) {
    for (sim::CpuId c = 0; c < core.machine.cpu_count(); ++c)
        queues_.emplace_back(core.machine, c);
}

CpuTime Scheduler::ns_of_tsc(std::uint64_t tsc) const {
    return CpuTime{static_cast<std::int64_t>(sim::UInt128{tsc} * kNsPerSecond / core_.machine.config().tsc_hz)};
}

CpuTime Scheduler::now(Cpu& cpu) const { return ns_of_tsc(cpu.read_tsc()); }

CpuTime Scheduler::now_for_oracle(Cpu& cpu) const { return ns_of_tsc(cpu.tsc().read(cpu.local_time())); }

void Scheduler::start(Cpu& cpu) {
    cpu.apic_write(sim::apic::kSvr, sim::apic::kSvrEnable | kSpuriousVector);
    cpu.apic_write(sim::apic::kLvtTimer, sim::apic::kLvtTimerDeadlineBit | kTickVector);
    RunQueue& queue = queues_[cpu.id()];
    const CpuTime tick = core_.config.tick();
    queue.next_tick = (now(cpu) / tick + 1) * tick;
    if (core_.config.skew_tick)
        queue.next_tick += tick / 2 / core_.machine.cpu_count() * cpu.id();
    program_tick(cpu, queue);
}

void Scheduler::program_tick(Cpu& cpu, RunQueue& queue) {
    const sim::UInt128 product =
        sim::UInt128{static_cast<std::uint64_t>(queue.next_tick.count())} * core_.machine.config().tsc_hz;
    cpu.write_tsc_deadline(static_cast<std::uint64_t>((product + kNsPerSecond - 1) / kNsPerSecond));
}

void Scheduler::account(Cpu& cpu, Task& task, TimeField field, CpuTime delta) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    Process& process = task.process;
    Accounting& accounting = *core_.accounting;
    bool group = true;
    if (task.folded)
        group = field == &Times::sum_exec && account_folded_ && accounting.outlives_fold();
    else if (field != &Times::sum_exec && task.exiting.peek())
        group = accounting.accounts_exiting();
    ++process.ledger.hooks_in_flight;
    const std::uint64_t seen = group ? accounting.before(cpu, process) : 0;
    cpu.spend(core_.prices.add);
    task.run.update(cpu, [&](RunTimes& run) { run.times.*field += delta; });
    process.ledger.step_max = std::max(process.ledger.step_max, delta);
    if (!task.folded)
        process.ledger.used.*field += delta;
    cpu.at(sites::kHookThreadDone);
    if (group)
        accounting.add(cpu, process, field, delta, seen);
    --process.ledger.hooks_in_flight;
}

void Scheduler::update_current(Cpu& cpu, RunQueue& queue) {
    Task* const task = queue.current;
    if (!task)
        return;
    const CpuTime present = now(cpu);
    const CpuTime delta = present - task->run.peek().exec_start;
    if (delta <= CpuTime::zero())
        return;
    task->run.update(cpu, [present](RunTimes& run) { run.exec_start = present; });
    account(cpu, *task, &Times::sum_exec, delta);
}

void Scheduler::account_current(Cpu& cpu) {
    RunQueue& queue = queues_[cpu.id()];
    queue.lock.acquire(cpu);
    update_current(cpu, queue);
    queue.lock.release(cpu);
}

Times Scheduler::up_to_now(Cpu& cpu, Task& task) {
    if (!at_once_) {
        Times times = task.run.read(cpu).times;
        cpu.at(sites::kRunTimeRead);
        times.sum_exec += not_accounted(cpu, task);
        return times;
    }
    const sim::SpinLockIrqGuard guard(cpu, lock_of(task));
    Times times = task.run.read(cpu).times;
    times.sum_exec += not_accounted(cpu, task);
    return times;
}

CpuTime Scheduler::not_accounted(Cpu& cpu, Task& task) {
    const RunTimes run = task.run.read(cpu);
    return run.on_cpu && !task.folded ? std::max(CpuTime::zero(), now(cpu) - run.exec_start) : CpuTime::zero();
}

void Scheduler::tick(Cpu& cpu) {
    const sim::Time began = cpu.local_time();
    RunQueue& queue = queues_[cpu.id()];
    const CpuTime tick = core_.config.tick();
    cpu.spend(core_.prices.tick);
    Task* const task = queue.current;
    if (task) {
        cpu.record(kTickRecord, task->object, queue.in_user);
        account(cpu, *task, queue.in_user ? &Times::utime : &Times::stime, tick);
    }
    scheduler_tick(cpu, queue);
    if (task)
        core_.cpu_timers.check(cpu, *task);
    // Ticks that went by in this one are lost.
    const CpuTime present = now(cpu);
    queue.next_tick += std::max<std::int64_t>(1, (present - queue.next_tick) / tick + 1) * tick;
    program_tick(cpu, queue);
    const sim::Duration took = cpu.local_time() - began;
    ++queue.figures.ticks;
    queue.figures.tick_time += took;
    queue.figures.tick_time_max = std::max(queue.figures.tick_time_max, took);
}

void Scheduler::scheduler_tick(Cpu& cpu, RunQueue& queue) {
    queue.lock.acquire(cpu);
    update_current(cpu, queue);
    const CpuTime present = now(cpu);
    if (queue.current)
        core_.cpu_timers.realtime_tick(cpu, *queue.current);
    std::vector<Task*>& sleepers = queue.sleepers.write(cpu);
    std::deque<Task*>& runnable = queue.runnable.write(cpu);
    for (std::size_t i = 0; i < sleepers.size();) {
        if (sleepers[i]->wake_at > present) {
            ++i;
            continue;
        }
        sleepers[i]->state = TaskState::kRunnable;
        runnable.push_back(sleepers[i]);
        sleepers.erase(sleepers.begin() + static_cast<std::ptrdiff_t>(i));
    }
    const bool switch_due = !runnable.empty() && (!queue.current || present >= queue.slice_end);
    queue.lock.release(cpu);
    if (switch_due)
        queue.need_resched.store(cpu, true);
}

void Scheduler::wake(Cpu& from, Task& task) {
    RunQueue& queue = queues_[task.cpu];
    const bool irqs = queue.lock.acquire_irqsave(from);
    bool woken = false;
    if (task.state == TaskState::kSleeping) {
        std::erase(queue.sleepers.write(from), &task);
        woken = true;
    } else if (task.state == TaskState::kNew) {
        woken = true;
    }
    if (woken) {
        task.state = TaskState::kRunnable;
        queue.runnable.write(from).push_back(&task);
    }
    const bool idle = !queue.current;
    queue.lock.release_restore(from, irqs);
    if (woken && idle && !queue.need_resched.exchange(from, true) && task.cpu != from.id())
        from.send_ipi(task.cpu, kRescheduleVector);
}

void Scheduler::kick(Cpu& from, const Task& task) {
    if (task.cpu != from.id() && queues_[task.cpu].current == &task)
        from.send_ipi(task.cpu, kRescheduleVector);
}

void Scheduler::leave(Cpu& cpu, TaskState state) {
    RunQueue& queue = queues_[cpu.id()];
    queue.lock.acquire(cpu);
    Task& task = *queue.current;
    task.state = state;
    if (state == TaskState::kSleeping)
        queue.sleepers.write(cpu).push_back(&task);
    schedule(cpu, queue);
    queue.lock.release(cpu);
}

// Run queue locked.
void Scheduler::schedule(Cpu& cpu, RunQueue& queue) {
    update_current(cpu, queue);
    Task* const previous = queue.current;
    std::deque<Task*>& runnable = queue.runnable.write(cpu);
    if (previous && previous->state == TaskState::kRunning) {
        previous->state = TaskState::kRunnable;
        runnable.push_back(previous);
    }
    Task* next = nullptr;
    if (!runnable.empty()) {
        next = runnable.front();
        runnable.pop_front();
        next->state = TaskState::kRunning;
    }
    queue.need_resched.store(cpu, false);
    if (next == previous) {
        if (next)
            queue.slice_end = now(cpu) + std::chrono::floor<CpuTime>(core_.config.slice);
        return;
    }
    cpu.spend(core_.prices.context_switch);
    if (previous) {
        update_current(cpu, queue);
        previous->run.update(cpu, [](RunTimes& run) { run.on_cpu = false; });
        cpu.record(kTaskStopRecord, previous->object);
    }
    queue.current = next;
    if (!next)
        return;
    const CpuTime present = now(cpu);
    next->run.update(cpu, [present](RunTimes& run) {
        run.on_cpu = true;
        run.exec_start = present;
    });
    queue.slice_end = present + std::chrono::floor<CpuTime>(core_.config.slice);
    cpu.record(kTaskRunRecord, next->object);
}

void Scheduler::pass(Cpu& cpu) {
    RunQueue& queue = queues_[cpu.id()];
    cpu.irq_disable();
    if (!queue.current || queue.need_resched.load(cpu)) {
        queue.lock.acquire(cpu);
        schedule(cpu, queue);
        queue.lock.release(cpu);
    }
    if (!queue.current) {
        cpu.halt(0);
        return;
    }
    cpu.irq_enable();
    Task& task = *queue.current;
    if (core_.life.leave_kernel(cpu, task) || cpu.has_runnable())
        return;
    run_step(cpu, queue, task);
}

void Scheduler::run_step(Cpu& cpu, RunQueue& queue, Task& task) {
    const Behaviour& does = task.behaviour;
    if (task.system_left > sim::Duration::zero()) {
        const sim::Duration length = task.system_left;
        task.system_left = sim::Duration::zero();
        cpu.spend_time(length);
        live(cpu, task, length);
    } else if (task.call_due) {
        task.call_due = false;
        if (does.call == KernelCall::kYield)
            queue.need_resched.store(cpu, true);
        else if (does.call == KernelCall::kReadClock)
            (void)core_.cpu_timers.read(cpu, task.process, nullptr, ClockId::kSched);
        else if (does.call == KernelCall::kChurnTimer) {
            (void)core_.cpu_timers.set_itimer(cpu, task.process, ClockId::kProf, CpuTime{kNsPerSecond}, {});
            (void)core_.cpu_timers.set_itimer(cpu, task.process, ClockId::kProf, {}, {});
        }
    } else if (task.sleep_due) {
        task.sleep_due = false;
        task.rt_ticks = 0;
        cpu.irq_disable();
        task.wake_at = now(cpu) + std::chrono::ceil<CpuTime>(does.sleep);
        leave(cpu, TaskState::kSleeping);
        cpu.irq_enable();
    } else {
        run_user(cpu, queue, task);
    }
}

void Scheduler::run_user(Cpu& cpu, RunQueue& queue, Task& task) {
    const Behaviour& does = task.behaviour;
    const bool for_ever = does.user == sim::Duration::zero();
    sim::Duration length = for_ever ? sim::Duration::max() : task.user_left;
    if (does.lifetime > sim::Duration::zero())
        length = std::min(length, task.life_left);
    const sim::Duration before = cpu.counters().user_time;
    const sim::Price& entry = core_.machine.prices().user_entry;
    const sim::Time until =
        length == sim::Duration::max()
            ? sim::kNever
            : sim::saturating_add(cpu.local_time(),
                                  length + sim::Duration{static_cast<std::int64_t>(entry.whole_ps) + 1});
    queue.in_user = true;
    cpu.run_user(until);
    queue.in_user = false;
    const sim::Duration used = cpu.counters().user_time - before;
    live(cpu, task, used);
    if (for_ever)
        return;
    task.user_left -= used;
    if (task.user_left > sim::Duration::zero())
        return;
    task.user_left = does.user;
    task.system_left = does.system;
    task.call_due = does.call != KernelCall::kNone;
    task.sleep_due = does.sleep > sim::Duration::zero();
}

}  // namespace ticklab::cputime
