#include "ticklab/sim/rcu.hpp"

#include <algorithm>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::sim {

Rcu::Rcu(Machine& machine) : machine_(machine), depth_(machine.cpu_count(), 0), left_(machine.cpu_count()) {}

void Rcu::read_lock(Cpu& cpu) { ++depth_[cpu.id()]; }

bool Rcu::in_read_section(const Cpu& cpu) const { return depth_[cpu.id()] != 0; }

void Rcu::read_unlock(Cpu& cpu) {
    std::uint32_t& depth = depth_[cpu.id()];
    cpu.require(depth != 0, "RCU read section left that was never entered");
    if (depth > 1) {
        --depth;
        return;
    }
    // Whoever calls for a grace period before this instant waits for this section.
    cpu.sync();
    left_[cpu.id()].release(cpu);
    depth = 0;
    for (auto w = waiting_.begin(); w != waiting_.end();) {
        const auto waiting = w++;
        std::erase(waiting->readers, cpu.id());
        if (waiting->readers.empty())
            finished_.splice(finished_.end(), waiting_, waiting);
    }
    run_finished(cpu);
}

void Rcu::run_finished(Cpu& cpu) {
    while (!finished_.empty()) {
        // Callbacks of several CPUs may run at once: each takes out its own.
        const auto w = finished_.begin();
        running_.splice(running_.end(), finished_, w);
        for (const SyncClock& left : left_)
            left.acquire(cpu);
        w->called.acquire(cpu);
        cpu.record(kGracePeriod, w->waited_readers);
        w->callback(cpu);
        running_.erase(w);
    }
}

void Rcu::call(Cpu& cpu, std::function<void(Cpu&)> callback) {
    const auto w = called_.emplace(called_.end());
    w->callback = std::move(callback);
    cpu.sync();
    w->called.release(cpu);
    for (CpuId c = 0; c < machine_.cpu_count(); ++c)
        if (depth_[c] != 0)
            w->readers.push_back(c);
    w->waited_readers = w->readers.size();
    if (!w->readers.empty()) {
        waiting_.splice(waiting_.end(), called_, w);
        return;
    }
    finished_.splice(finished_.end(), called_, w);
    run_finished(cpu);
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
