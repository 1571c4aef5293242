#include "ticklab/lab/why/activity_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "ticklab/lab/operands.hpp"
#include "ticklab/lab/scenario_records.hpp"
#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::lab {
namespace {

using sim::Duration;
using sim::OperandType;
using sim::Time;

enum class Edge : std::uint8_t { kBegin, kEnd };

/// Records that open or close a frame, whatever kernel runs; operand 0 says what it is about.
struct FrameEdge {
    const sim::RecordKind* kind;
    Edge edge;
    FrameKind frame;
};
constexpr std::array kFrameEdges{
    FrameEdge{&sim::kIrqEntry, Edge::kBegin, FrameKind::kInterrupt},
    FrameEdge{&sim::kIrqExit, Edge::kEnd, FrameKind::kInterrupt},
    FrameEdge{&sim::kNmiEntry, Edge::kBegin, FrameKind::kNmi},
    FrameEdge{&sim::kNmiExit, Edge::kEnd, FrameKind::kNmi},
    FrameEdge{&sim::kIdleEnter, Edge::kBegin, FrameKind::kIdle},
    FrameEdge{&sim::kIdleExit, Edge::kEnd, FrameKind::kIdle},
    FrameEdge{&sim::kUserEnter, Edge::kBegin, FrameKind::kUser},
    FrameEdge{&sim::kUserExit, Edge::kEnd, FrameKind::kUser},
    FrameEdge{&sim::kLockWaitBegin, Edge::kBegin, FrameKind::kLockWait},
    FrameEdge{&sim::kLockWaitEnd, Edge::kEnd, FrameKind::kLockWait},
    FrameEdge{&sim::kSpinBegin, Edge::kBegin, FrameKind::kPoll},
    FrameEdge{&sim::kSpinEnd, Edge::kEnd, FrameKind::kPoll},
    FrameEdge{&sim::kHoldBegin, Edge::kBegin, FrameKind::kHeld},
    FrameEdge{&sim::kHoldEnd, Edge::kEnd, FrameKind::kHeld},
    FrameEdge{&kVerbBeginRecord, Edge::kBegin, FrameKind::kVerb},
    FrameEdge{&kVerbEndRecord, Edge::kEnd, FrameKind::kVerb},
    FrameEdge{&kCallbackBeginRecord, Edge::kBegin, FrameKind::kCallback},
    FrameEdge{&kCallbackEndRecord, Edge::kEnd, FrameKind::kCallback},
};
constexpr std::uint16_t kNamedKinds = 160;

/// By id of the kind; null for the others.
constexpr std::array<const FrameEdge*, kNamedKinds> edges_by_id() {
    std::array<const FrameEdge*, kNamedKinds> edges{};
    for (const FrameEdge& edge : kFrameEdges)
        edges[edge.kind->id] = &edge;
    return edges;
}
constexpr auto kEdgesById = edges_by_id();

}  // namespace

ActivityLog::ActivityLog(sim::Machine& machine, std::size_t capacity)
    : ring_(capacity),
      per_cpu_capacity_(std::max<std::size_t>(256, capacity / machine.cpu_count())),
      lost_by_fault_(machine.apic_bus().name(sim::LostReason::kFault)),
      periodic_(machine.apic_bus().timer_mode_name(static_cast<unsigned>(sim::ApicTimerMode::kPeriodic))) {
    const sim::MachineConfig& config = machine.config();
    for (sim::CpuId c = 0; c < config.cpu_count; ++c) {
        PerCpu& cpu = cpus_.emplace_back();
        cpu.idle_thread = machine.intern(fmt::format("idle/{}", c));
        cpu.offline = c >= config.online_at_boot;
        switch_thread(cpu, cpu.idle_thread);
        cpu.segments.push_back({sim::kBoot, innermost(cpu), sim::kNever, {}});
    }
    for (const sim::CState& state : config.c_states)
        exit_latencies_.emplace_back(machine.intern(state.name), state.exit_latency);
    longest_flight_ =
        std::max({config.timer_fly, config.msi_fly, config.ioapic_fly, config.ipi_fly, config.ipi_fly_remote}) +
        config.flight_jitter;
    constexpr std::uint64_t kFsPerPs = 1000;
    hpet_tick_ = Duration{static_cast<std::int64_t>(config.hpet_period_fs / kFsPerPs)};
}

std::span<const Placement> ActivityLog::placements(std::uint64_t timer) const {
    return timer < placements_.size() ? std::span<const Placement>(placements_[timer]) : std::span<const Placement>();
}

Duration ActivityLog::exit_latency(std::uint64_t c_state_name) const {
    for (const auto& [name, latency] : exit_latencies_)
        if (name == c_state_name)
            return latency;
    return Duration::zero();
}

CpuFrame ActivityLog::innermost(const PerCpu& cpu) const {
    if (cpu.offline)
        return {FrameKind::kOffline, 0, {}, false};
    for (auto frame = cpu.stack->rbegin(); frame != cpu.stack->rend(); ++frame)
        if (frame->kind != FrameKind::kVerb && frame->kind != FrameKind::kPoll)
            return *frame;
    const bool idle = cpu.thread == cpu.idle_thread;
    return {idle ? FrameKind::kIdleThread : FrameKind::kThread, cpu.thread, {}, false};
}

void ActivityLog::switch_thread(PerCpu& cpu, std::uint64_t thread) {
    if (cpu.stack && cpu.stack->empty())
        cpu.stacks.erase(cpu.thread);
    cpu.thread = thread;
    cpu.stack = &cpu.stacks[thread];
}

void ActivityLog::note(PerCpu& cpu, Time at) {
    const Segment now{at, innermost(cpu), cpu.armed_for, cpu.delayed};
    if (cpu.segments.back().at == at)
        cpu.segments.back() = now;
    else
        append(cpu.segments, now);
}

void ActivityLog::push(PerCpu& cpu, const sim::Record& record, FrameKind kind, std::uint64_t what) {
    CpuFrame frame{kind, what, record.id, false};
    if (kind == FrameKind::kSoftirq)
        frame.early = std::exchange(cpu.early, false);
    cpu.stack->push_back(frame);
    note(cpu, record.at);
}

void ActivityLog::pop(PerCpu& cpu, FrameKind kind) {
    // What a thread had begun when its CPU was switched off never ends.
    const auto frame =
        std::find_if(cpu.stack->rbegin(), cpu.stack->rend(), [kind](const CpuFrame& f) { return f.kind == kind; });
    if (frame != cpu.stack->rend())
        cpu.stack->erase(std::next(frame).base(), cpu.stack->end());
}

void ActivityLog::place(const sim::Record& record, bool armed) {
    const std::optional<std::uint64_t> timer = operand_of(*record.kind, record.operands, OperandType::kObject);
    const std::optional<std::uint64_t> cpu = operand_of(*record.kind, record.operands, OperandType::kCpu);
    if (!timer || !cpu || *cpu >= cpus_.size())
        return;
    if (placements_.size() <= *timer)
        placements_.resize(*timer + 1);
    std::vector<Placement>& where = placements_[*timer];
    if (armed)
        where.clear();
    if (!where.empty() && where.back().cpu == *cpu)
        return;
    // A timer that is moved to and fro without end, never running.
    constexpr std::size_t kMostMoves = 64;
    if (where.size() == kMostMoves)
        where.erase(where.begin() + 1);
    where.push_back({record.at, static_cast<sim::CpuId>(*cpu)});
}

void ActivityLog::consume_role(const sim::Record& record, PerCpu& cpu) {
    switch (record.kind->role) {
        case sim::RecordRole::kNone:
            return;
        case sim::RecordRole::kArmed:
            return place(record, true);
        case sim::RecordRole::kQueued:
            return place(record, false);
        case sim::RecordRole::kDeadline:
            knows_deadlines_ = true;
            cpu.since_published = Duration::zero();
            return append(cpu.deadlines, {record.at, instant_of(record)});
        case sim::RecordRole::kRest:
            return append(cpu.rests, {record.at, instant_of(record)});
        case sim::RecordRole::kSoftirqBegin:
            return push(cpu, record, FrameKind::kSoftirq, record.unsigned_at(0));
        case sim::RecordRole::kSoftirqEnd:
            pop(cpu, FrameKind::kSoftirq);
            return note(cpu, record.at);
        case sim::RecordRole::kCallbackBegin:
            return push(cpu, record, FrameKind::kCallback,
                        operand_of(*record.kind, record.operands, OperandType::kObject).value_or(0));
        case sim::RecordRole::kCallbackEnd:
            pop(cpu, FrameKind::kCallback);
            return note(cpu, record.at);
    }
}

void ActivityLog::consume_hardware(const sim::Record& record, PerCpu& cpu) {
    const auto instant = [&](int i) { return Time{Duration{record.signed_at(i)}}; };
    const auto arm = [&](Time at) {
        cpu.armed_for = at;
        note(cpu, record.at);
    };
    const auto found = [&] {
        if (!cpu.losses.empty() && cpu.losses.back().to == sim::kNever)
            cpu.losses.back().to = record.at;
    };
    switch (record.kind->id) {
        case sim::kApicTimerArm.id:
            found();
            cpu.delayed = cpu.since_published;
            cpu.period = record.unsigned_at(0) == periodic_ ? instant(2) - record.at : Duration::zero();
            return arm(instant(2));
        case sim::kApicTimerThaw.id:
            return arm(instant(0));
        case sim::kApicTimerStop.id:
        case sim::kApicTimerFreeze.id:
            return arm(sim::kNever);
        case sim::kApicTimerEvent.id:
            if (!cpu.deadlines.empty())
                cpu.early = cpu.deadlines.back().deadline != sim::kNever && cpu.deadlines.back().deadline > record.at;
            return arm(cpu.period > Duration::zero() ? record.at + cpu.period : sim::kNever);
        case sim::kApicAccept.id:
            found();
            if (record.unsigned_at(1) != 0)
                return;  // merged with one that is pending
            ++cpu.pending;
            return append(cpu.deliveries, {record.at, sim::kNever, record.id, record.cause});
        case sim::kApicLost.id:
            if (record.unsigned_at(1) == lost_by_fault_)
                append(cpu.losses, {record.at, sim::kNever});
            return;
        case sim::kIrrLeft.id:
            for (Delivery& delivery : cpu.deliveries)
                delivery.taken = std::min(delivery.taken, record.at);
            cpu.pending = 0;
            return;
        default:
            return;
    }
}

void ActivityLog::take(PerCpu& cpu, const sim::Record& entry) {
    std::size_t left = cpu.pending;
    for (auto delivery = cpu.deliveries.rbegin(); delivery != cpu.deliveries.rend() && left != 0; ++delivery) {
        if (delivery->taken != sim::kNever)
            continue;
        --left;
        if (delivery->accept == entry.cause) {
            delivery->taken = entry.at;
            --cpu.pending;
            return;
        }
    }
}

void ActivityLog::consume(const sim::Record& record) {
    ring_.push(record);
    if (record.cpu >= cpus_.size())
        return;
    PerCpu& cpu = cpus_[record.cpu];
    const std::uint16_t kind = record.kind->id;
    if (kind >= kNamedKinds)
        return consume_role(record, cpu);
    if (const FrameEdge* const edge = kEdgesById[kind]) {
        if (kind == sim::kIrqEntry.id)
            take(cpu, record);
        else if (kind == sim::kHoldBegin.id)
            cpu.held_since = record.at;
        else if (kind == sim::kHoldEnd.id) {
            cpu.since_published += record.at - cpu.held_since;
            append(cpu.holds, Interval{cpu.held_since, record.at});
        }
        if (edge->edge == Edge::kBegin)
            return push(cpu, record, edge->frame, record.operands.empty() ? 0 : record.unsigned_at(0));
        pop(cpu, edge->frame);
        return note(cpu, record.at);
    }
    switch (kind) {
        case sim::kThreadSwitch.id:
            switch_thread(cpu, record.unsigned_at(1));
            return note(cpu, record.at);
        case sim::kStall.id: {
            const Interval stall{record.at, Time{Duration{record.signed_at(0)}}};
            cpu.since_published += stall.to - stall.from;
            return append(cpu.stalls, stall);
        }
        case sim::kCpuOffline.id:
            cpu.offline = true;
            return note(cpu, record.at);
        case sim::kCpuOnline.id:
            cpu.offline = false;
            cpu.stacks[cpu.idle_thread].clear();
            switch_thread(cpu, cpu.idle_thread);
            return note(cpu, record.at);
        default:
            return consume_hardware(record, cpu);
    }
}

}  // namespace ticklab::lab
