// Register accesses of the local APIC: the register table, modes, ICR (LA 2, LA 5, LA 6).
#include <cassert>

#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/devices/local_apic.hpp"

namespace ticklab::sim {

namespace {

constexpr unsigned kWindowRegisters = 0x400 / 16;
constexpr std::uint32_t kXapicVersion = 0x15;

/// Who may do what with a register.
enum Access : std::uint8_t {
    kXapicRead = 1,
    kXapicWrite = 2,
    kX2apicRead = 4,
    kX2apicWrite = 8,
    kRead = kXapicRead | kX2apicRead,
    kWrite = kXapicWrite | kX2apicWrite,
    kReadWrite = kRead | kWrite,
};

}  // namespace

/// One row of the register map. `bits` are those that a write may set; the others are dropped in xAPIC mode and fault
/// in x2APIC mode.
struct LocalApic::Register {
    unsigned access = 0;
    std::uint64_t bits = 0;
    std::uint64_t (LocalApic::*read)(Time, unsigned) const = nullptr;
    AccessFault (LocalApic::*write)(Time, unsigned, std::uint64_t, Cause) = nullptr;
};

const std::array<LocalApic::Register, kWindowRegisters>& LocalApic::registers() {
    using A = LocalApic;
    static constexpr auto kTable = [] {
        std::array<Register, kWindowRegisters> t{};
        const auto at = [&t](std::uint32_t offset) -> Register& { return t[offset >> 4]; };
        at(apic::kId) = {kRead, 0, &A::read_id, nullptr};
        at(apic::kVersion) = {kRead, 0, &A::read_version, nullptr};
        at(apic::kTpr) = {kReadWrite, 0xff, &A::read_tpr, &A::write_tpr_register};
        at(apic::kPpr) = {kRead, 0, &A::read_ppr, nullptr};
        at(apic::kEoi) = {kWrite, 0, nullptr, &A::write_eoi};
        at(apic::kLdr) = {kRead | kXapicWrite, 0xff00'0000, &A::read_ldr, &A::write_ldr};
        at(apic::kDfr) = {kXapicRead | kXapicWrite, 0xf000'0000, &A::read_dfr, &A::write_dfr};
        at(apic::kSvr) = {kReadWrite, 0x11ff, &A::read_svr, &A::write_svr};
        for (std::uint32_t i = 0; i < 3 * 8; ++i)
            at(apic::kIsr + i * 16) = {kRead, 0, &A::read_vectors, nullptr};
        at(apic::kEsr) = {kReadWrite, 0, &A::read_esr, &A::write_esr};
        at(apic::kLvtCmci) = {kReadWrite, 0x1'07ff, &A::read_lvt, &A::write_lvt};
        at(apic::kIcrLow) = {kReadWrite, 0xffff'ffff'000c'cfff, &A::read_icr, &A::write_icr};
        at(apic::kIcrHigh) = {kXapicRead | kXapicWrite, 0xff00'0000, &A::read_icr_high, &A::write_icr_high};
        at(apic::kLvtTimer) = {kReadWrite, 0x7'00ff, &A::read_lvt, &A::write_lvt_timer};
        at(apic::kLvtThermal) = {kReadWrite, 0x1'07ff, &A::read_lvt, &A::write_lvt};
        at(apic::kLvtPerformance) = {kReadWrite, 0x1'07ff, &A::read_lvt, &A::write_lvt};
        at(apic::kLvtLint0) = {kReadWrite, 0x1'a7ff, &A::read_lvt, &A::write_lvt};
        at(apic::kLvtLint1) = {kReadWrite, 0x1'a7ff, &A::read_lvt, &A::write_lvt};
        at(apic::kLvtError) = {kReadWrite, 0x1'00ff, &A::read_lvt, &A::write_lvt};
        at(apic::kInitialCount) = {kReadWrite, 0xffff'ffff, &A::read_timer, &A::write_initial_count};
        at(apic::kCurrentCount) = {kRead, 0, &A::read_timer, nullptr};
        at(apic::kDivideConfiguration) = {kReadWrite, 0xb, &A::read_timer, &A::write_divide};
        at(apic::kSelfIpi) = {kX2apicWrite, 0xff, nullptr, &A::write_self_ipi};
        return t;
    }();
    return kTable;
}

std::uint64_t LocalApic::writable_bits(const Register& r, unsigned index) const {
    std::uint64_t bits = r.bits;
    if (index == apic::kLvtTimer >> 4 && !bus_.parameters().tsc_deadline)
        bits &= ~std::uint64_t{apic::kLvtTimerDeadlineBit};
    if (index == apic::kSvr >> 4 && !bus_.parameters().eoi_broadcast_suppression)
        bits &= ~std::uint64_t{apic::kSvrSuppressEoiBroadcast};
    return bits;
}

ApicRead LocalApic::read_mmio(Time at, std::uint32_t offset) {
    if (mode_ != Mode::kXapic)
        return {0, AccessFault::kNotMapped};
    if (offset & 0xf)
        return {0, AccessFault::kMisaligned};
    const unsigned index = offset >> 4;
    const unsigned access = index < kWindowRegisters ? registers()[index].access : 0;
    if (!(access & (kXapicRead | kXapicWrite)) || (offset == apic::kLvtCmci && !bus_.parameters().cmci)) {
        note_error(at, apic::kEsrIllegalRegister, {});
        return {};
    }
    if (!(access & kXapicRead))
        return {};
    return {(this->*registers()[index].read)(at, index) & 0xffff'ffff, AccessFault::kNone};
}

AccessFault LocalApic::write_mmio(Time at, std::uint32_t offset, std::uint32_t value, Cause cause) {
    if (mode_ != Mode::kXapic)
        return AccessFault::kNotMapped;
    if (offset & 0xf)
        return AccessFault::kMisaligned;
    const unsigned index = offset >> 4;
    const unsigned access = index < kWindowRegisters ? registers()[index].access : 0;
    if (!(access & (kXapicRead | kXapicWrite)) || (offset == apic::kLvtCmci && !bus_.parameters().cmci)) {
        note_error(at, apic::kEsrIllegalRegister, cause);
        return AccessFault::kNone;
    }
    if (!(access & kXapicWrite))
        return AccessFault::kNone;
    const Register& r = registers()[index];
    return (this->*r.write)(at, index, value & writable_bits(r, index), cause);
}

ApicRead LocalApic::read_msr(Time at, std::uint32_t msr) {
    if (msr == apic::kMsrBase)
        return {base(), AccessFault::kNone};
    if (msr == apic::kMsrTscDeadline && bus_.parameters().tsc_deadline)
        return {timer_.deadline(at), AccessFault::kNone};
    const unsigned index = msr - apic::kMsrX2apicFirst;
    if (mode_ != Mode::kX2apic || msr < apic::kMsrX2apicFirst || index >= kWindowRegisters)
        return {0, AccessFault::kGeneralProtection};
    const Register& r = registers()[index];
    if (!(r.access & kX2apicRead) || (msr == apic::msr_of(apic::kLvtCmci) && !bus_.parameters().cmci))
        return {0, AccessFault::kGeneralProtection};
    return {(this->*r.read)(at, index), AccessFault::kNone};
}

AccessFault LocalApic::write_msr(Time at, std::uint32_t msr, std::uint64_t value, Cause cause) {
    if (msr == apic::kMsrBase)
        return write_base(at, value, cause);
    if (msr == apic::kMsrTscDeadline && bus_.parameters().tsc_deadline)
        return write_deadline(at, value, cause);
    const unsigned index = msr - apic::kMsrX2apicFirst;
    if (mode_ != Mode::kX2apic || msr < apic::kMsrX2apicFirst || index >= kWindowRegisters)
        return AccessFault::kGeneralProtection;
    const Register& r = registers()[index];
    if (!(r.access & kX2apicWrite) || (value & ~writable_bits(r, index)) != 0 ||
        (msr == apic::msr_of(apic::kLvtCmci) && !bus_.parameters().cmci))
        return AccessFault::kGeneralProtection;
    return (this->*r.write)(at, index, value, cause);
}

ApicRead LocalApic::read(Time at, std::uint32_t offset) {
    return mode_ == Mode::kX2apic ? read_msr(at, apic::msr_of(offset)) : read_mmio(at, offset);
}

AccessFault LocalApic::write(Time at, std::uint32_t offset, std::uint64_t value, Cause cause) {
    return mode_ == Mode::kX2apic ? write_msr(at, apic::msr_of(offset), value, cause)
                                  : write_mmio(at, offset, static_cast<std::uint32_t>(value), cause);
}

std::uint64_t LocalApic::base() const {
    return base_address_ | (cpu_ == 0 ? apic::kBaseBsp : 0) | (mode_ != Mode::kDisabled ? apic::kBaseEnable : 0) |
           (mode_ == Mode::kX2apic ? apic::kBaseX2apic : 0);
}

AccessFault LocalApic::write_base(Time at, std::uint64_t value, Cause cause) {
    constexpr std::uint64_t kFields = apic::kBaseAddress | apic::kBaseBsp | apic::kBaseEnable | apic::kBaseX2apic;
    const bool enable = (value & apic::kBaseEnable) != 0;
    const bool x2apic = (value & apic::kBaseX2apic) != 0;
    if ((value & ~kFields) != 0 || (x2apic && (!enable || !bus_.parameters().x2apic)))
        return AccessFault::kGeneralProtection;
    const Mode next = !enable ? Mode::kDisabled : x2apic ? Mode::kX2apic : Mode::kXapic;
    // x2APIC mode is left by disabling and entered from xAPIC mode only.
    if ((mode_ == Mode::kX2apic && next == Mode::kXapic) || (mode_ == Mode::kDisabled && next == Mode::kX2apic))
        return AccessFault::kGeneralProtection;
    base_address_ = value & apic::kBaseAddress;
    if (next == mode_)
        return AccessFault::kNone;
    settle(at);
    mode_ = next;
    if (next == Mode::kDisabled)
        reset(at, cause);
    else
        record_state(at, cause);
    return AccessFault::kNone;
}

std::uint64_t LocalApic::read_id(Time, unsigned) const {
    return mode_ == Mode::kX2apic ? cpu_ : std::uint64_t{cpu_ & 0xff} << 24;
}

std::uint64_t LocalApic::read_version(Time, unsigned) const {
    const std::uint32_t max_lvt = kLvtCount - (bus_.parameters().cmci ? 1 : 2);
    return kXapicVersion | max_lvt << 16 | (bus_.parameters().eoi_broadcast_suppression ? 1u << 24 : 0);
}

std::uint64_t LocalApic::read_tpr(Time, unsigned) const { return tpr_; }
std::uint64_t LocalApic::read_ppr(Time, unsigned) const { return ppr_; }
std::uint64_t LocalApic::read_ldr(Time, unsigned) const { return logical_id(); }
std::uint64_t LocalApic::read_dfr(Time, unsigned) const { return dfr_; }
std::uint64_t LocalApic::read_svr(Time, unsigned) const { return svr_; }
std::uint64_t LocalApic::read_esr(Time, unsigned) const { return esr_; }
std::uint64_t LocalApic::read_icr_high(Time, unsigned) const { return icr_ >> 32; }

std::uint64_t LocalApic::read_vectors(Time, unsigned index) const {
    static_assert(apic::kTmr == apic::kIsr + 0x80 && apic::kIrr == apic::kTmr + 0x80);
    const std::array<const VectorSet*, 3> sets{&isr_, &tmr_, &irr_};
    const unsigned i = index - (apic::kIsr >> 4);
    return sets[i / 8]->word(i % 8);
}

std::uint64_t LocalApic::read_icr(Time at, unsigned) const {
    return icr_ | (mode_ == Mode::kXapic && at < icr_accepted_at_ ? apic::kIcrPending : 0);
}

namespace {

LvtEntry lvt_entry(unsigned index) {
    return index == apic::kLvtCmci >> 4 ? LvtEntry::kCmci : static_cast<LvtEntry>(index - (apic::kLvtTimer >> 4) + 1);
}

}  // namespace

std::uint64_t LocalApic::read_lvt(Time, unsigned index) const { return lvt(lvt_entry(index)); }

AccessFault LocalApic::write_lvt(Time, unsigned index, std::uint64_t value, Cause) {
    lvt_word(lvt_entry(index)) = static_cast<std::uint32_t>(value) | (software_enabled() ? 0 : apic::kLvtMasked);
    return AccessFault::kNone;
}

AccessFault LocalApic::write_tpr_register(Time at, unsigned, std::uint64_t value, Cause) {
    write_tpr(at, static_cast<std::uint8_t>(value));
    return AccessFault::kNone;
}

AccessFault LocalApic::write_eoi(Time at, unsigned, std::uint64_t, Cause cause) {
    eoi(at, cause);
    return AccessFault::kNone;
}

AccessFault LocalApic::write_ldr(Time, unsigned, std::uint64_t value, Cause) {
    ldr_ = static_cast<std::uint32_t>(value);
    return AccessFault::kNone;
}

AccessFault LocalApic::write_dfr(Time, unsigned, std::uint64_t value, Cause) {
    dfr_ = static_cast<std::uint32_t>(value) | 0x0fff'ffff;
    return AccessFault::kNone;
}

AccessFault LocalApic::write_svr(Time at, unsigned, std::uint64_t value, Cause cause) {
    settle(at);
    const bool was_enabled = software_enabled();
    svr_ = static_cast<std::uint32_t>(value);
    if (!software_enabled())
        for (std::uint32_t& word : lvt_)
            word |= apic::kLvtMasked;
    if (software_enabled() != was_enabled)
        record_state(at, cause);
    update(at);
    return AccessFault::kNone;
}

AccessFault LocalApic::write_esr(Time, unsigned, std::uint64_t, Cause) {
    esr_ = esr_noted_;
    esr_noted_ = 0;
    return AccessFault::kNone;
}

AccessFault LocalApic::write_icr_high(Time, unsigned, std::uint64_t value, Cause) {
    icr_ = (icr_ & 0xffff'ffff) | value << 32;
    return AccessFault::kNone;
}

AccessFault LocalApic::write_icr(Time at, unsigned, std::uint64_t value, Cause cause) {
    icr_ = mode_ == Mode::kX2apic ? value : (icr_ & ~std::uint64_t{0xffff'ffff}) | value;
    send(at, icr_, cause);
    return AccessFault::kNone;
}

AccessFault LocalApic::write_self_ipi(Time at, unsigned, std::uint64_t value, Cause cause) {
    send(at, value | std::uint64_t{static_cast<unsigned>(Shorthand::kSelf)} << apic::kIcrShorthandShift, cause);
    return AccessFault::kNone;
}

void LocalApic::send(Time at, std::uint64_t icr, Cause cause) {
    IpiRequest request;
    request.vector = static_cast<std::uint8_t>(icr);
    request.mode = delivery_mode_of(static_cast<std::uint32_t>(icr));
    request.shorthand = static_cast<Shorthand>(icr >> apic::kIcrShorthandShift & 3);
    request.destination.logical = (icr & apic::kIcrLogical) != 0;
    if (mode_ == Mode::kX2apic) {
        request.destination.id = static_cast<std::uint32_t>(icr >> 32);
        request.destination.broadcast = 0xffff'ffff;
    } else {
        request.destination.id = static_cast<std::uint32_t>(icr >> 56);
    }

    if (request.mode == DeliveryMode::kInit && (icr & apic::kIcrLevel) && !(icr & apic::kIcrAssert))
        return;
    const bool to_self = request.shorthand == Shorthand::kSelf || request.shorthand == Shorthand::kAllIncludingSelf;
    if (request.mode == DeliveryMode::kReserved || request.mode == DeliveryMode::kExtInt ||
        (to_self && request.mode != DeliveryMode::kFixed)) {
        ++counters_.invalid_sends;
        return;
    }
    if (request.mode == DeliveryMode::kLowestPriority && mode_ == Mode::kX2apic) {
        ++counters_.invalid_sends;
        note_error(at, apic::kEsrRedirectableIpi, cause);
        return;
    }
    if (request.mode <= DeliveryMode::kLowestPriority && request.vector < apic::kFirstLegalVector) {
        note_error(at, apic::kEsrSendIllegalVector, cause);
        return;
    }
    icr_accepted_at_ = bus_.send_ipi(at, *this, request, cause);
}

}  // namespace ticklab::sim
