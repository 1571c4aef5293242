// LTW 1.4, 2: the table of levels and the bucket of a timer.
#include "ticklab/model/linux/wheel_geometry.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace ticklab::linux_;
using wheel::Bucket;

namespace {

Bucket bucket(std::uint64_t expires, std::uint64_t clk = 0, unsigned levels = 9) {
    return wheel::bucket_for(Jiffies{expires}, Jiffies{clk}, levels);
}

}  // namespace

TEST_CASE("levels have the granularities and ranges of the table (LTW 1.4)") {
    struct Row {
        std::uint64_t granularity, below;
    };
    constexpr Row kRows[] = {{1, 63},
                             {8, 504},
                             {64, 4'032},
                             {512, 32'256},
                             {4'096, 258'048},
                             {32'768, 2'064'384},
                             {262'144, 16'515'072},
                             {2'097'152, 132'120'576},
                             {16'777'216, 1'056'964'608}};
    for (unsigned level = 0; level < std::size(kRows); ++level) {
        CAPTURE(level);
        CHECK(wheel::granularity(level) == kRows[level].granularity);
        CHECK(wheel::level_start(level + 1) == kRows[level].below);
        CHECK(wheel::level_for(kRows[level].below - 1, 9) == level);
        CHECK(wheel::level_for(kRows[level].below, 9) == level + 1);
    }
    CHECK(wheel::levels_for(100) == 8);
    CHECK(wheel::levels_for(250) == 9);
}

TEST_CASE("a timer goes to the bucket of the test vectors (LTW 2.5)") {
    struct Row {
        std::uint64_t expires;
        unsigned index;
        std::uint64_t expiry;
    };
    constexpr Row kRows[] = {{0, 1, 1},       {62, 63, 63},        {63, 72, 64},       {503, 127, 504},
                             {504, 136, 512}, {4'031, 191, 4'032}, {4'032, 200, 4'096}};
    for (const Row& row : kRows) {
        CAPTURE(row.expires);
        CHECK(bucket(row.expires) == Bucket{row.index, Jiffies{row.expiry}});
    }
}

TEST_CASE("an expired timer goes to the slot of the clock, one that is due now to the next (LTW 2.1, 2.2)") {
    CHECK(bucket(999, 1'000) == Bucket{1'000 & 63, Jiffies{1'000}});
    CHECK(bucket(0, 1'000) == Bucket{1'000 & 63, Jiffies{1'000}});
    CHECK(bucket(1'000, 1'000) == Bucket{1'001 & 63, Jiffies{1'001}});
    // Over the wrap of jiffies the same.
    CHECK(bucket(~std::uint64_t{0}, 5) == Bucket{5, Jiffies{5}});
    CHECK(bucket(5, ~std::uint64_t{0}) == Bucket{6, Jiffies{6}});
}

TEST_CASE("a timer beyond the capacity is capped by its distance, not by its expiry (LTW 2.3, WHEEL-08)") {
    for (const unsigned levels : {8u, 9u}) {
        const std::uint64_t clk = 3 * wheel::cutoff(levels) + 12'345;
        const unsigned last = levels - 1;
        const std::uint64_t capped = clk + wheel::max_distance(levels);
        const Bucket far = bucket(clk + wheel::cutoff(levels), clk, levels);
        CHECK(far.level() == last);
        CHECK(far.expiry == wheel::bucket_on_level(Jiffies{capped}, last).expiry);
        CHECK(bucket(clk + wheel::cutoff(levels) + 5'000'000, clk, levels) == far);
        CHECK(bucket(clk + wheel::cutoff(levels) - 1, clk, levels).expiry.count() >= clk + wheel::cutoff(levels));
        CHECK(bucket(clk + 1, clk, levels).expiry.count() == clk + 2);
    }
}

TEST_CASE("a bucket is collected after the expiry, and late by one step of its level at most (LTW 15.1, 15.2)") {
    CHECK(rc::check([](std::uint64_t clk) {
        const unsigned levels = *rc::gen::element(8u, 9u);
        const std::uint64_t distance = *rc::gen::inRange<std::uint64_t>(0, wheel::cutoff(levels));
        const Jiffies expires = Jiffies{clk} + distance;
        const Bucket b = wheel::bucket_for(expires, Jiffies{clk}, levels);
        const std::int64_t late = b.expiry - expires;
        RC_ASSERT(late >= 1);
        RC_ASSERT(static_cast<std::uint64_t>(late) <= wheel::granularity(b.level()));
        if (b.level() > 0)
            RC_ASSERT(63 * wheel::granularity(b.level()) <= 8 * distance);
        const std::int64_t ahead = b.expiry - Jiffies{clk};
        RC_ASSERT(ahead > 0);
        RC_ASSERT(static_cast<std::uint64_t>(ahead) <= 64 * wheel::granularity(b.level()));
    }));
}
