// From reading a timer's owner without a lock until that owner's base is locked (XT 13.1).
#pragma once

#include "ticklab/model/xen/timers.hpp"
#include "ticklab/sim/rcu.hpp"

namespace ticklab::xen {

/// As long as this stands the base of the owner does not vanish, in eras that see to that; in others it does nothing.
class OwnerReadSection {
public:
    OwnerReadSection(sim::Cpu& cpu, sim::Machine& machine, const OfflineDesign& offline)
        : cpu_(cpu), rcu_(offline.grace_period ? &machine.rcu() : nullptr) {
        if (rcu_)
            rcu_->read_lock(cpu_);
    }
    ~OwnerReadSection() {
        if (rcu_)
            rcu_->read_unlock(cpu_);
    }
    OwnerReadSection(const OwnerReadSection&) = delete;
    OwnerReadSection& operator=(const OwnerReadSection&) = delete;

private:
    sim::Cpu& cpu_;
    sim::Rcu* rcu_;
};

}  // namespace ticklab::xen
