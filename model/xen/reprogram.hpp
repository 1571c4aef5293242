// Programming a CPU's timer hardware for a deadline (XT 8). The one writer of the local APIC's timer.
#pragma once

#include <cstdint>

#include "ticklab/model/xen/changes.hpp"
#include "ticklab/model/xen/stime.hpp"
#include "ticklab/model/xen/system_time.hpp"
#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/time_scale.hpp"

namespace ticklab::xen {

enum class TickSource : std::uint8_t {
    kOneShot,      ///< local APIC one-shot count, 18-bit scale (XT 8.1)
    kTscDeadline,  ///< TSC-deadline MSR (XT 8.2)
};

/// What reprogram() did.
struct Reprogrammed {
    std::uint64_t value;  ///< bus ticks or TSC
    /// An interrupt will come at or about the deadline, or there is none and the hardware is stopped. If not, the
    /// deadline has passed or is less than a tick away, and the hardware is stopped.
    bool ok;
};

class Reprogrammer {
public:
    Reprogrammer(const SystemTime& time, TickSource source, std::uint64_t bus_hz, const XenChanges& changes)
        : time_(time),
          source_(source),
          scale_(sim::BusScale::of_frequency(bus_hz)),
          bus_hz_(bus_hz),
          changes_(changes) {}

    /// First set-up of this CPU's local APIC, or after it came back: interrupts off. The timer stays stopped. [point]
    void set_up(sim::Cpu& cpu) const;
    /// Masks the timer of a CPU that is going off-line. [point]
    void mask(sim::Cpu& cpu) const;
    /// Stops and masks the timer of a CPU that goes to sleep where it would stop by itself: what is left of its count
    /// would interrupt later (XT-F11). [point]
    void park(sim::Cpu& cpu) const;
    /// Takes the mask away. The timer stays stopped. [point]
    void unpark(sim::Cpu& cpu) const;
    /// Programs this CPU's hardware; `cpu.cause()` becomes the cause of the interrupt. [point]
    Reprogrammed reprogram(sim::Cpu& cpu, Stime deadline) const;
    /// Initial count of this CPU's one-shot timer, 0 if it is stopped or in TSC-deadline mode. [point]
    std::uint64_t count(sim::Cpu& cpu) const;
    /// Starts the one-shot timer with that count. [point]
    void restart(sim::Cpu& cpu, std::uint64_t count) const;
    /// Bus ticks for `remaining` nanoseconds, at most 2^32 - 1: rounded down twice, so the interrupt may come early
    /// (XT 8.1).
    std::uint64_t ticks_for(StimeSpan remaining) const;
    /// What the hardware adds to a deadline at most: one tick of its clock (Q of XT-P2).
    sim::Duration quantum() const;

private:
    const SystemTime& time_;
    TickSource source_;
    sim::BusScale scale_;
    std::uint64_t bus_hz_;
    const XenChanges& changes_;
};

}  // namespace ticklab::xen
