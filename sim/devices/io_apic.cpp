#include "ticklab/sim/devices/io_apic.hpp"

#include <cassert>

#include "ticklab/sim/devices/apic_bus.hpp"
#include "ticklab/sim/devices/apic_records.hpp"

namespace ticklab::sim {

namespace {

constexpr std::uint32_t kVersion = 0x11 | (IoApic::kPinCount - 1) << 16;
constexpr std::uint32_t kIdMask = 0x0f00'0000;
/// Vector, delivery mode, destination mode, polarity, trigger, mask; the other bits are read-only or reserved.
constexpr std::uint32_t kLowWritable = 0x0001'afff;
constexpr std::uint32_t kHighWritable = 0xff00'0000;
constexpr std::uint32_t kHighWritableExtended = 0xfffe'0000;

bool level(std::uint32_t low) { return (low & IoApic::kEntryLevel) != 0; }

}  // namespace

IoApic::IoApic(ApicBus& bus) : bus_(bus), records_(bus.records()) {
    emitter_.rank = bus.engine().rank(bus.engine().add(ActivityClass::kDevice, *this));
    bus.attach(*this);
}

// Its own source gives its records their rank; it is never armed.
void IoApic::due(Time at) {
    (void)at;
    assert(false);
}

std::uint32_t IoApic::read(std::uint32_t offset) const {
    if (offset == kSelectOffset)
        return select_;
    return offset == kWindowOffset ? read_register() : 0;
}

void IoApic::write(Time at, std::uint32_t offset, std::uint32_t value, Cause cause) {
    if (offset == kSelectOffset)
        select_ = static_cast<std::uint8_t>(value);
    else if (offset == kWindowOffset)
        write_register(at, value, cause);
}

std::uint32_t IoApic::read_register() const {
    if (select_ == kIdRegister)
        return id_;
    if (select_ == kVersionRegister)
        return kVersion;
    const unsigned pin = (select_ - kEntryRegister) / 2u;
    if (select_ < kEntryRegister || pin >= kPinCount)
        return 0;
    return select_ & 1 ? pins_[pin].high : pins_[pin].low;
}

void IoApic::write_register(Time at, std::uint32_t value, Cause cause) {
    if (select_ == kIdRegister)
        id_ = value & kIdMask;
    const unsigned pin = (select_ - kEntryRegister) / 2u;
    if (select_ < kEntryRegister || pin >= kPinCount)
        return;
    if (select_ & 1)
        write_entry_high(at, pin, value);
    else
        write_entry_low(at, pin, value, cause);
}

void IoApic::write_entry_low(Time at, unsigned pin, std::uint32_t value, Cause cause) {
    Pin& p = pins_[pin];
    const Pin old = p;
    p.low = (value & kLowWritable) | (old.low & kEntryRemoteIrr);
    if (!level(p.low))
        end_level(p);
    constexpr std::uint32_t kTarget = kEntryLogical | 0xff;
    if ((p.low & kTarget) != (old.low & kTarget))
        retarget(at, old);
    send_level(at, pin, cause);
}

void IoApic::write_entry_high(Time at, unsigned pin, std::uint32_t value) {
    Pin& p = pins_[pin];
    const Pin old = p;
    p.high = value & (bus_.parameters().extended_destination ? kHighWritableExtended : kHighWritable);
    if (p.high != old.high)
        retarget(at, old);
}

void IoApic::retarget(Time at, const Pin& old_entry) {
    if (!level(old_entry.low))
        bus_.retarget_io_apic(at, destination(old_entry), static_cast<std::uint8_t>(old_entry.low));
}

ApicDestination IoApic::destination(const Pin& pin) const {
    ApicDestination d;
    d.id = pin.high >> 24;
    d.logical = (pin.low & kEntryLogical) != 0;
    if (bus_.parameters().extended_destination) {
        d.id |= (pin.high >> 17 & 0x7f) << 8;
        d.broadcast = 0x7fff;
    }
    return d;
}

void IoApic::set_pin(Time at, unsigned pin, unsigned source, bool asserted, Cause cause) {
    assert(pin < kPinCount && source < kSourceCount);
    Pin& p = pins_[pin];
    const bool was_asserted = p.sources != 0;
    const std::uint32_t bit = 1u << source;
    p.sources = asserted ? p.sources | bit : p.sources & ~bit;
    if (was_asserted || p.sources == 0)
        return;
    p.cause = cause;
    if (level(p.low))
        send_level(at, pin, cause);
    else
        edge(at, pin, cause);
}

void IoApic::pulse(Time at, unsigned pin, Cause cause) {
    assert(pin < kPinCount);
    Pin& p = pins_[pin];
    if (p.sources != 0)
        return;
    if (!level(p.low)) {
        edge(at, pin, cause);
        return;
    }
    p.sources = 1;
    send_level(at, pin, cause);
    p.sources = 0;
}

void IoApic::edge(Time at, unsigned pin, Cause cause) {
    if (pins_[pin].low & kEntryMasked) {
        ++lost_;
        records_.emit(emitter_, at, kIoApicLost, cause.record, pin, bus_.name(LostReason::kMaskedEdge));
        return;
    }
    send(at, pin, cause);
}

void IoApic::send_level(Time at, unsigned pin, Cause cause) {
    Pin& p = pins_[pin];
    if (!level(p.low) || p.sources == 0 || (p.low & (kEntryMasked | kEntryRemoteIrr)))
        return;
    // Only modes that set an ISR bit have an EOI to wait for.
    const DeliveryMode mode = delivery_mode_of(p.low);
    if (mode == DeliveryMode::kFixed || mode == DeliveryMode::kLowestPriority) {
        p.low |= kEntryRemoteIrr;
        ++p.sent;
    }
    send(at, pin, cause);
}

void IoApic::send(Time at, unsigned pin, Cause cause) {
    const Pin& p = pins_[pin];
    cause.record =
        records_.emit(emitter_, at, kIoApicSend, cause.record, pin, static_cast<std::uint8_t>(p.low), level(p.low));
    bus_.send_io_apic(at, destination(p), p.low, cause);
}

void IoApic::end_level(Pin& pin) {
    if (pin.low & kEntryRemoteIrr)
        ++pin.ended;
    pin.low &= ~kEntryRemoteIrr;
}

void IoApic::eoi(Time at, std::uint8_t vector, Cause cause) {
    for (unsigned pin = 0; pin < kPinCount; ++pin) {
        Pin& p = pins_[pin];
        if (!(p.low & kEntryRemoteIrr) || static_cast<std::uint8_t>(p.low) != vector)
            continue;
        end_level(p);
        const RecordId record = records_.emit(emitter_, at, kIoApicEoi, cause.record, pin, vector, p.sources != 0);
        send_level(at, pin, Cause{record, p.cause.root});
    }
}

std::string_view IoApic::check_invariants() const {
    for (const Pin& p : pins_) {
        const bool remote_irr = (p.low & kEntryRemoteIrr) != 0;
        if (p.sent - p.ended != (remote_irr ? 1u : 0u))
            return "LA-I5: remote IRR is not 'level message sent and no EOI yet'";
        if (remote_irr && !level(p.low))
            return "LA-D7: remote IRR at an edge pin";
        const DeliveryMode mode = delivery_mode_of(p.low);
        if (level(p.low) && p.sources != 0 && !(p.low & kEntryMasked) && !remote_irr &&
            (mode == DeliveryMode::kFixed || mode == DeliveryMode::kLowestPriority))
            return "LA-P3: an asserted, unmasked level pin has no message under way";
    }
    return {};
}

}  // namespace ticklab::sim
