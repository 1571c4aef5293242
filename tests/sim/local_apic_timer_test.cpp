// LA 3 and LA 10: the local APIC timer.
#include <doctest/doctest.h>

#include "apic_rig.hpp"

namespace ticklab::sim::test {
namespace {

constexpr std::uint32_t kDivideBy1 = 0xb;
constexpr std::int64_t kTickPs = 10'000;  // 100 MHz, divide 1

ApicRig& start(ApicRig& rig, ApicTimerMode mode) {
    rig.enable_all(kBoot);
    rig.write(0, kBoot, apic::kLvtTimer, lvt_timer(mode));
    rig.write(0, kBoot, apic::kDivideConfiguration, kDivideBy1);
    return rig;
}

using Instants = std::vector<std::int64_t>;

TEST_CASE("LA 3.2: divide codes") {
    const struct {
        std::uint32_t value;
        std::int64_t divide;
    } kRows[]{{0x0, 2}, {0x1, 4}, {0x2, 8}, {0x3, 16}, {0x8, 32}, {0x9, 64}, {0xa, 128}, {0xb, 1}};
    for (const auto& row : kRows) {
        CAPTURE(row.value);
        ApicRig rig;
        start(rig, ApicTimerMode::kOneShot);
        // Bit 2 is no part of the code and reads 0.
        rig.write(0, kBoot, apic::kDivideConfiguration, row.value | 4);
        CHECK(rig.read(0, kBoot, apic::kDivideConfiguration) == row.value);
        rig.write(0, kBoot, apic::kInitialCount, 3);
        rig.run(at_ns(100'000));
        CHECK(rig.instants_ps(kApicTimerEvent) == Instants{3 * row.divide * kTickPs});
    }
}

TEST_CASE("LA 3.3: one-shot with N = 0, 1 and 2^32-1") {
    ApicRig rig;
    start(rig, ApicTimerMode::kOneShot);
    rig.write(0, kBoot, apic::kInitialCount, 0);
    CHECK(rig.engine.earliest().at == kNever);
    rig.write(0, at_ns(5), apic::kInitialCount, 1);
    rig.run(at_ns(1000));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{15'000});
    CHECK(rig.read(0, at_ns(1000), apic::kCurrentCount) == 0);
    rig.write(0, at_ns(1000), apic::kInitialCount, 0xffff'ffff);
    CHECK(rig.apics[0].timer().event_at() == at_ns(1000) + Duration{std::int64_t{0xffff'ffff} * kTickPs});
    // 0 stops the timer.
    rig.write(0, at_ns(2000), apic::kInitialCount, 0);
    CHECK(rig.apics[0].timer().event_at() == kNever);
    CHECK(rig.kept(kApicTimerStop).size() == 1);
}

TEST_CASE("LA 3.3: current count in one-shot and periodic mode") {
    const struct {
        std::int64_t ps;
        std::uint32_t one_shot;
        std::uint32_t periodic;
    } kRows[]{{0, 3, 3}, {9'999, 3, 3}, {10'000, 2, 2}, {29'999, 1, 1}, {30'000, 0, 3}, {40'000, 0, 2}, {69'999, 0, 3}};
    ApicRig one_shot;
    ApicRig periodic;
    start(one_shot, ApicTimerMode::kOneShot).write(0, kBoot, apic::kInitialCount, 3);
    start(periodic, ApicTimerMode::kPeriodic).write(0, kBoot, apic::kInitialCount, 3);
    for (const auto& row : kRows) {
        CAPTURE(row.ps);
        one_shot.run(at_ps(row.ps));
        periodic.run(at_ps(row.ps));
        CHECK(one_shot.read(0, at_ps(row.ps), apic::kCurrentCount) == row.one_shot);
        CHECK(periodic.read(0, at_ps(row.ps), apic::kCurrentCount) == row.periodic);
    }
}

TEST_CASE("LA-P1: a rate that is no whole number of picoseconds never drifts and is never early") {
    ApicParameters parameters;
    parameters.bus_hz = 333'333'331;
    ApicRig rig(1, parameters);
    start(rig, ApicTimerMode::kPeriodic).write(0, kBoot, apic::kInitialCount, 7);
    rig.run(at_ns(100'000));
    const Instants instants = rig.instants_ps(kApicTimerEvent);
    REQUIRE(instants.size() == 4761);
    for (std::size_t k = 0; k < instants.size(); ++k) {
        const Int128 ticks = static_cast<Int128>(7) * static_cast<Int128>(k + 1) * 1'000'000'000'000;
        REQUIRE(instants[k] == static_cast<std::int64_t>((ticks + 333'333'330) / 333'333'331));
    }
}

TEST_CASE("LA 3.3: a rewritten initial count restarts at once") {
    ApicRig rig;
    start(rig, ApicTimerMode::kPeriodic).write(0, kBoot, apic::kInitialCount, 10);
    rig.write(0, at_ns(95), apic::kInitialCount, 4);
    rig.run(at_ns(180));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{135'000, 175'000});
}

TEST_CASE("LA 3.3: an LVT write that changes the mode disarms, the same mode does not") {
    ApicRig rig;
    start(rig, ApicTimerMode::kOneShot).write(0, kBoot, apic::kInitialCount, 10);
    rig.write(0, at_ns(10), apic::kLvtTimer, lvt_timer(ApicTimerMode::kOneShot, 0x41));
    CHECK(rig.apics[0].timer().armed());
    rig.write(0, at_ns(20), apic::kLvtTimer, lvt_timer(ApicTimerMode::kPeriodic));
    CHECK_FALSE(rig.apics[0].timer().armed());
    CHECK(rig.read(0, at_ns(20), apic::kCurrentCount) == 0);
    CHECK(rig.read(0, at_ns(20), apic::kInitialCount) == 0);
    rig.run(at_ns(1000));
    CHECK(rig.kept(kApicTimerEvent).empty());
}

TEST_CASE("LA-F1: with the fault the timer keeps running across a mode change") {
    ApicRig rig;
    start(rig, ApicTimerMode::kOneShot);
    REQUIRE(rig.bus.set_fault(kBoot, ApicFault::kModeChangeKeepsTimer, 0, 1, {}));
    rig.write(0, kBoot, apic::kInitialCount, 10);
    rig.write(0, at_ns(25), apic::kLvtTimer, lvt_timer(ApicTimerMode::kPeriodic));
    rig.run(at_ns(250));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{100'000, 200'000});
    CHECK(rig.kept(kApicFaultHit).size() == 1);
}

TEST_CASE("LA 3.3: a masked event is lost, one-shot is over, periodic goes on, LA-I7") {
    for (const ApicTimerMode mode : {ApicTimerMode::kOneShot, ApicTimerMode::kPeriodic}) {
        ApicRig rig;
        start(rig, mode).write(0, kBoot, apic::kInitialCount, 10);
        rig.write(0, at_ns(50), apic::kLvtTimer, lvt_timer(mode, kTimerVector, true));
        rig.run(at_ns(120));
        CHECK_FALSE(rig.apics[0].deliverable());
        CHECK(rig.apics[0].counters().timer_masked == 1);
        rig.write(0, at_ns(150), apic::kLvtTimer, lvt_timer(mode));
        rig.run(at_ns(250));
        CHECK(rig.apics[0].deliverable() == (mode == ApicTimerMode::kPeriodic));
    }
}

TEST_CASE("LA 7: the vector is in IRR timer_fly after the event") {
    ApicRig rig;
    start(rig, ApicTimerMode::kOneShot).write(0, kBoot, apic::kInitialCount, 10);
    rig.run(at_ps(119'999));
    CHECK_FALSE(rig.apics[0].deliverable());
    rig.run(at_ns(120));
    CHECK(rig.apics[0].deliverable());
    CHECK(rig.cpus[0].ready == std::vector<Time>{at_ns(120)});
    // Masked while the message is under way: the event was before.
    CHECK(rig.acknowledge(0, at_ns(120)) == kTimerVector);
}

TEST_CASE("LA-D1: the option of a reload that takes a tick") {
    ApicParameters parameters;
    parameters.reload_ticks = 1;
    ApicRig rig(1, parameters);
    start(rig, ApicTimerMode::kPeriodic).write(0, kBoot, apic::kInitialCount, 3);
    rig.run(at_ns(75));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{30'000, 70'000});
    CHECK(rig.read(0, at_ns(75), apic::kCurrentCount) == 0);
    CHECK(rig.read(0, at_ns(80), apic::kCurrentCount) == 3);
}

TEST_CASE("LA-D2: a change of the divide keeps the remaining count") {
    ApicRig rig;
    start(rig, ApicTimerMode::kOneShot).write(0, kBoot, apic::kInitialCount, 10);
    // At 45 ns 4.5 ticks have passed: 6 are left, of which half a tick is done.
    rig.write(0, at_ns(45), apic::kDivideConfiguration, 0);
    CHECK(rig.read(0, at_ns(45), apic::kCurrentCount) == 6);
    rig.run(at_ns(1000));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{45'000 + 110'000});
}

TEST_CASE("LA 3.4: TSC-deadline arms, fires at the TSC, clears the MSR") {
    ApicRig rig;
    start(rig, ApicTimerMode::kTscDeadline);
    rig.write(0, kBoot, apic::kInitialCount, 100);
    CHECK(rig.read(0, kBoot, apic::kCurrentCount) == 0);
    CHECK_FALSE(rig.apics[0].timer().armed());
    rig.write_msr(0, at_ns(1), apic::kMsrTscDeadline, 50);
    CHECK(rig.apics[0].read_msr(at_ns(1), apic::kMsrTscDeadline).value == 50);
    rig.write_msr(0, at_ns(2), apic::kMsrTscDeadline, 60);
    rig.run(at_ns(100));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{60'000});
    CHECK(rig.apics[0].read_msr(at_ns(100), apic::kMsrTscDeadline).value == 0);
    CHECK(rig.apics[0].deliverable());
}

TEST_CASE("LA 3.4: deadline in the past, zero, leaving the mode, other modes") {
    ApicRig rig;
    start(rig, ApicTimerMode::kTscDeadline);
    rig.write_msr(0, at_ns(100), apic::kMsrTscDeadline, 7);
    rig.run(at_ns(100));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{100'000});
    rig.write_msr(0, at_ns(200), apic::kMsrTscDeadline, 300);
    rig.write_msr(0, at_ns(210), apic::kMsrTscDeadline, 0);
    CHECK_FALSE(rig.apics[0].timer().armed());
    rig.write_msr(0, at_ns(220), apic::kMsrTscDeadline, 300);
    rig.write(0, at_ns(230), apic::kLvtTimer, lvt_timer(ApicTimerMode::kOneShot));
    CHECK(rig.apics[0].read_msr(at_ns(230), apic::kMsrTscDeadline).value == 0);
    rig.write_msr(0, at_ns(240), apic::kMsrTscDeadline, 300);
    CHECK(rig.apics[0].read_msr(at_ns(240), apic::kMsrTscDeadline).value == 0);
    rig.run(at_ns(1000));
    CHECK(rig.kept(kApicTimerEvent).size() == 1);
}

TEST_CASE("LA-D3: a masked deadline clears the MSR without an interrupt") {
    ApicRig rig;
    start(rig, ApicTimerMode::kTscDeadline);
    rig.write(0, kBoot, apic::kLvtTimer, lvt_timer(ApicTimerMode::kTscDeadline, kTimerVector, true));
    rig.write_msr(0, kBoot, apic::kMsrTscDeadline, 10);
    rig.run(at_ns(50));
    CHECK(rig.apics[0].read_msr(at_ns(50), apic::kMsrTscDeadline).value == 0);
    CHECK_FALSE(rig.apics[0].deliverable());
}

TEST_CASE("LA 3.4: a TSC that is written moves the event") {
    ApicRig rig;
    start(rig, ApicTimerMode::kTscDeadline);
    rig.write_msr(0, kBoot, apic::kMsrTscDeadline, 100);
    rig.tsc.offset = 40;
    rig.apics[0].deadline_clock_changed(at_ns(10));
    CHECK(rig.apics[0].timer().event_at() == at_ns(60));
    rig.tsc.offset = 1000;
    rig.apics[0].deadline_clock_changed(at_ns(20));
    CHECK(rig.apics[0].timer().event_at() == at_ns(20));
    rig.run(at_ns(20));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{20'000});
}

TEST_CASE("LA 3.4: a stopped TSC never reaches the deadline, it is armed nevertheless") {
    ApicRig rig;
    start(rig, ApicTimerMode::kTscDeadline);
    rig.tsc.stopped = true;
    rig.write_msr(0, kBoot, apic::kMsrTscDeadline, 100);
    CHECK(rig.apics[0].timer().armed());
    CHECK(rig.engine.earliest().at == kNever);
    rig.tsc.stopped = false;
    rig.apics[0].deadline_clock_changed(at_ns(5));
    CHECK(rig.apics[0].timer().event_at() == at_ns(100));
}

TEST_CASE("LA-F2: the MSR write overtakes the LVT write in xAPIC mode, unless fenced") {
    for (const bool fenced : {false, true})
        for (const bool x2apic : {false, true}) {
            ApicRig rig;
            rig.enable_all(kBoot);
            if (x2apic)
                rig.x2apic_all(kBoot);
            REQUIRE(rig.bus.set_fault(kBoot, ApicFault::kDeadlineOvertakesLvt, 0, 1'000'000, {}));
            rig.write(0, kBoot, apic::kLvtTimer, lvt_timer(ApicTimerMode::kTscDeadline));
            if (fenced)
                rig.apics[0].fence();
            rig.write_msr(0, at_ns(100), apic::kMsrTscDeadline, 500);
            CHECK(rig.apics[0].timer().armed() == (fenced || x2apic));
        }
}

TEST_CASE("LA-F7: a frequency error from its instant on") {
    ApicRig rig;
    start(rig, ApicTimerMode::kPeriodic).write(0, kBoot, apic::kInitialCount, 10);
    REQUIRE(rig.bus.set_fault(at_ns(50), ApicFault::kTimerFrequencyError, 0, -500'000, {}));
    rig.run(at_ns(400));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{150'000, 350'000});
    CHECK_FALSE(rig.bus.set_fault(at_ns(400), ApicFault::kTimerFrequencyError, 0, -1'000'000, {}));
}

TEST_CASE("LA-F8: a deadline early by some ticks") {
    ApicRig rig;
    start(rig, ApicTimerMode::kTscDeadline);
    REQUIRE(rig.bus.set_fault(kBoot, ApicFault::kEarlyDeadline, 0, 3, {}));
    rig.write_msr(0, kBoot, apic::kMsrTscDeadline, 100);
    rig.run(at_ns(200));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{97'000});
}

TEST_CASE("LA 10: a frozen count continues from its value and fires late by the sleep") {
    ApicRig rig;
    start(rig, ApicTimerMode::kOneShot).write(0, kBoot, apic::kInitialCount, 10);
    rig.apics[0].freeze(at_ns(45));
    rig.check();
    rig.run(at_ns(500));
    CHECK(rig.read(0, at_ns(500), apic::kCurrentCount) == 6);
    CHECK(rig.kept(kApicTimerEvent).empty());
    rig.apics[0].thaw(at_ns(500));
    rig.run(at_ns(1000));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{555'000});
}

TEST_CASE("LA 10: the remnant of a timer that was not stopped before the sleep fires unexpectedly") {
    ApicRig rig;
    start(rig, ApicTimerMode::kOneShot).write(0, kBoot, apic::kInitialCount, 10);
    rig.apics[0].freeze(at_ns(50));
    rig.apics[0].thaw(at_ns(10'000));
    rig.run(at_ns(20'000));
    CHECK(rig.apics[0].deliverable());
    // Stopped and masked first, nothing comes.
    rig.acknowledge(0, at_ns(20'000));
    rig.eoi(0, at_ns(20'000));
    rig.write(0, at_ns(20'000), apic::kInitialCount, 10);
    rig.write(0, at_ns(20'010), apic::kInitialCount, 0);
    rig.apics[0].freeze(at_ns(20'020));
    rig.apics[0].thaw(at_ns(30'000));
    rig.run(at_ns(40'000));
    CHECK_FALSE(rig.apics[0].deliverable());
}

TEST_CASE("LA 10: a deadline that passes in a deep sleep fires on wake") {
    ApicRig rig;
    start(rig, ApicTimerMode::kTscDeadline);
    rig.write_msr(0, kBoot, apic::kMsrTscDeadline, 100);
    rig.apics[0].freeze(at_ns(50));
    rig.check();
    rig.run(at_ns(500));
    CHECK(rig.kept(kApicTimerEvent).empty());
    rig.apics[0].thaw(at_ns(500));
    rig.run(at_ns(500));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{500'000});
}

TEST_CASE("LA 1: an access at a time ahead of the engine finds earlier events performed") {
    ApicRig rig;
    start(rig, ApicTimerMode::kPeriodic).write(0, kBoot, apic::kInitialCount, 10);
    // The CPU runs ahead: at 200 ns it stops the timer, whose events at 100 and 200 ns were before that.
    rig.write(0, at_ns(200), apic::kInitialCount, 0);
    rig.run(at_ns(1000));
    CHECK(rig.instants_ps(kApicTimerEvent) == Instants{100'000, 200'000});
    CHECK(rig.apics[0].counters().merged == 1);
}

TEST_CASE("causes: the write that armed the timer, its event and the accept are linked") {
    ApicRig rig;
    start(rig, ApicTimerMode::kOneShot);
    rig.write(0, kBoot, apic::kInitialCount, 10, Cause{RecordId{77}, 99});
    rig.run(at_ns(200));
    const KeptRecord arm = rig.kept(kApicTimerArm).at(0);
    const KeptRecord event = rig.kept(kApicTimerEvent).at(0);
    const KeptRecord accept = rig.kept(kApicAccept).at(0);
    CHECK(arm.cause == RecordId{77});
    CHECK(arm.operands == std::vector<std::uint64_t>{rig.bus.timer_mode_name(0), 10, 100'000});
    CHECK(event.cause == arm.id);
    CHECK(accept.cause == event.id);
    CHECK(accept.operands == std::vector<std::uint64_t>{kTimerVector, 0});
    CHECK(rig.apics[0].cause_of(kTimerVector).record == accept.id);
    CHECK(rig.apics[0].cause_of(kTimerVector).root == 99);
    CHECK(rig.apics[0].acknowledge(at_ns(200)).cause.record == accept.id);
    CHECK_FALSE(rig.apics[0].cause_of(kTimerVector).record);
}

}  // namespace
}  // namespace ticklab::sim::test
