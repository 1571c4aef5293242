// LA 6: IPIs: shorthands, delivery modes, destinations, delivery status, order.
#include <doctest/doctest.h>

#include "apic_rig.hpp"

namespace ticklab::sim::test {
namespace {

constexpr std::uint64_t shorthand(Shorthand s) { return std::uint64_t{static_cast<unsigned>(s)} << 18; }
constexpr std::uint64_t mode_bits(DeliveryMode m) { return std::uint64_t{static_cast<unsigned>(m)} << 8; }
constexpr Time kLater = at_ns(10'000);

/// Sends an IPI of `low` bits to `destination` in the sender's mode.
void send(ApicRig& rig, CpuId sender, Time at, std::uint64_t low, std::uint32_t destination) {
    if (rig.apics[sender].mode() == LocalApic::Mode::kX2apic) {
        rig.write(sender, at, apic::kIcrLow, std::uint64_t{destination} << 32 | low);
        return;
    }
    rig.write(sender, at, apic::kIcrHigh, destination << 24);
    rig.write(sender, at, apic::kIcrLow, low);
}

/// The CPUs that `vector` reached.
std::vector<CpuId> reached(ApicRig& rig, std::uint8_t vector) {
    std::vector<CpuId> found;
    for (CpuId cpu = 0; cpu < rig.bus.cpu_count(); ++cpu)
        if (rig.apics[cpu].irr().test(vector))
            found.push_back(cpu);
    return found;
}

using Cpus = std::vector<CpuId>;

TEST_CASE("LA 6: shorthands x delivery modes x xAPIC and x2APIC, sent by CPU 1 of 3") {
    using enum DeliveryMode;
    const DeliveryMode kModes[]{kFixed, kLowestPriority, kSmi, kReserved, kNmi, kInit, kStartUp, kExtInt};
    for (const bool x2apic : {false, true})
        for (const Shorthand s :
             {Shorthand::kNone, Shorthand::kSelf, Shorthand::kAllIncludingSelf, Shorthand::kAllExcludingSelf})
            for (const DeliveryMode mode : kModes) {
                CAPTURE(x2apic);
                CAPTURE(static_cast<int>(s));
                CAPTURE(static_cast<int>(mode));
                ApicRig rig(3);
                rig.enable_all(kBoot);
                if (x2apic)
                    rig.x2apic_all(kBoot);
                send(rig, 1, kBoot, mode_bits(mode) | shorthand(s) | apic::kIcrAssert | 0x55, 2);
                rig.run(kLater);

                Cpus expected;
                if (s == Shorthand::kNone)
                    expected = {2};
                else if (s == Shorthand::kSelf)
                    expected = {1};
                else if (s == Shorthand::kAllIncludingSelf)
                    expected = {0, 1, 2};
                else
                    expected = {0, 2};
                // Self and all-including-self are for fixed interrupts; lowest priority is xAPIC's.
                const bool to_self = s == Shorthand::kSelf || s == Shorthand::kAllIncludingSelf;
                if ((to_self && mode != kFixed) || mode == kReserved || mode == kExtInt ||
                    (mode == kLowestPriority && x2apic))
                    expected.clear();

                Cpus found;
                for (CpuId cpu = 0; cpu < 3; ++cpu) {
                    const auto& told = rig.cpus[cpu];
                    const std::size_t signals =
                        told.nmis.size() + told.smis.size() + told.inits.size() + told.start_ups.size();
                    const bool waiting_only = mode == kStartUp && cpu == 0;  // the boot CPU waits for no start-up
                    if (rig.apics[cpu].irr().test(0x55) || signals == 1 ||
                        (waiting_only && rig.lost(0, LostReason::kNotWaiting)))
                        found.push_back(cpu);
                }
                CHECK(found == expected);
                CHECK(rig.kept(kIpiSend).size() == (expected.empty() ? 0 : 1));
                CHECK(rig.apics[1].counters().invalid_sends == (expected.empty() ? 1 : 0));
            }
}

TEST_CASE("LA 6: destinations of 40 CPUs") {
    const struct {
        bool x2apic;
        bool logical;
        std::uint32_t destination;
        Cpus targets;
    } kRows[]{
        {false, false, 7, {7}},
        {false, false, 39, {39}},
        {false, false, 40, {}},  // LA-D5
        {true, false, 39, {39}},
        {true, false, 0xff, {}},
        {true, true, 0x0000'0005, {0, 2}},
        {true, true, 0x0002'00c0, {38, 39}},
        {true, true, 0x0002'8000, {}},
        {true, true, 0x0003'0001, {}},
        {true, true, 0xfff0'0001, {}},
        // Flat: LDR 1 << cpu for the first eight, and again for CPU 33.
        {false, true, 0x05, {0, 2}},
        {false, true, 0x80, {7}},
        {false, true, 0x02, {1, 33}},
    };
    for (const auto& row : kRows) {
        CAPTURE(row.x2apic);
        CAPTURE(row.destination);
        ApicRig rig(40);
        rig.enable_all(kBoot);
        if (row.x2apic)
            rig.x2apic_all(kBoot);
        else
            for (const CpuId cpu : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 33u})
                rig.write(cpu, kBoot, apic::kLdr, 1u << (24 + cpu % 8));
        send(rig, 3, kBoot, 0x60 | (row.logical ? apic::kIcrLogical : 0), row.destination);
        rig.run(kLater);
        CHECK(reached(rig, 0x60) == row.targets);
        CHECK(rig.bus.no_target() == (row.targets.empty() ? 1 : 0));
    }
}

TEST_CASE("LA 6: broadcast ids") {
    for (const bool x2apic : {false, true})
        for (const bool logical : {false, true}) {
            ApicRig rig(3);
            rig.enable_all(kBoot);
            if (x2apic)
                rig.x2apic_all(kBoot);
            send(rig, 1, kBoot, 0x60 | (logical ? apic::kIcrLogical : 0), x2apic ? 0xffff'ffff : 0xff);
            rig.run(kLater);
            CHECK(reached(rig, 0x60) == Cpus{0, 1, 2});
        }
}

TEST_CASE("LA 6: logical cluster model") {
    ApicRig rig(4);
    rig.enable_all(kBoot);
    const std::uint32_t kLdr[]{0x11, 0x12, 0x21, 0x24};
    for (CpuId cpu = 0; cpu < 4; ++cpu) {
        rig.write(cpu, kBoot, apic::kDfr, 0);
        rig.write(cpu, kBoot, apic::kLdr, kLdr[cpu] << 24);
    }
    send(rig, 0, kBoot, 0x60 | apic::kIcrLogical, 0x13);
    send(rig, 0, kBoot, 0x61 | apic::kIcrLogical, 0x24);
    send(rig, 0, kBoot, 0x62 | apic::kIcrLogical, 0x32);
    rig.run(kLater);
    CHECK(reached(rig, 0x60) == Cpus{0, 1});
    CHECK(reached(rig, 0x61) == Cpus{3});
    CHECK(reached(rig, 0x62) == Cpus{});
}

TEST_CASE("LA 6: lowest priority goes to one CPU, the one with the lowest PPR, then the lowest number") {
    ApicRig rig(3);
    rig.enable_all(kBoot);
    rig.write(0, kBoot, apic::kTpr, 0x30);
    send(rig, 0, kBoot, mode_bits(DeliveryMode::kLowestPriority) | 0x60, 0xff);
    rig.run(at_ns(1000));
    CHECK(reached(rig, 0x60) == Cpus{1});
    rig.acknowledge(1, at_ns(1000));
    send(rig, 0, at_ns(1000), mode_bits(DeliveryMode::kLowestPriority) | 0x61, 0xff);
    rig.run(at_ns(2000));
    CHECK(reached(rig, 0x61) == Cpus{2});
}

TEST_CASE("LA 2, LA 6: the self-IPI register sends a fixed edge to the CPU itself") {
    ApicRig rig(2);
    rig.enable_all(kBoot);
    rig.x2apic_all(kBoot);
    rig.write(1, kBoot, apic::kSelfIpi, 0x44);
    rig.write(1, kBoot, apic::kSelfIpi, 0x0f);
    rig.run(kLater);
    CHECK(reached(rig, 0x44) == Cpus{1});
    CHECK_FALSE(rig.apics[1].tmr().test(0x44));
    rig.write(1, kLater, apic::kEsr, 0);
    CHECK(rig.read(1, kLater, apic::kEsr) == apic::kEsrSendIllegalVector);
}

TEST_CASE("LA 6: an illegal vector is noted by the sender and not sent") {
    ApicRig rig(2);
    rig.enable_all(kBoot);
    send(rig, 0, kBoot, 0x0f, 1);
    rig.run(kLater);
    CHECK(rig.apics[1].counters().lost == LocalApicCounters{}.lost);
    rig.write(0, kLater, apic::kEsr, 0);
    CHECK(rig.read(0, kLater, apic::kEsr) == apic::kEsrSendIllegalVector);
}

TEST_CASE("LA 6: xAPIC delivery status is 1 until the last target accepted, x2APIC has none") {
    ApicRig rig(3, {}, {0, 0, 1});
    rig.enable_all(kBoot);
    send(rig, 0, at_ns(100), 0x60 | shorthand(Shorthand::kAllExcludingSelf), 0);
    CHECK((rig.read(0, at_ns(100), apic::kIcrLow) & apic::kIcrPending) != 0);
    CHECK((rig.read(0, at_ns(999), apic::kIcrLow) & apic::kIcrPending) != 0);
    CHECK((rig.read(0, at_ns(1000), apic::kIcrLow) & apic::kIcrPending) == 0);
    rig.run(at_ns(1000));
    CHECK(reached(rig, 0x60) == Cpus{1, 2});
    rig.x2apic_all(at_ns(1000));
    send(rig, 0, at_ns(1000), 0x61, 1);
    CHECK((rig.read(0, at_ns(1000), apic::kIcrLow) & apic::kIcrPending) == 0);
}

TEST_CASE("LA 7: flight time by node, LA-D6: equal latency keeps the order of sending") {
    ApicRig rig(3, {}, {0, 0, 1});
    rig.enable_all(kBoot);
    rig.x2apic_all(kBoot);
    send(rig, 0, at_ns(10), 0x60, 1);
    send(rig, 0, at_ns(10), 0x70, 1);
    send(rig, 0, at_ns(11), 0x61, 2);
    send(rig, 2, at_ns(12), 0x62, 2);
    CHECK(rig.bus.in_flight(1) == 2);
    rig.run(kLater);
    const auto accepts = rig.kept(kApicAccept);
    REQUIRE(accepts.size() == 4);
    const struct {
        std::int64_t ns;
        std::uint64_t vector;
    } kExpected[]{{510, 0x60}, {510, 0x70}, {512, 0x62}, {911, 0x61}};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(accepts[i].at == at_ns(kExpected[i].ns));
        CHECK(accepts[i].operands[0] == kExpected[i].vector);
    }
}

TEST_CASE("LA-P4, LA-F6: a delayed IPI is late, not lost, others are not delayed") {
    ApicRig rig(3);
    rig.enable_all(kBoot);
    REQUIRE(rig.bus.set_fault(kBoot, ApicFault::kIpiDelay, 1, 40'000'000, {}));
    send(rig, 0, kBoot, 0x60, 1);
    send(rig, 0, kBoot, 0x60, 2);
    REQUIRE(rig.bus.set_fault(at_ns(1), ApicFault::kIpiDelay, 1, 0, {}));
    send(rig, 0, at_ns(1), 0x61, 1);
    rig.run(at_ns(501));
    CHECK(reached(rig, 0x60) == Cpus{2});
    CHECK(reached(rig, 0x61) == Cpus{1});
    rig.run(at_ns(40'500));
    CHECK(reached(rig, 0x60) == Cpus{1, 2});
}

TEST_CASE("causes: ICR write, send and accept are linked") {
    ApicRig rig(2);
    rig.enable_all(kBoot);
    rig.x2apic_all(kBoot);
    rig.write(0, kBoot, apic::kIcrLow, std::uint64_t{1} << 32 | 0x60, Cause{RecordId{5}, 6});
    rig.run(kLater);
    const KeptRecord sent = rig.kept(kIpiSend).at(0);
    CHECK(sent.cause == RecordId{5});
    CHECK(sent.operands == std::vector<std::uint64_t>{1, 1, 0x60, rig.bus.name(DeliveryMode::kFixed)});
    CHECK(rig.kept(kApicAccept).at(0).cause == sent.id);
    CHECK(rig.apics[1].cause_of(0x60).root == 6);
}

TEST_CASE("a machine of thousands: physical ids beyond 8 bits") {
    ApicRig rig(4096);
    for (CpuId cpu : {CpuId{0}, CpuId{4095}}) {
        REQUIRE(rig.apics[cpu].write(kBoot, apic::kSvr, 0x1ff, {}) == AccessFault::kNone);
        REQUIRE(rig.apics[cpu].write_msr(kBoot, apic::kMsrBase, 0xfee0'0c00, {}) == AccessFault::kNone);
    }
    REQUIRE(rig.apics[0].write_msr(kBoot, apic::msr_of(apic::kIcrLow), std::uint64_t{4095} << 32 | 0x60, {}) ==
            AccessFault::kNone);
    rig.run(at_ns(500));
    CHECK(rig.apics[4095].deliverable());
}

}  // namespace
}  // namespace ticklab::sim::test
