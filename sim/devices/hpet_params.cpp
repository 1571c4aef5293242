#include "ticklab/sim/devices/hpet_params.hpp"

namespace ticklab::sim {
namespace {

std::string out_of_range(std::string_view what, std::uint64_t found, std::uint64_t min, std::uint64_t max) {
    return "hpet." + std::string(what) + ": found " + std::to_string(found) + ", expected " + std::to_string(min) +
           " to " + std::to_string(max);
}

}  // namespace

HpetParams::HpetParams(unsigned count) : timers(count) {
    if (count > 0)
        timers[0].periodic_capable = true;
    if (count > 2)
        timers[2].route_capable |= 1u << 11;
    if (count > 3)
        timers[3].route_capable |= 1u << 12;
}

std::string HpetParams::problem() const {
    if (period_fs < kHpetMinPeriodFs || period_fs > kHpetMaxPeriodFs)
        return out_of_range("period_fs", period_fs, kHpetMinPeriodFs, kHpetMaxPeriodFs);
    if (counter_bits != 32 && counter_bits != 64)
        return "hpet.counter_bits: found " + std::to_string(counter_bits) + ", expected 32 or 64";
    if (timers.size() < kHpetMinTimers || timers.size() > kHpetMaxTimers)
        return out_of_range("timers", timers.size(), kHpetMinTimers, kHpetMaxTimers);
    if (counter_bits == 32 && counter_start > UINT32_MAX)
        return out_of_range("counter_start", counter_start, 0, UINT32_MAX);
    if (revision == 0)
        return "hpet.revision: found 0, expected 1 to 255";
    return {};
}

}  // namespace ticklab::sim
