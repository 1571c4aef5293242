// "Migration enabled": the one switch before every choice of another CPU (LPP 2.2).
//
// Rules
//  (1) Computed anew when NOHZ becomes active, once, by a work item, and at each write of the sysctl, under one mutex.
//      Readers see the old value or the new one; both are fine.
//  (2) Turning it off moves nothing.
#pragma once

#include <functional>
#include <utility>

#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::linux_::push {

class MigrationSwitch {
public:
    /// `nohz_active` is called in a thread when NOHZ was taken into account.
    MigrationSwitch(sim::Machine& machine, bool sysctl, std::function<void(sim::Cpu&)> nohz_active)
        : machine_(machine),
          mutex_(machine, machine.lock_class("timer_keys"), "timer_keys"),
          sysctl_(sysctl),
          then_(std::move(nohz_active)) {}

    /// Any context. [point]
    bool on(sim::Cpu& cpu) { return enabled_.read_once(cpu); }
    /// NOHZ is in use, in a hard interrupt: starts the work item. Later calls do nothing. (LPP 2.3) [point]
    void activate_nohz(sim::Cpu& cpu);
    /// A write of the sysctl: thread level, may sleep. [point]
    void set_sysctl(sim::Cpu& cpu, bool on);
    /// A further condition, for good; without it there is none (LPP 2.4). Before the first use.
    void require(std::function<bool()> condition) { condition_ = std::move(condition); }
    /// Thread level, may sleep. [point]
    void compute(sim::Cpu& cpu);

    bool peek() const { return enabled_.peek(); }

private:
    void compute_locked(sim::Cpu& cpu);

    sim::Machine& machine_;
    sim::Mutex mutex_;
    bool sysctl_;
    const std::function<void(sim::Cpu&)> then_;
    sim::Atomic<bool> nohz_asked_{false};
    bool nohz_active_ = false;
    std::function<bool()> condition_;
    sim::Shared<bool> enabled_{false};
};

}  // namespace ticklab::linux_::push
