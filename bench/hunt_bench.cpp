// Runs a hunt makes in a second, each on a machine of its own that is set up, watched, judged and taken down: short
// scenarios with random disturbances, on one thread and on two. Wall time, with that of the process beside it.
#include <benchmark/benchmark.h>

#include <array>
#include <stdexcept>
#include <string>

#include "measure.hpp"
#include "resident.hpp"
#include "ticklab/lab/data_files.hpp"
#include "ticklab/lab/freed_memory.hpp"
#include "ticklab/lab/hunt/hunt.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/registry.hpp"

namespace {

using namespace ticklab;

BENCHMARK(bench::calibration)->Name("calibration");

constexpr std::array kScenarios{"linux/tmigr-four-cpus", "linux/tmigr-four-churn"};

lab::Scenario shipped(const std::string& name) {
    const lab::ScenarioLoader loader(lab::program_registry());
    for (const lab::DataFile& file : lab::list_data_files(lab::DataKind::kScenario))
        if (file.name == name) {
            std::vector<lab::InputError> errors;
            if (std::optional<lab::Scenario> scenario = loader.load(file.file, {}, errors))
                return std::move(*scenario);
        }
    throw std::runtime_error("no scenario " + name);
}

void hunt_runs(benchmark::State& state) {
    lab::keep_freed_memory();
    constexpr std::uint64_t kRunsEach = 200;
    const lab::Scenario scenario = shipped(kScenarios[static_cast<std::size_t>(state.range(0))]);
    state.SetLabel(scenario.name);
    lab::HuntOptions options;
    options.jobs = static_cast<unsigned>(state.range(1));
    lab::HuntObserver observer;
    observer.interrupted = [] { return false; };
    observer.progress = [](const lab::HuntResult&) {};
    observer.failed = [](const lab::HuntFailure& failure) { throw std::runtime_error(failure.message); };
    std::uint64_t runs = 0, records = 0, resident_at_first = 0;
    for ([[maybe_unused]] auto _ : state) {
        options.first_seed = runs + 1;
        options.last_seed = runs + kRunsEach;
        const lab::HuntResult result = lab::hunt(scenario, options, observer);
        runs += result.runs;
        records += result.records;
        if (resident_at_first == 0)
            resident_at_first = bench::resident_bytes();
    }
    state.counters["runs/s"] = benchmark::Counter(static_cast<double>(runs), benchmark::Counter::kIsRate);
    state.counters["records/s"] = benchmark::Counter(static_cast<double>(records), benchmark::Counter::kIsRate);
    state.counters["runs"] = static_cast<double>(runs);
    state.counters["KiB"] = static_cast<double>(bench::resident_bytes()) / 1024;
    state.counters["KiB_grown"] =
        (static_cast<double>(bench::resident_bytes()) - static_cast<double>(resident_at_first)) / 1024;
}
BENCHMARK(hunt_runs)
    ->ArgNames({"scenario", "jobs"})
    ->ArgsProduct({{0, 1}, {1, 2}})
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
