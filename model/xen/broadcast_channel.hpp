// One channel of the HPET broadcast (HP 9.1): a comparator that wakes a set of sleeping CPUs, and its registers.
//
// Rules
//  (1) `lock` guards owner, next_event, the comparator and changes of `sleeping`. It is taken in the channel's
//      interrupt, so with interrupts disabled everywhere (HPET-16).
//  (2) `used` says that a CPU owns the channel or is about to; it is claimed without the lock (HP 9.2).
//  (3) The channel's interrupt goes to its owner, which is one of the sleeping CPUs.
#pragma once

#include <cstdint>
#include <string>

#include "ticklab/model/xen/changes.hpp"
#include "ticklab/model/xen/stime.hpp"
#include "ticklab/sim/cpu_set.hpp"
#include "ticklab/sim/devices/hpet_registers.hpp"
#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::xen {

/// When a comparator counts as written too late, and how short a span may be.
struct ComparatorRule {
    StimeSpan least;
    bool (*late)(std::uint32_t before, std::uint32_t after, std::uint64_t ticks);
};
/// Elapsed ticks, unsigned, with a guard (HP 8.3, the hypervisor's row).
extern const ComparatorRule kElapsedRule;
/// HPET-11: what it was before.
extern const ComparatorRule kOrderRule;

class BroadcastChannel {
public:
    BroadcastChannel(sim::Machine& machine, sim::LockClass& lock_class, unsigned index, unsigned hpet_timer,
                     bool by_legacy)
        : number(index),
          timer(hpet_timer),
          legacy(by_legacy),
          lock(machine, lock_class, "broadcast channel " + std::to_string(index)),
          next_event(lock, kStimeMax),
          owner(lock, sim::kNoCpu),
          sleeping(machine.cpu_count()) {}

    /// Makes the comparator an edge-triggered 32-bit one-shot that raises `vector` (HP 8.5). [point]
    void configure(sim::Cpu& cpu, std::uint8_t vector, const XenChanges& changes);
    /// Sends the interrupt to `target` from now on. Lock held. [point]
    void retarget(sim::Cpu& cpu, sim::CpuId target);
    /// Writes the comparator `ticks` ahead of the counter. False if the counter may have passed it before the write
    /// took effect: no interrupt before a wrap then (HP 8.3). Lock held, interrupts off. [point]
    bool write_comparator(sim::Cpu& cpu, std::uint64_t ticks, const ComparatorRule& rule);
    /// No interrupt before a wrap. Lock held. [point]
    void disarm(sim::Cpu& cpu);

    const unsigned number;
    const unsigned timer;  ///< of the HPET
    const bool legacy;     ///< by legacy replacement routing, through the I/O APIC
    sim::SpinLock lock;
    /// Earliest instant at which a sleeping CPU wants to be woken; kStimeMax for none.
    sim::Guarded<Stime> next_event;
    sim::Guarded<sim::CpuId> owner;
    sim::Atomic<bool> used{false};
    sim::CpuSet sleeping;

    /// What the device was programmed for, kStimeMax for nothing; stays while the interrupt is on its way and handled.
    /// For XT-I7 and HP-P4.
    Stime armed_for = kStimeMax;
    unsigned handlers = 0;  ///< under way
    std::uint64_t interrupts = 0;
    std::uint64_t missed = 0;  ///< comparators that the counter may have passed

private:
    std::uint32_t reg(std::uint32_t offset) const { return sim::hpet::timer_register(timer, offset); }
};

}  // namespace ticklab::xen
