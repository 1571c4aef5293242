// High-resolution timers (LHR).
#include "linux_fixture.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;

namespace {

constexpr Time at_ns(std::int64_t t) { return kBoot + std::chrono::nanoseconds{t}; }

void start(Bench& b, Cpu& cpu, std::int64_t timer, Time expires, sim::Duration slack = sim::Duration::zero()) {
    b.perform(cpu, "hrtimer.start", {timer, expires, slack});
}

std::vector<sim::TimerIndex> order_of(const Bench& b) {
    std::vector<sim::TimerIndex> order;
    for (const Bench::Firing& f : b.firings)
        order.push_back(f.timer);
    return order;
}

using Order = std::vector<sim::TimerIndex>;

}  // namespace

TEST_CASE("forward goes beyond now in whole intervals (LHR 5.4)") {
    struct Row {
        std::int64_t expires, now, interval, to;
        std::uint64_t count;
    };
    constexpr Row kRows[] = {{100, 99, 30, 100, 0},  {100, 100, 30, 130, 1}, {100, 129, 30, 130, 1},
                             {100, 130, 30, 160, 2}, {100, 160, 30, 190, 3}, {100, 190, 30, 220, 4}};
    for (const Row& row : kRows) {
        CAPTURE(row.now);
        Hrtimer t;
        t.expires = ktime_at(row.expires);
        t.soft_expires = ktime_at(row.expires - 7);
        CHECK(Hrtimers::forward(t, ktime_at(row.now), KtimeSpan{row.interval}) == row.count);
        CHECK(ns(t.expires) == row.to);
        CHECK(ns(t.soft_expires) == row.to - 7);
    }
}

TEST_CASE("a timer runs at its nanosecond, late only by the interrupt (LHR P1, P2)") {
    Bench b;
    b.on(0, at_us(50'100), [&](Cpu& cpu) { start(b, cpu, 0, at_ns(60'123'457)); });
    b.run(at_ms(80));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].at >= at_ns(60'123'457));
    CHECK(b.firings[0].at < at_ns(60'123'457) + 25us);
}

TEST_CASE("the queue runs by hard expiry and stops at the first that is not soft-expired (LHR 3.2)") {
    Bench b;
    b.on(0, at_us(50'100), [&](Cpu& cpu) {
        // A may run from 52 ms on, but B is before it in the queue and not due when C makes a pass at 53 ms.
        start(b, cpu, 0, at_us(52'000), 8'000us);
        start(b, cpu, 1, at_us(55'500), 500us);
        start(b, cpu, 2, at_us(53'300));
    });
    b.run(at_ms(80));
    CHECK(order_of(b) == Order{2, 1, 0});
    REQUIRE(b.firings.size() == 3);
    // At B's pass A is soft-expired too.
    CHECK(b.firings[2].at < at_us(56'050));
}

TEST_CASE("a slack is used for the pass of another timer once nothing is before it in the queue (LHR 3.3)") {
    for (const bool ticking : {false, true}) {
        CAPTURE(ticking);
        Bench b;
        if (ticking)
            b.busy(0, at_ms(40), at_ms(90));
        b.on(0, at_us(50'100), [&](Cpu& cpu) {
            start(b, cpu, 0, at_us(52'500), 10'000us);
            start(b, cpu, 1, at_us(53'300));
        });
        b.run(at_ms(80));
        REQUIRE(b.firings.size() == 2);
        CHECK(b.firings[1].timer == 0);
        // A running tick is in front of it until the last one before its hard expiry.
        const Time pass = ticking ? at_us(62'000) : at_us(53'300);
        CHECK(b.firings[1].at >= pass);
        CHECK(b.firings[1].at < pass + 50us);
    }
}

TEST_CASE("equal expiries run in the order of their starts (LHR 2.5)") {
    Bench b;
    b.on(0, at_us(50'100), [&](Cpu& cpu) {
        for (std::int64_t i = 0; i < 3; ++i)
            start(b, cpu, i, at_us(60'500));
    });
    b.run(at_ms(80));
    CHECK(order_of(b) == Order{0, 1, 2});
}

TEST_CASE("cancel waits for a callback on another CPU, try_to_cancel says that it runs (LHR 5.2, 5.3)") {
    Bench b;
    int tried = 0;
    int tried_after = -1;
    Time callback_end = kBoot;
    Time cancelled = kBoot;
    b.busy(1, at_ms(40), at_ms(90));
    b.on_fired = [&](Cpu& cpu, sim::TimerIndex) {
        cpu.spend_time(200us);
        callback_end = cpu.local_time();
    };
    b.on(0, at_us(50'100), [&](Cpu& cpu) { start(b, cpu, 0, at_us(60'500)); });
    b.on(1, at_us(60'600), [&](Cpu& cpu) {
        Hrtimer& t = b.kernel().high_res_timer(0).timer;
        tried = b.core().hrtimers.try_to_cancel(cpu, t);
        b.core().hrtimers.cancel(cpu, t);
        cancelled = cpu.local_time();
        tried_after = b.core().hrtimers.try_to_cancel(cpu, t);
    });
    b.run(at_ms(80));
    CHECK(tried == -1);
    CHECK(cancelled > callback_end);
    CHECK(tried_after == 0);
    CHECK(b.firings.size() == 1);
}

TEST_CASE("a timer that is started while its callback runs stays on that CPU (LHR 4.3)") {
    Bench b;
    b.busy(1, at_ms(40), at_ms(90));
    b.on_fired = [&](Cpu& cpu, sim::TimerIndex) { cpu.spend_time(200us); };
    b.on(0, at_us(50'100), [&](Cpu& cpu) { start(b, cpu, 0, at_us(60'500)); });
    b.on(1, at_us(60'600), [&](Cpu& cpu) { start(b, cpu, 0, at_us(70'500)); });
    b.run(at_ms(80));
    REQUIRE(b.firings.size() == 2);
    CHECK(b.firings[0].cpu == 0);
    CHECK(b.firings[1].cpu == 0);
}

TEST_CASE("a soft timer runs in the softirq, interrupts on (LHR 6.4)") {
    Bench b;
    bool irqs = false;
    b.on_fired = [&](Cpu& cpu, sim::TimerIndex) { irqs = cpu.irqs_enabled(); };
    b.on(0, at_us(50'100), [&](Cpu& cpu) {
        b.perform(cpu, "hrtimer.init", {std::int64_t{0}, std::string("monotonic"), true});
        start(b, cpu, 0, at_us(60'500));
    });
    b.run(at_ms(80));
    REQUIRE(b.firings.size() == 1);
    CHECK(irqs);
    CHECK(b.firings[0].at < at_us(60'530));
    CHECK_FALSE(b.core().hrtimers.of(0).softirq_activated);
}

TEST_CASE("timers of the other clocks run at the same instants (LHR 2.2)") {
    Bench b;
    for (const char* clock : {"realtime", "boottime", "tai"})
        b.on(0, at_us(50'100), [&b, clock, i = std::int64_t{static_cast<unsigned char>(clock[0])}](Cpu& cpu) {
            b.perform(cpu, "hrtimer.init", {i, std::string(clock), false});
            start(b, cpu, i, at_us(60'500));
        });
    b.run(at_ms(80));
    REQUIRE(b.firings.size() == 3);
    for (const Bench::Firing& f : b.firings) {
        CHECK(f.at >= at_us(60'500));
        CHECK(f.at < at_us(60'530));
    }
}

TEST_CASE("in low resolution timers run at ticks (LHR 9.4, LTW 12.5 step 6)") {
    Bench b;
    b.linux_config.tick.highres = false;
    b.on(0, at_us(50'100), [&](Cpu& cpu) { start(b, cpu, 0, at_us(60'500)); });
    b.run(at_ms(80));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].at >= at_ms(61));
    CHECK(b.firings[0].at < at_us(61'050));
}

TEST_CASE("an interrupt that finds new work three times gives the CPU a rest (LHR 9.1, 9.2, 13)") {
    for (const bool deferred : {false, true}) {
        CAPTURE(deferred);
        Bench b;
        b.linux_config.hrtimer_rearm_deferred = deferred;
        b.busy(0, at_ms(40), at_ms(90));
        b.on(0, at_us(50'100), [&](Cpu& cpu) {
            for (std::int64_t i = 0; i < 6; ++i)
                start(b, cpu, i, at_us(60'500 + 10 * i));
        });
        b.on_fired = [](Cpu& cpu, sim::TimerIndex) { cpu.spend_time(11us); };
        b.run(at_ms(80));
        CHECK(b.firings.size() == 6);
        CHECK(b.state("cpu0.hrtimers.hangs") == 1);
        CHECK(b.state("cpu0.hrtimers.retries") >= 3);
        CHECK_FALSE(b.core().hrtimers.of(0).hang_detected);
        REQUIRE(b.records(kHrtimerHangRecord).size() == 1);
        const Bench::LoggedRecord hang = b.records(kHrtimerHangRecord)[0];
        CHECK(hang.operands[0] > 30'000);
        CHECK(hang.signed_at(0) == b.core().hrtimers.of(0).max_hang_time.count());
        // As long as it took, from where it ended; and that is what the device is asked for.
        const std::vector<Bench::LoggedRecord> rearms = b.records(kHrtimerRearmRecord);
        const auto rest =
            std::find_if(rearms.begin(), rearms.end(), [&](const auto& r) { return r.cpu == 0 && r.at >= hang.at; });
        REQUIRE(rest != rearms.end());
        CHECK(rest->operands[0] == hang.operands[1]);
        CHECK((rest->operands[1] != 0) == deferred);
        CHECK(kBoot + std::chrono::nanoseconds{hang.signed_at(1) - hang.signed_at(0)} <= hang.at);
        CHECK(kBoot + std::chrono::nanoseconds{hang.signed_at(1) - hang.signed_at(0)} > hang.at - 1us);
    }
}

TEST_CASE("removing the first timer programs the device for the next, on the CPU itself only (LHR 5.1)") {
    Bench b;
    b.on(0, at_us(50'100), [&](Cpu& cpu) {
        start(b, cpu, 0, at_us(60'500));
        start(b, cpu, 1, at_us(62'500));
        CHECK(b.core().hrtimers.of(0).expires_next <= ktime_at(60'500'000));
    });
    b.on(1, at_us(55'000), [&](Cpu& cpu) { b.perform(cpu, "hrtimer.cancel", {std::int64_t{0}}); });
    b.run(at_ms(80));
    CHECK(order_of(b) == Order{1});
}

TEST_CASE("with deferred programming the device is asked once an interrupt, on the way out (LHR 13)") {
    for (const bool deferred : {false, true}) {
        CAPTURE(deferred);
        Bench b;
        b.linux_config.hrtimer_rearm_deferred = deferred;
        b.busy(0, at_ms(40), at_ms(90));
        b.on(0, at_us(50'100), [&](Cpu& cpu) { start(b, cpu, 0, at_us(60'500)); });
        // Each is the earliest so far: at once, a device access a start.
        b.on_fired = [&](Cpu& cpu, sim::TimerIndex timer) {
            if (timer == 0)
                for (std::int64_t i = 1; i <= 3; ++i)
                    start(b, cpu, i, at_us(60'900 - 50 * i));
        };
        std::uint64_t before = 0;
        b.script(at_us(60'400), [&] { before = b.core().devices.programmed(0); });
        b.script(at_us(60'740), [&] { CHECK(b.core().devices.programmed(0) - before == 1); });
        b.run(at_ms(80));
        CHECK(order_of(b) == Order{0, 3, 2, 1});
        CHECK_FALSE(b.core().hrtimers.of(0).deferred_rearm);
        std::size_t told_deferred = 0;
        for (const Bench::LoggedRecord& r : b.records(kHrtimerRearmRecord))
            told_deferred += r.operands[1] != 0;
        CHECK((told_deferred != 0) == deferred);
    }
}

TEST_CASE("with deferred programming softirqs start with the device programmed (LHR 13)") {
    Bench b;
    b.linux_config.hrtimer_rearm_deferred = true;
    b.busy(0, at_ms(40), at_ms(90));
    // A wheel timer's softirq outlasts the hrtimer behind it, which interrupts it.
    b.on(0, at_us(50'100), [&](Cpu& cpu) {
        b.mod(cpu, 0, at_ms(59));
        start(b, cpu, 1, at_us(60'300));
    });
    b.on_fired = [&](Cpu& cpu, sim::TimerIndex timer) {
        if (timer == 0)
            cpu.spend_time(700us);
    };
    b.run(at_ms(80));
    CHECK(b.firings.size() == 2);
    const auto second = std::find_if(b.firings.begin(), b.firings.end(), [](const auto& f) { return f.timer == 1; });
    REQUIRE(second != b.firings.end());
    CHECK(second->at < at_us(60'325));
}
