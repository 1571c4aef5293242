// The whole machine: interrupt, softirq, lock, re-arm, records and digest on.
//  - machine_ticks: 1000 Hz on each CPU, exact and with temporal decoupling.
//  - xen_churn: the hypervisor's timer core, timers set and stopped at rates (bench/machine_loads.hpp), its structures
//    checked at a constant cost or never.
//
// Rates are per second of processor time, which on a quiet machine is the wall time (there is one thread); virtual_s/s
// is virtual over processor time. `calibration` is a fixed loop of integer work: it puts the speed that the host had in
// this run beside them.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "machine_loads.hpp"

namespace {

using namespace ticklab;

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    statm >> size >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t memory_mappings() {
    std::ifstream maps("/proc/self/maps");
    std::uint64_t count = 0;
    for (std::string line; std::getline(maps, line);)
        ++count;
    return count;
}

void calibration(benchmark::State& state) {
    std::uint64_t x = 1;
    for ([[maybe_unused]] auto _ : state)
        for (int i = 0; i < 1000; ++i)
            benchmark::DoNotOptimize(x = sim::mix(x, static_cast<std::uint64_t>(i)));
    state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(calibration);

/// Sums over all CPUs that the figures are differences of.
struct Totals {
    template <class Load>
    explicit Totals(Load& load) : operations(load.operations()), records(load.machine().records().committed()) {
        for (sim::CpuId c = 0; c < load.machine().cpu_count(); ++c) {
            points += load.machine().cpu(c).counters().points;
            yields += load.machine().cpu(c).counters().yields;
        }
    }
    std::uint64_t operations;
    std::uint64_t records;
    std::uint64_t points = 0;
    std::uint64_t yields = 0;
};

template <class Load>
void measure(benchmark::State& state, Load& load, const char* operation) {
    const Totals before(load);
    for ([[maybe_unused]] auto _ : state)
        load.advance();
    const Totals after(load);
    const auto rate = [](std::uint64_t from, std::uint64_t to) {
        return benchmark::Counter(static_cast<double>(to - from), benchmark::Counter::kIsRate);
    };
    state.counters[operation] = rate(before.operations, after.operations);
    state.counters["records/s"] = rate(before.records, after.records);
    state.counters["points/s"] = rate(before.points, after.points);
    state.counters["switches/s"] = rate(before.yields, after.yields);
    state.counters["virtual_s/s"] =
        benchmark::Counter(static_cast<double>(load.step().count()) * 1e-12 * static_cast<double>(state.iterations()),
                           benchmark::Counter::kIsRate);
}

void machine_ticks(benchmark::State& state) {
    const auto cpu_count = static_cast<sim::CpuId>(state.range(0));
    const std::uint64_t resident_before = resident_bytes();
    bench::TickLoad load(cpu_count, state.range(1) != 0, sim::Duration{state.range(2) * 1000});
    measure(state, load, "ticks/s");
    // What earlier benchmarks of this process left free is not counted again: run one alone to see its whole.
    state.counters["KiB/cpu"] =
        (static_cast<double>(resident_bytes()) - static_cast<double>(resident_before)) / 1024 / cpu_count;
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
    measure(state, load, "timer_ops/s");
}
BENCHMARK(xen_churn)->ArgNames({"cpus", "checks"})->ArgsProduct({{16, 256}, {1, 0}});

}  // namespace
