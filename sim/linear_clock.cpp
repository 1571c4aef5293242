#include "ticklab/sim/linear_clock.hpp"

#include <cassert>
#include <stdexcept>

namespace ticklab::sim {
namespace {

constexpr std::uint64_t kFsPerPs = 1'000;
constexpr std::int64_t kPpmOfOne = 1'000'000;
constexpr std::uint64_t kLargestTerm = (std::uint64_t{1} << 63) - 1;

UInt128 greatest_common_divisor(UInt128 a, UInt128 b) {
    while (b != 0) {
        const UInt128 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

std::uint64_t mask_of(unsigned bits) { return bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1; }

}  // namespace

TickRate TickRate::of(UInt128 num, UInt128 den) {
    if (num == 0 || den == 0)
        throw std::invalid_argument("clock rate: a term is 0, expected a positive fraction");
    const UInt128 divisor = greatest_common_divisor(num, den);
    num /= divisor;
    den /= divisor;
    if (num > kLargestTerm || den > kLargestTerm)
        throw std::invalid_argument("clock rate: a term of the reduced fraction has more than 63 bits");
    return {static_cast<std::uint64_t>(num), static_cast<std::uint64_t>(den)};
}

TickRate TickRate::of_frequency(std::uint64_t hz) { return of(hz, kPicosecondsPerSecond); }

TickRate TickRate::of_period(std::uint64_t period_fs) { return of(kFsPerPs, period_fs); }

TickRate TickRate::drifted(std::int64_t ppm) const {
    if (ppm <= -kPpmOfOne)
        throw std::invalid_argument("clock drift: found -1000000 ppm or less, expected more");
    if (ppm > kPpmOfOne * kPpmOfOne)
        throw std::invalid_argument("clock drift: found more than 10^12 ppm");
    return of(UInt128{num} * static_cast<std::uint64_t>(kPpmOfOne + ppm), UInt128{den} * std::uint64_t{kPpmOfOne});
}

LinearClock::LinearClock(TickRate rate, unsigned width, Time t0, std::uint64_t base)
    : rate_(rate), t0_(t0), base_(base & mask_of(width)), mask_(mask_of(width)), width_(width) {
    assert(width >= 1 && width <= 64);
    assert(rate.num >= 1 && rate.num <= kLargestTerm && rate.den >= 1 && rate.den <= kLargestTerm);
}

LinearClock::Reading LinearClock::elapsed(Time at) const {
    assert(at >= t0_ || !running_);
    if (!running_)
        return {0, frac_};
    const auto span_ps = static_cast<std::uint64_t>((at - t0_).count());
    const UInt128 scaled = UInt128{span_ps} * rate_.num + frac_;
    if (scaled >> 64 == 0) [[likely]] {
        const auto narrow = static_cast<std::uint64_t>(scaled);
        return {narrow / rate_.den, narrow % rate_.den};
    }
    const UInt128 ticks = scaled / rate_.den;
    return {static_cast<std::uint64_t>(ticks), static_cast<std::uint64_t>(scaled - ticks * rate_.den)};
}

std::uint64_t LinearClock::read(Time at) const { return (base_ + elapsed(at).ticks) & mask_; }

Time LinearClock::after_ticks(Time from, UInt128 ticks) const {
    assert(ticks <= UInt128{1} << 64);
    if (ticks == 0)
        return from;
    if (!running_)
        return kNever;
    // The phase at `from` is below den, so the difference is positive; it stays below 2^64 * 2^63.
    const UInt128 missing = ticks * rate_.den - elapsed(from).frac;
    const UInt128 span_ps = (missing + rate_.num - 1) / rate_.num;
    if (span_ps >= static_cast<std::uint64_t>((kNever - from).count()))
        return kNever;
    return from + Duration{static_cast<std::int64_t>(span_ps)};
}

Time LinearClock::first_at(Time from, std::uint64_t value) const {
    const std::uint64_t present = read(from);
    if (present >= value)
        return from;
    return value > mask_ ? kNever : after_ticks(from, value - present);
}

Time LinearClock::next_equal(Time from, std::uint64_t value, unsigned bits) const {
    assert(bits >= 1 && bits <= width_);
    const std::uint64_t distance = (value - read(from)) & mask_of(bits);
    return after_ticks(from, distance == 0 ? UInt128{1} << bits : UInt128{distance});
}

void LinearClock::anchor(Time at) {
    const Reading now = elapsed(at);
    base_ = (base_ + now.ticks) & mask_;
    frac_ = now.frac;
    t0_ = at;
}

void LinearClock::set_rate(Time at, TickRate rate) {
    anchor(at);
    frac_ = static_cast<std::uint64_t>(UInt128{frac_} * rate.den / rate_.den);
    rate_ = rate;
}

void LinearClock::stop(Time at) {
    anchor(at);
    running_ = false;
}

void LinearClock::start(Time at) {
    anchor(at);
    running_ = true;
}

void LinearClock::restart_phase(Time at) {
    anchor(at);
    frac_ = 0;
    running_ = true;
}

}  // namespace ticklab::sim
