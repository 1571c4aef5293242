#include "ticklab/sim/cost_table.hpp"

#include <cassert>
#include <numeric>

namespace ticklab::sim {
CycleLength CycleLength::of_frequency(std::uint64_t hz) {
    assert(hz >= 1 && hz <= kPicosecondsPerSecond);
    const std::uint64_t g = std::gcd(kPicosecondsPerSecond, hz);
    return CycleLength{kPicosecondsPerSecond / g, hz / g};
}

Price Price::of(Cycles cycles, CycleLength length) {
    // A division of 128 bits costs ten times one of 64, and jitter is converted at every payment.
    if (std::uint64_t small = 0; !__builtin_mul_overflow(cycles.count, length.ps_num, &small))
        return Price{cycles, static_cast<std::int64_t>(small / length.ps_den), small % length.ps_den};
    const UInt128 product = UInt128{cycles.count} * length.ps_num;
    return Price{cycles, static_cast<std::int64_t>(product / length.ps_den),
                 static_cast<std::uint64_t>(product % length.ps_den)};
}

}  // namespace ticklab::sim
