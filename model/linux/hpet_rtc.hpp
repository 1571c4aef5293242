// The RTC's interrupts by the HPET's timer 1 (HP 10): with legacy replacement routing the RTC has none of its own, and
// the driver makes all three kinds, periodic, alarm and update, from polls of one comparator.
//
// Rules
//  (1) The operations are called at thread level, the interrupt comes with interrupts off; all hold the lock.
//  (2) The comparator is 32 bits wide, one-shot, and matches by equality: one that the counter has passed waits for a
//      wrap, minutes. So it is compared with the counter after it was written, and moved on until it is ahead.
//  (3) It moves by whole periods: the grid is kept, and what is skipped counts as lost (HP-P5).
//  (4) An interrupt kind that is disabled stops the timer at the next interrupt, not before (HP 10.2).
#pragma once

#include <cstdint>

#include "ticklab/model/linux/changes.hpp"
#include "ticklab/model/linux/hpet_block.hpp"
#include "ticklab/model/linux/prices.hpp"
#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::linux_ {

/// The kinds of interrupt, as bits (RTC_PIE, RTC_AIE, RTC_UIE).
enum RtcKinds : unsigned { kRtcPeriodic = 1, kRtcAlarm = 2, kRtcUpdate = 4 };

struct RtcTime {
    unsigned hour = 0;
    unsigned minute = 0;
    unsigned second = 0;
    bool operator==(const RtcTime&) const = default;
};

/// Figures of all the RTC's interrupts.
struct RtcCounters {
    std::uint64_t interrupts = 0;  ///< of timer 1, polls all of them
    std::uint64_t lost = 0;        ///< polls that should have been and were not
    std::uint64_t periodic = 0;
    std::uint64_t alarms = 0;
    std::uint64_t updates = 0;
};

class HpetRtc {
public:
    /// `time_at_boot`: the RTC's time of day when the machine boots, below a day.
    HpetRtc(sim::Machine& machine, HpetBlock& block, const LinuxChanges& changes, sim::Duration time_at_boot);

    /// On the boot CPU as it starts, which takes the interrupts: nothing works if the HPET is not usable. [point]
    void set_up(sim::Cpu& cpu);
    /// The periodic rate: a power of two from 2 to 8192 (RTC_IRQP_SET); it holds from the next interrupt on. [point]
    void set_rate(sim::Cpu& cpu, unsigned rate_hz);
    /// Kinds as bits (RTC_PIE_ON, RTC_PIE_OFF and the like). [point]
    void enable(sim::Cpu& cpu, unsigned kinds);
    void disable(sim::Cpu& cpu, unsigned kinds);
    void set_alarm(sim::Cpu& cpu, const RtcTime& alarm);
    /// Timer 1 has interrupted, EOI done: hard interrupt, nothing locked (HP 10.4). [point]
    void interrupt(sim::Cpu& cpu);
    /// In stop-machine, interrupts off: this CPU takes no more interrupts. [point]
    void dying(sim::Cpu& cpu);

    // For oracles and statistics.
    const RtcCounters& counters() const { return state_.peek().counters; }
    unsigned enabled() const { return state_.peek().enabled; }
    sim::CpuId target() const { return state_.peek().target; }
    RtcTime time_at(sim::Time now) const;

private:
    struct State {
        unsigned enabled = 0;  ///< RtcKinds
        unsigned rate_hz = 0;
        /// Accumulated, of which the hardware has the lower 32 bits.
        std::uint64_t t1_cmp = 0;
        std::uint32_t default_delta = 0;  ///< ticks of a poll at 64 Hz
        std::uint32_t pie_delta = 0;      ///< of a period of more than 64 Hz
        unsigned pie_limit = 0;           ///< polls a period, 0: pie_delta is the period
        std::uint64_t pie_count = 0;
        std::int64_t previous_second = kUnknownSecond;
        RtcTime alarm;
        sim::CpuId target = sim::kNoCpu;
        /// For the oracle: when the comparator was written last, and when the block will match it.
        sim::Time programmed_at = sim::kBoot;
        sim::Time match_at = sim::kNever;
        RtcCounters counters;
    };
    static constexpr std::int64_t kUnknownSecond = -1;

    static std::uint32_t delta(const State& state);
    void choose_rate(State& state, unsigned rate_hz) const;
    void aim_at(sim::Cpu& cpu, State& state, sim::CpuId target);
    void write_comparator(sim::Cpu& cpu, const State& state);
    void note_match(sim::Cpu& cpu, State& state) const;
    bool ahead(sim::Cpu& cpu, const State& state) const;
    void start(sim::Cpu& cpu, State& state);
    /// `lost`: polls that are known to be lost already.
    void rearm(sim::Cpu& cpu, State& state, std::uint64_t lost);
    unsigned due(sim::Cpu& cpu, State& state);
    bool alarm_wanted(const State& state) const;
    void report(sim::Cpu& cpu, State& state, unsigned kinds);
    void record_mask(sim::Cpu& cpu, const State& state) const;
    sim::Duration half_wrap() const;
    void check_rate(sim::Cpu& cpu, const State& state) const;
    /// `since`: when the counter was known to be before the comparator.
    void check_ahead(sim::Cpu& cpu, const State& state, sim::Time since, const sim::CheckDecl& check) const;

    sim::Machine& machine_;
    HpetBlock& block_;
    LinuxChanges changes_;
    sim::Duration time_at_boot_;
    sim::Price rtc_read_;
    sim::SpinLock lock_;
    sim::Guarded<State> state_;
};

}  // namespace ticklab::linux_
