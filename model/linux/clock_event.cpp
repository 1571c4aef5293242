#include "ticklab/model/linux/clock_event.hpp"

#include <algorithm>

#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/vectors.hpp"
#include "ticklab/sim/devices/local_apic_registers.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {
namespace {

namespace apic = sim::apic;

/// The bus clock is divided by 16, whatever the source (divide configuration 0011).
constexpr std::uint32_t kDivideBy16 = 0b0011;
constexpr std::uint64_t kBusDivider = 16;
/// A deadline is a multiple of this many cycles of the TSC away.
constexpr std::uint64_t kTscDivider = 8;
/// Fewest and most ticks that the device is asked for.
constexpr std::uint64_t kMinTicks = 0xf;
constexpr std::uint64_t kMaxTicks = 0x7fff'ffff;
/// A deadline may be as far away as instants go.
constexpr KtimeSpan kMaxDeadlineDelta{std::int64_t{1} << 62};

KtimeSpan span_of(std::uint64_t ticks, std::uint64_t hz) {
    return KtimeSpan{static_cast<std::int64_t>((sim::UInt128{ticks} * kNsPerSecond + hz - 1) / hz)};
}

}  // namespace

ClockEvents::ClockEvents(sim::Machine& machine, Timekeeping& time, TickSource source)
    : time_(time),
      source_(source),
      device_hz_(source == TickSource::kTscDeadline ? machine.config().tsc_hz / kTscDivider
                                                    : machine.config().apic_bus_hz / kBusDivider),
      min_delta_(span_of(kMinTicks, device_hz_)),
      max_delta_(source == TickSource::kTscDeadline ? kMaxDeadlineDelta : span_of(kMaxTicks, device_hz_)),
      devices_(machine.cpu_count()) {}

void ClockEvents::set_up_apic(sim::Cpu& cpu) const {
    if (cpu.machine().config().x2apic && cpu.apic().mode() == sim::LocalApic::Mode::kXapic) {
        const std::uint64_t base = cpu.apic().read_msr(cpu.local_time(), apic::kMsrBase).value;
        cpu.write_msr(apic::kMsrBase, base | apic::kBaseX2apic);
    }
    cpu.apic_write(apic::kSvr, apic::kSvrEnable | kSpuriousVector);
    cpu.apic_write(apic::kDivideConfiguration, kDivideBy16);
    cpu.apic_write(apic::kLvtTimer,
                   kLocalTimerVector | (source_ == TickSource::kTscDeadline ? apic::kLvtTimerDeadlineBit : 0u));
}

void ClockEvents::attach(sim::Cpu& cpu, EventHandler handler) {
    devices_[cpu.id()] = Device{.attached = true, .handler = handler, .programmed = devices_[cpu.id()].programmed};
}

void ClockEvents::detach(sim::Cpu& cpu) {
    Device& device = devices_[cpu.id()];
    stop(cpu, device);
    cpu.apic_write(apic::kLvtTimer, kLocalTimerVector | apic::kLvtMasked |
                                        (source_ == TickSource::kTscDeadline ? apic::kLvtTimerDeadlineBit : 0u));
    device.attached = false;
    device.handler = {};
}

void ClockEvents::interrupt(sim::Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    Device& device = devices_[cpu.id()];
    device.armed_for = kKtimeMax;
    if (device.handler.run)
        device.handler.run(device.handler.object, cpu);
}

void ClockEvents::stop(sim::Cpu& cpu, Device& device) {
    device.next_event = kKtimeMax;
    stop_hardware(cpu, device);
}

void ClockEvents::stop_hardware(sim::Cpu& cpu, Device& device) {
    device.armed_for = kKtimeMax;
    cpu.record(kClockEventRecord, ns(kKtimeMax), 0);
    if (source_ == TickSource::kTscDeadline)
        cpu.write_tsc_deadline(0);
    else
        cpu.apic_write(apic::kInitialCount, 0);
}

void ClockEvents::shut_down(sim::Cpu& cpu) {
    Device& device = devices_[cpu.id()];
    device.shut = true;
    if (device.armed_for != kKtimeMax)
        stop_hardware(cpu, device);
}

void ClockEvents::set(sim::Cpu& cpu, Device& device, Ktime now, KtimeSpan delta) {
    const auto ticks =
        static_cast<std::uint64_t>(sim::UInt128{static_cast<std::uint64_t>(delta.count())} * device_hz_ / kNsPerSecond);
    ++device.programmed;
    device.armed_for = now + delta;
    const std::uint64_t value = source_ == TickSource::kTscDeadline ? cpu.read_tsc() + ticks * kTscDivider : ticks;
    const sim::Cause outer = cpu.cause();
    (void)cpu.set_cause({cpu.record(kClockEventRecord, ns(device.next_event), value), outer.root});
    if (source_ == TickSource::kTscDeadline)
        cpu.write_tsc_deadline(value);
    else
        cpu.apic_write(apic::kInitialCount, value);
    (void)cpu.set_cause(outer);
}

bool ClockEvents::program(sim::Cpu& cpu, Ktime expires, bool force) {
    Device& device = devices_[cpu.id()];
    if (!device.attached)
        return true;
    if (device.shut) {
        device.next_event = expires;
        return true;
    }
    device.cause = cpu.cause();
    if (expires == kKtimeMax) {
        // A device that is stopped already needs no access.
        if (device.next_event != kKtimeMax || device.armed_for != kKtimeMax)
            stop(cpu, device);
        return true;
    }
    const Ktime now = time_.now(cpu);
    device.next_event = expires;
    if (expires > now) {
        set(cpu, device, now, std::clamp(expires - now, min_delta_, max_delta_));
        return true;
    }
    if (!force)
        return false;
    device.next_event = now + min_delta_;
    set(cpu, device, now, min_delta_);
    return true;
}

}  // namespace ticklab::linux_
