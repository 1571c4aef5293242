// Loads of process CPU time: one process of many threads on all CPUs.
#pragma once

#include <cstdint>

#include "advance.hpp"
#include "tick_kernel.hpp"
#include "ticklab/model/cputime/declarations.hpp"
#include "ticklab/model/cputime/kernel.hpp"

namespace ticklab::bench {

struct CpuTimeShape {
    sim::CpuId cpus = 2;
    std::uint32_t threads = 2;
    cputime::Design design = cputime::Design::kModern;
    /// ITIMER_PROF every 10 ms of process time.
    bool armed = false;
};

/// Ticks at 1000 Hz; threads run for ever, those of one CPU 4 ms each in turn; checks on.
class CpuTimeLoad final : private sim::ActivityHandler {
public:
    static constexpr sim::Duration kStep = std::chrono::milliseconds{20};

    explicit CpuTimeLoad(const CpuTimeShape& shape)
        : shape_(shape),
          kernel_(cputime_config(shape)),
          machine_(bench_config(shape.cpus, cputime::cputime_kernel_decl().costs), kernel_) {
        source_ = machine_.engine().add(sim::ActivityClass::kScript, *this);
        machine_.engine().arm(source_, kSetUp);
        run_to(machine_, until_);
    }

    sim::Machine& machine() { return machine_; }
    sim::Duration step() const { return kStep; }
    /// Ticks so far.
    std::uint64_t operations() const { return timer_events(machine_); }
    void advance() {
        until_ += step();
        run_to(machine_, until_);
    }

private:
    static constexpr sim::Time kSetUp = sim::kBoot + std::chrono::microseconds{500};
    static constexpr std::chrono::milliseconds kProfile{10};

    static cputime::CpuTimeConfig cputime_config(const CpuTimeShape& shape) {
        cputime::CpuTimeConfig c;
        c.hz = 1000;
        c.design = shape.design;
        c.slice = std::chrono::milliseconds{4};
        return c;
    }
    void due(sim::Time) override {
        machine_.run_on_thread(0, sim::Cause{{}, 1}, [this](sim::Cpu& cpu) {
            cputime::Core& core = kernel_.core();
            core.life.spawn(cpu, {1, 1, shape_.threads, 0, shape_.cpus, {}});
            if (shape_.armed)
                (void)core.cpu_timers.set_itimer(cpu, *core.find_process(1), cputime::ClockId::kProf, kProfile,
                                                 kProfile);
        });
    }

    CpuTimeShape shape_;
    sim::SourceIndex source_ = sim::kNoSource;
    /// All threads are made, and each CPU has run some.
    sim::Time until_ = sim::kBoot + std::chrono::milliseconds{20};
    cputime::CpuTimeKernel kernel_;
    sim::Machine machine_;
};

}  // namespace ticklab::bench
