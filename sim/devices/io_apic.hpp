// A minimal I/O APIC: 24 pins with a redirection entry each (LA 9).
//
// Rules
//  - A pin is the OR of its sources; `asserted` is the logical state, the polarity bit is stored and has no effect
//    (LA-D10).
//  - Edge pins send on a rise of the OR. A masked edge is lost, not held.
//  - Level pins send while asserted, unmasked and remote IRR is 0; remote IRR is 1 from the message until an EOI of its
//    vector (LA-I5).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "ticklab/sim/devices/apic_message.hpp"
#include "ticklab/sim/engine.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::sim {

class ApicBus;

class IoApic : private ActivityHandler {
public:
    static constexpr unsigned kPinCount = 24;
    /// Sources of one pin number from 0 to kSourceCount - 1.
    static constexpr unsigned kSourceCount = 32;

    static constexpr std::uint32_t kSelectOffset = 0x00;
    static constexpr std::uint32_t kWindowOffset = 0x10;
    static constexpr std::uint8_t kIdRegister = 0x00;
    static constexpr std::uint8_t kVersionRegister = 0x01;
    /// Low word of the entry of pin k is register kEntryRegister + 2k, the high word the next.
    static constexpr std::uint8_t kEntryRegister = 0x10;

    static constexpr std::uint32_t kEntryLogical = 1u << 11;
    static constexpr std::uint32_t kEntryActiveLow = 1u << 13;
    static constexpr std::uint32_t kEntryRemoteIrr = 1u << 14;
    static constexpr std::uint32_t kEntryLevel = 1u << 15;
    static constexpr std::uint32_t kEntryMasked = 1u << 16;

    /// Reset state: every pin masked. `bus` outlives it.
    explicit IoApic(ApicBus& bus);
    IoApic(const IoApic&) = delete;
    IoApic& operator=(const IoApic&) = delete;

    /// MMIO of 32 bits at offset kSelectOffset or kWindowOffset; others read 0 and ignore writes.
    std::uint32_t read(std::uint32_t offset) const;
    void write(Time at, std::uint32_t offset, std::uint32_t value, Cause cause);

    /// Source `source` of `pin` asserts its line or lets go of it, at `at`.
    void set_pin(Time at, unsigned pin, unsigned source, bool asserted, Cause cause);
    /// One edge at `pin`; at a level pin an assertion too short to last. A pin that is asserted already sees no edge.
    void pulse(Time at, unsigned pin, Cause cause);
    bool asserted(unsigned pin) const { return pins_[pin].sources != 0; }

    /// A local APIC's EOI broadcast; called by the bus.
    void eoi(Time at, std::uint8_t vector, Cause cause);

    /// Edges that came to nothing.
    std::uint64_t lost() const { return lost_; }

    /// The invariant that is broken; empty if all hold.
    std::string_view check_invariants() const;

private:
    struct Pin {
        std::uint32_t low = kEntryMasked;
        std::uint32_t high = 0;
        std::uint32_t sources = 0;
        std::uint64_t sent = 0;  // level messages, and how many of them an EOI or a change to edge ended (LA-I5)
        std::uint64_t ended = 0;
        Cause cause;  // of the last assertion
    };

    void due(Time at) override;
    std::uint32_t read_register() const;
    void write_register(Time at, std::uint32_t value, Cause cause);
    void write_entry_low(Time at, unsigned pin, std::uint32_t value, Cause cause);
    void write_entry_high(Time at, unsigned pin, std::uint32_t value);
    void edge(Time at, unsigned pin, Cause cause);
    void send_level(Time at, unsigned pin, Cause cause);
    void send(Time at, unsigned pin, Cause cause);
    ApicDestination destination(const Pin& pin) const;
    void retarget(Time at, const Pin& old_entry);
    static void end_level(Pin& pin);

    ApicBus& bus_;
    RecordStream& records_;
    Emitter emitter_;
    std::uint32_t id_ = 0;
    std::uint8_t select_ = 0;
    std::uint64_t lost_ = 0;
    std::array<Pin, kPinCount> pins_{};
};

}  // namespace ticklab::sim
