// Waking CPUs from states that stop their timers: channels, sets, owners, the handler, mwait (HP 9, XT 9).
#include <fmt/format.h>

#include "ticklab/model/xen/hpet_broadcast.hpp"
#include "xen/xen_fixture.hpp"

using namespace ticklab::xen;
using namespace ticklab::xen::testing;

namespace {

/// CPUs without ARAT and a deep state, and `channels` comparators that can send messages.
void deepen(Bench& b, unsigned channels, IdleKind idle = IdleKind::kHalt) {
    b.config.arat = false;
    b.config.hpet_fsb_timers = channels;
    b.config.c_states.push_back(ticklab::sim::CState{"C6", 1us, 5us, 20us, 50, true});
    b.xen.idle = idle;
}

void arm(Bench& b, CpuId cpu, Time at, std::int64_t timer, std::int64_t expires_ns) {
    b.on(cpu, at, [&b, timer, expires_ns](Cpu& me) { b.set(me, timer, expires_ns); });
}

std::int64_t broadcast(Bench& b, CpuId cpu, std::string_view name) {
    return b.state(fmt::format("cpu{}.broadcast.{}", cpu, name));
}

/// Instants at which the timer fired, in order.
std::vector<std::int64_t> fired_at(const Bench& b, ticklab::sim::TimerIndex timer) {
    std::vector<std::int64_t> at;
    for (const Bench::Firing& f : b.firings)
        if (f.timer == timer)
            at.push_back(ticklab::sim::ps(f.at) / 1000);
    return at;
}

/// Slop, least span of the HPET, idle latencies of two CPUs, handler.
constexpr std::int64_t kLatest = 50'000 + 20'000 + 2 * 6'000 + 10'000;

}  // namespace

TEST_CASE("a sleeping CPU is woken by its channel in the range of its deadline, as late as allowed (HP 9.6, XT 9)") {
    for (const unsigned channels : {1u, 8u}) {
        Bench b(3);
        deepen(b, channels);
        arm(b, 1, at_ns(1'000'000), 0, 3'000'000);
        b.run(at_ns(10'000'000));
        CHECK(b.state("hpet.channels") == std::min(channels, 3u));
        REQUIRE(fired_at(b, 0).size() == 1);
        // V2 programs the end of the range.
        CHECK(fired_at(b, 0)[0] >= 3'050'000);
        CHECK(fired_at(b, 0)[0] <= 3'000'000 + kLatest);
        CHECK(broadcast(b, 1, "enters") >= 1);
        CHECK(broadcast(b, 1, "interrupts") == 1);
        CHECK(broadcast(b, 1, "woken_as_owner") == 1);
        CHECK(broadcast(b, 0, "interrupts") == 0);
    }
}

TEST_CASE("CPUs that share a channel are woken by its owner, each for its own deadline (HP 9.2, 9.6)") {
    Bench b(4);
    deepen(b, 1);
    for (CpuId c = 1; c < 4; ++c)
        arm(b, c, at_ns(1'000'000 + 50'000 * c), c, 3'000'000 + 400'000 * c);
    b.run(at_ns(10'000'000));
    for (CpuId c = 1; c < 4; ++c) {
        REQUIRE(fired_at(b, c).size() == 1);
        CHECK(fired_at(b, c)[0] > 3'000'000 + 400'000 * c);
        CHECK(fired_at(b, c)[0] <= 3'000'000 + 400'000 * c + kLatest);
    }
    // CPU 1 came first and owns the channel; when it leaves, the first sleeping CPU inherits it.
    const auto owners = b.records(kBroadcastOwnerRecord);
    REQUIRE(owners.size() >= 3);
    CHECK(owners[0].operands[1] == 1);
    CHECK(owners[1].operands[1] == 2);
    CHECK(owners[2].operands[1] == 3);
    CHECK(owners.back().operands[1] == ticklab::sim::kNoCpu);
}

TEST_CASE("timers due at one instant on CPUs of one channel are all woken by one interrupt (HP 9.6)") {
    Bench b(4);
    deepen(b, 1);
    for (CpuId c = 1; c < 4; ++c)
        arm(b, c, at_ns(1'000'000 + 50'000 * c), c, 3'000'000);
    b.run(at_ns(10'000'000));
    std::int64_t interrupts = 0, ipis = 0;
    for (CpuId c = 0; c < 4; ++c) {
        interrupts += broadcast(b, c, "interrupts");
        ipis += broadcast(b, c, "woken_by_ipi");
    }
    CHECK(interrupts == 1);
    CHECK(ipis == 2);
    CHECK(b.firings.size() == 3);
}

TEST_CASE("the last CPU to leave stops the channel, and the local timer takes the deadline back (HP 9.4)") {
    Bench b(2);
    deepen(b, 8);
    arm(b, 1, at_ns(1'000'000), 0, 8'000'000);
    // Woken for something else, and busy: the deadline comes by the local timer.
    b.on(1, at_ns(2'000'000), [](Cpu& cpu) { cpu.spend_time(7ms); });
    b.run(at_ns(20'000'000));
    REQUIRE(fired_at(b, 0).size() == 1);
    const auto programs = b.records(kBroadcastProgramRecord);
    REQUIRE(programs.size() >= 2);
    CHECK(programs[0].operands[2] > 0);
    CHECK(programs[1].operands[2] == 0);
    CHECK(b.state("cpu1.timers.timer_interrupts") == 1);
    CHECK(broadcast(b, 1, "interrupts") == 0);
}

TEST_CASE("an earlier deadline of a later sleeper reprograms the shared channel, a later one does not (HP 9.3)") {
    Bench b(4);
    deepen(b, 1);
    arm(b, 1, at_ns(1'000'000), 1, 6'000'000);
    arm(b, 2, at_ns(2'000'000), 2, 7'000'000);
    arm(b, 3, at_ns(3'000'000), 3, 5'000'000);
    b.run(at_ns(4'000'000));
    const auto programs = b.records(kBroadcastProgramRecord);
    REQUIRE(programs.size() == 2);
    CHECK(programs[0].operands[1] == 6'050'000);
    CHECK(programs[1].operands[1] == 5'050'000);
    b.run(at_ns(20'000'000));
    CHECK(b.firings.size() == 3);
}

TEST_CASE("without a comparator that sends messages all CPUs share timer 0, routed to pin 2 (HP 9.1)") {
    Bench b(3);
    deepen(b, 0);
    for (CpuId c = 0; c < 3; ++c)
        arm(b, c, at_ns(1'000'000 + 10'000 * c), c, 3'000'000 + 500'000 * c);
    b.run(at_ns(10'000'000));
    CHECK(b.state("hpet.channels") == 1);
    CHECK(b.machine().hpet().legacy_routing());
    for (CpuId c = 0; c < 3; ++c) {
        REQUIRE(fired_at(b, c).size() == 1);
        CHECK(fired_at(b, c)[0] <= 3'000'000 + 500'000 * c + kLatest);
    }
}

TEST_CASE("where nothing can wake them, CPUs do not enter states that stop their timers (HP 9.1, HP-F9, HP-F10)") {
    const auto deep_time = [](auto spoil) {
        Bench b(2);
        deepen(b, 0);
        spoil(b);
        arm(b, 1, at_ns(1'000'000), 0, 3'000'000);
        b.run(at_ns(5'000'000));
        CHECK(b.state("hpet.channels") == 0);
        CHECK(b.firings.size() == 1);
        return b.machine().cpu(1).residency(1);
    };
    CHECK(deep_time([](Bench& b) { b.config.hpet_legacy = false; }) == 0us);
    CHECK(deep_time([](Bench& b) {
              b.machine().hpet().set_fault(kBoot, ticklab::sim::HpetFault::kDeadCounter, 1, {});
          }) == 0us);
    CHECK(deep_time([](Bench& b) {
              b.machine().hpet().set_fault(kBoot, ticklab::sim::HpetFault::kNotReady, 1'000'000'000, {});
          }) == 0us);
}

TEST_CASE("with ARAT the HPET is left alone (LA 10)") {
    Bench b(2);
    deepen(b, 8);
    b.config.arat = true;
    arm(b, 1, at_ns(1'000'000), 0, 3'000'000);
    b.run(at_ns(5'000'000));
    CHECK(b.state("hpet.channels") == 0);
    CHECK(!b.machine().hpet().enabled());
    CHECK(b.machine().cpu(1).residency(1) > 1ms);
}

TEST_CASE("a comparator that comes too late is tried again with twice the span (HP 8.3, 9.5)") {
    Bench b(2);
    deepen(b, 8);
    b.hold(sites::kBroadcastBeforeComparator, 1, 150us);
    arm(b, 1, at_ns(1'000'000), 0, 1'100'000);
    b.run(at_ns(5'000'000));
    REQUIRE(fired_at(b, 0).size() == 1);
    CHECK(broadcast(b, 1, "doublings") == 1);
    CHECK(fired_at(b, 0)[0] < 2'000'000);
}

TEST_CASE("sleepers in mwait are woken by a write to their flag, and by no IPI (XT 9, HP 9.6)") {
    Bench b(4);
    deepen(b, 1, IdleKind::kMwait);
    for (CpuId c = 1; c < 4; ++c)
        arm(b, c, at_ns(1'000'000 + 50'000 * c), c, 3'000'000);
    b.run(at_ns(10'000'000));
    std::int64_t by_flag = 0, by_ipi = 0;
    for (CpuId c = 0; c < 4; ++c) {
        by_flag += broadcast(b, c, "woken_by_flag");
        by_ipi += broadcast(b, c, "woken_by_ipi");
    }
    CHECK(by_flag == 2);
    CHECK(by_ipi == 0);
    for (CpuId c = 1; c < 4; ++c) {
        REQUIRE(fired_at(b, c).size() == 1);
        CHECK(fired_at(b, c)[0] <= 3'000'000 + kLatest);
    }
}

TEST_CASE("a deadline that is due when the monitor is armed prevents the sleep in mwait (XT 9)") {
    // The hold lets the deadline pass between choosing the state and the test.
    Bench b(1);
    deepen(b, 8, IdleKind::kMwait);
    arm(b, 0, at_ns(1'000'000), 0, 1'100'000);
    b.hold(sites::kBroadcastEnter, 0, 300us);
    b.run(at_ns(5'000'000));
    REQUIRE(fired_at(b, 0).size() == 1);
    CHECK(fired_at(b, 0)[0] < 1'400'000);
}

TEST_CASE("a CPU that leaves while the handler scans is neither woken nor stands in the way (HP 9.6, HPET-14)") {
    Bench b(3);
    deepen(b, 1);
    arm(b, 1, at_ns(1'000'000), 1, 3'000'000);
    arm(b, 2, at_ns(1'100'000), 2, 3'010'000);
    b.hold(sites::kBroadcastScan, 1, 200us);
    // CPU 2 wakes by itself while CPU 1's handler is held before it looks.
    b.on(2, at_ns(3'080'000), [](Cpu& cpu) { cpu.spend_time(500us); });
    b.run(at_ns(10'000'000));
    CHECK(fired_at(b, 1).size() == 1);
    CHECK(fired_at(b, 2).size() == 1);
    CHECK(broadcast(b, 2, "woken_by_ipi") == 0);
}

TEST_CASE("storms of sleepers on fewer channels lose nothing, with hotplug among them (HP 13, HP-P4)") {
    for (const IdleKind idle : {IdleKind::kHalt, IdleKind::kMwait})
        for (const unsigned channels : {0u, 1u, 3u}) {
            Bench b(8);
            deepen(b, channels, idle);
            std::vector<std::int64_t> left(8, 30);
            b.on_fired = [&](Cpu& cpu, ticklab::sim::TimerIndex t) {
                if (left[t]-- > 0)
                    b.set(cpu, t, ticklab::sim::ps(cpu.local_time()) / 1000 + 60'000 + 37'000 * t);
            };
            for (CpuId c = 0; c < 8; ++c)
                arm(b, c, at_ns(500'000 + 1'000 * c), c, 1'000'000);
            b.offline(5, at_ns(3'000'000));
            b.online(5, at_ns(6'000'000));
            b.offline(6, at_ns(7'000'000));
            b.run(at_ns(60'000'000));
            CHECK(b.firings.size() == 8 * 31);
        }
}
