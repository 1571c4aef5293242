// A machine with round prices whose kernel is linux-cputime, and a script of plain functions.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "kernel_bench.hpp"
#include "ticklab/model/cputime/checks.hpp"
#include "ticklab/model/cputime/declarations.hpp"
#include "ticklab/model/cputime/kernel.hpp"
#include "ticklab/model/cputime/records.hpp"
#include "ticklab/model/cputime/sites.hpp"

namespace ticklab::cputime::testing {

using namespace std::chrono_literals;
using sim::Cpu;
using sim::CpuId;
using sim::kBoot;
using sim::Time;
using ticklab::testing::at_ms;
using ticklab::testing::at_us;

inline constexpr std::array kDesigns{Design::kWalk, Design::kPerCpu, Design::kGlobal, Design::kSplit, Design::kModern};
inline std::string word(Design design) { return std::string(kDesignWords[static_cast<std::size_t>(design)]); }

/// One run at 1000 Hz.
class Bench : public ticklab::testing::KernelBench<CpuTimeKernel> {
public:
    explicit Bench(Design design, CpuId cpu_count = 2) : KernelBench(cputime_kernel_decl(), cpu_count) {
        kernel_config.hz = 1000;
        kernel_config.design = design;
        kernel_config.slice = 4ms;
    }

    CpuTimeConfig kernel_config;

    Core& core() { return kernel().core(); }
    Process& process(std::int64_t number) { return *core().find_process(number); }
    Task& thread(std::int64_t process_number, std::uint32_t number) {
        for (Task& t : core().tasks)
            if (t.process.number == process_number && t.number == number)
                return t;
        FAIL("no thread " << number);
        std::abort();
    }
    PosixTimer& timer(std::int64_t number) { return core().timer(number); }

    /// One thread for ever on each of `count` CPUs from `cpu` on.
    void spawn(Cpu& on, std::uint32_t process_number, std::uint32_t count, CpuId cpu, const Behaviour& behaviour = {}) {
        core().life.spawn(on, {process_number, process_number, count, cpu, core().machine.cpu_count(), behaviour});
    }
    void spawn_at(Time at, std::uint32_t process_number, std::uint32_t count, CpuId cpu = 0,
                  const Behaviour& behaviour = {}) {
        on(cpu, at,
           [this, process_number, count, cpu, behaviour](Cpu& c) { spawn(c, process_number, count, cpu, behaviour); });
    }
    void fork_at(Time at, std::uint32_t parent, std::uint32_t child, std::uint32_t count, CpuId cpu,
                 const Behaviour& behaviour = {}) {
        on(cpu, at, [this, parent, child, count, cpu, behaviour](Cpu& c) {
            core().life.spawn(c, {child, parent, count, cpu, core().machine.cpu_count(), behaviour});
        });
    }
    /// timer_create if need be, and timer_settime; `thread_number` < 0 for the process clock.
    void set(Cpu& cpu, std::int64_t number, std::int64_t process_number, ClockId clock,
             const CpuTimers::Setting& setting, std::int64_t thread_number = -1, Notify notify = Notify::kSignal) {
        Process& p = process(process_number);
        Task* const t = thread_number < 0 ? nullptr : Core::find_thread(p, thread_number);
        CHECK((t != nullptr) == (thread_number >= 0));
        core().cpu_timers.create(timer(number), p, t, clock, notify);
        core().cpu_timers.set(cpu, timer(number), setting);
    }
    CpuTime read(Cpu& cpu, std::int64_t process_number, ClockId clock, std::int64_t thread_number = -1) {
        Process& p = process(process_number);
        return core().cpu_timers.read(
            cpu, p, thread_number < 0 ? nullptr : &thread(process_number, static_cast<std::uint32_t>(thread_number)),
            clock);
    }
    void exit_at(Time at, std::int64_t process_number, std::uint32_t number, CpuId from) {
        on(from, at,
           [this, process_number, number](Cpu& c) { core().life.ask_exit(c, thread(process_number, number)); });
    }

    /// When the timer fired.
    std::vector<LoggedRecord> firings(std::int64_t number) {
        std::vector<LoggedRecord> found;
        for (const LoggedRecord& r : records(kFireRecord))
            if (r.operands[0] == timer(number).object)
                found.push_back(r);
        return found;
    }

private:
    std::unique_ptr<CpuTimeKernel> make_kernel() override { return std::make_unique<CpuTimeKernel>(kernel_config); }
};

}  // namespace ticklab::cputime::testing
