// One timer of an HPET: its registers and its match logic (HP 2.5 to 2.7, HP 4). It knows nothing of interrupts, which
// are the block's (sim/devices/hpet.hpp).
//
// Rules
//  - A match is the instant at which the counter becomes equal to the comparator in width() bits: equality, not
//    order. A value that the counter has passed, or has now, matches after a wrap only.
//  - After every change of comparator, configuration, counter or rate the owner calls rearm() (HP-I6).
//  - `comparator` is what software reads, `active` what is compared; they differ while a posted write is on its
//    way (HP-F2).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "ticklab/sim/devices/hpet_params.hpp"
#include "ticklab/sim/linear_clock.hpp"

namespace ticklab::sim {

/// The lanes of a register's low 32 bits.
inline constexpr std::uint64_t kHpetLowHalf = 0xffff'ffff;

/// Bits of a timer's configuration register (HP 2.5).
namespace hpet_timer_bits {
inline constexpr std::uint64_t kLevel = 1u << 1;
inline constexpr std::uint64_t kIntEnable = 1u << 2;
inline constexpr std::uint64_t kPeriodic = 1u << 3;
inline constexpr std::uint64_t kPeriodicCapable = 1u << 4;
inline constexpr std::uint64_t kSize64Capable = 1u << 5;
inline constexpr std::uint64_t kValSet = 1u << 6;
inline constexpr std::uint64_t k32Mode = 1u << 8;
inline constexpr unsigned kRouteShift = 9;
inline constexpr std::uint64_t kRoute = 0x1fu << kRouteShift;
inline constexpr std::uint64_t kFsbEnable = 1u << 14;
inline constexpr std::uint64_t kFsbCapable = 1u << 15;
inline constexpr unsigned kRouteCapableShift = 32;
}  // namespace hpet_timer_bits

/// The values of the faults that are set, by HpetFault.
using HpetFaultValues = std::array<std::int64_t, kHpetFaults.size()>;

class HpetTimer {
public:
    /// `params` and `faults` are the block's and outlive the timer.
    HpetTimer(const HpetParams& params, unsigned index, const HpetFaultValues& faults);

    void reset();

    std::uint64_t config() const;
    /// `lanes` has the bits of the register that are written. Returns the diagnostics it earned, bit by HpetDiagnostic.
    std::uint32_t write_config(std::uint64_t value, std::uint64_t lanes);
    /// What a read of the comparator register gives; ends fault HP-F13 for this write.
    std::uint64_t read_comparator();
    /// Returns whether anything changed: the upper half of a 32-bit timer does not exist.
    bool write_comparator(std::uint64_t value, std::uint64_t lanes, const LinearClock& counter, Time at);
    std::uint64_t fsb() const { return fsb_; }
    void write_fsb(std::uint64_t value, std::uint64_t lanes) { fsb_ = (fsb_ & ~lanes) | (value & lanes); }

    /// Computes the next event again, at `at`.
    void rearm(const LinearClock& counter, Time at);
    /// The counter has stopped: posted writes arrive, and a first periodic value is taken after all.
    void halted(const LinearClock& counter, Time at);
    /// The counter starts to run.
    void started() { spent_ = false; }
    /// The next instant at which act() is due, kNever for none.
    Time next_event() const { return load_at_ < match_at_ ? load_at_ : match_at_; }
    /// Performs the event of next_event(), which is `at`; gives the value that was compared if it is a match. rearm()
    /// must follow.
    std::optional<std::uint64_t> act(const LinearClock& counter, Time at);

    bool level() const { return (config_ & hpet_timer_bits::kLevel) != 0; }
    bool int_enabled() const { return (config_ & hpet_timer_bits::kIntEnable) != 0; }
    bool periodic() const { return (config_ & hpet_timer_bits::kPeriodic) != 0; }
    bool fsb_enabled() const { return (config_ & hpet_timer_bits::kFsbEnable) != 0; }
    unsigned route() const {
        return static_cast<unsigned>((config_ & hpet_timer_bits::kRoute) >> hpet_timer_bits::kRouteShift);
    }
    bool can_route_to(unsigned pin) const { return ((own().route_capable >> pin) & 1) != 0; }
    bool fsb_capable() const { return own().fsb_capable; }
    /// Bits that are compared: 64, or 32 (HP 4.1).
    unsigned width() const;
    std::uint64_t active() const { return active_; }
    std::uint64_t comparator() const { return comparator_; }
    std::uint64_t period() const { return period_; }

    /// The first broken invariant of HP 7, as of `at`; empty if all hold.
    std::string problem(const LinearClock& counter, Time at) const;

private:
    const HpetTimerParams& own() const { return params_.timers[index_]; }
    bool size64() const { return own().size64_capable && params_.counter_bits == 64; }
    std::uint64_t mask() const { return width() == 64 ? ~std::uint64_t{0} : 0xffff'ffff; }
    std::int64_t fault(HpetFault f) const { return faults_[static_cast<std::size_t>(f)]; }
    bool at_or_behind(std::uint64_t counter) const;
    void load(const LinearClock& counter, Time at);

    const HpetParams& params_;
    const HpetFaultValues& faults_;
    unsigned index_;

    std::uint64_t config_ = 0;  ///< the bits that software can set, but for VAL_SET
    bool val_set_ = false;
    std::uint64_t comparator_ = 0;
    std::uint64_t period_ = 0;
    std::uint64_t fsb_ = 0;

    std::uint64_t active_ = 0;
    std::uint64_t load_counter_ = 0;  ///< at this counter value active := comparator
    bool load_pending_ = false;
    Time load_at_ = kNever;
    Time match_at_ = kNever;
    bool match_is_wrap_ = false;  ///< the event at match_at_ is the wrap of HpetParams::irq_at_wrap
    bool ignore_next_ = false;    ///< the value in `comparator` is one that HP-F3 ignores
    Time ignored_until_ = kBoot;  ///< no match before this instant (HP-F3)
    bool fresh_ = false;          ///< written, and not matched since: HP-F1 looks at these
    bool spent_ = false;  ///< a one-shot that matched since it was written or the counter started: for irq_at_wrap

    bool stale_ = false;
    std::uint64_t stale_comparator_ = 0;
};

}  // namespace ticklab::sim
