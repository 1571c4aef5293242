#include "ticklab/sim/devices/hpet.hpp"

#include <algorithm>
#include <cassert>
#include <stdexcept>

#include "ticklab/sim/devices/hpet_records.hpp"
#include "ticklab/sim/devices/hpet_registers.hpp"

namespace ticklab::sim {
namespace {

constexpr std::uint64_t kAllLanes = ~std::uint64_t{0};
/// The bit that a glitch flips: seconds at 14.3 MHz (TC-F7).
constexpr std::uint64_t kGlitch = std::uint64_t{1} << 27;

}  // namespace

const Hpet::Register Hpet::kBlockRegisters[] = {
    {hpet::kCapabilities, &Hpet::read_capabilities, nullptr},
    {hpet::kConfiguration, &Hpet::read_config, &Hpet::write_config},
    {hpet::kStatus, &Hpet::read_status, &Hpet::write_status},
    {hpet::kMainCounter, &Hpet::read_counter, &Hpet::write_counter},
};

const Hpet::Register Hpet::kTimerRegisters[] = {
    {hpet::kTimerConfiguration, &Hpet::read_timer_config, &Hpet::write_timer_config},
    {hpet::kTimerComparator, &Hpet::read_comparator, &Hpet::write_comparator},
    {hpet::kTimerMessage, &Hpet::read_fsb, &Hpet::write_fsb},
};

Hpet::Hpet(Engine& engine, RecordStream& records, HpetSink& sink, const HpetParams& params)
    : engine_(engine),
      records_(records),
      sink_(sink),
      params_(params),
      counter_(TickRate::of_period(std::max(params.period_fs, kHpetMinPeriodFs)), params.counter_bits == 32 ? 32 : 64) {
    if (const std::string problem = params.problem(); !problem.empty())
        throw std::invalid_argument(problem);
    counter_.stop(kBoot);
    counter_.set(kBoot, params_.counter_start);
    for (unsigned i = 0; i < params_.timers.size(); ++i) {
        Slot& slot = slots_.emplace_back(*this, i);
        slot.source = engine_.add(ActivityClass::kDevice, slot);
    }
    emitter_.rank = engine_.rank(slots_.front().source);
    delivery_names_ = {records_.intern("none"), records_.intern("message"), records_.intern("level"),
                       records_.intern("edge")};
}

const Hpet::Register* Hpet::find(Access& access) {
    const std::uint32_t word = access.offset & ~std::uint32_t{7};
    if (word < hpet::kTimerBase) {
        for (const Register& r : kBlockRegisters)
            if (r.offset == word)
                return &r;
        return nullptr;
    }
    const std::uint32_t n = (word - hpet::kTimerBase) / hpet::kTimerStride;
    if (n >= slots_.size())
        return nullptr;
    access.slot = &slots_[n];
    for (const Register& r : kTimerRegisters)
        if (r.offset == word % hpet::kTimerStride)
            return &r;
    return nullptr;
}

std::uint64_t Hpet::read(Time at, std::uint32_t offset, unsigned bytes) {
    settle(at);
    Access access{at, offset, bytes, 0, kAllLanes, nullptr, {}};
    if ((bytes != 4 && bytes != 8) || offset % bytes != 0 || offset >= kWindow) {
        diagnose(access, HpetDiagnostic::kBadAccess);
        return 0;
    }
    const std::uint64_t mask = bytes == 4 ? kHpetLowHalf : kAllLanes;
    if (!readable(at))
        return mask;
    const Register* reg = find(access);
    if (!reg) {
        diagnose(access, HpetDiagnostic::kNoRegister);
        return 0;
    }
    return ((this->*reg->read)(access) >> (offset % 8 * 8)) & mask;
}

void Hpet::write(Time at, std::uint32_t offset, std::uint64_t value, unsigned bytes, Cause cause) {
    settle(at);
    Access access{at, offset, bytes, value, kAllLanes, nullptr, cause};
    if ((bytes != 4 && bytes != 8) || offset % bytes != 0 || offset >= kWindow) {
        diagnose(access, HpetDiagnostic::kBadAccess);
        return;
    }
    if (bytes == 4) {
        access.value = (value & kHpetLowHalf) << (offset % 8 * 8);
        access.lanes = kHpetLowHalf << (offset % 8 * 8);
    }
    const Register* reg = find(access);
    if (!reg || !reg->write) {
        diagnose(access, reg ? HpetDiagnostic::kReadOnly : HpetDiagnostic::kNoRegister);
        return;
    }
    const RecordId record = records_.emit(emitter_, at, kHpetWrite, cause.record, offset, bytes,
                                          bytes == 4 ? value & kHpetLowHalf : value, counter_.read(at));
    access.cause = caused(record, cause);
    (this->*reg->write)(access);
}

std::uint64_t Hpet::read_counter(const Access& a) {
    std::int64_t& glitches = faults_[static_cast<std::size_t>(HpetFault::kGlitchRead)];
    const std::uint64_t value = counter_.read(a.at);
    if (glitches == 0) [[likely]]
        return value;
    --glitches;
    return value ^ kGlitch;
}

std::uint64_t Hpet::read_capabilities(const Access&) {
    return params_.period_fs << 32 | std::uint64_t{params_.vendor} << 16 | (params_.legacy_capable ? 1u << 15 : 0) |
           (params_.counter_bits == 64 ? 1u << 13 : 0) | std::uint64_t{timer_count() - 1} << 8 | params_.revision;
}

void Hpet::write_config(const Access& a) {
    if ((a.value & ~(std::uint64_t{hpet::kEnable} | std::uint64_t{hpet::kLegacyRouting})) != 0)
        diagnose(a, HpetDiagnostic::kReservedBits);
    if ((a.lanes & kHpetLowHalf) == 0)
        return;
    const std::uint64_t old = config_;
    config_ = a.value & (std::uint64_t{hpet::kEnable} | std::uint64_t{hpet::kLegacyRouting});
    if (legacy_routing() && !params_.legacy_capable) {
        diagnose(a, HpetDiagnostic::kNotCapable);
        config_ &= ~std::uint64_t{hpet::kLegacyRouting};
    }
    const std::uint64_t flipped = old ^ config_;
    if ((flipped & std::uint64_t{hpet::kEnable}) != 0) {
        for (Slot& slot : slots_)
            if (enabled() && !slot.armed_by.record)
                slot.armed_by = a.cause;
        run_or_halt(a.at);
    }
    // Legacy replacement goes on before lines move to its pins, and off after they have left them.
    if ((flipped & std::uint64_t{hpet::kLegacyRouting}) != 0 && legacy_routing())
        sink_.set_legacy_routing(a.at, true, a.cause);
    update_lines(a.at, a.cause);
    if ((flipped & std::uint64_t{hpet::kLegacyRouting}) != 0 && !legacy_routing())
        sink_.set_legacy_routing(a.at, false, a.cause);
}

void Hpet::write_status(const Access& a) {
    status_ &= ~(a.value & a.lanes);
    update_lines(a.at, a.cause);
}

void Hpet::write_counter(const Access& a) {
    if (enabled()) {
        diagnose(a, HpetDiagnostic::kCounterRunning);
        return;
    }
    counter_.set(a.at, (counter_.read(a.at) & ~a.lanes) | (a.value & a.lanes));
}

void Hpet::write_timer_config(const Access& a) {
    const std::uint32_t diagnostics = a.slot->timer.write_config(a.value, a.lanes);
    for (const HpetDiagnosticInfo& info : kHpetDiagnostics)
        if ((diagnostics >> static_cast<unsigned>(info.diagnostic) & 1) != 0)
            diagnose(a, info.diagnostic);
    if (!a.slot->timer.level())
        status_ &= ~(std::uint64_t{1} << a.slot->index);
    rearm(*a.slot, a.at);
    update_lines(a.at, a.cause);
}

void Hpet::write_comparator(const Access& a) {
    if (!a.slot->timer.write_comparator(a.value, a.lanes, counter_, a.at))
        return;
    a.slot->armed_by = a.cause;
    rearm(*a.slot, a.at);
}

void Hpet::write_fsb(const Access& a) {
    if (!a.slot->timer.fsb_capable()) {
        diagnose(a, HpetDiagnostic::kNotCapable);
        return;
    }
    const std::uint64_t old = a.slot->timer.fsb();
    a.slot->timer.write_fsb(a.value, a.lanes);
    if (a.slot->timer.fsb() != old)
        sink_.retarget_message(a.at, old >> 32, static_cast<std::uint32_t>(old));
}

void Hpet::reset(Time at, Cause cause) {
    settle(at);
    const RecordId record = records_.emit(emitter_, at, kHpetReset, cause.record, params_.counter_start);
    const bool legacy = legacy_routing();
    config_ = status_ = 0;
    run_or_halt(at);
    counter_.set(at, params_.counter_start);
    for (Slot& slot : slots_) {
        slot.timer.reset();
        slot.armed_by = {};
    }
    reset_at_ = at;
    update_lines(at, caused(record, cause));
    if (legacy)
        sink_.set_legacy_routing(at, false, caused(record, cause));
}

void Hpet::freeze(Time at) {
    settle(at);
    frozen_ = true;
    run_or_halt(at);
}

void Hpet::thaw(Time at) {
    settle(at);
    frozen_ = false;
    run_or_halt(at);
}

void Hpet::set_fault(Time at, HpetFault f, std::int64_t value, Cause cause) {
    const HpetFaultInfo& info = kHpetFaults[static_cast<std::size_t>(f)];
    if (value < info.min || value > info.max)
        throw std::invalid_argument("fault " + std::string(info.name) + ": found " + std::to_string(value) +
                                    ", expected " + std::to_string(info.min) + " to " + std::to_string(info.max));
    settle(at);
    records_.emit(emitter_, at, kHpetFaultSet, cause.record, records_.intern(info.name), value);
    faults_[static_cast<std::size_t>(f)] = value;
    if (f == HpetFault::kDrift)
        counter_.set_rate(at, TickRate::of_period(params_.period_fs).drifted(value));
    if (f == HpetFault::kDeadCounter)
        run_or_halt(at);
    rearm_all(at);
}

}  // namespace ticklab::sim
