// One load on the whole machine under callgrind: only what advances it is counted. bench/instructions.sh runs it.
//
// usage: instructions LOAD      prints the operations counted: ticks, timers set and stopped, events of local timers
#include <valgrind/callgrind.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "linux_loads.hpp"
#include "machine_loads.hpp"

namespace {

using namespace ticklab;
using namespace std::chrono_literals;

template <class Load>
std::uint64_t count(Load& load) {
    // Enough for the rare work (commits of the record stream, growing heaps) to have its share.
    constexpr std::uint64_t kOperations = 20'000;
    load.advance();
    const std::uint64_t before = load.operations();
    CALLGRIND_START_INSTRUMENTATION;
    while (load.operations() - before < kOperations)
        load.advance();
    CALLGRIND_STOP_INSTRUMENTATION;
    return load.operations() - before;
}

template <sim::CpuId cpus, bool staggered, sim::Duration::rep quantum_ps>
std::uint64_t ticks() {
    bench::TickLoad load(cpus, staggered, sim::Duration{quantum_ps});
    return count(load);
}

template <sim::CpuId cpus, xen::CheckEffort effort>
std::uint64_t xen_churn() {
    bench::XenChurnLoad load(cpus, effort);
    return count(load);
}

template <sim::CpuId cpus, sim::CpuId busy, std::uint32_t timers_per_cpu>
std::uint64_t linux_ticks() {
    bench::LinuxLoad load({.cpus = cpus, .busy = busy, .placement = "tmigr", .timers_per_cpu = timers_per_cpu});
    return count(load);
}

constexpr sim::Duration::rep kQuantumPs = sim::Duration{10us}.count();

struct Load {
    std::string_view name;
    std::uint64_t (*count)();
};

constexpr std::array kLoads{
    Load{"ticks/16/staggered", &ticks<16, true, 0>},
    Load{"ticks/16/aligned", &ticks<16, false, 0>},
    Load{"ticks/1024/staggered", &ticks<1024, true, 0>},
    Load{"ticks/1024/aligned", &ticks<1024, false, 0>},
    Load{"ticks/1024/aligned/quantum", &ticks<1024, false, kQuantumPs>},
    Load{"xen_churn/16/checked", &xen_churn<16, xen::CheckEffort::kAmortised>},
    Load{"xen_churn/16/unchecked", &xen_churn<16, xen::CheckEffort::kNever>},
    Load{"xen_churn/256/checked", &xen_churn<256, xen::CheckEffort::kAmortised>},
    Load{"xen_churn/256/unchecked", &xen_churn<256, xen::CheckEffort::kNever>},
    Load{"linux/64/busy", &linux_ticks<64, 64, 0>},
    Load{"linux/1024/idle", &linux_ticks<1024, 1, 100>},
};

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2)
        for (const Load& load : kLoads)
            if (load.name == argv[1]) {
                std::printf("%llu\n", static_cast<unsigned long long>(load.count()));
                return 0;
            }
    std::fprintf(stderr, "usage: %s LOAD; loads:\n", argv[0]);
    for (const Load& load : kLoads)
        std::fprintf(stderr, "%.*s\n", static_cast<int>(load.name.size()), load.name.data());
    return 2;
}
