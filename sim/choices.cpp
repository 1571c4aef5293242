#include "ticklab/sim/choices.hpp"

#include <bit>
#include <cassert>

namespace ticklab::sim {

ChoiceContext::Counter& ChoiceContext::new_counter(std::uint64_t site_hash) {
    if (used_ == counters_.size())
        counters_.push_back({});
    return counters_[used_++] = Counter{site_hash, mix(mix(site_hash, owner_), root_), 0};
}

void Strategy::at_point(const Cpu&, const InterleavingPoint&) {}

std::uint64_t Choices::ask(const Site& site, std::uint64_t key, std::uint64_t bound, std::uint64_t seeded) {
    const std::uint64_t answer = strategy_->answer(site, key, bound, seeded);
    assert(answer < bound);
    return answer;
}

std::uint64_t negative_log2_fixed(std::uint64_t u) {
    assert(u != 0);
    const int leading = std::countl_zero(u);
    // Mantissa in [1, 2) as 1.63 fixed point; its logarithm bit by bit, by squaring.
    std::uint64_t m = u << leading;
    std::uint64_t log2_fraction = 0;
    for (int bit = 31; bit >= 0; --bit) {
        const UInt128 square = UInt128{m} * m;
        if (square >> 127) {
            log2_fraction |= std::uint64_t{1} << bit;
            m = static_cast<std::uint64_t>(square >> 64);
        } else {
            m = static_cast<std::uint64_t>(square >> 63);
        }
    }
    const std::uint64_t log2_fixed = (std::uint64_t{static_cast<unsigned>(63 - leading)} << 32) | log2_fraction;
    return (std::uint64_t{64} << 32) - log2_fixed;
}

std::uint64_t Choices::exponential(const Site& site, ChoiceContext& context, std::uint64_t mean) {
    constexpr std::uint64_t kResolution = std::uint64_t{1} << 62;
    constexpr UInt128 kLn2Fixed = 0xb17217f7ull;  // ln 2 in units of 2^-32
    // Answer 0 (nothing happens) is the shortest wait, so the draw counts down from certainty.
    const std::uint64_t u = (kResolution - draw(site, context, kResolution)) << 2;
    const std::uint64_t log2_fixed = u == 0 ? 0 : negative_log2_fixed(u);
    return static_cast<std::uint64_t>((UInt128{mean} * log2_fixed * kLn2Fixed) >> 64);
}

}  // namespace ticklab::sim
