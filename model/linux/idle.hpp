// The idle loop (LNT 7.1).
#pragma once

#include "ticklab/model/linux/governor.hpp"
#include "ticklab/model/linux/sched.hpp"
#include "ticklab/model/linux/tick_sched.hpp"

namespace ticklab::linux_ {

class IdleLoop {
public:
    IdleLoop(Timekeeping& time, TickSched& tick, Scheduler& scheduler, Governor& governor)
        : time_(time), tick_(tick), scheduler_(scheduler), governor_(governor) {}

    /// Until something else wants the CPU: on the idle thread, entered and left with interrupts on.
    void run(sim::Cpu& cpu);

private:
    void sleep(sim::Cpu& cpu, unsigned c_state);

    Timekeeping& time_;
    TickSched& tick_;
    Scheduler& scheduler_;
    Governor& governor_;
};

}  // namespace ticklab::linux_
