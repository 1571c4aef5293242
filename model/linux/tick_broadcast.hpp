// Tick broadcast: waking CPUs from C-states that stop their clock-event devices, by a device that goes on (LNT 11).
//
// Rules
//  (1) enter() and exit() run on the CPU that sleeps, interrupts off, around the sleep. The CPU wakes with interrupts
//      off, so exit() comes before what woke it is handled.
//  (2) Membership and the deadline are published before the device is looked at, all under the lock, so the handler of
//      any event of the device sees everyone that the event stands for.
//  (3) The lock comes before the hrtimer bases' and nothing else; handlers of local devices are called without it.
//  (4) The masks: `sleeping`, who relies on the device; `pending`, who was sent the interrupt of its own device and has
//      not come out yet; `forced`, who came out with its event due, and waits for the broadcast interrupt that is about
//      to come instead of programming its device for the past (LNT 11.2, 11.4).
//
// B1 a CPU that sleeps is in `sleeping`, and the device is armed no later than the CPU's next event.   B2 a CPU that
// runs is not.
#pragma once

#include <deque>
#include <vector>

#include "ticklab/model/linux/hpet_clock_event.hpp"
#include "ticklab/model/linux/hrtimer_broadcast.hpp"
#include "ticklab/sim/cpu_set.hpp"

namespace ticklab::linux_ {

enum class BroadcastKind : std::uint8_t { kHpet, kHrtimer, kNone };

/// Figures of one CPU.
struct BroadcastCounters {
    std::uint64_t sleeps = 0;      ///< with its own timer stopped
    std::uint64_t refused = 0;     ///< times that it had to choose a state that keeps its timer
    std::uint64_t interrupts = 0;  ///< of the broadcast device, handled here
    std::uint64_t woken = 0;       ///< by an IPI of the broadcast
    std::uint64_t forced = 0;      ///< times that it came out with its event due
};

class TickBroadcast {
public:
    TickBroadcast(sim::Machine& machine, Timekeeping& time, ClockEvents& devices, Hrtimers& hrtimers, HpetBlock& hpet,
                  const LinuxChanges& changes);

    /// A CPU in that state has no timer of its own.
    bool stops_timer(unsigned c_state) const { return machine_.config().c_states[c_state].deep; }

    /// The first device, on the boot CPU as it starts, interrupts off; none if the machine has none such. [point]
    void set_up(sim::Cpu& cpu, BroadcastKind kind);
    /// The HPET takes the place of what there is, if it is usable: at thread level. [point]
    void replace_by_hpet(sim::Cpu& cpu);
    /// A CPU's clock-event device works, and will stop in deep C-states: interrupts off. [point]
    void cpu_starts(sim::Cpu& cpu) { (void)relying_.add(cpu, cpu.id()); }
    /// This CPU's tick is one-shot from here on; before, the CPU is refused (LNT-D1). [point]
    void switch_to_one_shot(sim::Cpu& cpu);

    /// Before a sleep that stops the device: false if the CPU must choose another state (LNT 11.3). [point]
    bool enter(sim::Cpu& cpu);
    /// After it, interrupts still off (LNT 11.4). [point]
    void exit(sim::Cpu& cpu);
    /// The broadcast interrupt for this CPU is about to come: no use in sleeping (LNT 11.7). [point]
    bool expired(sim::Cpu& cpu) { return forced_.contains(cpu, cpu.id()); }
    /// The device's interrupt, EOI done: hard interrupt, nothing locked (LNT 11.6). [point]
    void interrupt(sim::Cpu& cpu);

    // Hotplug (LNT 11.8).
    /// tick:dying: in stop-machine, interrupts off. [point]
    void dying(sim::Cpu& cpu);
    /// On the control CPU, when `dead` is: takes over a device that was a timer of that CPU. [point]
    void pull_from(sim::Cpu& cpu, sim::CpuId dead);

    /// How much later than by its own timer a CPU may be woken, flights of messages aside: idle latencies of the CPU
    /// that takes the device's interrupt, the device's least distance, and the handler.
    KtimeSpan delay() const;

    // For oracles.
    bool under_way() const { return lock_.held(); }
    bool sleeping(sim::CpuId cpu) const { return sleeping_.peek(cpu); }
    bool pending(sim::CpuId cpu) const { return pending_.peek(cpu); }
    /// Null if there is none.
    const BroadcastDevice* device() const { return device_; }
    const HpetClockEvent& hpet() const { return hpet_; }
    const BroadcastCounters& counters(sim::CpuId cpu) const { return cpus_[cpu].counters; }

private:
    struct PerCpuState {
        explicit PerCpuState(sim::SpinLock& lock) : deadline(lock, kKtimeMax) {}
        /// What it sleeps until.
        sim::Guarded<Ktime> deadline;
        sim::Cause cause;
        bool one_shot = false;
        BroadcastCounters counters;
    };
    void install(sim::Cpu& cpu, BroadcastDevice& device);
    void take_over_periodic_mask(sim::Cpu& cpu);
    bool program(sim::Cpu& cpu, Ktime expires, sim::CpuId target, bool force);
    bool enter_locked(sim::Cpu& cpu);
    void exit_locked(sim::Cpu& cpu);
    bool collect(sim::Cpu& cpu);
    bool deliver(sim::Cpu& cpu);

    sim::Machine& machine_;
    Timekeeping& time_;
    ClockEvents& devices_;
    LinuxChanges changes_;
    sim::SpinLock lock_;
    HpetClockEvent hpet_;
    HrtimerBroadcast hrtimer_;
    BroadcastDevice* device_ = nullptr;
    sim::CpuSet relying_;
    sim::CpuSet sleeping_;
    sim::CpuSet pending_;
    sim::CpuSet forced_;
    std::deque<PerCpuState> cpus_;
    /// Of the interrupt under way, under the lock.
    std::vector<sim::CpuId> due_;
    Ktime next_ = kKtimeMax;
    sim::CpuId next_cpu_ = sim::kNoCpu;
};

}  // namespace ticklab::linux_
