#include "ticklab/sim/devices/apic_bus.hpp"

#include <algorithm>
#include <cassert>
#include <string_view>

#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/devices/io_apic.hpp"
#include "ticklab/sim/devices/local_apic.hpp"

namespace ticklab::sim {

namespace {

constexpr std::array<std::string_view, kDeliveryModeCount> kModeNames{
    "fixed", "lowest priority", "SMI", "reserved", "NMI", "INIT", "start-up", "ExtINT"};
constexpr std::array<std::string_view, kLostReasonCount> kReasonNames{
    "APIC disabled", "software disabled", "CPU off-line", "illegal vector", "reset",      "not waiting",
    "no target",     "no 8259",           "masked edge",  "re-targeted",    "queue full", "fault"};
constexpr std::array<std::string_view, 4> kTimerModeNames{"one-shot", "periodic", "TSC-deadline", "reserved"};
constexpr std::array<std::string_view, 3> kApicModeNames{"disabled", "xAPIC", "x2APIC"};

constexpr std::uint32_t kXapicIdCount = 256;
constexpr std::uint32_t kX2apicClusterSize = 16;
constexpr std::uint32_t kLevelBit = 1u << 15;
constexpr std::uint64_t kMessageWindow = 0xfee;  // address bits 31:20; bits 63:32 are clear
constexpr std::int64_t kPpmMax = 900'000;
constexpr std::int64_t kFaultDelayMaxPs = 1'000'000'000'000'000;  // 1000 s

template <std::size_t N>
void intern_all(RecordStream& records, const std::array<std::string_view, N>& names,
                std::array<std::uint64_t, N>& indices) {
    std::transform(names.begin(), names.end(), indices.begin(),
                   [&](std::string_view name) { return records.intern(name); });
}

bool in_range(FaultUnit unit, std::int64_t value) {
    switch (unit) {
        case FaultUnit::kSwitch:
            return value == 0 || value == 1;
        case FaultUnit::kPpm:
            return value >= -kPpmMax && value <= kPpmMax;
        case FaultUnit::kCount:
        case FaultUnit::kTicks:
            return value >= 0 && value <= std::int64_t{UINT32_MAX};
        case FaultUnit::kDurationPs:
            return value >= 0 && value <= kFaultDelayMaxPs;
    }
    return false;
}

}  // namespace

ApicBus::ApicBus(Engine& engine, RecordStream& records, const ApicParameters& parameters,
                 std::vector<std::uint16_t> node_of_cpu)
    : engine_(engine), records_(records), parameters_(parameters), lanes_(node_of_cpu.size()) {
    for (CpuId cpu = 0; cpu < cpu_count(); ++cpu) {
        Lane& lane = lanes_[cpu];
        lane.bus = this;
        lane.node = node_of_cpu[cpu];
        lane.source = engine.add(ActivityClass::kArrival, lane);
        assert(slot_of(engine.rank(lane.source)) == cpu);
    }
    emitter_.rank = engine.rank(engine.add(ActivityClass::kDevice, *this));
    intern_all(records, kModeNames, mode_names_);
    intern_all(records, kReasonNames, reason_names_);
    intern_all(records, kTimerModeNames, timer_mode_names_);
    intern_all(records, kApicModeNames, apic_mode_names_);
    for (const ApicFaultInfo& info : kApicFaults)
        fault_names_[static_cast<unsigned>(info.fault)] = records.intern(info.name);
}

// The bus's own source gives its records their rank; it is never armed.
void ApicBus::due(Time at) {
    (void)at;
    assert(false);
}

void ApicBus::attach(LocalApic& local_apic) {
    assert(local_apic.cpu() < cpu_count());
    lanes_[local_apic.cpu()].local_apic = &local_apic;
}

void ApicBus::overflow(Lane& lane, const ApicMessage& message) {
    overflowed_ = lane.local_apic->cpu();
    lane.local_apic->lose(engine_.now(), message.vector, LostReason::kQueueFull, message.cause);
    if (queue_watcher_)
        queue_watcher_->queue_full(overflowed_, message.cause);
}

void ApicBus::disturb(Lane& lane, ApicMessage message) {
    if (lane.lose_left != 0) {
        --lane.lose_left;
        lane.local_apic->lose(engine_.now(), message.vector, LostReason::kFault, message.cause);
        return;
    }
    if (lane.late_left != 0) {
        --lane.late_left;
        message.arrival += lane.late_by;
    }
    enqueue(lane, message);
}

void ApicBus::deliver(Lane& lane, Time at) {
    lane.armed = kNever;
    while (!lane.queue.empty() && lane.queue.front().arrival <= at) {
        const ApicMessage message = lane.queue.front();
        lane.queue.pop();
        lane.local_apic->accept(at, message);
    }
    if (!lane.queue.empty()) {
        lane.armed = lane.queue.front().arrival;
        engine_.arm(lane.source, lane.armed);
    } else if (lane.armed != kNever) {
        lane.armed = kNever;
        engine_.disarm(lane.source);
    }
}

template <class Visitor>
void ApicBus::for_each_target(const ApicDestination& destination, Visitor visit) {
    const auto visit_if_there = [&](CpuId cpu) {
        if (lanes_[cpu].local_apic)
            visit(lanes_[cpu]);
    };
    if (destination.id == destination.broadcast) {
        for (CpuId cpu = 0; cpu < cpu_count(); ++cpu)
            visit_if_there(cpu);
        return;
    }
    if (!destination.logical) {
        if (destination.id < cpu_count())
            visit_if_there(destination.id);
        return;
    }
    // xAPIC targets have 8-bit ids and logical destinations; x2APIC targets are the 16 of the cluster.
    const std::uint64_t first = std::uint64_t{destination.id >> 16} * kX2apicClusterSize;
    const std::uint64_t scanned = first == 0 ? kXapicIdCount : first + kX2apicClusterSize;
    for (std::uint64_t cpu = first; cpu < std::min<std::uint64_t>(scanned, cpu_count()); ++cpu) {
        const LocalApic* const target = lanes_[cpu].local_apic;
        if (target && target->matches_logical(destination.id))
            visit(lanes_[cpu]);
    }
}

ApicBus::Lane* ApicBus::lowest_priority_target(const ApicDestination& destination) {
    Lane* best = nullptr;
    for_each_target(destination, [&](Lane& lane) {
        if (!best || lane.local_apic->ppr() < best->local_apic->ppr())
            best = &lane;
    });
    return best;
}

template <class Visitor>
void ApicBus::for_each_ipi_target(const LocalApic& sender, const IpiRequest& request, Visitor visit) {
    if (request.shorthand == Shorthand::kSelf) {
        visit(lanes_[sender.cpu()]);
    } else if (request.shorthand != Shorthand::kNone) {
        for (Lane& lane : lanes_)
            if (lane.local_apic && (lane.local_apic != &sender || request.shorthand == Shorthand::kAllIncludingSelf))
                visit(lane);
    } else if (request.mode == DeliveryMode::kLowestPriority) {
        if (Lane* const lane = lowest_priority_target(request.destination))
            visit(*lane);
    } else {
        for_each_target(request.destination, visit);
    }
}

Time ApicBus::send_ipi(Time at, LocalApic& sender, const IpiRequest& request, Cause cause) {
    CpuId first = kNoCpu;
    std::uint32_t count = 0;
    for_each_ipi_target(sender, request, [&](Lane& lane) {
        if (count++ == 0)
            first = lane.local_apic->cpu();
    });
    cause.record =
        records_.emit(sender.emitter_, at, kIpiSend, cause.record, first, count, request.vector, name(request.mode));
    if (count == 0) {
        ++no_target_;
        return at;
    }
    const std::uint16_t node = lanes_[sender.cpu()].node;
    Time last = at;
    for_each_ipi_target(sender, request, [&](Lane& lane) {
        const CpuId target = lane.local_apic->cpu();
        const Duration flight = lane.node == node ? parameters_.ipi_fly : parameters_.ipi_fly_remote;
        const Time arrival = at + flight + lane.ipi_delay + jitter(at, target, MessageSource::kIpi, cause);
        if (lane.ipi_delay > Duration::zero()) [[unlikely]]
            lane.local_apic->hit(at, ApicFault::kIpiDelay, cause);
        fly(lane, ApicMessage{arrival, cause, sender.cpu(), request.vector, request.mode, MessageSource::kIpi, false});
        last = std::max(last, arrival);
    });
    return last;
}

ApicDestination ApicBus::message_destination(std::uint64_t address) const {
    ApicDestination destination;
    destination.id = static_cast<std::uint32_t>(address >> 12) & 0xff;
    destination.logical = (address & 4) != 0;
    if (parameters_.extended_destination) {
        destination.id |= (static_cast<std::uint32_t>(address >> 5) & 0x7f) << 8;
        destination.broadcast = 0x7fff;
    }
    return destination;
}

bool ApicBus::send_message(Time at, std::uint64_t address, std::uint32_t data, Cause cause) {
    if (address >> 20 != kMessageWindow)
        return false;
    send_from_device(at, message_destination(address), data, MessageSource::kMsi, cause);
    return true;
}

void ApicBus::send_io_apic(Time at, const ApicDestination& destination, std::uint32_t entry, Cause cause) {
    send_from_device(at, destination, entry, MessageSource::kIoApic, cause);
}

void ApicBus::send_from_device(Time at, const ApicDestination& destination, std::uint32_t bits, MessageSource source,
                               Cause cause) {
    const DeliveryMode mode = delivery_mode_of(bits);
    const auto vector = static_cast<std::uint8_t>(bits);
    const bool level =
        (bits & kLevelBit) != 0 && (mode == DeliveryMode::kFixed || mode == DeliveryMode::kLowestPriority);
    const Duration flight = source == MessageSource::kMsi ? parameters_.msi_fly : parameters_.ioapic_fly;
    bool found = false;
    const auto visit = [&](Lane& lane) {
        found = true;
        const Time arrival = at + flight + jitter(at, lane.local_apic->cpu(), source, cause);
        fly(lane, ApicMessage{arrival, cause, kNoCpu, vector, mode, source, level});
    };
    if (mode == DeliveryMode::kLowestPriority) {
        if (Lane* const lane = lowest_priority_target(destination))
            visit(*lane);
    } else {
        for_each_target(destination, visit);
    }
    if (!found) {
        ++no_target_;
        records_.emit(emitter_, at, kApicNoTarget, cause.record, destination.id, vector);
    }
}

void ApicBus::retarget_message(Time at, std::uint64_t old_address, std::uint32_t old_data) {
    if (lost_edge_at_retarget_ && old_address >> 20 == kMessageWindow && (old_data & kLevelBit) == 0)
        lose_in_flight(at, message_destination(old_address), static_cast<std::uint8_t>(old_data), MessageSource::kMsi);
}

void ApicBus::retarget_io_apic(Time at, const ApicDestination& old_destination, std::uint8_t vector) {
    if (lost_edge_at_retarget_)
        lose_in_flight(at, old_destination, vector, MessageSource::kIoApic);
}

void ApicBus::lose_in_flight(Time at, const ApicDestination& destination, std::uint8_t vector, MessageSource source) {
    for_each_target(destination, [&](Lane& lane) {
        const std::uint32_t removed = lane.queue.remove_if([&](const ApicMessage& message) {
            if (message.source != source || message.vector != vector || message.level)
                return false;
            lane.local_apic->lose(at, vector, LostReason::kRetargeted, message.cause);
            return true;
        });
        if (removed == 0)
            return;
        lane.armed = lane.queue.empty() ? kNever : lane.queue.front().arrival;
        if (lane.queue.empty())
            engine_.disarm(lane.source);
        else
            engine_.arm(lane.source, lane.armed);
    });
}

void ApicBus::broadcast_eoi(Time at, std::uint8_t vector, Cause cause) {
    for (IoApic* const io_apic : io_apics_)
        io_apic->eoi(at, vector, cause);
}

std::uint64_t ApicBus::lost() const {
    std::uint64_t total = no_target_;
    for (const Lane& lane : lanes_)
        if (lane.local_apic)
            for (const std::uint32_t n : lane.local_apic->counters().lost)
                total += n;
    for (const IoApic* const io_apic : io_apics_)
        total += io_apic->lost();
    return total;
}

bool ApicBus::set_fault(Time at, ApicFault fault, CpuId cpu, std::int64_t value, Cause cause) {
    const ApicFaultInfo& info = kApicFaults[static_cast<unsigned>(fault)];
    if (!in_range(info.unit, value) || (!info.whole_machine && cpu >= cpu_count()))
        return false;
    if (fault == ApicFault::kLostEdgeAtRetarget) {
        lost_edge_at_retarget_ = value != 0;
        records_.emit(emitter_, at, kApicFaultSet, cause.record, name(fault), value);
        return true;
    }
    Lane& lane = lanes_[cpu];
    lane.local_apic->set_fault(at, fault, value, cause);
    if (fault == ApicFault::kIpiDelay)
        lane.ipi_delay = Duration{value};
    if (fault == ApicFault::kSpuriousInterrupt && value != 0)
        fly(lane, ApicMessage{at, cause, kNoCpu, 0, DeliveryMode::kExtInt, MessageSource::kFault, false});
    return true;
}

std::string_view ApicBus::check_invariants(CpuId cpu) const {
    const Lane& lane = lanes_[cpu];
    const Time first = lane.queue.empty() ? kNever : lane.queue.front().arrival;
    if (lane.armed != first || engine_.armed_for(lane.source) != first)
        return "MA 3.5: the arrival source is not armed for the earliest message";
    return {};
}

}  // namespace ticklab::sim
