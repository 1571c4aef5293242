// The whole machine ticking at 1000 Hz: interrupt, softirq, lock, re-arm, records and digest on.
//
// ticks/s, records/s, points/s and yields/s are per second of wall time; virtual_s/s is virtual over wall time. The
// calibration loop of the same run puts the machine's speed beside them.
#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "tick_kernel.hpp"

namespace {

using namespace ticklab;
using namespace std::chrono_literals;

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    statm >> size >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void calibration(benchmark::State& state) {
    std::uint64_t x = 1;
    for (auto _ : state)
        for (int i = 0; i < 1000; ++i)
            benchmark::DoNotOptimize(x = sim::mix(x, static_cast<std::uint64_t>(i)));
    state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(calibration);

void machine_ticks(benchmark::State& state) {
    const auto cpu_count = static_cast<sim::CpuId>(state.range(0));
    sim::MachineConfig config = bench::bench_config(cpu_count);
    config.quantum = sim::Duration{state.range(2) * 1000};
    const std::uint64_t before = resident_bytes();
    bench::TickKernel kernel(cpu_count, {1ms, state.range(1) != 0});
    sim::Machine machine(config, kernel);
    sim::Time until = sim::kBoot + 5ms;
    machine.run(until, UINT64_MAX);
    const std::uint64_t ticks_before = kernel.ticks();
    const std::uint64_t records_before = machine.records().committed();
    std::uint64_t points = 0;
    std::uint64_t yields = 0;
    const auto count = [&](bool add) {
        for (sim::CpuId c = 0; c < cpu_count; ++c) {
            points += add ? machine.cpu(c).counters().points : 0 - machine.cpu(c).counters().points;
            yields += add ? machine.cpu(c).counters().yields : 0 - machine.cpu(c).counters().yields;
        }
    };
    count(false);
    const sim::Duration step = std::max<sim::Duration>(1ms, 16ms / cpu_count);
    for (auto _ : state) {
        until += step;
        machine.run(until, UINT64_MAX);
    }
    count(true);
    const auto rate = [](std::uint64_t n) {
        return benchmark::Counter(static_cast<double>(n), benchmark::Counter::kIsRate);
    };
    state.counters["ticks/s"] = rate(kernel.ticks() - ticks_before);
    state.counters["records/s"] = rate(machine.records().committed() - records_before);
    state.counters["points/s"] = rate(points);
    state.counters["yields/s"] = rate(yields);
    const auto virtual_ns = static_cast<double>(step.count()) / 1000 * static_cast<double>(state.iterations());
    state.counters["virtual_s/s"] = benchmark::Counter(virtual_ns / 1e9, benchmark::Counter::kIsRate);
    state.counters["KiB/cpu"] = static_cast<double>(resident_bytes() - before) / 1024 / cpu_count;
}

void tick_arguments(benchmark::internal::Benchmark* b) {
    b->ArgNames({"cpus", "staggered", "quantum_ns"});
    for (const std::int64_t cpus : {16, 256, 1024, 16384})
        for (const std::int64_t staggered : {1, 0})
            for (const std::int64_t quantum_ns : {0, 10'000})
                b->Args({cpus, staggered, quantum_ns});
    b->UseRealTime();
}
BENCHMARK(machine_ticks)->Apply(tick_arguments);

}  // namespace
