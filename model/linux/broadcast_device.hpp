// A clock-event device that wakes CPUs whose own timers stop (LNT 11.1).
//
// Rules
//  (1) All calls come with the broadcast's lock held, so interrupts are off.
//  (2) `next_event` is what the device was asked for; armed_for() is when it will interrupt, for oracles. The two
//      differ where the device is clamped, or has lost what it was asked for.
#pragma once

#include <string_view>

#include "ticklab/model/linux/ktime.hpp"
#include "ticklab/sim/record.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::sim {
class Cpu;
}

namespace ticklab::linux_ {

class BroadcastDevice {
public:
    BroadcastDevice() = default;
    virtual ~BroadcastDevice() = default;
    BroadcastDevice(const BroadcastDevice&) = delete;
    BroadcastDevice& operator=(const BroadcastDevice&) = delete;

    virtual std::string_view name() const = 0;
    /// Asks for an interrupt at `expires`, at `target` if the device can choose; kKtimeMax stops the device. False if
    /// that has passed and `force` is not set. [point]
    bool program(sim::Cpu& cpu, Ktime expires, Ktime now, sim::CpuId target, bool force) {
        if (expires <= now && !force)
            return false;
        next_event_ = expires;
        return set(cpu, expires, now, target, force);
    }
    /// Its interrupt is being handled.
    void expired() { next_event_ = armed_for_ = kKtimeMax; }
    /// It is a timer of some CPU, its callback part of that CPU's clock-event interrupt.
    virtual bool hosted() const { return false; }
    /// That CPU, which must not sleep deep while the timer is armed; kNoCpu for none (LNT 11.3).
    virtual sim::CpuId host() const { return sim::kNoCpu; }
    /// The CPU that its interrupts go to.
    virtual sim::CpuId target() const = 0;

    Ktime next_event() const { return next_event_; }
    Ktime armed_for() const { return armed_for_; }
    /// How much later than asked for it may interrupt.
    virtual KtimeSpan min_delta() const = 0;

protected:
    virtual bool set(sim::Cpu& cpu, Ktime expires, Ktime now, sim::CpuId target, bool force) = 0;

    Ktime next_event_ = kKtimeMax;
    Ktime armed_for_ = kKtimeMax;
};

}  // namespace ticklab::linux_
