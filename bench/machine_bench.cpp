// The whole machine: interrupt, softirq, lock, re-arm, records and digest on.
//  - machine_ticks: 1000 Hz on each CPU, exact and with temporal decoupling.
//  - xen_churn: the hypervisor's timer core, timers set and stopped at rates (bench/machine_loads.hpp), its structures
//    checked at a constant cost or never.
#include <benchmark/benchmark.h>

#include <fstream>
#include <string>

#include "machine_loads.hpp"
#include "measure.hpp"
#include "resident.hpp"

namespace {

using namespace ticklab;

std::uint64_t memory_mappings() {
    std::ifstream maps("/proc/self/maps");
    std::uint64_t count = 0;
    for (std::string line; std::getline(maps, line);)
        ++count;
    return count;
}

BENCHMARK(bench::calibration)->Name("calibration");

void machine_ticks(benchmark::State& state) {
    const auto cpu_count = static_cast<sim::CpuId>(state.range(0));
    const std::uint64_t resident_before = bench::resident_bytes();
    bench::TickLoad load(cpu_count, state.range(1) != 0, sim::Duration{state.range(2) * 1000});
    bench::measure(state, load, "ticks/s");
    // What earlier benchmarks of this process left free is not counted again: run one alone to see its whole.
    state.counters["KiB/cpu"] =
        (static_cast<double>(bench::resident_bytes()) - static_cast<double>(resident_before)) / 1024 / cpu_count;
    state.counters["mappings"] = static_cast<double>(memory_mappings());
}

void tick_arguments(benchmark::internal::Benchmark* b) {
    b->ArgNames({"cpus", "staggered", "quantum_ns"});
    for (const std::int64_t cpus : {16, 256, 1024, 16384})
        for (const std::int64_t staggered : {1, 0})
            for (const std::int64_t quantum_ns : {0, 10'000})
                b->Args({cpus, staggered, quantum_ns});
}
BENCHMARK(machine_ticks)->Apply(tick_arguments);

void xen_churn(benchmark::State& state) {
    bench::XenChurnLoad load(static_cast<sim::CpuId>(state.range(0)),
                             state.range(1) != 0 ? xen::CheckEffort::kAmortised : xen::CheckEffort::kNever);
    bench::measure(state, load, "timer_ops/s");
}
BENCHMARK(xen_churn)->ArgNames({"cpus", "checks"})->ArgsProduct({{16, 256}, {1, 0}});

}  // namespace
