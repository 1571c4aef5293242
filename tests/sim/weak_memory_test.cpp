// Weak memory (MA 6): which outcomes of the classic litmus tests appear, and which must not.
#include <map>

#include "sim/machine_fixture.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

using Outcome = std::vector<int>;
using Program = std::vector<std::function<void(Cpu&)>>;
constexpr std::uint64_t kSeeds = 150;

struct Vars {
    Atomic<int> x, y;
    SpinLock* lock = nullptr;
    std::vector<int> r = std::vector<int>(4, -1);
};

/// How often each outcome came out under seeds 1 to kSeeds, each CPU starting at an offset that the seed decides.
std::map<Outcome, int> outcomes(MemoryModel model, const std::function<Program(Vars&)>& make) {
    std::map<Outcome, int> found;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        TestKernel kernel;
        MachineConfig config = round_config(4);
        config.memory_model = model;
        config.seed = seed;
        Machine machine(config, kernel);
        Vars v;
        SpinLock lock(machine, machine.lock_class("l"), "l");
        v.lock = &lock;
        Program program = make(v);
        for (CpuId c = 0; c < program.size(); ++c)
            machine.run_on_thread(c, Cause{{}, seed * 16 + c}, [&, c](Cpu& cpu) {
                cpu.spend(Cycles{1 + mix(seed, c) % 400});
                program[c](cpu);
            });
        machine.run(kBoot + 1ms, kAllSteps);
        REQUIRE(!machine.verdict());
        ++found[v.r];
    }
    return found;
}

struct Litmus {
    const char* name;
    std::function<Program(Vars&)> make;
    Outcome weak_outcome;
    bool in_sc, in_tso, in_weak;  ///< whether it must appear; where not, it must not
};

}  // namespace

TEST_CASE("litmus tests: what is allowed appears, what is forbidden does not (MA 6.1, 6.3)") {
    const Litmus table[] = {
        {"store buffering",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.x.store(c, 1);
                                v.r[0] = v.y.load(c);
                            },
                            [&v](Cpu& c) {
                                v.y.store(c, 1);
                                v.r[1] = v.x.load(c);
                            }};
         },
         {0, 0, -1, -1},
         false,
         true,
         true},
        {"store buffering with full barriers",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.x.store(c, 1);
                                full_barrier(c);
                                v.r[0] = v.y.load(c);
                            },
                            [&v](Cpu& c) {
                                v.y.store(c, 1);
                                full_barrier(c);
                                v.r[1] = v.x.load(c);
                            }};
         },
         {0, 0, -1, -1},
         false,
         false,
         false},
        {"store buffering with full-ordered stores",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.x.store(c, 1, Order::kFull);
                                v.r[0] = v.y.load(c);
                            },
                            [&v](Cpu& c) {
                                v.y.store(c, 1, Order::kFull);
                                v.r[1] = v.x.load(c);
                            }};
         },
         {0, 0, -1, -1},
         false,
         false,
         false},
        {"store buffering with full-ordered loads",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.x.store(c, 1);
                                v.r[0] = v.y.load(c, Order::kFull);
                            },
                            [&v](Cpu& c) {
                                v.y.store(c, 1);
                                v.r[1] = v.x.load(c, Order::kFull);
                            }};
         },
         {0, 0, -1, -1},
         false,
         false,
         false},
        {"store buffering with locked operations",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.x.exchange(c, 1);
                                v.r[0] = v.y.load(c);
                            },
                            [&v](Cpu& c) {
                                v.y.exchange(c, 1);
                                v.r[1] = v.x.load(c);
                            }};
         },
         {0, 0, -1, -1},
         false,
         false,
         false},
        {"message passing",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.x.store(c, 1);
                                v.y.store(c, 1);
                            },
                            [&v](Cpu& c) {
                                v.r[0] = v.y.load(c);
                                v.r[1] = v.x.load(c);
                            }};
         },
         {1, 0, -1, -1},
         false,
         false,
         true},
        {"message passing with release and acquire",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.x.store(c, 1);
                                v.y.store(c, 1, Order::kRelease);
                            },
                            [&v](Cpu& c) {
                                v.r[0] = v.y.load(c, Order::kAcquire);
                                v.r[1] = v.x.load(c);
                            }};
         },
         {1, 0, -1, -1},
         false,
         false,
         false},
        {"message passing with barriers",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.x.store(c, 1);
                                full_barrier(c);
                                v.y.store(c, 1);
                            },
                            [&v](Cpu& c) {
                                v.r[0] = v.y.load(c);
                                full_barrier(c);
                                v.r[1] = v.x.load(c);
                            }};
         },
         {1, 0, -1, -1},
         false,
         false,
         false},
        {"message passing with a barrier in the writer only",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.x.store(c, 1);
                                full_barrier(c);
                                v.y.store(c, 1);
                            },
                            [&v](Cpu& c) {
                                v.r[0] = v.y.load(c);
                                v.r[1] = v.x.load(c);
                            }};
         },
         {1, 0, -1, -1},
         false,
         false,
         true},
        {"message passing through a read-modify-write of another CPU",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.x.store(c, 1);
                                v.y.store(c, 1, Order::kRelease);
                            },
                            [&v](Cpu& c) { v.y.fetch_add(c, 1, Order::kRelaxed); },
                            [&v](Cpu& c) {
                                v.r[0] = v.y.load(c, Order::kAcquire);
                                v.r[1] = v.x.load(c);
                            }};
         },
         {2, 0, -1, -1},
         false,
         false,
         false},
        {"load buffering",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.r[0] = v.x.load(c);
                                v.y.store(c, 1);
                            },
                            [&v](Cpu& c) {
                                v.r[1] = v.y.load(c);
                                v.x.store(c, 1);
                            }};
         },
         {1, 1, -1, -1},
         false,
         false,
         false},
        {"coherence of two reads",
         [](Vars& v) {
             return Program{[&v](Cpu& c) { v.x.store(c, 1); },
                            [&v](Cpu& c) {
                                v.r[0] = v.x.load(c);
                                v.r[1] = v.x.load(c);
                            }};
         },
         {1, 0, -1, -1},
         false,
         false,
         false},
        {"independent reads of independent writes",
         [](Vars& v) {
             return Program{[&v](Cpu& c) { v.x.store(c, 1); }, [&v](Cpu& c) { v.y.store(c, 1); },
                            [&v](Cpu& c) {
                                v.r[0] = v.x.load(c);
                                v.r[1] = v.y.load(c);
                            },
                            [&v](Cpu& c) {
                                v.r[2] = v.y.load(c);
                                v.r[3] = v.x.load(c);
                            }};
         },
         {1, 0, 1, 0},
         false,
         false,
         true},
        {"independent reads with barriers",
         [](Vars& v) {
             return Program{[&v](Cpu& c) { v.x.store(c, 1); }, [&v](Cpu& c) { v.y.store(c, 1); },
                            [&v](Cpu& c) {
                                v.r[0] = v.x.load(c);
                                full_barrier(c);
                                v.r[1] = v.y.load(c);
                            },
                            [&v](Cpu& c) {
                                v.r[2] = v.y.load(c);
                                full_barrier(c);
                                v.r[3] = v.x.load(c);
                            }};
         },
         {1, 0, 1, 0},
         false,
         false,
         false},
        {"a store behind another CPU's buffered store",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.x.store(c, 1);
                                v.y.store(c, 1);
                            },
                            [&v](Cpu& c) {
                                c.spend(Cycles{100});
                                v.y.store(c, 2);
                            },
                            [&v](Cpu& c) {
                                c.spend(Cycles{200});
                                v.r[0] = v.y.load(c);
                                v.r[1] = v.x.load(c);
                                c.spend(Cycles{10'000});
                                v.r[2] = v.y.peek();  // the last in coherence order
                            }};
         },
         {2, 0, 2, -1},
         false,
         false,
         true},
        {"under a lock, what the last owner wrote is there",
         [](Vars& v) {
             return Program{[&v](Cpu& c) {
                                v.lock->acquire(c);
                                v.x.store(c, 1);
                                v.y.store(c, 1);
                                v.lock->release(c);
                            },
                            [&v](Cpu& c) {
                                v.lock->acquire(c);
                                v.r[0] = v.y.peek();
                                v.r[1] = v.x.load(c);
                                v.lock->release(c);
                            }};
         },
         {1, 0, -1, -1},
         false,
         false,
         false},
    };
    for (const Litmus& t : table)
        for (const auto& row : {std::pair{MemoryModel::kSequential, t.in_sc},
                                {MemoryModel::kTso, t.in_tso},
                                {MemoryModel::kWeak, t.in_weak}}) {
            const MemoryModel model = row.first;
            const bool appears = row.second;
            CAPTURE(std::string(t.name));
            CAPTURE(static_cast<int>(model));
            const std::map<Outcome, int> found = outcomes(model, t.make);
            CHECK(found.contains(t.weak_outcome) == appears);
            CHECK(found.size() > 1);
        }
}

TEST_CASE("IRET, thread switch, halt and an xAPIC ICR write drain, an x2APIC one does not (MA 6.3)") {
    enum Way { kIret, kSwitch, kHalt, kXapic, kX2apic };
    for (const Way way : {kIret, kSwitch, kHalt, kXapic, kX2apic})
        for (const MemoryModel model : {MemoryModel::kTso, MemoryModel::kWeak}) {
            int late = 0;
            for (std::uint64_t seed = 1; seed <= 60; ++seed) {
                TestKernel kernel;
                MachineConfig config = round_config(2);
                config.memory_model = model;
                config.max_staleness = 100us;
                config.seed = seed;
                config.ipi_fly = 10ns;
                Machine machine(config, kernel);
                Atomic<int> x;
                int read = -1;
                kernel.on_start = [&](Cpu& cpu) {
                    if (way == kX2apic)
                        cpu.write_msr(apic::kMsrBase, apic::kBaseAddressReset | apic::kBaseEnable | apic::kBaseX2apic |
                                                          (cpu.id() == 0 ? apic::kBaseBsp : 0));
                };
                kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) { read = x.load(cpu); };
                machine.run(kBoot + 10us, kAllSteps);
                machine.run_on_thread(0, Cause{{}, seed}, [&](Cpu& cpu) {
                    if (way == kIret)
                        machine.run_in_irq(0, {}, [&](Cpu& me) { x.store(me, 1); });
                    else
                        x.store(cpu, 1);
                    if (way == kXapic || way == kX2apic)
                        cpu.send_ipi(1, 0x40);
                    else
                        cpu.spend(Cycles{100});
                    if (way == kXapic || way == kX2apic || way == kIret)
                        cpu.spend(Cycles{200'000});
                });
                if (way != kXapic && way != kX2apic)
                    machine.run_on_thread(1, Cause{{}, seed}, [&](Cpu& cpu) {
                        cpu.spend(Cycles{1000});
                        read = x.load(cpu, Order::kAcquire);
                    });
                if (way == kHalt)
                    kernel.on_idle = [](Cpu& cpu) {
                        cpu.irq_disable();
                        cpu.halt(0);
                    };
                machine.run(kBoot + 1ms, kAllSteps);
                REQUIRE(!machine.verdict());
                REQUIRE(read != -1);
                late += read == 0;
            }
            CAPTURE(static_cast<int>(way));
            CHECK((late > 0) == (way == kX2apic));
        }
}

TEST_CASE("a store is visible and a stale value gone after the bound (MA 6.2)") {
    for (const MemoryModel model : {MemoryModel::kTso, MemoryModel::kWeak})
        for (std::uint64_t seed = 1; seed <= 50; ++seed) {
            TestKernel kernel;
            MachineConfig config = round_config(2);
            config.memory_model = model;
            config.seed = seed;
            Machine machine(config, kernel);
            Atomic<int> x;
            Time stored = kNever;
            Time last_old = kBoot;
            machine.run_on_thread(0, Cause{{}, seed}, [&](Cpu& cpu) {
                cpu.spend(Cycles{2000});
                x.store(cpu, 1);
                stored = cpu.local_time();
                cpu.irq_disable();
                cpu.spend(Cycles{20'000});
            });
            machine.run_on_thread(1, Cause{{}, seed}, [&](Cpu& cpu) {
                for (int i = 0; i < 500; ++i)
                    if (x.load(cpu) == 0)
                        last_old = cpu.local_time();
            });
            machine.run(kBoot + 1ms, kAllSteps);
            CHECK(last_old <= stored + 2 * config.max_staleness);
        }
}

TEST_CASE("polling by loads ends although the store it waits for becomes visible later (MA 6.2)") {
    for (const MemoryModel model : {MemoryModel::kTso, MemoryModel::kWeak})
        for (std::uint64_t seed = 1; seed <= 50; ++seed) {
            TestKernel kernel;
            MachineConfig config = round_config(2);
            config.memory_model = model;
            config.seed = seed;
            Machine machine(config, kernel);
            Atomic<int> x;
            Time seen = kNever;
            machine.run_on_thread(0, Cause{{}, seed}, [&](Cpu& cpu) {
                cpu.spend(Cycles{500 + mix(seed, 1) % 500});
                x.store(cpu, 1);
                cpu.irq_disable();
                cpu.spend(Cycles{100'000});
            });
            machine.run_on_thread(1, Cause{{}, seed}, [&](Cpu& cpu) {
                cpu.spend(Cycles{500 + mix(seed, 2) % 500});
                spin_until(cpu, x.line(), [&] { return x.load(cpu) != 0; });
                seen = cpu.local_time();
            });
            machine.run(kBoot + 1s, kAllSteps);
            REQUIRE(!machine.verdict());
            CHECK(seen < kBoot + 5us);
        }
}

TEST_CASE("a cell may go while its stores are still buffered") {
    TestKernel kernel;
    MachineConfig config = round_config(2);
    config.memory_model = MemoryModel::kTso;
    Machine machine(config, kernel);
    machine.run_on_thread(0, {}, [](Cpu& cpu) {
        for (int i = 0; i < 100; ++i) {
            Atomic<int> x;
            x.store(cpu, 1);
        }
        full_barrier(cpu);
    });
    CHECK(machine.run(kBoot + 1ms, kAllSteps) == RunEnd::kTime);
}
