// The hypervisor's clock: system time from each CPU's TSC (TC 5.1).
//
// Rules
//  - now = stamp.stime + scale(TSC - stamp.tsc). Both scales round down (TC-P2), so a deadline converted to a
//    TSC value may be early; software looks again.
//  - Each CPU has a stamp of its own. As long as nothing calibrates, all stand at boot.
#pragma once

#include <cstdint>
#include <vector>

#include "ticklab/model/xen/stime.hpp"
#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/time_scale.hpp"

namespace ticklab::xen {

class SystemTime {
public:
    SystemTime(std::uint64_t tsc_hz, sim::CpuId cpu_count)
        : tsc_hz_(tsc_hz),
          scale_(sim::TimeScale::of_frequency(tsc_hz)),
          inverse_(scale_.reciprocal()),
          stamps_(cpu_count) {}

    /// The present, as this CPU computes it from a plain read of the TSC. [window]
    Stime now(sim::Cpu& cpu) const { return from_tsc(cpu.id(), cpu.read_tsc_unordered()); }
    /// The same for oracles, at no cost.
    Stime peek(sim::Cpu& cpu) const { return from_tsc(cpu.id(), cpu.tsc().read(cpu.local_time())); }

    Stime from_tsc(sim::CpuId cpu, std::uint64_t tsc) const {
        const Stamp& s = stamps_[cpu];
        // The difference is signed: a TSC that was stepped back gives an earlier time.
        if (const auto delta = static_cast<std::int64_t>(tsc - s.tsc); delta >= 0)
            return s.stime + span(scale_, static_cast<std::uint64_t>(delta));
        else
            return s.stime - span(scale_, static_cast<std::uint64_t>(-delta));
    }
    /// TSC of `cpu` at `t`, for a deadline: at least 1, since 0 disarms. Saturates beyond what 64 bits hold.
    std::uint64_t to_tsc(sim::CpuId cpu, Stime t) const {
        const Stamp& s = stamps_[cpu];
        if (t <= s.stime)
            return s.tsc > 0 ? s.tsc : 1;
        const auto delta = static_cast<std::uint64_t>((t - s.stime).count());
        const std::uint64_t ticks = inverse_.scale(delta < kLongest ? delta : kLongest);
        return s.tsc + (ticks > 0 ? ticks : 1);
    }
    /// The first instant at which a TSC without faults makes the time later than `t` (not before boot). For promises:
    /// the clock's rounding is exact, so bounds on it need no allowance.
    sim::Time first_after(Stime t) const;

private:
    struct Stamp {
        Stime stime{};
        std::uint64_t tsc = 0;
    };
    /// Beyond the horizon of virtual time, and short enough that the scale's left shift pushes no bits out.
    static constexpr std::uint64_t kLongest = std::uint64_t{1} << 53;
    static StimeSpan span(const sim::TimeScale& scale, std::uint64_t ticks) {
        return StimeSpan{static_cast<std::int64_t>(scale.scale(ticks))};
    }

    std::uint64_t tsc_hz_;
    sim::TimeScale scale_;
    sim::TimeScale inverse_;
    std::vector<Stamp> stamps_;
};

}  // namespace ticklab::xen
