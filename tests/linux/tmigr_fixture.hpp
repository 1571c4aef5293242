// The migration hierarchy on a machine with round prices, over a wheel of a few lines: global timers are instants a CPU
// has, the jiffies are what the test says, and the CPU's clock event is what the hierarchy asked for. Operations are
// called as the wheel and the tick call them (LTW 12.3, 12.5), one by one or at once.
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/machine_fixture.hpp"
#include "ticklab/model/linux/changes.hpp"
#include "ticklab/model/linux/tmigr/checks.hpp"
#include "ticklab/model/linux/tmigr/invariants.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"
#include "ticklab/model/linux/tmigr/sites.hpp"

namespace ticklab::linux_::tmigr::testing {

using namespace std::chrono_literals;
using sim::Cpu;
using sim::CpuId;
using sim::kBoot;
using sim::kNoCpu;
using sim::Time;

inline constexpr KtimeSpan kTick{1'000'000};
/// The tick edge number `n`.
constexpr Ktime edge(std::int64_t n) { return Ktime{kTick * n}; }

inline sim::MachineConfig tmigr_config(CpuId cpu_count, std::uint32_t nodes = 1) {
    sim::MachineConfig c = sim::testing::round_config(cpu_count);
    c.node_count = nodes;
    for (const TmigrPriceSlot& s : kTmigrPriceSlots)
        c.costs.set(std::string(s.decl.name), sim::Cycles{10}, "test");
    return c;
}

/// Leaves out the changes named, and what requires them; "with" puts in.
inline TmigrChanges changes_without(std::vector<std::string> without, std::string version = {},
                                    std::vector<std::string> with = {}) {
    sim::KernelDecl::Settings s;
    s.version = std::move(version);
    s.without = std::move(without);
    s.with = std::move(with);
    return sim::flags_in_force(kTmigrChanges, kLinuxVersions, s);
}

/// Set `config` and `parameters` first; the machine is built at the first use of it.
class HierarchyBench : public RemoteBases, public TimerView, private sim::SiteWatcher, private sim::ActivityHandler {
public:
    explicit HierarchyBench(CpuId cpu_count, std::uint32_t nodes = 1) : config(tmigr_config(cpu_count, nodes)) {}

    struct Expiry {
        CpuId owner;
        CpuId runner;
        Ktime expires;
        friend bool operator==(const Expiry&, const Expiry&) = default;
    };
    struct CpuTimers {
        std::vector<Ktime> global;  ///< ascending
        bool idle = false;
        Ktime armed = kKtimeMax;
        std::unique_ptr<sim::SpinLock> local_lock, global_lock;
    };

    sim::MachineConfig config;
    TmigrParameters parameters;
    std::int64_t jiffies_now = 0;
    std::vector<Expiry> expiries;
    /// An idle CPU leaves idle when a thread becomes runnable on it, as the idle loop does. Off, it stays idle to the
    /// hierarchy whatever runs on it.
    bool idle_loop_leaves = false;
    /// Within the run of a target's timers, before they are run.
    std::function<void(Cpu&, CpuId)> on_run;

    sim::Machine& machine() {
        build();
        return *machine_;
    }
    TmigrPlacement& placement() {
        build();
        return *placement_;
    }
    CpuTimers& timers(CpuId cpu) { return timers_[cpu]; }
    sim::testing::RecordLog& log() { return log_; }

    /// Every CPU is prepared by CPU 0 and takes part.
    void boot(CpuId count = kNoCpu) {
        build();
        const CpuId n = std::min(count, config.cpu_count);
        for (CpuId c = 0; c < n; ++c)
            join(c);
    }
    /// Prepared on `by`, then available.
    void join(CpuId c, CpuId by = 0) {
        control(by, [this, c](Cpu& cpu) { CHECK(placement().prepare(cpu, c)); });
        run();
        control(c, [this](Cpu& cpu) { CHECK(placement().set_available(cpu)); });
        run();
    }

    /// `body` at thread level of `cpu`, from `delay` on.
    void on(CpuId cpu, std::function<void(Cpu&)> body, sim::Duration delay = {}) {
        script(delay, [this, cpu, body = std::move(body)] {
            machine().run_on_thread(cpu, sim::Cause{{}, ++roots_}, body);
        });
    }
    void control(CpuId cpu, std::function<void(Cpu&)> body, sim::Duration delay = {}) {
        script(delay, [this, cpu, body = std::move(body)] {
            machine().run_in_control_thread(cpu, sim::Cause{{}, ++roots_}, body);
        });
    }
    /// Called at each site that a CPU reaches.
    void watch(std::function<void(Cpu&, const sim::Site&)> watcher) {
        machine().set_site_watcher(this);
        watcher_ = std::move(watcher);
    }
    /// Holds `cpu` for `length` when it reaches `site` for the nth time from now.
    void hold(const sim::Site& site, CpuId cpu, sim::Duration length, int nth = 1) {
        machine().set_site_watcher(this);
        holds_.push_back({&site, cpu, length, nth});
    }

    // What wheel and tick do on a CPU.

    /// Try to go idle, with all global timers the CPU has (LTW 12.5).
    void go_idle(Cpu& cpu) {
        const sim::IrqGuard guard(cpu);
        lock_bases(cpu, cpu.id());
        CpuTimers& t = timers_[cpu.id()];
        t.armed = placement().deactivate(cpu, first_global(cpu.id()));
        t.idle = true;
        unlock_bases(cpu, cpu.id());
    }
    /// An idle CPU looks at its timers again.
    void look_again(Cpu& cpu) {
        const sim::IrqGuard guard(cpu);
        lock_bases(cpu, cpu.id());
        timers_[cpu.id()].armed = placement().new_timer(cpu, first_global(cpu.id()));
        unlock_bases(cpu, cpu.id());
    }
    void leave_idle(Cpu& cpu) {
        const sim::IrqGuard guard(cpu);
        timers_[cpu.id()].idle = false;
        timers_[cpu.id()].armed = kKtimeMax;
        placement().activate(cpu);
    }
    /// The tick's question and the softirq that follows.
    bool tick(Cpu& cpu) {
        bool asked;
        {
            const sim::IrqGuard guard(cpu);
            asked = placement().requires_remote(cpu);
        }
        if (asked)
            placement().handle_remote(cpu);
        return asked;
    }
    Ktime forecast(Cpu& cpu) {
        const sim::IrqGuard guard(cpu);
        lock_bases(cpu, cpu.id());
        const Ktime t = placement().quick_check(cpu, first_global(cpu.id()));
        unlock_bases(cpu, cpu.id());
        return t;
    }
    void add_timer(CpuId cpu, std::int64_t at_edge) {
        auto& g = timers_[cpu].global;
        g.insert(std::upper_bound(g.begin(), g.end(), edge(at_edge)), edge(at_edge));
    }

    /// Runs until all that was asked for has been done; a verdict fails the test.
    void run(sim::Duration length = 1ms) {
        const std::string verdict = run_to_verdict(length);
        if (!verdict.empty())
            FAIL(verdict << ": " << machine().verdict()->message);
    }
    std::string run_to_verdict(sim::Duration length = 1ms) {
        machine().run(machine().now() + length, sim::testing::kAllSteps);
        return machine().verdict() ? std::string(machine().verdict()->check->name) : std::string();
    }
    /// The name of the check that is broken now that all is quiet, empty if none is.
    std::string broken() {
        REQUIRE(placement().quiet());
        const std::optional<Broken> b = check_quiet(placement(), *this);
        return b ? std::string(b->check->name) : std::string();
    }
    void require_quiet() {
        REQUIRE(placement().quiet());
        if (const std::optional<Broken> b = check_quiet(placement(), *this))
            FAIL(std::string(b->check->name) << ": " << b->message);
    }

    // State in short.
    const Group& group(std::size_t i) { return *placement().groups()[i]; }
    const Group& leaf(CpuId c) { return *placement().cpu(c).group.peek(); }
    /// "active/migrator" in hex, "-" for no migrator.
    std::string state(const Group& g) {
        const GroupState s = g.peek_state();
        return fmt::format("{:x}/{}", s.active, s.migrator == kNoMigrator ? "-" : fmt::format("{:x}", s.migrator));
    }
    std::string state(std::size_t i) { return state(group(i)); }

    // RemoteBases
    JiffiesPair jiffies(Cpu& cpu) override {
        cpu.sync();
        return {Jiffies{static_cast<std::uint64_t>(jiffies_now)}, edge(jiffies_now)};
    }
    void run_global(Cpu& cpu, CpuId target) override {
        if (on_run)
            on_run(cpu, target);
        const sim::SpinLockIrqGuard guard(cpu, *timers_[target].global_lock);
        auto& g = timers_[target].global;
        while (!g.empty() && g.front() <= edge(jiffies_now)) {
            expiries.push_back({target, cpu.id(), g.front()});
            g.erase(g.begin());
        }
    }
    void lock_bases(Cpu& cpu, CpuId target) override {
        timers_[target].local_lock->acquire(cpu);
        timers_[target].global_lock->acquire(cpu);
    }
    void unlock_bases(Cpu& cpu, CpuId target) override {
        timers_[target].global_lock->release(cpu);
        timers_[target].local_lock->release(cpu);
    }
    NextEvents next_events(Cpu&, CpuId target, const JiffiesPair& now) override {
        const Ktime first = first_global(target);
        return {kKtimeMax, first == kKtimeMax ? first : std::max(first, now.basem)};
    }
    bool local_base_idle(const Cpu& cpu) const override { return timers_[cpu.id()].idle; }

    // TimerView
    bool settled(CpuId) const override { return true; }
    bool base_idle(CpuId cpu) const override { return timers_[cpu].idle; }
    Ktime first_local(CpuId) const override { return kKtimeMax; }
    Ktime first_global(CpuId cpu) const override {
        return timers_[cpu].global.empty() ? kKtimeMax : timers_[cpu].global.front();
    }
    Ktime clock_event(CpuId cpu) const override { return timers_[cpu].armed; }
    Ktime now() const override { return edge(jiffies_now); }
    KtimeSpan tick() const override { return kTick; }

private:
    struct Step {
        Time at;
        std::uint64_t order;
        std::function<void()> act;
    };
    struct Hold {
        const sim::Site* site;
        CpuId cpu;
        sim::Duration length;
        int nth;
    };

    void build() {
        if (machine_)
            return;
        kernel_.on_idle = [this](Cpu& cpu) {
            cpu.irq_disable();
            cpu.halt(0);
            if (idle_loop_leaves && timers_[cpu.id()].idle && cpu.has_runnable())
                leave_idle(cpu);
        };
        machine_ = std::make_unique<sim::Machine>(config, kernel_);
        machine_->records().add_consumer(log_);
        source_ = machine_->engine().add(sim::ActivityClass::kScript, *this);
        sim::LockClass& local = machine_->lock_class("base local");
        sim::LockClass& global = machine_->lock_class("base global");
        for (CpuId c = 0; c < config.cpu_count; ++c) {
            timers_.emplace_back();
            timers_.back().local_lock =
                std::make_unique<sim::SpinLock>(*machine_, local, fmt::format("base local {}", c));
            timers_.back().global_lock =
                std::make_unique<sim::SpinLock>(*machine_, global, fmt::format("base global {}", c));
        }
        placement_ = std::make_unique<TmigrPlacement>(*machine_, parameters, *this);
        machine_->run(kBoot + 10us, sim::testing::kAllSteps);
    }
    void script(sim::Duration delay, std::function<void()> act) {
        build();
        script_.push_back({machine_->now() + 1us + delay, ++steps_, std::move(act)});
        std::sort(script_.begin(), script_.end(),
                  [](const Step& a, const Step& b) { return a.at != b.at ? a.at < b.at : a.order < b.order; });
        machine_->engine().arm(source_, script_.front().at);
    }
    void due(Time at) override {
        while (!script_.empty() && script_.front().at <= at) {
            const std::function<void()> act = std::move(script_.front().act);
            script_.erase(script_.begin());
            act();
        }
        if (!script_.empty())
            machine_->engine().arm(source_, script_.front().at);
    }
    Time reached(Cpu& cpu, const sim::Site& site) override {
        if (watcher_)
            watcher_(cpu, site);
        for (std::size_t i = 0; i < holds_.size(); ++i) {
            if (holds_[i].site->name() != site.name() || holds_[i].cpu != cpu.id() || --holds_[i].nth != 0)
                continue;
            const Time until = cpu.local_time() + holds_[i].length;
            holds_.erase(holds_.begin() + static_cast<std::ptrdiff_t>(i));
            return until;
        }
        return kBoot;
    }

    sim::testing::TestKernel kernel_;
    sim::testing::RecordLog log_;
    std::deque<CpuTimers> timers_;
    std::function<void(Cpu&, const sim::Site&)> watcher_;
    std::vector<Hold> holds_;
    std::vector<Step> script_;
    std::uint64_t steps_ = 0;
    std::uint64_t roots_ = 0;
    sim::SourceIndex source_ = sim::kNoSource;
    std::unique_ptr<sim::Machine> machine_;
    // Goes before the machine: its locks are listed there.
    std::unique_ptr<TmigrPlacement> placement_;
};

}  // namespace ticklab::linux_::tmigr::testing
