// Creation, exit, exec and reaping of threads and processes (LC 9).
#pragma once

#include "ticklab/model/cputime/task.hpp"

namespace ticklab::cputime {

struct Core;

class Life {
public:
    explicit Life(Core& core) : core_(core) {}

    /// What threads are made: `count` of them on consecutive CPUs from `cpu` on, over `cpus` CPUs of the machine.
    struct Spawn {
        std::uint32_t process;
        std::uint32_t parent;  ///< of a new process; its own number for none
        std::uint32_t count;
        sim::CpuId cpu;
        std::uint32_t cpus;
        Behaviour behaviour;
    };
    /// Makes the process if it is new. A process that has ended gets no threads. Thread level. [point]
    void spawn(sim::Cpu& cpu, const Spawn& spawn);
    /// The thread ends when it next comes out of the kernel. Any context. [point]
    void ask_exit(sim::Cpu& cpu, Task& task);
    /// All threads of the process do. Thread level, no lock held. [point]
    void exit_group(sim::Cpu& cpu, Process& process);
    /// The thread calls execve when it next comes out of the kernel. [point]
    void ask_exec(sim::Cpu& cpu, Task& task);
    /// On the way to user mode: true if the thread has given up the CPU.
    bool leave_kernel(sim::Cpu& cpu, Task& task);

private:
    Task& make_thread(sim::Cpu& cpu, Process& process, sim::CpuId home, const Behaviour& behaviour);
    Process& make_process(const Spawn& spawn);
    void exit(sim::Cpu& cpu, Task& task);
    void reap(sim::Cpu& cpu, Task& task);
    void unlink(sim::Cpu& cpu, Task& task);
    void release_leader(sim::Cpu& cpu, Process& process);
    void exec(sim::Cpu& cpu, Task& task);

    Core& core_;
};

}  // namespace ticklab::cputime
