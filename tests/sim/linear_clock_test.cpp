// TC 2: linear clocks. TC-I2 and TC-I3 are properties against a clock that is stepped picosecond by picosecond.
#include "ticklab/sim/linear_clock.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <stdexcept>

using namespace ticklab::sim;

namespace {

constexpr std::uint64_t kAllOnes = ~std::uint64_t{0};

Time at_ps(std::int64_t t) { return kBoot + Duration{t}; }

// The slow truth: adds num/den for each picosecond that passes.
struct SteppedClock {
    std::uint64_t num, den, mask, value = 0, phase = 0;
    bool running = true;

    void advance(std::int64_t span_ps) {
        for (; running && span_ps > 0; --span_ps) {
            phase += num;
            value = (value + phase / den) & mask;
            phase %= den;
        }
    }
};

TickRate any_small_rate() {
    return TickRate::of(*rc::gen::inRange<unsigned>(1, 9), *rc::gen::inRange<unsigned>(1, 40));
}

TickRate any_rate() {
    const auto term = [] { return *rc::gen::inRange<std::uint64_t>(1, kAllOnes >> 1); };
    const unsigned num_shift = *rc::gen::inRange(0u, 63u);
    const unsigned den_shift = *rc::gen::inRange(0u, 63u);
    return TickRate::of((term() >> num_shift) | 1, (term() >> den_shift) | 1);
}

}  // namespace

TEST_CASE("TC 2: rates are reduced fractions of ticks per picosecond") {
    CHECK(TickRate::of_frequency(2'400'000'000) == TickRate{3, 1250});
    CHECK(TickRate::of_frequency(1'000'000'000'000) == TickRate{1, 1});
    CHECK(TickRate::of_period(69'841'279) == TickRate{1000, 69'841'279});
    CHECK(TickRate::of_period(500) == TickRate{2, 1});
    CHECK(TickRate::of_frequency(1'000'000).drifted(500) == TickRate{2001, 2'000'000'000});
    CHECK(TickRate::of_frequency(1'000'000).drifted(-1'000'000 + 1) == TickRate{1, 1'000'000'000'000});
    CHECK_THROWS_AS(TickRate::of(0, 1), std::invalid_argument);
    CHECK_THROWS_AS(TickRate::of(1, 0), std::invalid_argument);
    CHECK_THROWS_AS(TickRate::of(UInt128{1} << 63, 1), std::invalid_argument);
    CHECK_THROWS_AS(TickRate::of_frequency(1).drifted(-1'000'000), std::invalid_argument);
}

TEST_CASE("TC 2: a read is the floor, an event is the ceiling") {
    const LinearClock clock(TickRate::of_period(69'841'279));
    struct Row {
        std::int64_t at_ps;
        std::uint64_t value;
    };
    for (const Row& row : {Row{0, 0}, Row{69'841, 0}, Row{69'842, 1}, Row{139'682, 1}, Row{139'683, 2},
                           Row{1'000'000'000'000, 14'318'179}}) {
        CAPTURE(row.at_ps);
        CHECK(clock.read(at_ps(row.at_ps)) == row.value);
    }
    CHECK(clock.first_at(kBoot, 1) == at_ps(69'842));
    CHECK(clock.first_at(kBoot, 2) == at_ps(139'683));
    CHECK(clock.first_at(at_ps(500'000), 2) == at_ps(500'000));
}

TEST_CASE("TC 2: beyond the horizon is never, and the last instant does not overflow") {
    const LinearClock slow(TickRate::of_frequency(1));
    CHECK(slow.read(kNever - Duration{1}) == 9'223'372);
    CHECK(slow.first_at(kBoot, 9'223'372) == at_ps(9'223'372'000'000'000'000));
    CHECK(slow.first_at(kBoot, 9'223'373) == kNever);
    const LinearClock narrow(TickRate{1, 1}, 8);
    CHECK(narrow.first_at(kBoot, 256) == kNever);
    const LinearClock fast(TickRate{kAllOnes >> 1, 1});
    CHECK(fast.read(kNever) == 1);  // (2^63 - 1)^2 mod 2^64
    CHECK(fast.after_ticks(kBoot, UInt128{1} << 64) == at_ps(3));
}

TEST_CASE("TC-I2: C(T) has reached v and C(T - 1 ps) has not, for any rate") {
    CHECK(rc::check([] {
        const TickRate rate = any_rate();
        const Time from = at_ps(*rc::gen::inRange<std::int64_t>(0, INT64_MAX >> *rc::gen::inRange(0, 62)));
        const LinearClock clock(rate, 64, kBoot, 0);
        const std::uint64_t distance = *rc::gen::inRange<std::uint64_t>(1, kAllOnes >> *rc::gen::inRange(0, 63));
        const std::uint64_t present = clock.read(from);
        const Time reached = clock.after_ticks(from, distance);
        if (reached == kNever)
            return;
        RC_ASSERT(reached > from);
        // One picosecond may hold many ticks; compare increments, taken from a clock without history.
        const LinearClock fresh(rate, 64, from, 0);
        const auto increments = [&](Time t) {
            return UInt128{static_cast<std::uint64_t>((t - from).count())} * rate.num;
        };
        RC_ASSERT(increments(reached) + rate.den > UInt128{distance} * rate.den);
        RC_ASSERT(fresh.read(from) == 0);
        if (rate.num <= rate.den && distance < kAllOnes >> 2) {
            RC_ASSERT(clock.read(reached) - present == distance);
            RC_ASSERT(clock.read(reached - Duration{1}) - present == distance - 1);
        }
    }));
}

TEST_CASE("TC 2, TC-D2, TC-I3: any sequence of changes agrees with a stepped clock") {
    CHECK(rc::check([] {
        const unsigned width = *rc::gen::inRange(3u, 11u);
        TickRate rate = any_small_rate();
        SteppedClock truth{rate.num, rate.den, (std::uint64_t{1} << width) - 1};
        truth.value = *rc::gen::inRange<std::uint64_t>(0, truth.mask + 1);
        LinearClock clock(rate, width, kBoot, truth.value);
        Time now = kBoot;
        for (int step = 0; step < 30; ++step) {
            const std::int64_t span = *rc::gen::inRange<std::int64_t>(0, 300);
            now += Duration{span};
            truth.advance(span);
            RC_ASSERT(clock.read(now) == truth.value);
            const auto argument = *rc::gen::inRange<std::uint64_t>(0, truth.mask + 1);
            switch (*rc::gen::inRange(0, 7)) {
                case 0:
                    rate = any_small_rate();
                    clock.set_rate(now, rate);
                    truth.phase = truth.phase * rate.den / truth.den;
                    truth.num = rate.num;
                    truth.den = rate.den;
                    break;
                case 1:
                    clock.stop(now);
                    truth.running = false;
                    break;
                case 2:
                    clock.start(now);
                    truth.running = true;
                    break;
                case 3:
                    clock.step(argument);
                    truth.value = (truth.value + argument) & truth.mask;
                    break;
                case 4:
                    clock.set(now, argument);
                    truth.value = argument;
                    break;
                case 5:
                    clock.restart_phase(now);
                    truth.phase = 0;
                    truth.running = true;
                    break;
                default: {
                    const unsigned bits = *rc::gen::inRange(1u, width + 1);
                    const Time reached = clock.next_equal(now, argument, bits);
                    const std::uint64_t low = (std::uint64_t{1} << bits) - 1;
                    const std::uint64_t distance = (argument - truth.value) & low;
                    if (!truth.running) {
                        RC_ASSERT(reached == kNever);
                        break;
                    }
                    // Count increments in the stepped clock up to the instant found, and one picosecond before it.
                    SteppedClock later = truth;
                    later.mask = kAllOnes;
                    later.value = 0;
                    later.advance((reached - now).count() - 1);
                    const std::uint64_t wanted = distance == 0 ? low + 1 : distance;
                    RC_ASSERT(later.value < wanted);
                    later.advance(1);
                    RC_ASSERT(later.value >= wanted);
                }
            }
            RC_ASSERT(clock.read(now) == truth.value);
        }
    }));
}

TEST_CASE("TC-D2: the phase error of a rate change is below one tick") {
    CHECK(rc::check([] {
        const TickRate before = any_small_rate();
        const TickRate after = any_small_rate();
        LinearClock clock(before);
        const std::int64_t span = *rc::gen::inRange<std::int64_t>(0, 1000);
        const std::uint64_t value = clock.read(at_ps(span));
        clock.set_rate(at_ps(span), after);
        CHECK(clock.read(at_ps(span)) == value);
        const std::int64_t more = *rc::gen::inRange<std::int64_t>(0, 1000);
        const auto u = [](std::int64_t t) { return static_cast<std::uint64_t>(t); };
        // In units of 1 / (both denominators), the exact count and the clock's.
        const std::uint64_t unit = before.den * after.den;
        const std::uint64_t exact = u(span) * before.num * after.den + u(more) * after.num * before.den;
        const std::uint64_t shown = clock.read(at_ps(span + more)) * unit;
        RC_ASSERT(shown <= exact);
        RC_ASSERT(exact - shown < 2 * unit);
    }));
}

TEST_CASE("TC 11: a 64-bit clock wraps and its inverse crosses the wrap") {
    const LinearClock clock(TickRate::of_frequency(1'000'000'000), 64, kBoot, kAllOnes - 4);
    CHECK(clock.read(at_ps(4'000)) == kAllOnes);
    CHECK(clock.read(at_ps(5'000)) == 0);
    CHECK(clock.next_equal(kBoot, 2, 64) == at_ps(7'000));
    CHECK(clock.next_equal(kBoot, 0xffff'fffb, 32) == at_ps(4'294'967'296'000));
    CHECK(clock.next_equal(kBoot, kAllOnes - 4, 64) == kNever);
    CHECK(clock.first_at(at_ps(5'000), 1) == at_ps(6'000));
}

TEST_CASE("TC 2: a stopped clock gives no event, a started one goes on with its phase") {
    LinearClock clock(TickRate{1, 10});
    clock.stop(at_ps(17));
    clock.stop(at_ps(25));
    CHECK(clock.read(at_ps(1'000)) == 1);
    CHECK(clock.after_ticks(at_ps(100), 1) == kNever);
    CHECK(clock.after_ticks(at_ps(100), 0) == at_ps(100));
    clock.start(at_ps(1'000));
    CHECK(clock.after_ticks(at_ps(1'000), 1) == at_ps(1'003));
    clock.restart_phase(at_ps(1'005));
    CHECK(clock.after_ticks(at_ps(1'005), 1) == at_ps(1'015));
}
