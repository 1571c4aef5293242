#include "ticklab/model/linux/hpet_clock_event.hpp"

#include <algorithm>

#include "ticklab/model/linux/vectors.hpp"
#include "ticklab/sim/devices/hpet_registers.hpp"
#include "ticklab/sim/devices/hpet_timer.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {

using sim::Cpu;

namespace {

namespace bits = sim::hpet_timer_bits;
namespace hpet = sim::hpet;

/// A comparator less than this ahead of the counter may have come too late for the match logic (HPET-04), and the
/// shortest distance asked for, which exceeds it clearly.
constexpr std::int32_t kGuardTicks = 128;
constexpr std::uint64_t kLeastTicks = 192;
constexpr std::uint64_t kMostTicks = 0x7fff'ffff;
/// Failures in a row after which the least distance grows, and what it is at least then (LHR 7.6).
constexpr unsigned kTriesBeforeGrowth = 3;
constexpr KtimeSpan kGrownDelta{5'000};

}  // namespace

bool HpetClockEvent::probe(Cpu& cpu) {
    if (!block_.take_into_use(cpu))
        return false;
    mult_ = static_cast<std::uint64_t>((sim::UInt128{block_.rate_hz()} << 32) / 1'000'000'000);
    min_delta_ = span_of(kLeastTicks);
    max_delta_ = span_of(kMostTicks - 1);
    cpu.io_apic_write_entry(sim::Hpet::kLegacyPinTimer0, 0, kHpetVector);
    aim_at(cpu, cpu.id());
    return true;
}

KtimeSpan HpetClockEvent::least_delta(std::uint64_t period_fs) {
    return KtimeSpan{static_cast<std::int64_t>(kLeastTicks * period_fs / 1'000'000 + 1)};
}

/// The shortest distance that is at least that many ticks when it is rounded down to them (HP 8.2).
KtimeSpan HpetClockEvent::span_of(std::uint64_t ticks) const {
    return KtimeSpan{static_cast<std::int64_t>(((sim::UInt128{ticks} << 32) + mult_ - 1) / mult_)};
}

void HpetClockEvent::aim_at(Cpu& cpu, sim::CpuId target) {
    if (target_ == target)
        return;
    target_ = target;
    cpu.io_apic_write_entry(sim::Hpet::kLegacyPinTimer0, 1, target << 24);
}

void HpetClockEvent::enable(Cpu& cpu, bool on) {
    if (enabled_ == on)
        return;
    enabled_ = on;
    cpu.hpet_write(hpet::timer_register(0, hpet::kTimerConfiguration), bits::k32Mode | (on ? bits::kIntEnable : 0));
}

bool HpetClockEvent::write_comparator(Cpu& cpu, KtimeSpan delta) {
    const auto ticks =
        static_cast<std::uint32_t>((sim::UInt128{static_cast<std::uint64_t>(delta.count())} * mult_) >> 32);
    const std::uint32_t comparator = static_cast<std::uint32_t>(cpu.hpet_read(hpet::kMainCounter)) + ticks;
    cpu.hpet_write(hpet::timer_register(0, hpet::kTimerComparator), comparator);
    const auto ahead =
        static_cast<std::int32_t>(comparator - static_cast<std::uint32_t>(cpu.hpet_read(hpet::kMainCounter)));
    if (ahead >= kGuardTicks)
        return true;
    ++missed_;
    return false;
}

bool HpetClockEvent::write_least(Cpu& cpu) {
    for (unsigned tries = 1; !write_comparator(cpu, min_delta_); ++tries) {
        if (tries % kTriesBeforeGrowth != 0)
            continue;
        if (min_delta_ >= tick_)
            return false;
        min_delta_ = std::min(std::max(min_delta_ + min_delta_ / 2, kGrownDelta), tick_);
    }
    return true;
}

bool HpetClockEvent::set(Cpu& cpu, Ktime expires, Ktime now, sim::CpuId target, bool force) {
    if (expires == kKtimeMax) {
        armed_for_ = kKtimeMax;
        enable(cpu, false);
        return true;
    }
    aim_at(cpu, target);
    enable(cpu, true);
    const KtimeSpan delta = std::clamp(expires - now, min_delta_, max_delta_);
    armed_for_ = now + delta;
    if (write_comparator(cpu, delta))
        return true;
    armed_for_ = kKtimeMax;
    if (!force)
        return false;
    if (!write_least(cpu)) {
        next_event_ = kKtimeMax;
        return false;
    }
    armed_for_ = now + min_delta_;
    return true;
}

}  // namespace ticklab::linux_
