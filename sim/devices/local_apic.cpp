#include "ticklab/sim/devices/local_apic.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

#include "ticklab/sim/devices/apic_records.hpp"

namespace ticklab::sim {

namespace {

constexpr std::uint8_t class_bits(std::uint8_t v) { return v & 0xf0; }

constexpr std::uint32_t kX2apicClusterShift = 4;
constexpr std::size_t kUsualPendingVectors = 4;

}  // namespace

LocalApic::LocalApic(ApicBus& bus, CpuId cpu, LocalApicClient& client)
    : bus_(bus),
      engine_(bus.engine()),
      records_(bus.records()),
      client_(client),
      source_(engine_.add(ActivityClass::kDevice, *this)),
      cpu_(cpu),
      waiting_for_start_up_(cpu != 0),
      timer_(bus.parameters().bus_hz, bus.parameters().reload_ticks) {
    emitter_.rank = engine_.rank(source_);
    emitter_.cpu = cpu;
    lvt_.fill(apic::kLvtMasked);
    pending_.reserve(kUsualPendingVectors);
    bus.attach(*this);
}

Cause LocalApic::cause_of(std::uint8_t vector) const {
    for (const PendingCause& p : pending_)
        if (p.vector == vector)
            return p.cause;
    return {};
}

Cause LocalApic::take_cause(std::uint8_t vector) {
    const auto it =
        std::find_if(pending_.begin(), pending_.end(), [vector](const PendingCause& p) { return p.vector == vector; });
    assert(it != pending_.end());
    const Cause cause = it->cause;
    *it = pending_.back();
    pending_.pop_back();
    return cause;
}

void LocalApic::update(Time at) {
    const std::uint8_t in_service = class_bits(isr_.highest());
    ppr_ = class_bits(tpr_) >= in_service ? tpr_ : in_service;
    const bool vector_ready = software_enabled() && class_bits(irr_.highest()) > class_bits(ppr_);
    const bool was = deliverable_;
    deliverable_ = vector_ready || glitch_;
    if (deliverable_ && !was)
        client_.interrupt_ready(at);
}

AcknowledgedInterrupt LocalApic::acknowledge(Time at) {
    glitch_ = false;
    const std::uint8_t vector = irr_.highest();
    if (!software_enabled() || class_bits(vector) <= class_bits(ppr_)) {
        ++counters_.spurious;
        const auto spurious = static_cast<std::uint8_t>(svr_);
        const RecordId record = records_.emit(emitter_, at, kApicSpurious, RecordId{}, spurious);
        update(at);
        return {spurious, true, Cause{record, 0}};
    }
    irr_.reset(vector);
    isr_.set(vector);
    ++in_service_;
    const Cause cause = take_cause(vector);
    update(at);
    return {vector, false, cause};
}

void LocalApic::eoi(Time at, Cause cause) {
    const std::uint8_t vector = isr_.highest();
    if (vector == 0)
        return;
    if (fault(ApicFault::kMissingEoi) > 0) [[unlikely]] {
        --faults_[static_cast<unsigned>(ApicFault::kMissingEoi)];
        hit(at, ApicFault::kMissingEoi, cause);
        return;
    }
    isr_.reset(vector);
    --in_service_;
    if (tmr_.test(vector) && !(svr_ & apic::kSvrSuppressEoiBroadcast))
        bus_.broadcast_eoi(at, vector, cause);
    update(at);
}

void LocalApic::write_tpr(Time at, std::uint8_t tpr) {
    tpr_ = tpr;
    update(at);
}

void LocalApic::lose(Time at, std::uint8_t vector, LostReason reason, Cause cause) {
    ++counters_.lost[static_cast<unsigned>(reason)];
    records_.emit(emitter_, at, kApicLost, cause.record, vector, bus_.name(reason));
}

void LocalApic::accept(Time at, const ApicMessage& message) {
    if (mode_ == Mode::kDisabled) [[unlikely]]
        lose(at, message.vector, LostReason::kApicDisabled, message.cause);
    else if (message.mode <= DeliveryMode::kLowestPriority) [[likely]]
        accept_fixed(at, message.vector, message.level, message.cause);
    else
        accept_signal(at, message);
}

void LocalApic::accept_fixed(Time at, std::uint8_t vector, bool level, Cause cause) {
    if (offline_) [[unlikely]] {
        lose(at, vector, LostReason::kOffline, cause);
        return;
    }
    if (!software_enabled()) [[unlikely]] {
        lose(at, vector, LostReason::kSoftwareDisabled, cause);
        return;
    }
    if (vector < apic::kFirstLegalVector) [[unlikely]] {
        lose(at, vector, LostReason::kIllegalVector, cause);
        note_error(at, apic::kEsrReceivedIllegalVector, cause);
        return;
    }
    const bool merged = irr_.test(vector);
    const RecordId record = records_.emit(emitter_, at, kApicAccept, cause.record, vector, merged);
    ++counters_.accepted;
    tmr_.assign(vector, level);
    if (merged) {
        ++counters_.merged;
        return;
    }
    irr_.set(vector);
    pending_.push_back({vector, Cause{record, cause.root}});
    if (!deliverable_ && class_bits(vector) > class_bits(ppr_)) {
        deliverable_ = true;
        client_.interrupt_ready(at);
    }
}

void LocalApic::accept_signal(Time at, const ApicMessage& message) {
    if (message.source == MessageSource::kFault) {
        hit(at, ApicFault::kSpuriousInterrupt, message.cause);
        glitch_ = true;
        update(at);
        return;
    }
    switch (message.mode) {
        case DeliveryMode::kNmi:
            client_.nmi(at, Cause{records_.emit(emitter_, at, kApicSignal, message.cause.record,
                                                bus_.name(message.mode), message.vector),
                                  message.cause.root});
            break;
        case DeliveryMode::kSmi:
            client_.smi(at, Cause{records_.emit(emitter_, at, kApicSignal, message.cause.record,
                                                bus_.name(message.mode), message.vector),
                                  message.cause.root});
            break;
        case DeliveryMode::kInit: {
            const RecordId record =
                records_.emit(emitter_, at, kApicSignal, message.cause.record, bus_.name(message.mode), message.vector);
            settle(at);
            reset(at, Cause{record, message.cause.root});
            waiting_for_start_up_ = true;
            client_.init(at);
            break;
        }
        case DeliveryMode::kStartUp:
            accept_start_up(at, message.vector, message.cause);
            break;
        default:
            lose(at, message.vector, LostReason::kNoController, message.cause);
            break;
    }
}

void LocalApic::accept_start_up(Time at, std::uint8_t vector, Cause cause) {
    if (!waiting_for_start_up_) {
        lose(at, vector, LostReason::kNotWaiting, cause);
        return;
    }
    waiting_for_start_up_ = false;
    offline_ = false;
    cause.record = records_.emit(emitter_, at, kApicSignal, cause.record, bus_.name(DeliveryMode::kStartUp), vector);
    client_.start_up(at, vector, cause);
}

void LocalApic::raise_lvt(Time at, LvtEntry entry, Cause cause) {
    assert(entry != LvtEntry::kTimer);
    const std::uint32_t word = lvt(entry);
    if (mode_ == Mode::kDisabled || (word & apic::kLvtMasked))
        return;
    ApicMessage message;
    message.arrival = at;
    message.cause = cause;
    message.vector = static_cast<std::uint8_t>(word);
    message.mode = entry == LvtEntry::kError ? DeliveryMode::kFixed : delivery_mode_of(word);
    accept(at, message);
}

void LocalApic::note_error(Time at, std::uint32_t esr_bits, Cause cause) {
    esr_noted_ |= esr_bits;
    cause.record = records_.emit(emitter_, at, kApicError, cause.record, esr_bits);
    const std::uint32_t word = lvt(LvtEntry::kError);
    // An illegal vector in the error entry itself is noted only: raising it would raise itself again.
    if (static_cast<std::uint8_t>(word) >= apic::kFirstLegalVector)
        raise_lvt(at, LvtEntry::kError, cause);
}

void LocalApic::hit(Time at, ApicFault f, Cause cause) {
    records_.emit(emitter_, at, kApicFaultHit, cause.record, bus_.name(f));
}

void LocalApic::set_fault(Time at, ApicFault f, std::int64_t value, Cause cause) {
    records_.emit(emitter_, at, kApicFaultSet, cause.record, bus_.name(f), value);
    faults_[static_cast<unsigned>(f)] = value;
    if (f == ApicFault::kTimerFrequencyError) {
        settle(at);
        timer_.set_frequency_error(at, static_cast<std::int32_t>(value));
        program_timer();
    } else if (f == ApicFault::kEarlyDeadline) {
        timer_.set_early_ticks(static_cast<std::uint32_t>(value));
    }
}

std::uint32_t LocalApic::logical_id() const {
    if (mode_ != Mode::kX2apic)
        return ldr_;
    return (cpu_ >> kX2apicClusterShift) << 16 | 1u << (cpu_ & ((1u << kX2apicClusterShift) - 1));
}

bool LocalApic::matches_logical(std::uint32_t destination) const {
    if (mode_ == Mode::kDisabled)
        return false;
    if (mode_ == Mode::kX2apic)
        return destination >> 16 == logical_id() >> 16 && (destination & logical_id() & 0xffff) != 0;
    const std::uint32_t own = ldr_ >> 24;
    if (destination > 0xff)
        return false;
    if (dfr_ == apic::kDfrFlat)
        return (destination & own) != 0;
    return destination >> 4 == own >> 4 && (destination & own & 0xf) != 0;
}

void LocalApic::reset(Time at, Cause cause) {
    for (const PendingCause& p : pending_)
        lose(at, p.vector, LostReason::kReset, p.cause);
    pending_.clear();
    irr_.clear();
    isr_.clear();
    tmr_.clear();
    in_service_ = 0;
    tpr_ = 0;
    svr_ = apic::kSvrReset;
    lvt_.fill(apic::kLvtMasked);
    ldr_ = 0;
    dfr_ = apic::kDfrFlat;
    esr_ = 0;
    esr_noted_ = 0;
    icr_ = 0;
    icr_accepted_at_ = at;
    lvt_posted_until_ = kBoot;
    glitch_ = false;
    const Time old_event_at = timer_.event_at();
    const bool was_armed = timer_.armed();
    timer_.reset();
    timer_written(at, 0, was_armed, old_event_at, cause);
    update(at);
    record_state(at, cause);
}

void LocalApic::power_on_reset(Time at) {
    settle(at);
    base_address_ = apic::kBaseAddressReset;
    mode_ = Mode::kXapic;
    waiting_for_start_up_ = cpu_ != 0;
    offline_ = false;
    timer_.thaw(at);
    reset(at, {});
}

void LocalApic::lose_timer(Time at) {
    settle(at);
    const Time old_event_at = timer_.event_at();
    const bool was_armed = timer_.armed();
    lvt_word(LvtEntry::kTimer) = apic::kLvtMasked;
    timer_.reset();
    timer_written(at, 0, was_armed, old_event_at, {});
}

void LocalApic::record_state(Time at, Cause cause) {
    records_.emit(emitter_, at, kApicState, cause.record, bus_.apic_mode_name(static_cast<unsigned>(mode_)),
                  software_enabled());
}

std::string_view LocalApic::check_invariants() const {
    if (irr_.count() != pending_.size())
        return "LA-I1: IRR and the pending causes differ";
    if (!std::all_of(pending_.begin(), pending_.end(), [this](const PendingCause& p) { return irr_.test(p.vector); }))
        return "LA-I1: a pending cause without its IRR bit";
    if ((irr_.word(0) | isr_.word(0)) & 0xffff)
        return "LA 4.1: an illegal vector was accepted";
    for (unsigned c = 0; c < 16; ++c)
        if (std::popcount(isr_.priority_class(c)) > 1)
            return "LA-I2: two vectors of one class are in service";
    if (isr_.count() != in_service_)
        return "LA-I3: ISR bits and unfinished handlers differ";
    const std::uint8_t in_service = class_bits(isr_.highest());
    if (ppr_ != (class_bits(tpr_) >= in_service ? tpr_ : in_service))
        return "LA 4.2: PPR is stale";
    const bool vector_ready = software_enabled() && class_bits(irr_.highest()) > class_bits(ppr_);
    if (deliverable_ != (vector_ready || glitch_))
        return "LA-I4: deliverable is stale";
    if (engine_.armed_for(source_) != timer_.event_at())
        return "LA-I6: the timer's event is not what is scheduled";
    if (timer_.event_at() != kNever && (!timer_.armed() || timer_.frozen()))
        return "LA-I6: an event without an armed, running timer";
    if (!software_enabled())
        for (const std::uint32_t word : lvt_)
            if (!(word & apic::kLvtMasked))
                return "LA 5: an LVT entry is unmasked while software disabled";
    return {};
}

}  // namespace ticklab::sim
