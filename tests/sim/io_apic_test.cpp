// LA 9: the I/O APIC.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "apic_rig.hpp"

namespace ticklab::sim::test {
namespace {

constexpr unsigned kPin = 2;
constexpr std::uint8_t kPinVector = 0x61;

void set_register(ApicRig& rig, Time at, unsigned index, std::uint32_t value) {
    rig.io_apic.write(at, IoApic::kSelectOffset, index, {});
    rig.io_apic.write(at, IoApic::kWindowOffset, value, {});
    rig.check();
}
std::uint32_t get_register(ApicRig& rig, unsigned index) {
    rig.io_apic.write(kBoot, IoApic::kSelectOffset, index, {});
    return rig.io_apic.read(IoApic::kWindowOffset);
}
void set_low(ApicRig& rig, Time at, std::uint32_t value, unsigned pin = kPin) {
    set_register(rig, at, IoApic::kEntryRegister + 2 * pin, value);
}
std::uint32_t low(ApicRig& rig) { return get_register(rig, IoApic::kEntryRegister + 2 * kPin); }

/// Takes the vector and ends it.
void serve(ApicRig& rig, CpuId cpu, Time at) {
    CHECK(rig.acknowledge(cpu, at) == kPinVector);
    rig.eoi(cpu, at);
}

TEST_CASE("LA 9: registers") {
    ApicRig rig;
    CHECK(get_register(rig, IoApic::kVersionRegister) == 0x0017'0011);
    CHECK(low(rig) == IoApic::kEntryMasked);
    set_register(rig, kBoot, IoApic::kIdRegister, 0xffff'ffff);
    CHECK(get_register(rig, IoApic::kIdRegister) == 0x0f00'0000);
    // Delivery status and remote IRR are read-only.
    set_low(rig, kBoot, 0xffff'ffff);
    CHECK(low(rig) == 0x0001'afff);
    set_register(rig, kBoot, IoApic::kEntryRegister + 2 * kPin + 1, 0xffff'ffff);
    CHECK(get_register(rig, IoApic::kEntryRegister + 2 * kPin + 1) == 0xff00'0000);
    CHECK(get_register(rig, 0x40) == 0);
    CHECK(rig.io_apic.read(0x20) == 0);
}

TEST_CASE("LA 9: an edge is sent ioapic_fly later, a held line is one edge") {
    ApicRig rig;
    rig.enable_all(kBoot);
    set_low(rig, kBoot, kPinVector);
    rig.io_apic.set_pin(at_ns(10), kPin, 0, true, Cause{RecordId{3}, 4});
    rig.run(at_ps(709'999));
    CHECK_FALSE(rig.apics[0].deliverable());
    rig.run(at_ns(710));
    serve(rig, 0, at_ns(710));
    rig.io_apic.set_pin(at_ns(720), kPin, 1, true, {});
    rig.io_apic.pulse(at_ns(730), kPin, {});
    rig.run(at_ns(5000));
    CHECK_FALSE(rig.apics[0].deliverable());
    rig.io_apic.set_pin(at_ns(5000), kPin, 0, false, {});
    rig.io_apic.set_pin(at_ns(5000), kPin, 1, false, {});
    rig.io_apic.set_pin(at_ns(5010), kPin, 1, true, {});
    rig.run(at_ns(6000));
    serve(rig, 0, at_ns(6000));
    const KeptRecord sent = rig.kept(kIoApicSend).at(0);
    CHECK(sent.cause == RecordId{3});
    CHECK(rig.kept(kApicAccept).at(0).cause == sent.id);
}

TEST_CASE("LA 9: a masked edge is lost, not held") {
    ApicRig rig;
    rig.enable_all(kBoot);
    set_low(rig, kBoot, kPinVector | IoApic::kEntryMasked);
    rig.io_apic.pulse(at_ns(10), kPin, {});
    rig.io_apic.set_pin(at_ns(20), kPin, 0, true, {});
    set_low(rig, at_ns(30), kPinVector);
    rig.run(at_ns(5000));
    CHECK_FALSE(rig.apics[0].deliverable());
    CHECK(rig.io_apic.lost() == 2);
    CHECK(rig.kept(kIoApicLost).size() == 2);
}

TEST_CASE("LA-P3: a level line is delivered again until it is quiet") {
    ApicRig rig;
    rig.enable_all(kBoot);
    set_low(rig, kBoot, kPinVector | IoApic::kEntryLevel);
    rig.io_apic.set_pin(at_ns(10), kPin, 0, true, {});
    rig.io_apic.set_pin(at_ns(20), kPin, 5, true, {});
    rig.run(at_ns(1000));
    CHECK((low(rig) & IoApic::kEntryRemoteIrr) != 0);
    CHECK(rig.kept(kIoApicSend).size() == 1);
    rig.io_apic.set_pin(at_ns(1000), kPin, 0, false, {});
    serve(rig, 0, at_ns(1000));
    CHECK((low(rig) & IoApic::kEntryRemoteIrr) != 0);
    rig.run(at_ns(2000));
    rig.io_apic.set_pin(at_ns(2000), kPin, 5, false, {});
    serve(rig, 0, at_ns(2000));
    CHECK((low(rig) & IoApic::kEntryRemoteIrr) == 0);
    rig.run(at_ns(5000));
    CHECK_FALSE(rig.apics[0].deliverable());
    CHECK(rig.kept(kIoApicEoi).size() == 2);
}

TEST_CASE("LA 9: a level line that was asserted while masked is sent at unmasking, masking later changes nothing") {
    ApicRig rig;
    rig.enable_all(kBoot);
    set_low(rig, kBoot, kPinVector | IoApic::kEntryLevel | IoApic::kEntryMasked);
    rig.io_apic.set_pin(at_ns(10), kPin, 0, true, {});
    rig.run(at_ns(1000));
    CHECK_FALSE(rig.apics[0].deliverable());
    set_low(rig, at_ns(1000), kPinVector | IoApic::kEntryLevel);
    set_low(rig, at_ns(1001), kPinVector | IoApic::kEntryLevel | IoApic::kEntryMasked);
    rig.run(at_ns(2000));
    serve(rig, 0, at_ns(2000));
    rig.run(at_ns(5000));
    CHECK_FALSE(rig.apics[0].deliverable());
}

TEST_CASE("LA 4.4: the EOI of a level vector is broadcast unless suppressed") {
    for (const bool suppressed : {false, true}) {
        ApicRig rig;
        rig.write(0, kBoot, apic::kSvr, 0x1ff | (suppressed ? apic::kSvrSuppressEoiBroadcast : 0));
        set_low(rig, kBoot, kPinVector | IoApic::kEntryLevel);
        rig.io_apic.pulse(kBoot, kPin, {});
        rig.run(at_ns(1000));
        serve(rig, 0, at_ns(1000));
        CHECK(((low(rig) & IoApic::kEntryRemoteIrr) != 0) == suppressed);
    }
}

TEST_CASE("LA-D7: changing the trigger to edge clears remote IRR") {
    ApicRig rig;
    rig.enable_all(kBoot);
    set_low(rig, kBoot, kPinVector | IoApic::kEntryLevel);
    rig.io_apic.set_pin(kBoot, kPin, 0, true, {});
    CHECK((low(rig) & IoApic::kEntryRemoteIrr) != 0);
    set_low(rig, kBoot, kPinVector);
    CHECK((low(rig) & IoApic::kEntryRemoteIrr) == 0);
    set_low(rig, at_ns(1), kPinVector | IoApic::kEntryLevel);
    CHECK((low(rig) & IoApic::kEntryRemoteIrr) != 0);
}

TEST_CASE("LA 9: destination and delivery mode of the entry") {
    ApicRig rig(3);
    rig.enable_all(kBoot);
    set_register(rig, kBoot, IoApic::kEntryRegister + 2 * kPin + 1, 2u << 24);
    set_low(rig, kBoot, kPinVector);
    rig.io_apic.pulse(kBoot, kPin, {});
    set_low(rig, kBoot, 0x400 | IoApic::kEntryLevel);
    rig.io_apic.pulse(at_ns(1), kPin, {});
    set_low(rig, kBoot, 0x700);
    rig.io_apic.pulse(at_ns(2), kPin, {});
    rig.run(at_ns(1000));
    CHECK(rig.apics[2].irr().test(kPinVector));
    CHECK(rig.cpus[2].nmis.size() == 1);
    CHECK(rig.lost(2, LostReason::kNoController) == 1);
}

TEST_CASE("LA-F3: an edge in flight when the entry gets another destination") {
    for (const bool faulty : {false, true}) {
        ApicRig rig(2);
        rig.enable_all(kBoot);
        REQUIRE(rig.bus.set_fault(kBoot, ApicFault::kLostEdgeAtRetarget, kNoCpu, faulty, {}));
        set_low(rig, kBoot, kPinVector);
        rig.io_apic.pulse(at_ns(10), kPin, {});
        set_register(rig, at_ns(20), IoApic::kEntryRegister + 2 * kPin + 1, 1u << 24);
        rig.io_apic.pulse(at_ns(30), kPin, {});
        rig.run(at_ns(1000));
        CHECK(rig.apics[0].irr().test(kPinVector) == !faulty);
        CHECK(rig.apics[1].irr().test(kPinVector));
    }
}

TEST_CASE("LA-I5, LA-P3: random lines, masks and handlers leave no asserted line behind") {
    CHECK(rc::check([] {
        ApicRig rig;
        rig.enable_all(kBoot);
        set_low(rig, kBoot, kPinVector | IoApic::kEntryLevel);
        bool asserted[3]{};
        std::int64_t now = 0;
        const int operations = pick(1, 60);
        for (int i = 0; i < operations; ++i) {
            now += pick(1, 900);
            rig.run(at_ns(now));
            const int what = pick(0, 6);
            if (what < 3) {
                asserted[what] = !asserted[what];
                rig.io_apic.set_pin(at_ns(now), kPin, static_cast<unsigned>(what), asserted[what], {});
            } else if (what == 3) {
                set_low(rig, at_ns(now), kPinVector | IoApic::kEntryLevel | (pick(0, 2) ? IoApic::kEntryMasked : 0));
            } else if (rig.apics[0].deliverable()) {
                serve(rig, 0, at_ns(now));
            }
            rig.check();
        }
        set_low(rig, at_ns(now), kPinVector | IoApic::kEntryLevel);
        rig.run(at_ns(now += 1000));
        const bool high = asserted[0] || asserted[1] || asserted[2];
        if (rig.apics[0].deliverable()) {
            serve(rig, 0, at_ns(now));
            rig.run(at_ns(now += 1000));
        }
        RC_ASSERT(rig.apics[0].deliverable() == high);
    }));
}

}  // namespace
}  // namespace ticklab::sim::test
