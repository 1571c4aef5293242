#include "ticklab/sim/rcu.hpp"

#include <algorithm>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::sim {

Rcu::Rcu(Machine& machine) : machine_(machine), depth_(machine.cpu_count(), 0) {}

void Rcu::read_lock(Cpu& cpu) { ++depth_[cpu.id()]; }

bool Rcu::in_read_section(const Cpu& cpu) const { return depth_[cpu.id()] != 0; }

void Rcu::read_unlock(Cpu& cpu) {
    cpu.require(depth_[cpu.id()] != 0, "RCU read section left that was never entered");
    if (--depth_[cpu.id()] != 0 || waiting_.empty())
        return;
    // The instant at which a reader leaves is seen by whoever waits for it.
    cpu.sync();
    std::size_t i = 0;
    while (i < waiting_.size()) {
        Waiting& w = waiting_[i];
        if (std::erase(w.readers, cpu.id()) != 0)
            w.readers_done.release_join(cpu);
        if (!w.readers.empty()) {
            ++i;
            continue;
        }
        finished_.push_back(std::move(w));
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    run_finished(cpu);
}

void Rcu::run_finished(Cpu& cpu) {
    while (!finished_.empty()) {
        running_.push_back(std::move(finished_.front()));
        finished_.pop_front();
        Waiting& w = running_.back();
        w.readers_done.acquire(cpu);
        cpu.record(kGracePeriod, w.waited_readers);
        w.callback(cpu);
        running_.pop_back();
    }
}

void Rcu::call(Cpu& cpu, std::function<void(Cpu&)> callback) {
    cpu.sync();
    Waiting w;
    w.callback = std::move(callback);
    w.readers_done.release(cpu);
    for (CpuId c = 0; c < machine_.cpu_count(); ++c)
        if (depth_[c] != 0)
            w.readers.push_back(c);
    w.waited_readers = w.readers.size();
    if (w.readers.empty()) {
        finished_.push_back(std::move(w));
        run_finished(cpu);
        return;
    }
    waiting_.push_back(std::move(w));
}

void Rcu::synchronize(Cpu& cpu) {
    if (in_read_section(cpu))
        cpu.fail(checks::kDeadlock, "a grace period is awaited inside an RCU read section");
    Thread* const waiting = &cpu.current();
    bool done = false;
    call(cpu, [&done, waiting](Cpu& me) {
        done = true;
        if (waiting != &me.current())
            me.wake(*waiting);
    });
    while (!done)
        cpu.block();
}

}  // namespace ticklab::sim
