// Judges the ticks' states against wheel, queues and hardware (LNT 8.6, 13). Shares no code with what keeps them.
//
// Rules
//  - Observers: they spend no time, emit no record and make no choice.
//  - check_asleep() is asked when a CPU is about to sleep, all decisions taken; check_awake() when it has left idle.
#pragma once

#include <optional>

#include "ticklab/model/linux/invariants.hpp"
#include "ticklab/model/linux/ktime.hpp"

namespace ticklab::linux_ {

class TickSched;
class Timekeeping;
struct TimerBase;

/// When the first bucket of a base is collected, by a walk over all of them; kKtimeMax for none.
Ktime first_bucket(const Timekeeping& time, const TimerBase& base);

/// T1, T3, T6, T8, N1, N2 and B1 of a CPU whose local time is `now`.
std::optional<Broken> check_asleep(const TickSched& tick, sim::CpuId cpu, Ktime now);
/// T3 and T6 of a CPU whose tick is stopped, busy or not.
std::optional<Broken> check_covered(const TickSched& tick, sim::CpuId cpu, Ktime now);
/// T1 with W8, T2, T4.
std::optional<Broken> check_awake(const TickSched& tick, sim::CpuId cpu, Ktime now);

}  // namespace ticklab::linux_
