// The kernel boots, ticks, runs timers and sleeps (LTW 7 to 10, 12, LNT 2 to 8).
#include "linux_fixture.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;

TEST_CASE("a periodic tick runs timers from the softirq of the first edge after their bucket (LNT 2.2, LTW 10)") {
    Bench b;
    b.linux_config.tick.highres = b.linux_config.tick.nohz = false;
    b.on(1, at_us(3'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_us(9'500)); });
    b.run(at_ms(50));
    // Ten jiffies, rounded up; its bucket is collected at eleven.
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].cpu == 1);
    CHECK(b.firings[0].at >= at_ms(11));
    CHECK(b.firings[0].at < at_us(12'050));
    CHECK(b.state("jiffies") == 49);
    CHECK(b.state("tick.duty") == 0);
    CHECK(b.tick(1).ticks >= 49);
    CHECK(b.records(kSoftirqRaiseRecord).size() == 1);
}

TEST_CASE("all modes keep the time and fire alike (LNT 2.3)") {
    for (const bool highres : {false, true})
        for (const bool nohz : {false, true}) {
            CAPTURE(highres);
            CAPTURE(nohz);
            Bench b;
            b.linux_config.tick.highres = highres;
            b.linux_config.tick.nohz = nohz;
            b.on(0, at_us(20'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(40)); });
            b.busy(1, at_ms(10), at_ms(80));
            b.run(at_us(100'500));
            REQUIRE(b.firings.size() == 1);
            CHECK(b.firings[0].at >= at_ms(41));
            CHECK(b.firings[0].at < at_us(42'100));
            if (!nohz)
                CHECK(b.state("jiffies") == 100);
        }
}

TEST_CASE("idle CPUs stop their ticks, the last timekeeper gives the duty up (LNT 5, 8.3)") {
    Bench b(3);
    b.run(at_ms(100));
    for (CpuId c = 0; c < 3; ++c) {
        CHECK(b.tick(c).stopped);
        CHECK(b.base(c, BaseIndex::kLocal).is_idle.peek());
        CHECK_FALSE(b.base(c, BaseIndex::kGlobal).is_idle.peek());
        CHECK(b.tick(c).ticks < 20);
    }
    CHECK(b.state("tick.duty") == -1);
    CHECK(std::count_if(b.core().wheel.bases().begin(), b.core().wheel.bases().end(),
                        [](const TimerBase& base) { return base.is_idle.peek(); }) == 3);
    // At most one CPU remembers that it had the duty (T5).
    CHECK(int{b.tick(0).do_timer_last} + int{b.tick(1).do_timer_last} + int{b.tick(2).do_timer_last} == 1);
}

TEST_CASE("a CPU that wakes brings jiffies up to date before its timers see them (LNT 6, 7.5)") {
    Bench b;
    Jiffies seen;
    b.on(1, at_us(80'500), [&](Cpu& cpu) { seen = b.core().time.jiffies(cpu); });
    Jiffies in_irq;
    b.in_irq(0, at_us(60'500), [&](Cpu& cpu) { in_irq = b.core().time.jiffies(cpu); });
    b.run(at_ms(100));
    CHECK(seen - b.core().time.initial() == 80);
    CHECK(in_irq - b.core().time.initial() == 60);
}

TEST_CASE("the next CPU with a running tick takes the duty (LNT 8.3)") {
    Bench b(3);
    b.busy(2, at_ms(50), at_ms(90));
    b.run(at_us(70'500));
    CHECK(b.state("tick.duty") == 2);
    CHECK(b.state("jiffies") == 70);
    CHECK_FALSE(b.tick(2).stopped);
    b.run(at_ms(150));
    CHECK(b.state("tick.duty") == -1);
    CHECK(b.tick(2).do_timer_last);
}

TEST_CASE("a pinned timer queued on an idle CPU kicks it, and its hardware is programmed (LTW 6.4, 7.2)") {
    Bench b;
    b.on(0, at_ms(50), [&](Cpu& cpu) {
        b.perform(cpu, "timer.add_on", {std::int64_t{0}, at_ms(70), std::int64_t{1}});
    });
    b.run(at_ms(100));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].cpu == 1);
    CHECK(b.firings[0].at >= at_ms(71));
    CHECK(b.firings[0].at < at_us(71'200));
    CHECK(b.state("cpu1.timers.local.kicks") == 1);
    CHECK(b.tick(1).stopped);
}

TEST_CASE("a global timer queued by a CPU wakes that CPU under placement local (LNT 7.9)") {
    Bench b;
    b.on(1, at_ms(50), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(70)); });
    b.run(at_ms(100));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].cpu == 1);
    // 20 jiffies: level 0, so the bucket is one jiffy late.
    CHECK(b.firings[0].at >= at_ms(71));
    CHECK(b.firings[0].at < at_us(71'200));
}

TEST_CASE("a deferrable timer wakes no idle CPU and runs when something else does (LTW 12.8)") {
    Bench b;
    b.on(1, at_ms(50), [&](Cpu& cpu) {
        b.perform(cpu, "timer.init", {std::int64_t{0}, false, true});
        b.mod(cpu, 0, at_ms(70));
    });
    b.busy(1, at_ms(150), at_ms(160));
    b.run(at_ms(200));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].at > at_ms(150));
    CHECK(b.firings[0].at < at_ms(152));
}

TEST_CASE("a timer that is modified moves to the CPU that modifies it, unless its callback runs (LTW 8.1 step 4)") {
    Bench b;
    b.on(0, at_us(20'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(60)); });
    b.on(1, at_us(30'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(50)); });
    bool armed_again = false;
    b.on_fired = [&](Cpu& cpu, sim::TimerIndex) {
        if (!armed_again)
            cpu.spend_time(3ms);
        armed_again = true;
    };
    // While the callback runs on CPU 1, CPU 0 arms the timer: it stays on CPU 1.
    b.busy(0, at_ms(45), at_ms(60));
    b.on(0, at_us(52'500), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(70)); });
    b.run(at_ms(100));
    REQUIRE(b.firings.size() == 2);
    CHECK(b.firings[0].cpu == 1);
    CHECK(b.firings[1].cpu == 1);
}

TEST_CASE("a delete that waits returns after the callback (LTW 8.2)") {
    Bench b;
    Time callback_end = kBoot;
    Time returned = kBoot;
    b.on_fired = [&](Cpu& cpu, sim::TimerIndex) {
        cpu.spend_time(5ms);
        callback_end = cpu.local_time();
    };
    b.busy(0, at_ms(25), at_ms(60));
    b.on(1, at_us(20'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(30)); });
    b.on(0, at_us(32'500), [&](Cpu& cpu) {
        b.perform(cpu, "timer.delete_sync", {std::int64_t{0}});
        returned = cpu.local_time();
    });
    b.run(at_ms(100));
    REQUIRE(b.firings.size() == 1);
    CHECK(returned > callback_end);
    CHECK(returned < callback_end + 10us);
}

TEST_CASE("a timer that was shut down is never armed again until it is initialised (LTW 8.2, W9)") {
    Bench b;
    b.on(0, at_us(20'100), [&](Cpu& cpu) {
        b.mod(cpu, 0, at_ms(30));
        b.perform(cpu, "timer.shutdown_sync", {std::int64_t{0}});
        b.mod(cpu, 0, at_ms(40));
        b.mod(cpu, 1, at_ms(40));
        b.perform(cpu, "timer.shutdown", {std::int64_t{1}});
        b.perform(cpu, "timer.init", {std::int64_t{1}});
        b.mod(cpu, 1, at_ms(50));
    });
    b.run(at_ms(100));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].timer == 1);
}

TEST_CASE("a modification that stays in its bucket is no requeue, and keeps the coarse bucket (LTW 8.1 step 1)") {
    Bench b;
    b.on(0, at_us(20'100), [&](Cpu& cpu) {
        b.mod(cpu, 0, at_ms(1'020));
        b.mod(cpu, 0, at_ms(1'025));
        b.mod(cpu, 0, at_ms(1'025));
    });
    b.run(at_ms(100));
    CHECK(b.state("cpu0.timers.global.enqueued") == 1);
    CHECK(b.state("cpu0.timers.global.requeues_saved") == 1);
    b.run(at_ms(1'300));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].at >= at_ms(1'026));
    CHECK(b.firings[0].at < at_ms(1'026 + 65));
}

TEST_CASE("reduce moves to an earlier time only, mod_pending only what is pending (LTW 8.2)") {
    Bench b;
    b.on(0, at_us(20'100), [&](Cpu& cpu) {
        b.mod(cpu, 0, at_ms(50));
        b.perform(cpu, "timer.reduce", {std::int64_t{0}, at_ms(60)});
        b.mod(cpu, 1, at_ms(50));
        b.perform(cpu, "timer.reduce", {std::int64_t{1}, at_ms(40)});
        b.perform(cpu, "timer.reduce", {std::int64_t{2}, at_ms(45)});
        b.perform(cpu, "timer.mod_pending", {std::int64_t{3}, at_ms(45)});
        b.mod(cpu, 4, at_ms(30));
        b.perform(cpu, "timer.mod_pending", {std::int64_t{4}, at_ms(35)});
    });
    b.run(at_ms(100));
    std::vector<sim::TimerIndex> order;
    for (const Bench::Firing& f : b.firings)
        order.push_back(f.timer);
    CHECK(order == std::vector<sim::TimerIndex>{4, 1, 2, 0});
}

TEST_CASE("contracts of the operations are checked (LTW 8.2, WHEEL-20)") {
    const auto verdict = [](const std::function<void(Bench&)>& plan) {
        Bench b;
        plan(b);
        return b.run_to_verdict(at_ms(100));
    };
    CHECK(verdict([](Bench& b) {
              b.on(0, at_ms(20), [&b](Cpu& cpu) {
                  b.mod(cpu, 0, at_ms(50));
                  b.perform(cpu, "timer.add", {std::int64_t{0}, at_ms(60)});
              });
          }) == "linux.timer.add_pending");
    CHECK(verdict([](Bench& b) {
              b.on(0, at_ms(20), [&b](Cpu& cpu) {
                  b.mod(cpu, 0, at_ms(50));
                  b.perform(cpu, "timer.init", {std::int64_t{0}});
              });
          }) == "linux.timer.init_pending");
    CHECK(verdict([](Bench& b) {
              b.on_fired = [&b](Cpu& cpu, sim::TimerIndex) { b.perform(cpu, "timer.delete_sync", {std::int64_t{0}}); };
              b.on(0, at_ms(20), [&b](Cpu& cpu) { b.mod(cpu, 0, at_ms(30)); });
          }) == "linux.timer.sync_from_callback");
    CHECK(verdict([](Bench& b) {
              b.in_irq(0, at_ms(20), [&b](Cpu& cpu) { b.perform(cpu, "timer.delete_sync", {std::int64_t{0}}); });
          }) == "linux.timer.sync_context");
    CHECK(verdict([](Bench& b) {
              b.on(0, at_ms(20), [&b](Cpu& cpu) {
                  b.mod(cpu, 0, at_ms(50));
                  b.perform(cpu, "hrtimer.start", {std::int64_t{0}, at_ms(60)});
              });
          }) == "linux.timer.kind");
}
