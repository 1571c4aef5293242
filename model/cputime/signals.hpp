// Signals of processes and threads: queued under sighand, delivered on the way to user mode.
#pragma once

#include "ticklab/model/cputime/task.hpp"

namespace ticklab::cputime {

struct Core;

class Signals {
public:
    explicit Signals(Core& core);

    /// Sends to the process; `current`, if it is of the process, gets it. Sighand held. [point]
    void send(sim::Cpu& cpu, Process& process, Signal signal);
    /// Sends to one thread. Sighand held. [point]
    void send_to(sim::Cpu& cpu, Task& task, Signal signal);
    /// Queues the signal of a timer, once. The timer's lock held. [point]
    void queue(sim::Cpu& cpu, PosixTimer& timer);
    /// Delivers what is pending to the current thread. Thread level, no lock held. [point]
    void deliver(sim::Cpu& cpu, Task& task);
    /// Another thread has to take what `task` will not take any more. Sighand held.
    void hand_on(sim::Cpu& cpu, Task& task);

private:
    Task* target(sim::Cpu& cpu, Process& process);
    void notify(sim::Cpu& cpu, Process& process);
    void notify_task(sim::Cpu& cpu, Task& task);

    Core& core_;
    std::array<std::uint64_t, kSignalCount> names_;
};

}  // namespace ticklab::cputime
