// CPUs that go down and come back (CH, LTW 13, LHR 11).
#include "linux_fixture.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;

TEST_CASE("the timers of a dead CPU are taken over, class by class, and run (LTW 13.2, CH D12)") {
    Bench b(3);
    b.on(2, at_us(20'100), [&](Cpu& cpu) {
        b.mod(cpu, 0, at_ms(60));
        b.perform(cpu, "timer.init", {std::int64_t{1}, true});
        b.mod(cpu, 1, at_ms(62));
        b.perform(cpu, "timer.init", {std::int64_t{2}, false, true});
        b.mod(cpu, 2, at_ms(64));
        b.mod(cpu, 3, at_ms(40));
    });
    b.offline(2, at_us(45'000));
    b.busy(0, at_ms(50), at_ms(80));
    b.run(at_us(52'000));
    CHECK(b.state("cpu2.timers.global.moved_away") == 1);
    CHECK(b.state("cpu2.timers.local.moved_away") == 1);
    CHECK(b.state("cpu2.timers.deferrable.moved_away") == 1);
    CHECK(b.state("cpu0.timers.local.pending") == 1);
    CHECK(b.state("cpu0.timers.deferrable.pending") == 1);
    CHECK_FALSE(check_drained(b.core().wheel, 2));
    b.run(at_ms(100));
    REQUIRE(b.firings.size() == 4);
    CHECK(b.firings[0].cpu == 2);
    for (std::size_t i = 1; i < 4; ++i)
        CHECK(b.firings[i].cpu == 0);
}

TEST_CASE("a dying CPU hands its high-resolution timers over before it is dead (LHR 11.3, CH D8, H3)") {
    Bench b(3);
    b.on(2, at_us(20'100), [&](Cpu& cpu) { b.perform(cpu, "hrtimer.start", {std::int64_t{0}, at_us(60'300)}); });
    b.offline(2, at_us(45'000));
    b.run(at_ms(100));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].cpu != 2);
    CHECK(b.firings[0].at >= at_us(60'300));
    CHECK(b.firings[0].at < at_us(60'330));
    CHECK(b.state("cpu2.hrtimers.queued") == 0);
    CHECK(b.records(kHrtimersDyingRecord).size() == 1);
}

TEST_CASE("a dying timekeeper hands its duty over (LNT 8.5, CH D7, H2)") {
    Bench b(3);
    b.busy(1, at_ms(30), at_ms(45));
    b.run(at_us(40'500));
    CHECK(b.state("tick.duty") == 1);
    b.offline(1, at_us(41'000));
    b.run(at_ms(200));
    CHECK(b.state("tick.duty") != 1);
    CHECK(b.tick(1).ticks < 100);
    b.busy(0, at_ms(210), at_ms(250));
    b.run(at_us(230'500));
    CHECK(b.state("jiffies") == 230);
}

TEST_CASE("a CPU that comes back ticks, sleeps and runs timers again (CH U2 to U9, LTW 13.1)") {
    Bench b(3);
    b.on(2, at_us(20'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(400)); });
    b.offline(2, at_ms(30));
    b.online(2, at_ms(200));
    b.on(2, at_us(250'100), [&](Cpu& cpu) { b.mod(cpu, 1, at_ms(260)); });
    b.run(at_us(240'000));
    CHECK(b.tick(2).stopped);
    CHECK(b.tick(2).highres);
    b.run(at_ms(500));
    REQUIRE(b.firings.size() == 2);
    CHECK(b.firings[0].cpu == 2);
    // The bases start at present jiffies, so ten jiffies go to the finest level.
    CHECK(b.firings[0].at < at_us(261'300));
    CHECK(b.firings[1].cpu == 0);
}

TEST_CASE("a CPU that died in a hang is free of it in its next life (CH §9 of January 2025, LHR 11.2)") {
    for (const bool on : {true, false}) {
        CAPTURE(on);
        Bench b(2);
        b.linux_config.changes.starting_clears_leftovers = on;
        // Three passes that each find the next timer due: a hang that lasts as long as they took.
        b.on(1, at_us(50'100), [&](Cpu& cpu) {
            for (std::int64_t i = 0; i < 4; ++i)
                b.perform(cpu, "hrtimer.start", {i, at_us(60'500 + 3'000 * i)});
        });
        b.on_fired = [](Cpu& cpu, sim::TimerIndex timer) {
            if (timer < 3)
                cpu.spend_time(3'100us);
        };
        b.offline(1, at_us(70'000));
        b.online(1, at_us(90'000));
        b.on(1, at_us(120'100), [&](Cpu& cpu) { b.perform(cpu, "hrtimer.start", {std::int64_t{4}, at_us(130'500)}); });
        CHECK(b.run_to_verdict(at_us(80'000)).empty());
        CHECK(b.state("cpu1.hrtimers.hangs") == 1);
        b.run_to_verdict(at_ms(150));
        const bool in_time = b.firings.size() == 5 && b.firings.back().cpu == 1 && b.firings.back().at < at_us(130'530);
        CHECK(in_time == on);
    }
}

TEST_CASE("adding a timer on a CPU that is off-line is a caller's fault (LTW 13.4)") {
    Bench b;
    b.offline(1, at_ms(20));
    b.on(0, at_ms(60), [&](Cpu& cpu) {
        b.perform(cpu, "timer.add_on", {std::int64_t{0}, at_ms(70), std::int64_t{1}});
    });
    CHECK(b.run_to_verdict(at_ms(100)) == "linux.timer.add_offline");
}
