// LA 2: register map, modes, access faults.
#include <doctest/doctest.h>

#include "apic_rig.hpp"

namespace ticklab::sim::test {
namespace {

constexpr auto kOk = AccessFault::kNone;
constexpr auto kGp = AccessFault::kGeneralProtection;

TEST_CASE("LA 2: who may read and write what") {
    // In xAPIC mode a forbidden direction is ignored, in x2APIC mode it faults.
    const struct {
        std::uint32_t offset;
        bool x2apic_read;
        bool x2apic_write;
        std::uint64_t value;
    } kRows[]{
        {apic::kId, true, false, 0},
        {apic::kVersion, true, false, 0},
        {apic::kTpr, true, true, 0xff},
        {apic::kPpr, true, false, 0},
        {apic::kEoi, false, true, 0},
        {apic::kLdr, true, false, 0},
        {apic::kDfr, false, false, 0},
        {apic::kSvr, true, true, 0x11ff},
        {apic::kIsr, true, false, 0},
        {apic::kIsr + 0x70, true, false, 0},
        {apic::kTmr, true, false, 0},
        {apic::kIrr + 0x70, true, false, 0},
        {apic::kEsr, true, true, 0},
        {apic::kLvtCmci, true, true, 0x107ff},
        {apic::kIcrLow, true, true, 0x40040},
        {apic::kIcrHigh, false, false, 0},
        {apic::kLvtTimer, true, true, 0x500ff},
        {apic::kLvtThermal, true, true, 0x107ff},
        {apic::kLvtPerformance, true, true, 0x107ff},
        {apic::kLvtLint0, true, true, 0x1a7ff},
        {apic::kLvtLint1, true, true, 0x1a7ff},
        {apic::kLvtError, true, true, 0x100ff},
        {apic::kInitialCount, true, true, 0},
        {apic::kCurrentCount, true, false, 0},
        {apic::kDivideConfiguration, true, true, 0xb},
        {apic::kSelfIpi, false, true, 0x40},
        {0x090, false, false, 0},  // not in the model
        {0x3a0, false, false, 0},
    };
    for (const auto& row : kRows) {
        CAPTURE(row.offset);
        ApicRig rig;
        rig.enable_all(kBoot);
        CHECK(rig.apics[0].read_mmio(kBoot, row.offset).fault == kOk);
        CHECK(rig.apics[0].read_msr(kBoot, apic::msr_of(row.offset)).fault == kGp);
        CHECK(rig.apics[0].write_msr(kBoot, apic::msr_of(row.offset), row.value, {}) == kGp);
        rig.x2apic_all(kBoot);
        CHECK(rig.apics[0].read_mmio(kBoot, row.offset).fault == AccessFault::kNotMapped);
        CHECK(rig.apics[0].write_mmio(kBoot, row.offset, 0, {}) == AccessFault::kNotMapped);
        CHECK(rig.apics[0].read_msr(kBoot, apic::msr_of(row.offset)).fault == (row.x2apic_read ? kOk : kGp));
        CHECK(rig.apics[0].write_msr(kBoot, apic::msr_of(row.offset), row.value, {}) == (row.x2apic_write ? kOk : kGp));
        // Reserved bits fault. ICR has 32 bits of destination above, so look at one of its own holes.
        if (row.x2apic_write) {
            const std::uint64_t reserved = row.offset == apic::kIcrLow ? 1u << 12 : std::uint64_t{1} << 32;
            CHECK(rig.apics[0].write_msr(kBoot, apic::msr_of(row.offset), row.value | reserved, {}) == kGp);
        }
        if (row.x2apic_read && row.x2apic_write)
            CHECK(rig.apics[0].read_msr(kBoot, apic::msr_of(row.offset)).value == row.value);
        rig.check();
    }
}

TEST_CASE("LA 2: x2APIC EOI other than 0 faults and ends nothing") {
    ApicRig rig;
    rig.enable_all(kBoot);
    rig.x2apic_all(kBoot);
    rig.accept(0, kBoot, 0x40);
    rig.acknowledge(0, kBoot);
    CHECK(rig.apics[0].write_msr(kBoot, apic::msr_of(apic::kEoi), 1, {}) == kGp);
    CHECK(rig.apics[0].isr().count() == 1);
    CHECK(rig.apics[0].write_msr(kBoot, apic::msr_of(apic::kEoi), 0, {}) == kOk);
    CHECK(rig.apics[0].isr().count() == 0);
}

TEST_CASE("LA 2: xAPIC accesses drop reserved bits, misaligned and reserved ones") {
    ApicRig rig;
    rig.enable_all(kBoot);
    rig.write(0, kBoot, apic::kLvtTimer, 0xffff'ffff);
    CHECK(rig.read(0, kBoot, apic::kLvtTimer) == 0x700ff);
    rig.write(0, kBoot, apic::kLdr, 0x12ff'ffff);
    CHECK(rig.read(0, kBoot, apic::kLdr) == 0x1200'0000);
    rig.write(0, kBoot, apic::kDfr, 0);
    CHECK(rig.read(0, kBoot, apic::kDfr) == 0x0fff'ffff);
    CHECK(rig.apics[0].read_mmio(kBoot, 0x84).fault == AccessFault::kMisaligned);
    CHECK(rig.apics[0].write_mmio(kBoot, 0x82, 0, {}) == AccessFault::kMisaligned);
    rig.write(0, kBoot, 0x3a0, 0);
    rig.write(0, kBoot, 0xff0, 0);
    rig.write(0, kBoot, apic::kEsr, 0);
    CHECK(rig.read(0, kBoot, apic::kEsr) == apic::kEsrIllegalRegister);
    // Read-only registers ignore writes and are no error.
    rig.write(0, kBoot, apic::kPpr, 0xff);
    rig.write(0, kBoot, apic::kEsr, 0);
    CHECK(rig.read(0, kBoot, apic::kEsr) == 0);
}

TEST_CASE("LA 2: vectors appear in IRR, ISR and TMR at their bits") {
    ApicRig rig;
    rig.enable_all(kBoot);
    rig.accept(0, kBoot, 0x45, true);
    rig.accept(0, kBoot, 0xff);
    CHECK(rig.read(0, kBoot, apic::kIrr + 0x20) == 1u << 5);
    CHECK(rig.read(0, kBoot, apic::kTmr + 0x20) == 1u << 5);
    CHECK(rig.read(0, kBoot, apic::kIrr + 0x70) == 1u << 31);
    rig.acknowledge(0, kBoot);
    CHECK(rig.read(0, kBoot, apic::kIsr + 0x70) == 1u << 31);
    CHECK(rig.read(0, kBoot, apic::kIrr + 0x70) == 0);
    // An edge of the same vector later clears its TMR bit.
    rig.accept(0, kBoot, 0x45, false);
    CHECK(rig.read(0, kBoot, apic::kTmr + 0x20) == 0);
}

TEST_CASE("LA 2: legal and illegal mode changes") {
    constexpr std::uint64_t kDisabled = apic::kBaseAddressReset;
    constexpr std::uint64_t kXapic = kDisabled | apic::kBaseEnable;
    constexpr std::uint64_t kX2apic = kXapic | apic::kBaseX2apic;
    constexpr std::uint64_t kInvalid = kDisabled | apic::kBaseX2apic;
    const struct {
        std::vector<std::uint64_t> path;  // from xAPIC mode
        AccessFault last;
    } kRows[]{
        {{kDisabled}, kOk},       {{kDisabled, kXapic}, kOk},         {{kX2apic}, kOk},  {{kX2apic, kDisabled}, kOk},
        {{kX2apic, kXapic}, kGp}, {{kDisabled, kX2apic}, kGp},        {{kInvalid}, kGp}, {{kX2apic, kInvalid}, kGp},
        {{kXapic | 1}, kGp},      {{kX2apic, kDisabled, kXapic}, kOk}};
    for (const auto& row : kRows) {
        ApicRig rig;
        AccessFault fault = kOk;
        for (const std::uint64_t value : row.path)
            fault = rig.apics[0].write_msr(kBoot, apic::kMsrBase, value, {});
        CHECK(fault == row.last);
        if (fault == kOk)
            CHECK((rig.apics[0].read_msr(kBoot, apic::kMsrBase).value & ~apic::kBaseBsp) == row.path.back());
        rig.check();
    }
}

TEST_CASE("LA 2: x2APIC LDR is derived from the id") {
    ApicRig rig(40);
    rig.x2apic_all(kBoot);
    CHECK(rig.read(0, kBoot, apic::kLdr) == 0x0000'0001);
    CHECK(rig.read(15, kBoot, apic::kLdr) == 0x0000'8000);
    CHECK(rig.read(37, kBoot, apic::kLdr) == 0x0002'0020);
    CHECK(rig.read(37, kBoot, apic::kId) == 37);
}

TEST_CASE("parameters that take features away") {
    ApicParameters parameters;
    parameters.tsc_deadline = false;
    parameters.x2apic = false;
    parameters.cmci = false;
    parameters.eoi_broadcast_suppression = false;
    ApicRig rig(1, parameters);
    CHECK(rig.apics[0].read_msr(kBoot, apic::kMsrTscDeadline).fault == kGp);
    CHECK(rig.apics[0].write_msr(kBoot, apic::kMsrTscDeadline, 1, {}) == kGp);
    CHECK(rig.apics[0].write_msr(kBoot, apic::kMsrBase, apic::kBaseAddressReset | apic::kBaseEnable | apic::kBaseX2apic,
                                 {}) == kGp);
    rig.write(0, kBoot, apic::kLvtTimer, lvt_timer(ApicTimerMode::kTscDeadline));
    CHECK(rig.apics[0].timer().mode() == ApicTimerMode::kOneShot);
    rig.write(0, kBoot, apic::kSvr, 0x11ff);
    CHECK(rig.read(0, kBoot, apic::kSvr) == 0x1ff);
    CHECK(rig.read(0, kBoot, apic::kVersion) == 0x0005'0015);
    rig.write(0, kBoot, apic::kLvtCmci, 0x40);
    rig.write(0, kBoot, apic::kEsr, 0);
    CHECK(rig.read(0, kBoot, apic::kEsr) == apic::kEsrIllegalRegister);
}

}  // namespace
}  // namespace ticklab::sim::test
