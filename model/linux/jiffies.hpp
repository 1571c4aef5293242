// The monotonic clock and the tick count (TC 6, 7; LNT 8).
//
// Rules
//  (1) now() is the CPU's TSC in nanoseconds, exactly: no scale, so no drift against virtual time unless a TSC has one.
//      A TSC that is behind the last update counts as having stood there (TC-D4).
//  (2) Jiffies advance under `lock`, inside the sequence counter; the release store of the next edge comes last, so who
//      sees the edge ahead of its own clock has nothing to do (LNT 8.1).
//  (3) The grid of edges is k * TICK from boot: it starts aligned, so the alignment of LNT 2.4 has nothing to do.
//  (4) At most one CPU has the duty. Who takes or gives it up does so without a lock: a race makes two CPUs update,
//      which the lock serialises (LNT 8.2).
#pragma once

#include <cstdint>

#include "ticklab/model/linux/ktime.hpp"
#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::linux_ {

/// Values of the duty besides the number of a CPU (LNT 1).
inline constexpr sim::CpuId kDutyNone = sim::kNoCpu;
inline constexpr sim::CpuId kDutyBoot = sim::kNoCpu + 1;

class Timekeeping {
public:
    Timekeeping(sim::Machine& machine, unsigned hz);

    unsigned hz() const { return hz_; }
    KtimeSpan tick() const { return tick_; }
    /// Jiffies at boot: the low 32 bits wrap five minutes later (TC 7).
    Jiffies initial() const { return initial_; }

    /// CLOCK_MONOTONIC as this CPU reads it. [window]
    Ktime now(sim::Cpu& cpu) const { return from_tsc(cpu.read_tsc()); }
    /// The same for oracles, at no cost.
    Ktime peek(sim::Cpu& cpu) const { return from_tsc(cpu.tsc().read(cpu.local_time())); }
    /// Jiffies, without the sequence counter. [point]
    Jiffies jiffies(sim::Cpu& cpu) { return Jiffies{jiffies_.read_once(cpu)}; }
    /// Jiffies and the instant of their edge. Any context. [point]
    JiffiesPair pair(sim::Cpu& cpu);
    /// Adds the ticks that have passed by `now`, if any. Interrupts off. (LNT 8.1) [point]
    void update(sim::Cpu& cpu, Ktime now);
    /// One tick of a periodic device: interrupts off, by the CPU that has the duty. (LNT 2.2) [point]
    void periodic(sim::Cpu& cpu);
    /// The same for the tick at `edge`, unless that edge is counted already. (LNT 2.7) [point]
    void periodic_to(sim::Cpu& cpu, Ktime edge);

    sim::CpuId duty(sim::Cpu& cpu) { return duty_.read_once(cpu); }
    void set_duty(sim::Cpu& cpu, sim::CpuId to);

    // For oracles, promises and set-up.
    Jiffies peek_jiffies() const { return Jiffies{jiffies_.peek()}; }
    Ktime peek_edge() const { return ktime_at(last_update_.peek()); }
    Ktime peek_next_edge() const { return ktime_at(next_edge_.peek()); }
    sim::CpuId peek_duty() const { return duty_.peek(); }
    bool update_under_way() const { return lock_.held(); }
    /// The count that an ideal timekeeper has at `t`, and the first one whose edge is not before it.
    Jiffies ideal_jiffies(Ktime t) const { return initial_ + static_cast<std::uint64_t>(ns(t) / tick_.count()); }
    Jiffies jiffies_not_before(sim::Time t) const;
    /// The edge of `j`, which is not before boot; kKtimeMax beyond what fits.
    Ktime edge_of(Jiffies j) const;
    /// First instant of virtual time at which a TSC without faults makes the clock not earlier than `t`.
    sim::Time first_at(Ktime t) const;

    std::uint64_t updates() const { return updates_; }

private:
    Ktime from_tsc(std::uint64_t tsc) const;
    void advance(sim::Cpu& cpu, std::uint64_t ticks);

    unsigned hz_;
    KtimeSpan tick_;
    std::uint64_t tsc_hz_;
    Jiffies initial_;
    sim::SpinLock lock_;
    sim::Atomic<std::uint32_t> sequence_{0};
    sim::Shared<std::uint64_t> jiffies_;
    sim::Shared<std::int64_t> last_update_{0};
    sim::Atomic<std::int64_t> next_edge_;
    sim::Shared<sim::CpuId> duty_{kDutyBoot};
    std::uint64_t last_tsc_ = 0;
    std::uint64_t updates_ = 0;
    sim::Price update_price_;
};

}  // namespace ticklab::linux_
