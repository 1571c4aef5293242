// The timer of a local APIC (LA 3): what its registers hold and when its next event is due.
//
// Rules
//  - Pure arithmetic on virtual time: nothing here knows the engine. LocalApic programs the engine from event_at().
//  - The count is an exact rational function of virtual time, never accumulated. An event is at the ceiling of its
//    exact instant (LA 3.5): never before the count is 0 or the TSC has reached the deadline (LA-P1).
//  - Whoever changes the timer at `at` has first performed every event up to `at`: event_at() > at.
//  - The count's present run: `run_start_` is the instant at which `remaining_` ticks were left and the clock stood
//    `phase_` into a tick. It starts anew when the rate changes; periods do not start it anew.
#pragma once

#include <cstdint>

#include "ticklab/sim/devices/deadline_clock.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// LVT timer bits 18:17.
enum class ApicTimerMode : std::uint8_t { kOneShot = 0, kPeriodic = 1, kTscDeadline = 2, kReserved = 3 };

class LocalApicTimer {
public:
    /// `bus_hz`: input clock, 1 Hz to 10 GHz. `reload_ticks`: ticks that a reload takes, 0 as on hardware (LA-D1) or 1.
    LocalApicTimer(std::uint64_t bus_hz, std::uint32_t reload_ticks);

    /// The instant of the next event; kNever if none is to come.
    Time event_at() const { return event_at_; }
    /// The span from event to event if it is a whole number of picoseconds; zero otherwise and in the other modes.
    Duration whole_period() const { return whole_period_; }
    /// Performs the event at event_at(): reloads or disarms.
    void expire();

    ApicTimerMode mode() const { return mode_; }
    /// Another mode disarms the timer and clears its count or deadline. With `keep_running` (LA-F1) a change between
    /// one-shot and periodic leaves it counting.
    void set_mode(Time at, ApicTimerMode mode, bool keep_running);

    /// 0 stops the timer. Ignored outside one-shot and periodic mode.
    void write_initial_count(Time at, std::uint32_t count);
    std::uint32_t initial_count() const { return initial_count_; }
    std::uint32_t current_count(Time at) const;

    /// The divide configuration register: bits 3, 1 and 0 count.
    void write_divide_configuration(Time at, std::uint32_t value);
    std::uint32_t divide_configuration() const { return divide_configuration_; }

    /// 0 disarms. Ignored outside TSC-deadline mode. Needs a clock.
    void write_deadline(Time at, std::uint64_t tsc);
    std::uint64_t deadline(Time at) const { return event_at_ <= at ? 0 : deadline_; }
    void set_deadline_clock(const DeadlineClock& clock) { clock_ = &clock; }
    bool has_deadline_clock() const { return clock_ != nullptr; }
    void deadline_clock_changed(Time at);

    /// Whether the timer was armed and has not come to its end, frozen or not.
    bool armed() const { return counting_ || deadline_ != 0; }
    bool frozen() const { return frozen_; }
    /// Stops the clock of the timer for the time of a deep C-state (LA 10).
    void freeze(Time at);
    void thaw(Time at);

    /// LA-F7. Parts per million, -900000 to 900000.
    void set_frequency_error(Time at, std::int32_t ppm);
    /// LA-F8. Ticks of the TSC; for deadlines written from now on.
    void set_early_ticks(std::uint32_t ticks) { early_ticks_ = ticks; }

    /// Reset state (LA 1). Clock, faults and freeze stay.
    void reset();

private:
    /// Ticks of the input clock a picosecond: numerator / (denominator * divide).
    struct Rate {
        std::uint64_t numerator;
        std::uint64_t denominator;
        /// What both were reduced by.
        std::uint64_t common;
    };
    static Rate rate_of(std::uint64_t bus_hz, std::int32_t ppm);

    UInt128 tick_denominator() const { return UInt128{rate_.denominator} * divide_; }
    std::uint64_t ticks_since_start(Time at) const;
    Time instant_of(std::uint64_t ticks) const;
    std::uint64_t period_ticks() const { return std::uint64_t{initial_count_} + reload_ticks_; }
    void start_run(Time at, std::uint64_t remaining);
    void rebase(Time at);
    void stop();
    void schedule(Time at);
    void schedule_periods();

    Rate rate_;
    UInt128 phase_ = 0;
    const DeadlineClock* clock_ = nullptr;
    Time run_start_ = kBoot;
    Time event_at_ = kNever;
    Duration whole_period_ = Duration::zero();
    std::uint64_t remaining_ = 0;
    std::uint64_t event_ticks_ = 0;
    std::uint64_t deadline_ = 0;
    std::uint64_t bus_hz_;
    std::uint32_t initial_count_ = 0;
    std::uint32_t divide_configuration_ = 0;
    std::uint32_t early_ticks_ = 0;
    std::uint32_t reload_ticks_;
    std::uint16_t divide_ = 2;
    ApicTimerMode mode_ = ApicTimerMode::kOneShot;
    bool counting_ = false;
    bool frozen_ = false;
};

}  // namespace ticklab::sim
