#include "ticklab/lab/compare/metrics.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace ticklab::lab {
namespace {

using sim::CpuId;
using sim::Duration;

using Reading = std::optional<std::int64_t>;

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

std::int64_t per_million(Duration part, Duration whole) {
    return static_cast<std::int64_t>(sim::Int128{part.count()} * 1'000'000 / whole.count());
}

std::int64_t cycles(const MeasuredRun& run, Duration time) {
    constexpr std::int64_t kPsPerSecond = 1'000'000'000'000;
    const auto hz = static_cast<std::int64_t>(run.experiment.machine().config().nominal_hz);
    return static_cast<std::int64_t>(sim::Int128{time.count()} * hz / kPsPerSecond);
}

Reading wakeups(const MeasuredRun& run) {
    sim::Machine& machine = run.experiment.machine();
    std::uint64_t sum = 0;
    for (CpuId c = 0; c < machine.cpu_count(); ++c)
        sum += machine.cpu(c).counters().wakeups;
    return number(sum);
}

/// The sum over all CPUs of a state that is a counter; none if the kernel does not declare it.
Reading sum_of_states(const MeasuredRun& run, std::string_view name) {
    const std::string pattern = "cpu*." + std::string(name);
    const std::span<const sim::StateDecl> states = run.experiment.scenario().kernel->states;
    if (std::none_of(states.begin(), states.end(), [&](const sim::StateDecl& s) { return s.pattern == pattern; }))
        return std::nullopt;
    sim::Machine& machine = run.experiment.machine();
    std::int64_t sum = 0;
    for (CpuId c = 0; c < machine.cpu_count(); ++c)
        sum += machine.kernel().state("cpu" + std::to_string(c) + "." + std::string(name)).value_or(0);
    return sum;
}

Reading remote_expiries(const MeasuredRun& run) { return sum_of_states(run, "timers.global.expired_remotely"); }

Reading timer_writes(const MeasuredRun& run) { return number(run.watch.timer_writes()); }

Reading ipis(const MeasuredRun& run) { return number(run.watch.ipis()); }

Reading lock_waits(const MeasuredRun& run) {
    std::uint64_t sum = 0;
    for (const sim::SpinLock* lock : run.experiment.machine().locks())
        sum += lock->counters().contended;
    return number(sum);
}

Reading lock_wait_cycles(const MeasuredRun& run) {
    Duration sum{};
    for (const sim::SpinLock* lock : run.experiment.machine().locks())
        sum += lock->counters().wait_total;
    return cycles(run, sum);
}

template <std::uint64_t kPer10000>
Reading lateness(const MeasuredRun& run) {
    const Histogram& late = run.experiment.lateness_ps();
    if (late.count() == 0)
        return std::nullopt;
    return number(kPer10000 == 10000 ? late.max() : late.percentile(kPer10000));
}

/// Of each CPU that was on-line at all, the part of that time which it slept.
std::vector<std::int64_t> idle_shares(const MeasuredRun& run) {
    sim::Machine& machine = run.experiment.machine();
    std::vector<std::int64_t> shares;
    for (CpuId c = 0; c < machine.cpu_count(); ++c) {
        const sim::Cpu& cpu = machine.cpu(c);
        const Duration online = run.experiment.reached() - sim::kBoot - cpu.offline_time();
        Duration idle{};
        for (std::size_t s = 0; s < machine.config().c_states.size(); ++s)
            idle += cpu.residency(s);
        if (online > Duration::zero())
            shares.push_back(per_million(idle, online));
    }
    return shares;
}

Reading idle_mean(const MeasuredRun& run) {
    const std::vector<std::int64_t> shares = idle_shares(run);
    std::int64_t sum = 0;
    for (const std::int64_t share : shares)
        sum += share;
    return shares.empty() ? Reading() : sum / static_cast<std::int64_t>(shares.size());
}

Reading idle_least(const MeasuredRun& run) {
    const std::vector<std::int64_t> shares = idle_shares(run);
    return shares.empty() ? Reading() : *std::min_element(shares.begin(), shares.end());
}

Reading idle_most(const MeasuredRun& run) {
    const std::vector<std::int64_t> shares = idle_shares(run);
    return shares.empty() ? Reading() : *std::max_element(shares.begin(), shares.end());
}

Reading package_idle(const MeasuredRun& run) {
    const Duration whole = run.experiment.reached() - sim::kBoot;
    return whole > Duration::zero() ? Reading(per_million(run.watch.package_idle(), whole)) : Reading();
}

/// Of all CPUs; zero for a kernel that does not say which of its code that is.
Duration timer_code_time(const MeasuredRun& run) {
    sim::Machine& machine = run.experiment.machine();
    Duration sum{};
    for (CpuId c = 0; c < machine.cpu_count(); ++c)
        sum += machine.cpu(c).timer_code_time();
    return sum;
}

Reading timer_cycles(const MeasuredRun& run) {
    const Duration sum = timer_code_time(run);
    return sum > Duration::zero() ? Reading(cycles(run, sum)) : Reading();
}

Reading timer_share(const MeasuredRun& run) {
    sim::Machine& machine = run.experiment.machine();
    Duration online{};
    for (CpuId c = 0; c < machine.cpu_count(); ++c)
        online += run.experiment.reached() - sim::kBoot - machine.cpu(c).offline_time();
    const Duration sum = timer_code_time(run);
    return sum > Duration::zero() ? Reading(per_million(sum, online)) : Reading();
}

Reading kernel_cycles(const MeasuredRun& run) { return cycles(run, run.watch.kernel_time()); }

Reading energy(const MeasuredRun& run) { return number(run.experiment.machine().energy_nj()); }

constexpr std::array kMetrics{
    Metric{"wakeups", "wakeups", MetricUnit::kCount, Better::kLess, "times that a CPU left idle", wakeups},
    Metric{"remote_expiries", "remote expiries", MetricUnit::kCount, Better::kNeither,
           "timers that a CPU expired from the queue of another", remote_expiries},
    Metric{"timer_writes", "timer hardware writes", MetricUnit::kCount, Better::kLess,
           "writes that armed or stopped the timer of a local APIC, and writes to the HPET", timer_writes},
    Metric{"ipis", "IPIs", MetricUnit::kCount, Better::kLess, "messages from CPU to CPU, one a target", ipis},
    Metric{"lock_waits", "lock waits", MetricUnit::kCount, Better::kLess, "contended acquisitions of spin locks",
           lock_waits},
    Metric{"lock_wait_cycles", "lock wait", MetricUnit::kCycles, Better::kLess,
           "cycles that CPUs waited for spin locks", lock_wait_cycles},
    Metric{"late_p50", "late p50", MetricUnit::kPicoseconds, Better::kLess, "median lateness of the run's callbacks",
           lateness<5000>},
    Metric{"late_p99", "late p99", MetricUnit::kPicoseconds, Better::kLess,
           "lateness that 99 of 100 callbacks of the run do not exceed", lateness<9900>},
    Metric{"late_max", "late max", MetricUnit::kPicoseconds, Better::kLess, "the run's greatest lateness",
           lateness<10000>},
    Metric{"idle_mean", "CPU idle, mean", MetricUnit::kPartsPerMillion, Better::kMore,
           "share of its time on-line that a CPU sleeps, mean over CPUs", idle_mean},
    Metric{"idle_least", "CPU idle, least", MetricUnit::kPartsPerMillion, Better::kMore, "of the CPU that sleeps least",
           idle_least},
    Metric{"idle_most", "CPU idle, most", MetricUnit::kPartsPerMillion, Better::kMore, "of the CPU that sleeps most",
           idle_most},
    Metric{"package_idle", "package idle", MetricUnit::kPartsPerMillion, Better::kMore,
           "share of the run in which no CPU is awake", package_idle},
    Metric{"timer_cycles", "in timer code", MetricUnit::kCycles, Better::kLess,
           "cycles of all CPUs in the kernel's timer code, waiting included: operations on timers, the "
           "handlers of timer interrupts and softirqs, the tick and its stop and restart, who runs whose timers",
           timer_cycles},
    Metric{"timer_share", "in timer code", MetricUnit::kPartsPerMillion, Better::kLess,
           "the same as a share of the time that CPUs are on-line", timer_share},
    Metric{
        "kernel_cycles", "in the kernel", MetricUnit::kCycles, Better::kLess,
        "cycles of all CPUs in the kernel: in interrupts, softirqs, the idle loop, system calls and hotplug, waiting "
        "for locks included, the bodies of callbacks not",
        kernel_cycles},
    Metric{"energy", "energy", MetricUnit::kNanojoule, Better::kLess, "energy used by all CPUs", energy},
};

}  // namespace

std::span<const Metric> metrics() { return kMetrics; }

}  // namespace ticklab::lab
