// Tick broadcast: CPUs whose own timers stop in deep C-states (LNT 11, HP 8).
#include "linux_fixture.hpp"
#include "ticklab/model/linux/broadcast_records.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;

namespace {

/// Machines without ARAT; state 1 stops the timer.
struct BroadcastBench : Bench {
    explicit BroadcastBench(CpuId cpus, BroadcastKind kind = BroadcastKind::kHpet) : Bench(cpus) {
        config.arat = false;
        linux_config.broadcast = kind;
        linux_config.governor = GovernorKind::kAlways;
    }
    void start(CpuId cpu, Time at, std::int64_t timer, Time expires) {
        on(cpu, at, [this, timer, expires](Cpu& me) {
            perform(me, "hrtimer.start", {timer, expires, sim::Duration::zero(), true});
        });
    }
    const TickBroadcast& broadcast() { return *core().broadcast; }
    bool fired(std::size_t i, CpuId cpu, Time expires) {
        return firings.size() > i && firings[i].cpu == cpu && firings[i].at >= expires &&
               firings[i].at < expires + std::chrono::microseconds{300};
    }
    std::vector<CpuId> called() {
        std::vector<CpuId> cpus;
        for (const LoggedRecord& r : records(kBroadcastWakeRecord))
            cpus.push_back(static_cast<CpuId>(r.operands[0]));
        return cpus;
    }
};

}  // namespace

TEST_CASE("a CPU in a state that stops its timer is woken by the HPET at its next event (LNT 11.3, 11.6)") {
    BroadcastBench b(2);
    b.start(1, at_ms(20), 0, at_us(90'300));
    b.run(at_ms(60));
    CHECK(b.broadcast().sleeping(1));
    CHECK(b.core().devices.armed_for(1) == kKtimeMax);
    CHECK(b.core().devices.next_event(1) == ktime_at(90'300'000));
    CHECK(b.broadcast().device()->next_event() == ktime_at(90'300'000));
    CHECK(b.broadcast().device()->target() == 1);
    b.run(at_ms(150));
    CHECK(b.fired(0, 1, at_us(90'300)));
    CHECK(b.state("cpu1.broadcast.interrupts") == 1);
}

TEST_CASE("who is due with the first one is called by IPI, who is due later waits (LNT 11.6)") {
    BroadcastBench b(4);
    b.start(0, at_us(20'000), 0, at_ms(95));
    b.start(1, at_us(20'100), 1, at_ms(90));
    b.start(2, at_us(20'200), 2, at_ms(90));
    b.start(3, at_us(20'300), 3, at_ms(90));
    b.run(at_ms(93));
    REQUIRE(b.firings.size() == 3);
    CHECK(b.state("cpu1.broadcast.interrupts") == 1);
    CHECK(b.state("cpu2.broadcast.woken") == 1);
    CHECK(b.state("cpu3.broadcast.woken") == 1);
    CHECK(b.state("cpu0.broadcast.woken") == 0);
    CHECK(b.broadcast().device()->next_event() == ktime_at(95'000'000));
    b.run(at_ms(150));
    CHECK(b.fired(3, 0, at_ms(95)));
}

TEST_CASE("a CPU that wakes for another reason programs its own timer again (LNT 11.4)") {
    BroadcastBench b(2);
    b.start(1, at_ms(20), 0, at_ms(90));
    b.busy(1, at_ms(50), at_ms(100));
    b.run(at_ms(60));
    CHECK_FALSE(b.broadcast().sleeping(1));
    CHECK(b.core().devices.armed_for(1) <= ktime_at(90'000'000));
    b.run(at_ms(150));
    CHECK(b.fired(0, 1, at_ms(90)));
    CHECK(b.state("cpu1.broadcast.woken") == 0);
}

TEST_CASE(
    "a CPU that wakes with its event due waits for the broadcast instead of programming the past (LNT 11.4, 11.7)") {
    BroadcastBench b(2);
    b.start(1, at_ms(20), 0, at_ms(90));
    // The HPET's interrupt is what wakes it: it comes out before it handles that.
    b.run(at_ms(150));
    CHECK(b.fired(0, 1, at_ms(90)));
    CHECK(b.state("cpu1.broadcast.forced") == 1);
    CHECK(b.called() == std::vector<CpuId>{1});
    CHECK(b.core().devices.armed_for(1) == kKtimeMax);
}

TEST_CASE("without a broadcast device no CPU enters a state that stops its timer (LNT 11.3)") {
    for (const bool none : {true, false}) {
        CAPTURE(none);
        BroadcastBench b(2, none ? BroadcastKind::kNone : BroadcastKind::kHpet);
        // A block without legacy replacement has no interrupt that the kernel uses.
        b.config.hpet_legacy = none;
        b.start(1, at_ms(20), 0, at_ms(90));
        b.run(at_ms(150));
        CHECK(b.fired(0, 1, at_ms(90)));
        CHECK(b.state("cpu1.broadcast.sleeps") == 0);
        CHECK(b.state("cpu1.broadcast.refused") > 0);
        CHECK(b.machine().cpu(1).residency(1) == sim::Duration::zero());
        CHECK(b.machine().cpu(1).residency(0) > std::chrono::milliseconds{50});
    }
}

TEST_CASE("an ARAT machine has no broadcast and needs none (LNT 11.1)") {
    Bench b(2);
    b.run(at_ms(20));
    CHECK(b.core().broadcast == nullptr);
    CHECK(b.state("cpu1.broadcast.sleeps") == 0);
    CHECK(b.state("broadcast.next_event") == -1);
}

TEST_CASE("the host of a broadcast timer keeps out of deep states until another CPU is due first (LNT 11.3)") {
    BroadcastBench b(3, BroadcastKind::kHrtimer);
    b.start(1, at_us(20'000), 1, at_ms(80));
    b.start(0, at_us(20'500), 0, at_ms(100));
    b.start(2, at_us(21'000), 2, at_ms(90));
    b.run(at_ms(60));
    CHECK(b.state("broadcast.host") == 1);
    CHECK_FALSE(b.broadcast().sleeping(1));
    CHECK(b.broadcast().sleeping(0));
    CHECK(b.broadcast().sleeping(2));
    b.run(at_ms(150));
    CHECK(b.fired(0, 1, at_ms(80)));
    CHECK(b.fired(1, 2, at_ms(90)));
    CHECK(b.fired(2, 0, at_ms(100)));
    CHECK(b.machine().cpu(2).residency(1) > std::chrono::milliseconds{30});
}

TEST_CASE("a dying CPU leaves the masks, and the device's interrupt goes elsewhere (LNT 11.8)") {
    BroadcastBench b(3);
    b.start(2, at_ms(20), 0, at_ms(90));
    b.start(1, at_ms(20), 1, at_ms(120));
    // The interrupt comes to CPU 2, which is on its way out.
    b.offline(2, at_us(89'950));
    b.run(at_ms(200));
    REQUIRE(b.firings.size() == 2);
    CHECK(b.fired(1, 1, at_ms(120)));
    CHECK_FALSE(b.broadcast().sleeping(2));
    CHECK(b.broadcast().device()->target() != 2);
}

TEST_CASE("the timer of a host that died is pulled over by who took it down (LNT 11.8)") {
    BroadcastBench b(3, BroadcastKind::kHrtimer);
    b.start(2, at_us(20'000), 0, at_ms(90));
    b.start(1, at_us(20'500), 1, at_ms(120));
    b.start(0, at_us(21'000), 2, at_ms(300));
    b.offline(2, at_ms(60));
    b.run(at_us(59'900));
    CHECK(b.state("broadcast.host") == 2);
    b.run(at_ms(80));
    CHECK(b.state("broadcast.host") != 2);
    b.run(at_ms(200));
    CHECK(b.firings.size() == 2);
}

TEST_CASE(
    "a comparator that is written too late counts as missed, and whoever is due then is called (HP 8.3, LNT 11.6)") {
    BroadcastBench b(4);
    // Eight microseconds an access: what is next when the first one is served is too near for the guard.
    b.config.costs.set("mmio_hpet", sim::Cycles{20'000}, "test");
    const std::array expires{at_us(90'000), at_us(90'045), at_us(90'050), at_us(90'055)};
    for (CpuId c = 0; c < 4; ++c)
        b.start(c, at_us(20'000 + 100 * c), c, expires[c]);
    b.run(at_ms(150));
    CHECK(b.firings.size() == 4);
    CHECK(b.state("broadcast.missed") > 0);
}

TEST_CASE("without NOHZ-07 a CPU that runs is taken for asleep when the device is replaced (LNT 11.2)") {
    for (const bool on : {true, false}) {
        BroadcastBench b(2, BroadcastKind::kHrtimer);
        b.linux_config.changes.broadcast_keeps_mask = on;
        b.start(1, at_ms(20), 0, at_ms(100));
        b.busy(1, at_ms(40), at_ms(60));
        b.on(0, at_ms(50), [&](Cpu& cpu) { b.perform(cpu, "broadcast.hpet", {}); });
        CHECK(b.run_to_verdict(at_ms(150)) == (on ? "" : "linux.broadcast.uncovered"));
        CHECK(b.broadcast().device()->name() == "hpet");
    }
}

TEST_CASE("CPUs that sleep when the device is replaced rely on the new one (LNT 11.3, B1)") {
    BroadcastBench b(3, BroadcastKind::kHrtimer);
    b.start(2, at_us(20'000), 1, at_ms(90));
    b.start(1, at_us(20'500), 0, at_ms(100));
    b.on(0, at_ms(50), [&](Cpu& cpu) { b.perform(cpu, "broadcast.hpet", {}); });
    b.run(at_ms(60));
    CHECK(b.broadcast().sleeping(1));
    CHECK(b.state("broadcast.next_event") > 0);
    b.run(at_ms(150));
    CHECK(b.fired(0, 2, at_ms(90)));
    CHECK(b.fired(1, 1, at_ms(100)));
}

TEST_CASE("many CPUs, short sleeps and hotplug: nobody sleeps past its event (LNT 11.9, B1)") {
    for (const BroadcastKind kind : {BroadcastKind::kHpet, BroadcastKind::kHrtimer}) {
        CAPTURE(static_cast<int>(kind));
        BroadcastBench b(8, kind);
        std::int64_t timer = 0;
        for (std::int64_t c = 0; c < 8; ++c)
            for (std::int64_t i = 0; i < 40; ++i) {
                const Time at = at_us(20'000 + 1'000 * i + 137 * c + 61 * (i % 7));
                b.start(static_cast<CpuId>(c), at, timer++,
                        at + std::chrono::microseconds{250 + 113 * ((i * 5 + c * 3) % 11)});
            }
        b.offline(3, at_ms(35));
        b.online(3, at_ms(50));
        b.run(at_ms(200));
        CHECK(b.firings.size() == static_cast<std::size_t>(timer));
        CHECK(b.state("cpu1.broadcast.sleeps") > 20);
    }
}
