// A machine with round prices that runs Linux's timer code, and a script of plain functions.
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/model/linux/checks.hpp"
#include "ticklab/model/linux/declarations.hpp"
#include "ticklab/model/linux/hrtimer_records.hpp"
#include "ticklab/model/linux/kernel.hpp"
#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/sites.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_::testing {

using namespace std::chrono_literals;
using sim::Cpu;
using sim::CpuId;
using sim::kBoot;
using sim::Time;

/// Every price 10 cycles at 1 GHz, so 10 ns, but for those named.
inline sim::MachineConfig round_config(CpuId cpu_count) {
    sim::MachineConfig c;
    c.cpu_count = cpu_count;
    c.online_at_boot = cpu_count;
    c.nominal_hz = 1'000'000'000;
    c.tsc_hz = 1'000'000'000;
    c.c_states = {sim::CState{"C1", 100ns, 200ns, 1us, 500, false}, sim::CState{"C6", 1us, 20us, 100us, 50, true}};
    for (const sim::CostDecl& d : sim::machine_cost_decls())
        c.costs.set(std::string(d.name), sim::Cycles{10}, "test");
    for (const sim::CostDecl& d : linux_kernel_decl().costs)
        c.costs.set(std::string(d.name), sim::Cycles{10}, "test");
    c.costs.set("cache_hit", sim::Cycles{1}, "test");
    c.costs.set("cache_transfer", sim::Cycles{50}, "test");
    return c;
}

inline constexpr Time at_ms(std::int64_t t) { return kBoot + std::chrono::milliseconds{t}; }
inline constexpr Time at_us(std::int64_t t) { return kBoot + std::chrono::microseconds{t}; }

/// One run. Set `config` and `linux_config` first; the machine is built at the first use of it. What runs on a CPU may
/// CHECK and must not REQUIRE: nothing may throw through a fiber.
class Bench : private sim::TimerClient, private sim::ActivityHandler, private sim::SiteWatcher {
public:
    explicit Bench(CpuId cpu_count = 2) : config(round_config(cpu_count)) {
        linux_config.hz = 1000;
        linux_config.wheel.check_effort = CheckEffort::kAlways;
    }

    struct Firing {
        sim::TimerIndex timer;
        CpuId cpu;
        Time at;
    };
    struct LoggedRecord {
        std::uint16_t kind;
        Time at;
        CpuId cpu;
        std::vector<std::uint64_t> operands;
    };

    sim::MachineConfig config;
    LinuxConfig linux_config;
    /// What callbacks do, after the firing was noted.
    std::function<void(Cpu&, sim::TimerIndex)> on_fired;
    std::vector<Firing> firings;

    sim::Machine& machine() {
        build();
        return *machine_;
    }
    LinuxKernel& kernel() {
        build();
        return *kernel_;
    }
    LinuxKernel::Core& core() { return kernel().core(); }
    TimerBase& base(CpuId cpu, BaseIndex index) { return core().wheel.base(cpu, index); }
    const TickState& tick(CpuId cpu) { return core().tick.of(cpu); }

    /// Holds `cpu` for `length` when it next reaches `site`.
    void hold(const sim::Site& site, CpuId cpu, sim::Duration length) {
        machine().set_site_watcher(this);
        holds_.push_back({&site, cpu, length});
    }
    /// Performs `body` at thread level of `cpu` at `at`.
    void on(CpuId cpu, Time at, std::function<void(Cpu&)> body) {
        script(at, [this, cpu, body = std::move(body)] {
            machine().run_on_thread(cpu, sim::Cause{{}, ++roots_}, body);
        });
    }
    void in_irq(CpuId cpu, Time at, std::function<void(Cpu&)> body) {
        script(at, [this, cpu, body = std::move(body)] { machine().run_in_irq(cpu, sim::Cause{{}, ++roots_}, body); });
    }
    void control(CpuId cpu, Time at, std::function<void(Cpu&)> body) {
        script(at, [this, cpu, body = std::move(body)] {
            machine().run_in_control_thread(cpu, sim::Cause{{}, ++roots_}, body);
        });
    }
    void offline(CpuId target, Time at, CpuId from = 0) {
        control(from, at, [this, target](Cpu& cpu) { CHECK(machine().cpu_down(cpu, machine().cpu(target))); });
    }
    void online(CpuId target, Time at, CpuId from = 0) {
        control(from, at, [this, target](Cpu& cpu) { CHECK(machine().cpu_up(cpu, machine().cpu(target))); });
    }
    void busy(CpuId cpu, Time at, Time until) {
        script(at, [this, cpu, until] { machine().set_busy(cpu, until); });
    }
    void script(Time at, std::function<void()> act) {
        build();
        script_.push_back({at, script_.size(), std::move(act)});
        std::sort(script_.begin(), script_.end(),
                  [](const Step& a, const Step& b) { return a.at != b.at ? a.at < b.at : a.order < b.order; });
        machine_->engine().arm(source_, script_.front().at);
    }

    /// Calls of the kernel's operations on scenario timers, as verbs make them.
    void perform(Cpu& cpu, std::string_view verb, std::vector<sim::Value> arguments) {
        for (const sim::VerbDecl& decl : linux_kernel_decl().verbs)
            if (decl.name == verb) {
                // Kept here: a verdict abandons the stack that this runs on.
                sim::VerbCall& call = calls_.emplace_back();
                call.verb = &decl;
                call.arguments.assign(arguments.begin(), arguments.end());
                call.arguments.resize(decl.parameters.size());
                kernel().perform(cpu, call);
                return;
            }
        CHECK_MESSAGE(false, "no such verb");
    }
    void mod(Cpu& cpu, std::int64_t timer, Time expires) { perform(cpu, "timer.mod", {timer, expires}); }

    /// Runs up to `until`; a verdict fails the test.
    void run(Time until) {
        machine().run(until, kSteps);
        if (machine().verdict())
            FAIL(std::string(machine().verdict()->check->name) << ": " << machine().verdict()->message);
        for (const TimerBase& b : core().wheel.bases())
            if (!b.lock.held())
                if (const std::optional<Broken> broken = check_base(core().wheel, b))
                    FAIL(std::string(broken->check->name) << ": " << broken->message);
    }
    /// Runs up to `until` and gives the name of the verdict, empty if there is none.
    std::string run_to_verdict(Time until) {
        machine().run(until, kSteps);
        return machine().verdict() ? std::string(machine().verdict()->check->name) : std::string();
    }

    std::vector<LoggedRecord> records(const sim::RecordKind& kind) {
        std::vector<LoggedRecord> found;
        for (const LoggedRecord& r : log_.records)
            if (r.kind == kind.id)
                found.push_back(r);
        return found;
    }
    std::int64_t state(std::string_view path) {
        const std::optional<std::int64_t> value = kernel().state(path);
        REQUIRE_MESSAGE(value, std::string(path));
        return *value;
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
        kernel_ = std::make_unique<LinuxKernel>(linux_config, static_cast<sim::TimerClient&>(*this));
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
        for (std::size_t i = 0; i < holds_.size(); ++i) {
            if (holds_[i].site->name() != site.name() || holds_[i].cpu != cpu.id())
                continue;
            const Time until = cpu.local_time() + holds_[i].length;
            holds_.erase(holds_.begin() + static_cast<std::ptrdiff_t>(i));
            return until;
        }
        return kBoot;
    }
    void timer_fired(Cpu& cpu, sim::TimerIndex timer) override {
        firings.push_back({timer, cpu.id(), cpu.local_time()});
        if (on_fired)
            on_fired(cpu, timer);
    }
    std::string_view timer_name(sim::TimerIndex timer) const override {
        while (names_.size() <= timer)
            names_.push_back(fmt::format("t{}", names_.size()));
        return names_[timer];
    }

    mutable std::deque<std::string> names_;
    Log log_;
    std::vector<Hold> holds_;
    std::deque<sim::VerbCall> calls_;
    std::uint64_t roots_ = 0;
    std::vector<Step> script_;
    std::deque<std::function<void()>> running_;
    sim::SourceIndex source_ = sim::kNoSource;
    // The kernel outlives the machine.
    std::unique_ptr<LinuxKernel> kernel_;
    std::unique_ptr<sim::Machine> machine_;
};

}  // namespace ticklab::linux_::testing
