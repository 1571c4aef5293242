#include "ticklab/model/linux/cpu_work.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ticklab::linux_ {

using sim::Cpu;

void CpuWork::work(Cpu& cpu, Worker& worker) {
    for (;;) {
        while (!worker.queue.empty()) {
            Job& job = *worker.queue.front();
            worker.queue.pop_front();
            job.body(cpu);
            job.done = true;
            cpu.wake(*job.waiter);
        }
        cpu.block();
    }
}

void CpuWork::run_on(Cpu& cpu, sim::CpuId target, sim::Thread::Body body) {
    if (target == cpu.id()) {
        body(cpu);
        return;
    }
    Worker& worker = workers_[target];
    if (!worker.thread)
        worker.thread =
            &machine_.make_thread(machine_.cpu(target), fmt::format("kworker/{}", target), sim::ThreadClass::kKernel,
                                  [this, &worker](Cpu& me) { work(me, worker); });
    const auto job = jobs_.insert(jobs_.end(), Job{std::move(body), &cpu.current(), false});
    worker.queue.push_back(&*job);
    cpu.wake(*worker.thread);
    while (!job->done)
        cpu.block();
    jobs_.erase(job);
}

}  // namespace ticklab::linux_
