// LA 4 and LA 5: acceptance, priorities, dispatch, EOI, software enable, reset.
#include <doctest/doctest.h>

#include "apic_rig.hpp"

namespace ticklab::sim::test {
namespace {

struct EnabledRig : ApicRig {
    explicit EnabledRig(CpuId cpu_count = 1) : ApicRig(cpu_count) { enable_all(kBoot); }
};

TEST_CASE("LA 1: state after power-on") {
    ApicRig rig(2);
    CHECK(rig.read(0, kBoot, apic::kId) == 0);
    CHECK(rig.read(1, kBoot, apic::kId) == 1u << 24);
    CHECK(rig.apics[0].read_msr(kBoot, apic::kMsrBase).value == 0xfee0'0900);
    CHECK(rig.apics[1].read_msr(kBoot, apic::kMsrBase).value == 0xfee0'0800);
    CHECK(rig.read(0, kBoot, apic::kVersion) == 0x0106'0015);
    const struct {
        std::uint32_t offset;
        std::uint64_t value;
    } kRows[]{{apic::kSvr, 0xff},
              {apic::kTpr, 0},
              {apic::kPpr, 0},
              {apic::kLdr, 0},
              {apic::kDfr, 0xffff'ffff},
              {apic::kEsr, 0},
              {apic::kIcrLow, 0},
              {apic::kIcrHigh, 0},
              {apic::kLvtTimer, 0x10000},
              {apic::kLvtCmci, 0x10000},
              {apic::kLvtError, 0x10000},
              {apic::kInitialCount, 0},
              {apic::kCurrentCount, 0},
              {apic::kDivideConfiguration, 0}};
    for (const auto& row : kRows) {
        CAPTURE(row.offset);
        CHECK(rig.read(0, kBoot, row.offset) == row.value);
    }
    CHECK_FALSE(rig.apics[0].waiting_for_start_up());
    CHECK(rig.apics[1].waiting_for_start_up());
}

TEST_CASE("LA 4.1: vectors below 16 are dropped and noted in ESR") {
    EnabledRig rig;
    rig.write(0, kBoot, apic::kLvtError, 0xfe);
    rig.accept(0, at_ns(1), 15);
    CHECK(rig.lost(0, LostReason::kIllegalVector) == 1);
    // Write-then-read protocol (LA 2).
    CHECK(rig.read(0, at_ns(1), apic::kEsr) == 0);
    rig.write(0, at_ns(1), apic::kEsr, 0);
    CHECK(rig.read(0, at_ns(1), apic::kEsr) == apic::kEsrReceivedIllegalVector);
    rig.write(0, at_ns(1), apic::kEsr, 0);
    CHECK(rig.read(0, at_ns(1), apic::kEsr) == 0);
    CHECK(rig.acknowledge(0, at_ns(2)) == 0xfe);
    // An error entry with an illegal vector cannot raise itself for ever.
    rig.write(0, at_ns(3), apic::kLvtError, 3);
    rig.accept(0, at_ns(3), 3);
    CHECK(rig.lost(0, LostReason::kIllegalVector) == 2);
}

TEST_CASE("LA 4.2: PPR") {
    const struct {
        std::uint8_t tpr;
        std::uint8_t in_service;
        std::uint8_t ppr;
    } kRows[]{{0x00, 0x00, 0x00}, {0x00, 0x45, 0x40}, {0x35, 0x45, 0x40}, {0x47, 0x45, 0x47},
              {0x40, 0x45, 0x40}, {0x5f, 0x45, 0x5f}, {0xff, 0x00, 0xff}, {0x0f, 0x1f, 0x10}};
    for (const auto& row : kRows) {
        CAPTURE(row.tpr);
        CAPTURE(row.in_service);
        EnabledRig rig;
        if (row.in_service) {
            rig.accept(0, kBoot, row.in_service);
            REQUIRE(rig.acknowledge(0, kBoot) == row.in_service);
        }
        rig.write(0, kBoot, apic::kTpr, row.tpr);
        CHECK(rig.read(0, kBoot, apic::kPpr) == row.ppr);
        CHECK(rig.apics[0].cr8() == row.tpr >> 4);
    }
}

TEST_CASE("LA 4.2: a vector is deliverable above the class of PPR only") {
    const struct {
        std::uint8_t tpr;
        std::uint8_t vector;
        bool deliverable;
    } kRows[]{{0x00, 0x10, true}, {0x10, 0x1f, false}, {0x1f, 0x20, true}, {0x20, 0x20, false}, {0xf0, 0xff, false}};
    for (const auto& row : kRows) {
        EnabledRig rig;
        rig.write(0, kBoot, apic::kTpr, row.tpr);
        rig.accept(0, kBoot, row.vector);
        CHECK(rig.apics[0].deliverable() == row.deliverable);
        rig.write(0, kBoot, apic::kTpr, 0);
        CHECK(rig.apics[0].deliverable());
    }
}

TEST_CASE("LA-I2: a higher vector of the same class waits, one of a higher class preempts") {
    EnabledRig rig;
    rig.accept(0, kBoot, 0x41);
    CHECK(rig.acknowledge(0, kBoot) == 0x41);
    rig.accept(0, kBoot, 0x4f);
    CHECK_FALSE(rig.apics[0].deliverable());
    rig.accept(0, kBoot, 0x50);
    CHECK(rig.apics[0].deliverable());
    CHECK(rig.acknowledge(0, kBoot) == 0x50);
    rig.eoi(0, kBoot);
    CHECK_FALSE(rig.apics[0].deliverable());
    rig.eoi(0, kBoot);
    CHECK(rig.acknowledge(0, kBoot) == 0x4f);
}

TEST_CASE("LA-P2: three equal vectors make two runs") {
    EnabledRig rig;
    rig.accept(0, kBoot, 0x40);
    CHECK(rig.acknowledge(0, kBoot) == 0x40);
    rig.accept(0, at_ns(1), 0x40);
    rig.accept(0, at_ns(2), 0x40);
    CHECK(rig.apics[0].counters().merged == 1);
    rig.eoi(0, at_ns(3));
    CHECK(rig.acknowledge(0, at_ns(3)) == 0x40);
    rig.eoi(0, at_ns(4));
    CHECK_FALSE(rig.apics[0].deliverable());
}

TEST_CASE("the first cause of a merged vector stays") {
    EnabledRig rig;
    rig.accept(0, kBoot, 0x40, false, Cause{RecordId{1}, 11});
    const Cause first = rig.apics[0].cause_of(0x40);
    rig.accept(0, kBoot, 0x40, false, Cause{RecordId{2}, 22});
    CHECK(rig.apics[0].cause_of(0x40).record == first.record);
    CHECK(rig.apics[0].pending_cause().root == 11);
}

TEST_CASE("LA 4.3: a TPR raised before the acknowledge gives the spurious vector") {
    EnabledRig rig;
    rig.accept(0, kBoot, 0x40);
    rig.write(0, at_ns(1), apic::kTpr, 0x40);
    const AcknowledgedInterrupt taken = rig.apics[0].acknowledge(at_ns(2));
    rig.check();
    CHECK(taken.spurious);
    CHECK(taken.vector == 0xff);
    CHECK(rig.apics[0].isr().count() == 0);
    CHECK(rig.apics[0].irr().test(0x40));
    CHECK(rig.apics[0].counters().spurious == 1);
}

TEST_CASE("LA-F5: a spurious interrupt comes through the bus") {
    EnabledRig rig;
    REQUIRE(rig.bus.set_fault(at_ns(5), ApicFault::kSpuriousInterrupt, 0, 1, {}));
    rig.run(at_ns(10));
    CHECK(rig.apics[0].deliverable());
    CHECK(rig.apics[0].acknowledge(at_ns(10)).spurious);
    CHECK_FALSE(rig.apics[0].deliverable());
}

TEST_CASE("LA 4.4: EOI with an empty ISR does nothing") {
    EnabledRig rig;
    rig.accept(0, kBoot, 0x40);
    rig.eoi(0, kBoot);
    CHECK(rig.acknowledge(0, kBoot) == 0x40);
}

TEST_CASE("LA-F4: a missing EOI blocks its class and those below") {
    EnabledRig rig;
    REQUIRE(rig.bus.set_fault(kBoot, ApicFault::kMissingEoi, 0, 1, {}));
    rig.accept(0, kBoot, 0x50);
    rig.acknowledge(0, kBoot);
    rig.eoi(0, kBoot);
    rig.accept(0, kBoot, 0x5f);
    rig.accept(0, kBoot, 0x30);
    CHECK_FALSE(rig.apics[0].deliverable());
    rig.accept(0, kBoot, 0x60);
    CHECK(rig.acknowledge(0, kBoot) == 0x60);
}

TEST_CASE("interrupt_ready is told once for each rise") {
    EnabledRig rig;
    auto& ready = rig.cpus[0].ready;
    rig.accept(0, at_ns(1), 0x40);
    rig.accept(0, at_ns(2), 0x50);
    CHECK(ready == std::vector<Time>{at_ns(1)});
    rig.acknowledge(0, at_ns(3));
    rig.eoi(0, at_ns(4));
    CHECK(ready == std::vector<Time>{at_ns(1), at_ns(4)});
    rig.write(0, at_ns(5), apic::kTpr, 0xf0);
    rig.write(0, at_ns(6), apic::kTpr, 0x00);
    CHECK(ready == std::vector<Time>{at_ns(1), at_ns(4), at_ns(6)});
}

// LA 5: what arrives and what may be sent while software disabled.
TEST_CASE("LA 5: software-disable matrix") {
    EnabledRig rig(2);
    rig.write(1, kBoot, apic::kLvtTimer, lvt_timer(ApicTimerMode::kPeriodic));
    rig.write(1, kBoot, apic::kInitialCount, 5);
    rig.accept(1, kBoot, 0x40);
    rig.write(1, kBoot, apic::kSvr, 0xff);

    // All LVT mask bits are forced to 1 and cannot be cleared.
    CHECK(rig.read(1, kBoot, apic::kLvtTimer) == lvt_timer(ApicTimerMode::kPeriodic, kTimerVector, true));
    rig.write(1, kBoot, apic::kLvtTimer, lvt_timer(ApicTimerMode::kPeriodic));
    rig.write(1, kBoot, apic::kLvtLint0, 0x30);
    CHECK(rig.read(1, kBoot, apic::kLvtTimer) == lvt_timer(ApicTimerMode::kPeriodic, kTimerVector, true));
    CHECK(rig.read(1, kBoot, apic::kLvtLint0) == (0x30 | apic::kLvtMasked));
    // IRR is held, undispatched (LA-U1).
    CHECK(rig.apics[1].irr().test(0x40));
    CHECK_FALSE(rig.apics[1].deliverable());
    CHECK(rig.apics[1].acknowledge(kBoot).spurious);
    // Fixed interrupts are dropped (LA-D4).
    rig.accept(1, kBoot, 0x50);
    CHECK(rig.lost(1, LostReason::kSoftwareDisabled) == 1);
    // The timer counts on, its events are lost.
    rig.run(at_ns(250));
    CHECK(rig.apics[1].counters().timer_events > 0);
    CHECK(rig.apics[1].counters().timer_masked == rig.apics[1].counters().timer_events);
    // NMI, SMI, INIT and start-up still work; the ICR may still send.
    const struct {
        DeliveryMode mode;
        std::vector<Time>& seen;
    } kSignals[]{{DeliveryMode::kNmi, rig.cpus[1].nmis},
                 {DeliveryMode::kSmi, rig.cpus[1].smis},
                 {DeliveryMode::kInit, rig.cpus[1].inits},
                 {DeliveryMode::kStartUp, rig.cpus[1].start_ups}};
    Time at = at_ns(1000);
    rig.write(1, at, apic::kIcrHigh, 0);
    rig.write(1, at, apic::kIcrLow, 0x33);
    rig.run(at + std::chrono::microseconds{1});
    CHECK(rig.apics[0].irr().test(0x33));
    // Enabling again makes the held vector deliverable and unmasks nothing.
    rig.write(1, at_ns(2000), apic::kSvr, apic::kSvrEnable | 0xff);
    CHECK(rig.apics[1].deliverable());
    CHECK(rig.read(1, at_ns(2000), apic::kLvtTimer) == lvt_timer(ApicTimerMode::kPeriodic, kTimerVector, true));
    rig.write(1, at_ns(2000), apic::kSvr, 0xff);
    at = at_ns(3000);
    for (const auto& signal : kSignals) {
        rig.write(0, at, apic::kIcrHigh, 1u << 24);
        rig.write(0, at, apic::kIcrLow, static_cast<unsigned>(signal.mode) << 8 | apic::kIcrAssert | 0x9a);
        at += std::chrono::microseconds{1};
        rig.run(at);
        CHECK(signal.seen.size() == 1);
    }
    CHECK(rig.cpus[1].start_vector == 0x9a);
}

TEST_CASE("LA 5: global disable loses the state, re-enabling gives the reset state") {
    EnabledRig rig;
    rig.write(0, kBoot, apic::kTpr, 0x20);
    rig.accept(0, kBoot, 0x40);
    rig.write_msr(0, kBoot, apic::kMsrBase, apic::kBaseAddressReset);
    CHECK(rig.apics[0].read_mmio(kBoot, apic::kTpr).fault == AccessFault::kNotMapped);
    rig.accept(0, kBoot, 0x50);
    CHECK(rig.lost(0, LostReason::kApicDisabled) == 1);
    CHECK(rig.lost(0, LostReason::kReset) == 1);
    rig.write_msr(0, kBoot, apic::kMsrBase, apic::kBaseAddressReset | apic::kBaseEnable);
    CHECK(rig.read(0, kBoot, apic::kTpr) == 0);
    CHECK(rig.read(0, kBoot, apic::kSvr) == 0xff);
    CHECK(rig.apics[0].irr().count() == 0);
}

TEST_CASE("LA 5, LA 11: INIT resets all but id and base, IRR content is lost and recorded, a start-up IPI starts") {
    EnabledRig rig(2);
    rig.x2apic_all(kBoot);
    rig.write(1, kBoot, apic::kLvtTimer, lvt_timer(ApicTimerMode::kOneShot));
    rig.write(1, kBoot, apic::kInitialCount, 1'000'000);
    rig.accept(1, kBoot, 0x40);
    const std::uint64_t to_cpu1 = std::uint64_t{1} << 32;
    // Start-up before INIT: a running CPU waits for none. (CPU 1 waits from power-on, so start it first.)
    rig.write(0, at_ns(0), apic::kIcrLow, to_cpu1 | 0x600 | 0x10);
    rig.write(0, at_ns(10), apic::kIcrLow, to_cpu1 | 0x600 | 0x11);
    rig.run(at_ns(600));
    CHECK(rig.cpus[1].start_vector == 0x10);
    CHECK(rig.lost(1, LostReason::kNotWaiting) == 1);
    // INIT level de-assert: no-op.
    rig.write(0, at_ns(1000), apic::kIcrLow, to_cpu1 | 0x500 | apic::kIcrLevel);
    rig.run(at_ns(2000));
    CHECK(rig.cpus[1].inits.empty());
    rig.write(0, at_ns(2000), apic::kIcrLow, to_cpu1 | 0x500 | apic::kIcrLevel | apic::kIcrAssert);
    rig.run(at_ns(3000));
    CHECK(rig.cpus[1].inits == std::vector<Time>{at_ns(2500)});
    CHECK(rig.lost(1, LostReason::kReset) == 1);
    CHECK(rig.apics[1].mode() == LocalApic::Mode::kX2apic);
    CHECK(rig.read(1, at_ns(3000), apic::kId) == 1);
    CHECK(rig.read(1, at_ns(3000), apic::kSvr) == 0xff);
    CHECK_FALSE(rig.apics[1].timer().armed());
    CHECK(rig.apics[1].waiting_for_start_up());
}

TEST_CASE("LA 6, LA 11: the off-line window") {
    EnabledRig rig(2);
    rig.write(1, kBoot, apic::kLvtTimer, lvt_timer(ApicTimerMode::kOneShot));
    rig.write(1, kBoot, apic::kInitialCount, 10);
    // (a) The timer event between masking and halt is lost.
    rig.write(1, at_ns(150), apic::kLvtTimer, lvt_timer(ApicTimerMode::kOneShot, kTimerVector, true));
    rig.run(at_ns(1000));
    CHECK(rig.apics[1].counters().timer_masked == 1);
    // (b) What arrives after the last enable window stays in IRR.
    rig.accept(1, at_ns(1000), 0x40);
    rig.apics[1].set_offline(true);
    rig.accept(1, at_ns(1100), 0x50);
    CHECK(rig.lost(1, LostReason::kOffline) == 1);
    CHECK(rig.apics[1].irr().test(0x40));
    // INIT, start-up: on-line again, IRR empty.
    rig.write(0, at_ns(2000), apic::kIcrHigh, 1u << 24);
    rig.write(0, at_ns(2000), apic::kIcrLow, 0x500 | apic::kIcrAssert);
    rig.write(0, at_ns(2100), apic::kIcrLow, 0x600 | 0x10);
    rig.run(at_ns(4000));
    CHECK(rig.apics[1].irr().count() == 0);
    rig.write(1, at_ns(4000), apic::kSvr, apic::kSvrEnable | 0xff);
    rig.accept(1, at_ns(4000), 0x51);
    CHECK(rig.apics[1].deliverable());
}

TEST_CASE("LA 10: power-on loses everything") {
    EnabledRig rig(2);
    rig.x2apic_all(kBoot);
    rig.accept(1, kBoot, 0x40);
    rig.apics[1].power_on_reset(at_ns(10));
    rig.check();
    CHECK(rig.apics[1].mode() == LocalApic::Mode::kXapic);
    CHECK(rig.apics[1].irr().count() == 0);
    CHECK_FALSE(rig.apics[1].software_enabled());
}

TEST_CASE("local sources raise their LVT entries") {
    EnabledRig rig;
    rig.write(0, kBoot, apic::kLvtThermal, 0xfa);
    rig.write(0, kBoot, apic::kLvtPerformance, 0x400);
    rig.apics[0].raise_lvt(at_ns(1), LvtEntry::kThermal, {});
    rig.apics[0].raise_lvt(at_ns(2), LvtEntry::kPerformance, {});
    rig.apics[0].raise_lvt(at_ns(3), LvtEntry::kLint1, {});
    rig.check();
    CHECK(rig.acknowledge(0, at_ns(3)) == 0xfa);
    CHECK(rig.cpus[0].nmis == std::vector<Time>{at_ns(2)});
    CHECK(rig.apics[0].irr().count() == 0);
}

}  // namespace
}  // namespace ticklab::sim::test
