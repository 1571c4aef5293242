// Work that a thread has done on another CPU, and waits for (smp work: schedule_work_on and flush_work).
//
// Rules
//  (1) run_on() is called at thread level, may sleep, and with no spin lock held.
//  (2) The work runs in a kernel thread of its CPU, which is awake for it: an idle CPU leaves idle first.
//  (3) The target is online and stays so; hotplug's own lock or the caller sees to it.
#pragma once

#include <list>
#include <vector>

#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {

class CpuWork {
public:
    explicit CpuWork(sim::Machine& machine) : machine_(machine), workers_(machine.cpu_count()) {}

    /// Runs `body` on `target` and returns when it has ended; on the caller's own CPU without a detour. [point]
    void run_on(sim::Cpu& cpu, sim::CpuId target, sim::Thread::Body body);

private:
    struct Job {
        sim::Thread::Body body;
        sim::Thread* waiter;
        bool done = false;
    };
    struct Worker {
        sim::Thread* thread = nullptr;
        std::list<Job*> queue;
    };
    void work(sim::Cpu& cpu, Worker& worker);

    sim::Machine& machine_;
    std::vector<Worker> workers_;
    // Kept here: a verdict abandons the stacks of those who wait.
    std::list<Job> jobs_;
};

}  // namespace ticklab::linux_
