// CPU clocks: LC 2, LC-I1, LC-I8, LC-P1, LC-P9, and what exit and exec leave of them.
#include "cputime/tick_log.hpp"

using namespace ticklab;
using namespace ticklab::cputime;
using namespace ticklab::cputime::testing;

namespace {

/// A leader for ever, and threads that end after 3 ms and are followed by others, on all CPUs.
void storm(Bench& b) {
    b.spawn_at(at_us(500), 1, 1);
    b.spawn_at(at_us(700), 1, 12, 0, {.user = 170us, .system = 40us, .lifetime = 2900us, .respawn = true});
}

}  // namespace

TEST_CASE("at every instant a group's time is what its live and dead threads have used (LC-I1, LC-I8)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 4);
        storm(b);
        struct Sample {
            Time at;
            CpuTime utime, stime, sum_exec;
        };
        std::vector<Sample> samples;
        // Between ticks, when no hook is half done.
        for (int i = 0; i < 400; ++i) {
            const Time at = at_us(2050 + 100 * i);
            b.script(at, [&, at] {
                if (b.process(1).ledger.hooks_in_flight == 0)
                    samples.push_back({at, CpuTime{b.state("process1.utime")}, CpuTime{b.state("process1.stime")},
                                       CpuTime{b.state("process1.sum_exec")}});
            });
        }
        b.run(at_ms(60));
        REQUIRE(samples.size() > 300);
        CHECK(b.state("process1.made") > 50);
        for (const Sample& s : samples) {
            const Used used = used_by(b, 1, s.at);
            CHECK(s.utime == used.utime);
            CHECK(s.stime == used.stime);
            // Up to a tick a CPU is not accounted yet. A stretch begins and ends within 200 ns of its records.
            const CpuTime slack = 200ns * static_cast<std::int64_t>(used.stretches);
            CHECK(s.sum_exec <= used.on_cpu + slack);
            CHECK(s.sum_exec >= used.on_cpu - slack - 4 * 1010us);
        }
    }
}

TEST_CASE("nothing of a thread's run is lost when it ends (LC 9.1, LC-D6)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 4);
        // Each ends 900 us after the last tick it had.
        b.spawn_at(at_us(500), 1, 1);
        for (std::uint32_t i = 1; i <= 20; ++i) {
            const auto cpu = static_cast<CpuId>(1 + i % 3);
            b.spawn_at(at_us(1000 + 2000 * i + 100), 1, 1, cpu);
            b.exit_at(at_us(1000 + 2000 * i + 1900), 1, i, 0);
        }
        b.run(at_us(60'002));
        REQUIRE(b.state("process1.threads") == 1);
        const Used used = used_by(b, 1, at_us(60'002));
        CHECK(b.state("process1.sum_exec") > (used.on_cpu - 20us).count());
        CHECK(b.state("process1.sum_exec") < (used.on_cpu + 20us).count());
    }
}

TEST_CASE("a process timer on run time knows of the last stretch of threads that ended (LC-P3, LC-D6)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(600), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kSched, {.value = 34'450us}); });
        for (std::uint32_t i = 1; i <= 10; ++i) {
            b.spawn_at(at_us(1000 + 2000 * i + 100), 1, 1, 1);
            b.exit_at(at_us(1000 + 2000 * i + 1900), 1, i, 0);
        }
        b.run(at_ms(60));
        // At 26.5 ms the leader has run 26 ms, and nine of 1.8 ms are 16.2: so 34.45 ms + 0.1 ms are reached before.
        REQUIRE(b.firings(0).size() == 1);
        const Time fired = b.firings(0)[0].at;
        const Used before = used_by(b, 1, fired - Time::duration{1'010'000'000});
        CHECK(before.on_cpu < 34'560us);
        CHECK(used_by(b, 1, fired).on_cpu >= 34'540us);
    }
}

TEST_CASE("successive reads of a clock never decrease, threads come and go (LC-P1)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 4);
        storm(b);
        std::array<CpuTime, 3> last{};
        std::array<CpuTime, 3> last_of_leader{};
        int reads = 0;
        for (int i = 0; i < 1500; ++i)
            b.on(static_cast<CpuId>(i % 4), at_us(2003 + 37 * i), [&](Cpu& cpu) {
                for (const ClockId c : kClocks) {
                    const CpuTime leader = b.read(cpu, 1, c, 0);
                    const CpuTime group = b.read(cpu, 1, c);
                    CHECK(group >= last[index_of(c)]);
                    CHECK(leader >= last_of_leader[index_of(c)]);
                    last[index_of(c)] = group;
                    last_of_leader[index_of(c)] = leader;
                    // LC-P9; the leader is the thread whose present run every design adds.
                    CHECK(group >= leader);
                }
                ++reads;
            });
        b.run(at_ms(70));
        CHECK(reads == 1500);
    }
}

TEST_CASE("the run time of a thread is exact, its user time is in ticks (LC 2.2)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 1);
        b.on(1, at_us(7'300), [&](Cpu& cpu) {
            const CpuTime run = b.read(cpu, 1, ClockId::kSched, 0);
            CHECK(run > 6'795us);
            CHECK(run < 6'802us);
            CHECK(b.read(cpu, 1, ClockId::kVirt, 0) == 7ms);
            CHECK(b.read(cpu, 1, ClockId::kProf) == 7ms);
            CHECK(b.read(cpu, 1, ClockId::kSched) >= run);
        });
        b.run(at_ms(10));
    }
}

TEST_CASE("whose present run a process clock shows: everybody's in modern, the leader's elsewhere (LC 2.3)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 3);
        b.spawn_at(at_us(500), 1, 2);
        b.on(2, at_us(7'800), [&](Cpu& cpu) {
            // Both have run 7.3 ms; ticks have accounted 6.5 ms of it.
            const CpuTime shown = b.read(cpu, 1, ClockId::kSched);
            const CpuTime expected = design == Design::kModern ? 14'600us : 13'800us;
            CHECK(shown > expected - 10us);
            CHECK(shown < expected + 10us);
        });
        b.run(at_ms(10));
    }
}

TEST_CASE("of three threads the middle one ends: the sum is the same before and after (LC 16.6)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 4);
        b.spawn_at(at_us(500), 1, 1);
        b.spawn_at(at_us(10'500), 1, 1, 1);
        b.spawn_at(at_us(20'500), 1, 1, 2);
        CpuTime before{}, after{};
        b.on(3, at_us(30'500), [&](Cpu& cpu) {
            before = b.read(cpu, 1, ClockId::kProf);
            b.core().life.ask_exit(cpu, b.thread(1, 1));
        });
        b.on(3, at_us(30'600), [&](Cpu& cpu) { after = b.read(cpu, 1, ClockId::kProf); });
        b.run(at_ms(31));
        CHECK(b.state("process1.threads") == 2);
        CHECK(before == 60ms);
        CHECK(after == 60ms);
    }
}

TEST_CASE("clocks of a process that has ended are zero (LC 2.3)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 2);
        b.on(0, at_us(5'500), [&](Cpu& cpu) { b.core().life.exit_group(cpu, b.process(1)); });
        b.on(0, at_us(7'500), [&](Cpu& cpu) {
            for (const ClockId c : kClocks)
                CHECK(b.read(cpu, 1, c) == 0ns);
        });
        b.run(at_ms(10));
        CHECK(b.state("process1.gone") == 1);
    }
}

TEST_CASE("without PCT-04 the time of ended threads vanishes") {
    for (const Design design : {Design::kWalk, Design::kSplit, Design::kModern}) {
        for (const bool on : {true, false}) {
            CAPTURE(word(design));
            Bench b(design, 2);
            b.kernel_config.changes.exiting_folded = on;
            b.kernel_config.check = false;
            b.spawn_at(at_us(500), 1, 2);
            b.exit_at(at_us(10'500), 1, 1, 0);
            b.run(at_us(10'600));
            CHECK(b.state("process1.utime") == (on ? 20'000'000 : 10'000'000));
        }
    }
}

TEST_CASE("without LC-F3 a group's user and system time step when a thread ends (LC-D2)") {
    for (const bool on : {true, false}) {
        Bench b(Design::kSplit, 2);
        b.kernel_config.changes.dead_times_raw = on;
        b.kernel_config.check = false;
        // It runs 200 us, and the tick in the middle charges it with a whole one.
        b.spawn_at(at_us(500), 1, 1);
        b.spawn_at(at_us(9'900), 1, 1, 1);
        b.exit_at(at_us(10'100), 1, 1, 0);
        b.run(at_us(10'090));
        const std::int64_t before = b.state("process1.utime");
        b.run(at_us(10'200));
        REQUIRE(b.state("process1.threads") == 1);
        const std::int64_t after = b.state("process1.utime");
        CHECK(before == 11'000'000);
        CHECK((after >= before) == on);
    }
}
