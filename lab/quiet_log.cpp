#include "ticklab/lab/quiet_log.hpp"

#include <algorithm>

#include "ticklab/lab/operands.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::lab {

using sim::Duration;
using sim::Time;

void QuietLog::close(PerCpu& cpu, Time at) {
    if (cpu.open < at) {
        if (cpu.intervals.size() == kMaxIntervals)
            cpu.intervals.pop_front();
        cpu.intervals.push_back({cpu.open, at});
    }
    cpu.open = sim::kNever;
}

void QuietLog::consume(const sim::Record& record) {
    const std::uint16_t kind = record.kind->id;
    if (record.cpu >= cpus_.size())
        return;
    PerCpu& cpu = cpus_[record.cpu];
    if (kind == sim::kIdleEnter.id || kind == sim::kUserEnter.id) {
        cpu.open = std::max(record.at, cpu.rests_until);
    } else if (kind == sim::kIdleExit.id || kind == sim::kUserExit.id) {
        close(cpu, record.at);
    } else if (record.kind->role == sim::RecordRole::kRest) {
        cpu.rests_until = instant_of(record);
    } else if (kind == sim::kStall.id && cpu.open != sim::kNever) {
        const Time until{Duration{record.signed_at(0)}};
        const Time open = cpu.open;
        if (open < record.at)
            close(cpu, record.at);
        cpu.open = std::max(open, until);
    }
}

Duration QuietLog::quiet(sim::CpuId id, Time from, Time to) const {
    const PerCpu& cpu = cpus_[id];
    Duration total{};
    const auto add = [&](Time begin, Time end) {
        begin = std::max(begin, from);
        end = std::min(end, to);
        if (begin < end)
            total += end - begin;
    };
    const auto first = std::upper_bound(cpu.intervals.begin(), cpu.intervals.end(), from,
                                        [](Time t, const Interval& i) { return t < i.end; });
    for (auto it = first; it != cpu.intervals.end() && it->begin < to; ++it)
        add(it->begin, it->end);
    if (cpu.open != sim::kNever)
        add(cpu.open, to);
    return total;
}

}  // namespace ticklab::lab
