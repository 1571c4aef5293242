// The timer clock of split and modern: LC 2.4, LC 2.5, LC 6.2.1, LC-I2, LC-I3, LC-I6, LC-P11; the races of LC 12.
#include "cputime/tick_log.hpp"

using namespace ticklab;
using namespace ticklab::cputime;
using namespace ticklab::cputime::testing;

namespace {

bool has_timer_clock(Design design) { return design == Design::kSplit || design == Design::kModern; }

}  // namespace

TEST_CASE("with nothing armed no tick looks at lists, and no timer clock starts (LC 5.1)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 8);
        b.run(at_ms(100));
        CHECK(b.state("process1.slow_paths") == 0);
        CHECK(b.records(kClockStartRecord).empty());
    }
}

TEST_CASE("with a timer armed, ticks before its time do not look at lists, but for shares in walk (LC 5.1, LC 11.1)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 2);
        b.on(0, at_us(5'500), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kProf, {.value = 120ms}); });
        b.run(at_us(60'500));
        if (design == Design::kWalk)
            CHECK(b.state("process1.slow_paths") < 20);
        else
            CHECK(b.state("process1.slow_paths") == 0);
        CHECK(b.timer(0).fired == 0);
        b.run(at_ms(100));
        CHECK(b.timer(0).fired == 1);
    }
}

TEST_CASE("timer_settime and setitimer start the timer clock at the process clock (LC 2.4, LC 6.2.1)") {
    for (const Design design : {Design::kSplit, Design::kModern})
        for (const bool itimer : {true, false}) {
            CAPTURE(word(design));
            Bench b(design, 2);
            b.spawn_at(at_us(500), 1, 2);
            b.on(0, at_us(9'500), [&](Cpu& cpu) {
                if (itimer)
                    (void)b.core().cpu_timers.set_itimer(cpu, b.process(1), ClockId::kProf, 100ms, {});
                else
                    b.set(cpu, 0, 1, ClockId::kProf, {.value = 100ms});
            });
            b.run(at_us(9'600));
            CHECK(b.state("process1.timer_clock_runs") == 1);
            const auto starts = b.records(kClockStartRecord);
            REQUIRE(starts.size() == 1);
            CHECK(starts[0].signed_at(1) == 18'000'000);
        }
}

TEST_CASE("split as pulled: timer_settime starts nothing, the next tick does, and nothing is late (LC 6.2.1)") {
    for (const bool completed : {true, false}) {
        Bench b(Design::kSplit, 1);
        b.kernel_config.changes.timers_sample_timer_clock = completed;
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(9'500), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kProf, {.value = 20ms}); });
        b.on(0, at_us(9'600), [&](Cpu& cpu) { (void)b.core().cpu_timers.get(cpu, b.timer(0)); });
        b.run(at_us(9'700));
        CHECK(b.state("process1.timer_clock_runs") == (completed ? 1 : 0));
        b.run(at_us(10'100));
        CHECK(b.state("process1.timer_clock_runs") == 1);
        b.run(at_ms(40));
        REQUIRE(b.firings(0).size() == 1);
        CHECK(b.firings(0)[0].at > at_ms(29));
        CHECK(b.firings(0)[0].at < at_us(29'100));
    }
}

TEST_CASE("timer_gettime starts the timer clock of split, not that of modern (LC 6.3)") {
    for (const Design design : {Design::kSplit, Design::kModern}) {
        CAPTURE(word(design));
        Bench b(design, 1);
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(9'500), [&](Cpu& cpu) {
            b.set(cpu, 0, 1, ClockId::kProf, {.value = 20ms}, -1, Notify::kNone);
            b.core().accounting->stop(cpu, b.process(1));
            (void)b.core().cpu_timers.get(cpu, b.timer(0));
        });
        b.run(at_us(9'600));
        CHECK(b.state("process1.timer_clock_runs") == (design == Design::kSplit ? 1 : 0));
    }
}

TEST_CASE("a clock that is stopped and started is no less, and no less than the process clock (LC-I3, LC 16.2)") {
    for (const Design design : {Design::kSplit, Design::kModern}) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 2, 0, {.user = 100us, .call = KernelCall::kChurnTimer});
        b.run(at_us(60'500));
        const auto starts = b.records(kClockStartRecord);
        REQUIRE(starts.size() > 50);
        for (std::size_t i = 1; i < starts.size(); ++i) {
            CHECK(starts[i].signed_at(1) >= starts[i - 1].signed_at(1));
            CHECK(starts[i].signed_at(1) <= used_by(b, 1, starts[i].at).prof().count());
        }
    }
}

TEST_CASE("when the last timer has fired the clock stops, and ticks look no more (LC-P11, LC 16.9)") {
    for (const Design design : kDesigns)
        for (const bool exact : {true, false}) {
            CAPTURE(word(design));
            Bench b(design, 1);
            b.kernel_config.changes.cache_stored_exactly = exact;
            b.spawn_at(at_us(500), 1, 1);
            b.on(0, at_us(9'500), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kProf, {.value = 20ms}); });
            b.run(at_us(30'500));
            const std::int64_t before = b.state("process1.slow_paths");
            REQUIRE(b.timer(0).fired == 1);
            b.run(at_us(1'030'500));
            const std::int64_t looks = b.state("process1.slow_paths") - before;
            if (design == Design::kModern && !exact)
                // It tests the flag before it looks at the cache.
                CHECK(looks <= 1000);
            else if (design == Design::kWalk || exact)
                CHECK(looks <= 1);
            else
                CHECK(looks == 1000);
            if (has_timer_clock(design) && exact)
                CHECK(b.state("process1.timer_clock_runs") == 0);
        }
}

TEST_CASE("when a timer is disarmed or deleted the clock stops at once, without PCT-14 at the next look (LC-F11)") {
    for (const Design design : {Design::kSplit, Design::kModern})
        for (const bool recomputed : {true, false})
            for (const bool deleted : {true, false}) {
                CAPTURE(word(design));
                Bench b(design, 1);
                b.kernel_config.changes.expiry_recomputed = recomputed;
                b.spawn_at(at_us(500), 1, 1);
                b.on(0, at_us(9'500), [&](Cpu& cpu) {
                    b.set(cpu, 0, 1, ClockId::kProf, {.value = 20ms});
                    if (deleted)
                        b.core().cpu_timers.remove(cpu, b.timer(0));
                    else
                        b.set(cpu, 0, 1, ClockId::kProf, {});
                });
                b.run(at_us(20'500));
                CHECK(b.state("process1.timer_clock_runs") == (recomputed ? 0 : 1));
                // The time at which it would have been due.
                b.run(at_us(40'500));
                CHECK(b.state("process1.timer_clock_runs") == 0);
            }
}

TEST_CASE("a step that is being accounted when the clock starts: late by it at most, or twice without PCT-08 (LC-I2)") {
    for (const bool generation : {true, false}) {
        Bench b(Design::kSplit, 2);
        b.kernel_config.changes.clock_generation = generation;
        b.spawn_at(at_us(500), 1, 1);
        // The user-time hook of the tick at 10 ms is its CPU's last one before this.
        bool done = false;
        b.script(at_us(9'900), [&] {
            b.hold(sites::kHookThreadDone, 0, 200us, 1, [&] {
                done = true;
                b.machine().run_on_thread(1, sim::Cause{{}, 7777}, [&](Cpu& cpu) {
                    (void)b.core().cpu_timers.set_itimer(cpu, b.process(1), ClockId::kProf, 100ms, {});
                });
            });
        });
        const std::string verdict = b.run_to_verdict(at_ms(50));
        CHECK(done);
        CHECK(verdict == (generation ? "" : "cputime.timer_clock.ahead"));
    }
}

TEST_CASE("a stop and a start between flag and addition: the addition is dropped (LC 16.8, LC-D3)") {
    Bench b(Design::kSplit, 2);
    b.spawn_at(at_us(500), 1, 1);
    b.on(1, at_us(5'500),
         [&](Cpu& cpu) { (void)b.core().cpu_timers.set_itimer(cpu, b.process(1), ClockId::kProf, 100ms, {}); });
    bool done = false;
    b.script(at_us(9'900), [&] {
        b.hold(sites::kHookThreadDone, 0, 200us, 1, [&] {
            done = true;
            b.machine().run_on_thread(1, sim::Cause{{}, 7777}, [&](Cpu& cpu) {
                (void)b.core().cpu_timers.set_itimer(cpu, b.process(1), ClockId::kProf, {}, {});
                (void)b.core().cpu_timers.set_itimer(cpu, b.process(1), ClockId::kProf, 100ms, {});
            });
        });
    });
    CHECK(b.run_to_verdict(at_ms(50)).empty());
    CHECK(done);
    CHECK(b.records(kClockStartRecord).size() == 2);
    CpuTime shown{};
    b.on(1, at_us(50'500), [&](Cpu& cpu) {
        const bool irqs = b.process(1).sighand.acquire_irqsave(cpu);
        shown = b.core().accounting->timer_clock(cpu, b.process(1), Start::kYes).utime;
        b.process(1).sighand.release_restore(cpu, irqs);
    });
    b.run(at_ms(51));
    CHECK(shown == 50ms);
}

TEST_CASE(
    "modern counts a step twice that is being accounted at a start, and its clock is never set back (LC-I3, LC 16.2)") {
    Bench b(Design::kModern, 2);
    b.spawn_at(at_us(500), 1, 1);
    const auto set_itimer = [&b](Cpu& cpu, CpuTime value) {
        (void)b.core().cpu_timers.set_itimer(cpu, b.process(1), ClockId::kProf, value, {});
    };
    const auto clock = [&b](Cpu& cpu) {
        const sim::SpinLockIrqGuard guard(cpu, b.process(1).sighand);
        return b.core().accounting->timer_clock(cpu, b.process(1), Start::kYes).utime;
    };
    b.script(at_us(9'900), [&] {
        b.hold(sites::kHookThreadDone, 0, 200us, 1, [&] {
            b.machine().run_on_thread(1, sim::Cause{{}, 7777}, [&](Cpu& cpu) { set_itimer(cpu, 100ms); });
        });
    });
    CpuTime ahead{}, again{};
    b.on(1, at_us(15'500), [&](Cpu& cpu) {
        ahead = clock(cpu);
        set_itimer(cpu, 0ms);
        set_itimer(cpu, 100ms);
        again = clock(cpu);
    });
    b.run(at_ms(20));
    CHECK(ahead == 16ms);
    CHECK(again == 16ms);
}

TEST_CASE("without LC-F10 the timer clock gets what a thread runs after its folding") {
    for (const bool on : {true, false}) {
        Bench b(Design::kSplit, 3);
        b.kernel_config.changes.folded_not_accounted = on;
        b.spawn_at(at_us(500), 1, 2);
        b.on(2, at_us(5'500),
             [&](Cpu& cpu) { (void)b.core().cpu_timers.set_itimer(cpu, b.process(1), ClockId::kProf, 100ms, {}); });
        b.hold(sites::kUnlinked, 1, 3ms);
        b.exit_at(at_us(9'100), 1, 1, 2);
        // The leader's own run since its last tick hides what is too much; at a tick it does not.
        CHECK(b.run_to_verdict(at_ms(20)) == (on ? "" : "cputime.timer_clock.ahead"));
    }
}

TEST_CASE("without PCT-10 a sum has a thread twice that is folded and still listed (LC-F9, LC-D4)") {
    for (const Design design : {Design::kSplit, Design::kModern})
        for (const bool on : {true, false}) {
            CAPTURE(word(design));
            Bench b(design, 3);
            b.kernel_config.changes.sum_under_sequence_lock = on;
            b.kernel_config.check = false;
            b.spawn_at(at_us(500), 1, 2);
            CpuTime shown{};
            b.hold(sites::kFolded, 1, 50us, 1, [&] {
                b.machine().run_on_thread(2, sim::Cause{{}, 7777},
                                          [&](Cpu& cpu) { shown = b.read(cpu, 1, ClockId::kProf); });
            });
            b.exit_at(at_us(9'500), 1, 1, 2);
            b.run_to_verdict(at_ms(20));
            CHECK(shown == (on ? 18ms : 27ms));
        }
}

TEST_CASE("without LC-F8 a run-time clock steps back (LC 2.2)") {
    for (const bool on : {true, false}) {
        Bench b(Design::kSplit, 2);
        b.kernel_config.changes.run_time_read_at_once = on;
        b.spawn_at(at_us(500), 1, 1);
        // The tick falls between the sum and what runs.
        b.script(at_us(9'990), [&] { b.hold(sites::kRunTimeRead, 1, 100us); });
        for (const std::int64_t at : {9'500, 9'995})
            b.on(1, at_us(at), [&](Cpu& cpu) { (void)b.read(cpu, 1, ClockId::kSched); });
        CHECK(b.run_to_verdict(at_ms(20)) == (on ? "" : "cputime.clock.backwards"));
    }
}

TEST_CASE("timers that CPUs find due at once fire once each (LC 5.3, LC 14)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 3);
        b.spawn_at(at_us(500), 1, 3);
        b.on(0, at_us(5'500), [&](Cpu& cpu) {
            for (int i = 0; i < 10; ++i)
                b.set(cpu, i, 1, ClockId::kProf, {.value = 28ms, .absolute = true});
        });
        b.run(at_us(11'500));
        for (int i = 0; i < 10; ++i)
            CHECK(b.timer(i).fired == 1);
        CHECK(b.records(kFireRecord).size() == 10);
    }
}

TEST_CASE(
    "locks of accounting by design: none off, one a hook in global, one a hook while split's clock runs (LC 13)") {
    for (const Design design : kDesigns)
        for (const bool armed : {true, false}) {
            CAPTURE(word(design));
            CAPTURE(armed);
            Bench b(design, 1);
            b.spawn_at(at_us(500), 1, 1);
            if (armed)
                b.on(0, at_us(5'500), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kProf, {.value = 500ms}); });
            const auto acquired = [&b] {
                std::uint64_t n = 0;
                for (const sim::SpinLock* lock : b.machine().locks())
                    if (lock->name() == "timer clock 1" || lock->name() == "process totals 1")
                        n += lock->counters().acquired;
                return n;
            };
            b.run(at_us(10'500));
            const std::uint64_t before = acquired();
            b.run(at_us(110'500));
            // A tick has a hook of user time and one of run time; the fast path reads once more if something is cached.
            const std::uint64_t a_tick = (acquired() - before) / 100;
            CHECK((acquired() - before) % 100 == 0);
            if (design == Design::kGlobal)
                CHECK(a_tick == (armed ? 3 : 2));
            else if (design == Design::kSplit)
                CHECK(a_tick == (armed ? 3 : 0));
            else
                CHECK(a_tick == 0);
        }
}
