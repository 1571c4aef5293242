// PHOLD and ticks (bench/load.hpp) on any executor (bench/executors.hpp).
#pragma once

#include <cstdint>
#include <vector>

#include "load.hpp"
#include "ticklab/sim/engine.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::bench {

constexpr sim::Time instant(std::uint64_t ns) { return sim::Time{sim::Nanoseconds{static_cast<std::int64_t>(ns)}}; }

/// A message is a source: it is armed for its arrival and hands itself to the process it arrives at.
template <class Executor>
class PholdLoad {
public:
    PholdLoad(Executor& executor, std::uint32_t count) : executor_(executor), processes_(count), messages_(count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            Message& m = messages_[i];
            m.load = this;
            m.number = i;
            m.to = i;
            m.source = executor_.add(m);
            m.send(sim::kBoot);
        }
    }
    PholdLoad(const PholdLoad&) = delete;
    PholdLoad& operator=(const PholdLoad&) = delete;
    const std::vector<Process>& processes() const { return processes_; }

private:
    struct Message final : sim::ActivityHandler {
        void due(sim::Time at) override {
            load->processes_[to].handle(static_cast<std::uint64_t>(sim::ps(at)) / 1000, number);
            send(at);
        }
        void send(sim::Time now) {
            const auto count = static_cast<std::uint32_t>(load->processes_.size());
            const Phold::Hop hop = Phold::hop(number, hops++, to, count);
            to = hop.to;
            load->executor_.arm(source, now + sim::Nanoseconds{static_cast<std::int64_t>(hop.delay_ns)});
        }
        PholdLoad* load = nullptr;
        std::uint32_t number = 0;
        std::uint32_t hops = 0;
        std::uint32_t to = 0;
        sim::SourceIndex source = 0;
    };

    Executor& executor_;
    std::vector<Process> processes_;
    std::vector<Message> messages_;
};

template <class Executor>
class TicksLoad {
public:
    TicksLoad(Executor& executor, std::uint32_t count) : processes_(count), tickers_(count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            tickers_[i].process = &processes_[i];
            tickers_[i].number = i;
            executor.arm_periodic(executor.add(tickers_[i]), instant(Ticks::first_ns(i, count)),
                                  instant(Ticks::kPeriodNs) - sim::kBoot);
        }
    }
    const std::vector<Process>& processes() const { return processes_; }

private:
    struct Ticker final : sim::ActivityHandler {
        void due(sim::Time at) override { process->handle(static_cast<std::uint64_t>(sim::ps(at)) / 1000, number); }
        Process* process = nullptr;
        std::uint32_t number = 0;
    };

    std::vector<Process> processes_;
    std::vector<Ticker> tickers_;
};

/// Runs `request` on a fresh executor and prints its line.
template <class Executor, template <class> class Load>
void run_and_print(const char* name, const Request& request) {
    Executor executor;
    Load<Executor> load(executor, request.processes);
    const Stopwatch watch;
    executor.run_until(instant(request.virtual_ns));
    print_result("ticklab", name, request, load.processes(), watch.seconds());
}

}  // namespace ticklab::bench
