// The next expiry of a periodic timer: LC 6.6, LC 16.1.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "ticklab/model/cputime/cpu_timers.hpp"

using namespace ticklab::cputime;

TEST_CASE("bump by the test vectors, ideal and as in all kernels (LC 16.1)") {
    struct Case {
        std::int64_t now, ideal, ideal_periods, historic, historic_periods;
    };
    for (const Case& c : {Case{99, 100, 0, 100, 0}, Case{100, 130, 1, 130, 1}, Case{129, 130, 1, 130, 1},
                          Case{130, 160, 2, 130, 1}, Case{160, 190, 3, 190, 3}, Case{190, 220, 4, 190, 3}}) {
        CAPTURE(c.now);
        const Bumped ideal = bump_ideal(CpuTime{100}, CpuTime{30}, CpuTime{c.now});
        CHECK(ideal.expires.count() == c.ideal);
        CHECK(ideal.periods == c.ideal_periods);
        const Bumped historic = bump_historic(CpuTime{100}, CpuTime{30}, CpuTime{c.now});
        CHECK(historic.expires.count() == c.historic);
        CHECK(historic.periods == c.historic_periods);
    }
}

TEST_CASE("bump of a very long interval does not overflow (LC 16.1)") {
    const CpuTime interval{std::int64_t{1} << 62};
    for (const auto bump : {bump_ideal, bump_historic}) {
        const Bumped b = bump(CpuTime{10}, interval, CpuTime{100});
        CHECK(b.expires == CpuTime{10} + interval);
        CHECK(b.periods == 1);
    }
}

TEST_CASE("bump leads past now by the fewest intervals, the historic one but for lateness by a power of two (LC 6.6)") {
    CHECK(rc::check([] {
        const CpuTime interval{*rc::gen::inRange<std::int64_t>(1, 5000)};
        const CpuTime expires{*rc::gen::inRange<std::int64_t>(1, 5000)};
        const CpuTime now{*rc::gen::inRange<std::int64_t>(0, 400'000)};
        // Interval by interval.
        CpuTime next = expires;
        std::int64_t periods = 0;
        for (; next <= now; next += interval)
            ++periods;
        const Bumped ideal = bump_ideal(expires, interval, now);
        RC_ASSERT(ideal.expires == next);
        RC_ASSERT(ideal.periods == periods);
        const Bumped historic = bump_historic(expires, interval, now);
        const bool power = periods >= 2 && next - interval == now && (periods & (periods - 1)) == 0;
        RC_ASSERT(historic.expires == (power ? next - interval : next));
        RC_ASSERT(historic.periods == (power ? periods - 1 : periods));
    }));
}
