// What the migration hierarchy asks the cost table for.
#pragma once

#include <array>

#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_::tmigr {

struct TmigrPrices {
    sim::Price walk_step, queue_op, memory_allocate;

    explicit TmigrPrices(const sim::Machine& machine);
};

struct TmigrPriceSlot {
    sim::Price TmigrPrices::*slot;
    sim::CostDecl decl;
};

inline constexpr std::array kTmigrPriceSlots{
    TmigrPriceSlot{
        &TmigrPrices::walk_step,
        {"tmigr_walk_step", "one group of a walk through the migration hierarchy, its shared accesses excluded"}},
    TmigrPriceSlot{&TmigrPrices::queue_op,
                   {"tmigr_queue_op", "queueing or removing one event of a group of the migration hierarchy"}},
    TmigrPriceSlot{&TmigrPrices::memory_allocate, {"memory_allocate", "one allocation of memory, or its attempt"}},
};

inline TmigrPrices::TmigrPrices(const sim::Machine& machine) {
    for (const TmigrPriceSlot& s : kTmigrPriceSlots)
        this->*s.slot = machine.price(s.decl.name);
}

}  // namespace ticklab::linux_::tmigr
