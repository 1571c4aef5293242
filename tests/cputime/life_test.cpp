// Exit, group exit, reaping, exec, fork and wait: LC 9, LC-P12.
#include "cputime/tick_log.hpp"

using namespace ticklab;
using namespace ticklab::cputime;
using namespace ticklab::cputime::testing;

TEST_CASE(
    "a parent gets all time of a child and of its threads, SIGCHLD tells it in clock_t (LC-P12, LC 9.3, LC 9.4)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 4);
        b.spawn_at(at_us(500), 1, 1);
        b.fork_at(at_us(1'500), 1, 2, 3, 1);
        b.exit_at(at_us(21'500), 2, 1, 0);
        b.on(0, at_us(51'500), [&](Cpu& cpu) { b.core().life.exit_group(cpu, b.process(2)); });
        b.run(at_ms(60));
        CHECK(b.state("process2.gone") == 1);
        CHECK(b.state("process1.child_prof") == 120'000'000);
        CHECK(b.state("process2.sigchld_prof") == 12);
        const Used used = used_by(b, 2, at_ms(60));
        CHECK(used.prof() == 120ms);
        CHECK(b.process(1).children.sum_exec > used.on_cpu - 5us);
        CHECK(b.process(1).children.sum_exec < used.on_cpu + 5us);
        // Its own clock does not count them.
        CHECK(b.state("process1.utime") == 59'000'000);
    }
}

TEST_CASE("times of several children add up (LC 9.3)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 3);
        b.spawn_at(at_us(500), 1, 1);
        b.fork_at(at_us(1'500), 1, 2, 1, 1);
        b.fork_at(at_us(1'500), 1, 3, 1, 2);
        b.exit_at(at_us(11'500), 2, 0, 0);
        b.exit_at(at_us(31'500), 3, 0, 0);
        b.run(at_ms(32));
        CHECK(b.state("process1.child_prof") == 40'000'000);
    }
}

TEST_CASE("times of children's children go up when their parent is waited for (LC 9.3)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 3);
        b.spawn_at(at_us(500), 1, 1);
        b.fork_at(at_us(1'500), 1, 2, 1, 1);
        b.fork_at(at_us(2'500), 2, 3, 1, 2);
        b.exit_at(at_us(12'500), 3, 0, 0);
        b.run(at_us(12'600));
        CHECK(b.state("process2.child_prof") == 10'000'000);
        CHECK(b.state("process1.child_prof") == 0);
        b.exit_at(at_us(21'500), 2, 0, 0);
        b.run(at_us(21'600));
        CHECK(b.state("process1.child_prof") == 30'000'000);
    }
}

TEST_CASE("without LC 9.4 the global design tells SIGCHLD in ticks") {
    for (const bool on : {true, false}) {
        Bench b(Design::kGlobal, 2);
        b.kernel_config.changes.child_times_in_user_hz = on;
        b.spawn_at(at_us(500), 1, 1);
        b.fork_at(at_us(1'500), 1, 2, 1, 1);
        b.exit_at(at_us(51'500), 2, 0, 0);
        b.run(at_ms(60));
        CHECK(b.state("process2.sigchld_prof") == (on ? 5 : 50));
    }
}

TEST_CASE("a leader that exits first stays in the sum until all others are gone (LC 9.2)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 3);
        b.spawn_at(at_us(500), 1, 3);
        b.exit_at(at_us(10'500), 1, 0, 1);
        CpuTime shown{};
        b.on(1, at_us(20'500), [&](Cpu& cpu) { shown = b.read(cpu, 1, ClockId::kProf); });
        b.run(at_us(20'600));
        CHECK(shown == 50ms);
        CHECK(b.state("process1.threads") == 3);
        CHECK(b.state("process1.live") == 2);
        CHECK(b.state("process1.gone") == 0);
        b.exit_at(at_us(21'500), 1, 1, 0);
        b.exit_at(at_us(22'500), 1, 2, 0);
        b.run(at_ms(23));
        CHECK(b.state("process1.gone") == 1);
        CHECK(b.state("process1.utime") == 10'000'000 + 21'000'000 + 22'000'000);
    }
}

TEST_CASE("a signal of a process timer finds a thread that lives after the leader's exit (LC 6.4)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 3);
        b.spawn_at(at_us(500), 1, 2);
        b.on(2, at_us(5'500), [&](Cpu& cpu) { b.set(cpu, 0, 1, ClockId::kProf, {.value = 20ms, .interval = 20ms}); });
        b.exit_at(at_us(10'500), 1, 0, 2);
        b.run(at_us(75'500));
        CHECK(b.timer(0).signals == 3);
    }
}

TEST_CASE("group exit ends all threads, sleeping ones too, and deletes the process's timers (LC 9.2)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 3);
        b.spawn_at(at_us(500), 1, 2);
        b.spawn_at(at_us(600), 1, 3, 2, {.user = 100us, .sleep = 500ms});
        b.on(0, at_us(5'500), [&](Cpu& cpu) {
            b.set(cpu, 0, 1, ClockId::kProf, {.value = 20ms});
            b.set(cpu, 1, 1, ClockId::kVirt, {.value = 20ms}, 1);
            (void)b.core().cpu_timers.set_itimer(cpu, b.process(1), ClockId::kProf, 30ms, {});
        });
        b.on(0, at_us(9'500), [&](Cpu& cpu) { b.core().life.exit_group(cpu, b.process(1)); });
        b.run(at_ms(40));
        CHECK(b.state("process1.gone") == 1);
        CHECK(b.state("process1.live") == 0);
        CHECK(b.records(kFireRecord).empty());
        CHECK(b.records(kSignalRecord).empty());
        CHECK(b.timer(0).process == nullptr);
        CHECK(b.timer(1).process == nullptr);
        CHECK(b.records(kTaskExitRecord).size() == 5);
    }
}

TEST_CASE("a process that has ended or is ending gets no threads") {
    Bench b(Design::kModern, 2);
    b.spawn_at(at_us(500), 1, 2);
    b.on(0, at_us(5'500), [&](Cpu& cpu) {
        b.core().life.exit_group(cpu, b.process(1));
        b.spawn(cpu, 1, 4, 0);
    });
    b.on(0, at_us(8'500), [&](Cpu& cpu) { b.spawn(cpu, 1, 4, 0); });
    b.run(at_ms(10));
    CHECK(b.state("process1.made") == 2);
}

TEST_CASE(
    "exec by a thread that is not the leader: the clock goes on, POSIX timers go, itimers and limits stay (LC 16.7)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 4);
        b.spawn_at(at_us(500), 1, 3);
        CpuTime before{}, after{}, thread_before{}, thread_after{};
        b.on(3, at_us(10'500), [&](Cpu& cpu) {
            b.set(cpu, 0, 1, ClockId::kProf, {.value = 1s});
            b.set(cpu, 1, 1, ClockId::kSched, {.value = 1s}, 1);
            (void)b.core().cpu_timers.set_itimer(cpu, b.process(1), ClockId::kProf, 50ms, {});
            b.core().cpu_timers.set_cpu_limit(cpu, b.process(1), {1s, 2s});
            before = b.read(cpu, 1, ClockId::kProf);
            thread_before = b.read(cpu, 1, ClockId::kSched, 1);
            b.core().life.ask_exec(cpu, b.thread(1, 1));
        });
        b.on(3, at_us(12'500), [&](Cpu& cpu) {
            after = b.read(cpu, 1, ClockId::kProf);
            thread_after = b.read(cpu, 1, ClockId::kSched, 1);
        });
        b.run(at_ms(80));
        CHECK(b.state("process1.threads") == 1);
        CHECK(b.process(1).leader == &b.thread(1, 1));
        CHECK(before == 30ms);
        // The others end at once; the one that executes goes on.
        CHECK(after >= before + 1ms);
        CHECK(after <= before + 4ms);
        CHECK(thread_after >= thread_before);
        CHECK(b.timer(0).process == nullptr);
        CHECK(b.timer(1).process == nullptr);
        CHECK(b.state("process1.sigprof") == 1);
        CHECK(b.process(1).cpu_limit.soft == 1s);
    }
}

TEST_CASE("a new process begins with all times zero and nothing armed but limits (LC 9.6)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        Bench b(design, 2);
        b.spawn_at(at_us(500), 1, 1);
        b.on(0, at_us(5'500), [&](Cpu& cpu) {
            b.set(cpu, 0, 1, ClockId::kProf, {.value = 50ms});
            (void)b.core().cpu_timers.set_itimer(cpu, b.process(1), ClockId::kProf, 50ms, 50ms);
            b.core().cpu_timers.set_cpu_limit(cpu, b.process(1), {5s, 6s});
            b.core().cpu_timers.set_rt_limit(cpu, b.process(1), {7s, 8s});
        });
        b.fork_at(at_us(9'500), 1, 2, 1, 1);
        b.run(at_us(9'600));
        CHECK(b.state("process2.utime") == 0);
        CHECK(b.state("process2.child_prof") == 0);
        const Process& child = b.process(2);
        CHECK(child.timers == TimerLists{});
        for (const IntervalTimer& t : child.itimers)
            CHECK(t.expires == 0ns);
        CHECK(child.cpu_limit.soft == 5s);
        CHECK(child.cpu_limit.hard == 6s);
        CHECK(child.rt_limit.soft == 7s);
    }
}
