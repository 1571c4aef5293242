// A machine with round prices that runs the hypervisor, and a script of plain functions.
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

#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/declarations.hpp"
#include "ticklab/model/xen/kernel.hpp"
#include "ticklab/model/xen/records.hpp"
#include "ticklab/model/xen/sites.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::xen::testing {

using namespace std::chrono_literals;
using sim::Cpu;
using sim::CpuId;
using sim::kBoot;
using sim::Time;

/// The place of the option `name` among those of the kernel.
inline std::size_t option(std::string_view name) {
    const auto options = xen_kernel_decl().options;
    const auto it = std::find_if(options.begin(), options.end(), [&](const auto& o) { return o.name == name; });
    REQUIRE(it != options.end());
    return static_cast<std::size_t>(it - options.begin());
}

/// Every price 10 cycles at 1 GHz, so 10 ns, but for those named; a bus of 100 MHz.
inline sim::MachineConfig round_config(CpuId cpu_count) {
    sim::MachineConfig c;
    c.cpu_count = cpu_count;
    c.online_at_boot = cpu_count;
    c.nominal_hz = 1'000'000'000;
    c.tsc_hz = 1'000'000'000;
    c.c_states = {sim::CState{"C1", 100ns, 200ns, 1us, 500, false}};
    for (const sim::CostDecl& d : sim::machine_cost_decls())
        c.costs.set(std::string(d.name), sim::Cycles{10}, "test");
    for (const sim::CostDecl& d : xen_kernel_decl().costs)
        c.costs.set(std::string(d.name), sim::Cycles{10}, "test");
    c.costs.set("cache_hit", sim::Cycles{1}, "test");
    c.costs.set("cache_transfer", sim::Cycles{50}, "test");
    return c;
}

inline constexpr Time at_ns(std::int64_t t) { return kBoot + std::chrono::nanoseconds{t}; }

/// Every change of the newest release.
inline XenConfig newest() {
    sim::KernelDecl::Settings s;
    s.options.resize(xen_kernel_decl().options.size());
    XenConfig config = XenConfig::from(s);
    config.timers.check_effort = CheckEffort::kAlways;
    return config;
}

/// As of 2 June 2010, the changeset that the tests start from: V2 with inactive timers tracked.
inline XenConfig c2010() {
    sim::KernelDecl::Settings s;
    s.options.resize(xen_kernel_decl().options.size());
    s.version = "4.0";
    s.with = {"XEN-19"};
    return XenConfig::from(s);
}

/// One run. Set `config` and `xen` first; the machine is built at the first use of it. What runs on a CPU may CHECK and
/// must not REQUIRE: nothing may throw through a fiber.
class Bench : private sim::TimerClient, private sim::ActivityHandler, private sim::SiteWatcher {
public:
    explicit Bench(CpuId cpu_count = 2) : config(round_config(cpu_count)), xen(c2010()) {
        xen.timers.check_effort = CheckEffort::kAlways;
    }

    struct Firing {
        sim::TimerIndex timer;
        CpuId cpu;
        Time at;
        friend bool operator==(const Firing&, const Firing&) = default;
    };
    struct LoggedRecord {
        std::uint16_t kind;
        Time at;
        CpuId cpu;
        sim::RecordId id, cause, waited_on;
        std::vector<std::uint64_t> operands;
    };

    sim::MachineConfig config;
    XenConfig xen;
    /// What callbacks do, after the firing was noted.
    std::function<void(Cpu&, sim::TimerIndex)> on_fired;
    std::vector<Firing> firings;

    sim::Machine& machine() {
        build();
        return *machine_;
    }
    XenKernel& kernel() {
        build();
        return *kernel_;
    }
    Timers& timers() { return kernel().timers(); }
    TimerBase& base(CpuId cpu) { return timers().base(cpu); }
    Timer& timer(sim::TimerIndex i) { return kernel().scenario_timer(i); }

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
    void script(Time at, std::function<void()> act) {
        build();
        script_.push_back({at, script_.size(), std::move(act)});
        std::sort(script_.begin(), script_.end(),
                  [](const Step& a, const Step& b) { return a.at != b.at ? a.at < b.at : a.order < b.order; });
        machine_->engine().arm(source_, script_.front().at);
    }

    /// Calls of the kernel's operations on scenario timers, as verbs make them.
    void perform(Cpu& cpu, std::string_view verb, std::vector<sim::Value> arguments) {
        // Kept here: a verdict abandons the stack that this runs on.
        calls_.push_back(call(verb, std::move(arguments)));
        kernel().perform(cpu, calls_.back());
    }
    static sim::VerbCall call(std::string_view verb, std::vector<sim::Value> arguments) {
        for (const sim::VerbDecl& decl : xen_kernel_decl().verbs)
            if (decl.name == verb) {
                sim::VerbCall c;
                c.verb = &decl;
                c.arguments.assign(arguments.begin(), arguments.end());
                c.arguments.resize(decl.parameters.size());
                return c;
            }
        FAIL("no such verb");
        return {};
    }
    void init(Cpu& cpu, std::int64_t timer, std::int64_t owner) { perform(cpu, "timer.init", {timer, owner}); }
    void set(Cpu& cpu, std::int64_t timer, std::int64_t expires_ns) {
        perform(cpu, "timer.set", {timer, at_ns(expires_ns)});
    }
    /// Makes the timer softirq run on this CPU.
    void ask_for_pass(Cpu& cpu) { kernel().softirqs().raise_local(cpu, SoftirqNumber::kTimer); }
    void stop(Cpu& cpu, std::int64_t timer) { perform(cpu, "timer.stop", {timer}); }
    void kill(Cpu& cpu, std::int64_t timer) { perform(cpu, "timer.kill", {timer}); }
    void migrate(Cpu& cpu, std::int64_t timer, std::int64_t to) { perform(cpu, "timer.migrate", {timer, to}); }

    /// Runs up to `until`; a verdict fails the test.
    void run(Time until) {
        machine().run(until, kSteps);
        if (machine().verdict())
            FAIL(std::string(machine().verdict()->check->name) << ": " << machine().verdict()->message);
        const std::optional<Broken> broken = check_quiet(timers());
        if (broken)
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
    const std::vector<LoggedRecord>& all_records() const { return log_.records; }
    std::int64_t state(std::string_view path) {
        const std::optional<std::int64_t> value = kernel().state(path);
        REQUIRE(value);
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
                records.push_back(
                    {r.kind->id, r.at, r.cpu, r.id, r.cause, r.waited_on, {r.operands.begin(), r.operands.end()}});
        }
    };

    void build() {
        if (machine_)
            return;
        kernel_ = std::make_unique<XenKernel>(xen, static_cast<sim::TimerClient&>(*this));
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
    std::unique_ptr<XenKernel> kernel_;
    std::unique_ptr<sim::Machine> machine_;
};

}  // namespace ticklab::xen::testing
