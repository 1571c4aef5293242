// CPUs that stop their tick while they have one task (LNT 7.6, 7.8, 8.4; LTW 6.5, 7.1).
#include <fmt/format.h>

#include <stdexcept>

#include "linux_fixture.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;

namespace {

/// CPU 0 keeps the time, CPU 1 is busy with one task from 20 to 200 ms.
struct FullBench : Bench {
    explicit FullBench(std::string_view word = "tmigr", CpuId cpus = 2) : Bench(cpus) {
        for (const Placement& p : kPlacements)
            if (p.word == word)
                linux_config.placement = &p;
        linux_config.governor = GovernorKind::kAlways;
        linux_config.nohz_full = "1";
    }
    FullBench& with_task() {
        busy(1, at_ms(20), at_ms(200));
        return *this;
    }
    FullBench& change(bool LinuxChanges::*flag, bool on) {
        linux_config.changes.*flag = on;
        linux_config.tick.changes = linux_config.wheel.changes = linux_config.changes;
        return *this;
    }
    /// Ticks of a CPU between two instants.
    std::int64_t ticks(CpuId cpu, Time from, Time to) {
        const std::string path = fmt::format("cpu{}.tick.ticks", cpu);
        run(from);
        const std::int64_t before = state(path);
        run(to);
        return state(path) - before;
    }
};

}  // namespace

TEST_CASE("a busy CPU of nohz_full has no tick while it has one task, other CPUs have theirs (LNT 7.6)") {
    FullBench b;
    b.with_task();
    CHECK(b.ticks(1, at_ms(30), at_ms(190)) == 0);
    CHECK(b.state("cpu1.tick.stopped") == 1);
    FullBench other;
    other.linux_config.nohz_full.clear();
    other.with_task();
    CHECK(other.ticks(1, at_ms(30), at_ms(190)) == 160);
}

TEST_CASE("the timekeeper of nohz_full CPUs ticks when it idles, and its duty stays (LNT 7.2, 8.4)") {
    FullBench b;
    b.with_task();
    CHECK(b.ticks(0, at_ms(30), at_ms(190)) == 160);
    CHECK(b.state("tick.duty") == 0);
    // The edge at 190 ms is about to be counted.
    CHECK(b.state("jiffies") == 189);
}

TEST_CASE("a second task brings the tick back until it is gone (LNT-D10)") {
    FullBench b;
    b.with_task();
    sim::Thread& worker = b.machine().make_thread(b.machine().cpu(1), "worker", sim::ThreadClass::kKernel,
                                                  [](Cpu& cpu) { cpu.spend_time(20ms); });
    b.in_irq(1, at_us(50'100), [&](Cpu& cpu) { cpu.wake(worker); });
    CHECK(b.ticks(1, at_ms(30), at_ms(50)) == 0);
    CHECK(b.ticks(1, at_ms(52), at_ms(68)) == 16);
    CHECK(b.ticks(1, at_ms(75), at_ms(190)) == 0);
    std::vector<std::uint64_t> successes;
    for (const Bench::LoggedRecord& r : b.records(kTickStopRecord))
        if (r.cpu == 1 && r.at > at_ms(50))
            successes.push_back(r.operands[0]);
    // Refused at the exit of each tick, and granted once.
    CHECK(std::count(successes.begin(), successes.end(), 0) >= 16);
    CHECK(std::count(successes.begin(), successes.end(), 1) == 1);
}

TEST_CASE("what a task arms on a CPU without a tick runs in time: the CPU is told by itself (LTW 6.4, 7.1)") {
    for (const std::string_view placement : {"local", "tmigr"}) {
        CAPTURE(placement);
        FullBench b(placement);
        b.with_task();
        b.on(1, at_us(50'100), [&](Cpu& cpu) {
            b.perform(cpu, "timer.init", {std::int64_t{0}, true});
            b.mod(cpu, 0, at_ms(60));
            b.mod(cpu, 1, at_ms(70));
        });
        b.run(at_ms(150));
        REQUIRE(b.firings.size() == 2);
        CHECK(b.firings[0].cpu == 1);
        CHECK(b.firings[0].at > at_ms(60));
        CHECK(b.firings[0].at < at_us(61'100));
        // The timekeeper is awake, so it runs what may run anywhere.
        CHECK(b.firings[1].cpu == (placement == "tmigr" ? 0 : 1));
        CHECK(b.firings[1].at < at_us(71'100));
        // Neither brought the tick back.
        CHECK(b.state("cpu1.tick.stopped") == 1);
    }
}

TEST_CASE("without WHEEL-19 nobody learns of a global timer that a task arms without a tick") {
    for (const bool on : {true, false}) {
        FullBench b;
        b.change(&LinuxChanges::global_base_marked, on).with_task();
        b.on(1, at_us(50'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(60)); });
        b.run(at_ms(150));
        CHECK(b.firings.size() == (on ? 1 : 0));
        CHECK(b.state("cpu1.timers.global.kicks") == (on ? 1 : 0));
    }
}

TEST_CASE("another CPU's pinned timer reaches a busy CPU without a tick by an irq-work (LTW 7.1)") {
    FullBench b;
    b.with_task();
    b.on(0, at_us(50'100), [&](Cpu& cpu) {
        b.perform(cpu, "timer.add_on", {std::int64_t{0}, at_ms(60), std::int64_t{1}});
    });
    b.run(at_ms(100));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].cpu == 1);
    CHECK(b.firings[0].at < at_us(61'100));
    CHECK(b.state("cpu1.timers.local.kicks") == 1);
}

TEST_CASE("an idle CPU of nohz_full that gets a task goes on without its tick (LNT 7.8)") {
    FullBench b;
    b.run(at_ms(25));
    CHECK(b.state("cpu1.tick.stopped") == 1);
    b.busy(1, at_ms(30), at_ms(200));
    CHECK(b.ticks(1, at_ms(26), at_ms(190)) == 0);
    CHECK(b.records(kTickRestartRecord).empty());
}

TEST_CASE(
    "under placement push no timer stays on a busy CPU of nohz_full, and deferrable ones kick it (LPP 3.5, 6.1)") {
    FullBench b("push");
    b.with_task();
    b.on(1, at_us(50'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(60)); });
    b.on(0, at_us(70'100), [&](Cpu& cpu) {
        b.perform(cpu, "timer.init", {std::int64_t{1}, false, true});
        b.perform(cpu, "timer.add_on", {std::int64_t{1}, at_ms(80), std::int64_t{1}});
    });
    b.run(at_ms(190));
    REQUIRE(!b.firings.empty());
    CHECK(b.firings[0].cpu == 0);
    CHECK(b.state("cpu1.push.housekeeper") + b.state("cpu1.push.near") == 1);
    CHECK(b.state("cpu1.timers.deferrable.kicks") == 1);
}

TEST_CASE(
    "a deferrable timer kicks a CPU of nohz_full from another one though it ticks, from itself it does not (LPP 6.1)") {
    FullBench b("push");
    b.with_task();
    const auto arm_there = [&](Cpu& cpu, std::int64_t timer, Time expires) {
        b.perform(cpu, "timer.init", {timer, false, true});
        b.perform(cpu, "timer.add_on", {timer, expires, std::int64_t{1}});
    };
    // A second task brings its tick back.
    sim::Thread& worker =
        b.machine().make_thread(b.machine().cpu(1), "worker", sim::ThreadClass::kKernel, [&](Cpu& cpu) {
            cpu.spend_time(5ms);
            arm_there(cpu, 0, at_ms(90));
            cpu.spend_time(10ms);
        });
    b.in_irq(1, at_us(50'100), [&](Cpu& cpu) { cpu.wake(worker); });
    b.run(at_ms(56));
    CHECK(b.state("cpu1.tick.stopped") == 0);
    CHECK(b.state("cpu1.timers.deferrable.kicks") == 0);
    b.on(0, at_us(57'100), [&](Cpu& cpu) { arm_there(cpu, 1, at_ms(80)); });
    b.run(at_ms(60));
    CHECK(b.state("cpu1.tick.stopped") == 0);
    CHECK(b.state("cpu1.timers.deferrable.kicks") == 1);
}

TEST_CASE(
    "without NOHZ-01 the tick of a busy CPU is not started for a timer that another one shares its instant with") {
    for (const bool on : {true, false}) {
        FullBench b;
        b.change(&LinuxChanges::tick_compared_with_timer, on).with_task();
        b.on(1, at_us(40'100), [&](Cpu& cpu) {
            for (const std::int64_t timer : {0, 1})
                b.perform(cpu, "timer.init", {timer, true});
            b.perform(cpu, "hrtimer.start", {std::int64_t{2}, at_ms(71), sim::Duration::zero(), true});
            b.mod(cpu, 0, at_ms(50));
            b.mod(cpu, 1, at_ms(70));
        });
        CHECK(b.run_to_verdict(at_ms(150)) == (on ? "" : "linux.tick.next_tick"));
        CHECK(b.firings.size() == (on ? 3 : 1));
    }
}

TEST_CASE("the timekeeper of nohz_full CPUs refuses to go off-line, others do not (LNT 8.4, CH 4.0)") {
    FullBench b("tmigr", 3);
    b.control(2, at_ms(30), [&](Cpu& cpu) { CHECK_FALSE(b.machine().cpu_down(cpu, b.machine().cpu(0))); });
    b.offline(1, at_ms(60), 2);
    b.online(1, at_ms(90), 2);
    b.busy(1, at_ms(120), at_ms(300));
    CHECK(b.ticks(1, at_ms(140), at_ms(200)) == 0);
    CHECK(b.machine().cpu(0).online());
}

TEST_CASE("a list that cannot be is refused with the reason") {
    const auto message = [](const auto& change) -> std::string {
        FullBench b;
        change(b);
        try {
            b.kernel();
        } catch (const std::invalid_argument& e) {
            return e.what();
        }
        return {};
    };
    CHECK(message([](FullBench& b) { b.linux_config.nohz_full = "0-1"; }) ==
          "kernel.nohz_full is \"0-1\", expected CPUs without CPU 0, which keeps the time for them");
    CHECK(message([](FullBench& b) { b.linux_config.nohz_full = "7"; }) ==
          "kernel.nohz_full is \"7\", expected CPUs below 2 such as \"2-3,5\"");
    CHECK(message([](FullBench& b) { b.linux_config.tick.nohz = false; }) ==
          "kernel.nohz_full is given, which needs kernel.nohz");
    CHECK(message([](FullBench& b) { b.linux_config.placement = &kPlacements[2]; }) ==
          "kernel.nohz_full is given, and placement tmigr-2017 knows no such CPUs");
}

TEST_CASE("what the exit of an interrupt changes is what the deferred programming asks for (LHR 13)") {
    FullBench b;
    b.linux_config.hrtimer_rearm_deferred = true;
    b.with_task();
    b.on(1, at_us(50'100), [&](Cpu& cpu) {
        b.perform(cpu, "hrtimer.start", {std::int64_t{0}, at_us(60'200), sim::Duration::zero(), true});
    });
    // The tick is stopped; the exit moves its timer to the wheel's new first event.
    b.on_fired = [&](Cpu& cpu, sim::TimerIndex timer) {
        if (timer == 0)
            b.perform(cpu, "timer.add_local", {std::int64_t{1}, at_ms(64)});
    };
    b.run(at_ms(80));
    std::vector<std::int64_t> asked;
    for (const Bench::LoggedRecord& r : b.records(kHrtimerRearmRecord))
        if (r.cpu == 1 && r.at >= at_us(60'200) && r.at < at_us(60'300)) {
            CHECK(r.operands[1] == 1);
            asked.push_back(static_cast<std::int64_t>(r.operands[0]));
        }
    CHECK(asked == std::vector<std::int64_t>{65'000'000});
    REQUIRE(b.firings.size() == 2);
    CHECK(b.firings[1].at < at_us(65'050));
}
