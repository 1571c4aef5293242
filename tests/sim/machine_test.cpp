// The machine as a whole: threads, interrupts, idle, locks (machine.md).
#include "sim/machine_fixture.hpp"
#include "ticklab/sim/machine_records.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

TEST_CASE("an idle machine reaches its end without a verdict") {
    TestKernel kernel;
    Machine machine(round_config(4), kernel);
    CHECK(machine.run(kBoot + 1ms, kAllSteps) == RunEnd::kTime);
    CHECK(!machine.verdict());
    for (CpuId c = 0; c < 4; ++c) {
        CHECK(machine.cpu(c).online());
        CHECK(machine.cpu(c).activity() == CpuActivity::kIdle);
    }
}

TEST_CASE("work at thread level wakes an idle CPU, pays its exit latency and leaves it idle again") {
    TestKernel kernel;
    Machine machine(round_config(2), kernel);
    machine.run(kBoot + 10us, kAllSteps);
    Time began = kNever;
    machine.run_on_thread(1, {}, [&](Cpu& cpu) {
        began = cpu.local_time();
        cpu.spend(Cycles{1000});
    });
    CHECK(machine.run(kBoot + 1ms, kAllSteps) == RunEnd::kTime);
    // now 10 us at the latest activity before it; exit latency 200 ns, thread switch 10 ns.
    CHECK(began >= kBoot + 210ns);
    CHECK(machine.cpu(1).counters().thread_switches == 2);
    CHECK(machine.cpu(1).activity() == CpuActivity::kIdle);
}

TEST_CASE("a contended spin lock is granted at release, in FIFO order (MA 4.1)") {
    TestKernel kernel;
    std::unique_ptr<SpinLock> lock;
    kernel.on_boot = [&](Machine& m) { lock = std::make_unique<SpinLock>(m, m.lock_class("test"), "test lock"); };
    Machine machine(round_config(4), kernel);
    machine.run(kBoot + 10us, kAllSteps);
    std::vector<CpuId> order;
    for (CpuId c = 0; c < 4; ++c)
        machine.run_on_thread(c, {}, [&, c](Cpu& cpu) {
            cpu.spend(Cycles{100 * (4 - c)});
            const SpinLockIrqGuard guard(cpu, *lock);
            order.push_back(cpu.id());
            cpu.spend(Cycles{5000});
        });
    CHECK(machine.run(kBoot + 1ms, kAllSteps) == RunEnd::kTime);
    CHECK(!machine.verdict());
    CHECK(order == std::vector<CpuId>{3, 2, 1, 0});
    CHECK(lock->counters().contended == 3);
}

TEST_CASE("a CPU goes off-line and comes back (MA 10)") {
    TestKernel kernel;
    Machine machine(round_config(4), kernel);
    machine.run(kBoot + 10us, kAllSteps);
    bool down = false;
    bool up = false;
    machine.run_in_control_thread(0, {}, [&](Cpu& cpu) {
        down = machine.cpu_down(cpu, machine.cpu(2));
        CHECK(!machine.cpu(2).online());
        cpu.spend_time(50us);
        up = machine.cpu_up(cpu, machine.cpu(2));
    });
    CHECK(machine.run(kBoot + 5ms, kAllSteps) == RunEnd::kTime);
    if (machine.verdict())
        MESSAGE(machine.verdict()->check->name << " " << machine.verdict()->message);
    CHECK(!machine.verdict());
    CHECK(down);
    CHECK(up);
    CHECK(machine.cpu(2).online());
}
