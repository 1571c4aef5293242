// A timer core of a few lines with defects that can be planted, to prove that the checks of lab/ catch them.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ticklab/lab/scenario.hpp"
#include "ticklab/sim/devices/local_apic_registers.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::lab::testing {

using namespace std::chrono_literals;

enum class Defect : std::uint8_t {
    kNone,
    kEarly,        ///< fires before the timer's time
    kTwice,        ///< runs the callback a second time
    kNever,        ///< drops what is armed
    kForgets,      ///< keeps it queued and never programs the hardware for it
    kAfterCancel,  ///< a stop leaves the timer queued
    kKillNoWait,   ///< a kill does not wait for a running callback
    kLate,         ///< programs the hardware too late
    kSlowSoftirq,  ///< is busy with itself before it runs what is due
    kHeapOrder,    ///< appends to the heap without sifting
};

inline constexpr sim::Site kBeforeCallback{"fake.before_callback",
                                           "a timer is out of the heap and its callback not begun"};
inline constexpr sim::Site kBeforeLock{"fake.set.before_lock", "a set is about to take the lock"};
inline constexpr std::array<const sim::Site*, 2> kFakeSites{&kBeforeCallback, &kBeforeLock};

inline constexpr sim::Duration kFakeSlop = 50us;

/// One heap under one lock a CPU; a timer lives where it was set last.
class FakeKernel final : public sim::Kernel {
public:
    FakeKernel(Defect defect, sim::TimerClient& client) : defect_(defect), client_(client) {}

    static const sim::VerbDecl& verb(std::size_t i) {
        using enum sim::ValueType;
        using enum sim::TimerRole;
        using enum sim::VerbContext;
        static constexpr sim::ParameterDecl kSet[] = {{"timer", kTimer, "which", true},
                                                      {"expires", kTime, "when", true}};
        static constexpr sim::ParameterDecl kOne[] = {{"timer", kTimer, "which", true}};
        static const sim::VerbDecl kVerbs[] = {{"timer.set", kThread, kArm, "arms", kSet},
                                               {"timer.stop", kThread, kCancel, "stops", kOne},
                                               {"timer.kill", kThread, kSyncCancel, "stops and waits", kOne}};
        return kVerbs[i];
    }
    static std::span<const sim::VerbDecl> verbs() { return {&verb(0), 3}; }

    void boot(sim::Machine& machine) override {
        machine_ = &machine;
        bases_.resize(machine.cpu_count());
        sim::LockClass& lock_class = machine.lock_class("fake base");
        for (sim::CpuId c = 0; c < machine.cpu_count(); ++c)
            locks_.emplace_back(machine, lock_class, "fake base " + std::to_string(c));
    }
    void cpu_start(sim::Cpu& cpu) override {
        cpu.apic_write(sim::apic::kSvr, sim::apic::kSvrEnable | 0xff);
        cpu.apic_write(sim::apic::kLvtTimer, kTimerVector | (2u << sim::apic::kLvtTimerModeShift));
    }
    void interrupt(sim::Cpu& cpu, std::uint8_t vector) override {
        cpu.apic_eoi();
        if (vector == kTimerVector)
            bases_[cpu.id()].pending = true;
    }
    void nmi(sim::Cpu&) override {}
    void exit_to_user(sim::Cpu& cpu) override { run_softirq(cpu); }
    void idle_pass(sim::Cpu& cpu) override {
        run_softirq(cpu);
        cpu.irq_disable();
        if (bases_[cpu.id()].pending)
            cpu.irq_enable();
        else
            cpu.halt(0);
    }
    void kick(sim::Cpu& from, sim::Cpu& target) override { from.send_ipi(target.id(), kKickVector); }
    std::span<const sim::HotplugState> hotplug_states() override { return {}; }
    void perform_outside(const sim::VerbCall&) override {}

    void perform(sim::Cpu& cpu, const sim::VerbCall& call) override {
        const auto timer = static_cast<sim::TimerIndex>(call.get<std::int64_t>(0));
        if (call.verb == &verb(0))
            set(cpu, timer, call.get<sim::Time>(1));
        else
            stop(cpu, timer, call.verb == &verb(2));
    }
    sim::TimerPromise promise(const sim::VerbCall& call, sim::Time now) const override {
        const sim::Time expires = call.get<sim::Time>(1);
        return {expires, std::max(expires, now) + kFakeSlop, false};
    }
    void visit(sim::StructureVisitor& visitor) const override {
        for (sim::CpuId c = 0; c < bases_.size(); ++c)
            for (std::size_t i = 0; i < bases_[c].heap.size(); ++i)
                visitor.timer(c, bases_[c].heap[i].timer, "heap", i, sim::ps(bases_[c].heap[i].expires));
    }
    std::optional<std::int64_t> state(std::string_view path) const override {
        if (path != "queued")
            return std::nullopt;
        std::size_t n = 0;
        for (const Base& base : bases_)
            n += base.heap.size();
        return static_cast<std::int64_t>(n);
    }

private:
    static constexpr std::uint8_t kTimerVector = 0xec;
    static constexpr std::uint8_t kKickVector = 0xf0;

    struct Queued {
        sim::Time expires;
        sim::TimerIndex timer;
    };
    struct Base {
        std::vector<Queued> heap;
        bool pending = false;
        std::optional<sim::TimerIndex> running;
    };
    static bool later(const Queued& a, const Queued& b) { return a.expires > b.expires; }

    void program(sim::Cpu& cpu, Base& base) {
        if (base.heap.empty() || defect_ == Defect::kForgets)
            return;
        sim::Time at = base.heap.front().expires;
        if (defect_ == Defect::kEarly)
            at -= 20us;
        if (defect_ == Defect::kLate)
            at += 300us;
        cpu.write_tsc_deadline(static_cast<std::uint64_t>(std::max<std::int64_t>(1, sim::ps(at) / 1000)));
    }
    static void take_out(Base& base, sim::TimerIndex timer) {
        std::erase_if(base.heap, [&](const Queued& q) { return q.timer == timer; });
        std::make_heap(base.heap.begin(), base.heap.end(), later);
    }
    void set(sim::Cpu& cpu, sim::TimerIndex timer, sim::Time expires) {
        cpu.at(kBeforeLock);
        for (sim::CpuId c = 0; c < bases_.size(); ++c) {
            const sim::SpinLockIrqGuard guard(cpu, locks_[c]);
            take_out(bases_[c], timer);
            if (c != cpu.id())
                continue;
        }
        const sim::SpinLockIrqGuard guard(cpu, locks_[cpu.id()]);
        Base& base = bases_[cpu.id()];
        take_out(base, timer);
        if (defect_ == Defect::kNever)
            return;
        base.heap.push_back({expires, timer});
        if (defect_ != Defect::kHeapOrder)
            std::push_heap(base.heap.begin(), base.heap.end(), later);
        program(cpu, base);
    }
    void stop(sim::Cpu& cpu, sim::TimerIndex timer, bool wait) {
        for (sim::CpuId c = 0; c < bases_.size(); ++c) {
            const sim::SpinLockIrqGuard guard(cpu, locks_[c]);
            if (defect_ != Defect::kAfterCancel)
                take_out(bases_[c], timer);
        }
        while (wait && defect_ != Defect::kKillNoWait &&
               std::any_of(bases_.begin(), bases_.end(), [&](const Base& b) { return b.running == timer; }))
            cpu.spend_time(1us);
    }
    void run_softirq(sim::Cpu& cpu) {
        Base& base = bases_[cpu.id()];
        if (!base.pending)
            return;
        base.pending = false;
        if (defect_ == Defect::kSlowSoftirq)
            cpu.spend_time(300us);
        bool irqs = locks_[cpu.id()].acquire_irqsave(cpu);
        while (!base.heap.empty() &&
               base.heap.front().expires <= cpu.local_time() + (defect_ == Defect::kEarly ? 20us : 0us)) {
            std::pop_heap(base.heap.begin(), base.heap.end(), later);
            const sim::TimerIndex timer = base.heap.back().timer;
            base.heap.pop_back();
            base.running = timer;
            locks_[cpu.id()].release_restore(cpu, irqs);
            cpu.at(kBeforeCallback);
            client_.timer_fired(cpu, timer);
            if (defect_ == Defect::kTwice)
                client_.timer_fired(cpu, timer);
            irqs = locks_[cpu.id()].acquire_irqsave(cpu);
            base.running.reset();
        }
        program(cpu, base);
        locks_[cpu.id()].release_restore(cpu, irqs);
    }

    Defect defect_;
    sim::TimerClient& client_;
    sim::Machine* machine_ = nullptr;
    std::vector<Base> bases_;
    std::deque<sim::SpinLock> locks_;
};

/// The declaration of a fake kernel with one defect.
template <Defect kDefect>
const sim::KernelDecl& fake_decl() {
    static const sim::KernelDecl decl = [] {
        sim::KernelDecl d{};
        d.name = "fake";
        d.help = "for tests";
        d.verbs = FakeKernel::verbs();
        d.sites = kFakeSites;
        d.make = [](const sim::KernelDecl::Settings&, sim::TimerClient& client) -> std::unique_ptr<sim::Kernel> {
            return std::make_unique<FakeKernel>(kDefect, client);
        };
        return d;
    }();
    return decl;
}

inline sim::MachineConfig fake_machine(sim::CpuId cpu_count) {
    sim::MachineConfig c;
    c.cpu_count = cpu_count;
    c.online_at_boot = cpu_count;
    c.nominal_hz = 1'000'000'000;
    c.tsc_hz = 1'000'000'000;
    c.c_states = {{"C1", 100ns, 500ns, 2us, 900, false}};
    c.active_power_mw = 5000;
    for (const sim::CostDecl& d : sim::machine_cost_decls())
        c.costs.set(std::string(d.name), sim::Cycles{10}, "test");
    return c;
}

/// Builds scenarios without a file.
class ScenarioBuilder {
public:
    explicit ScenarioBuilder(const sim::KernelDecl& kernel, sim::CpuId cpu_count = 2) {
        s.name = "fake";
        s.file = "fake.json";
        s.text = "{}";
        s.machine = fake_machine(cpu_count);
        s.kernel = &kernel;
        s.duration = 5ms;
        s.max_steps = 10'000'000;
    }
    ScenarioBuilder& timer(std::string name, CallbackScript callback = {}) {
        s.timers.push_back({std::move(name), 0, std::move(callback), {}});
        return *this;
    }
    ScenarioBuilder& step(Trigger trigger, sim::CpuId on, std::size_t verb, sim::TimerIndex timer,
                          std::optional<sim::Value> when = std::nullopt) {
        s.script.push_back({trigger, on, call(verb, timer, std::move(when)), false, {}});
        return *this;
    }
    ScenarioBuilder& set(sim::Duration at, sim::CpuId on, sim::TimerIndex timer, sim::Duration expires) {
        return step(sim::kBoot + at, on, 0, timer, sim::Value{sim::kBoot + expires});
    }
    ScenarioBuilder& machine_step(Trigger trigger, const sim::VerbDecl& verb,
                                  std::vector<std::optional<sim::Value>> args) {
        sim::VerbCall c;
        c.verb = &verb;
        c.arguments = std::move(args);
        s.script.push_back({trigger, std::nullopt, c, true, {}});
        return *this;
    }
    static sim::VerbCall call(std::size_t verb, sim::TimerIndex timer, std::optional<sim::Value> when = std::nullopt) {
        sim::VerbCall c;
        c.verb = &FakeKernel::verb(verb);
        c.arguments = {sim::Value{std::int64_t{timer}}};
        if (when)
            c.arguments.push_back(*when);
        return c;
    }

    Scenario s;
};

}  // namespace ticklab::lab::testing
