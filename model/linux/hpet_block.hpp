// The HPET as its drivers share it (HP 8.1): looked at, reset and started once, by whoever comes first.
//
// Rules
//  (1) Timer 0 is the broadcast's clock-event device (hpet_clock_event.hpp), timer 1 the RTC's (hpet_rtc.hpp); both by
//      legacy replacement routing (HP 8.5).
//  (2) Nobody resets a block that is in use: the other driver's comparator would be lost.
#pragma once

#include <cstdint>

#include "ticklab/sim/cpu.hpp"

namespace ticklab::linux_ {

class HpetBlock {
public:
    /// `restart_counter`: the main counter begins at 0 when the block is taken into use, else it goes on.
    explicit HpetBlock(bool restart_counter) : restart_counter_(restart_counter) {}

    /// True if the block is there, counts, and can interrupt; it is in use from then on. Interrupts off. [point]
    bool take_into_use(sim::Cpu& cpu);
    bool in_use() const { return in_use_; }
    /// Ticks a second, rounded down; 0 before it is in use.
    std::uint64_t rate_hz() const { return rate_hz_; }

private:
    bool reset(sim::Cpu& cpu);
    bool counts(sim::Cpu& cpu) const;

    bool restart_counter_;
    bool in_use_ = false;
    std::uint64_t rate_hz_ = 0;
};

}  // namespace ticklab::linux_
