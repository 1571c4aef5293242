// Waking CPUs from C-states that stop their local APIC timer: HPET channels that sleeping CPUs share (HP 9).
//
// Rules
//  (1) enter() and exit() run on the CPU that sleeps, interrupts off, around the sleep; interrupt() on the
//      channel's owner. (2) Membership comes before programming, so that the handler of an event sees everyone that the
//      event stands for (HP 9.3 step 4).
//  (3) A channel lock is innermost: nothing is locked under it.
//  (4) Whether a CPU is awake decides, not what its deadline says: the handler uses a deadline only of a CPU that
//      is still in the set after the deadline was read (HPET-14).
//
// Race: a deadline read after its CPU has left
//  1. handler, CPU 0: CPU 1 is in the set.
//  2. CPU 1 wakes for another reason, leaves the set, runs its timers, publishes a new deadline.
//  3. handler: reads that deadline --> it wakes CPU 1 in vain, or programs the channel for it.
//  Guard: read the deadline first, then look whether the CPU is still in the set.
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ticklab/model/xen/broadcast_channel.hpp"
#include "ticklab/model/xen/reprogram.hpp"
#include "ticklab/model/xen/timers.hpp"

namespace ticklab::xen {

/// Figures of one CPU's use of the broadcast.
struct BroadcastCounters {
    std::uint64_t enters = 0;
    std::uint64_t interrupts = 0;  ///< of channels, handled here
    std::uint64_t woken_by_ipi = 0;
    std::uint64_t woken_by_flag = 0;  ///< in mwait, by a write
    std::uint64_t woken_as_owner = 0;
    std::uint64_t doublings = 0;   ///< of a span that was missed
    std::uint64_t late_exits = 0;  ///< the deadline had passed when the CPU came back to its local timer
};

/// One quantity of a CPU's use of the broadcast: state "cpuN.broadcast.<name>".
struct BroadcastState {
    std::string_view name;
    std::string_view help;
    std::uint64_t BroadcastCounters::*counter;
};
std::span<const BroadcastState> broadcast_states();

class HpetBroadcast {
public:
    HpetBroadcast(Timers& timers, Softirqs& softirqs, const Reprogrammer& reprogrammer, const XenChanges& changes);
    HpetBroadcast(const HpetBroadcast&) = delete;
    HpetBroadcast& operator=(const HpetBroadcast&) = delete;

    /// Finds and configures the channels, on the boot CPU, interrupts off; none if no CPU of the machine needs them or
    /// the block is unusable. [point]
    void set_up(sim::Cpu& boot_cpu);
    /// Whether sleeping CPUs can be woken: CPUs may enter states that stop their timers. [point]
    bool available(sim::Cpu& cpu) { return ready_.load(cpu, sim::Order::kAcquire); }

    /// The CPU goes to sleep in a state that stops its timer. Interrupts off, and off until exit(). [point]
    void enter(sim::Cpu& cpu);
    /// It has woken, for whatever reason. [point]
    void exit(sim::Cpu& cpu);
    /// Whether `vector` is a channel's.
    bool owns(std::uint8_t vector) const {
        return vector >= kFirstVector && std::size_t{vector} - kFirstVector < channels_.size();
    }
    /// A channel's interrupt, EOI included. [point]
    void interrupt(sim::Cpu& cpu, std::uint8_t vector);

    /// A CPU that will sleep in mwait on its flag, before it arms the monitor; and after it woke. [point]
    void mwait_begin(sim::Cpu& cpu) { wake_flag(cpu.id()).store(cpu, kSleeping, sim::Order::kFull); }
    bool mwait_woken(sim::Cpu& cpu) { return wake_flag(cpu.id()).load(cpu) == kWoken; }
    void mwait_end(sim::Cpu& cpu) { wake_flag(cpu.id()).store(cpu, kAwake, sim::Order::kFull); }
    sim::CacheLine& mwait_line(sim::CpuId cpu) { return wake_flag(cpu).line(); }

    /// What a wake-up by broadcast adds to the sleeping CPU's own deadline at most, idle latencies and flights of
    /// messages aside (HP 9.6).
    sim::Duration bound() const;
    /// A state of the broadcast: "hpet.channels", "cpuN.broadcast.*".
    std::optional<std::int64_t> state(std::string_view path) const;

    std::size_t channel_count() const { return channels_.size(); }
    const BroadcastChannel& channel(std::size_t i) const { return channels_[i]; }

    static constexpr std::uint8_t kFirstVector = 0xc0;
    static constexpr StimeSpan kMostSpan{10'000'000'000};

private:
    enum WakeFlag : std::uint32_t { kAwake, kSleeping, kWoken };
    struct PerCpuState {
        BroadcastChannel* channel = nullptr;
        sim::Atomic<std::uint32_t> flag{kAwake};
        const BroadcastChannel* handling = nullptr;
        /// Of the handlers under way, innermost last: an abandoned stack owns nothing.
        std::deque<std::vector<sim::CpuId>> due;
        BroadcastCounters counters;
    };

    sim::Atomic<std::uint32_t>& wake_flag(sim::CpuId cpu) { return cpus_[cpu].flag; }
    std::uint8_t vector_of(const BroadcastChannel& ch) const {
        return static_cast<std::uint8_t>(kFirstVector + ch.number);
    }
    BroadcastChannel& pick(sim::Cpu& cpu);
    void claim(sim::Cpu& cpu, BroadcastChannel& ch);
    void leave(sim::Cpu& cpu, BroadcastChannel& ch);
    bool program(sim::Cpu& cpu, BroadcastChannel& ch, Stime expire, Stime now, bool force);
    void unlock(sim::Cpu& cpu, BroadcastChannel& ch);
    void handle(sim::Cpu& cpu, BroadcastChannel& ch);
    void wake(sim::Cpu& cpu, sim::CpuId sleeper);
    /// What a sleeping CPU asks of the channel; nothing if it is not asleep any more.
    struct Wanted {
        Stime start, end;
    };
    std::optional<Wanted> deadline_then_mask(sim::Cpu& cpu, BroadcastChannel& ch, sim::CpuId c);
    std::optional<Wanted> mask_then_deadline(sim::Cpu& cpu, BroadcastChannel& ch, sim::CpuId c);
    void leave_with_irqs_on(sim::Cpu& cpu, BroadcastChannel& ch);
    void finish_after_eoi(sim::Cpu& cpu, BroadcastChannel& ch);
    void check_covered(sim::Cpu& cpu, const BroadcastChannel& ch);

    Timers& timers_;
    Softirqs& softirqs_;
    const Reprogrammer& reprogrammer_;
    const XenChanges& changes_;
    sim::Machine& machine_;
    sim::LockClass& lock_class_;
    std::deque<BroadcastChannel> channels_;
    std::deque<PerCpuState> cpus_;
    sim::Atomic<std::uint32_t> next_{0};
    sim::Atomic<bool> ready_{false};
    std::uint64_t ticks_per_ns_fixed_ = 0;  // 32 bits of fraction (HP 8.2)
};

}  // namespace ticklab::xen
