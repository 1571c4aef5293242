// Timers of emulated platform devices (XT 12.5): one a guest, periodic, its phase aligned (XT 11) so that the ticks of
// different guests coincide. It belongs to one vCPU at a time.
//
// Rules
//  (1) `vcpu` of a timer is written with the device locks of the old and of the new vCPU held (XEN-37), so whoever
//      holds the owner's lock finds the owner unchanged when it unlocks. Who waited for the lock reads the owner again.
//  (2) Of two device locks that of the vCPU with the lower number is taken first.
#pragma once

#include "ticklab/model/xen/guests.hpp"

namespace ticklab::xen {

class EmulatedTimers {
public:
    EmulatedTimers(ClientTimers& timers, Scheduler& scheduler, Guests& guests, const SystemTime& time,
                   std::uint32_t guest_count, const XenChanges& changes);

    /// On a CPU that starts: the timers of the guests that begin there.
    void init(sim::Cpu& cpu);
    /// A hypercall of `v`, on its CPU: its guest's timer ticks for it from now on; not at all if `period` is zero.
    /// Shorter than 1 ms counts as that.
    void start(sim::Cpu& cpu, Vcpu& v, StimeSpan period);
    /// Gives its guest's timer to a vCPU, and to its CPU.
    void give(sim::Cpu& cpu, Vcpu& v);
    const Timer& timer_of(std::uint32_t guest) const { return emulated_[guest].timer; }

private:
    struct Emulated {
        EmulatedTimers* owner;
        Timer timer;
        sim::Shared<Vcpu*> vcpu;
        StimeSpan period{};
        Emulated(EmulatedTimers& timers, Vcpu* first) : owner(&timers), vcpu(first) {}
    };

    void lock_owner(sim::Cpu& cpu, Emulated& e);
    void unlock_owner(sim::Cpu& cpu, Emulated& e) { e.vcpu.read_once(cpu)->device_lock.release(cpu); }
    void change_owner_locked(sim::Cpu& cpu, Emulated& e, Vcpu& v);
    void change_owner_half_locked(sim::Cpu& cpu, Emulated& e, Vcpu& v);
    void tick(sim::Cpu& cpu, Emulated& e);
    void set_next(sim::Cpu& cpu, Emulated& e);

    ClientTimers& timers_;
    Scheduler& scheduler_;
    const SystemTime& time_;
    const XenChanges& changes_;
    std::deque<Emulated> emulated_;
};

}  // namespace ticklab::xen
