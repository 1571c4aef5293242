#include "ticklab/model/xen/system_time.hpp"

#include <algorithm>

namespace ticklab::xen {

sim::Time SystemTime::first_after(Stime t) const {
    if (ns(t) < 0)
        return sim::kBoot;
    const auto target = static_cast<std::uint64_t>(ns(t));
    if (target >= kLongest)
        return sim::kNever;
    const std::uint64_t guess = inverse_.scale(target);
    // Both scales are exact to better than 2^-29 and a few ticks.
    const std::uint64_t slack = (guess >> 28) + 64;
    std::uint64_t low = guess > slack ? guess - slack : 0;
    std::uint64_t high = guess + slack;
    while (low < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        if (scale_.scale(middle) > target)
            high = middle;
        else
            low = middle + 1;
    }
    const sim::UInt128 ps = (sim::UInt128{low} * 1'000'000'000'000 + tsc_hz_ - 1) / tsc_hz_;
    constexpr auto kHorizon = static_cast<std::uint64_t>(sim::ps(sim::kNever));
    return ps >= kHorizon ? sim::kNever : sim::Time{sim::Duration{static_cast<std::int64_t>(ps)}};
}

}  // namespace ticklab::xen
