// What the kernel's timer code asks the cost table for.
#pragma once

#include <array>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {

struct LinuxPrices {
    sim::Price timer_op, wheel_bucket, wheel_level, callback_call, hrtimer_op, rb_step, tick_work, governor_select;

    explicit LinuxPrices(const sim::Machine& machine);
};

struct LinuxPriceSlot {
    sim::Price LinuxPrices::*slot;
    sim::CostDecl decl;
};

inline constexpr std::array kLinuxPriceSlots{
    LinuxPriceSlot{&LinuxPrices::timer_op, {"timer_op", "fixed part of set, stop, migrate, kill or init of a timer"}},
    LinuxPriceSlot{&LinuxPrices::wheel_bucket,
                   {"wheel_bucket", "finding the bucket of a timer in a wheel, linking or unlinking it"}},
    LinuxPriceSlot{&LinuxPrices::wheel_level, {"wheel_level", "looking at one level of a wheel for its first bucket"}},
    LinuxPriceSlot{&LinuxPrices::callback_call, {"callback_call", "calling a timer's callback, its body excluded"}},
    LinuxPriceSlot{&LinuxPrices::hrtimer_op,
                   {"hrtimer_op", "fixed part of start or cancel of a high-resolution timer"}},
    LinuxPriceSlot{&LinuxPrices::rb_step, {"rb_step", "one level of a red-black tree: compare and follow"}},
    LinuxPriceSlot{&LinuxPrices::tick_work,
                   {"tick_work", "accounting, RCU, scheduler and CPU timers in one tick; timer queues excluded"}},
    LinuxPriceSlot{&LinuxPrices::governor_select, {"governor_select", "an idle governor chooses a C-state"}},
};

/// Prices that classes ask for themselves.
inline constexpr std::array kLinuxOtherCosts{
    sim::CostDecl{"softirq_dispatch", "finding and entering one softirq handler"},
    sim::CostDecl{"jiffies_update", "adding ticks to jiffies and updating the wall clock, under the lock"},
    sim::CostDecl{"rtc_read", "reading the time of day from the RTC, a port access for each register"},
};

inline LinuxPrices::LinuxPrices(const sim::Machine& machine) {
    for (const LinuxPriceSlot& s : kLinuxPriceSlots)
        this->*s.slot = machine.price(s.decl.name);
}

}  // namespace ticklab::linux_
