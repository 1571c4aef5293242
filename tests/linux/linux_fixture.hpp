// A machine with round prices that runs Linux's timer code, and a script of plain functions.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

#include "kernel_bench.hpp"
#include "ticklab/model/linux/checks.hpp"
#include "ticklab/model/linux/declarations.hpp"
#include "ticklab/model/linux/hrtimer_records.hpp"
#include "ticklab/model/linux/kernel.hpp"
#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/sites.hpp"

namespace ticklab::linux_::testing {

using namespace std::chrono_literals;
using sim::Cpu;
using sim::CpuId;
using sim::kBoot;
using sim::Time;
using ticklab::testing::at_ms;
using ticklab::testing::at_us;

class Bench : public ticklab::testing::FiringLog, public ticklab::testing::KernelBench<LinuxKernel> {
public:
    explicit Bench(CpuId cpu_count = 2) : KernelBench(linux_kernel_decl(), cpu_count) {
        config.c_states.push_back(sim::CState{"C6", 1us, 20us, 100us, 50, true});
        linux_config.hz = 1000;
        linux_config.wheel.check_effort = CheckEffort::kAlways;
    }

    LinuxConfig linux_config;

    LinuxKernel::Core& core() { return kernel().core(); }
    TimerBase& base(CpuId cpu, BaseIndex index) { return core().wheel.base(cpu, index); }
    const TickState& tick(CpuId cpu) { return core().tick.of(cpu); }

    void mod(Cpu& cpu, std::int64_t timer, Time expires) { perform(cpu, "timer.mod", {timer, expires}); }

private:
    std::unique_ptr<LinuxKernel> make_kernel() override {
        return std::make_unique<LinuxKernel>(linux_config, static_cast<sim::TimerClient&>(*this));
    }
    void check_at_rest() override {
        for (const TimerBase& b : core().wheel.bases())
            if (!b.lock.held())
                if (const std::optional<Broken> broken = check_base(core().wheel, b))
                    FAIL(std::string(broken->check->name) << ": " << broken->message);
    }
};

}  // namespace ticklab::linux_::testing
