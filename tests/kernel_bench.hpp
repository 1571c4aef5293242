// A machine with round prices that runs a kernel, and a script of plain functions: what the benches of the kernels'
// tests have in common.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ticklab/sim/machine.hpp"

namespace ticklab::testing {

using namespace std::chrono_literals;
using sim::Cpu;
using sim::CpuId;
using sim::kBoot;
using sim::Time;

constexpr Time at_ns(std::int64_t t) { return kBoot + std::chrono::nanoseconds{t}; }
constexpr Time at_us(std::int64_t t) { return kBoot + std::chrono::microseconds{t}; }
constexpr Time at_ms(std::int64_t t) { return kBoot + std::chrono::milliseconds{t}; }

/// Every price 10 cycles at 1 GHz, so 10 ns, but for those named; idle is C1.
inline sim::MachineConfig round_config(CpuId cpu_count, const sim::KernelDecl& kernel) {
    sim::MachineConfig c;
    c.cpu_count = cpu_count;
    c.online_at_boot = cpu_count;
    c.nominal_hz = 1'000'000'000;
    c.tsc_hz = 1'000'000'000;
    c.c_states = {sim::CState{"C1", 100ns, 200ns, 1us, 500, false}};
    for (const std::span<const sim::CostDecl> decls : {sim::machine_cost_decls(), kernel.costs})
        for (const sim::CostDecl& d : decls)
            c.costs.set(std::string(d.name), sim::Cycles{10}, "test");
    c.costs.set("cache_hit", sim::Cycles{1}, "test");
    c.costs.set("cache_transfer", sim::Cycles{50}, "test");
    return c;
}

/// A call of one of the kernel's verbs, without its verb if there is none of that name.
inline sim::VerbCall call_of(const sim::KernelDecl& kernel, std::string_view verb, std::vector<sim::Value> arguments) {
    sim::VerbCall call;
    const auto decl =
        std::find_if(kernel.verbs.begin(), kernel.verbs.end(), [&](const auto& d) { return d.name == verb; });
    CHECK_MESSAGE(decl != kernel.verbs.end(), "no verb " << std::string(verb));
    if (decl == kernel.verbs.end())
        return call;
    call.verb = &*decl;
    call.arguments.assign(arguments.begin(), arguments.end());
    call.arguments.resize(decl->parameters.size());
    return call;
}

struct LoggedRecord {
    std::uint16_t kind;
    Time at;
    CpuId cpu;
    sim::RecordId id, cause, waited_on;
    std::vector<std::uint64_t> operands;
    std::int64_t signed_at(std::size_t i) const { return static_cast<std::int64_t>(operands[i]); }
};

/// One run. Set `config` and the kernel's first; the machine is built at the first use of it. What runs on a CPU may
/// CHECK and must not REQUIRE: nothing may throw through a fiber.
template <class K>
class KernelBench : private sim::ActivityHandler, private sim::SiteWatcher {
public:
    using LoggedRecord = ticklab::testing::LoggedRecord;

    sim::MachineConfig config;

    sim::Machine& machine() {
        build();
        return *machine_;
    }
    K& kernel() {
        build();
        return *kernel_;
    }

    /// When `cpu` reaches `site` for the `nth` time, `act` is done and the CPU is held for `length`.
    void hold(const sim::Site& site, CpuId cpu, sim::Duration length, int nth = 1, std::function<void()> act = {}) {
        machine().set_site_watcher(this);
        holds_.push_back({&site, cpu, length, nth, std::move(act)});
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

    /// Calls the kernel's operations as verbs do.
    void perform(Cpu& cpu, std::string_view verb, std::vector<sim::Value> arguments) {
        // Kept here: a verdict abandons the stack that this runs on.
        const sim::VerbCall& call = calls_.emplace_back(call_of(decl_, verb, std::move(arguments)));
        if (call.verb)
            kernel().perform(cpu, call);
    }

    /// Runs up to `until`; a verdict fails the test.
    void run(Time until) {
        machine().run(until, kSteps);
        if (machine().verdict())
            FAIL(std::string(machine().verdict()->check->name) << ": " << machine().verdict()->message);
        check_at_rest();
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
    const std::vector<LoggedRecord>& all_records() const { return log_.records; }
    std::int64_t state(std::string_view path) {
        const std::optional<std::int64_t> value = kernel().state(path);
        REQUIRE_MESSAGE(value, std::string(path));
        return *value;
    }

protected:
    KernelBench(const sim::KernelDecl& decl, CpuId cpu_count) : config(round_config(cpu_count, decl)), decl_(decl) {}
    virtual std::unique_ptr<K> make_kernel() = 0;
    /// After a run: fails the test if a structure is not as it should be.
    virtual void check_at_rest() {}

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
                records.push_back(
                    {r.kind->id, r.at, r.cpu, r.id, r.cause, r.waited_on, {r.operands.begin(), r.operands.end()}});
        }
    };

    void build() {
        if (machine_)
            return;
        kernel_ = make_kernel();
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
            if (holds_[i].site->name() != site.name() || holds_[i].cpu != cpu.id() || --holds_[i].left != 0)
                continue;
            const Hold hold = std::move(holds_[i]);
            holds_.erase(holds_.begin() + static_cast<std::ptrdiff_t>(i));
            if (hold.act)
                hold.act();
            return cpu.local_time() + hold.length;
        }
        return kBoot;
    }

    const sim::KernelDecl& decl_;
    Log log_;
    std::vector<Hold> holds_;
    std::deque<sim::VerbCall> calls_;
    std::uint64_t roots_ = 0;
    std::vector<Step> script_;
    std::deque<std::function<void()>> running_;
    sim::SourceIndex source_ = sim::kNoSource;
    // The kernel outlives the machine.
    std::unique_ptr<K> kernel_;
    std::unique_ptr<sim::Machine> machine_;
};

/// The scenario's side of timers: which fired where and when. A base that comes before the bench, for it outlives the
/// kernel.
class FiringLog : public sim::TimerClient {
public:
    struct Firing {
        sim::TimerIndex timer;
        CpuId cpu;
        Time at;
        friend bool operator==(const Firing&, const Firing&) = default;
    };
    /// What callbacks do, after the firing was noted.
    std::function<void(Cpu&, sim::TimerIndex)> on_fired;
    std::vector<Firing> firings;

private:
    void timer_fired(Cpu& cpu, sim::TimerIndex timer) override {
        firings.push_back({timer, cpu.id(), cpu.local_time()});
        if (on_fired)
            on_fired(cpu, timer);
    }
    std::string_view timer_name(sim::TimerIndex timer) const override {
        while (names_.size() <= timer)
            names_.push_back("t" + std::to_string(names_.size()));
        return names_[timer];
    }

    mutable std::deque<std::string> names_;
};

}  // namespace ticklab::testing
