// A machine with round prices whose kernel is linux-cputime, and a script of plain functions.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/model/cputime/checks.hpp"
#include "ticklab/model/cputime/declarations.hpp"
#include "ticklab/model/cputime/kernel.hpp"
#include "ticklab/model/cputime/records.hpp"
#include "ticklab/model/cputime/sites.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::cputime::testing {

using namespace std::chrono_literals;
using sim::Cpu;
using sim::CpuId;
using sim::kBoot;
using sim::Time;

inline constexpr std::array kDesigns{Design::kWalk, Design::kPerCpu, Design::kGlobal, Design::kSplit, Design::kModern};
inline std::string word(Design design) { return std::string(kDesignWords[static_cast<std::size_t>(design)]); }

/// Every price 10 cycles at 1 GHz, so 10 ns, but for those named.
inline sim::MachineConfig round_config(CpuId cpu_count) {
    sim::MachineConfig c;
    c.cpu_count = cpu_count;
    c.online_at_boot = cpu_count;
    c.nominal_hz = 1'000'000'000;
    c.tsc_hz = 1'000'000'000;
    c.c_states = {sim::CState{"C1", 100ns, 200ns, 1us, 500, false}};
    for (const sim::CostDecl& d : sim::machine_cost_decls())
        c.costs.set(std::string(d.name), sim::Cycles{10}, "test");
    for (const sim::CostDecl& d : cputime_kernel_decl().costs)
        c.costs.set(std::string(d.name), sim::Cycles{10}, "test");
    c.costs.set("cache_hit", sim::Cycles{1}, "test");
    c.costs.set("cache_transfer", sim::Cycles{50}, "test");
    return c;
}

inline constexpr Time at_ms(std::int64_t t) { return kBoot + std::chrono::milliseconds{t}; }
inline constexpr Time at_us(std::int64_t t) { return kBoot + std::chrono::microseconds{t}; }

/// One run at 1000 Hz. Set `config` and `kernel_config` first; the machine is built at the first use of it. What runs
/// on a CPU may CHECK and must not REQUIRE: nothing may throw through a fiber.
class Bench : private sim::ActivityHandler, private sim::SiteWatcher {
public:
    explicit Bench(Design design, CpuId cpu_count = 2) : config(round_config(cpu_count)) {
        kernel_config.hz = 1000;
        kernel_config.design = design;
        kernel_config.slice = 4ms;
    }

    struct LoggedRecord {
        std::uint16_t kind;
        Time at;
        CpuId cpu;
        std::vector<std::uint64_t> operands;
        std::int64_t signed_at(std::size_t i) const { return static_cast<std::int64_t>(operands[i]); }
    };

    sim::MachineConfig config;
    CpuTimeConfig kernel_config;

    sim::Machine& machine() {
        build();
        return *machine_;
    }
    Core& core() {
        build();
        return kernel_->core();
    }
    Process& process(std::int64_t number) { return *core().find_process(number); }
    Task& thread(std::int64_t process_number, std::uint32_t number) {
        for (Task& t : core().tasks)
            if (t.process.number == process_number && t.number == number)
                return t;
        FAIL("no thread " << number);
        std::abort();
    }
    PosixTimer& timer(std::int64_t number) { return core().timer(number); }
    std::int64_t state(std::string_view path) {
        build();
        const std::optional<std::int64_t> value = kernel_->state(path);
        REQUIRE_MESSAGE(value, std::string(path));
        return *value;
    }

    /// Performs `body` at thread level of `cpu` at `at`.
    void on(CpuId cpu, Time at, std::function<void(Cpu&)> body) {
        script(at, [this, cpu, body = std::move(body)] {
            machine().run_on_thread(cpu, sim::Cause{{}, ++roots_}, body);
        });
    }
    void script(Time at, std::function<void()> act) {
        build();
        script_.push_back({at, script_.size(), std::move(act)});
        std::sort(script_.begin(), script_.end(),
                  [](const Step& a, const Step& b) { return a.at != b.at ? a.at < b.at : a.order < b.order; });
        machine_->engine().arm(source_, script_.front().at);
    }
    /// When `cpu` reaches `site` for the `nth` time, `act` is done and the CPU is held for `length`.
    void hold(const sim::Site& site, CpuId cpu, sim::Duration length, int nth = 1, std::function<void()> act = {}) {
        machine().set_site_watcher(this);
        holds_.push_back({&site, cpu, length, nth, std::move(act)});
    }

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

    /// Runs up to `until`; a verdict fails the test.
    void run(Time until) {
        machine().run(until, kSteps);
        if (machine().verdict())
            FAIL(std::string(machine().verdict()->check->name) << ": " << machine().verdict()->message);
    }
    /// Runs up to `until` and gives the name of the verdict, empty if there is none.
    std::string run_to_verdict(Time until) {
        machine().run(until, kSteps);
        return machine().verdict() ? std::string(machine().verdict()->check->name) : std::string();
    }

    std::vector<LoggedRecord> records(const sim::RecordKind& kind) const {
        std::vector<LoggedRecord> found;
        for (const LoggedRecord& r : log_.records)
            if (r.kind == kind.id)
                found.push_back(r);
        return found;
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
    static constexpr std::uint64_t kSteps = 50'000'000;
    struct Step {
        Time at;
        std::size_t order;
        std::function<void()> act;
    };
    struct Hold {
        const sim::Site* site;
        CpuId cpu;
        sim::Duration length;
        int left;
        std::function<void()> act;
    };
    struct Log final : sim::RecordConsumer {
        std::vector<LoggedRecord> records;
        void consume(std::span<const sim::Record> batch) override {
            for (const sim::Record& r : batch)
                records.push_back({r.kind->id, r.at, r.cpu, {r.operands.begin(), r.operands.end()}});
        }
    };

    void build() {
        if (machine_)
            return;
        kernel_ = std::make_unique<CpuTimeKernel>(kernel_config);
        machine_ = std::make_unique<sim::Machine>(config, *kernel_);
        machine_->records().add_consumer(log_);
        source_ = machine_->engine().add(sim::ActivityClass::kScript, *this);
    }
    void due(Time at) override {
        while (!script_.empty() && script_.front().at <= at) {
            running_.push_back(std::move(script_.front().act));
            script_.erase(script_.begin());
            running_.back()();
        }
        if (!script_.empty())
            machine_->engine().arm(source_, script_.front().at);
    }
    Time reached(Cpu& cpu, const sim::Site& site) override {
        for (Hold& h : holds_)
            if (h.site->name() == site.name() && h.cpu == cpu.id() && --h.left == 0) {
                if (h.act)
                    h.act();
                return cpu.local_time() + h.length;
            }
        return kBoot;
    }

    Log log_;
    std::deque<Hold> holds_;
    std::uint64_t roots_ = 0;
    std::vector<Step> script_;
    std::deque<std::function<void()>> running_;
    sim::SourceIndex source_ = sim::kNoSource;
    // The kernel outlives the machine.
    std::unique_ptr<CpuTimeKernel> kernel_;
    std::unique_ptr<sim::Machine> machine_;
};

}  // namespace ticklab::cputime::testing
