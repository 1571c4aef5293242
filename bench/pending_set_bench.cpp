// The pending set beside a 4-ary indexed heap, with n sources armed throughout. Times are of one operation:
//  - hold: pop the earliest and arm it again, exponentially later (mean 1 ms); a pop and an arm are one operation.
//  - churn: of ten armings nine are cancelled before they fire (a random source is disarmed, then armed again), one
//    fires; each disarm, arm and pop is one operation.
//  - timeouts: a random source's far timeout is pushed further in place, as a busy connection does; nothing fires.
//  - burst: all fire at one instant, each armed again a few hundred ns later while the others are still being popped.
//  - gap: 100 sources all fire before any is armed again, over and over, while n others wait far away: a machine that
//    is idle but for bursts.
//  - lone: one source armed again and again just after the earliest instant, all others far away.
// Delays and victims are drawn beforehand. `calibrate` is a fixed loop of integer work to compare machines by.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <vector>

#include "indexed_heap.hpp"
#include "load.hpp"
#include "ticklab/sim/pending_set.hpp"

namespace {

using namespace ticklab::bench;
using ticklab::sim::Duration;
using ticklab::sim::kBoot;
using ticklab::sim::PendingSet;
using ticklab::sim::SourceIndex;
using ticklab::sim::Time;

constexpr std::uint64_t kMeanNs = 1'000'000;

Duration exponential_delay(std::uint64_t counter) {
    const std::uint64_t bits = draw(counter);
    return Duration{static_cast<std::int64_t>(exponential(bits, kMeanNs) * 1000 + (bits & 1023))};
}

struct Drawn {
    Duration delay;
    SourceIndex source;
};

class Draws {
public:
    explicit Draws(std::uint32_t count) : drawn_(std::size_t{1} << 16) {
        for (std::size_t i = 0; i < drawn_.size(); ++i) {
            drawn_[i] = {exponential_delay(i), static_cast<SourceIndex>((draw(~i) >> 32) * count >> 32)};
        }
    }
    const Drawn& next() { return drawn_[next_++ % drawn_.size()]; }

private:
    std::vector<Drawn> drawn_;
    std::size_t next_ = 0;
};

template <class Set>
struct Armed {
    explicit Armed(std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            set.arm(set.add(i), kBoot + exponential_delay(std::uint64_t{1} << 40 | i));
        }
    }
    Set set;
};

void count_operations(benchmark::State& state, std::int64_t per_iteration) {
    state.SetItemsProcessed(state.iterations() * per_iteration);
    state.counters["ns/op"] = benchmark::Counter(static_cast<double>(state.iterations() * per_iteration) * 1e-9,
                                                 benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

template <class Set>
void hold(benchmark::State& state) {
    const auto count = static_cast<std::uint32_t>(state.range(0));
    Armed<Set> armed(count);
    Set& set = armed.set;
    Draws draws(count);
    const auto step = [&] {
        const Time now = set.earliest().at;
        const SourceIndex s = set.pop();
        set.arm(s, now + draws.next().delay);
    };
    for (std::uint32_t i = 0; i < 2 * count; ++i) {
        step();
    }
    for ([[maybe_unused]] auto _ : state) {
        step();
    }
    count_operations(state, 1);
}

template <class Set>
void churn(benchmark::State& state) {
    const auto count = static_cast<std::uint32_t>(state.range(0));
    Armed<Set> armed(count);
    Set& set = armed.set;
    Draws draws(count);
    Time now = kBoot;
    const auto ten = [&] {
        for (int i = 0; i < 9; ++i) {
            const Drawn& d = draws.next();
            set.disarm(d.source);
            set.arm(d.source, now + d.delay);
        }
        now = set.earliest().at;
        const SourceIndex s = set.pop();
        set.arm(s, now + draws.next().delay);
    };
    for (std::uint32_t i = 0; i < count; ++i) {
        ten();
    }
    for ([[maybe_unused]] auto _ : state) {
        ten();
    }
    count_operations(state, 20);
}

template <class Set>
void timeouts(benchmark::State& state) {
    const auto count = static_cast<std::uint32_t>(state.range(0));
    Armed<Set> armed(count);
    Set& set = armed.set;
    Draws draws(count);
    Time now = kBoot;
    for ([[maybe_unused]] auto _ : state) {
        const Drawn& d = draws.next();
        set.arm(d.source, now + 200 * Duration{1'000'000'000} + d.delay);
        now += Duration{1000};
    }
    count_operations(state, 1);
}

template <class Set>
void burst(benchmark::State& state) {
    const auto count = static_cast<std::uint32_t>(state.range(0));
    Set set;
    Draws draws(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        set.arm(set.add(i), kBoot + Duration{1'000'000'000});
    }
    Time tick = kBoot + Duration{1'000'000'000};
    for ([[maybe_unused]] auto _ : state) {
        for (std::uint32_t i = 0; i < count; ++i) {
            const SourceIndex s = set.pop();
            set.arm(s, tick + Duration{200'000} + draws.next().delay / 4096);
        }
        tick += Duration{1'000'000'000};
        for (std::uint32_t i = 0; i < count; ++i) {
            set.arm(set.pop(), tick);
        }
    }
    count_operations(state, 2 * state.range(0));
}

template <class Set>
void lone(benchmark::State& state) {
    const auto count = static_cast<std::uint32_t>(state.range(0));
    Set set;
    for (std::uint32_t i = 0; i < count; ++i) {
        set.arm(set.add(i), kBoot + Duration{1'000'000'000'000'000} + exponential_delay(i));
    }
    const SourceIndex s = set.add(count);
    set.arm(s, kBoot);
    Time now = kBoot;
    for ([[maybe_unused]] auto _ : state) {
        if (set.pop() != s) {
            state.SkipWithError("another source fired");
            break;
        }
        set.arm(s, ++now);
    }
    count_operations(state, 1);
}

template <class Set>
void gap(benchmark::State& state) {
    constexpr std::uint32_t kNear = 100;
    const auto count = static_cast<std::uint32_t>(state.range(0));
    Set set;
    Draws draws(count);
    for (std::uint32_t i = 0; i < kNear + count; ++i) {
        const SourceIndex s = set.add(i);
        if (i >= kNear) {
            set.arm(s, kBoot + Duration{1'000'000'000'000'000} + exponential_delay(i));
        }
    }
    Time now = kBoot;
    for ([[maybe_unused]] auto _ : state) {
        for (SourceIndex s = 0; s < kNear; ++s) {
            set.arm(s, now + draws.next().delay / 64);
        }
        for (std::uint32_t i = 0; i < kNear; ++i) {
            now = set.earliest().at;
            if (set.pop() >= kNear) {
                state.SkipWithError("a far source fired");
                return;
            }
        }
    }
    count_operations(state, 2 * kNear);
}

// What a multiply, a shift and an add in one dependent chain cost here.
void calibrate(benchmark::State& state) {
    std::uint64_t x = 1;
    for ([[maybe_unused]] auto _ : state) {
        for (int i = 0; i < 1024; ++i) {
            x = (x ^ x >> 29) * 0x9e37'79b9'7f4a'7c15U + 1;
        }
        benchmark::DoNotOptimize(x);
    }
    count_operations(state, 1024);
}

void sizes(benchmark::internal::Benchmark* b) { b->RangeMultiplier(10)->Range(100, 1'000'000); }
void small_sizes(benchmark::internal::Benchmark* b) { b->Arg(8)->Arg(32); }
void machine_sizes(benchmark::internal::Benchmark* b) { b->Arg(128)->Arg(1024)->Arg(16384); }

BENCHMARK(calibrate);
BENCHMARK(hold<PendingSet>)->Apply(small_sizes)->Apply(sizes);
BENCHMARK(hold<IndexedHeap>)->Apply(small_sizes)->Apply(sizes);
BENCHMARK(churn<PendingSet>)->Apply(small_sizes)->Apply(sizes);
BENCHMARK(churn<IndexedHeap>)->Apply(small_sizes)->Apply(sizes);
BENCHMARK(timeouts<PendingSet>)->Apply(small_sizes)->Apply(sizes);
BENCHMARK(timeouts<IndexedHeap>)->Apply(small_sizes)->Apply(sizes);
BENCHMARK(burst<PendingSet>)->Apply(machine_sizes);
BENCHMARK(burst<IndexedHeap>)->Apply(machine_sizes);
BENCHMARK(gap<PendingSet>)->Apply(sizes);
BENCHMARK(gap<IndexedHeap>)->Apply(sizes);
BENCHMARK(lone<PendingSet>)->Apply(sizes);
BENCHMARK(lone<IndexedHeap>)->Apply(sizes);

}  // namespace
