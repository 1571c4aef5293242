// What every benchmark of a whole machine measures: rates per second of processor time, which on a quiet machine is the
// wall time (there is one thread); virtual_s/s is virtual over processor time.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>

#include "ticklab/sim/machine.hpp"

namespace ticklab::bench {

/// A fixed loop of integer work: it puts the speed that the host had in this run beside the figures.
inline void calibration(benchmark::State& state) {
    std::uint64_t x = 1;
    for ([[maybe_unused]] auto _ : state)
        for (int i = 0; i < 1000; ++i)
            benchmark::DoNotOptimize(x = sim::mix(x, static_cast<std::uint64_t>(i)));
    state.SetItemsProcessed(state.iterations() * 1000);
}

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

/// Advances `load` by its step an iteration; its operations are called `operation`.
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

}  // namespace ticklab::bench
