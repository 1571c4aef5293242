#include "ticklab/sim/devices/local_apic_timer.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <numeric>

namespace ticklab::sim {

namespace {

constexpr std::uint64_t kMillion = 1'000'000;
constexpr std::uint64_t kMaxBusHz = 10'000'000'000;
constexpr std::uint32_t kDivideMask = 0xb;

/// By the code that bits {3,1,0} form (LA 3.2).
constexpr std::array<std::uint16_t, 8> kDivides{2, 4, 8, 16, 32, 64, 128, 1};

constexpr std::uint16_t divide_of(std::uint32_t configuration) {
    return kDivides[((configuration >> 1) & 4) | (configuration & 3)];
}

bool counts(ApicTimerMode mode) { return mode == ApicTimerMode::kOneShot || mode == ApicTimerMode::kPeriodic; }

}  // namespace

LocalApicTimer::LocalApicTimer(std::uint64_t bus_hz, std::uint32_t reload_ticks)
    : rate_(rate_of(bus_hz, 0)), bus_hz_(bus_hz), reload_ticks_(reload_ticks) {
    assert(bus_hz > 0 && bus_hz <= kMaxBusHz);
}

LocalApicTimer::Rate LocalApicTimer::rate_of(std::uint64_t bus_hz, std::int32_t ppm) {
    const std::uint64_t numerator = bus_hz * static_cast<std::uint64_t>(std::int64_t{kMillion} + ppm);
    const std::uint64_t denominator = kPicosecondsPerSecond * kMillion;
    const std::uint64_t common = std::gcd(numerator, denominator);
    return Rate{numerator / common, denominator / common, common};
}

std::uint64_t LocalApicTimer::ticks_since_start(Time at) const {
    if (frozen_ || at <= run_start_)
        return 0;
    const auto elapsed = static_cast<std::uint64_t>((at - run_start_).count());
    return static_cast<std::uint64_t>((UInt128{elapsed} * rate_.numerator + phase_) / tick_denominator());
}

Time LocalApicTimer::instant_of(std::uint64_t ticks) const {
    // The smallest x with floor((x * numerator + phase) / denominator) >= ticks; phase is below one tick.
    const UInt128 distance = ticks * tick_denominator() - phase_;
    const UInt128 x = rate_.numerator == 1 ? distance : (distance + rate_.numerator - 1) / rate_.numerator;
    if (x > static_cast<UInt128>((kNever - run_start_).count()))
        return kNever;
    return run_start_ + Duration{static_cast<std::int64_t>(x)};
}

std::uint32_t LocalApicTimer::current_count(Time at) const {
    if (!counting_)
        return 0;
    const std::uint64_t elapsed = ticks_since_start(at);
    if (mode_ == ApicTimerMode::kOneShot && elapsed >= remaining_)
        return 0;
    const std::uint64_t to_event =
        elapsed < remaining_ ? remaining_ - elapsed : period_ticks() - (elapsed - remaining_) % period_ticks();
    // While a reload takes its tick, the count stands at 0.
    return to_event > initial_count_ ? 0 : static_cast<std::uint32_t>(to_event);
}

void LocalApicTimer::start_run(Time at, std::uint64_t remaining) {
    run_start_ = at;
    phase_ = 0;
    remaining_ = remaining;
    event_ticks_ = remaining;
}

void LocalApicTimer::rebase(Time at) {
    if (!counting_ || frozen_)
        return;
    assert(event_at_ > at);
    const std::uint64_t elapsed = ticks_since_start(at);
    const auto since = static_cast<std::uint64_t>(std::max(at - run_start_, Duration::zero()).count());
    phase_ = UInt128{since} * rate_.numerator + phase_ - elapsed * tick_denominator();
    remaining_ = event_ticks_ - elapsed;
    event_ticks_ = remaining_;
    run_start_ = at;
}

void LocalApicTimer::stop() {
    counting_ = false;
    deadline_ = 0;
    event_at_ = kNever;
    whole_period_ = Duration::zero();
}

void LocalApicTimer::schedule(Time at) {
    whole_period_ = Duration::zero();
    if (frozen_ || !armed())
        event_at_ = kNever;
    else if (deadline_ != 0)
        event_at_ = std::max(at, clock_->first_at(deadline_ > early_ticks_ ? deadline_ - early_ticks_ : 0));
    else
        event_at_ = instant_of(event_ticks_);
    if (counting_ && mode_ == ApicTimerMode::kPeriodic)
        schedule_periods();
}

void LocalApicTimer::schedule_periods() {
    const UInt128 period = period_ticks() * tick_denominator();
    const UInt128 whole = period / rate_.numerator;
    if (whole * rate_.numerator == period && whole <= static_cast<UInt128>(Duration::max().count()))
        whole_period_ = Duration{static_cast<std::int64_t>(whole)};
}

void LocalApicTimer::expire() {
    if (mode_ != ApicTimerMode::kPeriodic) {
        stop();
        return;
    }
    event_ticks_ += period_ticks();
    event_at_ = whole_period_ > Duration::zero() ? saturating_add(event_at_, whole_period_) : instant_of(event_ticks_);
}

void LocalApicTimer::set_mode(Time at, ApicTimerMode mode, bool keep_running) {
    if (mode == mode_)
        return;
    if (keep_running && counts(mode) && counts(mode_)) {
        rebase(at);
        mode_ = mode;
        schedule(at);
        return;
    }
    mode_ = mode;
    stop();
    initial_count_ = 0;
}

void LocalApicTimer::write_initial_count(Time at, std::uint32_t count) {
    if (!counts(mode_))
        return;
    initial_count_ = count;
    counting_ = count != 0;
    start_run(at, count);
    schedule(at);
}

void LocalApicTimer::write_divide_configuration(Time at, std::uint32_t value) {
    rebase(at);
    const std::uint16_t divide = divide_of(value);
    phase_ = phase_ * divide / divide_;
    divide_ = divide;
    divide_configuration_ = value & kDivideMask;
    if (counting_)
        schedule(at);
}

void LocalApicTimer::set_frequency_error(Time at, std::int32_t ppm) {
    rebase(at);
    const Rate rate = rate_of(bus_hz_, ppm);
    phase_ = phase_ * rate_.common / rate.common;
    rate_ = rate;
    if (counting_)
        schedule(at);
}

void LocalApicTimer::write_deadline(Time at, std::uint64_t tsc) {
    if (mode_ != ApicTimerMode::kTscDeadline)
        return;
    assert(clock_);
    deadline_ = tsc;
    schedule(at);
}

void LocalApicTimer::deadline_clock_changed(Time at) {
    if (deadline_ != 0)
        schedule(at);
}

void LocalApicTimer::freeze(Time at) {
    if (frozen_)
        return;
    rebase(at);
    frozen_ = true;
    schedule(at);
}

void LocalApicTimer::thaw(Time at) {
    if (!frozen_)
        return;
    frozen_ = false;
    run_start_ = at;
    schedule(at);
}

void LocalApicTimer::reset() {
    stop();
    mode_ = ApicTimerMode::kOneShot;
    initial_count_ = 0;
    divide_configuration_ = 0;
    divide_ = divide_of(0);
    phase_ = 0;
}

}  // namespace ticklab::sim
