// Time in timer code (CodeScope): a figure, which nothing reads that decides.
#include <doctest/doctest.h>

#include "sim/machine_fixture.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

constexpr Site kInTimerCode{"timer_code_test.inside", "in timer code"};

struct TimerCodeHold : SiteWatcher {
    Time reached(Cpu& cpu, const Site& site) override {
        return site.name() == kInTimerCode.name() ? cpu.local_time() + 300us : kBoot;
    }
};

}  // namespace

TEST_CASE("time in timer code is that of the innermost scope, so callbacks in it are out (CodeScope)") {
    BootedMachine b;
    b.on(0, [](Cpu& cpu) {
        cpu.spend(Cycles{7});
        {
            const CodeScope softirq(cpu, Code::kTimer);
            cpu.spend(Cycles{100});
            {
                const CodeScope operation(cpu, Code::kTimer);
                cpu.spend(Cycles{10});
            }
            {
                const CodeScope callback(cpu, Code::kOther);
                cpu.spend(Cycles{5000});
                const CodeScope operation(cpu, Code::kTimer);
                cpu.spend(Cycles{1});
            }
            cpu.spend(Cycles{20});
        }
        cpu.spend(Cycles{70});
    });
    CHECK(b.run() == nullptr);
    CHECK(b.machine.cpu(0).timer_code_time() == 131ns);
    CHECK(b.machine.cpu(1).timer_code_time() == Duration::zero());
}

TEST_CASE("of an interrupt that comes in timer code only what it says is timer code itself (CodeScope)") {
    BootedMachine b;
    b.kernel.on_interrupt = [](Cpu& cpu, std::uint8_t) {
        cpu.spend(Cycles{1000});
        const CodeScope handler(cpu, Code::kTimer);
        cpu.spend(Cycles{3});
    };
    b.on(1, [](Cpu& cpu) {
        const CodeScope softirq(cpu, Code::kTimer);
        cpu.spend(Cycles{50'000});
    });
    b.on(0, [](Cpu& cpu) {
        cpu.spend(Cycles{25'000});
        cpu.send_ipi(1, 0x40);
    });
    CHECK(b.run() == nullptr);
    CHECK(b.machine.cpu(1).counters().interrupts == 1);
    CHECK(b.machine.cpu(1).timer_code_time() == 50'003ns);
}

TEST_CASE("stalls and holds in timer code are no time spent there (CodeScope)") {
    TimerCodeHold hold;
    BootedMachine b;
    b.machine.set_site_watcher(&hold);
    b.on(0, [](Cpu& cpu) {
        const CodeScope operation(cpu, Code::kTimer);
        cpu.spend(Cycles{40'000});
        cpu.at(kInTimerCode);
        cpu.spend(Cycles{2000});
    });
    b.run(10us);
    b.machine.stall(0, b.machine.now() + 100us);
    CHECK(b.run() == nullptr);
    CHECK(b.machine.cpu(0).counters().stalled == 100us);
    CHECK(b.machine.cpu(0).timer_code_time() == 42us);
}

TEST_CASE(
    "a thread that sleeps in timer code leaves the others out of it, and is back in it when it wakes (CodeScope)") {
    BootedMachine b;
    Thread* sleeper = nullptr;
    b.on(0, [&](Cpu& cpu) {
        sleeper = &cpu.current();
        const CodeScope verb(cpu, Code::kTimer);
        cpu.spend(Cycles{100});
        cpu.block();
        cpu.spend(Cycles{11});
    });
    b.on(1, [&](Cpu& cpu) {
        cpu.spend(Cycles{500'000});
        cpu.wake(*sleeper);
    });
    CHECK(b.run() == nullptr);
    const Duration inside = b.machine.cpu(0).timer_code_time();
    CHECK(inside >= 111ns);
    // What block() itself costs before the switch.
    CHECK(inside < 1us);
}

TEST_CASE("a run that ends in timer code has counted it up to its end (CodeScope)") {
    BootedMachine b;
    Time began = kNever;
    b.on(0, [&](Cpu& cpu) {
        began = cpu.local_time();
        const CodeScope operation(cpu, Code::kTimer);
        cpu.spend(Cycles{50'000'000});
    });
    CHECK(b.run(1ms) == nullptr);
    CHECK(b.machine.cpu(0).timer_code_time() == b.machine.now() - began);
}
