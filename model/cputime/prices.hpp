// What CPU time accounting asks the cost table for (LC 13); locks and cache lines are the machine's.
#pragma once

#include <array>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::cputime {

struct CpuTimePrices {
    sim::Price add, test, compare, visit, timer_op, tick, context_switch, system_call, signal_send, signal_deliver,
        thread_exit;

    explicit CpuTimePrices(const sim::Machine& machine);
};

struct CpuTimePriceSlot {
    sim::Price CpuTimePrices::*slot;
    sim::CostDecl decl;
};

inline constexpr std::array kCpuTimePriceSlots{
    CpuTimePriceSlot{&CpuTimePrices::add, {"cputime_add", "one accumulation, its line in cache"}},
    CpuTimePriceSlot{&CpuTimePrices::test, {"cputime_test", "test of the flag of the timer clock, its line in cache"}},
    CpuTimePriceSlot{&CpuTimePrices::compare, {"cputime_compare", "three expiries compared with three times"}},
    CpuTimePriceSlot{&CpuTimePrices::visit,
                     {"cputime_visit", "one thread or one CPU's slot in a sum, its cache line apart"}},
    CpuTimePriceSlot{&CpuTimePrices::timer_op,
                     {"cputime_timer_op", "queueing, taking off or setting a CPU timer or interval timer"}},
    CpuTimePriceSlot{&CpuTimePrices::tick, {"cputime_tick", "fixed part of a tick: clock, scheduler, RCU"}},
    CpuTimePriceSlot{&CpuTimePrices::context_switch, {"cputime_switch", "switch from one thread to another"}},
    CpuTimePriceSlot{&CpuTimePrices::system_call, {"cputime_syscall", "way into the kernel and out"}},
    CpuTimePriceSlot{&CpuTimePrices::signal_send, {"cputime_signal_send", "queueing a signal and choosing its thread"}},
    CpuTimePriceSlot{&CpuTimePrices::signal_deliver,
                     {"cputime_signal_deliver", "frame of a signal handler, an empty handler, and the return from it"}},
    CpuTimePriceSlot{&CpuTimePrices::thread_exit,
                     {"cputime_thread_exit", "creation or end of a thread, locks and accounting apart"}},
};

inline CpuTimePrices::CpuTimePrices(const sim::Machine& machine) {
    for (const CpuTimePriceSlot& s : kCpuTimePriceSlots)
        this->*s.slot = machine.price(s.decl.name);
}

}  // namespace ticklab::cputime
