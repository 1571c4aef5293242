// POSIX CPU timers: LC 5, LC 6, LC-P2 to LC-P7, LC-I4 to LC-I7.
#include "cputime/tick_log.hpp"

using namespace ticklab;
using namespace ticklab::cputime;
using namespace ticklab::cputime::testing;

namespace {

/// Ticks of one CPU never fall on those of another, so that each sees all that was accounted before.
struct Skewed : Bench {
    explicit Skewed(Design design, CpuId cpus = 2) : Bench(design, cpus) { kernel_config.skew_tick = true; }
};

/// The first tick of the process at which its user and system time is at least `expires`.
Time first_tick_at(const Bench& b, CpuTime expires) {
    CpuTime prof{};
    for (const Bench::LoggedRecord& r : b.records(kTickRecord))
        if ((prof += 1ms) >= expires)
            return r.at;
    return sim::kNever;
}

}  // namespace

TEST_CASE("a process timer fires at the first tick of any thread after its time, never before (LC-P2, LC-P3)") {
    for (const Design design : kDesigns)
        for (const std::int64_t value : {1, 2, 7, 8, 31}) {
            CAPTURE(word(design));
            CAPTURE(value);
            Skewed b(design, 3);
            b.spawn_at(at_us(500), 1, 3);
            CpuTime set_at{};
            b.on(0, at_us(5'800), [&](Cpu& cpu) {
                set_at = b.read(cpu, 1, ClockId::kProf);
                b.set(cpu, 0, 1, ClockId::kProf, {.value = std::chrono::milliseconds{value}});
            });
            b.run(at_ms(40));
            CHECK(set_at == 15ms);
            const auto fired = b.firings(0);
            REQUIRE(fired.size() == 1);
            const Time tick = first_tick_at(b, set_at + std::chrono::milliseconds{value});
            CHECK(fired[0].at > tick);
            CHECK(fired[0].at < tick + 100us);
            CHECK(b.timer(0).signals == 1);
            CHECK(b.timer(0).expires == 0ns);
        }
}

TEST_CASE("each clock has timers of its own: user time, user and system time, run time (LC 2.1)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        // In the kernel at most ticks, in user code at some.
        b.spawn_at(at_us(950), 1, 1, 0, {.user = 200us, .system = 550us});
        b.on(1, at_us(5'500), [&](Cpu& cpu) {
            b.set(cpu, 0, 1, ClockId::kVirt, {.value = 5ms});
            b.set(cpu, 1, 1, ClockId::kProf, {.value = 5ms});
            b.set(cpu, 2, 1, ClockId::kSched, {.value = 5ms});
        });
        b.run(at_ms(12));
        CHECK(b.firings(1).size() == 1);
        CHECK(b.firings(2).size() == 1);
        const Used used = used_by(b, 1, at_ms(12));
        CHECK(used.stime > 0ns);
        CHECK(used.utime > 0ns);
        CHECK(b.firings(0).size() == (used.utime - used_by(b, 1, at_us(5'500)).utime >= 5ms ? 1 : 0));
    }
}

TEST_CASE("a timer of a thread fires only at a tick of that thread (LC-P4)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        // Thread 1 is awake at each fourth tick or so.
        b.spawn_at(at_us(500), 1, 1);
        b.spawn_at(at_us(600), 1, 1, 1, {.user = 1ms, .sleep = 3ms});
        b.on(0, at_us(5'500), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kSched, {.value = 2'200us}, 1); });
        b.run(at_ms(40));
        const auto fired = b.firings(0);
        REQUIRE(fired.size() == 1);
        CHECK(fired[0].cpu == 1);
        CHECK(CpuTime{fired[0].signed_at(1)} >= b.timer(0).first_expiry);
        CHECK(CpuTime{fired[0].signed_at(1)} < b.timer(0).first_expiry + 1'010us);
    }
}

TEST_CASE("of 45 timers with one expiry, three ticks take 19, 19 and 7 (LC 16.4)") {
    for (const Design design : kDesigns)
        for (const std::int64_t thread : {-1, 0}) {
            CAPTURE(word(design));
            Bench b(design, 1);
            b.spawn_at(at_us(500), 1, 1);
            b.on(0, at_us(5'500), [&](Cpu& cpu) {
                for (int i = 0; i < 45; ++i)
                    b.set(cpu, i, 1, ClockId::kProf, {.value = 20ms, .absolute = true}, thread);
            });
            b.run(at_ms(30));
            std::array<int, 3> at{};
            for (const Bench::LoggedRecord& r : b.records(kFireRecord)) {
                const std::int64_t n = (r.at - at_ms(20)).count() / 1'000'000'000;
                REQUIRE(n >= 0);
                REQUIRE(n < 3);
                ++at[static_cast<std::size_t>(n)];
            }
            CHECK(at == std::array{19, 19, 7});
        }
}

TEST_CASE("equal expiries fire in the order in which they were armed (LC 3)") {
    for (const Design design : kDesigns) {
        Bench b(design, 1);
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(5'500), [&](Cpu& cpu) {
            for (const int i : {3, 1, 2})
                b.set(cpu, i, 1, ClockId::kProf, {.value = 20ms, .absolute = true});
        });
        b.run(at_ms(30));
        const auto fired = b.records(kFireRecord);
        REQUIRE(fired.size() == 3);
        for (const std::size_t i : {0U, 1U, 2U})
            CHECK(fired[i].operands[0] == b.timer(std::array{3, 1, 2}[i]).object);
    }
}

TEST_CASE("an absolute expiry is an instant of the process clock, however long the timer clock stood (LC 16.3)") {
    for (const Design design : kDesigns)
        for (const bool synchronised : {true, false}) {
            CAPTURE(word(design));
            Bench b(design, 1);
            b.kernel_config.changes.start_synchronised = synchronised;
            b.kernel_config.check = false;
            b.spawn_at(at_us(500), 1, 1);
            b.on(0, at_us(400'500),
                 [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kProf, {.value = 1000ms, .absolute = true}); });
            b.run_to_verdict(at_ms(1500));
            const bool late = design == Design::kSplit && !synchronised;
            REQUIRE(b.firings(0).size() == (late ? 0 : 1));
            if (late)
                continue;
            CHECK(b.firings(0)[0].at > at_ms(1000));
            CHECK(b.firings(0)[0].at < at_us(1'000'100));
        }
}

TEST_CASE("an absolute expiry of the past fires at timer_settime (LC-P5)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 2);
        b.on(1, at_us(9'500), [&](Cpu& cpu) {
            b.set(cpu, 0, 1, ClockId::kProf, {.value = 10ms, .absolute = true});
            b.set(cpu, 1, 1, ClockId::kProf, {.value = 18ms, .absolute = true}, -1);
            b.set(cpu, 2, 1, ClockId::kVirt, {.value = 9ms, .absolute = true}, 0);
            b.set(cpu, 3, 1, ClockId::kVirt, {.value = 10ms, .absolute = true}, 0);
        });
        b.run(at_us(9'600));
        for (const int i : {0, 1, 2}) {
            CHECK(b.timer(i).fired == 1);
            CHECK(b.timer(i).signals == 1);
        }
        CHECK(b.timer(3).fired == 0);
        CHECK(b.timer(3).linked);
    }
}

TEST_CASE("timer_gettime of an armed timer is at least 1 ns, of a disarmed one 0 (LC-P6)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 1);
        CpuTime before{}, due{}, after{}, cleared{};
        b.on(1, at_us(5'100), [&](Cpu& cpu) {
            b.set(cpu, 0, 1, ClockId::kSched, {.value = 500us});
            b.set(cpu, 1, 1, ClockId::kProf, {.value = 10ms});
            before = b.core().cpu_timers.get(cpu, b.timer(1));
            b.set(cpu, 1, 1, ClockId::kProf, {});
            cleared = b.core().cpu_timers.get(cpu, b.timer(1));
        });
        // Due since 5.6 ms; nobody looks before the tick at 6 ms.
        b.on(1, at_us(5'900), [&](Cpu& cpu) { due = b.core().cpu_timers.get(cpu, b.timer(0)); });
        b.on(1, at_us(6'500), [&](Cpu& cpu) { after = b.core().cpu_timers.get(cpu, b.timer(0)); });
        b.run(at_ms(7));
        CHECK(before == 10ms);
        CHECK(due == 1ns);
        CHECK(after == 0ns);
        CHECK(cleared == 0ns);
        CHECK(b.timer(1).old_remaining == 10'000'000);
    }
}

TEST_CASE("signals and overruns of a periodic timer are its elapsed intervals (LC-P7)") {
    for (const Design design : kDesigns)
        for (const ClockId clock : kClocks)
            for (const CpuTime interval : {CpuTime{100us}, CpuTime{1ms}, CpuTime{1500us}, CpuTime{7ms}}) {
                CAPTURE(word(design));
                CAPTURE(interval.count());
                Bench b(design, 2);
                b.spawn_at(at_us(500), 1, 2);
                b.on(0, at_us(5'500), [&](Cpu& cpu) { b.set(cpu, 0, 1, clock, {.value = 3ms, .interval = interval}); });
                b.run(at_us(60'900));
                const PosixTimer& t = b.timer(0);
                REQUIRE(t.linked);
                CHECK((t.expires - t.first_expiry) % interval == 0ns);
                CHECK((t.expires - t.first_expiry) / interval == t.signals + t.overruns);
                // No interval is left out: the next expiry is within one of now.
                CHECK(t.expires <= CpuTime{b.state("process1.sum_exec")} + 4ms + interval);
                CHECK(t.signals > 10);
            }
}

TEST_CASE("a periodic timer that is noticed within its interval has no overrun (LC 6.6)") {
    for (const Design design : kDesigns) {
        Bench b(design, 1);
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(5'500), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kSched, {.value = 3ms, .interval = 2300us}); });
        b.run(at_us(60'900));
        CHECK(b.timer(0).overruns == 0);
        CHECK(b.timer(0).signals == 23);
    }
}

TEST_CASE("a timer that is set while it fires is told by the signal or by the old value, not by both (LC 16.5)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(5'500), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kProf, {.value = 5ms}); });
        b.hold(sites::kCollected, 0, 50us, 1, [&] {
            b.machine().run_on_thread(1, sim::Cause{{}, 7777},
                                      [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kProf, {.value = 100ms}); });
        });
        b.run(at_ms(20));
        CHECK(b.timer(0).fired == 0);
        CHECK(b.timer(0).old_remaining == 1);
        CHECK(b.timer(0).linked);
        CHECK(b.timer(0).expires >= 105ms);
    }
}

TEST_CASE("a timer that is deleted while it fires is gone after the firing (LC 5.4, LC 6.7)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(5'500), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kProf, {.value = 5ms, .interval = 1ms}); });
        b.hold(sites::kCollected, 0, 50us, 1, [&] {
            b.machine().run_on_thread(1, sim::Cause{{}, 7777},
                                      [&](Cpu& cpu) { b.core().cpu_timers.remove(cpu, b.timer(0)); });
        });
        b.run(at_ms(20));
        CHECK(b.timer(0).fired == 1);
        CHECK(b.timer(0).process == nullptr);
        CHECK_FALSE(b.timer(0).linked);
        CHECK_FALSE(b.timer(0).queued);
    }
}

TEST_CASE("a timer without notification never fires, and tells what is left (LC 6.2, LC 6.3)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 1);
        CpuTime left{}, past{}, periodic{};
        b.on(1, at_us(5'500), [&](Cpu& cpu) {
            b.set(cpu, 0, 1, ClockId::kProf, {.value = 5ms}, -1, Notify::kNone);
            b.set(cpu, 1, 1, ClockId::kProf, {.value = 5ms, .interval = 3ms}, -1, Notify::kNone);
        });
        b.on(1, at_us(8'500), [&](Cpu& cpu) { left = b.core().cpu_timers.get(cpu, b.timer(0)); });
        b.on(1, at_us(14'500), [&](Cpu& cpu) {
            past = b.core().cpu_timers.get(cpu, b.timer(0));
            periodic = b.core().cpu_timers.get(cpu, b.timer(1));
        });
        b.run(at_ms(20));
        CHECK(left == 2ms);
        CHECK(past == 0ns);
        CHECK(periodic == 2ms);
        CHECK(b.records(kFireRecord).empty());
        CHECK(b.records(kArmRecord).empty());
    }
}

TEST_CASE("a signal of a setting before the last one re-arms nothing and tells of nothing (LC 6.5)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 1);
        // On the CPU of the thread, which gets the signal when this is done.
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(5'500), [&](Cpu& cpu) {
            b.set(cpu, 0, 1, ClockId::kProf, {.value = 2ms, .interval = 10ms, .absolute = true});
            b.set(cpu, 0, 1, ClockId::kProf, {.value = 300ms, .interval = 10ms, .absolute = true});
        });
        b.run(at_ms(30));
        CHECK(b.timer(0).signals == 1);
        CHECK(b.timer(0).expires == 300ms);
        CHECK(b.timer(0).linked);
        CHECK(b.timer(0).overruns == 0);
        CHECK(b.timer(0).overrun == -1);
        CHECK(b.records(kArmRecord).size() == 1);
    }
}

TEST_CASE("a timer has one signal queued at most (LC-I7)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 1);
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(5'500), [&](Cpu& cpu) {
            for (int i = 0; i < 3; ++i)
                b.set(cpu, 0, 1, ClockId::kProf, {.value = 2ms, .absolute = true});
        });
        b.run(at_ms(30));
        CHECK(b.timer(0).fired == 3);
        CHECK(b.timer(0).signals == 1);
    }
}

TEST_CASE("timers of a thread that is reaped never fire, and tell what was left (LC 9.1)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 2);
        b.on(0, at_us(5'500), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kVirt, {.value = 10ms}, 1); });
        b.exit_at(at_us(9'500), 1, 1, 0);
        CpuTime left{};
        b.on(0, at_us(30'500), [&](Cpu& cpu) {
            left = b.core().cpu_timers.get(cpu, b.timer(0));
            b.core().cpu_timers.set(cpu, b.timer(0), {.value = 1ms, .absolute = true});
        });
        b.run(at_ms(40));
        CHECK(left == 6ms);
        CHECK(b.timer(0).fired == 0);
        CHECK_FALSE(b.timer(0).linked);
    }
}

TEST_CASE("in task context a timer fires on the way to user mode, and the tick holds nothing up (LC 14, LC-F13)") {
    Bench tick(Design::kModern, 1);
    Bench task(Design::kModern, 1);
    task.kernel_config.expiry_in_task = true;
    for (Bench* b : {&tick, &task}) {
        b->spawn_at(at_us(500), 1, 1);
        b->on(0, at_us(5'500), [b](Cpu& cpu) {
            for (int i = 0; i < 15; ++i)
                b->set(cpu, i, 1, ClockId::kProf, {.value = 20ms, .absolute = true});
        });
        b->run(at_ms(30));
        CHECK(b->records(kFireRecord).size() == 15);
        for (const Bench::LoggedRecord& r : b->records(kFireRecord))
            CHECK(r.at < at_us(20'100));
    }
    CHECK(task.state("cpu0.tick_max") < tick.state("cpu0.tick_max"));
}

TEST_CASE("in walk the last run of a thread that exits may hide an expiry from the others for a tick (LC 11.1)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        // Ten CPUs, so 50 us from one's tick to the next one's.
        Bench b(design, 10);
        b.kernel_config.skew_tick = true;
        b.spawn_at(at_us(500), 1, 2, 1);
        // CPU 1 has had its tick of this millisecond, CPU 2 has not. Each thread's share is 2.2 ms.
        b.on(9, at_us(5'070), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kSched, {.value = 4380us}); });
        // 2 ms at its last tick, 2.8 ms now; the other one has 2 ms at its next.
        b.exit_at(at_us(6'900), 1, 1, 9);
        b.run(at_ms(12));
        REQUIRE(b.firings(0).size() == 1);
        const Time tick = design == Design::kWalk ? at_us(8'050) : at_us(7'050);
        CHECK(b.firings(0)[0].at >= tick);
        CHECK(b.firings(0)[0].at < tick + 20us);
    }
}
