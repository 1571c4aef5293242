#include "ticklab/model/xen/hotplug.hpp"

#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/records.hpp"
#include "ticklab/model/xen/sites.hpp"

namespace ticklab::xen {

using sim::Cpu;
using sim::CpuId;

namespace {

/// Drain target of C2010; it never goes off-line.
constexpr CpuId kBootCpu = 0;

// Interrupts are enabled once more so that a timer vector that is already in IRR is serviced; its softirq does not run
// any more, and the drain makes good for it.
void disable_local(Cpu& cpu, Timers& timers, const Reprogrammer& reprogrammer, sim::Duration window) {
    reprogrammer.mask(cpu);
    timers.base(cpu.id()).armed_for = kNoDeadline;
    cpu.irq_enable();
    cpu.spend_time(window);
    cpu.irq_disable();
}

}  // namespace

void Timers::prepare_base(TimerBase& base) {
    // As after boot, whatever array the heap had: it is not given back (XT-F10).
    base.heap.forget();
    base.initialised = true;
}

void Timers::drain(Cpu& cpu, CpuId victim_id, CpuId target_id) {
    const sim::Frame frame(cpu, "timer drain");
    TimerBase& victim = bases_[victim_id];
    TimerBase& target = bases_[target_id];
    cpu.require(victim_id != target_id && machine_.cpu(target_id).online(),
                "timers are drained to a CPU that is off-line or the victim");
    cpu.at(sites::kDrainBeforeLock);
    const bool irqs_were_enabled = cpu.irq_save();
    lock_pair(cpu, target, victim);
    std::uint64_t queued = 0;
    while (!victim.heap.empty() || !victim.list.empty()) {
        Timer& t = victim.heap.empty() ? take_list_head(cpu, victim) : take_top(cpu, victim);
        t.cpu.write_once(cpu, target_id);
        (void)enqueue(cpu, target, t);
        ++queued;
    }
    std::uint64_t inactive = 0;
    while (!victim.inactive.empty()) {
        Timer& t = victim.inactive.front();
        unlink_inactive(cpu, victim, t);
        t.cpu.write_once(cpu, target_id);
        link_inactive(cpu, target, t);
        cpu.spend(prices_.list_scan_step);
        ++inactive;
    }
    victim.counters.drained += queued + inactive;
    cpu.record(kDrainRecord, victim_id, target_id, queued, inactive);
    if (std::optional<Broken> broken = check_drained(victim))
        cpu.fail(*broken->check, std::move(broken->message));
    target.raise_owed = true;
    unlock_pair(cpu, target, victim);
    cpu.irq_restore(irqs_were_enabled);
    cpu.at(sites::kDrainAfterUnlock);
    if (parameters_.changes.kick_drain_target)
        raise(cpu, target_id);
    target.raise_owed = false;
}

std::vector<sim::HotplugState> make_hotplug_states(Timers& timers, const Reprogrammer& reprogrammer,
                                                   const HotplugParameters& parameters) {
    using sim::HotplugSection;
    std::vector<sim::HotplugState> states;
    states.push_back({"xen/timers:prepare", HotplugSection::kPrepare,
                      [&timers](Cpu& on, Cpu& target) {
                          // A timer that was given to a dead CPU would lose the heap under it.
                          if (std::optional<Broken> broken = check_drained(timers.base(target.id())))
                              on.fail(*broken->check, std::move(broken->message));
                          timers.prepare_base(timers.base(target.id()));
                          on.record(kBaseInitRecord, target.id());
                          return true;
                      },
                      [&timers, stage = parameters.stage](Cpu& on, Cpu& target) {
                          if (stage == OfflineStage::kDead)
                              timers.drain(on, target.id(), kBootCpu);
                          return true;
                      }});
    states.push_back({"xen/local:disable",
                      HotplugSection::kStarting,
                      {},
                      [&timers, &reprogrammer, window = parameters.irq_window](Cpu& on, Cpu&) {
                          disable_local(on, timers, reprogrammer, window);
                          return true;
                      }});
    states.push_back(
        {"xen/boot-cpu:stays", HotplugSection::kOnline, {}, [](Cpu&, Cpu& target) { return target.id() != kBootCpu; }});
    return states;
}

}  // namespace ticklab::xen
