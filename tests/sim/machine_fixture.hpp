// A machine with round prices and a kernel of a few lines, for tests of the machine itself.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "ticklab/sim/devices/local_apic_registers.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::sim::testing {

using namespace std::chrono_literals;

/// Every price 10 cycles at 1 GHz, so 10 ns, but for those named: times can be added up by hand.
inline MachineConfig round_config(CpuId cpu_count = 2) {
    MachineConfig c;
    c.cpu_count = cpu_count;
    c.online_at_boot = cpu_count;
    c.nominal_hz = 1'000'000'000;
    c.tsc_hz = 1'000'000'000;
    c.c_states = {CState{"C1", 100ns, 200ns, 1us, 500, false}, CState{"C6", 1us, 20us, 100us, 50, true}};
    c.active_power_mw = 5000;
    for (const CostDecl& d : machine_cost_decls())
        c.costs.set(std::string(d.name), Cycles{10}, "test");
    c.costs.set("cache_hit", Cycles{1}, "test");
    c.costs.set("cache_transfer", Cycles{50}, "test");
    c.costs.set("cache_transfer_remote", Cycles{150}, "test");
    return c;
}

/// Interrupts go to a function, idle is C1; hotplug states can be set.
class TestKernel : public Kernel {
public:
    std::function<void(Machine&)> on_boot;
    std::function<void(Cpu&)> on_start;
    std::function<void(Cpu&, std::uint8_t)> on_interrupt;
    std::function<void(Cpu&)> on_nmi;
    std::function<void(Cpu&)> on_exit_to_user;
    std::function<void(Cpu&)> on_idle;
    std::vector<HotplugState> states;
    unsigned c_state = 0;

    static constexpr std::uint8_t kKickVector = 0xf0;

    void boot(Machine& machine) override {
        if (on_boot)
            on_boot(machine);
    }
    void cpu_start(Cpu& cpu) override {
        cpu.apic_write(apic::kSvr, apic::kSvrEnable | 0xff);
        if (on_start)
            on_start(cpu);
    }
    void interrupt(Cpu& cpu, std::uint8_t vector) override {
        cpu.apic_eoi();
        if (vector != kKickVector && on_interrupt)
            on_interrupt(cpu, vector);
    }
    void nmi(Cpu& cpu) override {
        if (on_nmi)
            on_nmi(cpu);
    }
    void exit_to_user(Cpu& cpu) override {
        if (on_exit_to_user)
            on_exit_to_user(cpu);
    }
    void idle_pass(Cpu& cpu) override {
        if (on_idle) {
            on_idle(cpu);
            return;
        }
        cpu.irq_disable();
        cpu.halt(c_state);
    }
    void kick(Cpu& from, Cpu& target) override { from.send_ipi(target.id(), kKickVector); }
    std::span<const HotplugState> hotplug_states() override { return states; }
    void perform(Cpu&, const VerbCall&) override {}
    void perform_outside(const VerbCall&) override {}
    TimerPromise promise(const VerbCall&, Time now) const override { return {now, kNever, false}; }
    void visit(StructureVisitor&) const override {}
    std::optional<std::int64_t> state(std::string_view) const override { return std::nullopt; }
};

/// Keeps every committed record.
class RecordLog : public RecordConsumer {
public:
    struct Entry {
        Time at;
        const RecordKind* kind;
        CpuId cpu;
        RecordId id, cause, waited_on;
        std::vector<std::uint64_t> operands;
    };
    void consume(std::span<const Record> batch) override {
        for (const Record& r : batch)
            entries.push_back(
                {r.at, r.kind, r.cpu, r.id, r.cause, r.waited_on, {r.operands.begin(), r.operands.end()}});
    }
    std::vector<const Entry*> of(const RecordKind& kind) const {
        std::vector<const Entry*> found;
        for (const Entry& e : entries)
            if (e.kind == &kind)
                found.push_back(&e);
        return found;
    }
    std::vector<Entry> entries;
};

inline constexpr std::uint64_t kAllSteps = 10'000'000;

/// A machine past its boot, with its records kept.
struct BootedMachine {
    explicit BootedMachine(const MachineConfig& config = round_config(2)) : machine(config, kernel) {
        machine.records().add_consumer(log);
        machine.run(kBoot + 10us, kAllSteps);
    }
    void on(CpuId cpu, Thread::Body body, std::uint64_t root = 0) {
        machine.run_on_thread(cpu, Cause{{}, root}, std::move(body));
    }
    const CheckDecl* run(Duration length = 10ms) {
        machine.run(machine.now() + length, kAllSteps);
        return machine.verdict() ? machine.verdict()->check : nullptr;
    }
    TestKernel kernel;
    Machine machine;
    RecordLog log;
};

}  // namespace ticklab::sim::testing
