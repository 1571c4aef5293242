// Idle (MA 9): decide, commit, wake; what deep states stop.
#include "sim/machine_fixture.hpp"
#include "ticklab/sim/machine_records.hpp"
#include "ticklab/sim/machine_sites.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

struct IdleBench {
    explicit IdleBench(const MachineConfig& config = round_config(2), unsigned c_state = 0) {
        kernel.c_state = c_state;
        machine = std::make_unique<Machine>(config, kernel);
        machine->records().add_consumer(log);
    }
    TestKernel kernel;
    std::unique_ptr<Machine> machine;
    RecordLog log;
};

/// Waits `delay` after CPU 0 is told to, then sends CPU 1 an IPI.
void poke(Machine& machine, Duration delay) {
    machine.run_on_thread(0, {}, [delay](Cpu& cpu) {
        cpu.spend_time(delay);
        cpu.send_ipi(1, 0x40);
    });
}

}  // namespace

TEST_CASE("an interrupt wakes after commit and exit latency, and one before the commit waits for it (MA 9.1, 9.2)") {
    for (const unsigned state : {0u, 1u})
        for (int step = 0; step < 80; ++step) {
            IdleBench b(round_config(2), state);
            const CState& c = b.machine->config().c_states[state];
            Time handled = kNever;
            Time arrived = kNever;
            b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) {
                if (cpu.id() == 1)
                    handled = cpu.local_time();
            };
            b.machine->run(kBoot + 100us, kAllSteps);
            b.machine->run_on_thread(1, {}, [](Cpu&) {});
            b.machine->run_on_thread(0, {}, [&, step](Cpu& cpu) {
                cpu.spend_time(step * 25ns);
                cpu.send_ipi(1, 0x40);
                arrived = cpu.local_time() + b.machine->config().ipi_fly;
            });
            b.machine->run(kBoot + 1ms, kAllSteps);
            // The last sleep that CPU 1 had decided on when the IPI arrived, if it had.
            Time decided = kNever;
            bool asleep = false;
            for (const RecordLog::Entry& e : b.log.entries) {
                if (e.cpu != 1 || e.at > arrived)
                    continue;
                if (e.kind == &kIdleEnter) {
                    decided = e.at;
                    asleep = true;
                } else if (e.kind == &kIdleExit) {
                    asleep = false;
                }
            }
            // The exit of a sleep falls after what woke it; only sleeps that the IPI itself ended count.
            const Duration entry_and_eoi = 20ns;
            if (asleep && decided + c.entry_latency + c.exit_latency <= arrived + c.exit_latency + c.entry_latency) {
                const Time woken = std::max(arrived, decided + c.entry_latency) + c.exit_latency;
                CHECK(handled <= woken + entry_and_eoi);
                CHECK(handled >= arrived + entry_and_eoi);
            }
            CHECK(handled != kNever);
        }
}

TEST_CASE("enable-and-halt is one step: an interrupt that is pending prevents the sleep (MA 9.1)") {
    IdleBench b;
    std::uint64_t handled = 0;
    b.kernel.on_interrupt = [&](Cpu&, std::uint8_t) { ++handled; };
    bool sent = false;
    std::uint64_t switches = 0;
    b.kernel.on_idle = [&](Cpu& cpu) {
        cpu.irq_disable();
        if (cpu.id() == 0 && !sent) {
            sent = true;
            cpu.send_ipi(0, 0x40);
            cpu.spend(Cycles{5000});
            const std::uint64_t wakeups = cpu.counters().wakeups;
            CHECK(cpu.halt(0) == WakeReason::kInterrupt);
            CHECK(handled == 1);
            CHECK(cpu.irqs_enabled());
            switches = cpu.counters().wakeups - wakeups;
            return;
        }
        cpu.halt(0);
    };
    b.machine->run(kBoot + 1ms, kAllSteps);
    CHECK(handled == 1);
    CHECK(switches == 0);
}

TEST_CASE("a write to the monitored line wakes, before the wait and in it, whoever else monitors it (MA 9.1)") {
    for (const Duration delay : {Duration{0}, Duration{2'000'000}, Duration{60'000'000}}) {
        IdleBench b(round_config(4));
        Atomic<int> flag;
        std::vector<int> woken(4);
        b.kernel.on_idle = [&](Cpu& cpu) {
            cpu.monitor(flag.line());
            cpu.irq_disable();
            if (cpu.id() != 0)
                cpu.spend(Cycles{3000});
            if (cpu.mwait(0, false) == WakeReason::kMonitor)
                ++woken[cpu.id()];
        };
        b.machine->run(kBoot + 1ns, kAllSteps);
        b.machine->run_on_thread(0, {}, [&](Cpu& cpu) {
            cpu.spend_time(delay);
            flag.store(cpu, 1);
        });
        b.machine->run(kBoot + 1ms, kAllSteps);
        CHECK(!b.machine->verdict());
        for (CpuId c = 1; c < 4; ++c)
            CHECK(woken[c] == 1);
    }
}

TEST_CASE("with interrupts broken on, mwait wakes for them and leaves them untaken (MA 9.1)") {
    IdleBench b;
    std::uint64_t handled = 0;
    b.kernel.on_interrupt = [&](Cpu&, std::uint8_t) { ++handled; };
    bool checked = false;
    Atomic<int> line;
    b.kernel.on_idle = [&](Cpu& cpu) {
        cpu.monitor(line.line());
        cpu.irq_disable();
        const WakeReason reason = cpu.mwait(0, true);
        if (cpu.id() == 1 && reason == WakeReason::kInterrupt && !checked) {
            checked = true;
            CHECK(!cpu.irqs_enabled());
            CHECK(handled == 0);
            cpu.irq_enable();
            CHECK(handled == 1);
        }
        cpu.irq_enable();
    };
    b.machine->run(kBoot + 10us, kAllSteps);
    poke(*b.machine, 1us);
    b.machine->run(kBoot + 1ms, kAllSteps);
    CHECK(checked);
}

TEST_CASE("a deep state stops the local APIC timer without ARAT, and a TSC that is not invariant (MA 9.1, LA 10)") {
    struct Case {
        bool arat;
        TscClass tsc;
        unsigned state;
        bool timer_stops, tsc_stops;
    };
    const Case cases[] = {
        {true, TscClass::kInvariant, 1, false, false}, {false, TscClass::kInvariant, 1, true, false},
        {true, TscClass::kConstant, 1, false, true},   {false, TscClass::kVariable, 1, true, true},
        {false, TscClass::kVariable, 0, false, false},
    };
    for (const Case& c : cases) {
        CAPTURE(c.arat);
        CAPTURE(c.state);
        MachineConfig config = round_config(2);
        config.arat = c.arat;
        config.tsc_class = c.tsc;
        IdleBench b(config, c.state);
        std::uint64_t handled = 0;
        b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t vector) { handled += cpu.id() == 1 && vector == 0x41; };
        b.machine->run(kBoot + 100us, kAllSteps);
        b.machine->run_on_thread(1, {}, [](Cpu& cpu) {
            cpu.apic_write(apic::kDivideConfiguration, 0xb);
            cpu.apic_write(apic::kLvtTimer, 0x41);
            cpu.apic_write(apic::kInitialCount, 50'000);  // 500 us
        });
        b.machine->run(kBoot + 1ms, kAllSteps);
        CHECK((handled == 0) == c.timer_stops);
        const std::uint64_t tsc = b.machine->cpu(1).tsc().read(b.machine->now());
        CHECK((tsc < 500'000) == c.tsc_stops);
        poke(*b.machine, 0ns);
        // Woken for a moment, it sleeps again: what is frozen goes on from where it stood.
        b.machine->run(kBoot + 10ms, kAllSteps);
        CHECK(!b.machine->verdict());
    }
}

TEST_CASE("the fault that stops an invariant TSC in deep states does (TC-F3)") {
    IdleBench b(round_config(1), 1);
    b.machine->cpu(0).tsc().set_fault(kBoot, TscFault::kStopsInDeepIdle, 1, {});
    b.machine->run(kBoot + 1ms, kAllSteps);
    CHECK(b.machine->cpu(0).tsc().read(b.machine->now()) < 100'000);
}

TEST_CASE("energy counts a sleep that lasts, and nothing off-line") {
    MachineConfig config = round_config(2);
    config.online_at_boot = 1;
    IdleBench b(config, 1);
    b.machine->run(kBoot + 1s, kAllSteps);
    // 50 mW for a second, and a few microseconds of 5 W.
    CHECK(b.machine->energy_nj() >= 50'000'000);
    CHECK(b.machine->energy_nj() < 50'200'000);
}

TEST_CASE("a CPU may be held at decide and at commit, what comes meanwhile is not lost (MA 8.1, 9.1)") {
    struct Holder : SiteWatcher {
        std::string_view where;
        bool done = false;
        Time reached(Cpu& cpu, const Site& site) override {
            if (done || cpu.id() != 1 || site.name() != where || cpu.local_time() < kBoot + 10us)
                return kBoot;
            done = true;
            return cpu.local_time() + 50us;
        }
    };
    for (const Site* site : {&sites::kIdleDecide, &sites::kIdleCommit})
        for (const bool interrupt : {false, true}) {
            IdleBench b;
            Holder holder;
            holder.where = site->name();
            b.machine->set_site_watcher(&holder);
            bool handled = false;
            bool worked = false;
            b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) { handled |= cpu.id() == 1; };
            b.machine->run(kBoot + 20us, kAllSteps);
            b.machine->run_on_thread(1, {}, [](Cpu&) {});
            b.machine->run(kBoot + 40us, kAllSteps);
            REQUIRE(holder.done);
            CHECK(b.machine->cpu(1).activity() == CpuActivity::kHeld);
            if (interrupt)
                poke(*b.machine, 1us);
            else
                b.machine->run_on_thread(1, {}, [&](Cpu&) { worked = true; });
            b.machine->run(kBoot + 200us, kAllSteps);
            CHECK((interrupt ? handled : worked));
        }
}
