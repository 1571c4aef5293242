// Linux's timers on the whole machine: records, digest and checks on.
//  - linux_busy: every CPU is busy, so every CPU ticks.
//  - linux_idle: one CPU is busy, the others sleep and have timers or none.
//  - linux_hotplug: half of the CPUs are busy, and one goes or comes every 20 ms.
#include <benchmark/benchmark.h>

#include <array>
#include <string_view>

#include "linux_loads.hpp"
#include "measure.hpp"

namespace {

using namespace ticklab;

BENCHMARK(bench::calibration)->Name("calibration");

constexpr std::array<std::string_view, 2> kPlacementWords{"local", "tmigr"};

void run(benchmark::State& state, bench::LinuxShape shape) {
    shape.cpus = static_cast<sim::CpuId>(state.range(0));
    shape.placement = kPlacementWords[static_cast<std::size_t>(state.range(1))];
    state.SetLabel(std::string(shape.placement));
    bench::LinuxLoad load(shape);
    bench::measure(state, load, "timer_irqs/s");
}

void linux_busy(benchmark::State& state) { run(state, {.busy = static_cast<sim::CpuId>(state.range(0))}); }
BENCHMARK(linux_busy)->ArgNames({"cpus", "placement"})->ArgsProduct({{64, 1024}, {0, 1}});

void linux_idle(benchmark::State& state) {
    run(state, {.busy = 1, .timers_per_cpu = static_cast<std::uint32_t>(state.range(2))});
}
BENCHMARK(linux_idle)->ArgNames({"cpus", "placement", "timers_per_cpu"})->ArgsProduct({{64, 1024}, {0, 1}, {0, 100}});

void linux_hotplug(benchmark::State& state) {
    run(state, {.busy = static_cast<sim::CpuId>(state.range(0) / 2), .timers_per_cpu = 10, .hotplug = true});
}
BENCHMARK(linux_hotplug)->ArgNames({"cpus", "placement"})->ArgsProduct({{64, 1024}, {0, 1}});

}  // namespace
