#include "ticklab/model/xen/reprogram.hpp"

#include <algorithm>

#include "ticklab/model/xen/vectors.hpp"
#include "ticklab/sim/devices/local_apic_registers.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::xen {
namespace {

namespace apic = sim::apic;

constexpr std::uint32_t kDivideByOne = 0b1011;
constexpr std::uint64_t kMostTicks = 0xffff'ffff;

void write_lvt(sim::Cpu& cpu, TickSource source, std::uint32_t mask) {
    cpu.apic_write(apic::kLvtTimer,
                   kTimerVector | mask | (source == TickSource::kTscDeadline ? apic::kLvtTimerDeadlineBit : 0u));
}

std::uint64_t wide_ticks(std::uint64_t factor, std::uint64_t span) {
    return static_cast<std::uint64_t>(std::min<sim::UInt128>((sim::UInt128{factor} * span) >> 18, kMostTicks));
}

// LAPIC-03: the product as a signed 64-bit number, which is negative for a far deadline on a fast bus: as if it had
// passed.
std::uint64_t ticks_in_64_bits(std::uint64_t factor, std::uint64_t span) {
    const auto product = static_cast<std::int64_t>(factor * span);
    return product < 0 ? 0 : std::min(static_cast<std::uint64_t>(product >> 18), kMostTicks);
}

}  // namespace

void Reprogrammer::set_up(sim::Cpu& cpu) const {
    if (cpu.machine().config().x2apic && cpu.apic().mode() == sim::LocalApic::Mode::kXapic) {
        const std::uint64_t base = cpu.apic().read_msr(cpu.local_time(), apic::kMsrBase).value;
        cpu.write_msr(apic::kMsrBase, base | apic::kBaseX2apic);
    }
    cpu.apic_write(apic::kSvr, apic::kSvrEnable | kSpuriousVector);
    cpu.apic_write(apic::kDivideConfiguration, kDivideByOne);
    write_lvt(cpu, source_, 0);
    // The mode is written by MMIO and the deadline by MSR: without a fence the second may overtake the first (LA 3.4).
    if (source_ == TickSource::kTscDeadline && cpu.apic().mode() == sim::LocalApic::Mode::kXapic)
        sim::full_barrier(cpu);
}

void Reprogrammer::mask(sim::Cpu& cpu) const { write_lvt(cpu, source_, apic::kLvtMasked); }

void Reprogrammer::park(sim::Cpu& cpu) const {
    (void)reprogram(cpu, kNoDeadline);
    mask(cpu);
}

void Reprogrammer::unpark(sim::Cpu& cpu) const { write_lvt(cpu, source_, 0); }

std::uint64_t Reprogrammer::ticks_for(StimeSpan remaining) const {
    if (remaining <= StimeSpan::zero())
        return 0;
    const auto span = static_cast<std::uint64_t>(remaining.count());
    return changes_.wide_count_product ? wide_ticks(scale_.factor, span) : ticks_in_64_bits(scale_.factor, span);
}

Reprogrammed Reprogrammer::reprogram(sim::Cpu& cpu, Stime deadline) const {
    if (source_ == TickSource::kTscDeadline) {
        const std::uint64_t tsc = deadline == kNoDeadline ? 0 : time_.to_tsc(cpu.id(), deadline);
        cpu.write_tsc_deadline(tsc);
        return {tsc, true};
    }
    std::uint64_t ticks = 0;
    if (deadline != kNoDeadline) {
        const Stime now = time_.now(cpu);
        // Deadlines may lie before boot, where the difference might not fit.
        ticks = deadline > now ? ticks_for(deadline - now) : 0;
    }
    cpu.apic_write(apic::kInitialCount, ticks);
    return {ticks, ticks != 0 || deadline == kNoDeadline};
}

std::uint64_t Reprogrammer::count(sim::Cpu& cpu) const { return cpu.apic_read(apic::kInitialCount); }

void Reprogrammer::restart(sim::Cpu& cpu, std::uint64_t count) const { cpu.apic_write(apic::kInitialCount, count); }

sim::Duration Reprogrammer::quantum() const {
    const std::uint64_t hz = bus_hz_;
    return sim::Duration{static_cast<std::int64_t>((1'000'000'000'000 + hz - 1) / hz)};
}

}  // namespace ticklab::xen
