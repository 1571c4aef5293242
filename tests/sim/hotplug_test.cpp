// CPU hotplug (MA 10, hotplug.md): order and context of states, refusal, rollback, leftovers, storms.
#include <algorithm>
#include <sstream>

#include "sim/machine_fixture.hpp"
#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/machine_records.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

/// Two states a section; each notes its name and where it ran.
struct HotplugBench {
    explicit HotplugBench(const MachineConfig& config = round_config(4)) {
        const auto section = [](HotplugSection s) { return s; };
        for (const auto& [name, where] : {std::pair{"prepare:1", section(HotplugSection::kPrepare)},
                                          {"prepare:2", section(HotplugSection::kPrepare)},
                                          {"starting:1", section(HotplugSection::kStarting)},
                                          {"starting:2", section(HotplugSection::kStarting)},
                                          {"online:1", section(HotplugSection::kOnline)},
                                          {"online:2", section(HotplugSection::kOnline)}})
            kernel.states.push_back({name, where, callback(name, "+"), callback(name, "-")});
        machine = std::make_unique<Machine>(config, kernel);
        machine->records().add_consumer(log);
        machine->run(kBoot + 10us, kAllSteps);
    }
    std::function<bool(Cpu&, Cpu&)> callback(const char* name, const char* way) {
        return [this, name, way](Cpu& on, Cpu& target) {
            const std::string step = std::string(way) + name;
            trail += step + " ";
            if (on_step)
                on_step(on, target, step);
            return step != refuse;
        };
    }
    bool control(std::function<bool(Cpu&)> work, CpuId on = 0, Time until = kNever) {
        bool result = false;
        bool done = false;
        machine->run_in_control_thread(on, Cause{{}, ++root}, [&](Cpu& cpu) {
            result = work(cpu);
            done = true;
        });
        machine->run(until == kNever ? machine->now() + 20ms : until, kAllSteps);
        if (machine->verdict())
            MESSAGE(machine->verdict()->check->name << ": " << machine->verdict()->message);
        CHECK(!machine->verdict());
        CHECK(done);
        return result;
    }
    bool down(CpuId c) {
        return control([&, c](Cpu& cpu) { return machine->cpu_down(cpu, machine->cpu(c)); });
    }
    bool up(CpuId c) {
        return control([&, c](Cpu& cpu) { return machine->cpu_up(cpu, machine->cpu(c)); });
    }
    TestKernel kernel;
    std::unique_ptr<Machine> machine;
    RecordLog log;
    std::string trail;
    std::string refuse;
    std::function<void(Cpu&, Cpu&, const std::string&)> on_step;
    std::uint64_t root = 0;
};

constexpr const char* kAllDown = "-online:2 -online:1 -starting:2 -starting:1 -prepare:2 -prepare:1 ";
constexpr const char* kAllUp = "+prepare:1 +prepare:2 +starting:1 +starting:2 +online:1 +online:2 ";

}  // namespace

TEST_CASE("states run in order, each on the CPU, in the thread and with the interrupts it names (CH 1.1, 1.2, 1.4)") {
    HotplugBench b;
    b.on_step = [&](Cpu& on, Cpu& target, const std::string& step) {
        CAPTURE(step);
        CHECK(target.id() == 2);
        const bool prepare = step.find("prepare") != std::string::npos;
        const bool starting = step.find("starting") != std::string::npos;
        CHECK(on.id() == (prepare ? 0 : 2));
        CHECK(on.irqs_enabled() == !starting);
        CHECK(!on.in_irq());
        // Online from the end of the starting states to the beginning of stop-machine (CH 1.4).
        CHECK(target.online() == (!prepare && !starting));
        if (step.find("online") != std::string::npos)
            CHECK(on.current().thread_class() == ThreadClass::kHotplug);
        if (starting && step[0] == '-')
            for (CpuId c = 0; c < 4; ++c)
                CHECK(!b.machine->cpu(c).irqs_enabled());
        if (prepare)
            CHECK(b.machine->cpu(2).activity() == CpuActivity::kOffline);
    };
    CHECK(b.down(2));
    CHECK(b.trail == kAllDown);
    b.trail.clear();
    CHECK(b.up(2));
    CHECK(b.trail == kAllUp);
    CHECK(b.machine->cpu(2).activity() == CpuActivity::kIdle);
}

TEST_CASE("a refusal at each state rolls back what was done (CH 1.1, 4.5)") {
    struct Case {
        bool up;
        const char* refuse;
        const char* trail;
    };
    const Case cases[] = {
        {false, "-online:2", "-online:2 "},
        {false, "-online:1", "-online:2 -online:1 +online:2 "},
        {true, "+prepare:1", "+prepare:1 "},
        {true, "+prepare:2", "+prepare:1 +prepare:2 -prepare:1 "},
        {true, "+online:1",
         "+prepare:1 +prepare:2 +starting:1 +starting:2 +online:1 -starting:2 -starting:1 -prepare:2 -prepare:1 "},
        {true, "+online:2",
         "+prepare:1 +prepare:2 +starting:1 +starting:2 +online:1 +online:2 -online:1 -starting:2 -starting:1 "
         "-prepare:2 -prepare:1 "},
    };
    for (const Case& c : cases) {
        CAPTURE(std::string(c.refuse));
        HotplugBench b;
        if (c.up)
            CHECK(b.down(2));
        b.trail.clear();
        b.refuse = c.refuse;
        CHECK(!(c.up ? b.up(2) : b.down(2)));
        CHECK(b.trail == c.trail);
        CHECK(b.machine->cpu(2).online() == !c.up);
        b.refuse.clear();
        CHECK((c.up ? b.up(2) : b.down(2)));
    }
}

TEST_CASE("a starting or a dead state must not refuse (CH 1.1)") {
    for (const char* step : {"-starting:1", "-prepare:2"}) {
        HotplugBench b;
        b.refuse = step;
        b.machine->run_in_control_thread(0, {}, [&](Cpu& cpu) { b.machine->cpu_down(cpu, b.machine->cpu(1)); });
        CHECK(b.machine->run(kBoot + 20ms, kAllSteps) == RunEnd::kVerdict);
        CHECK(b.machine->verdict()->check == &checks::kKernelBug);
    }
}

TEST_CASE("what cannot be done is refused: the control CPU, the last one, a state that is there already (CH 4.0)") {
    HotplugBench b(round_config(2));
    CHECK(!b.down(0));
    CHECK(!b.up(1));
    CHECK(b.down(1));
    CHECK(!b.down(1));
    CHECK(!b.down(0));
    CHECK(b.up(1));
    CHECK(b.machine->cpu(0).online());
}

TEST_CASE(
    "two CPUs that take each other down: the second operation waits until its CPU is back, and holds up no other") {
    HotplugBench b;
    int done = 0;
    int went = 0;
    for (CpuId c : {0u, 1u})
        b.machine->run_in_control_thread(c, Cause{{}, c + 1}, [&, c](Cpu& cpu) {
            went += b.machine->cpu_down(cpu, b.machine->cpu(1 - c));
            ++done;
        });
    b.machine->run(kBoot + 50ms, kAllSteps);
    CHECK(!b.machine->verdict());
    CHECK(done == 1);
    const CpuId off = b.machine->cpu(0).online() ? 1 : 0;
    CHECK(b.control([&](Cpu& cpu) { return b.machine->cpu_up(cpu, b.machine->cpu(off)); }, 2));
    CHECK(done == 2);
    CHECK(went == 2);
    CHECK(b.machine->cpu(off).online());
    CHECK(!b.machine->cpu(1 - off).online());
}

TEST_CASE("what is left in IRR is recorded, what comes later is dropped, and INIT clears it (MA 10.1, LA 6, LA 11)") {
    HotplugBench b;
    b.on_step = [&](Cpu& on, Cpu&, const std::string& step) {
        if (step != "-starting:1")
            return;
        // Arrives with interrupts off; a raised task priority keeps it there.
        on.apic_write(apic::kTpr, 0xf0);
        on.send_ipi(on.id(), 0x40);
        on.spend(Cycles{5000});
    };
    CHECK(b.down(2));
    const auto left = b.log.of(kIrrLeft);
    REQUIRE(left.size() == 1);
    CHECK(left[0]->cpu == 2);
    CHECK(left[0]->operands[0] == 0x40);
    b.on_step = nullptr;
    b.control([](Cpu& cpu) {
        cpu.send_ipi(2, 0x41);
        return true;
    });
    const auto lost = [&] { return b.machine->cpu(2).apic().counters().lost; };
    CHECK(lost()[static_cast<unsigned>(LostReason::kOffline)] == 1);
    CHECK(b.up(2));
    CHECK(lost()[static_cast<unsigned>(LostReason::kReset)] == 1);
    CHECK(b.machine->cpu(2).apic().irr().count() == 0);
}

TEST_CASE("work queued on a CPU that is off-line is done when it comes back, once and in order") {
    HotplugBench b;
    CHECK(b.down(2));
    std::vector<int> done;
    for (int i = 0; i < 3; ++i)
        b.machine->run_on_thread(2, {}, [&done, i](Cpu&) { done.push_back(i); });
    b.machine->run_in_irq(2, {}, [&done](Cpu&) { done.push_back(-1); });
    b.machine->run(b.machine->now() + 10ms, kAllSteps);
    CHECK(done.empty());
    CHECK(b.up(2));
    CHECK(done == std::vector<int>{-1, 0, 1, 2});
}

TEST_CASE("work queued while a CPU goes down is not lost") {
    for (int delay = 0; delay < 60; ++delay) {
        HotplugBench b;
        int done = 0;
        b.machine->run_in_control_thread(0, {}, [&](Cpu& cpu) {
            CHECK(b.machine->cpu_down(cpu, b.machine->cpu(2)));
            cpu.spend_time(100us);
            CHECK(b.machine->cpu_up(cpu, b.machine->cpu(2)));
        });
        b.machine->run(kBoot + 10us + delay * 200ns, kAllSteps);
        b.machine->run_on_thread(2, {}, [&](Cpu& cpu) {
            cpu.spend(Cycles{300});
            ++done;
        });
        b.machine->run(kBoot + 20ms, kAllSteps);
        CHECK(!b.machine->verdict());
        CHECK(done == 1);
    }
}

TEST_CASE("what the control CPU prepared is ordered before the target's start, and back (MA 5.2)") {
    HotplugBench b;
    Plain<int> data;
    b.on_step = [&](Cpu& on, Cpu&, const std::string&) { ++data.write(on); };
    CHECK(b.down(2));
    CHECK(b.up(2));
    CHECK(b.down(2));
    CHECK(data.peek() == 18);
}

TEST_CASE(
    "stop-machine: all others stand with interrupts off, also when CPUs are stalled on their way (MA 5.2, 13.1)") {
    HotplugBench b(round_config(8));
    Plain<int> data;
    for (CpuId c = 0; c < 8; ++c)
        b.machine->run_on_thread(c, {}, [c](Cpu& cpu) { cpu.spend(Cycles{1000 + 7000 * c}); });
    for (CpuId c = 1; c < 8; c += 2)
        b.machine->stall(c, b.machine->now() + Duration{c * 13'000'000});
    int ran = 0;
    b.control([&](Cpu& cpu) {
        for (CpuId on = 0; on < 8; ++on)
            b.machine->stop_machine(cpu, b.machine->cpu(on), [&](Cpu& me) {
                CHECK(me.id() == on);
                for (CpuId c = 0; c < 8; ++c)
                    CHECK(!b.machine->cpu(c).irqs_enabled());
                ++data.write(me);
                ++ran;
            });
        return true;
    });
    CHECK(ran == 8);
    int together = 0;
    for (CpuId c = 0; c < 4; ++c)
        b.machine->run_in_control_thread(c, Cause{{}, 100 + c}, [&, c](Cpu& cpu) {
            b.machine->stop_machine(cpu, b.machine->cpu(7 - c), [&](Cpu& me) { ++data.write(me); });
            ++together;
        });
    b.machine->run(b.machine->now() + 20ms, kAllSteps);
    CHECK(!b.machine->verdict());
    CHECK(together == 4);
}

TEST_CASE("down and up storms with work, IPIs, stalls and jitter end as they should") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        MachineConfig config = round_config(8);
        config.seed = seed;
        config.jitter_per_1024 = seed % 2 ? 200 : 0;
        config.stall_one_in = seed % 3 ? 0 : 500;
        config.max_stall = 20us;
        config.break_ties = seed % 4 == 0;
        HotplugBench b(config);
        int operations = 0;
        int work = 0;
        for (CpuId c = 0; c < 8; ++c)
            b.machine->run_in_control_thread(c, Cause{{}, seed * 100 + c}, [&, c](Cpu& cpu) {
                for (int i = 0; i < 6; ++i) {
                    Cpu& target =
                        b.machine->cpu(static_cast<CpuId>(mix(mix(seed, c), static_cast<std::uint64_t>(i)) % 8));
                    if (target.online())
                        b.machine->cpu_down(cpu, target);
                    else
                        b.machine->cpu_up(cpu, target);
                    ++operations;
                    cpu.send_ipi((c + 3) % 8, 0x51);
                    cpu.spend(Cycles{1000});
                }
            });
        for (int i = 0; i < 40; ++i) {
            b.machine->run(b.machine->now() + 200us, kAllSteps);
            b.machine->run_on_thread(static_cast<CpuId>(i % 8), Cause{{}, seed * 1000 + static_cast<std::uint64_t>(i)},
                                     [&](Cpu& cpu) {
                                         cpu.spend(Cycles{500});
                                         ++work;
                                     });
        }
        // Threads of CPUs that are down wait for them: bring all up from one that is online.
        for (int round = 0; round < 3; ++round) {
            Cpu* const on = b.machine->first_online();
            REQUIRE(on);
            b.machine->run_in_control_thread(on->id(), Cause{{}, seed * 5000 + static_cast<std::uint64_t>(round)},
                                             [&](Cpu& cpu) {
                                                 for (CpuId c = 0; c < 8; ++c)
                                                     b.machine->cpu_up(cpu, b.machine->cpu(c));
                                             });
            b.machine->run(b.machine->now() + 100ms, kAllSteps);
        }
        if (b.machine->verdict())
            MESSAGE(b.machine->verdict()->check->name << ": " << b.machine->verdict()->message);
        REQUIRE(!b.machine->verdict());
        CHECK(operations == 48);
        CHECK(work == 40);
    }
}
