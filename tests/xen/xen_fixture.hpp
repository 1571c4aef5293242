// A machine with round prices that runs the hypervisor, and a script of plain functions.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel_bench.hpp"
#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/declarations.hpp"
#include "ticklab/model/xen/kernel.hpp"
#include "ticklab/model/xen/records.hpp"
#include "ticklab/model/xen/sites.hpp"

namespace ticklab::xen::testing {

using namespace std::chrono_literals;
using sim::Cpu;
using sim::CpuId;
using sim::kBoot;
using sim::Time;
using ticklab::testing::at_ns;

/// The place of the option `name` among those of the kernel.
inline std::size_t option(std::string_view name) {
    const auto options = xen_kernel_decl().options;
    const auto it = std::find_if(options.begin(), options.end(), [&](const auto& o) { return o.name == name; });
    REQUIRE(it != options.end());
    return static_cast<std::size_t>(it - options.begin());
}

/// Every change of the newest release.
inline XenConfig newest() {
    sim::KernelDecl::Settings s;
    s.options.resize(xen_kernel_decl().options.size());
    XenConfig config = XenConfig::from(s);
    config.timers.check_effort = CheckEffort::kAlways;
    return config;
}

/// As of 2 June 2010, the changeset that the tests start from: V2 with inactive timers tracked.
inline XenConfig c2010() {
    sim::KernelDecl::Settings s;
    s.options.resize(xen_kernel_decl().options.size());
    s.version = "4.0";
    s.with = {"XEN-19"};
    return XenConfig::from(s);
}

class Bench : public ticklab::testing::FiringLog, public ticklab::testing::KernelBench<XenKernel> {
public:
    explicit Bench(CpuId cpu_count = 2) : KernelBench(xen_kernel_decl(), cpu_count), xen(c2010()) {
        xen.timers.check_effort = CheckEffort::kAlways;
    }

    XenConfig xen;

    Timers& timers() { return kernel().timers(); }
    TimerBase& base(CpuId cpu) { return timers().base(cpu); }
    Timer& timer(sim::TimerIndex i) { return kernel().scenario_timer(i); }

    static sim::VerbCall call(std::string_view verb, std::vector<sim::Value> arguments) {
        return ticklab::testing::call_of(xen_kernel_decl(), verb, std::move(arguments));
    }
    void init(Cpu& cpu, std::int64_t timer, std::int64_t owner) { perform(cpu, "timer.init", {timer, owner}); }
    void set(Cpu& cpu, std::int64_t timer, std::int64_t expires_ns) {
        perform(cpu, "timer.set", {timer, at_ns(expires_ns)});
    }
    /// Makes the timer softirq run on this CPU.
    void ask_for_pass(Cpu& cpu) { kernel().softirqs().raise_local(cpu, SoftirqNumber::kTimer); }
    void stop(Cpu& cpu, std::int64_t timer) { perform(cpu, "timer.stop", {timer}); }
    void kill(Cpu& cpu, std::int64_t timer) { perform(cpu, "timer.kill", {timer}); }
    void migrate(Cpu& cpu, std::int64_t timer, std::int64_t to) { perform(cpu, "timer.migrate", {timer, to}); }

private:
    std::unique_ptr<XenKernel> make_kernel() override {
        return std::make_unique<XenKernel>(xen, static_cast<sim::TimerClient&>(*this));
    }
    void check_at_rest() override {
        if (const std::optional<Broken> broken = check_quiet(timers()))
            FAIL(std::string(broken->check->name) << ": " << broken->message);
    }
};

}  // namespace ticklab::xen::testing
