#include "ticklab/model/cputime/signals.hpp"

#include <algorithm>

#include "ticklab/model/cputime/core.hpp"
#include "ticklab/model/cputime/records.hpp"

namespace ticklab::cputime {

using sim::Cpu;

Signals::Signals(Core& core)
    : core_(core),
      names_{core.machine.intern("SIGPROF"), core.machine.intern("SIGVTALRM"), core.machine.intern("SIGXCPU"),
             core.machine.intern("SIGKILL")} {}

Task* Signals::target(Cpu& cpu, Process& process) {
    Task* const current = core_.scheduler.current(cpu);
    if (current && &current->process == &process && !current->exiting.peek())
        return current;
    if (process.leader && !process.leader->exiting.read_once(cpu))
        return process.leader;
    for (Task* t = process.first.read_once(cpu); t; t = t->next)
        if (!t->exiting.read_once(cpu))
            return t;
    return nullptr;
}

void Signals::notify_task(Cpu& cpu, Task& task) {
    cpu.spend(core_.prices.signal_send);
    task.signal_pending.store(cpu, true);
    core_.scheduler.wake(cpu, task);
    core_.scheduler.kick(cpu, task);
}

void Signals::notify(Cpu& cpu, Process& process) {
    if (Task* const task = target(cpu, process))
        notify_task(cpu, *task);
}

void Signals::send(Cpu& cpu, Process& process, Signal signal) {
    process.pending[index_of(signal)] = true;
    cpu.record(kSignalRecord, names_[index_of(signal)], process.number);
    notify(cpu, process);
}

void Signals::send_to(Cpu& cpu, Task& task, Signal signal) {
    task.pending[index_of(signal)] = true;
    cpu.record(kSignalRecord, names_[index_of(signal)], task.process.number);
    notify_task(cpu, task);
}

void Signals::queue(Cpu& cpu, PosixTimer& timer) {
    Process& process = *timer.process;
    const sim::SpinLockIrqGuard guard(cpu, process.sighand);
    timer.queued_sequence = timer.sequence;
    if (timer.queued)
        return;
    timer.queued = true;
    process.queued_timers.push_back(&timer);
    notify(cpu, process);
}

void Signals::hand_on(Cpu& cpu, Task& task) {
    Process& process = task.process;
    const bool waiting = !process.queued_timers.empty() ||
                         std::find(process.pending.begin(), process.pending.end(), true) != process.pending.end();
    if (waiting && task.signal_pending.load(cpu))
        notify(cpu, process);
}

void Signals::deliver(Cpu& cpu, Task& task) {
    Process& process = task.process;
    for (;;) {
        PosixTimer* timer = nullptr;
        std::size_t signal = kSignalCount;
        {
            const sim::SpinLockIrqGuard guard(cpu, process.sighand);
            for (const auto pending : {&task.pending, &process.pending})
                for (std::size_t s = 0; s < kSignalCount && signal == kSignalCount; ++s)
                    if ((*pending)[s]) {
                        (*pending)[s] = false;
                        signal = s;
                    }
            if (signal == kSignalCount && !process.queued_timers.empty()) {
                timer = process.queued_timers.front();
                process.queued_timers.erase(process.queued_timers.begin());
                timer->queued = false;
            }
            if (signal == kSignalCount && !timer) {
                task.signal_pending.store(cpu, false);
                return;
            }
            if (signal != kSignalCount)
                ++process.delivered[signal];
        }
        cpu.spend(core_.prices.signal_deliver);
        if (timer)
            core_.cpu_timers.delivered(cpu, *timer);
        else if (signal == index_of(Signal::kKill))
            return core_.life.exit_group(cpu, process);
    }
}

}  // namespace ticklab::cputime
