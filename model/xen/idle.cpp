#include "ticklab/model/xen/idle.hpp"

#include "ticklab/model/xen/sites.hpp"

namespace ticklab::xen {

using sim::Cpu;

namespace {

// XEN-32: what an interrupt has raised since the last look was not looked at.
bool trust_the_last_look(Cpu&, Softirqs&) { return false; }

bool look_again(Cpu& cpu, Softirqs& softirqs) { return softirqs.any_pending(cpu); }

}  // namespace

unsigned Idle::choose_c_state(Cpu& cpu) {
    const sim::MachineConfig& config = cpu.machine().config();
    const auto& states = config.c_states;
    if (states.size() == 1)
        return 0;
    const Stime start = timers_.base(cpu.id()).deadline_start.read_once(cpu);
    sim::Duration sleep = sim::Duration::max();
    if (start != kNoDeadline) {
        const Stime now = timers_.time().now(cpu);
        sleep = start > now ? sim::Duration{to_virtual(start) - to_virtual(now)} : sim::Duration::zero();
    }
    // Nothing repairs a TSC that has stopped (TC 3.3).
    const bool deep_allowed =
        config.tsc_class == sim::TscClass::kInvariant && (config.arat || broadcast_.available(cpu));
    unsigned chosen = 0;
    for (unsigned i = 1; i < states.size(); ++i)
        if (states[i].target_residency <= sleep && (deep_allowed || !states[i].deep))
            chosen = i;
    return chosen;
}

void Idle::pass(Cpu& cpu) {
    const unsigned c_state = choose_c_state(cpu);
    cpu.at(sites::kIdleBeforeIrqsOff);
    cpu.irq_disable();
    // Interrupts were enabled while the state was chosen.
    if ((changes_.recheck_before_sleep ? look_again : trust_the_last_look)(cpu, softirqs_)) {
        cpu.irq_enable();
        return;
    }
    const sim::MachineConfig& config = cpu.machine().config();
    const bool timer_stops = config.c_states[c_state].deep && !config.arat;
    if (kind_ == IdleKind::kHalt && !timer_stops) {
        cpu.halt(c_state);
        return;
    }
    if (timer_stops)
        broadcast_.enter(cpu);
    if (kind_ == IdleKind::kMwait)
        sleep_in_mwait(cpu, c_state);
    else
        cpu.mwait(c_state, true);
    if (timer_stops) {
        // What woke the CPU is taken first: its channel's interrupt finds it in the set, and the owner that it is.
        cpu.irq_enable();
        cpu.irq_disable();
        broadcast_.exit(cpu);
    }
    if (kind_ == IdleKind::kMwait)
        broadcast_.mwait_end(cpu);
    cpu.irq_enable();
}

bool Idle::due(Cpu& cpu) {
    const Stime start = timers_.base(cpu.id()).deadline_start.read_once(cpu);
    return start != kNoDeadline && start <= timers_.time().now(cpu);
}

void Idle::sleep_in_mwait(Cpu& cpu, unsigned c_state) {
    broadcast_.mwait_begin(cpu);
    cpu.monitor(broadcast_.mwait_line(cpu.id()));
    if (!due(cpu) && !broadcast_.mwait_woken(cpu))
        cpu.mwait(c_state, true);
    if (due(cpu))
        softirqs_.raise_local(cpu, SoftirqNumber::kTimer);
}

}  // namespace ticklab::xen
