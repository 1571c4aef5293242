// Loads on the whole machine: benchmarks time them, bench/instructions.cpp counts their instructions.
//
// Rules
//  - A load is past its start when it has been constructed: caches, heaps and buffers have the size they keep.
//  - advance() takes it on by one step(): about the same work for any number of CPUs, and always the same for one load.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

#include "advance.hpp"
#include "load.hpp"
#include "tick_kernel.hpp"
#include "ticklab/model/xen/declarations.hpp"
#include "ticklab/model/xen/kernel.hpp"

namespace ticklab::bench {

/// A machine whose CPUs tick at 1000 Hz (bench/tick_kernel.hpp), staggered over the period or all at once.
class TickLoad {
public:
    TickLoad(sim::CpuId cpu_count, bool staggered, sim::Duration quantum)
        : step_(std::max<sim::Duration>(std::chrono::milliseconds{1}, std::chrono::milliseconds{16} / cpu_count)),
          kernel_(cpu_count, {std::chrono::milliseconds{1}, staggered}),
          machine_(config(cpu_count, quantum), kernel_) {
        run_to(machine_, until_);
    }

    sim::Machine& machine() { return machine_; }
    sim::Duration step() const { return step_; }
    /// Ticks so far.
    std::uint64_t operations() const { return kernel_.ticks(); }
    void advance() {
        until_ += step_;
        run_to(machine_, until_);
    }

private:
    static sim::MachineConfig config(sim::CpuId cpu_count, sim::Duration quantum) {
        sim::MachineConfig c = bench_config(cpu_count);
        c.quantum = quantum;
        return c;
    }

    sim::Time until_ = sim::kBoot + std::chrono::milliseconds{5};
    sim::Duration step_;
    TickKernel kernel_;
    sim::Machine machine_;
};

/// The hypervisor's timer core under churn. A pacing timer a CPU fires 20 000 times a second; each time one timer of
/// kTimers, every eighth time one of the next CPU, is set again for an exponential timeout of 5 ms on average, nine
/// times of ten after it was stopped. A timer that does expire is set again. So most never do, as with real timeouts.
class XenChurnLoad final : private sim::TimerClient, private sim::ActivityHandler {
public:
    static constexpr std::uint32_t kTimers = 32;
    static constexpr std::uint64_t kPaceNs = 50'000;
    static constexpr std::uint64_t kTimeoutNs = 5'000'000;

    XenChurnLoad(sim::CpuId cpu_count, xen::CheckEffort effort)
        : cpus_(cpu_count),
          kernel_(xen_config(effort), *this),
          machine_(bench_config(cpu_count, xen::xen_kernel_decl().costs), kernel_) {
        for (sim::CpuId c = 0; c < cpu_count; ++c)
            cpus_[c].start(*this, c);
        source_ = machine_.engine().add(sim::ActivityClass::kScript, *this);
        machine_.engine().arm(source_, sim::kBoot + std::chrono::milliseconds{1});
        run_to(machine_, until_);
    }

    sim::Machine& machine() { return machine_; }
    sim::Duration step() const { return std::chrono::milliseconds{1}; }
    /// Timers set and stopped so far.
    std::uint64_t operations() const {
        std::uint64_t sum = 0;
        for (const PerCpu& c : cpus_)
            sum += c.operations;
        return sum;
    }
    void advance() {
        until_ += step();
        run_to(machine_, until_);
    }

private:
    struct Churned {
        XenChurnLoad* load = nullptr;
        xen::Timer timer;
    };
    struct PerCpu {
        std::deque<Churned> timers{kTimers};
        Churned pacer;
        std::uint64_t draws = 0;
        std::uint64_t operations = 0;

        void start(XenChurnLoad& load, sim::CpuId cpu) {
            draws = std::uint64_t{cpu} << 32;
            pacer.load = &load;
            pacer.timer.object = load.machine_.intern("pacer " + std::to_string(cpu));
            for (std::uint32_t i = 0; i < kTimers; ++i) {
                timers[i].load = &load;
                timers[i].timer.object = load.machine_.intern("t" + std::to_string(cpu) + "." + std::to_string(i));
            }
        }
    };

    static xen::XenConfig xen_config(xen::CheckEffort effort) {
        xen::XenConfig c;
        c.timers.check_effort = effort;
        return c;
    }

    void set_in(sim::Cpu& cpu, xen::Timer& t, std::uint64_t ns) {
        ++cpus_[cpu.id()].operations;
        kernel_.timers().set(cpu, t, kernel_.time().now(cpu) + xen::StimeSpan{static_cast<std::int64_t>(ns)});
    }
    static void expired(sim::Cpu& cpu, void* argument) {
        Churned& c = *static_cast<Churned*>(argument);
        c.load->set_in(cpu, c.timer, exponential(draw(c.load->cpus_[cpu.id()].draws++), kTimeoutNs));
    }
    static void paced(sim::Cpu& cpu, void* argument) {
        Churned& pacer = *static_cast<Churned*>(argument);
        pacer.load->churn(cpu);
        pacer.load->set_in(cpu, pacer.timer, kPaceNs);
    }
    void churn(sim::Cpu& cpu) {
        PerCpu& own = cpus_[cpu.id()];
        const std::uint64_t bits = draw(own.draws++);
        PerCpu& owner = bits % 8 == 0 ? cpus_[(cpu.id() + 1) % cpus_.size()] : own;
        xen::Timer& t = owner.timers[(bits >> 8) % kTimers].timer;
        if ((bits >> 32) * 10 >> 32 != 0) {
            ++own.operations;
            kernel_.timers().stop(cpu, t);
        }
        set_in(cpu, t, exponential(draw(own.draws++), kTimeoutNs));
    }

    void due(sim::Time) override {
        for (sim::CpuId c = 0; c < machine_.cpu_count(); ++c)
            machine_.run_on_thread(c, sim::Cause{{}, c + 1}, [this](sim::Cpu& cpu) {
                PerCpu& own = cpus_[cpu.id()];
                for (Churned& t : own.timers) {
                    kernel_.timers().init(cpu, t.timer, &expired, &t, cpu.id());
                    set_in(cpu, t.timer, exponential(draw(own.draws++), kTimeoutNs));
                }
                kernel_.timers().init(cpu, own.pacer.timer, &paced, &own.pacer, cpu.id());
                set_in(cpu, own.pacer.timer, kPaceNs + exponential(draw(own.draws++), kPaceNs));
            });
    }
    void timer_fired(sim::Cpu&, sim::TimerIndex) override {}
    std::string_view timer_name(sim::TimerIndex) const override { return "none"; }

    sim::Time until_ = sim::kBoot + std::chrono::milliseconds{20};
    std::deque<PerCpu> cpus_;
    xen::XenKernel kernel_;
    sim::Machine machine_;
    sim::SourceIndex source_ = sim::kNoSource;
};

}  // namespace ticklab::bench
