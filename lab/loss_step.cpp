#include "ticklab/lab/loss_step.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "ticklab/lab/operands.hpp"
#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/devices/hpet_records.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::lab {
namespace {

using sim::CpuId;
using sim::Duration;
using sim::Time;

enum class WakeChange : std::uint8_t { kNone, kDown, kUp };

struct WakeEffect {
    WakeChange change = WakeChange::kNone;
    CpuId cpu = sim::kNoCpu;
};

/// What a record does to a CPU's being awake in the kernel.
WakeEffect wake_effect(const KeptRecord& r) {
    switch (r.kind->id) {
        case sim::kIdleEnter.id:
        case sim::kUserEnter.id:
            return {WakeChange::kDown, r.cpu};
        case sim::kIdleExit.id:
        case sim::kUserExit.id:
            return {WakeChange::kUp, r.cpu};
        case sim::kCpuOffline.id:
            return {WakeChange::kDown, static_cast<CpuId>(r.operands[0])};
        case sim::kCpuOnline.id:
            return {WakeChange::kUp, static_cast<CpuId>(r.operands[0])};
        default:
            return {};
    }
}

bool puts_timer(const KeptRecord& r, std::uint64_t timer) {
    const bool role = r.kind->role == sim::RecordRole::kArmed || r.kind->role == sim::RecordRole::kQueued;
    return role && operand_of(*r.kind, r.operands, sim::OperandType::kObject) == timer;
}

/// Of a CPU's records, those that are no doing of its own and wake nobody.
bool is_of_no_account(const KeptRecord& r, Time bound) {
    static constexpr std::array kNone{sim::kStall.id, sim::kTscStop.id, sim::kTscStart.id, sim::kApicTimerThaw.id};
    if (r.kind->id == sim::kApicTimerFreeze.id)
        return Time{Duration{static_cast<std::int64_t>(r.operands[1])}} > bound;
    // A masked timer wakes nobody.
    if (r.kind->id == sim::kApicTimerEvent.id)
        return r.operands[2] != 0;
    return r.kind->category == "oracle" || std::find(kNone.begin(), kNone.end(), r.kind->id) != kNone.end();
}

bool counts(const KeptRecord& r, const LossQuestion& q) {
    if (r.kind->id == sim::kHpetMatch.id)
        return true;
    if (is_of_no_account(r, q.bound))
        return false;
    if (!q.cpu)
        return r.cpu != sim::kNoCpu;
    if (r.cpu == *q.cpu || wake_effect(r).cpu == *q.cpu)
        return true;
    return puts_timer(r, q.timer_name) && operand_of(*r.kind, r.operands, sim::OperandType::kCpu) == *q.cpu;
}

}  // namespace

std::optional<KeptRecord> loss_step(const RecordRing& ring, const LossQuestion& q) {
    std::vector<KeptRecord> records;
    ring.backwards([&](const KeptRecord& r) {
        if (counts(r, q))
            records.push_back(r);
        return true;
    });
    std::reverse(records.begin(), records.end());

    // A CPU is awake until a record says otherwise, and was not if the first one says that it woke.
    std::map<CpuId, bool> awake;
    const auto is_counted = [&](CpuId cpu) { return cpu != sim::kNoCpu && (!q.cpu || cpu == *q.cpu); };
    for (const KeptRecord& r : records)
        for (const CpuId cpu : {r.cpu, wake_effect(r).cpu})
            if (is_counted(cpu))
                awake.try_emplace(cpu, wake_effect(r).cpu != cpu || wake_effect(r).change != WakeChange::kUp);
    std::set<CpuId> offline;
    std::optional<KeptRecord> step;
    bool covered = true;
    for (const KeptRecord& r : records) {
        if (r.at > q.bound && !covered)
            break;
        const WakeEffect effect = wake_effect(r);
        if (r.kind->id == sim::kCpuOffline.id)
            offline.insert(effect.cpu);
        else if (r.kind->id == sim::kCpuOnline.id)
            offline.erase(effect.cpu);
        else if (offline.contains(r.cpu))
            continue;  // its timer, and what is sent to it, wakes nobody
        if (is_counted(effect.cpu))
            awake[effect.cpu] = effect.change == WakeChange::kUp;
        covered = std::any_of(awake.begin(), awake.end(), [](const auto& a) { return a.second; });
        if (covered)
            step.reset();
        else
            step.emplace(r);
    }
    return step;
}

}  // namespace ticklab::lab
