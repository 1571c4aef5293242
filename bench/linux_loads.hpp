// Loads on Linux's idle machine: who ticks, who sleeps, who has timers, who comes and goes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "advance.hpp"
#include "load.hpp"
#include "tick_kernel.hpp"
#include "ticklab/model/linux/declarations.hpp"
#include "ticklab/model/linux/kernel.hpp"

namespace ticklab::bench {

struct LinuxShape {
    sim::CpuId cpus = 2;
    /// The first so many never idle.
    sim::CpuId busy = 0;
    std::string_view placement = "local";
    /// Pending on each CPU at any time; each is armed again when it expires, a minute ahead on average.
    std::uint32_t timers_per_cpu = 0;
    /// A CPU goes off-line, or comes back, every kHotplugPeriod.
    bool hotplug = false;
};

/// Ticks at 1000 Hz, NOHZ, structures checked at a constant cost.
class LinuxLoad final : private sim::TimerClient, private sim::ActivityHandler {
public:
    static constexpr sim::Duration kHotplugPeriod = std::chrono::milliseconds{20};
    static constexpr std::uint64_t kTimeoutJiffies = 60'000;

    explicit LinuxLoad(const LinuxShape& shape)
        : shape_(shape),
          timers_(std::size_t{shape.cpus} * shape.timers_per_cpu),
          kernel_(linux_config(shape), *this),
          machine_(config(shape.cpus), kernel_) {
        const std::uint64_t function = machine_.intern("timed_out");
        for (std::size_t i = 0; i < timers_.size(); ++i) {
            timers_[i].load = this;
            timers_[i].timer.object = machine_.intern("t" + std::to_string(i));
            timers_[i].timer.function_name = function;
        }
        for (sim::CpuId c = 0; c < shape.busy; ++c)
            machine_.set_busy(c, sim::kNever);
        source_ = machine_.engine().add(sim::ActivityClass::kScript, *this);
        machine_.engine().arm(source_, kSetUp);
        run_to(machine_, until_);
    }

    sim::Machine& machine() { return machine_; }
    sim::Duration step() const { return kHotplugPeriod; }
    /// Events of local timers so far: ticks, and what they are programmed for when the tick is stopped.
    std::uint64_t operations() const { return timer_events(machine_); }
    void advance() {
        until_ += step();
        run_to(machine_, until_);
    }

private:
    /// All CPUs have entered the hierarchy and those without work have stopped their tick.
    static constexpr sim::Time kSetUp = sim::kBoot + std::chrono::milliseconds{200};

    struct TimedOut {
        LinuxLoad* load = nullptr;
        linux_::Timer timer;
    };

    static sim::MachineConfig config(sim::CpuId cpu_count) {
        sim::MachineConfig c = bench_config(cpu_count, linux_::linux_kernel_decl().costs);
        c.node_count = std::max<sim::CpuId>(1, cpu_count / 128);
        return c;
    }
    static linux_::LinuxConfig linux_config(const LinuxShape& shape) {
        linux_::LinuxConfig c;
        c.hz = 1000;
        c.placement = std::ranges::find(linux_::kPlacements, shape.placement, &linux_::Placement::word);
        return c;
    }

    void arm(sim::Cpu& cpu, linux_::Timer& t) {
        linux_::TimerWheel& wheel = kernel_.core().wheel;
        wheel.mod(cpu, t, wheel.time().jiffies(cpu) + exponential(draw(draws_++), kTimeoutJiffies));
    }
    static void timed_out(sim::Cpu& cpu, linux_::Timer& t, void* argument) {
        static_cast<TimedOut*>(argument)->load->arm(cpu, t);
    }

    void due(sim::Time at) override {
        if (at == kSetUp)
            set_up();
        if (!shape_.hotplug)
            return;
        machine_.engine().arm(source_, at + kHotplugPeriod);
        machine_.run_in_control_thread(0, sim::Cause{{}, draws_}, [this](sim::Cpu& cpu) {
            if (!away_) {
                away_ = &machine_.cpu(1 + static_cast<sim::CpuId>(draw(draws_++) % (shape_.cpus - 1)));
                machine_.cpu_down(cpu, *away_);
            } else {
                machine_.cpu_up(cpu, *away_);
                away_ = nullptr;
            }
        });
    }
    void set_up() {
        for (sim::CpuId c = 0; c < shape_.cpus; ++c)
            machine_.run_on_thread(c, sim::Cause{{}, c + 1}, [this](sim::Cpu& cpu) {
                const std::size_t first = std::size_t{cpu.id()} * shape_.timers_per_cpu;
                for (std::size_t i = first; i < first + shape_.timers_per_cpu; ++i) {
                    kernel_.core().wheel.init(cpu, timers_[i].timer, &timed_out, &timers_[i], 0);
                    arm(cpu, timers_[i].timer);
                }
            });
    }
    void timer_fired(sim::Cpu&, sim::TimerIndex) override {}
    std::string_view timer_name(sim::TimerIndex) const override { return "none"; }

    LinuxShape shape_;
    sim::Time until_ = kSetUp + std::chrono::milliseconds{300};
    /// Declared before the kernel, whose lists link them.
    std::deque<TimedOut> timers_;
    linux_::LinuxKernel kernel_;
    sim::Machine machine_;
    sim::SourceIndex source_ = sim::kNoSource;
    std::uint64_t draws_ = 0;
    sim::Cpu* away_ = nullptr;
};

}  // namespace ticklab::bench
