// A CPU's clock-event device: its local APIC timer, one-shot or TSC-deadline (LHR 7.5, 7.6). The one writer of that
// hardware.
//
// Rules
//  (1) All calls come from the CPU that owns the device, interrupts off.
//  (2) A deadline is programmed as a distance from now, at least min_delta and at most max_delta, rounded down to ticks
//      of the device: so an interrupt may come early, and its handler finds nothing due (LHR 7.7).
//  (3) A deadline that is not ahead of the clock is refused unless it is forced (LHR-D1).
//  (4) A device that is shut down, since the CPU is about to sleep in a state in which it would stop, remembers what it
//      is asked for and programs nothing (LNT 11.3, LHR 7.5).
#pragma once

#include <cstdint>
#include <deque>

#include "ticklab/model/linux/jiffies.hpp"
#include "ticklab/sim/cpu.hpp"

namespace ticklab::linux_ {

enum class TickSource : std::uint8_t { kTscDeadline, kOneShot };

/// What an interrupt of the device calls.
struct EventHandler {
    void (*run)(void* object, sim::Cpu& cpu) = nullptr;
    void* object = nullptr;
};

class ClockEvents {
public:
    ClockEvents(sim::Machine& machine, Timekeeping& time, TickSource source);

    /// First set-up of this CPU's local APIC, or after it came back. The device stays detached. [point]
    void set_up_apic(sim::Cpu& cpu) const;
    /// The device is there, its interrupts go to `handler`.
    void attach(sim::Cpu& cpu, EventHandler handler);
    void set_handler(const sim::Cpu& cpu, EventHandler handler) { devices_[cpu.id()].handler = handler; }
    /// The device of a dying CPU is shut down; an interrupt that is already pending finds no handler. [point]
    void detach(sim::Cpu& cpu);
    /// The local APIC timer's interrupt, EOI done.
    void interrupt(sim::Cpu& cpu);

    /// Programs the device for `expires`; kKtimeMax stops it. False if that has passed and `force` is not set: then the
    /// hardware is as it was. `cpu.cause()` becomes the cause of the interrupt. [point]
    bool program(sim::Cpu& cpu, Ktime expires, bool force);
    /// Around a sleep that stops the device, nothing else in between. [point]
    void shut_down(sim::Cpu& cpu);
    void resume(const sim::Cpu& cpu) { devices_[cpu.id()].shut = false; }
    /// What the device was last asked for; kKtimeMax if it is stopped or its interrupt is being handled.
    Ktime next_event(sim::CpuId cpu) const { return devices_[cpu].next_event; }
    /// What asked for it.
    const sim::Cause& cause_of(sim::CpuId cpu) const { return devices_[cpu].cause; }
    void clear_next_event(const sim::Cpu& cpu) { devices_[cpu.id()].next_event = kKtimeMax; }
    bool attached(sim::CpuId cpu) const { return devices_[cpu].attached; }
    /// The latest instant at which the hardware will interrupt, as it was programmed; kKtimeMax for none. For oracles.
    Ktime armed_for(sim::CpuId cpu) const { return devices_[cpu].armed_for; }
    std::uint64_t programmed(sim::CpuId cpu) const { return devices_[cpu].programmed; }

    KtimeSpan min_delta() const { return min_delta_; }
    KtimeSpan max_delta() const { return max_delta_; }

private:
    struct Device {
        bool attached = false;
        EventHandler handler;
        Ktime next_event = kKtimeMax;
        Ktime armed_for = kKtimeMax;
        std::uint64_t programmed = 0;
        bool shut = false;
        sim::Cause cause{};
    };
    void set(sim::Cpu& cpu, Device& device, Ktime now, KtimeSpan delta);
    void stop(sim::Cpu& cpu, Device& device);
    void stop_hardware(sim::Cpu& cpu, Device& device);

    Timekeeping& time_;
    TickSource source_;
    std::uint64_t device_hz_;
    KtimeSpan min_delta_;
    KtimeSpan max_delta_;
    std::deque<Device> devices_;
};

}  // namespace ticklab::linux_
