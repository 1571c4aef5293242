// What the timer core asks the cost table for.
#pragma once

#include <array>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::xen {

struct XenPrices {
    sim::Price timer_op, heap_sift_step, list_scan_step, heap_copy_slot, memory_allocate, softirq_dispatch,
        callback_call;

    explicit XenPrices(const sim::Machine& machine);
};

struct XenPriceSlot {
    sim::Price XenPrices::*slot;
    sim::CostDecl decl;
};

inline constexpr std::array kXenPriceSlots{
    XenPriceSlot{&XenPrices::timer_op, {"timer_op", "fixed part of set, stop, migrate, kill or init of a timer"}},
    XenPriceSlot{&XenPrices::heap_sift_step, {"heap_sift_step", "one level of a timer heap: compare and move"}},
    XenPriceSlot{&XenPrices::list_scan_step, {"list_scan_step", "one member of a list passed over in a scan"}},
    XenPriceSlot{&XenPrices::heap_copy_slot, {"heap_copy_slot", "one slot copied when a timer heap grows"}},
    XenPriceSlot{&XenPrices::memory_allocate, {"memory_allocate", "one allocation of memory, or its attempt"}},
    XenPriceSlot{&XenPrices::softirq_dispatch, {"softirq_dispatch", "finding and entering one softirq handler"}},
    XenPriceSlot{&XenPrices::callback_call, {"callback_call", "calling a timer's callback, its body excluded"}},
};

inline XenPrices::XenPrices(const sim::Machine& machine) {
    for (const XenPriceSlot& s : kXenPriceSlots)
        this->*s.slot = machine.price(s.decl.name);
}

/// Pays `price` `times` over.
inline void spend_times(sim::Cpu& cpu, const sim::Price& price, std::uint64_t times) {
    if (times == 1)
        cpu.spend(price);
    else if (times != 0)
        cpu.spend(price.cycles * times);
}

}  // namespace ticklab::xen
