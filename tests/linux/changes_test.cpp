// Changes of the kernel's history, left out: what each of them mends is there again (DESIGN 3, known-bugs.md b).
#include "linux_fixture.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;

namespace {

/// A run with one change in force or not.
struct Changed : Bench {
    Changed(CpuId cpus, bool LinuxChanges::*flag, bool on) : Bench(cpus) {
        linux_config.changes.*flag = on;
        linux_config.tick.changes = linux_config.wheel.changes = linux_config.changes;
    }
};

}  // namespace

TEST_CASE("without WHEEL-05 a base's clock goes back at idle entry") {
    for (const bool on : {true, false}) {
        Changed b(2, &LinuxChanges::idle_forwards_only, on);
        // Its softirq moves the clock one ahead of jiffies, and the CPU goes idle within that jiffy.
        b.on(1, at_us(50'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(70)); });
        CHECK(b.run_to_verdict(at_ms(100)) == (on ? "" : "linux.wheel.clock"));
    }
}

TEST_CASE("without WHEEL-07 a timer that is due already moves the clock back") {
    for (const bool on : {true, false}) {
        Changed b(2, &LinuxChanges::expired_keeps_clock, on);
        b.on(1, at_us(50'100), [&](Cpu& cpu) {
            b.mod(cpu, 0, at_ms(20));
            b.mod(cpu, 1, at_ms(60));
        });
        CHECK(b.run_to_verdict(at_ms(100)) == (on ? "" : "linux.wheel.clock"));
    }
}

TEST_CASE("without WHEEL-08 a far timer goes to a bucket of the past") {
    for (const bool on : {true, false}) {
        Changed b(2, &LinuxChanges::cutoff_on_distance, on);
        b.on(1, at_us(50'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(200'000'000)); });
        CHECK(b.run_to_verdict(at_ms(100)).empty() == on);
    }
}

TEST_CASE("without WHEEL-14 the first timer of a CPU that comes back is late by a coarse level") {
    for (const bool on : {true, false}) {
        Changed b(2, &LinuxChanges::bases_reset_in_prepare, on);
        b.on(1, at_us(20'100), [&](Cpu& cpu) { b.mod(cpu, 1, at_ms(60)); });
        b.offline(1, at_ms(30));
        b.online(1, at_ms(400));
        // Waits for the CPU, and runs before its first tick.
        b.on(1, at_ms(399), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(424)); });
        b.run(at_ms(500));
        REQUIRE(b.firings.size() == 2);
        CHECK((b.firings[1].at < at_us(426'200)) == on);
    }
}

TEST_CASE("without WHEEL-17 the timers of a dead CPU are late by a coarse level") {
    for (const bool on : {true, false}) {
        Changed b(2, &LinuxChanges::receiver_forwarded, on);
        // Idle entry forwards the other bases of a receiver (LTW 5.3).
        b.on(1, at_us(390'100), [&](Cpu& cpu) {
            b.perform(cpu, "timer.init", {std::int64_t{0}, false, true});
            b.mod(cpu, 0, at_ms(424));
        });
        b.offline(1, at_ms(400));
        b.busy(0, at_ms(410), at_ms(450));
        b.run(at_ms(500));
        REQUIRE(b.firings.size() == 1);
        CHECK((b.firings[0].at < at_us(426'200)) == on);
    }
}

TEST_CASE("without NOHZ-05 a timer armed by an interrupt of an idle CPU waits for the end of the sleep") {
    for (const bool on : {true, false}) {
        Changed b(2, &LinuxChanges::idle_loop_looks_again, on);
        b.in_irq(1, at_us(50'300), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(60)); });
        b.busy(1, at_ms(150), at_ms(160));
        b.run(at_ms(200));
        REQUIRE(b.firings.size() == 1);
        CHECK((b.firings[0].at < at_us(61'200)) == on);
    }
}

TEST_CASE("without HRT-03 a timer started on a CPU that gave its timers away is lost") {
    for (const bool on : {true, false}) {
        Changed b(2, &LinuxChanges::start_avoids_dying_cpu, on);
        // What a CPU does between its last state and its death: wake-ups, which start timers.
        b.on(1, at_us(50'100), [&](Cpu& cpu) {
            const bool irqs = cpu.irq_save();
            b.core().tick.dying(cpu);
            b.core().hrtimers.dying(cpu);
            b.perform(cpu, "hrtimer.start", {std::int64_t{0}, at_ms(70)});
            cpu.irq_restore(irqs);
        });
        b.run_to_verdict(at_ms(100));
        CHECK((b.firings.size() == 1 && b.firings[0].cpu == 0) == on);
    }
}

TEST_CASE("without HRT-01 a timer that moves from a dying CPU looks inactive on the way") {
    for (const bool on : {true, false}) {
        Changed b(2, &LinuxChanges::state_kept_in_move, on);
        b.on(1, at_us(50'100), [&](Cpu& cpu) {
            b.perform(cpu, "hrtimer.start", {std::int64_t{0}, at_ms(70)});
            cpu.spend_time(10us);
            const bool irqs = cpu.irq_save();
            b.core().tick.dying(cpu);
            b.core().hrtimers.dying(cpu);
            cpu.irq_restore(irqs);
        });
        // In every version since 6.9 all other CPUs stand still meanwhile (CH D8); before, one could look.
        bool looked_inactive = false;
        b.on(0, at_us(50'105), [&](Cpu& cpu) {
            Hrtimer& t = b.kernel().high_res_timer(0).timer;
            for (int i = 0; i < 5'000; ++i) {
                t.line.access(cpu, false);
                looked_inactive = looked_inactive || t.state == HrtimerState::kInactive;
                cpu.spend_time(5ns);
            }
        });
        b.run_to_verdict(at_us(50'300));
        CHECK(looked_inactive != on);
    }
}

TEST_CASE("set-up and restart of a high-resolution timer are traced as their version has it (LHR 16)") {
    for (const bool on : {true, false}) {
        Changed b(2, &LinuxChanges::hrtimer_setup_event, on);
        b.run(at_ms(10));
        CHECK((b.records(kHrtimerSetupRecord).size() == 2) == on);
        CHECK((b.records(kHrtimerInitRecord).size() == 2) != on);

        Changed c(2, &LinuxChanges::hrtimer_update_in_place, on);
        c.on(0, at_us(50'100), [&](Cpu& cpu) {
            c.perform(cpu, "hrtimer.start", {std::int64_t{0}, at_ms(80)});
            c.perform(cpu, "hrtimer.start", {std::int64_t{0}, at_ms(90)});
        });
        c.run(at_us(50'200));
        std::size_t cancelled = 0;
        for (const Bench::LoggedRecord& r : c.records(kHrtimerCancelRecord))
            cancelled += r.at > at_us(50'100) && r.operands[0] == c.kernel().high_res_timer(0).timer.object;
        CHECK(cancelled == (on ? 0 : 1));

        Changed d(2, &LinuxChanges::hrtimer_rearm_event, on);
        d.run(at_ms(20));
        CHECK(d.records(kHrtimerRearmRecord).empty() != on);
    }
}

TEST_CASE("with LTW 4.3 and without it a timer gets the class and the base that it is added to (LTW 3.3, 8.2)") {
    for (const bool on : {true, false}) {
        CAPTURE(on);
        Changed b(2, &LinuxChanges::class_changed_under_lock, on);
        b.on(0, at_us(50'100), [&](Cpu& cpu) {
            b.perform(cpu, "timer.init", {std::int64_t{3}, false, true});
            b.perform(cpu, "timer.add_local", {std::int64_t{0}, at_ms(80)});
            b.perform(cpu, "timer.add_local", {std::int64_t{1}, at_ms(80)});
            b.perform(cpu, "timer.delete", {std::int64_t{1}});
            b.perform(cpu, "timer.add_global", {std::int64_t{1}, at_ms(80)});
            b.perform(cpu, "timer.add_on", {std::int64_t{2}, at_ms(80), std::int64_t{1}});
            b.perform(cpu, "timer.add_on", {std::int64_t{3}, at_ms(80), std::int64_t{1}});
        });
        b.run(at_us(50'200));
        const auto flags = [&](sim::TimerIndex timer) {
            return b.kernel().wheel_timer(timer).timer.flags &
                   (timer_flags::kCpuMask | timer_flags::kPinned | timer_flags::kDeferrable);
        };
        CHECK(flags(0) == timer_flags::kPinned);
        CHECK(flags(1) == 0);
        CHECK(flags(2) == (timer_flags::kPinned | 1u));
        CHECK(flags(3) == (timer_flags::kPinned | timer_flags::kDeferrable | 1u));
    }
}
