// Taking CPUs up and down through the kernel's table of states (hotplug.md, MA 10), and stop-machine.
//
// Rules
//  - All operations are serialised by one sleeping lock (CH 1.3). The control CPU is online and is not the target.
//  - Up: prepare states on the control CPU, ascending; INIT and start-up IPI; starting states on the target with
//    interrupts off; online; online states on the target's hotplug thread. Down: the reverse; starting states go down
//    inside stop-machine.
//  - An operation that waits for its turn on a CPU that is taken down waits until that CPU is back.
//  - A refusal rolls back what was done. Starting and prepare states cannot refuse on the way down.
#pragma once

#include <deque>
#include <span>

#include "ticklab/sim/hotplug_state.hpp"
#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/memory.hpp"
#include "ticklab/sim/thread.hpp"

namespace ticklab::sim {

class HotplugController {
public:
    explicit HotplugController(Machine& machine);

    bool up(Cpu& control, Cpu& target);
    bool down(Cpu& control, Cpu& target);
    /// Runs `body` on `on` while all other online CPUs spin with interrupts off. Waits for hotplug operations to end,
    /// so it is not for their callbacks.
    void stop_machine(Cpu& control, Cpu& on, FunctionRef<void(Cpu&)> body);

    /// First thing on the idle thread of a CPU that starts: interrupts off.
    void arrive(Cpu& cpu);
    /// Last thing on the idle thread of a CPU that is off-line.
    void depart(Cpu& cpu);

private:
    struct Helper {
        Thread* thread = nullptr;
        Thread::Body job;
        Thread::Body running;
    };

    bool run_states(Cpu& on, Cpu& target, HotplugSection section, bool up, std::size_t& done);
    void undo_states(Cpu& on, Cpu& target, HotplugSection section, bool undo_up, std::size_t done);
    bool run_one(Cpu& on, Cpu& target, const HotplugState& state, bool up);
    void run_on_hotplug_thread(Cpu& control, Cpu& target, FunctionRef<void(Cpu&)> job);
    Thread& helper(std::deque<Helper>& helpers, Cpu& cpu, const char* name, ThreadClass thread_class);
    void take_dead(Cpu& control, Cpu& target);
    std::span<const HotplugState> states() const;
    void stop_online(Cpu& control, Cpu& on, FunctionRef<void(Cpu&)> body);

    Machine& machine_;
    Mutex lock_;
    std::deque<Helper> hotplug_threads_;
    std::deque<Helper> stoppers_;
    Thread* waiting_control_ = nullptr;
    Cpu* moving_ = nullptr;
    bool job_done_ = false;
    Atomic<std::uint32_t> gathered_;
    Atomic<std::uint32_t> irqs_off_;
    Atomic<std::uint32_t> released_;
    Atomic<std::uint32_t> left_;
};

}  // namespace ticklab::sim
