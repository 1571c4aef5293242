// LA 7, LA 8, MA 3.5: messages in flight, MSIs, faults of the bus.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "apic_rig.hpp"

namespace ticklab::sim::test {
namespace {

TEST_CASE("LA 8: MSI decode") {
    const struct {
        std::uint64_t address;
        std::uint32_t data;
        bool message;
        int fixed_at;  // CPU with vector 0x51 in IRR, -1 for none
        int nmi_at;
    } kRows[]{
        {0xfee0'0000, 0x0051, true, 0, -1},     {0xfee0'2000, 0x0051, true, 2, -1},
        {0xfee0'2008, 0x0051, true, 2, -1},    // redirection hint: ignored
        {0xfee0'4004, 0x0051, true, 2, -1},    // logical flat: LDR bit 2
        {0xfee0'2000, 0x0451, true, -1, 2},    // NMI
        {0xfee0'9000, 0x0051, true, -1, -1},   // no such CPU
        {0xfed0'0000, 0x0051, false, -1, -1},  // ordinary memory
        {0x1'fee0'0000, 0x0051, false, -1, -1},
    };
    for (const auto& row : kRows) {
        CAPTURE(row.address);
        ApicRig rig(3);
        rig.enable_all(kBoot);
        for (CpuId cpu = 0; cpu < 3; ++cpu)
            rig.write(cpu, kBoot, apic::kLdr, 1u << (24 + cpu));
        CHECK(rig.bus.send_message(kBoot, row.address, row.data, {}) == row.message);
        rig.run(at_ns(400));
        for (int cpu = 0; cpu < 3; ++cpu) {
            CHECK(rig.apics[static_cast<CpuId>(cpu)].irr().test(0x51) == (cpu == row.fixed_at));
            CHECK(rig.cpus[static_cast<CpuId>(cpu)].nmis.size() == (cpu == row.nmi_at ? 1 : 0));
        }
        CHECK(rig.bus.no_target() == (row.message && row.fixed_at < 0 && row.nmi_at < 0 ? 1 : 0));
    }
}

TEST_CASE("LA 8: level and broadcast MSIs") {
    ApicRig rig(3);
    rig.enable_all(kBoot);
    CHECK(rig.bus.send_message(kBoot, 0xfeef'f000, 0x8051, {}));
    rig.run(at_ns(399));
    CHECK_FALSE(rig.apics[0].deliverable());
    rig.run(at_ns(400));
    for (CpuId cpu = 0; cpu < 3; ++cpu)
        CHECK(rig.apics[cpu].tmr().test(0x51));
}

TEST_CASE("LA-D9: 15-bit destinations") {
    ApicParameters parameters;
    parameters.extended_destination = true;
    ApicRig rig(600, parameters);
    rig.enable_all(kBoot);
    CHECK(rig.bus.send_message(kBoot, 0xfee0'0000 | (599 & 0xff) << 12 | (599 >> 8) << 5, 0x51, {}));
    rig.run(at_ns(400));
    CHECK(rig.apics[599].deliverable());
    CHECK_FALSE(rig.apics[599 & 0xff].deliverable());
}

TEST_CASE("LA-F3: an edge in flight to the old destination is lost at re-targeting") {
    for (const bool faulty : {false, true}) {
        ApicRig rig(2);
        rig.enable_all(kBoot);
        REQUIRE(rig.bus.set_fault(kBoot, ApicFault::kLostEdgeAtRetarget, kNoCpu, faulty, {}));
        rig.bus.send_message(at_ns(10), 0xfee0'1000, 0x51, {});
        rig.bus.send_message(at_ns(20), 0xfee0'1000, 0x52, {});
        rig.bus.send_message(at_ns(25), 0xfee0'1000, 0x8053, {});
        rig.bus.retarget_message(at_ns(30), 0xfee0'1000, 0x51);
        rig.bus.retarget_message(at_ns(30), 0xfee0'1000, 0x53);
        rig.check();
        rig.run(at_ns(1000));
        CHECK(rig.apics[1].irr().test(0x51) == !faulty);
        CHECK(rig.apics[1].irr().test(0x52));
        CHECK(rig.apics[1].irr().test(0x53));
        CHECK(rig.lost(1, LostReason::kRetargeted) == (faulty ? 1 : 0));
        CHECK(rig.bus.lost() == (faulty ? 1 : 0));
    }
}

TEST_CASE("LA 15: each fault has one row, in the order of its number, and is found by name") {
    for (std::size_t i = 0; i < kApicFaults.size(); ++i) {
        CHECK(static_cast<std::size_t>(kApicFaults[i].fault) == i);
        CHECK(kApicFaults[i].number == "LA-F" + std::to_string(i + 1));
        CHECK(find_apic_fault(kApicFaults[i].name)->fault == kApicFaults[i].fault);
    }
    CHECK_FALSE(find_apic_fault("apic.none"));
    ApicRig rig;
    CHECK_FALSE(rig.bus.set_fault(kBoot, ApicFault::kIpiDelay, 0, -1, {}));
    CHECK_FALSE(rig.bus.set_fault(kBoot, ApicFault::kTimerStopsInC1, 0, 2, {}));
    CHECK_FALSE(rig.bus.set_fault(kBoot, ApicFault::kTimerStopsInC1, 1, 1, {}));
    REQUIRE(rig.bus.set_fault(kBoot, ApicFault::kTimerStopsInC1, 0, 1, {}));
    CHECK(rig.apics[0].stops_in_c1());
    CHECK(rig.kept(kApicFaultSet).size() == 1);
}

TEST_CASE("MA 3.5: the queue keeps arrival order, equal arrivals in the order of sending") {
    CHECK(rc::check([] {
        ApicFlightQueue queue;
        std::vector<std::pair<std::int64_t, CpuId>> plain;
        const int operations = pick(1, 300);
        for (int i = 0; i < operations; ++i) {
            const int what = pick(0, 10);
            if (what < 6) {
                ApicMessage message;
                message.arrival = at_ps(pick(0, 50));
                message.sender = static_cast<CpuId>(i);
                RC_ASSERT(queue.push(message));
                plain.emplace_back(ps(message.arrival), message.sender);
                std::stable_sort(plain.begin(), plain.end(), [](auto& a, auto& b) { return a.first < b.first; });
            } else if (what < 9 && !plain.empty()) {
                RC_ASSERT(queue.front().sender == plain.front().second);
                queue.pop();
                plain.erase(plain.begin());
            } else {
                const auto odd = static_cast<CpuId>(pick(0, 3));
                const auto gone = std::erase_if(plain, [odd](auto& p) { return p.second % 3 == odd; });
                RC_ASSERT(queue.remove_if([odd](const ApicMessage& m) { return m.sender % 3 == odd; }) == gone);
            }
            RC_ASSERT(queue.size() == plain.size());
        }
        for (const auto& [arrival, sender] : plain) {
            RC_ASSERT(queue.front().sender == sender);
            RC_ASSERT(ps(queue.front().arrival) == arrival);
            queue.pop();
        }
        RC_ASSERT(queue.empty());
    }));
}

TEST_CASE("MA 3.5: the number in flight is bounded, beyond it interrupts are lost and counted") {
    ApicRig rig(1);
    rig.enable_all(kBoot);
    for (std::uint32_t i = 0; i < ApicFlightQueue::kMaxInFlight; ++i)
        rig.bus.send_message(kBoot, 0xfee0'0000, 0x51, {});
    CHECK(rig.bus.overflowed() == kNoCpu);
    rig.bus.send_message(kBoot, 0xfee0'0000, 0x51, {});
    CHECK(rig.bus.overflowed() == 0);
    CHECK(rig.lost(0, LostReason::kQueueFull) == 1);
    rig.run(at_ns(400));
    CHECK(rig.apics[0].counters().accepted == ApicFlightQueue::kMaxInFlight);
}

TEST_CASE("LA 7: jitter is asked for each target and never for the timer") {
    struct Jitter : FlightJitter {
        Duration extra(Time, CpuId target, MessageSource, const Cause&) override {
            targets.push_back(target);
            return Duration{1000 * target};
        }
        std::vector<CpuId> targets;
    } jitter;
    ApicRig rig(3);
    rig.enable_all(kBoot);
    rig.bus.set_flight_jitter(&jitter);
    rig.write(0, kBoot, apic::kLvtTimer, kTimerVector);
    rig.write(0, kBoot, apic::kInitialCount, 1);
    rig.write(0, kBoot, apic::kIcrLow, 3u << 18 | 0x60);
    rig.run(at_ns(1000));
    CHECK(jitter.targets == std::vector<CpuId>{1, 2});
    CHECK(rig.cpus[1].ready == std::vector<Time>{at_ns(501)});
    CHECK(rig.cpus[2].ready == std::vector<Time>{at_ns(502)});
}

TEST_CASE("record kinds: ids 32 to 63, each once, in the table") {
    for (std::size_t i = 0; i < kApicRecordKinds.size(); ++i) {
        CHECK(kApicRecordKinds[i]->id == 32 + i);
        CHECK(kApicRecordKinds[i]->id <= 63);
        CHECK(kApicRecordKinds[i]->system == "sim");
    }
}

}  // namespace
}  // namespace ticklab::sim::test
