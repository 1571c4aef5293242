// How a load takes its machine on.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "ticklab/sim/machine.hpp"

namespace ticklab::bench {

/// Runs to `until`. A verdict ends the program with 1: figures of a run that broke a promise are worth nothing.
inline void run_to(sim::Machine& machine, sim::Time until) {
    machine.run(until, UINT64_MAX);
    if (!machine.verdict())
        return;
    std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(machine.verdict()->check->name.size()),
                 machine.verdict()->check->name.data(), machine.verdict()->message.c_str());
    std::exit(1);
}

/// Events of local timers so far, of all CPUs.
inline std::uint64_t timer_events(const sim::Machine& machine) {
    std::uint64_t sum = 0;
    for (sim::CpuId c = 0; c < machine.cpu_count(); ++c)
        sum += machine.cpu(c).apic().counters().timer_events;
    return sum;
}

}  // namespace ticklab::bench
