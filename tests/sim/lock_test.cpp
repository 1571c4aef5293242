// Locks (MA 4): order of grants, checks, deadlocks and lock-ups.
#include "sim/machine_fixture.hpp"
#include "ticklab/sim/machine_records.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

constexpr std::uint8_t kLockVector = 0x40;

struct LockBench {
    explicit LockBench(CpuId cpus = 2, const MachineConfig& config = {})
        : machine(config.c_states.empty() ? round_config(cpus) : config, kernel) {
        machine.run(kBoot + 10us, kAllSteps);
    }
    SpinLock& lock(const char* name, const char* lock_class = nullptr) {
        return locks.emplace_back(machine, machine.lock_class(lock_class ? lock_class : name), name);
    }
    const CheckDecl* run(Time until = kBoot + 2s) {
        machine.run(until, kAllSteps);
        return machine.verdict() ? machine.verdict()->check : nullptr;
    }
    void on(CpuId cpu, Thread::Body body) { machine.run_on_thread(cpu, {}, std::move(body)); }
    TestKernel kernel;
    Machine machine;
    std::deque<SpinLock> locks;
    std::deque<Mutex> mutexes;
};

}  // namespace

TEST_CASE("a waiter that is stalled or in an interrupt keeps its place in the queue (MA 4.1)") {
    for (const bool in_interrupt : {false, true}) {
        CAPTURE(in_interrupt);
        LockBench b(4);
        SpinLock& lock = b.lock("l");
        std::vector<CpuId> order;
        if (in_interrupt)
            b.kernel.on_interrupt = [](Cpu& cpu, std::uint8_t) { cpu.spend(Cycles{50'000}); };
        for (CpuId c = 0; c < 4; ++c)
            b.on(c, [&, c](Cpu& cpu) {
                cpu.spend(Cycles{1000 * c});
                lock.acquire(cpu);
                order.push_back(c);
                cpu.spend(Cycles{10'000});
                lock.release(cpu);
            });
        b.machine.run(kBoot + 15us, kAllSteps);
        if (in_interrupt)
            b.machine.run_in_irq(1, {}, [](Cpu& cpu) { cpu.spend(Cycles{50'000}); });
        else
            b.machine.stall(1, b.machine.now() + 60us);
        CHECK(b.run() == nullptr);
        CHECK(order == std::vector<CpuId>{0, 1, 2, 3});
        CHECK(lock.counters().wait_max > 50us);
    }
}

TEST_CASE("each misuse of a lock has its verdict (MA 4.2)") {
    struct Case {
        const char* what;
        const CheckDecl* expected;
        std::function<void(LockBench&)> play;
    };
    const Case cases[] = {
        {"release of a free lock", &checks::kLockStranger,
         [](LockBench& b) { b.on(0, [&l = b.lock("l")](Cpu& cpu) { l.release(cpu); }); }},
        {"release by a stranger", &checks::kLockStranger,
         [](LockBench& b) {
             SpinLock& l = b.lock("l");
             b.on(0, [&l](Cpu& cpu) {
                 l.acquire(cpu);
                 cpu.irq_disable();
                 cpu.spend(Cycles{100'000});
             });
             b.on(1, [&l](Cpu& cpu) {
                 cpu.spend(Cycles{10'000});
                 l.release(cpu);
             });
         }},
        {"acquire twice", &checks::kLockRecursion,
         [](LockBench& b) {
             b.on(0, [&l = b.lock("l")](Cpu& cpu) {
                 l.acquire(cpu);
                 l.acquire(cpu);
             });
         }},
        {"orders that did not deadlock in this run", &checks::kLockOrder,
         [](LockBench& b) {
             SpinLock& x = b.lock("x");
             SpinLock& y = b.lock("y");
             SpinLock& z = b.lock("z");
             b.on(0, [&](Cpu& cpu) {
                 for (auto [first, second] : {std::pair{&x, &y}, {&y, &z}, {&z, &x}}) {
                     first->acquire(cpu);
                     second->acquire(cpu);
                     second->release(cpu);
                     first->release(cpu);
                 }
             });
         }},
        {"two of one class", &checks::kLockOrder,
         [](LockBench& b) {
             b.on(0, [&x = b.lock("x", "c"), &y = b.lock("y", "c")](Cpu& cpu) {
                 x.acquire(cpu);
                 y.acquire(cpu);
             });
         }},
        {"two of one class, nested", nullptr,
         [](LockBench& b) {
             b.on(0, [&x = b.lock("x", "c"), &y = b.lock("y", "c")](Cpu& cpu) {
                 x.acquire(cpu);
                 y.acquire_nested(cpu, 1);
                 y.release(cpu);
                 x.release(cpu);
             });
         }},
        {"in an interrupt and with interrupts on", &checks::kLockIrq,
         [](LockBench& b) {
             SpinLock& l = b.lock("l");
             b.kernel.on_interrupt = [&l](Cpu& cpu, std::uint8_t) {
                 l.acquire(cpu);
                 l.release(cpu);
             };
             b.on(0, [&l](Cpu& cpu) {
                 l.acquire(cpu);
                 l.release(cpu);
                 cpu.send_ipi(1, kLockVector);
             });
         }},
        {"interrupts enabled while it is held", &checks::kLockIrq,
         [](LockBench& b) {
             SpinLock& l = b.lock("l");
             b.kernel.on_interrupt = [&l](Cpu& cpu, std::uint8_t) {
                 l.acquire(cpu);
                 l.release(cpu);
             };
             b.on(0, [&l](Cpu& cpu) {
                 cpu.send_ipi(1, kLockVector);
                 cpu.spend(Cycles{10'000});
                 cpu.irq_disable();
                 l.acquire(cpu);
                 cpu.irq_enable();
             });
         }},
        {"tried with interrupts on", &checks::kLockIrq,
         [](LockBench& b) {
             SpinLock& l = b.lock("l");
             b.kernel.on_interrupt = [&l](Cpu& cpu, std::uint8_t) {
                 l.acquire(cpu);
                 l.release(cpu);
             };
             b.on(0, [&l](Cpu& cpu) {
                 CHECK(l.try_acquire(cpu));
                 l.release(cpu);
                 cpu.send_ipi(1, kLockVector);
             });
         }},
        {"tried in an interrupt", nullptr,
         [](LockBench& b) {
             SpinLock& l = b.lock("l");
             b.kernel.on_interrupt = [&l](Cpu& cpu, std::uint8_t) {
                 if (l.try_acquire(cpu))
                     l.release(cpu);
             };
             b.on(0, [&l](Cpu& cpu) {
                 l.acquire(cpu);
                 l.release(cpu);
                 cpu.send_ipi(1, kLockVector);
             });
         }},
        {"sleep with one held", &checks::kLockSleep,
         [](LockBench& b) {
             b.on(0, [&l = b.lock("l")](Cpu& cpu) {
                 l.acquire(cpu);
                 cpu.block();
             });
         }},
        {"a mutex under a spin lock", &checks::kLockSleep,
         [](LockBench& b) {
             Mutex& m = b.mutexes.emplace_back(b.machine, b.machine.lock_class("m"), "m");
             b.on(0, [&m, &l = b.lock("l")](Cpu& cpu) {
                 l.acquire(cpu);
                 m.lock(cpu);
             });
         }},
        {"a mutex in an interrupt", &checks::kIrqContext,
         [](LockBench& b) {
             Mutex& m = b.mutexes.emplace_back(b.machine, b.machine.lock_class("m"), "m");
             b.machine.run_in_irq(0, {}, [&m](Cpu& cpu) { m.lock(cpu); });
         }},
        {"a mutex twice", &checks::kLockRecursion,
         [](LockBench& b) {
             Mutex& m = b.mutexes.emplace_back(b.machine, b.machine.lock_class("m"), "m");
             b.on(0, [&m](Cpu& cpu) {
                 m.lock(cpu);
                 m.lock(cpu);
             });
         }},
        {"a mutex of a stranger", &checks::kLockStranger,
         [](LockBench& b) {
             Mutex& m = b.mutexes.emplace_back(b.machine, b.machine.lock_class("m"), "m");
             b.on(0, [&m](Cpu& cpu) { m.unlock(cpu); });
         }},
        {"mutexes in both orders", &checks::kLockOrder,
         [](LockBench& b) {
             Mutex& m = b.mutexes.emplace_back(b.machine, b.machine.lock_class("m"), "m");
             Mutex& n = b.mutexes.emplace_back(b.machine, b.machine.lock_class("n"), "n");
             b.on(0, [&](Cpu& cpu) {
                 m.lock(cpu);
                 n.lock(cpu);
                 n.unlock(cpu);
                 m.unlock(cpu);
                 n.lock(cpu);
                 m.lock(cpu);
             });
         }},
        {"held into idle", &checks::kLockIdle,
         [](LockBench& b) {
             SpinLock& l = b.lock("l");
             b.kernel.on_idle = [&l](Cpu& cpu) {
                 cpu.irq_disable();
                 l.acquire(cpu);
                 cpu.halt(0);
             };
             b.on(0, [](Cpu&) {});
         }},
        {"idle from a thread", &checks::kIrqContext,
         [](LockBench& b) {
             b.on(0, [](Cpu& cpu) {
                 cpu.irq_disable();
                 cpu.halt(0);
             });
         }},
        {"sleep in an interrupt", &checks::kIrqContext,
         [](LockBench& b) { b.machine.run_in_irq(0, {}, [](Cpu& cpu) { cpu.block(); }); }},
        {"guarded data without its lock", &checks::kNotGuarded,
         [](LockBench& b) {
             auto data = std::make_shared<Guarded<int>>(b.lock("l"));
             b.on(0, [data](Cpu& cpu) { data->write(cpu) = 1; });
         }},
    };
    for (const Case& c : cases) {
        CAPTURE(std::string(c.what));
        LockBench b;
        c.play(b);
        const CheckDecl* found = b.run(kBoot + 100ms);
        const std::string message = b.machine.verdict() ? b.machine.verdict()->message : "";
        CAPTURE(message);
        CHECK(found == c.expected);
    }
}

TEST_CASE("a mutex is handed over first come first served, its waiters sleep, and it orders (MA 1.3, 5.2)") {
    LockBench b(4);
    Mutex mutex(b.machine, b.machine.lock_class("m"), "m");
    Plain<int> data;
    std::vector<CpuId> order;
    for (CpuId c = 0; c < 4; ++c)
        b.on(c, [&, c](Cpu& cpu) {
            cpu.spend(Cycles{1000 * (4 - c)});
            mutex.lock(cpu);
            order.push_back(c);
            ++data.write(cpu);
            cpu.spend(Cycles{20'000});
            mutex.unlock(cpu);
        });
    b.machine.run(kBoot + 20us, kAllSteps);
    CHECK(b.machine.cpu(0).activity() == CpuActivity::kIdle);
    CHECK(b.run() == nullptr);
    CHECK(order == std::vector<CpuId>{3, 2, 1, 0});
    CHECK(data.peek() == 4);
}

TEST_CASE("circles of waiting CPUs are found when they close") {
    MachineConfig config = round_config(3);
    config.check_locks = false;
    SUBCASE("two locks") {
        LockBench b(3, config);
        SpinLock& x = b.lock("x");
        SpinLock& y = b.lock("y");
        b.on(0, [&](Cpu& cpu) {
            x.acquire(cpu);
            cpu.spend(Cycles{5000});
            y.acquire(cpu);
        });
        b.on(1, [&](Cpu& cpu) {
            y.acquire(cpu);
            cpu.spend(Cycles{5000});
            x.acquire(cpu);
        });
        CHECK(b.run() == &checks::kDeadlock);
        CHECK(b.machine.verdict()->at < kBoot + 100us);
    }
    SUBCASE("a lock and polling") {
        LockBench b(3, config);
        SpinLock& x = b.lock("x");
        Atomic<int> flag;
        b.on(0, [&](Cpu& cpu) {
            x.acquire(cpu);
            spin_until(
                cpu, flag.line(), [&] { return flag.peek() != 0; }, &b.machine.cpu(1));
        });
        b.on(1, [&](Cpu& cpu) {
            cpu.spend(Cycles{5000});
            x.acquire(cpu);
            flag.store(cpu, 1);
        });
        CHECK(b.run() == &checks::kDeadlock);
        CHECK(b.machine.verdict()->at < kBoot + 100us);
    }
    SUBCASE("a ticket granted to a CPU whose interrupt waits for the next in the queue") {
        // CPU 1 queues for x with interrupts on and takes an interrupt that wants y; CPU 2 holds y and queues for x.
        // Nothing is wrong until CPU 0 releases x: then it belongs to CPU 1, which cannot go on.
        LockBench b(3, config);
        SpinLock& x = b.lock("x");
        SpinLock& y = b.lock("y");
        b.on(0, [&](Cpu& cpu) {
            x.acquire(cpu);
            cpu.spend(Cycles{50'000});
            x.release(cpu);
        });
        b.on(1, [&](Cpu& cpu) {
            cpu.spend(Cycles{2000});
            x.acquire(cpu);
            x.release(cpu);
        });
        b.on(2, [&](Cpu& cpu) {
            cpu.spend(Cycles{1000});
            y.acquire(cpu);
            cpu.spend(Cycles{5000});
            x.acquire(cpu);
        });
        b.machine.run(kBoot + 14us, kAllSteps);
        b.machine.run_in_irq(1, {}, [&](Cpu& cpu) {
            y.acquire(cpu);
            y.release(cpu);
        });
        CHECK(b.run() == &checks::kDeadlock);
        CHECK(b.machine.verdict()->at < kBoot + 100us);
    }
    SUBCASE("an interrupt on top of a waiter is none") {
        LockBench b(3, config);
        SpinLock& x = b.lock("x");
        SpinLock& y = b.lock("y");
        b.on(0, [&](Cpu& cpu) {
            x.acquire(cpu);
            cpu.spend(Cycles{5000});
            y.acquire(cpu);
            y.release(cpu);
            x.release(cpu);
        });
        b.on(1, [&](Cpu& cpu) {
            cpu.spend(Cycles{2000});
            x.acquire(cpu);
            x.release(cpu);
        });
        b.machine.run(kBoot + 13us, kAllSteps);
        b.machine.run_in_irq(1, {}, [&](Cpu& cpu) {
            y.acquire(cpu);
            cpu.spend(Cycles{9000});
            y.release(cpu);
        });
        CHECK(b.run() == nullptr);
    }
}

TEST_CASE("a wait that never ends is a soft lock-up, also when interrupts go on meanwhile") {
    for (const bool polling : {false, true})
        for (const bool interrupts : {false, true}) {
            CAPTURE(polling);
            CAPTURE(interrupts);
            LockBench b;
            SpinLock& l = b.lock("l");
            Atomic<int> never;
            // Each handler lasts longer than the bound: the CPU comes back when its own deadline has long passed.
            b.kernel.on_interrupt = [](Cpu& cpu, std::uint8_t) { cpu.spend_time(700ms); };
            b.on(0, [&](Cpu& cpu) {
                l.acquire(cpu);
                cpu.spend_time(3s);
            });
            b.on(1, [&](Cpu& cpu) {
                cpu.spend(Cycles{1000});
                if (polling)
                    spin_until(cpu, never.line(), [&] { return never.peek() != 0; });
                else
                    l.acquire(cpu);
            });
            b.machine.run(kBoot + 20us, kAllSteps);
            if (interrupts)
                b.machine.run_in_irq(1, {}, [](Cpu& cpu) { cpu.spend_time(700ms); });
            CHECK(b.run() == &checks::kSoftLockup);
            CHECK(b.machine.verdict()->at >= kBoot + 500ms);
            CHECK(b.machine.verdict()->at < kBoot + 800ms);
        }
}

TEST_CASE("a CPU that hammers a line does not keep a poller from seeing it") {
    LockBench b;
    Atomic<int> counter;
    Time seen = kNever;
    b.on(1, [&](Cpu& cpu) {
        spin_until(cpu, counter.line(), [&] { return counter.peek() >= 3; });
        seen = cpu.local_time();
    });
    b.on(0, [&](Cpu& cpu) {
        for (int i = 0; i < 10'000; ++i)
            counter.store(cpu, i);
    });
    CHECK(b.run() == nullptr);
    CHECK(seen < kBoot + 13us);
}
