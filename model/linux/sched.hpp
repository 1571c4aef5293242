// What of the scheduler the timer code needs: need_resched, the polling idle task, cross calls (LTW 7, LHR 2.3), and
// whether a CPU is idle (LPP 3.2).
//
// Rules
//  (1) need_resched and polling lie in one word: who sets the first learns whether the idle task will look by itself,
//      and sends an interrupt only if not (LTW 7.2).
//  (2) An idle task gives polling up with interrupts off, looks at need_resched once more, and then sleeps.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "ticklab/model/linux/hrtimers.hpp"
#include "ticklab/model/linux/push/nearby.hpp"
#include "ticklab/model/linux/timer_wheel.hpp"
#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::linux_ {

class Scheduler final : public IdleWaker, public RemoteCall, public IdleTest {
public:
    /// `nohz_full`: by CPU; empty for none.
    Scheduler(sim::Machine& machine, std::vector<bool> nohz_full)
        : machine_(machine), nohz_full_(std::move(nohz_full)), cpus_(machine.cpu_count()) {
        nohz_full_.resize(machine.cpu_count());
    }

    /// Makes `target` reschedule; an interrupt unless it polls. Any context. [point]
    void resched(sim::Cpu& from, sim::CpuId target);
    void wake_idle(sim::Cpu& from, sim::CpuId target) override;
    void reevaluate_on(sim::Cpu& from, sim::CpuId target) override;
    /// Makes `target` look at its tick again, by an empty irq-work (LTW 7.1). Any context. [point]
    void kick_tick(sim::Cpu& from, sim::CpuId target);
    /// The irq-work has come. [point]
    void take_irq_work(sim::Cpu& cpu) { cpus_[cpu.id()].irq_work.store(cpu, false); }
    /// For oracles: a kick is under way.
    bool tick_kicked(sim::CpuId cpu) const { return cpus_[cpu].irq_work.peek(); }
    /// More than one task wants this CPU: a tick that a nohz_full CPU needs (LNT 7.6).
    bool shares_cpu(const sim::Cpu& cpu) const;
    /// Takes what reevaluate_on() asked of this CPU: true if anything. [point]
    bool take_call(sim::Cpu& cpu) { return cpus_[cpu.id()].call.exchange(cpu, false); }

    /// Whether the idle task has to give way: a thread, user code, or somebody who asked for it. [point]
    bool need_resched(sim::Cpu& cpu) override;
    /// The idle task polls from here on, or not: whether need_resched was set. [point]
    bool set_polling(sim::Cpu& cpu, bool on);
    /// For oracles: need_resched is set.
    bool called(sim::CpuId cpu) const { return (cpus_[cpu].flags.peek() & kNeedResched) != 0; }
    /// The idle task starts or stops to run here. [point if a placement asks is_idle()]
    void set_idle_task(sim::Cpu& cpu, bool runs);
    bool is_idle(sim::Cpu& cpu, sim::CpuId asked) override;
    /// Before the first use: is_idle() is asked, so switches of tasks have their price.
    void watch_run_queues() { watched_ = true; }

    /// Something else runs now. [point]
    void scheduled(sim::Cpu& cpu) { cpus_[cpu.id()].flags.fetch_and(cpu, ~kNeedResched); }

private:
    static constexpr std::uint32_t kNeedResched = 1;
    static constexpr std::uint32_t kPolling = 2;
    struct PerCpuState {
        sim::Atomic<std::uint32_t> flags{0};
        sim::Atomic<bool> call{false};
        sim::Atomic<bool> irq_work{false};
        sim::CacheLine run_queue;
        bool in_idle_task = false;
    };
    bool has_work(const sim::Cpu& cpu) const {
        return cpu.has_runnable() || machine_.busy_until(cpu.id()) > cpu.local_time();
    }

    sim::Machine& machine_;
    std::vector<bool> nohz_full_;
    std::deque<PerCpuState> cpus_;
    bool watched_ = false;
};

}  // namespace ticklab::linux_
