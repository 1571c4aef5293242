#include "ticklab/model/linux/idle.hpp"

#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/sites.hpp"
#include "ticklab/model/linux/sleep_view.hpp"

namespace ticklab::linux_ {

using sim::Cpu;

namespace {

/// State of a cpu_idle record that ends a sleep.
constexpr std::uint32_t kAwake = 0xffff'ffff;

}  // namespace

bool IdleLoop::wanted(std::uint32_t& moments) const {
    if (effort_ == CheckEffort::kNever || (effort_ == CheckEffort::kAmortised && ++moments < kAmortisedReleases))
        return false;
    moments = 0;
    return true;
}

void IdleLoop::check(Cpu& cpu, std::optional<Broken> (*invariant)(const TickSched&, sim::CpuId, Ktime)) {
    if (!wanted(moments_since_check_))
        return;
    if (std::optional<Broken> broken = invariant(tick_, cpu.id(), time_.peek(cpu)))
        cpu.fail(*broken->check, std::move(broken->message));
}

void IdleLoop::check_tickless(Cpu& cpu) {
    // Who was kicked is about to look again.
    if (tick_.stopped(cpu) && !scheduler_.tick_kicked(cpu.id()))
        check(cpu, check_covered);
}

void IdleLoop::check_placement(Cpu& cpu) {
    if (!hierarchy_ || !hierarchy_->quiet() || !wanted(placement_moments_))
        return;
    if (std::optional<Broken> broken = check_quiet(*hierarchy_, SleepView(tick_, cpu)))
        cpu.fail(*broken->check, std::move(broken->message));
}

void IdleLoop::sleep_by_broadcast(Cpu& cpu, unsigned c_state) {
    cpu.mwait(c_state, true);
    broadcast_->exit(cpu);
    cpu.irq_enable();
}

void IdleLoop::poll(Cpu& cpu) {
    tick_.idle_restart_tick(cpu);
    cpu.irq_enable();
    while (broadcast_->expired(cpu) && !scheduler_.need_resched(cpu)) {
    }
}

void IdleLoop::sleep(Cpu& cpu, unsigned c_state) {
    bool by_broadcast = broadcast_ && broadcast_->stops_timer(c_state);
    if (by_broadcast && !broadcast_->enter(cpu)) {
        by_broadcast = false;
        c_state = governor_.shallower(c_state);
    }
    const bool called = scheduler_.set_polling(cpu, false);
    cpu.at(sites::kIdleBeforeSleep);
    if (called) {
        if (by_broadcast)
            broadcast_->exit(cpu);
        cpu.irq_enable();
    } else {
        cpu.record(kCpuIdleRecord, c_state, cpu.id());
        // Who was called since wakes at once.
        if (!scheduler_.called(cpu.id()))
            check(cpu, check_asleep);
        check_placement(cpu);
        const Ktime before = time_.now(cpu);
        if (by_broadcast)
            sleep_by_broadcast(cpu, c_state);
        else
            cpu.halt(c_state);
        if (!looks_again_)
            halt_until_called(cpu, by_broadcast ? governor_.shallower(c_state) : c_state);
        governor_.reflect(cpu, time_.now(cpu) - before);
        cpu.record(kCpuIdleRecord, kAwake, cpu.id());
    }
    scheduler_.set_polling(cpu, true);
}

void IdleLoop::halt_until_called(Cpu& cpu, unsigned c_state) {
    // An interrupt that armed an earlier timer did not set need_resched: the CPU sleeps on by the old decision.
    while (!scheduler_.need_resched(cpu)) {
        cpu.irq_disable();
        cpu.halt(c_state);
    }
}

void IdleLoop::follow(Cpu& cpu, const Governor::Choice& choice) {
    if (choice.stop_tick || tick_.stopped(cpu))
        tick_.idle_stop_tick(cpu);
    else
        tick_.retain_tick(cpu);
}

void IdleLoop::run(Cpu& cpu) {
    const sim::Frame frame(cpu, "idle");
    scheduler_.set_idle_task(cpu, true);
    scheduler_.set_polling(cpu, true);
    cpu.irq_disable();
    tick_.idle_enter(cpu);
    if (tick_.stops_before_choice())
        tick_.idle_stop_tick(cpu);
    cpu.irq_enable();
    while (!scheduler_.need_resched(cpu)) {
        // Off until the sleep itself: an interrupt after the decision could queue an earlier timer (LNT 7.1).
        cpu.irq_disable();
        if (broadcast_ && broadcast_->expired(cpu)) {
            poll(cpu);
            continue;
        }
        const Governor::Choice choice = governor_.select(cpu);
        if (!tick_.stops_before_choice())
            follow(cpu, choice);
        sleep(cpu, choice.c_state);
    }
    cpu.irq_disable();
    tick_.idle_exit(cpu);
    check(cpu, check_awake);
    cpu.irq_enable();
    scheduler_.set_polling(cpu, false);
    sim::full_barrier(cpu);
    scheduler_.scheduled(cpu);
    scheduler_.set_idle_task(cpu, false);
}

}  // namespace ticklab::linux_
