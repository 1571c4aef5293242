// Choices (MA 7), triggers (MA 8), records (MA 11), quantum (MA 12), stalls (MA 13), verdicts (MA 14), and that all of
// it is determined by the seed.
#include <algorithm>

#include "sim/machine_fixture.hpp"
#include "ticklab/sim/machine_records.hpp"
#include "ticklab/sim/machine_sites.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

inline constexpr Site kRulesSite{"test.site", "a place of this test"};

/// Threads, locks, IPIs, APIC timers and hotplug, all as the seed says.
Digest storm(std::uint64_t seed, MachineConfig config, bool observed, std::uint64_t slice_ps) {
    config.seed = seed;
    config.jitter_per_1024 = 100;
    TestKernel kernel;
    Machine machine(config, kernel);
    RecordLog log;
    if (observed)
        machine.records().add_consumer(log);
    SpinLock lock(machine, machine.lock_class("l"), "l");
    Mutex mutex(machine, machine.lock_class("m"), "m");
    Atomic<std::uint64_t> counter;
    kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t vector) {
        const SpinLockIrqGuard guard(cpu, lock);
        counter.fetch_add(cpu, 1);
        if (vector == 0x41 && cpu.draw(kRulesSite, 3) != 0)
            cpu.apic_write(apic::kInitialCount, static_cast<std::uint32_t>(100 + cpu.draw(kRulesSite, 1000)));
    };
    for (CpuId c = 0; c < config.cpu_count; ++c)
        machine.run_on_thread(c, Cause{{}, mix(seed, c)}, [&, c](Cpu& cpu) {
            cpu.apic_write(apic::kDivideConfiguration, 0xb);
            cpu.apic_write(apic::kLvtTimer, 0x41);
            cpu.apic_write(apic::kInitialCount, 500);
            for (int i = 0; i < 20; ++i) {
                cpu.spend(Cycles{1 + cpu.draw(kRulesSite, 5000)});
                if (cpu.draw(kRulesSite, 2) != 0)
                    cpu.send_ipi(static_cast<CpuId>(cpu.draw(kRulesSite, config.cpu_count)), 0x42);
                mutex.lock(cpu);
                cpu.spend(Cycles{100 * c + 1});
                mutex.unlock(cpu);
            }
        });
    machine.run_in_control_thread(0, Cause{{}, mix(seed, 99)}, [&](Cpu& cpu) {
        for (int i = 0; i < 4; ++i) {
            Cpu& target = machine.cpu(static_cast<CpuId>(1 + cpu.draw(kRulesSite, config.cpu_count - 1)));
            target.online() ? machine.cpu_down(cpu, target) : machine.cpu_up(cpu, target);
        }
    });
    for (Time t = kBoot; t < kBoot + 2ms; t += Duration{static_cast<std::int64_t>(slice_ps)})
        machine.run(t, kAllSteps);
    machine.run(kBoot + 2ms, kAllSteps);
    CHECK(!machine.verdict());
    CHECK(machine.records().committed() > 300);
    return machine.records().digest();
}

}  // namespace

TEST_CASE("a seed determines a run: twice, observed or not, in slices or not, races checked or not (MA 11.2)") {
    std::vector<Digest> seen;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        MachineConfig config = round_config(6);
        const Digest digest = storm(seed, config, false, 2'000'000'000);
        CHECK(digest == storm(seed, config, false, 2'000'000'000));
        CHECK(digest == storm(seed, config, true, 2'000'000'000));
        CHECK(digest == storm(seed, config, true, 37'000'001));
        config.check_races = false;
        config.check_locks = false;
        CHECK(digest == storm(seed, config, false, 2'000'000'000));
        CHECK(std::find(seen.begin(), seen.end(), digest) == seen.end());
        seen.push_back(digest);
    }
}

TEST_CASE("removing an event leaves the answers of the others alone (MA 7.1)") {
    const auto answers = [](bool with_other) {
        BootedMachine b;
        std::vector<std::uint64_t> drawn;
        if (with_other)
            b.on(
                0, [](Cpu& cpu) { (void)cpu.draw(kRulesSite, 1000); }, 1);
        b.on(
            0,
            [&](Cpu& cpu) {
                for (int i = 0; i < 5; ++i)
                    drawn.push_back(cpu.draw(kRulesSite, 1u << 30));
            },
            2);
        b.run();
        return drawn;
    };
    CHECK(answers(true) == answers(false));
    CHECK(answers(true).size() == 5);
}

TEST_CASE("no two draws have one key: repeated interrupts and wake-ups of one root answer anew (MA 7.1)") {
    BootedMachine b;
    std::vector<std::uint64_t> drawn;
    b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t vector) {
        if (vector == 0x40)
            drawn.push_back(cpu.draw(kRulesSite, std::uint64_t{1} << 62));
        if (vector == 0x42 && drawn.size() < 200)
            drawn.push_back(cpu.draw(kRulesSite, std::uint64_t{1} << 62));
    };
    b.on(
        0,
        [](Cpu& cpu) {
            for (int i = 0; i < 20; ++i) {
                cpu.send_ipi(1, 0x40);
                cpu.spend(Cycles{2000});
                cpu.send_ipi(1, 0x41);
                cpu.spend(Cycles{2000});
            }
            cpu.apic_write(apic::kDivideConfiguration, 0xb);
            cpu.apic_write(apic::kLvtTimer, 0x42 | 1u << apic::kLvtTimerModeShift);
            cpu.apic_write(apic::kInitialCount, 1000);
        },
        7);
    b.run(1ms);
    CHECK(drawn.size() > 90);  // of them 20 by IPI, the others by the periodic timer
    std::sort(drawn.begin(), drawn.end());
    CHECK(std::adjacent_find(drawn.begin(), drawn.end()) == drawn.end());
}

TEST_CASE("a strategy answers in place of the seed (MA 7.2)") {
    struct Third : Strategy {
        std::uint64_t asked = 0;
        std::uint64_t answer(const Site&, std::uint64_t, std::uint64_t bound, std::uint64_t) override {
            return asked++ == 2 ? bound - 1 : 0;
        }
    } strategy;
    Choices choices(1);
    choices.set_strategy(&strategy);
    ChoiceContext context(3);
    context.begin(4);
    for (int i = 0; i < 5; ++i)
        CHECK(choices.draw(kRulesSite, context, 10) == (i == 2 ? 9 : 0));
    CHECK(!choices.one_in(kRulesSite, context, 2));
}

TEST_CASE("the integer logarithm and the exponential are exact to their last bits (MA 7.4)") {
    const std::uint64_t one = std::uint64_t{1} << 32;
    CHECK(negative_log2_fixed(std::uint64_t{1} << 63) == one);
    CHECK(negative_log2_fixed(1) == 64 * one);
    // -log2(3/4) = 0.41503749927884 and -log2(5/8) = 0.67807190511264, in units of 2^-32, rounded either way.
    for (const auto& [u, value] : {std::pair{std::uint64_t{3} << 62, std::uint64_t{1782572487}},
                                   {std::uint64_t{5} << 61, std::uint64_t{2912296658}}}) {
        CHECK(negative_log2_fixed(u) + 2 >= value);
        CHECK(negative_log2_fixed(u) <= value + 2);
    }
    Choices choices(5);
    ChoiceContext context(1);
    UInt128 sum = 0;
    std::uint64_t above_mean = 0;
    for (int i = 0; i < 100'000; ++i) {
        const std::uint64_t x = choices.exponential(kRulesSite, context, 1'000'000);
        CHECK(x <= 44'000'000);
        sum += x;
        above_mean += x > 1'000'000;
    }
    CHECK(static_cast<std::uint64_t>(sum / 100'000) > 985'000);
    CHECK(static_cast<std::uint64_t>(sum / 100'000) < 1'015'000);
    CHECK(above_mean > 35'900);  // 1/e
    CHECK(above_mean < 37'700);
}

TEST_CASE("a trigger sees the nth passage of a CPU, holds it, and another lets it go (MA 8.1)") {
    struct Watcher : SiteWatcher {
        Machine* machine = nullptr;
        int passed = 0;
        Time reached(Cpu& cpu, const Site& site) override {
            if (site.name() != kRulesSite.name())
                return kBoot;
            if (cpu.id() == 1) {
                machine->release(0);
                return kBoot;
            }
            return ++passed == 2 ? kNever : kBoot;
        }
    } watcher;
    BootedMachine b;
    watcher.machine = &b.machine;
    b.machine.set_site_watcher(&watcher);
    std::vector<Time> times;
    Time let_go = kNever;
    b.on(0, [&](Cpu& cpu) {
        for (int i = 0; i < 3; ++i) {
            cpu.spend(Cycles{1000});
            cpu.at(kRulesSite);
            times.push_back(cpu.local_time());
        }
    });
    b.on(1, [&](Cpu& cpu) {
        cpu.spend(Cycles{500'000});
        let_go = cpu.local_time();
        cpu.at(kRulesSite);
    });
    CHECK(b.run() == nullptr);
    REQUIRE(times.size() == 3);
    CHECK(times[1] == let_go);
    CHECK(times[2] == let_go + 1us);
    CHECK(b.log.of(kHoldBegin).size() == 1);
    CHECK(b.log.of(kHoldEnd).size() == 1);
}

TEST_CASE(
    "within the quantum CPUs go on without a switch, lines keep their order, interrupts are late by it at most (MA "
    "12.1)") {
    struct Result {
        std::uint64_t yields;
        Duration late;
        std::uint64_t sum;
        Time private_end;
    };
    const auto play = [](Duration quantum) {
        MachineConfig config = round_config(4);
        config.quantum = quantum;
        BootedMachine b(config);
        Atomic<std::uint64_t> counter;
        Time last_write = kBoot;
        Result r{};
        bool ordered = true;
        Time sent = kNever;
        b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) { r.late = cpu.local_time() - sent; };
        for (CpuId c = 0; c < 4; ++c)
            b.on(c, [&, c](Cpu& cpu) {
                for (int i = 0; i < 500; ++i) {
                    cpu.spend(Cycles{50 + c});
                    cpu.sync();
                    if (i % 25 == 0) {
                        counter.fetch_add(cpu, 1);
                        ordered &= cpu.local_time() > last_write;
                        last_write = cpu.local_time();
                    }
                    if (c == 0 && i == 250) {
                        sent = cpu.local_time();
                        cpu.send_ipi(3, 0x40);
                    }
                }
                if (c == 2)
                    r.private_end = cpu.local_time();
            });
        CHECK(b.run() == nullptr);
        CHECK(ordered);
        for (CpuId c = 0; c < 4; ++c)
            r.yields += b.machine.cpu(c).counters().yields;
        r.sum = counter.peek();
        return r;
    };
    const Result exact = play(Duration::zero());
    const Result loose = play(2us);
    CHECK(exact.sum == 80);
    CHECK(loose.sum == 80);
    CHECK(loose.yields * 4 < exact.yields);
    CHECK(loose.late <= exact.late + 2us + 200ns);
    CHECK(exact.late < 700ns);
}

TEST_CASE("a quantum is refused where exactness is the point (MA 12.1)") {
    for (int i = 0; i < 4; ++i) {
        TestKernel kernel;
        MachineConfig config = round_config(2);
        config.quantum = i == 3 ? Duration{-1} : Duration{1000};
        if (i == 0)
            config.memory_model = MemoryModel::kTso;
        if (i == 1)
            config.break_ties = true;
        if (i == 2)
            config.stall_one_in = 10;
        CHECK_THROWS_AS(Machine(config, kernel), std::invalid_argument);
    }
}

TEST_CASE("a stalled CPU does nothing, pays all it owes afterwards and takes its interrupts then (MA 13.1)") {
    BootedMachine b;
    Time ended = kNever;
    Time handled = kNever;
    Time began = kNever;
    b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) { handled = cpu.local_time(); };
    b.on(1, [&](Cpu& cpu) {
        began = cpu.local_time();
        cpu.spend(Cycles{50'000});
        ended = cpu.local_time();
    });
    b.on(0, [](Cpu& cpu) {
        cpu.spend(Cycles{25'000});
        cpu.send_ipi(1, 0x40);
    });
    b.run(10us);
    const Time stalled = b.machine.now();
    b.machine.stall(1, stalled + 100us);
    CHECK(b.run() == nullptr);
    CHECK(handled >= stalled + 100us);
    CHECK(handled < stalled + 101us);
    // Entry, EOI, return and the first handler's clock: three prices of 10 ns.
    CHECK(ended == began + 50us + 100us + 30ns);
    CHECK(b.machine.cpu(1).counters().stalled == 100us);
}

TEST_CASE("injected stalls and jitter keep to their bounds, and 0 is none (MA 13.1)") {
    MachineConfig config = round_config(1);
    config.stall_one_in = 10;
    config.max_stall = 5us;
    config.jitter_per_1024 = 512;
    BootedMachine b(config);
    Duration took{};
    Duration stalled{};
    b.on(0, [&](Cpu& cpu) {
        cpu.irq_disable();
        const Time from = cpu.local_time();
        const Duration before = cpu.counters().stalled;
        for (int i = 0; i < 1000; ++i) {
            cpu.sync();
            cpu.spend(Cycles{100});
        }
        took = cpu.local_time() - from;
        stalled = cpu.counters().stalled - before;
        cpu.irq_enable();
    });
    CHECK(b.run() == nullptr);
    CHECK(took - stalled >= 100us);
    CHECK(took - stalled <= 150us);
    const auto stalls = b.log.of(kStall);
    CHECK(stalls.size() > 50);
    for (const RecordLog::Entry* e : stalls)
        CHECK(e->operands[0] <= static_cast<std::uint64_t>(ps(e->at) + 5'000'000));
}

TEST_CASE("a verdict shows what every CPU was doing, and the first one stays (MA 14.1)") {
    for (int round = 0; round < 3; ++round) {
        MachineConfig config = round_config(4);
        config.seed = 77;
        BootedMachine b(config);
        SpinLock lock(b.machine, b.machine.lock_class("l"), "the lock");
        Mutex mutex(b.machine, b.machine.lock_class("m"), "the mutex");
        b.on(0, [&](Cpu& cpu) {
            const Frame outer(cpu, "outer");
            const Frame inner(cpu, "inner");
            mutex.lock(cpu);
            lock.acquire(cpu);
            cpu.spend(Cycles{100'000});
        });
        b.on(1, [&](Cpu& cpu) {
            cpu.spend(Cycles{1000});
            lock.acquire(cpu);
        });
        b.machine.run(b.machine.now() + 10us, kAllSteps);
        b.machine.stall(0, b.machine.now() + 20us);
        b.machine.run_in_irq(2, {}, [](Cpu& cpu) {
            cpu.spend(Cycles{100});
            cpu.require(false, "broken");
        });
        CHECK(b.run() == &checks::kKernelBug);
        const Verdict& v = *b.machine.verdict();
        CHECK(v.seed == 77);
        CHECK(v.cpu == 2);
        CHECK(v.message == "broken");
        CHECK(v.record);
        CHECK(v.record_number == b.machine.records().committed());
        REQUIRE(v.cpus.size() == 4);
        CHECK(v.cpus[0].call_chain == std::vector<std::string>{"outer", "inner"});
        CHECK(v.cpus[0].held_locks == std::vector<std::string>{"the lock", "the mutex"});
        CHECK(v.cpus[0].thread == "script/0");
        CHECK(v.cpus[0].activity == "running, stalled");
        CHECK(v.cpus[0].irqs_enabled);
        CHECK(v.cpus[1].activity == "spinning on the lock");
        CHECK(v.cpus[2].irq_depth == 1);
        CHECK(!v.cpus[2].irqs_enabled);
        CHECK(v.cpus[2].call_chain.back() == "interrupt");
        CHECK(v.cpus[3].activity == "idle C1");
        b.machine.fail(checks::kLivelock, "later");
        CHECK(b.machine.verdict()->check == &checks::kKernelBug);
        CHECK(b.run() == &checks::kKernelBug);
    }
}

TEST_CASE("steps without time are a livelock (MA 3.4)") {
    BootedMachine b(round_config(1));
    b.on(0, [](Cpu& cpu) {
        for (;;)
            cpu.sync();
    });
    CHECK(b.machine.run(kBoot + 1s, 1'000'000'000) == RunEnd::kVerdict);
    CHECK(b.machine.verdict()->check == &checks::kLivelock);
}

TEST_CASE(
    "an interrupt on the way to user mode is noticed though it begins a new row: the kernel's exit is asked again") {
    // CPU 1 returns to user mode from one interrupt, and another comes at each instant around that.
    for (std::uint64_t delay = 0; delay < 300; ++delay) {
        CAPTURE(delay);
        BootedMachine b;
        bool raised = false;
        Time served = kNever;
        b.kernel.on_interrupt = [&](Cpu&, std::uint8_t vector) { raised = raised || vector == 0x41; };
        b.kernel.on_exit_to_user = [&](Cpu& cpu) {
            if (cpu.id() == 1 && raised && served == kNever)
                served = cpu.local_time();
        };
        b.machine.set_busy(1, kNever);
        b.run(10us);
        const Time sent = b.machine.now();
        b.on(0, [delay](Cpu& cpu) {
            cpu.send_ipi(1, 0x40);
            cpu.spend(Cycles{delay});
            cpu.send_ipi(1, 0x41);
        });
        CHECK(b.run(100us) == nullptr);
        CHECK(raised);
        CHECK(served < sent + 5us);
    }
}
