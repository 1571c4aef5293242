#include "ticklab/model/linux/hpet_block.hpp"

#include "ticklab/sim/devices/hpet_registers.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {

using sim::Cpu;

namespace {

namespace registers = sim::hpet;

constexpr std::uint32_t kHpetNotReady = 0xffff'ffff;
/// A block that firmware emulates reads as all ones for a while (HP 8.1).
constexpr unsigned kNotReadyTries = 1000;
constexpr std::uint32_t kLeastPeriodFs = 100'000;
constexpr std::uint32_t kMostPeriodFs = 100'000'000;
/// TSC cycles within which the counter must have moved.
constexpr std::uint64_t kMovesWithin = 200'000;

/// What a redirection entry can name without interrupt remapping.
constexpr sim::CpuId kMostTargets = 255;

}  // namespace

bool HpetBlock::take_into_use(Cpu& cpu) {
    if (!in_use_)
        in_use_ = reset(cpu);
    return in_use_;
}

bool HpetBlock::reset(Cpu& cpu) {
    const auto capabilities = static_cast<std::uint32_t>(cpu.hpet_read(registers::kCapabilities));
    const auto period = static_cast<std::uint32_t>(cpu.hpet_read(registers::kPeriod));
    auto configuration = static_cast<std::uint32_t>(cpu.hpet_read(registers::kConfiguration));
    for (unsigned i = 0; configuration == kHpetNotReady && i < kNotReadyTries; ++i)
        configuration = static_cast<std::uint32_t>(cpu.hpet_read(registers::kConfiguration));
    const bool usable = configuration != kHpetNotReady && (capabilities & registers::kRevision) != 0 &&
                        (capabilities & registers::kLegacyCapable) != 0 && period >= kLeastPeriodFs &&
                        period <= kMostPeriodFs && cpu.machine().cpu_count() <= kMostTargets;
    if (!usable)
        return false;
    configuration &= ~(registers::kEnable | registers::kLegacyRouting);
    cpu.hpet_write(registers::kConfiguration, configuration);
    const unsigned timers = registers::timer_count(capabilities);
    for (unsigned n = 0; n < timers; ++n)
        cpu.hpet_write(registers::timer_register(n, registers::kTimerConfiguration), 0);
    if (restart_counter_)
        cpu.hpet_write(registers::kMainCounter, 0, 8);
    cpu.hpet_write(registers::kConfiguration, configuration | registers::kEnable);
    if (!counts(cpu))
        return false;
    rate_hz_ = 1'000'000'000'000'000 / period;
    cpu.hpet_write(registers::kConfiguration, configuration | registers::kEnable | registers::kLegacyRouting);
    return true;
}

bool HpetBlock::counts(Cpu& cpu) const {
    const std::uint64_t before = cpu.hpet_read(registers::kMainCounter);
    const std::uint64_t since = cpu.read_tsc();
    while (cpu.read_tsc() - since < kMovesWithin)
        if (cpu.hpet_read(registers::kMainCounter) != before)
            return true;
    return false;
}

}  // namespace ticklab::linux_
