// Interval timers and limits: LC 7, LC 8, LC-P8, LC-P10.
#include "cputime/tick_log.hpp"

using namespace ticklab;
using namespace ticklab::cputime;
using namespace ticklab::cputime::testing;

namespace {

CpuTime set_itimer(Bench& b, Cpu& cpu, ClockId clock, CpuTime value, CpuTime interval = {}) {
    return b.core().cpu_timers.set_itimer(cpu, b.process(1), clock, value, interval);
}

std::vector<Bench::LoggedRecord> signals(const Bench& b) { return b.records(kSignalRecord); }

}  // namespace

TEST_CASE(
    "setitimer: from setting to signal the process uses the value at least, a tick more at most (LC-P8, LC 7.1)") {
    for (const Design design : kDesigns)
        for (const ClockId clock : {ClockId::kProf, ClockId::kVirt}) {
            CAPTURE(word(design));
            Bench b(design, 1);
            b.spawn_at(at_us(500), 1, 1);
            b.on(0, at_us(5'900), [&](Cpu& cpu) { set_itimer(b, cpu, clock, 10ms); });
            b.run(at_ms(40));
            const auto sent = signals(b);
            REQUIRE(sent.size() == 1);
            // Ten ticks would come within 9.1 ms.
            CHECK(sent[0].at > at_ms(16));
            CHECK(sent[0].at < at_us(16'100));
            CHECK(b.state("process1.sigprof") == (clock == ClockId::kProf ? 1 : 0));
            CHECK(b.state("process1.sigvtalrm") == (clock == ClockId::kVirt ? 1 : 0));
        }
}

TEST_CASE("setitimer and getitimer tell what is left, a tick where it is due, 0 where it is off (LC 7.1, LC 7.2)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 1);
        std::vector<CpuTime> told;
        b.on(1, at_us(5'500), [&](Cpu& cpu) {
            told.push_back(b.core().cpu_timers.get_itimer(cpu, b.process(1), ClockId::kProf));
            told.push_back(set_itimer(b, cpu, ClockId::kProf, 20ms));
            told.push_back(b.core().cpu_timers.get_itimer(cpu, b.process(1), ClockId::kProf));
        });
        b.on(1, at_us(15'500), [&](Cpu& cpu) {
            told.push_back(set_itimer(b, cpu, ClockId::kProf, 5ms));
            told.push_back(set_itimer(b, cpu, ClockId::kProf, 0ms));
            told.push_back(b.core().cpu_timers.get_itimer(cpu, b.process(1), ClockId::kProf));
        });
        b.run(at_ms(60));
        CHECK(told == std::vector<CpuTime>{0ms, 0ms, 21ms, 11ms, 6ms, 0ms});
        CHECK(signals(b).empty());
    }
}

TEST_CASE("an interval timer goes on from its expiry in modern, from the check before it (LC 7.3, LC 16.10)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 1);
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(500'500), [&](Cpu& cpu) { set_itimer(b, cpu, ClockId::kProf, 10'500us, 10'500us); });
        b.run(at_us(1'501'500));
        // The first is at 11.5 ms, a tick more: (1001 - 11.5) / 10.5 or / 11 others.
        const std::int64_t others = design == Design::kModern ? 94 : 90;
        CHECK(b.state("process1.itimer_prof_signals") - 1 >= others - 1);
        CHECK(b.state("process1.itimer_prof_signals") - 1 <= others);
    }
}

TEST_CASE("both interval timers go their own way (LC 7.3)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 1);
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(5'500), [&](Cpu& cpu) {
            set_itimer(b, cpu, ClockId::kProf, 10ms, 10ms);
            set_itimer(b, cpu, ClockId::kVirt, 30ms);
        });
        b.run(at_us(66'500));
        CHECK(b.state("process1.sigprof") == 6);
        CHECK(b.state("process1.sigvtalrm") == 1);
    }
}

TEST_CASE("RLIMIT_CPU: SIGXCPU each second from the soft limit on, SIGKILL at the hard one (LC-P10, LC 8.1)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 4);
        b.spawn_at(at_us(500), 1, 4);
        b.on(0, at_us(5'500), [&](Cpu& cpu) { b.core().cpu_timers.set_cpu_limit(cpu, b.process(1), {1s, 3s}); });
        b.run(at_ms(900));
        const auto sent = signals(b);
        REQUIRE(sent.size() == 3);
        for (std::size_t i = 0; i < 3; ++i) {
            const CpuTime used = used_by(b, 1, sent[i].at).prof();
            CAPTURE(i);
            CHECK(used >= std::chrono::seconds{i + 1});
            CHECK(used <= std::chrono::seconds{i + 1} + 3ms);
        }
        CHECK(b.state("process1.sigxcpu") == 2);
        CHECK(b.state("process1.gone") == 1);
    }
}

TEST_CASE("RLIMIT_CPU that was inherited is noticed, without LC-F6 it is not (LC 9.6)") {
    for (const Design design : kDesigns)
        for (const bool primed : {true, false}) {
            CAPTURE(word(design));
            Bench b(design, 4);
            b.kernel_config.changes.inherited_limit_primed = primed;
            b.spawn_at(at_us(500), 1, 1, 0, {.user = 100us, .sleep = 50ms});
            b.on(0, at_us(5'500), [&](Cpu& cpu) { b.core().cpu_timers.set_cpu_limit(cpu, b.process(1), {1s, 2s}); });
            b.fork_at(at_us(6'500), 1, 2, 3, 1);
            b.run(at_ms(800));
            // Walk: a thread that joins a process with a limit looks at its first tick.
            const bool noticed = primed || design == Design::kWalk;
            CHECK(b.state("process2.gone") == (noticed ? 1 : 0));
            CHECK(b.state("process2.sigxcpu") == (noticed ? 1 : 0));
        }
}

TEST_CASE("RLIMIT_CPU that is set while ITIMER_PROF is later is noticed, without LC-F5 it is not (LC 8.1)") {
    for (const bool on : {true, false}) {
        Bench b(Design::kSplit, 4);
        b.kernel_config.changes.limit_compared_with_itimer = on;
        b.kernel_config.check = false;
        b.spawn_at(at_us(500), 1, 4);
        b.on(0, at_us(5'500), [&](Cpu& cpu) {
            set_itimer(b, cpu, ClockId::kProf, 5s);
            b.core().cpu_timers.set_cpu_limit(cpu, b.process(1), {1s, 0s});
        });
        b.run(at_ms(300));
        CHECK(b.state("process1.sigxcpu") == (on ? 1 : 0));
    }
}

TEST_CASE("RLIMIT_RTTIME: a realtime thread that does not sleep gets SIGXCPU, then SIGKILL (LC 8.2)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 1, 0, {.realtime = true});
        b.on(1, at_us(5'500), [&](Cpu& cpu) { b.core().cpu_timers.set_rt_limit(cpu, b.process(1), {20ms, 1100ms}); });
        b.run(at_ms(1200));
        const auto sent = signals(b);
        REQUIRE(sent.size() == 3);
        // Ticks count from the limit on: the 21st is the first one over it.
        CHECK(sent[0].at > at_ms(26));
        CHECK(sent[0].at < at_us(26'100));
        CHECK(sent[1].at > at_ms(1026));
        CHECK(sent[1].at < at_us(1'026'100));
        CHECK(sent[2].at > at_ms(1106));
        CHECK(sent[2].at < at_us(1'106'100));
        CHECK(b.state("process1.gone") == 1);
    }
}

TEST_CASE("RLIMIT_RTTIME counts from the last sleep, and of realtime threads only (LC 8.2)") {
    for (const bool realtime : {true, false}) {
        Bench b(Design::kModern, 2);
        const Behaviour sleeps{.user = 5ms, .sleep = 1ms, .realtime = realtime};
        b.spawn_at(at_us(500), 1, 1, 0, sleeps);
        b.spawn_at(at_us(600), 1, 1, 1, {.realtime = false});
        b.on(1, at_us(5'500), [&](Cpu& cpu) { b.core().cpu_timers.set_rt_limit(cpu, b.process(1), {20ms, 40ms}); });
        b.run(at_ms(300));
        CHECK(signals(b).empty());
    }
}
