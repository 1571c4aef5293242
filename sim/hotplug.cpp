#include "ticklab/sim/hotplug.hpp"

#include <fmt/format.h>

#include <vector>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/machine_records.hpp"
#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::sim {
namespace {

class MutexGuard {
public:
    MutexGuard(Cpu& cpu, Mutex& mutex) : cpu_(cpu), mutex_(mutex) { mutex.lock(cpu); }
    ~MutexGuard() { mutex_.unlock(cpu_); }
    MutexGuard(const MutexGuard&) = delete;
    MutexGuard& operator=(const MutexGuard&) = delete;

private:
    Cpu& cpu_;
    Mutex& mutex_;
};

}  // namespace

HotplugController::HotplugController(Machine& machine)
    : machine_(machine),
      lock_(machine, machine.lock_class("cpu hotplug"), "cpu hotplug"),
      hotplug_threads_(machine.cpu_count()),
      stoppers_(machine.cpu_count()) {}

std::span<const HotplugState> HotplugController::states() const { return machine_.kernel().hotplug_states(); }

bool HotplugController::run_one(Cpu& on, Cpu& target, const HotplugState& state, bool up) {
    on.at(sites::kHotplugState);
    const auto& callback = up ? state.up : state.down;
    if (!callback)
        return true;
    const Frame frame(on, state.name.data());
    const bool ok = callback(on, target);
    on.record(kHotplugState, target.id(), machine_.intern(state.name), up, ok);
    return ok;
}

bool HotplugController::run_states(Cpu& on, Cpu& target, HotplugSection section, bool up, std::size_t& done) {
    const auto table = states();
    const bool may_refuse = up ? section != HotplugSection::kStarting : section == HotplugSection::kOnline;
    for (done = 0; done < table.size(); ++done) {
        const HotplugState& state = table[up ? done : table.size() - 1 - done];
        if (state.section != section)
            continue;
        if (!run_one(on, target, state, up)) {
            on.require(may_refuse, "a hotplug state refused where it must not");
            return false;
        }
    }
    return true;
}

void HotplugController::undo_states(Cpu& on, Cpu& target, HotplugSection section, bool undo_up, std::size_t done) {
    const auto table = states();
    while (done-- > 0) {
        const HotplugState& state = table[undo_up ? done : table.size() - 1 - done];
        if (state.section == section)
            run_one(on, target, state, !undo_up);
    }
}

Thread& HotplugController::helper(std::deque<Helper>& helpers, Cpu& cpu, const char* name, ThreadClass thread_class) {
    Helper& h = helpers[cpu.id()];
    if (!h.thread)
        h.thread = &machine_.make_thread(cpu, fmt::format("{}/{}", name, cpu.id()), thread_class, [&h](Cpu& me) {
            for (;;) {
                while (h.job) {
                    // Kept here and not on this stack, which may be abandoned; the next job may be set before this one
                    // returns.
                    h.running = std::move(h.job);
                    h.job = nullptr;
                    h.running(me);
                }
                me.block();
            }
        });
    return *h.thread;
}

void HotplugController::run_on_hotplug_thread(Cpu& control, Cpu& target, FunctionRef<void(Cpu&)> job) {
    Thread& thread = helper(hotplug_threads_, target, "cpuhp", ThreadClass::kHotplug);
    Thread* const waiting = &control.current();
    job_done_ = false;
    hotplug_threads_[target.id()].job = [this, job, waiting](Cpu& me) {
        job(me);
        job_done_ = true;
        me.wake(*waiting);
    };
    control.wake(thread);
    while (!job_done_)
        control.block();
}

bool HotplugController::up(Cpu& control, Cpu& target) {
    const MutexGuard guard(control, lock_);
    const Frame frame(control, "cpu_up");
    if (target.online_ || &target == &control)
        return false;
    std::size_t done = 0;
    if (!run_states(control, target, HotplugSection::kPrepare, true, done)) {
        undo_states(control, target, HotplugSection::kPrepare, true, done);
        return false;
    }
    waiting_control_ = &control.current();
    moving_ = &target;
    control.send_init_start_up(target.id());
    while (!target.online_)
        control.block();
    moving_ = nullptr;

    bool ok = true;
    run_on_hotplug_thread(control, target, [&](Cpu& me) {
        std::size_t reached = 0;
        ok = run_states(me, target, HotplugSection::kOnline, true, reached);
        if (!ok)
            undo_states(me, target, HotplugSection::kOnline, true, reached);
    });
    if (!ok)
        take_dead(control, target);
    return ok;
}

bool HotplugController::down(Cpu& control, Cpu& target) {
    const MutexGuard guard(control, lock_);
    const Frame frame(control, "cpu_down");
    if (!target.online_ || &target == &control || !machine_.first_online(target.id()) || lock_.awaited_on(target))
        return false;
    bool ok = true;
    run_on_hotplug_thread(control, target, [&](Cpu& me) {
        std::size_t reached = 0;
        ok = run_states(me, target, HotplugSection::kOnline, false, reached);
        if (!ok)
            undo_states(me, target, HotplugSection::kOnline, false, reached);
    });
    if (ok)
        take_dead(control, target);
    return ok;
}

void HotplugController::take_dead(Cpu& control, Cpu& target) {
    waiting_control_ = &control.current();
    moving_ = &target;
    stop_online(control, target, [&](Cpu& me) {
        me.online_ = false;
        me.record(kCpuOffline, me.id());
        std::size_t done = 0;
        run_states(me, me, HotplugSection::kStarting, false, done);
    });
    while (moving_)
        control.block();
    std::size_t done = 0;
    run_states(control, target, HotplugSection::kPrepare, false, done);
}

void HotplugController::arrive(Cpu& cpu) {
    machine_.kernel().cpu_start(cpu);
    const bool at_boot = moving_ != &cpu;
    if (!at_boot) {
        std::size_t done = 0;
        run_states(cpu, cpu, HotplugSection::kStarting, true, done);
    }
    cpu.online_ = true;
    cpu.record(kCpuOnline, cpu.id());
    cpu.irq_enable();
    if (!at_boot)
        cpu.wake(*waiting_control_);
}

void HotplugController::depart(Cpu& cpu) {
    if (moving_ != &cpu)
        return;
    moving_ = nullptr;
    cpu.wake(*waiting_control_);
}

void HotplugController::stop_machine(Cpu& control, Cpu& on, FunctionRef<void(Cpu&)> body) {
    const MutexGuard guard(control, lock_);
    stop_online(control, on, body);
}

void HotplugController::stop_online(Cpu& control, Cpu& on, FunctionRef<void(Cpu&)> body) {
    std::uint32_t count = 0;
    for (CpuId c = 0; c < machine_.cpu_count(); ++c)
        count += machine_.cpu(c).online_;
    gathered_.store(control, 0);
    irqs_off_.store(control, 0);
    released_.store(control, 0);
    left_.store(control, 0, Order::kRelease);
    Thread* const waiting = &control.current();
    for (CpuId c = 0; c < machine_.cpu_count(); ++c) {
        Cpu& cpu = machine_.cpu(c);
        if (!cpu.online_)
            continue;
        Thread& stopper = helper(stoppers_, cpu, "stopper", ThreadClass::kStopper);
        stoppers_[c].job = [this, &on, body, count, waiting](Cpu& me) {
            const Frame frame(me, "stop_machine");
            gathered_.fetch_add(me, 1);
            spin_until(me, gathered_.line(), [&] { return gathered_.peek() == count; });
            me.irq_disable();
            irqs_off_.fetch_add(me, 1);
            spin_until(me, irqs_off_.line(), [&] { return irqs_off_.peek() == count; });
            if (&me == &on) {
                (void)irqs_off_.load(me, Order::kAcquire);
                body(me);
                released_.store(me, 1, Order::kRelease);
            } else {
                spin_until(me, released_.line(), [&] { return released_.peek() != 0; });
                (void)released_.load(me, Order::kAcquire);
            }
            me.irq_enable();
            if (left_.fetch_add(me, 1) + 1 == count)
                me.wake(*waiting);
        };
        control.wake(stopper);
    }
    while (left_.peek() != count)
        control.block();
}

}  // namespace ticklab::sim
