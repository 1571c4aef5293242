// PHOLD and periodic ticks (bench/load.hpp says what they are) on the engine, on the bare pending set with a table of
// handlers, and on a heap loop with the same table. `events/s` counts handled events, random draws included;
// `virtual_s/s` is virtual seconds a second of processor time.
#include <benchmark/benchmark.h>

#include <cstdint>

#include "engine_loads.hpp"
#include "executors.hpp"

namespace {

using namespace ticklab::bench;

template <class Executor, template <class> class Load>
void run(benchmark::State& state) {
    const auto count = static_cast<std::uint32_t>(state.range(0));
    // About as many events in a slice whatever their number per virtual second.
    const std::uint64_t slice_ns = 100'000'000ULL * 1024 / count;
    Executor executor;
    Load<Executor> load(executor, count);
    std::uint64_t until_ns = slice_ns;
    executor.run_until(instant(until_ns));
    const auto handled = [&load] {
        std::uint64_t sum = 0;
        for (const Process& p : load.processes()) {
            sum += p.events;
        }
        return sum;
    };
    const std::uint64_t before = handled();
    for ([[maybe_unused]] auto _ : state) {
        until_ns += slice_ns;
        executor.run_until(instant(until_ns));
    }
    state.counters["events/s"] =
        benchmark::Counter(static_cast<double>(handled() - before), benchmark::Counter::kIsRate);
    state.counters["virtual_s/s"] = benchmark::Counter(
        static_cast<double>(slice_ns) * 1e-9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

template <class Executor>
void phold(benchmark::State& state) {
    run<Executor, PholdLoad>(state);
}
template <class Executor>
void ticks(benchmark::State& state) {
    run<Executor, TicksLoad>(state);
}

BENCHMARK(phold<EngineExecutor>)->Name("phold/engine")->Arg(1024)->Arg(16384)->Unit(benchmark::kMillisecond);
BENCHMARK(phold<PendingSetExecutor>)->Name("phold/pending_set")->Arg(1024)->Arg(16384)->Unit(benchmark::kMillisecond);
BENCHMARK(phold<HeapExecutor>)->Name("phold/heap_loop")->Arg(1024)->Arg(16384)->Unit(benchmark::kMillisecond);
BENCHMARK(ticks<EngineExecutor>)->Name("ticks/engine")->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK(ticks<PendingSetExecutor>)->Name("ticks/pending_set")->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK(ticks<HeapExecutor>)->Name("ticks/heap_loop")->Arg(1024)->Unit(benchmark::kMillisecond);

}  // namespace
