#include "ticklab/sim/cost_table.hpp"

#include <cassert>
#include <numeric>

namespace ticklab::sim {
namespace {
constexpr std::uint64_t kPsPerSecond = 1'000'000'000'000;
}

CycleLength CycleLength::of_frequency(std::uint64_t hz) {
    assert(hz >= 1 && hz <= kPsPerSecond);
    const std::uint64_t g = std::gcd(kPsPerSecond, hz);
    return CycleLength{kPsPerSecond / g, hz / g};
}

Price Price::of(Cycles cycles, CycleLength length) {
    const UInt128 product = UInt128{cycles.count} * length.ps_num;
    return Price{cycles, static_cast<std::int64_t>(product / length.ps_den),
                 static_cast<std::uint64_t>(product % length.ps_den)};
}

}  // namespace ticklab::sim
