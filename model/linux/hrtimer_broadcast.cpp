#include "ticklab/model/linux/hrtimer_broadcast.hpp"

#include <utility>

namespace ticklab::linux_ {

using sim::Cpu;

HrtimerBroadcast::HrtimerBroadcast(sim::Machine& machine, Hrtimers& hrtimers, const LinuxChanges& changes,
                                   EventHandler handler)
    : hrtimers_(hrtimers), changes_(changes), handler_(handler) {
    timer_.object = machine.intern("broadcast timer");
    timer_.function_name = machine.intern("bc_handler");
}

void HrtimerBroadcast::set_up(Cpu& cpu) {
    hrtimers_.setup(cpu, timer_, &HrtimerBroadcast::callback, this, ClockId::kMonotonic, HrtimerMode{.hard = true});
}

bool HrtimerBroadcast::set(Cpu& cpu, Ktime expires, Ktime, sim::CpuId, bool) {
    if (expires == kKtimeMax) {
        armed_for_ = kKtimeMax;
        restart_at_ = kKtimeMax;
        hrtimers_.try_to_cancel(cpu, timer_);
    } else if (changes_.broadcast_starts_running_timer) {
        start(cpu, expires);
    } else {
        start_unless_running(cpu, expires);
    }
    return true;
}

void HrtimerBroadcast::start(Cpu& cpu, Ktime expires) {
    hrtimers_.start(cpu, timer_, expires, KtimeSpan::zero(), HrtimerMode{.pinned = true, .hard = true});
    // Of a timer whose callback runs the CPU is the one that runs it.
    host_ = timer_.base->cpu_base->cpu;
    armed_for_ = expires;
}

void HrtimerBroadcast::start_unless_running(Cpu& cpu, Ktime expires) {
    if (hrtimers_.try_to_cancel(cpu, timer_) >= 0) {
        start(cpu, expires);
    } else if (timer_.base->cpu_base->cpu == cpu.id()) {
        restart_at_ = expires;
        armed_for_ = expires;
    }
}

HrtimerRestart HrtimerBroadcast::callback(Cpu& cpu, Hrtimer& timer, void* argument) {
    HrtimerBroadcast& self = *static_cast<HrtimerBroadcast*>(argument);
    self.handler_.run(self.handler_.object, cpu);
    const Ktime again = std::exchange(self.restart_at_, kKtimeMax);
    if (again == kKtimeMax)
        return HrtimerRestart::kNoRestart;
    timer.expires = timer.soft_expires = again;
    return HrtimerRestart::kRestart;
}

}  // namespace ticklab::linux_
