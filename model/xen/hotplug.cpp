#include "ticklab/model/xen/hotplug.hpp"

#include <fmt/format.h>

#include <memory>
#include <new>
#include <utility>

#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/records.hpp"
#include "ticklab/model/xen/sites.hpp"
#include "ticklab/sim/rcu.hpp"

namespace ticklab::xen {

using sim::Cpu;
using sim::CpuId;

namespace {

void require_drained(Cpu& cpu, const TimerBase& base) {
    if (std::optional<Broken> broken = check_drained(base))
        cpu.fail(*broken->check, std::move(broken->message));
}

// As until 2019: the next bring-up starts on the shared empty array, and nobody knows the old one any more.
void leave_heap_behind(TimerBase& base) {
    if (!base.heap.on_shared_array())
        base.counters.heap_leaked += TimerHeap::bytes_for(base.heap.limit());
    base.heap.forget();
}

void free_heap(Cpu& cpu, sim::Arena& arena, TimerBase& base) {
    if (void* const array = base.heap.take())
        arena.free(cpu, array);
}

// XT 10.3 step 2: the heap before the list, and that before the ready list.
Timer* first_in_structures(TimerBase& base) {
    if (!base.heap.empty())
        return &base.heap.top();
    if (!base.list.empty())
        return &base.list.front();
    return base.ready.empty() ? nullptr : &base.ready.front();
}

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

void Timers::start_base(TimerBase& base, void* area) {
    base.area = new (area) TimerArea;
    base.initialised = true;
}

void Timers::prepare_base_at_boot(TimerBase& base) {
    start_base(base, machine_.arena().allocate_at_boot(sizeof(TimerArea)));
}

bool Timers::prepare_base(Cpu& cpu, TimerBase& base) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    // A base that was kept goes on as it is.
    if (!base.initialised) {
        void* const area = machine_.arena().allocate(cpu, sizeof(TimerArea), sites::kBaseAllocate);
        if (!area)
            return false;
        start_base(base, area);
    }
    cpu.record(kBaseInitRecord, base.cpu);
    cpu.at(sites::kBasePrepared);
    return true;
}

void Timers::release_base(Cpu& cpu, TimerBase& base, bool parked) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (!parameters_.changes.heap_freed)
        leave_heap_behind(base);
    else if (!parked)
        free_heap(cpu, machine_.arena(), base);
    // Where inactive timers are not tracked some may still name this CPU, and its base stays for good.
    if (parked || !inactive_.complete)
        return;
    TimerArea* const area = base.area;
    base.initialised = false;
    if (offline_.grace_period)
        machine_.rcu().call(cpu, [this, area](Cpu& me) { machine_.arena().free(me, area); });
    else
        machine_.arena().free(cpu, area);
}

void Timers::drain(Cpu& cpu, CpuId victim_id) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const sim::Frame frame(cpu, "timer drain");
    const CpuId target_id = parameters_.changes.any_drain_target ? machine_.first_online(victim_id)->id() : kBootCpu;
    TimerBase& victim = bases_[victim_id];
    TimerBase& target = bases_[target_id];
    if (victim_id == target_id || !machine_.cpu(target_id).online())
        cpu.fail(checks::kDrainTarget, fmt::format("CPU {} is drained to CPU {}", victim_id, target_id));
    cpu.at(sites::kDrainBeforeLock);
    const bool irqs_were_enabled = cpu.irq_save();
    lock_pair(cpu, target, victim);
    std::uint64_t queued = 0;
    while (Timer* const next = first_in_structures(victim)) {
        Timer& t = *next;
        (void)dequeue(cpu, victim, t);
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
    require_drained(cpu, victim);
    target.raise_owed = true;
    unlock_pair(cpu, target, victim);
    cpu.irq_restore(irqs_were_enabled);
    cpu.at(sites::kDrainAfterUnlock);
    if (parameters_.changes.kick_drain_target)
        raise(cpu, target_id);
    target.raise_owed = false;
}

namespace {

// For as long as the CPU is there; what is in it is no business of the timers.
struct CpuStacks {
    static constexpr std::size_t kBytes = 16384;
    std::vector<void*> of_cpu;
};

// The victim is dead, or its bring-up was cancelled (XT 10.5).
void after_death(Cpu& on, CpuId victim, Timers& timers, bool parked) {
    TimerBase& base = timers.base(victim);
    const bool skipped = parked && !timers.parameters().changes.drain_of_parked;
    if (timers.offline_design().drain_when_dying)
        require_drained(on, base);
    else if (!skipped)
        timers.drain(on, victim);
    timers.release_base(on, base, parked);
}

}  // namespace

std::vector<sim::HotplugState> make_hotplug_states(Timers& timers, const Reprogrammer& reprogrammer,
                                                   const HotplugParameters& parameters) {
    using sim::HotplugSection;
    std::vector<sim::HotplugState> states;
    states.push_back({"xen/timers:prepare", HotplugSection::kPrepare,
                      [&timers](Cpu& on, Cpu& target) {
                          // A timer that was given to a dead CPU would be stranded.
                          require_drained(on, timers.base(target.id()));
                          return timers.prepare_base(on, timers.base(target.id()));
                      },
                      [&timers, parked = parameters.park](Cpu& on, Cpu& target) {
                          after_death(on, target.id(), timers, parked);
                          return true;
                      }});
    const auto stacks = std::make_shared<CpuStacks>();
    stacks->of_cpu.resize(timers.cpu_count());
    states.push_back({"xen/stack:prepare", HotplugSection::kPrepare,
                      [&timers, stacks](Cpu& on, Cpu& target) {
                          void*& stack = stacks->of_cpu[target.id()];
                          stack = timers.machine().arena().allocate(on, CpuStacks::kBytes, sites::kStackAllocate);
                          return stack != nullptr;
                      },
                      [&timers, stacks](Cpu& on, Cpu& target) {
                          // CPUs that were there at boot have theirs from elsewhere.
                          if (void* const stack = std::exchange(stacks->of_cpu[target.id()], nullptr))
                              timers.machine().arena().free(on, stack);
                          return true;
                      }});
    if (timers.offline_design().drain_when_dying)
        states.push_back({"xen/timers:dying", HotplugSection::kStarting, {}, [&timers](Cpu& on, Cpu& target) {
                              timers.drain(on, target.id());
                              return true;
                          }});
    states.push_back({"xen/local:disable",
                      HotplugSection::kStarting,
                      {},
                      [&timers, &reprogrammer, window = parameters.irq_window](Cpu& on, Cpu&) {
                          disable_local(on, timers, reprogrammer, window);
                          return true;
                      }});
    states.push_back({"xen/boot-cpu:stays",
                      HotplugSection::kOnline,
                      {},
                      [removable = parameters.boot_cpu_removable](Cpu&, Cpu& target) {
                          return removable || target.id() != kBootCpu;
                      }});
    return states;
}

}  // namespace ticklab::xen
