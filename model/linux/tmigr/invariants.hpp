// What holds when no CPU is inside an operation of the hierarchy (TMM 14.1), and who is responsible for whom (14.3).
//
// Walks the structures for itself; shares no code with what maintains them.
#pragma once

#include <optional>
#include <string>

#include "ticklab/model/linux/invariants.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"

namespace ticklab::linux_::tmigr {

/// What the wheel and the tick of each CPU are, for M3, M6 and M8.
class TimerView {
public:
    virtual ~TimerView() = default;
    /// The CPU sleeps: its wheel, its tick and the hierarchy have come to an agreement. While it is in an interrupt or
    /// on its way out of idle they may differ.
    virtual bool settled(sim::CpuId cpu) const = 0;
    virtual bool base_idle(sim::CpuId cpu) const = 0;
    /// First pending timer of the class, kKtimeMax for none.
    virtual Ktime first_local(sim::CpuId cpu) const = 0;
    virtual Ktime first_global(sim::CpuId cpu) const = 0;
    /// For when the CPU's clock-event device is armed, kKtimeMax if it is not.
    virtual Ktime clock_event(sim::CpuId cpu) const = 0;
    virtual Ktime now() const = 0;
    virtual KtimeSpan tick() const = 0;
};

/// M1, M2, M4, M5, M7 and M9 to M13: what the hierarchy shows by itself. Requires quiet().
std::optional<Broken> check_structure(const TmigrPlacement& placement);
/// The same, and M3 and M6 of CPUs that are settled, M8 if all are.
std::optional<Broken> check_quiet(const TmigrPlacement& placement, const TimerView& view);

/// The CPU that runs the global timers of `owner` now, by its lowest active ancestor and the migrators below that:
/// `owner` itself while it is awake or serves itself; kNoCpu if no CPU of its hierarchy is awake.
sim::CpuId responsible_for(const TmigrPlacement& placement, sim::CpuId owner);

}  // namespace ticklab::linux_::tmigr
