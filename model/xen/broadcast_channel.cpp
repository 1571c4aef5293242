#include "ticklab/model/xen/broadcast_channel.hpp"

#include "ticklab/model/xen/sites.hpp"
#include "ticklab/sim/devices/hpet_timer.hpp"

namespace ticklab::xen {
namespace {

using sim::Cpu;
namespace hpet = sim::hpet;

constexpr std::uint32_t kMessageWindow = 0xfee0'0000;
constexpr unsigned kDestinationShift = 12;

/// A comparator this close behind the counter's last reading may have come too late (HP 8.3, the hypervisor's row).
constexpr std::uint32_t kGuardTicks = 2;

// HPET-20: the loop over the timers wrote the first one's register.
std::uint32_t first_timers_register(std::uint32_t offset) { return hpet::timer_register(0, offset); }

bool elapsed_beyond(std::uint32_t before, std::uint32_t after, std::uint64_t ticks) {
    return static_cast<std::uint32_t>(after + kGuardTicks - before) > ticks;
}

// HPET-11: order of a 32-bit counter and a comparator that is kept in 64 bits: wrong once the comparator has passed the
// counter's width, and no guard against a write that comes just too late.
bool counter_not_below(std::uint32_t before, std::uint32_t after, std::uint64_t ticks) {
    return std::uint64_t{after} >= std::uint64_t{before} + ticks;
}

}  // namespace

constinit const ComparatorRule kElapsedRule{StimeSpan{20'000}, elapsed_beyond};
constinit const ComparatorRule kOrderRule{StimeSpan{1'000}, counter_not_below};

void BroadcastChannel::configure(Cpu& cpu, std::uint8_t vector, const XenChanges& changes) {
    namespace bits = sim::hpet_timer_bits;
    const std::uint64_t message = legacy ? 0 : bits::kFsbEnable;
    if (!legacy)
        cpu.hpet_write(reg(hpet::kTimerMessage), vector);
    disarm(cpu);
    cpu.hpet_write(
        changes.own_channel_config ? reg(hpet::kTimerConfiguration) : first_timers_register(hpet::kTimerConfiguration),
        bits::kIntEnable | bits::k32Mode | message);
    if (legacy)
        cpu.io_apic_write_entry(sim::Hpet::kLegacyPinTimer0, 0, vector);
}

void BroadcastChannel::retarget(Cpu& cpu, sim::CpuId target) {
    if (legacy)
        cpu.io_apic_write_entry(sim::Hpet::kLegacyPinTimer0, 1, target << 24);
    else
        // The data stay: one write of 32 bits, so that no message goes half to the old and half to the new target.
        cpu.hpet_write(reg(hpet::kTimerMessageAddress), kMessageWindow | target << kDestinationShift);
}

bool BroadcastChannel::write_comparator(Cpu& cpu, std::uint64_t ticks, const ComparatorRule& rule) {
    const auto before = static_cast<std::uint32_t>(cpu.hpet_read(hpet::kMainCounter));
    cpu.at(sites::kBroadcastBeforeComparator);
    cpu.hpet_write(reg(hpet::kTimerComparator), static_cast<std::uint32_t>(before + ticks));
    const auto after = static_cast<std::uint32_t>(cpu.hpet_read(hpet::kMainCounter));
    if (!rule.late(before, after, ticks))
        return true;
    ++missed;
    return false;
}

void BroadcastChannel::disarm(Cpu& cpu) {
    cpu.hpet_write(reg(hpet::kTimerComparator), static_cast<std::uint32_t>(cpu.hpet_read(hpet::kMainCounter)));
}

}  // namespace ticklab::xen
