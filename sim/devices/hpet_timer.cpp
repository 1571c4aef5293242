#include "ticklab/sim/devices/hpet_timer.hpp"

#include <algorithm>

namespace ticklab::sim {

namespace {

namespace bits = hpet_timer_bits;

constexpr std::uint64_t kReserved = 0xffff'0081;

constexpr std::uint32_t flag(HpetDiagnostic d) { return 1u << static_cast<unsigned>(d); }

std::uint64_t merge(std::uint64_t old, std::uint64_t value, std::uint64_t lanes) {
    return (old & ~lanes) | (value & lanes);
}

}  // namespace

HpetTimer::HpetTimer(const HpetParams& params, unsigned index, const HpetFaultValues& faults)
    : params_(params), faults_(faults), index_(index) {
    reset();
}

void HpetTimer::reset() {
    config_ = 0;
    val_set_ = false;
    comparator_ = active_ = mask();
    period_ = 0;
    fsb_ = 0;
    load_pending_ = false;
    load_at_ = match_at_ = kNever;
    match_is_wrap_ = false;
    ignored_until_ = kBoot;
    fresh_ = spent_ = stale_ = ignore_next_ = false;
}

unsigned HpetTimer::width() const { return size64() && (config_ & bits::k32Mode) == 0 ? 64 : 32; }

std::uint64_t HpetTimer::config() const {
    return config_ | (own().periodic_capable ? bits::kPeriodicCapable : 0) | (size64() ? bits::kSize64Capable : 0) |
           (own().fsb_capable ? bits::kFsbCapable : 0) |
           (std::uint64_t{own().route_capable} << bits::kRouteCapableShift);
}

std::uint32_t HpetTimer::write_config(std::uint64_t value, std::uint64_t lanes) {
    if ((lanes & kHpetLowHalf) == 0)
        return flag(HpetDiagnostic::kReadOnly);
    std::uint32_t diagnostics = 0;
    if ((value & kReserved) != 0)
        diagnostics |= flag(HpetDiagnostic::kReservedBits);
    if ((value & bits::kPeriodic) != 0 && !own().periodic_capable)
        diagnostics |= flag(HpetDiagnostic::kNotCapable);
    if ((value & bits::kFsbEnable) != 0 && !own().fsb_capable)
        diagnostics |= flag(HpetDiagnostic::kNotCapable);

    const auto new_route = static_cast<unsigned>((value & bits::kRoute) >> bits::kRouteShift);
    if (new_route != route() && !can_route_to(new_route)) {
        value = merge(value, config_, bits::kRoute);
        diagnostics |= flag(HpetDiagnostic::kBadRoute);
    }
    const std::uint64_t writable = bits::kLevel | bits::kIntEnable | bits::kRoute |
                                   (own().periodic_capable ? bits::kPeriodic : 0) | (size64() ? bits::k32Mode : 0) |
                                   (own().fsb_capable ? bits::kFsbEnable : 0);
    config_ = value & writable;
    val_set_ = (value & bits::kValSet) != 0;
    comparator_ &= mask();
    active_ &= mask();
    period_ &= mask();
    return diagnostics;
}

std::uint64_t HpetTimer::read_comparator() {
    const std::uint64_t shown = stale_ ? stale_comparator_ : comparator_;
    stale_ = false;
    return shown;
}

bool HpetTimer::write_comparator(std::uint64_t value, std::uint64_t lanes, const LinearClock& counter, Time at) {
    lanes &= mask();
    if (lanes == 0)
        return false;
    const bool period_only = periodic() && !val_set_;
    const bool both_always = params_.period_model == HpetPeriodModel::kBothAlways;
    const bool to_comparator = both_always || !period_only;
    const bool to_period = both_always || period_only || params_.period_model == HpetPeriodModel::kPermissive;
    const bool first_periodic = periodic() && val_set_;
    val_set_ = false;
    if (to_period)
        period_ = merge(period_, value, lanes);
    if (!to_comparator)
        return true;

    stale_ = fault(HpetFault::kStaleComparator) != 0;
    stale_comparator_ = comparator_;
    comparator_ = merge(comparator_, value, lanes);
    ignore_next_ = first_periodic && counter.running() && fault(HpetFault::kFirstPeriodicIgnored) != 0;
    const auto delay = static_cast<std::uint64_t>(fault(HpetFault::kPostDelay));
    load_pending_ = delay != 0 && counter.running();
    if (load_pending_)
        load_counter_ = counter.read(at) + delay;
    else
        load(counter, at);
    return true;
}

void HpetTimer::load(const LinearClock& counter, Time at) {
    load_pending_ = false;
    active_ = comparator_;
    ignored_until_ = ignore_next_ ? counter.next_equal(at, 0, width()) : kBoot;
    fresh_ = !ignore_next_;
    spent_ = false;
}

void HpetTimer::halted(const LinearClock& counter, Time at) {
    ignore_next_ = false;
    ignored_until_ = kBoot;
    if (load_pending_)
        load(counter, at);
}

bool HpetTimer::at_or_behind(std::uint64_t counter) const {
    const std::uint64_t ahead = (active_ - counter) & mask();
    return ahead == 0 || ahead > mask() / 2;
}

void HpetTimer::rearm(const LinearClock& counter, Time at) {
    load_at_ = load_pending_ ? counter.next_equal(at, load_counter_, counter.width()) : kNever;
    match_is_wrap_ = false;
    if (!counter.running()) {
        match_at_ = kNever;
        return;
    }
    if (fresh_ && fault(HpetFault::kLenientMatch) != 0 && at_or_behind(counter.read(at))) {
        match_at_ = counter.after_ticks(at, 1);
        return;
    }
    // Computed again, as the rate may have changed; a wrap that is past leaves it alone.
    if (ignored_until_ > at)
        ignored_until_ = counter.next_equal(at, 0, width());
    const Time from = ignored_until_ == kNever ? at : std::max(at, ignored_until_ - Duration{1});
    match_at_ = ignored_until_ == kNever ? kNever : counter.next_equal(from, active_, width());
    if (params_.irq_at_wrap && !periodic() && width() == 32) {
        const Time wrap_at = counter.next_equal(at, 0, 32);
        match_is_wrap_ = wrap_at < match_at_;
        match_at_ = spent_ ? kNever : std::min(match_at_, wrap_at);
    }
}

std::optional<std::uint64_t> HpetTimer::act(const LinearClock& counter, Time at) {
    bool matches = match_at_ == at;
    bool is_wrap = match_is_wrap_;
    if (load_at_ == at) {
        // The new value takes the old one's place at this tick; it matches if the tick brought the counter to it.
        load(counter, at);
        matches = ((counter.read(at) ^ active_) & mask()) == 0 && !ignore_next_;
        is_wrap = false;
    }
    if (!matches)
        return std::nullopt;
    const std::uint64_t compared = active_;
    if (is_wrap)
        return compared;
    fresh_ = false;
    spent_ = !periodic();
    if (periodic()) {
        active_ = (active_ + period_) & mask();
        if (!load_pending_)
            comparator_ = active_;
        fresh_ = period_ != 0;
    }
    return compared;
}

std::string HpetTimer::problem(const LinearClock& counter, Time at) const {
    const std::string where = "hpet timer " + std::to_string(index_) + ": ";
    if (((comparator_ | active_ | period_) & ~mask()) != 0)
        return where + "bits above its width are set (HP 2.5)";
    if ((config_ & bits::kPeriodic) != 0 && !own().periodic_capable)
        return where + "periodic without the capability (HP 2.5)";
    if ((config_ & bits::kFsbEnable) != 0 && !own().fsb_capable)
        return where + "FSB enabled without the capability (HP 2.5)";
    if ((config() & bits::kValSet) != 0)
        return where + "VAL_SET reads 1 (HP-I3)";
    if (!load_pending_ && comparator_ != active_)
        return where + "compares another value than it shows (HP 4.1)";
    if (!counter.running())
        return next_event() == kNever ? "" : where + "an event is armed while the counter stands still (HP-I5)";
    if (match_at_ == kNever || match_at_ <= at || load_pending_ || match_is_wrap_ ||
        fault(HpetFault::kLenientMatch) != 0)
        return {};
    // HP-I6, HP-P1: equal now, not equal one picosecond before, and for the first time since `at`.
    if (((counter.read(match_at_) ^ active_) & mask()) != 0)
        return where + "the armed match is no equality (HP-P1)";
    if (((counter.read(match_at_ - Duration{1}) ^ (active_ - 1)) & mask()) != 0)
        return where + "the armed match is not the instant of the tick (HP-P1)";
    const std::uint64_t ticks_to_go = (counter.read(match_at_) - counter.read(at) - 1) & mask();
    if (ignored_until_ <= at && width() == 32 && counter.width() == 64 &&
        counter.read(match_at_) - counter.read(at) - 1 != ticks_to_go)
        return where + "an earlier equality is left out (HP-I6)";
    return {};
}

}  // namespace ticklab::sim
