// LTW 0: jiffies wrap, and instants compare by the sign of their distance.
#include "ticklab/model/linux/ktime.hpp"

#include <doctest/doctest.h>

#include "ticklab/model/linux/timer_migration.hpp"

using namespace ticklab::linux_;

TEST_CASE("jiffies keep their order over the wrap") {
    const Jiffies last{~std::uint64_t{0}};
    const Jiffies after = last + 3;
    CHECK(after.count() == 2);
    CHECK(last < after);
    CHECK(after > last);
    CHECK(after >= last);
    CHECK_FALSE(after <= last);
    CHECK(after - last == 3);
    CHECK(last - after == -3);
    CHECK(after - 3 == last);
}

TEST_CASE("a CPU without timers has no next event") {
    const NextEvents none;
    CHECK(none.local == kKtimeMax);
    CHECK(none.global == kKtimeMax);
    CHECK(ktime_at(5) < kKtimeMax);
    CHECK(ns(ktime_at(5)) == 5);
}
