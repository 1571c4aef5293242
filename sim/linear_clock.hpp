// A hardware clock as an exact function of virtual time (TC 2).
//
// Rules
//  - A read is the floor of a rational function of virtual time; nothing is accumulated, so a clock never drifts unless
//    its rate says so. Reads round down and events round up: no event "at v" comes before software could read v.
//  - Between changes the clock runs on from its anchor. Whoever changes it recomputes every event that depends on it.
//  - Calls carry the instant they mean, and that is never before the last change.
//  - No overflow for any instant of virtual time: terms of a rate are below 2^63, products have 128 bits.
#pragma once

#include <cstdint>

#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// Ticks per picosecond as a reduced fraction; both terms in 1 .. 2^63 - 1.
struct TickRate {
    std::uint64_t num = 1;
    std::uint64_t den = 1;

    /// `num / den`, reduced. Throws std::invalid_argument where a term is 0 or the reduced one is too large.
    static TickRate of(UInt128 num, UInt128 den);
    /// A clock of `hz`, 1 .. 2^63 - 1.
    static TickRate of_frequency(std::uint64_t hz);
    /// A clock whose tick lasts `period_fs` femtoseconds, at least 1.
    static TickRate of_period(std::uint64_t period_fs);
    /// This rate with a drift of `ppm` parts per million, above -1 000 000 (TC 2).
    TickRate drifted(std::int64_t ppm) const;

    friend constexpr bool operator==(const TickRate&, const TickRate&) = default;
};

class LinearClock {
public:
    /// Runs from `t0` at value `base`. `width` is the number of bits, 1 .. 64; values wrap there.
    explicit LinearClock(TickRate rate, unsigned width = 64, Time t0 = kBoot, std::uint64_t base = 0);

    std::uint64_t read(Time at) const;

    /// First instant from `from` on at which a read gives at least `value`; kNever beyond the horizon or if it is
    /// stopped.
    Time first_at(Time from, std::uint64_t value) const;
    /// First instant at which the clock has made `ticks` more increments than at `from`. `ticks` is at most 2^64.
    Time after_ticks(Time from, UInt128 ticks) const;
    /// First instant after `from` at which the clock becomes equal to `value` in its low `bits` bits. A clock that is
    /// equal at `from` becomes so again 2^bits increments later.
    Time next_equal(Time from, std::uint64_t value, unsigned bits) const;

    /// A new rate from `at` on; the value does not jump, the phase error is below one tick (TC-D2).
    void set_rate(Time at, TickRate rate);
    /// Holds value and phase. Harmless if it is stopped.
    void stop(Time at);
    /// Goes on from the held value and phase (TC-I3). Harmless if it runs.
    void start(Time at);
    /// Goes on with the first increment a whole tick later.
    void restart_phase(Time at);
    /// Adds `delta` (two's complement) to the value; the phase stays.
    void step(std::uint64_t delta) { base_ = (base_ + delta) & mask_; }
    /// Makes the value `value` at `at`; the phase stays.
    void set(Time at, std::uint64_t value) { step(value - read(at)); }

    bool running() const { return running_; }
    TickRate rate() const { return rate_; }
    unsigned width() const { return width_; }

private:
    struct Reading {
        std::uint64_t ticks;  ///< increments since t0_, modulo 2^64
        std::uint64_t frac;   ///< phase, below rate_.den
    };
    Reading elapsed(Time at) const;
    void anchor(Time at);

    TickRate rate_;
    Time t0_;
    std::uint64_t base_;
    std::uint64_t frac_ = 0;
    std::uint64_t mask_;
    unsigned width_;
    bool running_ = true;
};

}  // namespace ticklab::sim
