// TC 4, TC 6.1, TC-P2: the kernels' conversions reproduce the documented figures bit for bit.
#include "ticklab/sim/time_scale.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace ticklab::sim;

TEST_CASE("TC 4.4: scales, reciprocals and what one second and one hour become") {
    struct Row {
        std::uint64_t hz;
        TimeScale scale;
        std::uint64_t second_ns, hour_ns;
        TimeScale reciprocal;
        std::uint64_t ticks_of_second;
    };
    constexpr Row kRows[] = {
        {1'193'182, {0xD1861649, 10}, 999'999'999, 3'599'999'999'108, {0x9C648B56, -9}, 1'193'181},
        {3'579'545, {0x8BAEBC15, 9}, 999'999'999, 3'599'999'999'588, {0xEA96CCB6, -8}, 3'579'545},
        {14'318'180, {0x8BAEBC15, 7}, 999'999'999, 3'599'999'999'588, {0xEA96CCB6, -6}, 14'318'180},
        {100'000'000, {0xA0000000, 4}, 1'000'000'000, 3'600'000'000'000, {0xCCCCCCCC, -3}, 99'999'999},
        {1'000'000'000, {0x80000000, 1}, 1'000'000'000, 3'600'000'000'000, {0x80000000, 1}, 1'000'000'000},
        {2'000'000'000, {0x80000000, 0}, 1'000'000'000, 3'600'000'000'000, {0x80000000, 2}, 2'000'000'000},
        {2'400'000'000, {0xD5555555, -1}, 999'999'999, 3'599'999'999'664, {0x99999999, 2}, 2'399'999'999},
        {3'000'000'000, {0xAAAAAAAA, -1}, 999'999'999, 3'599'999'999'161, {0xC0000000, 2}, 3'000'000'000},
    };
    for (const Row& row : kRows) {
        CAPTURE(row.hz);
        const TimeScale scale = TimeScale::of_frequency(row.hz);
        CHECK(scale == row.scale);
        CHECK(scale.scale(row.hz) == row.second_ns);
        CHECK(scale.scale(3600 * row.hz) == row.hour_ns);
        CHECK(scale.reciprocal() == row.reciprocal);
        CHECK(scale.reciprocal().scale(1'000'000'000) == row.ticks_of_second);
    }
}

TEST_CASE("TC 4.1: the right shift comes first and loses the low bit") {
    const TimeScale scale = TimeScale::of_frequency(3'000'000'000);
    CHECK(scale.scale(1) == 0);
    CHECK(scale.scale(7) == scale.scale(6));
}

TEST_CASE("TC 4.4: both directions round down") {
    CHECK(rc::check([] {
        const auto hz = *rc::gen::inRange<std::uint64_t>(1'000'000, 6'000'000'000);
        const TimeScale scale = TimeScale::of_frequency(hz);
        RC_ASSERT(scale.frac >= 0x80000000u);
        const auto x = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 48);
        RC_ASSERT(scale.reciprocal().scale(scale.scale(x)) <= x);
        RC_ASSERT(scale.scale(scale.reciprocal().scale(x)) <= x);
    }));
}

TEST_CASE("TC 4.5: the 18-bit bus scale") {
    struct Row {
        std::uint64_t bus_hz, factor, ticks_of_ms;
    };
    for (const Row& row :
         {Row{100'000'000, 26214, 99'998}, Row{133'333'333, 34952, 133'331}, Row{200'000'000, 52428, 199'996}}) {
        CAPTURE(row.bus_hz);
        const BusScale scale = BusScale::of_frequency(row.bus_hz);
        CHECK(scale.factor == row.factor);
        CHECK(scale.ticks(1'000'000) == row.ticks_of_ms);
    }
}

TEST_CASE("TC 6.1: mult and shift of the general search and of the 2.6.29 HPET") {
    CHECK(MultShift::for_range(14'318'180, 600) == MultShift{585'871'109, 23});
    CHECK(MultShift::for_range(2'400'000'000, 600) == MultShift{6'990'507, 24});
    CHECK(MultShift::for_range(3'579'545, 600) == MultShift{2'343'484'437, 23});
    CHECK(MultShift::of_period(69'841'279, 22) == MultShift{292'935'555, 22});
}

TEST_CASE("TC 6.1: within its range the pair neither overflows nor errs by more than half a mult and one truncation") {
    CHECK(rc::check([] {
        const auto hz = *rc::gen::inRange<std::uint64_t>(1'000'000, 5'000'000'000);
        const auto range_s = *rc::gen::inRange<std::uint64_t>(1, 3600);
        const MultShift pair = MultShift::for_range(hz, range_s);
        const auto ticks = *rc::gen::inRange<std::uint64_t>(0, range_s * hz + 1);
        RC_ASSERT(((UInt128{ticks} * pair.mult) >> 64) == 0);
        const auto exact_ns = static_cast<std::uint64_t>(UInt128{ticks} * 1'000'000'000 / hz);
        const std::uint64_t error = (ticks >> (pair.shift + 1)) + 2;
        RC_ASSERT(pair.ns(ticks) <= exact_ns + error);
        RC_ASSERT(exact_ns <= pair.ns(ticks) + error);
    }));
}
