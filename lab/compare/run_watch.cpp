#include "ticklab/lab/compare/run_watch.hpp"

#include <algorithm>
#include <array>

#include "ticklab/lab/scenario_records.hpp"
#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/devices/hpet_records.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::lab {

using sim::Duration;
using sim::Time;

struct RunWatch::Edge {
    const sim::RecordKind* kind;
    bool begins;
    Doing doing;
};

const RunWatch::Edge* RunWatch::edge_of(const sim::RecordKind& kind) {
    static constexpr std::array kEdges{
        Edge{&sim::kIrqEntry, true, Doing::kKernel},         Edge{&sim::kIrqExit, false, Doing::kKernel},
        Edge{&sim::kNmiEntry, true, Doing::kKernel},         Edge{&sim::kNmiExit, false, Doing::kKernel},
        Edge{&sim::kIdleEnter, true, Doing::kIdle},          Edge{&sim::kIdleExit, false, Doing::kIdle},
        Edge{&sim::kUserEnter, true, Doing::kUser},          Edge{&sim::kUserExit, false, Doing::kUser},
        Edge{&sim::kHoldBegin, true, Doing::kHeld},          Edge{&sim::kHoldEnd, false, Doing::kHeld},
        Edge{&kVerbBeginRecord, true, Doing::kKernel},       Edge{&kVerbEndRecord, false, Doing::kKernel},
        Edge{&kCallbackBeginRecord, true, Doing::kCallback}, Edge{&kCallbackEndRecord, false, Doing::kCallback},
    };
    const auto edge = std::find_if(kEdges.begin(), kEdges.end(), [&](const Edge& e) { return e.kind->id == kind.id; });
    return edge == kEdges.end() ? nullptr : &*edge;
}

namespace {

Duration longest_exit(const sim::MachineConfig& config) {
    Duration longest{};
    for (const sim::CState& state : config.c_states)
        longest = std::max(longest, state.exit_latency);
    return longest;
}

}  // namespace

RunWatch::RunWatch(const sim::MachineConfig& config)
    : c_states_(config.c_states), cpus_(config.cpu_count), package_(config.online_at_boot, longest_exit(config)) {
    for (sim::CpuId c = config.online_at_boot; c < config.cpu_count; ++c)
        cpus_[c].offline = true;
}

void RunWatch::watch(sim::Machine& machine) {
    for (const sim::CState& state : c_states_)
        exit_latencies_.emplace_back(machine.intern(state.name), state.exit_latency);
}

Duration RunWatch::exit_latency(std::uint64_t c_state_name) const {
    for (const auto& [name, latency] : exit_latencies_)
        if (name == c_state_name)
            return latency;
    return Duration::zero();
}

void RunWatch::account(PerCpu& cpu, Time at) {
    if (at <= cpu.since)
        return;
    if (!cpu.offline && (cpu.frames.empty() || cpu.frames.back() == Doing::kKernel))
        kernel_time_ += at - cpu.since;
    cpu.since = at;
}

void RunWatch::frame(PerCpu& cpu, const sim::Record& record, const Edge& edge) {
    account(cpu, record.at);
    if (edge.begins) {
        cpu.frames.push_back(edge.doing);
        return;
    }
    const auto innermost = std::find(cpu.frames.rbegin(), cpu.frames.rend(), edge.doing);
    if (innermost != cpu.frames.rend())
        cpu.frames.erase(std::next(innermost).base());
}

void RunWatch::consume(const sim::Record& record) {
    switch (record.kind->id) {
        case sim::kApicTimerArm.id:
        case sim::kApicTimerStop.id:
        case sim::kHpetWrite.id:
            ++timer_writes_;
            return;
        case sim::kIpiSend.id:
            ipis_ += record.unsigned_at(1);
            return;
        default:
            break;
    }
    if (record.cpu >= cpus_.size())
        return;
    PerCpu& cpu = cpus_[record.cpu];
    switch (record.kind->id) {
        case sim::kIdleEnter.id:
            package_.fell_asleep(record.at);
            break;
        case sim::kIdleExit.id:
            package_.woke(record.at - exit_latency(record.unsigned_at(0)), record.at);
            break;
        case sim::kStall.id:
            account(cpu, record.at);
            cpu.since = std::max(cpu.since, Time{Duration{record.signed_at(0)}});
            return;
        case sim::kCpuOffline.id:
            account(cpu, record.at);
            cpu.offline = true;
            package_.fell_asleep(record.at);
            return;
        case sim::kCpuOnline.id:
            // Those that are there at boot arrive as well.
            account(cpu, record.at);
            if (cpu.offline)
                package_.woke(record.at, record.at);
            cpu.offline = false;
            cpu.frames.clear();
            return;
        default:
            break;
    }
    if (const Edge* const edge = edge_of(*record.kind))
        frame(cpu, record, *edge);
}

void RunWatch::consume(std::span<const sim::Record> batch) {
    for (const sim::Record& record : batch)
        consume(record);
}

void RunWatch::finish(Time at) {
    for (PerCpu& cpu : cpus_)
        account(cpu, at);
    package_idle_ = package_.total(at);
}

}  // namespace ticklab::lab
