// The tick: its grid, its stop and restart, the duty, stale jiffies (LNT 2 to 8).
#include "linux_fixture.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;

TEST_CASE("ticks of all CPUs lie on one grid, or are spread over half a tick (LNT 2.4, 2.6)") {
    for (const bool skew : {false, true}) {
        CAPTURE(skew);
        Bench b(4);
        b.linux_config.tick.skew_tick = skew;
        b.linux_config.tick.nohz = false;
        b.run(at_us(20'700));
        for (CpuId c = 0; c < 4; ++c)
            CHECK(ns(b.core().tick.timer_of(c).expires) == 21'000'000 + (skew ? 125'000 * c : 0));
    }
}

TEST_CASE("a restarted tick is on its grid again (LNT 6)") {
    Bench b;
    b.busy(1, at_us(60'300), at_us(65'400));
    b.run(at_us(62'500));
    CHECK_FALSE(b.tick(1).stopped);
    CHECK(ns(b.core().tick.timer_of(1).expires) == 63'000'000);
    CHECK(b.state("jiffies") == 62);
}

TEST_CASE("the tick stops in the order base, tick, hardware, and starts in the order jiffies, base, tick (LNT 5, 6)") {
    Bench b;
    b.busy(1, at_us(60'300), at_us(65'400));
    b.run(at_ms(100));
    std::vector<std::uint16_t> kinds;
    for (const sim::RecordKind* kind : {&kTimerBaseIdleRecord, &kTickStopRecord, &kTickRestartRecord})
        for (const Bench::LoggedRecord& r : b.records(*kind))
            if (r.cpu == 1 && r.at > at_ms(60))
                kinds.push_back(r.kind);
    std::sort(kinds.begin(), kinds.end());
    CHECK(kinds == std::vector<std::uint16_t>{kTimerBaseIdleRecord.id, kTimerBaseIdleRecord.id, kTickStopRecord.id,
                                              kTickRestartRecord.id});
    const auto first_after = [&](const sim::RecordKind& kind, Time after) {
        for (const Bench::LoggedRecord& r : b.records(kind))
            if (r.cpu == 1 && r.at >= after)
                return r.at;
        return sim::kNever;
    };
    const Time woken = at_us(60'300);
    CHECK(first_after(kJiffiesRecord, woken) <= first_after(kTimerBaseIdleRecord, woken));
    CHECK(first_after(kTimerBaseIdleRecord, woken) <= first_after(kTickRestartRecord, woken));
    const Time slept = at_us(65'400);
    CHECK(first_after(kTimerBaseIdleRecord, slept) <= first_after(kTickStopRecord, slept));
    CHECK(first_after(kTickStopRecord, slept) < first_after(kClockEventRecord, first_after(kTickStopRecord, slept)));
}

TEST_CASE("with an event within a tick the tick is kept and nothing is marked idle (LNT 4, LTW 12.5)") {
    Bench b;
    // Armed in an interrupt of the idle CPU: the loop looks again.
    b.in_irq(1, at_us(60'300), [&](Cpu& cpu) { b.mod(cpu, 0, at_us(60'900)); });
    b.run(at_ms(100));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].at >= at_ms(62));
    CHECK(b.firings[0].at < at_us(62'100));
}

TEST_CASE("when the timekeeper is held others take over after five ticks (LNT 8.2, NOHZ-10, N4)") {
    for (const bool one_tries : {true, false}) {
        CAPTURE(one_tries);
        Bench b(4);
        b.linux_config.tick.changes.one_cpu_tries_stale_jiffies = one_tries;
        for (CpuId c = 0; c < 4; ++c)
            b.busy(c, at_ms(5), at_ms(100));
        b.run(at_us(20'500));
        const auto keeper = static_cast<CpuId>(b.state("tick.duty"));
        b.machine().stall(keeper, at_us(40'500));
        b.run(at_us(30'900));
        CHECK(b.state("jiffies") >= 25);
        b.run(at_us(60'500));
        CHECK(b.state("jiffies") == 60);
    }
}

TEST_CASE("the kernel's idle time is what the machine slept, but for the way in and out (LNT 9.1)") {
    Bench b;
    b.busy(1, at_ms(30), at_ms(60));
    b.run(at_us(100'500));
    const sim::Duration slept = b.machine().cpu(1).residency(0) + b.machine().cpu(1).residency(1);
    // The interval that is open now is not closed yet.
    const std::int64_t open = b.tick(1).idle_active ? 100'500'000 - ns(b.tick(1).idle_entry) : 0;
    const std::int64_t accounted = b.tick(1).idle_time.count() + open;
    CHECK(accounted >= slept.count() / 1000);
    CHECK(accounted < slept.count() / 1000 + 100'000);
}

TEST_CASE("an idle CPU with an earlier remote timer in between is woken, wherever it stands (LNT 5, rule 2)") {
    // CPU 1 is held between marking its base idle and programming its hardware, and before its sleep: a pinned timer
    // queued by CPU 0 meanwhile must not be slept past.
    for (const sim::Site* const site :
         {&linux_::sites::kIdleBaseMarked, &linux_::sites::kTickStopped, &linux_::sites::kIdleBeforeSleep}) {
        CAPTURE(std::string(site->name()));
        Bench b;
        b.busy(1, at_ms(10), at_us(50'200));
        b.script(at_us(50'000), [&b, site] { b.hold(*site, 1, 3ms); });
        b.on(0, at_us(52'200), [&](Cpu& cpu) {
            b.perform(cpu, "timer.add_on", {std::int64_t{0}, at_ms(60), std::int64_t{1}});
        });
        b.run(at_ms(100));
        REQUIRE(b.firings.size() == 1);
        CHECK(b.firings[0].cpu == 1);
        CHECK(b.firings[0].at < at_us(61'200));
    }
}
