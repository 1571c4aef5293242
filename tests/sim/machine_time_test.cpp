// Time on a CPU (MA 2): cycles, interrupt windows, delivery.
#include <rapidcheck.h>

#include "sim/machine_fixture.hpp"
#include "ticklab/sim/machine_records.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

constexpr std::uint8_t kTimeVector = 0x40;

/// A machine whose CPU 0 runs `body` at thread level at 10 us, all alone unless `cpus` says otherwise.
struct TimeBench {
    explicit TimeBench(const MachineConfig& config = round_config(1)) : machine(config, kernel) {
        machine.records().add_consumer(log);
        machine.run(kBoot + 10us, kAllSteps);
    }
    RunEnd run(Thread::Body body, Time until = kBoot + 10ms) {
        machine.run_on_thread(0, {}, std::move(body));
        return machine.run(until, kAllSteps);
    }
    TestKernel kernel;
    Machine machine;
    RecordLog log;
};

void arm_timer(Cpu& cpu, std::uint32_t ticks) {
    cpu.apic_write(apic::kDivideConfiguration, 0xb);
    cpu.apic_write(apic::kLvtTimer, kTimeVector);
    cpu.apic_write(apic::kInitialCount, ticks);
}

}  // namespace

TEST_CASE("cycles that are no whole picoseconds never drift (MA 2.1)") {
    for (const std::uint64_t hz : {2'400'000'000ull, 3'333'333'333ull, 999'999'937ull, 1'000'000'000ull}) {
        MachineConfig config = round_config(1);
        config.nominal_hz = hz;
        TimeBench b(config);
        Duration took{};
        b.run([&](Cpu& cpu) {
            const Time began = cpu.local_time();
            for (int i = 0; i < 10'000; ++i)
                cpu.spend(Cycles{7});
            took = cpu.local_time() - began;
        });
        const auto exact = static_cast<std::int64_t>(UInt128{70'000} * 1'000'000'000'000u / hz);
        CHECK(took.count() >= exact);
        CHECK(took.count() <= exact + 1);
    }
}

TEST_CASE("the rest of a spend is paid after the interrupts that came in between, to the last cycle (MA 2.2)") {
    for (const std::uint64_t hz : {2'400'000'000ull, 3'333'333'333ull, 999'999'937ull}) {
        MachineConfig config = round_config(1);
        config.nominal_hz = hz;
        config.apic_bus_hz = 123'456'789;
        TimeBench b(config);
        Duration took{};
        Duration in_handlers{};
        std::uint64_t handled = 0;
        b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) {
            cpu.spend(Cycles{13});
            if (++handled < 1000)
                cpu.apic_write(apic::kInitialCount, 100);
        };
        b.run(
            [&](Cpu& cpu) {
                arm_timer(cpu, 100);
                const Duration before = cpu.counters().irq_time;
                const Time began = cpu.local_time();
                cpu.spend(Cycles{12'345'678});
                took = cpu.local_time() - began;
                in_handlers = cpu.counters().irq_time - before;
            },
            kBoot + 100ms);
        CHECK(handled == 1000);
        // A handler's cycles are whole numbers of its own: their sum is exact, the rounding of irq_time is not.
        const MachinePrices& p = b.machine.prices();
        const std::uint64_t each = p.irq_entry.cycles.count + p.irq_exit.cycles.count + p.apic_write.cycles.count + 13;
        const std::uint64_t all = 12'345'678 + each * 1000 + p.apic_write.cycles.count * 999;
        const auto exact = static_cast<std::int64_t>(UInt128{all} * 1'000'000'000'000u / hz);
        CHECK(took.count() >= exact - 1);
        CHECK(took.count() <= exact + 1);
        CHECK(in_handlers > Duration::zero());
    }
}

TEST_CASE("an interrupt with interrupts on is taken when it arrives, else when they are enabled (MA 2.2, 2.3)") {
    for (const bool disabled : {false, true}) {
        CAPTURE(disabled);
        TimeBench b;
        Time taken = kNever;
        Time armed = kNever;
        Time enabled = kNever;
        b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) {
            if (taken == kNever)
                taken = cpu.local_time();
        };
        b.run([&](Cpu& cpu) {
            if (disabled)
                cpu.irq_disable();
            arm_timer(cpu, 100);
            armed = cpu.local_time();
            cpu.spend(Cycles{5000});
            enabled = cpu.local_time();
            if (disabled)
                cpu.irq_enable();
            cpu.spend(Cycles{5000});
        });
        // 100 ticks of 10 ns and 20 ns of flight; then entry and EOI, 10 ns each.
        const Time arrival = armed + 1000ns + 20ns;
        CHECK(taken == (disabled ? enabled : arrival) + 20ns);
    }
}

TEST_CASE("of two interrupts that arrive during one access the higher is taken first (MA 2.3)") {
    // Both arrive while the CPU pays for something that is not interruptible; it had to look again before it took one.
    TimeBench b(round_config(2));
    std::vector<std::uint8_t> order;
    b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t vector) {
        if (cpu.id() == 0)
            order.push_back(vector);
    };
    b.machine.run_on_thread(1, {}, [](Cpu& cpu) {
        cpu.spend(Cycles{1000});
        cpu.send_ipi(0, 0x40);
        cpu.send_ipi(0, 0x80);
    });
    SpinLock lock(b.machine, b.machine.lock_class("x"), "x");
    b.run([&](Cpu& cpu) {
        for (int i = 0; i < 1000; ++i) {
            lock.acquire(cpu);
            lock.release(cpu);
            cpu.spend(Cycles{1});
        }
    });
    REQUIRE(!b.machine.verdict());
    REQUIRE(order.size() == 2);
    const auto entries = b.log.of(kIrqEntry);
    for (std::size_t i = 1; i < entries.size(); ++i)
        CHECK(entries[i - 1]->at <= entries[i]->at);
}

TEST_CASE("an interrupt is not taken before what the CPU has paid for already is over") {
    // CPU 0 stands beyond the arrival when it starts to wait: going back to it would be time that runs backwards.
    RC_ASSERT(rc::check([] {
        const auto ahead = *rc::gen::inRange<std::uint64_t>(1, 3000);
        const auto ticks = *rc::gen::inRange<std::uint32_t>(1, 200);
        TimeBench b(round_config(2));
        Time previous = kBoot;
        bool backwards = false;
        b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) {
            if (cpu.id() != 0)
                return;
            backwards |= cpu.local_time() < previous;
            RC_ASSERT(b.machine.engine().now() <= cpu.local_time());
        };
        b.run([&](Cpu& cpu) {
            arm_timer(cpu, ticks);
            cpu.irq_disable();
            cpu.spend(Cycles{ahead});
            previous = cpu.local_time();
            cpu.irq_enable();
            cpu.spend(Cycles{3000});
        });
        RC_ASSERT(!backwards);
        RC_ASSERT(!b.machine.verdict());
    }));
}

TEST_CASE("own per-CPU data is an interrupt window, another CPU's a verdict (MA 2.4)") {
    struct Data {
        int value = 0;
        int shared = 0;
    };
    TimeBench b(round_config(2));
    PerCpu<Data> data(b.machine);
    const std::uint64_t points = b.machine.cpu(0).counters().points;
    std::uint64_t handled_at = 0;
    std::uint64_t touched = 0;
    b.kernel.on_interrupt = [&](Cpu&, std::uint8_t) { handled_at = touched; };
    b.run([&](Cpu& cpu) {
        arm_timer(cpu, 1);
        const std::uint64_t before = cpu.counters().points;
        for (int i = 0; i < 1000; ++i) {
            data.mine(cpu).value = i;
            ++touched;
        }
        // The handler itself passes points: the EOI and the return.
        CHECK(cpu.counters().points - before < 10);
    });
    CHECK(points > 0);
    CHECK(handled_at > 0);
    CHECK(handled_at < 1000);
    b.machine.run_on_thread(0, {}, [&](Cpu& cpu) { data.of(cpu, 1).value = 1; });
    CHECK(b.machine.run(kBoot + 20ms, kAllSteps) == RunEnd::kVerdict);
    CHECK(b.machine.verdict()->check == &checks::kPerCpu);
}

TEST_CASE("a CPU alone in the machine comes to the end of a run, and to its budget") {
    TimeBench b;
    CHECK(b.run(
              [](Cpu& cpu) {
                  for (;;)
                      cpu.spend(Cycles{100});
              },
              kBoot + 1ms) == RunEnd::kTime);
    CHECK(b.machine.now() == kBoot + 1ms);
    CHECK(b.machine.cpu(0).local_time() <= kBoot + 1ms);
    CHECK(b.machine.run(kBoot + 2ms, kAllSteps) == RunEnd::kTime);
    CHECK(b.machine.cpu(0).local_time() > kBoot + 1900us);
    CHECK(b.machine.run(kNever, b.machine.engine().steps() + 1'000'000) == RunEnd::kBudget);
}

TEST_CASE("user mode lasts until its end, an interrupt or a change of the load, whichever is first (MA 1.2)") {
    TimeBench b;
    b.machine.set_busy(0, kBoot + 50us);
    b.machine.run(kBoot + 100us, kAllSteps);
    const CpuCounters& c = b.machine.cpu(0).counters();
    CHECK(c.user_time > 39us);
    CHECK(c.user_time < 41us);
    CHECK(b.machine.cpu(0).activity() == CpuActivity::kIdle);
    b.machine.set_busy(0, kNever);
    b.machine.run(kBoot + 200us, kAllSteps);
    CHECK(b.machine.cpu(0).activity() == CpuActivity::kUser);
    Time ran = kNever;
    b.machine.run_on_thread(0, {}, [&](Cpu& cpu) { ran = cpu.local_time(); });
    b.machine.run(kBoot + 210us, kAllSteps);
    CHECK(ran < kBoot + 201us);
    CHECK(b.machine.cpu(0).activity() == CpuActivity::kUser);
    b.machine.set_busy(0, kBoot);
    b.machine.run(kBoot + 220us, kAllSteps);
    CHECK(b.machine.cpu(0).activity() == CpuActivity::kIdle);
}

TEST_CASE("a load that ends while the CPU is on its way to user mode does not keep it there for ever") {
    TimeBench b(round_config(2));
    b.machine.run_on_thread(1, {}, [](Cpu& cpu) { cpu.spend(Cycles{1'000'000}); });
    b.kernel.on_exit_to_user = [&](Cpu& cpu) {
        if (cpu.id() != 0)
            return;
        cpu.spend(Cycles{100});
        b.machine.set_busy(0, kBoot);
    };
    b.machine.set_busy(0, kNever);
    b.machine.run(kBoot + 1ms, kAllSteps);
    CHECK(b.machine.cpu(0).activity() == CpuActivity::kIdle);
}

TEST_CASE("interrupts without end are a storm, many with progress between them are none") {
    SUBCASE("storm") {
        TimeBench b;
        b.kernel.on_interrupt = [](Cpu& cpu, std::uint8_t) {
            cpu.send_ipi(0, kTimeVector);
            cpu.spend(Cycles{1000});
        };
        b.run(
            [](Cpu& cpu) {
                cpu.send_ipi(0, kTimeVector);
                cpu.spend(Cycles{10'000});
            },
            kBoot + 1s);
        REQUIRE(b.machine.verdict());
        CHECK(b.machine.verdict()->check == &checks::kIrqStorm);
    }
    SUBCASE("progress") {
        TimeBench b;
        std::uint64_t handled = 0;
        b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) {
            ++handled;
            cpu.apic_write(apic::kInitialCount, 5);
        };
        b.run(
            [](Cpu& cpu) {
                arm_timer(cpu, 5);
                cpu.spend(Cycles{30'000'000});
            },
            kBoot + 1s);
        CHECK(handled > 120'000);
        CHECK(!b.machine.verdict());
    }
}

TEST_CASE("a machine that stops and goes on commits the same records as one that does not") {
    const auto digest = [](bool stops) {
        TestKernel kernel;
        Machine machine(round_config(4), kernel);
        for (CpuId c = 0; c < 4; ++c)
            machine.run_on_thread(c, {}, [c](Cpu& cpu) {
                for (int i = 0; i < 50; ++i) {
                    cpu.spend(Cycles{100 * c + 77});
                    cpu.send_ipi((c + 1) % 4, kTimeVector);
                }
            });
        if (stops)
            for (std::uint64_t steps = 100; machine.run(kBoot + 1ms, steps) == RunEnd::kBudget;)
                steps += 37;
        else
            machine.run(kBoot + 1ms, kAllSteps);
        CHECK(!machine.verdict());
        return machine.records().digest();
    };
    CHECK(digest(true) == digest(false));
}
