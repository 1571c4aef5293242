// Process CPU time on the whole machine, 4096 threads of one process on 64 CPUs at 1000 Hz: records, digest and checks
// on. cputime_threads: each design, without a timer and with ITIMER_PROF.
#include <benchmark/benchmark.h>

#include "cputime_loads.hpp"
#include "measure.hpp"

namespace {

using namespace ticklab;

BENCHMARK(bench::calibration)->Name("calibration");

void cputime_threads(benchmark::State& state) {
    bench::CpuTimeShape shape{.cpus = 64, .threads = 4096};
    shape.design = static_cast<cputime::Design>(state.range(0));
    shape.armed = state.range(1) != 0;
    state.SetLabel(std::string(cputime::kDesignWords[static_cast<std::size_t>(shape.design)]));
    bench::CpuTimeLoad load(shape);
    bench::measure(state, load, "ticks/s");
}
BENCHMARK(cputime_threads)->ArgNames({"design", "armed"})->ArgsProduct({{0, 1, 2, 3, 4}, {0, 1}});

}  // namespace
