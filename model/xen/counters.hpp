// Figures of one CPU's timer core over a run (XT 17). Observers read them; nothing decides by them.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "ticklab/sim/time.hpp"

namespace ticklab::xen {

/// Counts by powers of two: bucket b holds the values of b significant bits.
struct PowerHistogram {
    static constexpr std::size_t kBuckets = 65;
    std::array<std::uint64_t, kBuckets> buckets{};
    void add(std::uint64_t value) { ++buckets[static_cast<std::size_t>(std::bit_width(value))]; }
};

struct TimerCounters {
    std::uint64_t passes = 0;
    std::uint64_t passes_empty = 0;  ///< passes that executed nothing
    std::uint64_t callbacks = 0;
    std::uint64_t callbacks_max = 0;  ///< most in one pass
    std::uint64_t reprograms = 0;
    std::uint64_t reprogram_failures = 0;
    std::uint64_t timer_interrupts = 0;
    std::uint64_t early_interrupts = 0;  ///< of them, those before the published start
    std::uint64_t raises_local = 0;      ///< of this CPU's TIMER bit, by itself; set or not before
    std::uint64_t raises_remote = 0;     ///< by others
    std::uint64_t ipis = 0;              ///< of the remote ones, those that sent an IPI
    std::uint64_t heap_inserts = 0;
    std::uint64_t heap_removes = 0;
    std::uint64_t sift_steps = 0;
    std::uint64_t list_scan_steps = 0;
    std::uint64_t overflows = 0;
    std::uint64_t growths = 0;
    std::uint64_t growth_failures = 0;
    std::uint64_t heap_leaked = 0;      ///< bytes of arrays that were neither kept nor freed (XT-F10)
    std::uint64_t drained = 0;          ///< timers that left this CPU by drain
    sim::Duration kill_wait{};          ///< time spent by kills on this CPU in waiting for callbacks
    PowerHistogram group_sizes;         ///< V1, V2
    PowerHistogram lateness_ns;         ///< start of the callback minus `expires`
    std::uint64_t early_callbacks = 0;  ///< started before `expires`
};

}  // namespace ticklab::xen
