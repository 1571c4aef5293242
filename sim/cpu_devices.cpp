// What a CPU does to its devices: local APIC, TSC, HPET. Each access is an interleaving point at its price (MA 3.1).
#include <fmt/format.h>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/devices/local_apic_registers.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::sim {
namespace {

constexpr std::array<std::string_view, 4> kFaultNames{
    "none", "#GP: reserved bit or register, wrong direction or illegal mode change",
    "the MMIO window is dead in this mode", "not aligned to 32 bits"};

constexpr std::uint64_t kTimerHash = name_hash("timer");
constexpr std::uint64_t kIpiHash = name_hash("ipi");
constexpr std::uint64_t kHpetHash = name_hash("hpet");

}  // namespace

void Cpu::require_access(AccessFault fault, std::uint32_t where) {
    if (fault != AccessFault::kNone) [[unlikely]]
        this->fail(checks::kAccessFault,
                   fmt::format("local APIC access {:#x}: {}", where, kFaultNames[static_cast<std::size_t>(fault)]));
}

void Cpu::apic_write(std::uint32_t offset, std::uint64_t value) {
    sync();
    pay(apic_.mode() == LocalApic::Mode::kX2apic ? machine_.prices().msr_write : machine_.prices().apic_write);
    const Cause by = offset == apic::kInitialCount ? deferred(kTimerHash) : cause();
    require_access(apic_.write(clock_.now(), offset, value, by), offset);
}

std::uint64_t Cpu::apic_read(std::uint32_t offset) {
    sync();
    pay(machine_.prices().apic_read);
    const ApicRead read = apic_.read(clock_.now(), offset);
    require_access(read.fault, offset);
    return read.value;
}

void Cpu::apic_eoi() {
    sync();
    pay(apic_.mode() == LocalApic::Mode::kX2apic ? machine_.prices().msr_write : machine_.prices().apic_write);
    apic_.eoi(clock_.now());
}

void Cpu::write_msr(std::uint32_t msr, std::uint64_t value) {
    sync();
    pay(machine_.prices().msr_write);
    if (msr == kMsrTsc)
        tsc_.write(clock_.now(), value, cause());
    else if (msr == kMsrTscAdjust)
        tsc_.write_adjust(clock_.now(), value, cause());
    else
        require_access(
            apic_.write_msr(clock_.now(), msr, value, msr == apic::kMsrTscDeadline ? deferred(kTimerHash) : cause()),
            msr);
}

void Cpu::write_tsc_deadline(std::uint64_t tsc) { write_msr(apic::kMsrTscDeadline, tsc); }

void Cpu::suspend_to_ram(Duration length) {
    require(!irqs_enabled_, "suspend to RAM with interrupts enabled");
    sync();
    apic_.lose_timer(clock_.now());
    spend_time(length);
}

void Cpu::write_icr(CpuId target, std::uint32_t low) {
    constexpr std::uint32_t kMaxXapicTarget = 0xfe;
    sync();
    pay(machine_.prices().ipi_send);
    const Cause by = deferred(mix(kIpiHash, target));
    // Under tso and weak an x2APIC ICR write drains nothing: whoever needs order fences before it (MA 6.3).
    if (apic_.mode() == LocalApic::Mode::kX2apic) {
        require_access(apic_.write(clock_.now(), apic::kIcrLow, (std::uint64_t{target} << 32) | low, by),
                       apic::kIcrLow);
        return;
    }
    if (target > kMaxXapicTarget)
        fail(checks::kAccessFault, fmt::format("CPU {} cannot be named in xAPIC mode", target));
    // An uncached store comes after all stores before it.
    drain_stores();
    require_access(apic_.write(clock_.now(), apic::kIcrHigh, std::uint64_t{target} << 24, by), apic::kIcrHigh);
    require_access(apic_.write(clock_.now(), apic::kIcrLow, low, by), apic::kIcrLow);
}

void Cpu::send_ipi(CpuId target, std::uint8_t vector) {
    machine_.cpu(target).ipi_sync_.release_join(*this);
    write_icr(target, static_cast<std::uint32_t>(apic::kIcrAssert) | vector);
}

void Cpu::send_nmi(CpuId target) {
    machine_.cpu(target).ipi_sync_.release_join(*this);
    write_icr(target, static_cast<std::uint32_t>(apic::kIcrAssert) | (4u << 8));
}

void Cpu::send_init_start_up(CpuId target) {
    constexpr std::uint32_t kInit = 5u << 8;
    constexpr std::uint32_t kStartUp = 6u << 8;
    // Any page below 1 MiB will do: the model has no real-mode code.
    constexpr std::uint32_t kTrampolinePage = 0x9f;
    write_icr(target, static_cast<std::uint32_t>(apic::kIcrAssert) | kInit);
    spend_time(std::chrono::microseconds{10});
    write_icr(target, static_cast<std::uint32_t>(apic::kIcrAssert) | kStartUp | kTrampolinePage);
    machine_.cpu(target).ipi_sync_.release_join(*this);
}

std::uint64_t Cpu::read_tsc() {
    spend(machine_.prices().tsc_read);
    return tsc_.read(clock_.now());
}

std::uint64_t Cpu::read_tsc_unordered() {
    spend(machine_.prices().tsc_read);
    if (!tsc_.reads_early()) [[likely]]
        return tsc_.read(clock_.now());
    return tsc_.read_unordered(clock_.now(), [this](std::uint64_t bound) { return draw(sites::kEarlyTscRead, bound); });
}

void Cpu::pay_hpet(const InterleavingPoint& point) {
    sync(point);
    drain_stores();
    pay(machine_.prices().mmio_hpet);
    // The device serves one access after the other, whatever each of them took on its way.
    clock_.move_to(machine_.hpet_free_at_);
    machine_.hpet_free_at_ = clock_.now();
}

std::uint64_t Cpu::hpet_read(std::uint32_t offset, unsigned bytes) {
    // Nobody changes what the counter reads.
    pay_hpet({nullptr, offset == hpet::kMainCounter ? nullptr : &machine_.hpet(), false});
    return machine_.hpet().read(clock_.now(), offset, bytes);
}

void Cpu::hpet_write(std::uint32_t offset, std::uint64_t value, unsigned bytes) {
    pay_hpet({nullptr, &machine_.hpet(), true});
    machine_.hpet().write(clock_.now(), offset, value, bytes, deferred(kHpetHash));
}

void Cpu::io_apic_write_entry(unsigned pin, unsigned half, std::uint32_t value) {
    for (const auto& [offset, word] : {std::pair{IoApic::kSelectOffset, IoApic::kEntryRegister + 2 * pin + half},
                                       std::pair{IoApic::kWindowOffset, value}}) {
        sync();
        spend(machine_.prices().apic_write);
        machine_.io_apic().write(clock_.now(), offset, word, cause());
    }
}

}  // namespace ticklab::sim
