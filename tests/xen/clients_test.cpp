// XT 12, 18.10 and 18.14: guests, their timers and their interrupts; suspend.
#include "ticklab/model/xen/client_records.hpp"
#include "ticklab/model/xen/client_sites.hpp"
#include "ticklab/model/xen/client_verbs.hpp"
#include "xen/xen_fixture.hpp"

using namespace ticklab;
using namespace ticklab::xen;
using namespace ticklab::xen::testing;

namespace {

/// A bench of the newest release, with guests that spin when they have nothing to do.
struct GuestBench : Bench {
    explicit GuestBench(CpuId cpus = 2, std::uint32_t guests = 2) : Bench(cpus) {
        xen = newest();
        xen.clients.guests = guests;
        xen.clients.guest_idle = GuestIdle::kSpin;
    }
    static sim::VerbCall client_call(std::string_view verb, std::vector<sim::Value> arguments) {
        return call(verb, std::move(arguments));
    }
    /// The vCPU's guest asks for it at `at`; the first argument is what the verb wants there.
    void guest(Time at, std::string_view vcpu, std::string_view verb, std::vector<sim::Value> arguments) {
        script(at, [this, vcpu, c = client_call(verb, std::move(arguments))] {
            kernel().clients().guests.ask(kernel().clients().guests.of(vcpu), c);
        });
    }
    void raise(Time at, std::uint32_t irq) {
        script(at, [this, irq] { kernel().clients().irqs.raise(irq, {}); });
    }
    void act(CpuId cpu, Time at, std::string_view verb, const std::vector<sim::Value>& arguments) {
        on(cpu, at, [this, verb = std::string(verb), arguments](Cpu& c) { perform(c, verb, arguments); });
    }
    void bind(CpuId cpu, Time at, std::int64_t irq, std::int64_t guest, const char* ack, std::int64_t target) {
        act(cpu, at, "irq.bind", {irq, guest, std::string(ack), target});
    }
    Vcpu& vcpu(std::string_view name) { return kernel().clients().guests.of(name); }
    GuestIrqs::Descriptor& irq(std::uint32_t n) { return kernel().clients().irqs.descriptor(n); }
};

constexpr std::int64_t kTimerArgument = 0;

}  // namespace

TEST_CASE("a single-shot timer is set on the CPU where its vCPU runs (XT 12.2)") {
    GuestBench b(3);
    b.guest(kBoot + 100us, "d1v0", "vcpu.set_timer", {kTimerArgument, at_ns(1'000'000), false});
    b.run(kBoot + 500us);
    CHECK(b.vcpu("d1v0").singleshot.cpu.peek() == 1);
    b.act(0, kBoot + 600us, "vcpu.pin", {std::string("d1v0"), std::int64_t{2}});
    b.run(kBoot + 900us);
    CHECK(b.state("d1v0.cpu") == 2);
    // It is where it was: only the next set takes it along.
    CHECK(b.vcpu("d1v0").singleshot.cpu.peek() == 1);
    b.run(kBoot + 1500us);
    CHECK(b.state("d1v0.taken") == 1);
    b.guest(kBoot + 2ms, "d1v0", "vcpu.set_timer", {kTimerArgument, at_ns(3'000'000), true});
    b.run(kBoot + 2500us);
    CHECK(b.vcpu("d1v0").singleshot.cpu.peek() == 2);
    b.run(kBoot + 4ms);
    CHECK(b.state("d1v0.timer_events") == 2);
    CHECK(b.state("d1v0.taken") == 2);
}

TEST_CASE("the future flag refuses an instant that has passed, and without it the event comes at once (XT 12.2)") {
    GuestBench b;
    b.guest(kBoot + 1ms, "d0v0", "vcpu.set_timer", {kTimerArgument, at_ns(500'000), true});
    b.run(kBoot + 2ms);
    CHECK(b.state("d0v0.refused") == 1);
    CHECK(b.state("d0v0.timer_events") == 0);
    b.guest(kBoot + 3ms, "d0v0", "vcpu.set_timer", {kTimerArgument, at_ns(500'000), false});
    b.run(kBoot + 4ms);
    CHECK(b.state("d0v0.refused") == 1);
    CHECK(b.state("d0v0.timer_events") == 1);
}

TEST_CASE("the legacy call: 0 stops, odd ranges wait 100 ms where the timer is, the rest is honoured (XT 12.2)") {
    struct Row {
        std::int64_t timeout;
        std::int64_t expires;  // 0: not queued
        std::int64_t odd;
    };
    constexpr std::int64_t kAt = 1'000'000;
    constexpr std::int64_t kHorizon = std::int64_t{1} << 50;
    constexpr std::int64_t kMs100 = 100'000'000;
    for (const Row row : {Row{0, 0, 0}, Row{5'000'000, 5'000'000, 0}, Row{kHorizon, kHorizon, 0},
                          Row{kHorizon + 2 * kAt, kAt + kMs100, 1}, Row{-1, kAt + kMs100, 1},
                          Row{INT64_MIN, kAt + kMs100, 1}, Row{INT64_MAX, kAt + kMs100, 1}}) {
        CAPTURE(row.timeout);
        GuestBench b;
        b.guest(kBoot + 500us, "d0v0", "vcpu.set_timer_legacy", {kTimerArgument, std::int64_t{4'000'000}});
        b.guest(at_ns(kAt), "d0v0", "vcpu.set_timer_legacy", {kTimerArgument, row.timeout});
        b.run(kBoot + 1500us);
        const Timer& t = b.vcpu("d0v0").singleshot;
        CHECK(b.state("d0v0.odd_timeouts") == row.odd);
        CHECK(is_queued(t.status) == (row.expires != 0));
        if (row.expires != 0) {
            CHECK(ns(t.expires) >= row.expires);
            CHECK(ns(t.expires) < row.expires + 100'000);
        }
    }
}

TEST_CASE("an odd legacy timeout leaves the timer on its CPU (XT 12.2)") {
    GuestBench b(3);
    b.act(0, kBoot + 100us, "vcpu.pin", {std::string("d1v0"), std::int64_t{2}});
    b.guest(kBoot + 500us, "d1v0", "vcpu.set_timer_legacy", {kTimerArgument, std::int64_t{-1}});
    b.run(kBoot + 1ms);
    CHECK(b.state("d1v0.cpu") == 2);
    CHECK(b.vcpu("d1v0").singleshot.cpu.peek() == 1);
    b.guest(kBoot + 1100us, "d1v0", "vcpu.set_timer_legacy", {kTimerArgument, std::int64_t{5'000'000}});
    b.run(kBoot + 2ms);
    CHECK(b.vcpu("d1v0").singleshot.cpu.peek() == 2);
}

TEST_CASE("descheduled for 10.5 periods: one event, and the next a period after it (XT 12.3, 18.10)") {
    GuestBench b;
    b.guest(kBoot + 1ms, "d1v0", "vcpu.set_period", {kTimerArgument, std::int64_t{1'000'000}});
    b.run(kBoot + 1050us);
    const std::int64_t set_at = ns(b.vcpu("d1v0").last_event);
    // Two ticks, and then 10.5 periods after the second one.
    const Time off = at_ns(set_at) + 2100us;
    b.act(0, off, "vcpu.pause", {std::string("d1v0")});
    b.run(off + 200us);
    const std::int64_t before = b.state("d1v0.last_timer_event");
    CHECK(b.state("d1v0.timer_events") == 2);
    CHECK_FALSE(is_queued(b.vcpu("d1v0").periodic.status));
    b.act(0, at_ns(before) + 10500us, "vcpu.unpause", {std::string("d1v0")});
    b.run(at_ns(before) + 10499us);
    CHECK(b.state("d1v0.timer_events") == 2);
    b.run(at_ns(before) + 10700us);
    CHECK(b.state("d1v0.timer_events") == 3);
    CHECK(b.state("d1v0.periods_missed") == 9);
    const std::int64_t caught_up = b.state("d1v0.last_timer_event");
    CHECK(ns(b.vcpu("d1v0").periodic.expires) - caught_up <= 1'000'000);
    CHECK(ns(b.vcpu("d1v0").periodic.expires) - caught_up > 999'000);
    b.run(at_ns(caught_up) + 990us);
    CHECK(b.state("d1v0.timer_events") == 3);
    b.run(at_ns(caught_up) + 1100us);
    CHECK(b.state("d1v0.timer_events") == 4);
}

TEST_CASE("periods below 1 ms are refused, 0 stops the timer (XT 12.3)") {
    GuestBench b;
    b.guest(kBoot + 1ms, "d0v0", "vcpu.set_period", {kTimerArgument, std::int64_t{999'999}});
    b.run(kBoot + 3ms);
    CHECK(b.state("d0v0.refused") == 1);
    CHECK(b.state("d0v0.timer_events") == 0);
    b.guest(kBoot + 3ms, "d0v0", "vcpu.set_period", {kTimerArgument, std::int64_t{1'000'000}});
    b.run(kBoot + 5500us);
    CHECK(b.state("d0v0.timer_events") == 2);
    b.guest(kBoot + 5600us, "d0v0", "vcpu.set_period", {kTimerArgument, std::int64_t{0}});
    b.run(kBoot + 9ms);
    CHECK(b.state("d0v0.timer_events") == 2);
}

TEST_CASE("two vCPUs of a CPU share it by slices, and a slice timer is stopped where nobody runs (XT 12.4)") {
    GuestBench b(1, 2);
    b.xen.clients.slice = StimeSpan{1'000'000};
    b.run(kBoot + 10500us);
    CHECK(b.state("d0v0.switches") >= 5);
    CHECK(b.state("d1v0.switches") >= 5);
    CHECK(b.state("cpu0.sched.queued") == 1);
    b.act(0, kBoot + 11ms, "vcpu.pause", {std::string("d0v0")});
    b.act(0, kBoot + 11ms, "vcpu.pause", {std::string("d1v0")});
    b.run(kBoot + 12ms);
    CHECK(b.state("d0v0.running") + b.state("d1v0.running") == 0);
    CHECK(b.state("cpu0.timers.heap") + b.state("cpu0.timers.list") == 0);
}

TEST_CASE("a poll ends by its time, or by an event and then its timer is stopped (XT 12.4)") {
    GuestBench b;
    b.guest(kBoot + 1ms, "d1v0", "vcpu.poll", {kTimerArgument, at_ns(2'000'000)});
    b.run(kBoot + 1500us);
    CHECK(b.state("d1v0.blocked") == 1);
    b.run(kBoot + 2500us);
    CHECK(b.state("d1v0.blocked") == 0);
    CHECK(b.state("d1v0.poll_timeouts") == 1);
    b.guest(kBoot + 3ms, "d1v0", "vcpu.poll", {kTimerArgument, at_ns(9'000'000)});
    b.act(0, kBoot + 4ms, "vcpu.wake", {std::string("d1v0")});
    b.run(kBoot + 5ms);
    CHECK(b.state("d1v0.blocked") == 0);
    CHECK_FALSE(is_queued(b.vcpu("d1v0").poll.status));
    CHECK(b.state("d1v0.poll_timeouts") == 1);
}

TEST_CASE(
    "a CPU that goes off-line gives its vCPUs away, and its slice timer is killed when it is dead (XT 10.2, 12.4)") {
    GuestBench b(3, 3);
    b.guest(kBoot + 500us, "d2v0", "vcpu.set_timer", {kTimerArgument, at_ns(9'000'000), false});
    b.offline(2, kBoot + 1ms);
    b.run(kBoot + 8ms);
    CHECK(b.state("d2v0.cpu") != 2);
    CHECK(b.state("d2v0.running") + b.state("cpu0.sched.queued") + b.state("cpu1.sched.queued") == 1);
    CHECK(b.vcpu("d2v0").singleshot.cpu.peek() == 0);
    CHECK(b.state("cpu2.timers.inactive") == 0);
    b.run(kBoot + 60ms);
    CHECK(b.state("d2v0.taken") == 1);
    b.online(2, kBoot + 61ms);
    b.act(0, kBoot + 70ms, "vcpu.pin", {std::string("d2v0"), std::int64_t{2}});
    b.run(kBoot + 80ms);
    CHECK(b.state("d2v0.running") == 1);
    CHECK(b.state("d2v0.cpu") == 2);
    CHECK(b.state("cpu2.timers.heap") + b.state("cpu2.timers.list") == 1);
}

TEST_CASE("a CPU with a pinned vCPU stays (XT 10.2, 12.4)") {
    GuestBench b(2, 2);
    b.act(0, kBoot + 1ms, "vcpu.pin", {std::string("d1v0"), std::int64_t{1}});
    b.control(0, kBoot + 2ms, [&](Cpu& cpu) { CHECK_FALSE(b.machine().cpu_down(cpu, b.machine().cpu(1))); });
    b.act(0, kBoot + 8ms, "vcpu.pin", {std::string("d1v0")});
    b.run(kBoot + 9ms);
    CHECK(b.machine().cpu(1).online());
    CHECK(b.state("d1v0.running") == 1);
    b.offline(1, kBoot + 10ms);
    b.run(kBoot + 20ms);
    CHECK_FALSE(b.machine().cpu(1).online());
    // Nor can one be pinned to a CPU that is off-line.
    b.act(0, kBoot + 21ms, "vcpu.pin", {std::string("d1v0"), std::int64_t{1}});
    b.run(kBoot + 22ms);
    CHECK(b.state("d1v0.refused") == 1);
    CHECK(b.state("d1v0.cpu") == 0);
}

TEST_CASE("ack none, 2010: the edge that finds every guest slow closes the line for 1 ms (XT 12.1)") {
    GuestBench b(3);
    b.xen.timers.changes.guard_slow_acks = false;
    b.bind(0, kBoot + 100us, 3, 0, "none", 2);
    b.bind(0, kBoot + 200us, 3, 1, "none", 2);
    b.run(kBoot + 300us);
    CHECK(b.irq(3).eoi_timer.cpu.peek() == 0);
    CHECK(b.state("irq3.open") == 1);
    b.raise(kBoot + 1ms, 3);
    b.run(kBoot + 1500us);
    CHECK(b.state("irq3.guarded") == 0);
    SUBCASE("when one guest has handled its event, nothing happens") {
        b.guest(kBoot + 1600us, "d1v0", "irq.eoi", {std::string("d1v0"), std::int64_t{3}});
        b.raise(kBoot + 2ms, 3);
        b.run(kBoot + 4ms);
        CHECK(b.state("irq3.delivered") == 2);
        CHECK(b.state("irq3.guarded") == 0);
        CHECK(b.state("irq3.open") == 1);
    }
    SUBCASE("the timer moves to the CPU of the interrupt and opens the line") {
        b.raise(kBoot + 2ms, 3);
        b.run(kBoot + 2500us);
        CHECK(b.state("irq3.open") == 0);
        CHECK(b.irq(3).eoi_timer.cpu.peek() == 2);
        b.raise(kBoot + 2600us, 3);  // lost: the line is closed
        b.run(kBoot + 2900us);
        CHECK(b.state("irq3.open") == 0);
        b.run(kBoot + 3500us);
        CHECK(b.state("irq3.open") == 1);
        CHECK(b.state("irq3.forced") == 1);
        CHECK(b.state("irq3.delivered") == 2);
    }
    SUBCASE("a guest's EOI stops the timer and opens the line") {
        b.raise(kBoot + 2ms, 3);
        b.guest(kBoot + 2300us, "d0v0", "irq.eoi", {std::string("d0v0"), std::int64_t{3}});
        b.run(kBoot + 2500us);
        CHECK(b.state("irq3.open") == 1);
        CHECK(b.state("irq3.ended") == 1);
        CHECK_FALSE(is_queued(b.irq(3).eoi_timer.status));
        b.run(kBoot + 4ms);
        CHECK(b.state("irq3.forced") == 0);
    }
    SUBCASE("non-final unbind with the EOI pending: timer stopped, line open (18.14)") {
        b.raise(kBoot + 2ms, 3);
        b.act(0, kBoot + 2300us, "irq.unbind", {std::int64_t{3}, std::int64_t{1}});
        b.run(kBoot + 2500us);
        CHECK(b.state("irq3.open") == 1);
        CHECK_FALSE(is_queued(b.irq(3).eoi_timer.status));
        // Now counting one guest less: the one that is left is slow still.
        b.raise(kBoot + 2600us, 3);
        b.run(kBoot + 2800us);
        CHECK(b.state("irq3.open") == 0);
        CHECK(is_queued(b.irq(3).eoi_timer.status));
    }
    SUBCASE("unbind of the last guest closes the line and kills the timer") {
        b.raise(kBoot + 2ms, 3);
        b.act(0, kBoot + 2300us, "irq.unbind", {std::int64_t{3}, std::int64_t{1}});
        b.act(0, kBoot + 2400us, "irq.unbind", {std::int64_t{3}, std::int64_t{0}});
        b.run(kBoot + 2600us);
        CHECK(b.state("irq3.open") == 0);
        CHECK(b.irq(3).eoi_timer.status == TimerStatus::kKilled);
        // And another binding begins anew.
        b.bind(1, kBoot + 3ms, 3, 1, "none", 1);
        b.run(kBoot + 3100us);
        CHECK(b.state("irq3.open") == 1);
        CHECK(b.irq(3).eoi_timer.status == TimerStatus::kInactive);
    }
}

TEST_CASE("from August 2010: edges are not guarded, levels always (XT 12.1)") {
    GuestBench b(3);
    b.bind(0, kBoot + 100us, 3, 0, "none", 2);
    b.bind(0, kBoot + 200us, 4, 0, "unmask", 2);
    b.bind(0, kBoot + 300us, 4, 1, "unmask", 2);
    b.raise(kBoot + 1ms, 3);
    b.raise(kBoot + 1200us, 3);
    b.run(kBoot + 1400us);
    CHECK(b.state("irq3.guarded") == 0);
    CHECK(b.state("irq3.open") == 1);
    b.raise(kBoot + 2ms, 4);
    b.run(kBoot + 2200us);
    CHECK(b.state("irq4.open") == 0);
    CHECK(b.state("irq4.in_flight") == 2);
    CHECK(is_queued(b.irq(4).eoi_timer.status));
    SUBCASE("it is stopped as soon as no guest has it any more (2019)") {
        b.guest(kBoot + 2300us, "d0v0", "irq.eoi", {std::string("d0v0"), std::int64_t{4}});
        b.run(kBoot + 2400us);
        CHECK(b.state("irq4.in_flight") == 1);
        CHECK(b.state("irq4.open") == 0);
        b.guest(kBoot + 2500us, "d1v0", "irq.eoi", {std::string("d1v0"), std::int64_t{4}});
        b.run(kBoot + 2600us);
        CHECK(b.state("irq4.open") == 1);
        CHECK_FALSE(is_queued(b.irq(4).eoi_timer.status));
        b.run(kBoot + 5ms);
        CHECK(b.state("irq4.forced") == 0);
    }
    SUBCASE("the slow guest's end is forced") {
        b.guest(kBoot + 2300us, "d0v0", "irq.eoi", {std::string("d0v0"), std::int64_t{4}});
        b.run(kBoot + 3500us);
        CHECK(b.state("irq4.forced") == 1);
        CHECK(b.state("irq4.in_flight") == 0);
    }
    SUBCASE("a guest that leaves ends what it had") {
        b.act(0, kBoot + 2300us, "irq.unbind", {std::int64_t{4}, std::int64_t{0}});
        b.guest(kBoot + 2400us, "d1v0", "irq.eoi", {std::string("d1v0"), std::int64_t{4}});
        b.run(kBoot + 2600us);
        CHECK(b.state("irq4.open") == 1);
        CHECK(b.state("irq4.forced") == 0);
    }
}

TEST_CASE("an EOI timer's callback does nothing if the timer is active again (XT 12.1, 2019)") {
    GuestBench b(3);
    b.bind(0, kBoot + 100us, 4, 0, "unmask", 2);
    b.raise(kBoot + 1ms, 4);
    b.hold(sites::kEoiBeforeLock, 2, 300us);
    // While the callback waits, as if another CPU had taken the next interrupt.
    b.on(1, kBoot + 2200us, [&b](Cpu& cpu) {
        CHECK(b.base(2).running.peek() == &b.irq(4).eoi_timer);
        b.timers().set(cpu, b.irq(4).eoi_timer, stime_at(9'000'000));
    });
    b.run(kBoot + 3ms);
    CHECK(b.state("irq4.forced") == 0);
    CHECK(b.state("irq4.in_flight") == 1);
    CHECK(is_queued(b.irq(4).eoi_timer.status));
    b.run(kBoot + 10ms);
    CHECK(b.state("irq4.forced") == 1);
}

TEST_CASE("kill under the descriptor lock: deadlock in June 2010, none with XT-F6 (XT 12.1, 18.7)") {
    for (const bool fixed : {false, true}) {
        CAPTURE(fixed);
        GuestBench b(3);
        b.xen.timers.changes.guard_slow_acks = false;
        b.xen.timers.changes.kill_eoi_timer_unlocked = fixed;
        b.bind(0, kBoot + 100us, 3, 0, "none", 2);
        b.raise(kBoot + 1ms, 3);
        b.raise(kBoot + 2ms, 3);
        b.hold(sites::kEoiBeforeLock, 2, 200us);
        b.act(1, kBoot + 3100us, "irq.unbind", {std::int64_t{3}, std::int64_t{0}});
        if (fixed) {
            b.run(kBoot + 5ms);
            CHECK(b.irq(3).eoi_timer.status == TimerStatus::kKilled);
        } else {
            CHECK(b.run_to_verdict(kBoot + 5ms) == "progress.deadlock");
        }
    }
}

TEST_CASE("destroying a vCPU kills its timers, whose callbacks may be running (XT 12.2, XEN-41)") {
    for (const bool fixed : {false, true}) {
        CAPTURE(fixed);
        GuestBench b(3);
        b.xen.timers.changes.kill_outside_lock = fixed;
        b.guest(kBoot + 1ms, "d1v0", "vcpu.poll", {kTimerArgument, at_ns(2'000'000)});
        b.hold(sites::kPollBeforeLock, 1, 200us);
        b.act(2, kBoot + 2100us, "vcpu.destroy", {std::string("d1v0")});
        if (fixed) {
            b.run(kBoot + 5ms);
            for (const VcpuTimer which : {VcpuTimer::kSingleshot, VcpuTimer::kPeriodic, VcpuTimer::kPoll})
                CHECK(b.vcpu("d1v0").timer(which).status == TimerStatus::kKilled);
            CHECK(b.state("d1v0.running") == 0);
        } else {
            CHECK(b.run_to_verdict(kBoot + 5ms) == "progress.deadlock");
        }
    }
}

TEST_CASE("a vCPU that runs on the CPU that destroys it is switched out first") {
    GuestBench b(2);
    b.guest(kBoot + 500us, "d0v0", "vcpu.set_period", {kTimerArgument, std::int64_t{1'000'000}});
    b.act(0, kBoot + 2200us, "vcpu.destroy", {std::string("d0v0")});
    b.run(kBoot + 5ms);
    CHECK(b.state("d0v0.running") == 0);
    CHECK(b.state("d0v0.timer_events") <= 2);
    CHECK(b.vcpu("d0v0").periodic.status == TimerStatus::kKilled);
}

TEST_CASE("the way out of idle does not stop a timer that is due (XT 5.6, XT-F7, 18.12)") {
    for (const bool fixed : {false, true}) {
        CAPTURE(fixed);
        Bench b(1);
        b.xen.clients.rcu_idle = StimeSpan{1'000'000};
        b.xen.timers.changes.spare_due_timer = fixed;
        b.on(0, kBoot + 100us, [&b](Cpu& cpu) { b.perform(cpu, "rcu.call", {}); });
        if (fixed) {
            // Another wake-up before it is due stops the timer, and idle sets it again.
            b.on(0, kBoot + 600us, [](Cpu&) {});
            b.run(kBoot + 1500us);
            CHECK(b.state("cpu0.rcu.runs") == 0);
            b.run(kBoot + 2ms);
            CHECK(b.state("cpu0.rcu.runs") == 1);
            CHECK(b.state("cpu0.rcu.queued") == 0);
        } else {
            CHECK(b.run_to_verdict(kBoot + 2ms) == "xen.idle.swallowed");
        }
    }
}

TEST_CASE("suspend stops the calibration, takes the other CPUs down and brings them back with their timers") {
    GuestBench b(3, 3);
    b.xen.clients.calibration = StimeSpan{2'000'000};
    b.xen.clients.slice = StimeSpan{1'000'000};
    b.control(0, kBoot + 5ms, [&b](Cpu& cpu) { b.kernel().clients().suspend(cpu, 20ms); });
    b.run(kBoot + 10ms);
    const std::int64_t calibrations = b.state("system.calibrations");
    b.run(kBoot + 20ms);
    CHECK_FALSE(b.machine().cpu(1).online());
    CHECK_FALSE(b.machine().cpu(2).online());
    CHECK(b.state("system.calibrations") == calibrations);
    CHECK(b.state("d1v0.running") == 0);
    b.run(kBoot + 45ms);
    CHECK(b.machine().cpu(1).online());
    CHECK(b.state("system.calibrations") > calibrations + 4);
    CHECK(b.state("d2v0.cpu") == 2);
    CHECK(b.state("d2v0.running") == 1);
    CHECK(b.state("cpu2.timers.heap") + b.state("cpu2.timers.list") == 1);
}

TEST_CASE("without guests and own timers the clients leave nothing behind") {
    Bench b(2);
    b.offline(1, kBoot + 1ms);
    b.run(kBoot + 10ms);
    CHECK(b.timers().live_timers() == 0);
    CHECK(b.records(kVcpuSwitchRecord).empty());
}

TEST_CASE("names of vCPUs and their timers") {
    const std::optional<VcpuName> whole = parse_vcpu_name("d12v3.periodic");
    REQUIRE(whole);
    CHECK(whole->guest == 12);
    CHECK(whole->vcpu == 3);
    CHECK(whole->timer == VcpuTimer::kPeriodic);
    CHECK_FALSE(parse_vcpu_name("d1v0")->timer);
    for (const char* bad : {"", "d", "d1", "v1", "d1v", "d01v0", "d1v0.", "d1v0.x", "d1v0.singleshot2",
                            "d1v0singleshot", "d1234567v0", "d-1v0"})
        CHECK_FALSE(parse_vcpu_name(bad));
}

TEST_CASE("a call about a vCPU that there is not is refused, and so is a core's verb on a guest's timer") {
    ClientParameters p;
    p.guests = 2;
    p.vcpus = 1;
    const auto why = [&p](std::string_view verb, std::vector<sim::Value> arguments, std::string_view timer) {
        const std::optional<sim::CallRefusal> r = refuse_client_call(p, Bench::call(verb, std::move(arguments)), timer);
        return r ? r->expected : std::string();
    };
    CHECK(why("vcpu.pause", {std::string("d1v0")}, "") == "");
    CHECK(why("vcpu.pause", {std::string("d2v0")}, "") == "\"d0v0\" to \"d1v0\" (kernel.guests, kernel.vcpus)");
    CHECK(why("vcpu.set_period", {kTimerArgument, std::int64_t{5}}, "d1v0.periodic") == "");
    CHECK(why("vcpu.set_period", {kTimerArgument, std::int64_t{5}}, "d1v0.singleshot") ==
          "\"d0v0.periodic\" to \"d1v0.periodic\" (kernel.guests, kernel.vcpus)");
    CHECK(why("irq.unbind", {std::int64_t{1}, std::int64_t{2}}, "") == "a guest below 2 (kernel.guests)");
    CHECK(why("timer.stop", {kTimerArgument}, "d1v0.singleshot") != "");
    CHECK(why("timer.stop", {kTimerArgument}, "vcpu3.singleshot") == "");
    p.guests = 0;
    CHECK(why("vcpu.pause", {std::string("d0v0")}, "") == "no vCPU: kernel.guests is 0");
}

namespace {

/// What comes of `b` with a change in force and left out.
template <class Setup>
void check_change(bool XenChanges::*flag, Time until, std::string_view verdict, Setup setup) {
    for (const bool fixed : {true, false}) {
        CAPTURE(fixed);
        GuestBench b(2, 4);
        b.xen.timers.changes.*flag = fixed;
        setup(b);
        CHECK(b.run_to_verdict(until) == (fixed ? std::string_view{} : verdict));
    }
}

}  // namespace

TEST_CASE("a period that overflows is refused, or its CPU never leaves the softirq (XT 12.3, XEN-16)") {
    check_change(&XenChanges::bound_guest_period, kBoot + 5ms, "xen.pass.endless", [](GuestBench& b) {
        b.xen.timers.pass_budget = 1000;
        b.guest(kBoot + 1ms, "d1v0", "vcpu.set_period", {kTimerArgument, INT64_MAX});
    });
}

TEST_CASE("a timeout in the far future waits, or comes at once (XT 12.2, XEN-17)") {
    for (const bool fixed : {true, false}) {
        GuestBench b;
        b.xen.timers.changes.far_timeout_waits = fixed;
        b.guest(kBoot + 1ms, "d1v0", "vcpu.set_timer_legacy", {kTimerArgument, INT64_MAX});
        b.run(kBoot + 5ms);
        CHECK(b.state("d1v0.timer_events") == !fixed);
        b.run(kBoot + 102ms);
        CHECK(b.state("d1v0.timer_events") == 1);
    }
}

TEST_CASE("the calibration goes on after a suspend, unless suspend has killed its timer (XT 5.5, XEN-34)") {
    check_change(&XenChanges::stop_for_suspend, kBoot + 30ms, "xen.calibration.lost", [](GuestBench& b) {
        b.xen.clients.calibration = StimeSpan{2'000'000};
        b.control(0, kBoot + 5ms, [&b](Cpu& cpu) { b.kernel().clients().suspend(cpu, 5ms); });
    });
}

TEST_CASE("slice timers come back to their CPUs after a suspend (XT 10.3, XEN-35)") {
    check_change(&XenChanges::return_timers, kBoot + 30ms, "xen.sched.foreign_slice", [](GuestBench& b) {
        b.xen.clients.slice = StimeSpan{1'000'000};
        b.control(0, kBoot + 5ms, [&b](Cpu& cpu) { b.kernel().clients().suspend(cpu, 5ms); });
    });
}

TEST_CASE("a scheduler that waited for its lock decides by the time after the wait (XEN-38)") {
    check_change(&XenChanges::sample_under_lock, kBoot + 9ms, "xen.sched.time_backwards", [](GuestBench& b) {
        b.xen.clients.slice = StimeSpan{1'000'000};
        b.guest(kBoot + 1ms, "d3v0", "vcpu.block", {std::string("d3v0")});
        // The schedule lock of CPU 1 is held when a slice ends there.
        b.script(kBoot + 3900us, [&b] { b.hold(sites::kWakeWithLock, 0, 1500us); });
        b.act(0, kBoot + 4ms, "vcpu.wake", {std::string("d3v0")});
    });
}

TEST_CASE("a dump of the timer queues runs no softirqs: interrupts are off (XT-D5, XEN-40)") {
    check_change(&XenChanges::dump_without_softirqs, kBoot + 5ms, "xen.softirq.irqs_off", [](GuestBench& b) {
        b.on(0, kBoot + 500us, [&b](Cpu& cpu) { b.init(cpu, 0, 0); });
        b.act(0, kBoot + 1ms, "timers.dump", {});
        b.on(1, kBoot + 1050us, [&b](Cpu& cpu) { b.set(cpu, 0, 2'000'000); });
    });
}

TEST_CASE("a guest's emulated timer keeps its aligned phase, and follows the vCPU it is given to (XT 11, 12.5)") {
    GuestBench b(2, 1);
    b.xen.clients.vcpus = 2;
    b.guest(kBoot + 1300us, "d0v0", "vcpu.start_emulated", {std::string("d0v0"), std::int64_t{1'000'000}});
    b.run(kBoot + 1500us);
    CHECK(ns(b.kernel().clients().emulated.timer_of(0).expires) == 2'000'000);
    b.run(kBoot + 4500us);
    CHECK(b.state("d0v0.timer_events") == 3);
    b.act(0, kBoot + 4600us, "vcpu.take_emulated", {std::string("d0v1")});
    b.run(kBoot + 6500us);
    CHECK(b.state("d0v0.timer_events") == 3);
    CHECK(b.state("d0v1.timer_events") == 2);
    CHECK(b.state("cpu1.timers.callbacks") >= 2);
    b.guest(kBoot + 6600us, "d0v1", "vcpu.start_emulated", {std::string("d0v1"), std::int64_t{0}});
    b.run(kBoot + 9ms);
    CHECK(b.state("d0v1.timer_events") == 2);
}

TEST_CASE("an emulated timer moves with both vCPUs locked, or its callback unlocks what it did not lock (XEN-37)") {
    check_change(&XenChanges::lock_both_vcpus, kBoot + 9ms, "lock.stranger", [](GuestBench& b) {
        b.xen.clients.vcpus = 2;
        b.guest(kBoot + 1ms, "d0v0", "vcpu.start_emulated", {std::string("d0v0"), std::int64_t{1'000'000}});
        b.hold(sites::kEmulatedWithLock, 0, 200us);
        b.act(1, kBoot + 2100us, "vcpu.take_emulated", {std::string("d0v1")});
    });
}
