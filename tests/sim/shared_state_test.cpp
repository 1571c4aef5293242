// Shared state and model memory (MA 1.4, 5): RCU, races, arena, stacks.
#include <array>
#include <fstream>

#include "sim/machine_fixture.hpp"
#include "ticklab/sim/machine_records.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

inline constexpr Site kStateSite{"test.site", "a place of this test"};

}  // namespace

TEST_CASE("a grace period ends with the last reader that was there, and orders (MA 5.2)") {
    BootedMachine b(round_config(4));
    Plain<int> data;
    std::vector<std::string> order;
    for (CpuId c = 1; c < 4; ++c)
        b.on(c, [&, c](Cpu& cpu) {
            b.machine.rcu().read_lock(cpu);
            (void)data.read(cpu);
            cpu.spend(Cycles{10'000 * c});
            order.push_back("left " + std::to_string(c));
            b.machine.rcu().read_unlock(cpu);
        });
    b.on(0, [&](Cpu& cpu) {
        cpu.spend(Cycles{1000});
        b.machine.rcu().synchronize(cpu);
        order.push_back("synchronized");
        data.write(cpu) = 1;
        b.machine.rcu().synchronize(cpu);  // nobody is there: at once
        order.push_back("again");
    });
    CHECK(b.run() == nullptr);
    CHECK(order == std::vector<std::string>{"left 1", "left 2", "left 3", "synchronized", "again"});
    const auto ends = b.log.of(kGracePeriod);
    REQUIRE(ends.size() == 2);
    CHECK(ends[0]->operands[0] == 3);
}

TEST_CASE("a read section that is over before the grace period begins is ordered before its end too (MA 5.2)") {
    BootedMachine b;
    Plain<int> data;
    b.on(1, [&](Cpu& cpu) {
        b.machine.rcu().read_lock(cpu);
        (void)data.read(cpu);
        b.machine.rcu().read_unlock(cpu);
    });
    b.on(0, [&](Cpu& cpu) {
        cpu.spend(Cycles{5000});
        b.machine.rcu().synchronize(cpu);
        data.write(cpu) = 1;
    });
    CHECK(b.run() == nullptr);
}

TEST_CASE("callbacks of several CPUs may run at once, and nobody sleeps in a read section") {
    SUBCASE("callbacks") {
        BootedMachine b(round_config(4));
        int done = 0;
        for (CpuId c = 0; c < 4; ++c)
            b.on(c, [&, c](Cpu& cpu) {
                for (int i = 0; i < 20; ++i)
                    b.machine.rcu().call(cpu, [&done, c, text = std::string(100, 'x')](Cpu& me) {
                        me.spend(Cycles{100 * (5 - c)});
                        me.sync();
                        done += text.size() == 100;
                    });
            });
        CHECK(b.run() == nullptr);
        CHECK(done == 80);
    }
    SUBCASE("sleep") {
        BootedMachine b;
        b.on(0, [&](Cpu& cpu) {
            b.machine.rcu().read_lock(cpu);
            cpu.block();
        });
        CHECK(b.run() == &checks::kIrqContext);
    }
    SUBCASE("grace period inside") {
        BootedMachine b;
        b.on(0, [&](Cpu& cpu) {
            b.machine.rcu().read_lock(cpu);
            b.machine.rcu().synchronize(cpu);
        });
        CHECK(b.run() == &checks::kDeadlock);
    }
}

TEST_CASE("races: two accesses without order, one a write, one unmarked, edges make them none (MA 5.1, 5.2)") {
    struct Case {
        const char* what;
        bool race;
        std::function<void(BootedMachine&, Plain<int>&, Atomic<int>&)> play;
    };
    const auto writer = [](Plain<int>& d, const std::function<void(Cpu&)>& then) {
        return [&d, then](Cpu& cpu) {
            d.write(cpu) = 1;
            then(cpu);
        };
    };
    const auto reader = [](Plain<int>& d, const std::function<void(Cpu&)>& first) {
        return [&d, first](Cpu& cpu) {
            cpu.spend(Cycles{5000});
            first(cpu);
            (void)d.read(cpu);
        };
    };
    const Case cases[] = {
        {"virtual time alone", true,
         [&](BootedMachine& b, Plain<int>& d, Atomic<int>&) {
             b.on(0, writer(d, [](Cpu&) {}));
             b.on(1, reader(d, [](Cpu&) {}));
         }},
        {"release and acquire", false,
         [&](BootedMachine& b, Plain<int>& d, Atomic<int>& a) {
             b.on(0, writer(d, [&a](Cpu& c) { a.store(c, 1, Order::kRelease); }));
             b.on(1, reader(d, [&a](Cpu& c) { (void)a.load(c, Order::kAcquire); }));
         }},
        {"relaxed", true,
         [&](BootedMachine& b, Plain<int>& d, Atomic<int>& a) {
             b.on(0, writer(d, [&a](Cpu& c) { a.store(c, 1); }));
             b.on(1, reader(d, [&a](Cpu& c) { (void)a.load(c, Order::kAcquire); }));
         }},
        {"a relaxed read-modify-write goes on with the release sequence", false,
         [&](BootedMachine& b, Plain<int>& d, Atomic<int>& a) {
             b.on(0, writer(d, [&a](Cpu& c) { a.store(c, 1, Order::kRelease); }));
             b.on(2, [&a](Cpu& c) {
                 c.spend(Cycles{3000});
                 a.fetch_add(c, 1, Order::kRelaxed);
             });
             b.on(1, reader(d, [&a](Cpu& c) { (void)a.load(c, Order::kAcquire); }));
         }},
        {"a release store by another ends it", true,
         [&](BootedMachine& b, Plain<int>& d, Atomic<int>& a) {
             b.on(0, writer(d, [&a](Cpu& c) { a.store(c, 1, Order::kRelease); }));
             b.on(2, [&a](Cpu& c) {
                 c.spend(Cycles{3000});
                 a.store(c, 2, Order::kRelease);
             });
             b.on(1, reader(d, [&a](Cpu& c) { (void)a.load(c, Order::kAcquire); }));
         }},
        {"IPI", false,
         [&](BootedMachine& b, Plain<int>& d, Atomic<int>&) {
             b.kernel.on_interrupt = [&d](Cpu& cpu, std::uint8_t) { (void)d.read(cpu); };
             b.on(0, writer(d, [](Cpu& c) { c.send_ipi(1, 0x40); }));
         }},
        {"a wake-up, also one before the sleep", false,
         [&](BootedMachine& b, Plain<int>& d, Atomic<int>&) {
             Thread& sleeper = b.machine.make_thread(b.machine.cpu(1), "sleeper", ThreadClass::kKernel, [&d](Cpu& cpu) {
                 cpu.irq_disable();
                 cpu.spend(Cycles{20'000});
                 cpu.block();
                 (void)d.read(cpu);
             });
             b.on(1, [&sleeper](Cpu& cpu) { cpu.wake(sleeper); });
             b.on(0, [&d, &sleeper](Cpu& cpu) {
                 cpu.spend(Cycles{9000});
                 d.write(cpu) = 1;
                 cpu.wake(sleeper);
             });
         }},
        {"two reads", false,
         [&](BootedMachine& b, Plain<int>& d, Atomic<int>&) {
             b.on(0, reader(d, [](Cpu&) {}));
             b.on(1, reader(d, [](Cpu&) {}));
         }},
    };
    for (const Case& c : cases) {
        CAPTURE(std::string(c.what));
        BootedMachine b(round_config(3));
        Plain<int> data;
        Atomic<int> flag;
        c.play(b, data, flag);
        CHECK(b.run() == (c.race ? &checks::kDataRace : nullptr));
    }
}

TEST_CASE("model memory: zeroed, poisoned, freed once, and it can fail (MA 1.4)") {
    struct Object {
        Atomic<int> atomic;
        Plain<int> plain;
    };
    const auto make = [](Machine& m, Cpu& cpu) {
        return new (m.arena().allocate(cpu, sizeof(Object), kStateSite)) Object;
    };
    const auto verdict_of = [](const std::function<void(BootedMachine&, Cpu&)>& body) {
        BootedMachine b;
        b.on(0, [&](Cpu& cpu) { body(b, cpu); });
        return b.run();
    };
    CHECK(verdict_of([&](BootedMachine& b, Cpu& cpu) {
              Object* o = make(b.machine, cpu);
              o->~Object();
              b.machine.arena().free(cpu, o);
              CHECK(*reinterpret_cast<unsigned char*>(o) == Arena::kPoison);
              CHECK(b.machine.arena().live_count() == 0);
          }) == nullptr);
    CHECK(verdict_of([&](BootedMachine& b, Cpu& cpu) {
              Object* o = make(b.machine, cpu);
              o->~Object();
              b.machine.arena().free(cpu, o);
              (void)o->atomic.load(cpu);
          }) == &checks::kUseAfterFree);
    CHECK(verdict_of([&](BootedMachine& b, Cpu& cpu) {
              Object* o = make(b.machine, cpu);
              o->~Object();
              b.machine.arena().free(cpu, o);
              (void)o->plain.read(cpu);
          }) == &checks::kUseAfterFree);
    CHECK(verdict_of([&](BootedMachine& b, Cpu& cpu) {
              void* p = b.machine.arena().allocate(cpu, 64, kStateSite);
              b.machine.arena().free(cpu, p);
              b.machine.arena().free(cpu, p);
          }) == &checks::kDoubleFree);
    CHECK(verdict_of([&](BootedMachine& b, Cpu& cpu) {
              std::array<std::uint64_t, 64> own{};
              b.machine.arena().free(cpu, own.data() + 32);
          }) == &checks::kDoubleFree);
    CHECK(verdict_of([&](BootedMachine& b, Cpu& cpu) {
              cpu.irq_disable();
              (void)b.machine.arena().allocate(cpu, 64, kStateSite);
          }) == &checks::kIrqContext);
    CHECK(verdict_of([&](BootedMachine& b, Cpu& cpu) {
              Arena& arena = b.machine.arena();
              arena.fail_next(2);
              CHECK(!arena.allocate(cpu, 8, kStateSite));
              CHECK(!arena.allocate(cpu, 8, kStateSite, true));
              CHECK(arena.allocate(cpu, 8, kStateSite));
              arena.fail_one_in(4);
              std::uint64_t failed = 0;
              for (int i = 0; i < 400; ++i)
                  failed += !arena.allocate(cpu, 8, kStateSite);
              CHECK(failed > 60);
              CHECK(failed < 140);
              CHECK(arena.failures() == failed + 2);
          }) == nullptr);
}

TEST_CASE("stacks: reused after their threads, an overflow is a verdict, thousands of CPUs take few mappings") {
    SUBCASE("reuse") {
        BootedMachine b;
        std::vector<const void*> where;
        for (std::uint64_t i = 0; i < 20; ++i) {
            b.machine.run_in_control_thread(0, Cause{{}, i},
                                            [&](Cpu&) { where.push_back(__builtin_frame_address(0)); });
            b.run();
        }
        REQUIRE(where.size() == 20);
        for (std::size_t i = 2; i < where.size(); ++i)
            CHECK(where[i] == where[1]);
    }
    SUBCASE("overflow") {
        BootedMachine b;
        b.on(0, [](Cpu& cpu) {
            char big[kFrameScale * 24 * 1024];
            // Its address escapes before and after, so no compiler leaves it out or makes it smaller.
            asm volatile("" : : "r"(static_cast<char*>(big)) : "memory");
            cpu.spend(Cycles{100});
            cpu.irq_disable();
            cpu.spend(Cycles{1});
            asm volatile("" : : "r"(static_cast<char*>(big)) : "memory");
        });
        b.on(1, [](Cpu& cpu) {
            for (int i = 0; i < 100; ++i)
                cpu.spend(Cycles{7});
        });
        CHECK(b.run() == &checks::kStackOverflow);
    }
    SUBCASE("mappings") {
        const auto mappings = [] {
            std::ifstream maps("/proc/self/maps");
            std::size_t lines = 0;
            for (std::string line; std::getline(maps, line);)
                ++lines;
            return lines;
        };
        const std::size_t before = mappings();
        TestKernel kernel;
        Machine machine(round_config(16384), kernel);
        CHECK(machine.run(kBoot + 1us, kAllSteps) == RunEnd::kTime);
        CHECK(mappings() < before + 3000);
        machine.check_stacks();
        CHECK(!machine.verdict());
    }
}
