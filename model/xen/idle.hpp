// How a CPU with nothing to do sleeps: choosing a C-state, halt or mwait, broadcast (XT 9, MA 9, HP 9).
//
// Rules
//  (1) Softirqs are looked at again with interrupts off, right before the sleep (XEN-32).
//  (2) Where the state stops the local timer, the deadline is handed to the HPET broadcast for the time of the sleep.
//      Interrupts that end it are taken before the deadline is handed back: an owner finds itself in the set (HP 9.6).
//  (3) In mwait the deadline is tested after the monitor is armed, so that a deadline which is due, or a wake flag that
//      was written, prevents the sleep (XT 9).
#pragma once

#include "ticklab/model/xen/hpet_broadcast.hpp"

namespace ticklab::xen {

enum class IdleKind : std::uint8_t { kHalt, kMwait };

class Idle {
public:
    Idle(Timers& timers, Softirqs& softirqs, HpetBroadcast& broadcast, IdleKind kind, const XenChanges& changes)
        : timers_(timers), softirqs_(softirqs), broadcast_(broadcast), kind_(kind), changes_(changes) {}

    /// The end of a pass of the idle thread: interrupts on, softirqs run, no guest to run. [point]
    void pass(sim::Cpu& cpu);

private:
    unsigned choose_c_state(sim::Cpu& cpu);
    bool keep_awake(sim::Cpu& cpu);
    bool due(sim::Cpu& cpu);
    void sleep_in_mwait(sim::Cpu& cpu, unsigned c_state);

    Timers& timers_;
    Softirqs& softirqs_;
    HpetBroadcast& broadcast_;
    IdleKind kind_;
    const XenChanges& changes_;
};

}  // namespace ticklab::xen
