// What wheel and tick are of CPUs that sleep, as the oracle of the hierarchy wants to see them (TMM 14.1).
#pragma once

#include <algorithm>

#include "ticklab/model/linux/tick_invariants.hpp"
#include "ticklab/model/linux/tick_sched.hpp"
#include "ticklab/model/linux/tmigr/invariants.hpp"

namespace ticklab::linux_ {

class SleepView final : public tmigr::TimerView {
public:
    /// `asking` is about to sleep, all decisions taken.
    SleepView(const TickSched& tick, sim::Cpu& asking)
        : parts_(tick.parts()), tick_(tick.tick_length()), asking_(asking) {}

    bool settled(sim::CpuId cpu) const override {
        return cpu == asking_.id() || parts_.wheel.machine().cpu(cpu).activity() == sim::CpuActivity::kIdle;
    }
    bool base_idle(sim::CpuId cpu) const override { return parts_.wheel.base(cpu, BaseIndex::kLocal).is_idle.peek(); }
    Ktime first_local(sim::CpuId cpu) const override { return first(cpu, BaseIndex::kLocal); }
    Ktime first_global(sim::CpuId cpu) const override { return first(cpu, BaseIndex::kGlobal); }
    /// Of a CPU that rests after a hang (LHR 9.2), what it has asked for: it gets it at the end of the rest.
    Ktime clock_event(sim::CpuId cpu) const override {
        const HrtimerCpu& queues = parts_.hrtimers.of(cpu);
        const Ktime device = parts_.devices.next_event(cpu);
        return queues.hang_detected ? std::min(device, queues.expires_next) : device;
    }
    Ktime now() const override { return parts_.time.peek(asking_); }
    KtimeSpan tick() const override { return tick_; }

private:
    Ktime first(sim::CpuId cpu, BaseIndex index) const {
        return first_bucket(parts_.time, parts_.wheel.base(cpu, index));
    }

    TickSched::Parts parts_;
    KtimeSpan tick_;
    sim::Cpu& asking_;
};

}  // namespace ticklab::linux_
