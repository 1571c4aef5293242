// The HPET's timer 0 by legacy replacement routing as a global one-shot clock-event device (HP 8.1 to 8.3, 8.5).
//
// The comparator matches by equality, so a value that the counter has passed when it arrives is lost for a wrap: it is
// looked at again after it was written, and one that is less than a guard ahead counts as missed (HPET-02, HPET-04).
#pragma once

#include "ticklab/model/linux/broadcast_device.hpp"
#include "ticklab/model/linux/hpet_block.hpp"
#include "ticklab/sim/cpu.hpp"

namespace ticklab::linux_ {

class HpetClockEvent final : public BroadcastDevice {
public:
    /// `tick` is what the least distance grows to at most (LHR 7.6).
    HpetClockEvent(HpetBlock& block, KtimeSpan tick) : block_(block), tick_(tick) {}

    /// Takes the block into use: true if it is usable. Interrupts off. [point]
    bool probe(sim::Cpu& cpu);

    /// The shortest distance that a block of that period is asked for first.
    static KtimeSpan least_delta(std::uint64_t period_fs);

    std::string_view name() const override { return "hpet"; }
    sim::CpuId target() const override { return target_; }
    KtimeSpan min_delta() const override { return min_delta_; }
    /// Programmings that came too late for the comparator.
    std::uint64_t missed() const { return missed_; }

private:
    bool set(sim::Cpu& cpu, Ktime expires, Ktime now, sim::CpuId target, bool force) override;
    void aim_at(sim::Cpu& cpu, sim::CpuId target);
    void enable(sim::Cpu& cpu, bool on);
    bool write_comparator(sim::Cpu& cpu, KtimeSpan delta);
    bool write_least(sim::Cpu& cpu);
    KtimeSpan span_of(std::uint64_t ticks) const;

    HpetBlock& block_;
    KtimeSpan tick_;
    KtimeSpan min_delta_{};
    KtimeSpan max_delta_{};
    std::uint64_t mult_ = 0;  // ticks a ns, 32 bits of fraction
    sim::CpuId target_ = sim::kNoCpu;
    bool enabled_ = false;
    std::uint64_t missed_ = 0;
};

}  // namespace ticklab::linux_
