// How the machine wires its interrupt hardware: NMIs, spurious interrupts, messages of the HPET, jitter, full queues,
// fences, and a package state that stops the HPET.
#include "sim/machine_fixture.hpp"
#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/devices/hpet_timer.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

constexpr std::uint8_t kWiredVector = 0x40;

/// Timer `n` sends `vector` to `cpu` by message, in 32-bit mode, at `ticks` from now.
void program_message(Cpu& cpu, unsigned n, CpuId target, std::uint8_t vector, std::uint32_t ticks) {
    using namespace hpet_timer_bits;
    const std::uint32_t base = 0x100 + 0x20 * n;
    cpu.hpet_write(0x10, 1);
    cpu.hpet_write(base + 0x10, vector);
    cpu.hpet_write(base + 0x14, 0xfee0'0000u | target << 12);
    cpu.hpet_write(base, kIntEnable | k32Mode | kFsbEnable);
    cpu.hpet_write(base + 8, static_cast<std::uint32_t>(cpu.hpet_read(0xf0)) + ticks);
}

struct Taken {
    CpuId cpu;
    std::uint8_t vector;
    Time at;
};

std::vector<Taken>& keep_interrupts(BootedMachine& b, std::vector<Taken>& taken) {
    b.kernel.on_interrupt = [&taken](Cpu& cpu, std::uint8_t vector) {
        taken.push_back({cpu.id(), vector, cpu.local_time()});
    };
    return taken;
}

}  // namespace

TEST_CASE("an NMI is taken with interrupts disabled, at the next point, and leaves them disabled (MA 2.5)") {
    BootedMachine b;
    std::vector<std::pair<Time, unsigned>> nmis;
    b.kernel.on_nmi = [&](Cpu& cpu) {
        CHECK(!cpu.irqs_enabled());
        nmis.emplace_back(cpu.local_time(), cpu.irq_depth());
    };
    Time before = kNever, after = kNever;
    b.on(1, [&](Cpu& cpu) {
        cpu.irq_disable();
        before = cpu.local_time();
        cpu.spend(Cycles{5000});
        cpu.sync();
        after = cpu.local_time();
        CHECK(!cpu.irqs_enabled());
        CHECK(nmis.size() == 1);
        cpu.irq_enable();
    });
    b.on(0, [](Cpu& cpu) {
        cpu.spend_time(1us);
        cpu.send_ipi(1, kWiredVector);
        cpu.send_nmi(1);
    });
    std::vector<Taken> taken;
    keep_interrupts(b, taken);
    CHECK(b.run() == nullptr);
    REQUIRE(nmis.size() == 1);
    CHECK(nmis[0].first > before);
    CHECK(nmis[0].first < after);
    CHECK(nmis[0].second == 1);
    // The ordinary interrupt waited for IF.
    REQUIRE(taken.size() == 1);
    CHECK(taken[0].at > after);
}

TEST_CASE("while an NMI is in service one more is latched and taken after it, and not two (LA 4.5, MA 2.5)") {
    BootedMachine b;
    unsigned depth = 0, deepest = 0, count = 0;
    b.kernel.on_nmi = [&](Cpu& cpu) {
        deepest = std::max(deepest, ++depth);
        ++count;
        if (count == 1) {
            for (int i = 0; i < 3; ++i)
                cpu.send_nmi(cpu.id());
            cpu.spend_time(20us);
            cpu.sync();
        }
        --depth;
    };
    b.on(1, [](Cpu& cpu) { cpu.send_nmi(1); });
    CHECK(b.run() == nullptr);
    CHECK(count == 2);
    CHECK(deepest == 1);
}

TEST_CASE("an NMI breaks into an interrupt handler and into a spin with interrupts disabled (MA 2.5)") {
    BootedMachine b(round_config(3));
    std::vector<unsigned> depths;
    b.kernel.on_nmi = [&](Cpu& cpu) { depths.push_back(cpu.irq_depth()); };
    b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) {
        cpu.send_nmi(cpu.id());
        cpu.spend_time(5us);
        cpu.sync();
        CHECK(depths.size() == 1);
    };
    b.on(1, [](Cpu& cpu) { cpu.send_ipi(1, kWiredVector); });
    CHECK(b.run() == nullptr);
    CHECK(depths == std::vector<unsigned>{2});

    SpinLock lock(b.machine, b.machine.lock_class("l"), "l");
    Time released = kNever, nmi_at = kNever, ordinary_at = kNever;
    b.kernel.on_nmi = [&](Cpu& cpu) { nmi_at = cpu.local_time(); };
    b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) { ordinary_at = cpu.local_time(); };
    b.on(0, [&](Cpu& cpu) {
        const bool flags = lock.acquire_irqsave(cpu);
        cpu.spend_time(100us);
        released = cpu.local_time();
        lock.release_restore(cpu, flags);
    });
    b.on(1, [&](Cpu& cpu) {
        cpu.spend_time(10us);
        const bool flags = lock.acquire_irqsave(cpu);
        lock.release_restore(cpu, flags);
    });
    b.on(2, [](Cpu& cpu) {
        cpu.spend_time(50us);
        cpu.send_ipi(1, kWiredVector);
        cpu.send_nmi(1);
    });
    CHECK(b.run() == nullptr);
    CHECK(nmi_at < released);
    CHECK(ordinary_at > released);
}

TEST_CASE("an NMI wakes a CPU from idle and from mwait that interrupts may only break (MA 2.5, 9.1)") {
    for (const bool by_mwait : {false, true}) {
        BootedMachine b;
        Atomic<int> flag;
        unsigned nmis = 0;
        b.kernel.on_nmi = [&](Cpu&) { ++nmis; };
        b.kernel.on_idle = [&](Cpu& cpu) {
            cpu.irq_disable();
            if (by_mwait && cpu.id() == 1) {
                cpu.monitor(flag.line());
                cpu.mwait(0, true);
                cpu.irq_enable();
            } else {
                cpu.halt(0);
            }
        };
        b.on(1, [](Cpu&) {});
        CHECK(b.run() == nullptr);
        b.machine.raise_nmi(1, {});
        CHECK(b.run() == nullptr);
        CHECK(nmis == 1);
    }
}

TEST_CASE("a spurious interrupt is told to the kernel apart, and nothing is in service (LA 4.3, MA 2.5)") {
    struct Kernel : TestKernel {
        std::vector<std::uint8_t> spurious;
        void spurious_interrupt(Cpu& cpu, std::uint8_t vector) override {
            CHECK(!cpu.irqs_enabled());
            CHECK(cpu.apic().isr().count() == 0);
            spurious.push_back(vector);
        }
    };
    Kernel kernel;
    unsigned ordinary = 0;
    kernel.on_interrupt = [&](Cpu&, std::uint8_t) { ++ordinary; };
    Machine machine(round_config(2), kernel);
    machine.run(kBoot + 10us, kAllSteps);
    machine.apic_bus().set_fault(machine.now(), ApicFault::kSpuriousInterrupt, 1, 1, {});
    // A vector of its own that happens to be the spurious one is an ordinary interrupt and wants its EOI.
    machine.run_on_thread(0, {}, [](Cpu& cpu) {
        cpu.spend_time(10us);
        cpu.send_ipi(1, 0xff);
    });
    machine.run(kBoot + 1ms, kAllSteps);
    CHECK(!machine.verdict());
    CHECK(kernel.spurious == std::vector<std::uint8_t>{0xff});
    CHECK(ordinary == 1);
    CHECK(machine.cpu(1).apic().isr().count() == 0);
}

TEST_CASE("more messages in flight to a CPU than a queue holds are the verdict machine.queue_full (MA 3.5, LA-D16)") {
    BootedMachine b;
    b.machine.apic_bus().set_fault(b.machine.now(), ApicFault::kIpiDelay, 1, Duration{1s}.count(), {});
    b.on(0, [](Cpu& cpu) {
        for (std::uint32_t i = 0; i <= ApicFlightQueue::kMaxInFlight; ++i)
            cpu.send_ipi(1, kWiredVector);
    });
    const CheckDecl* const check = b.run(100ms);
    REQUIRE(check != nullptr);
    CHECK(check->name == "machine.queue_full");
}

TEST_CASE("messages take up to flight_jitter longer, by choice, the timer's own do not (LA 7, MA 7)") {
    const auto flights = [](Duration jitter, std::uint64_t seed) {
        MachineConfig config = round_config(2);
        config.flight_jitter = jitter;
        config.seed = seed;
        BootedMachine b(config);
        std::vector<Duration> seen;
        Time sent = kNever;
        b.kernel.on_interrupt = [&](Cpu& cpu, std::uint8_t) { seen.push_back(cpu.local_time() - sent); };
        b.on(1, [](Cpu& cpu) { cpu.spend_time(1ms); });
        b.on(0, [&](Cpu& cpu) {
            for (int i = 0; i < 20; ++i) {
                cpu.send_ipi(1, kWiredVector);
                sent = cpu.local_time();
                cpu.spend_time(20us);
            }
        });
        CHECK(b.run() == nullptr);
        CHECK(seen.size() == 20);
        return seen;
    };
    const auto exact = flights(0us, 1);
    const auto jittered = flights(5us, 1);
    CHECK(jittered == flights(5us, 1));
    CHECK(jittered != flights(5us, 2));
    Duration least = Duration::max(), most{};
    for (std::size_t i = 0; i < jittered.size(); ++i) {
        const Duration extra = jittered[i] - exact[i];
        least = std::min(least, extra);
        most = std::max(most, extra);
    }
    CHECK(least >= Duration::zero());
    CHECK(most <= Duration{5us} + Duration{100ns});
    CHECK(most > Duration{2us});
}

TEST_CASE("a fence between LVT and deadline keeps the deadline from overtaking it (LA-F2, LA 3.4)") {
    for (const bool fenced : {false, true}) {
        MachineConfig config = round_config(1);
        config.x2apic = false;
        BootedMachine b(config);
        std::vector<Taken> taken;
        keep_interrupts(b, taken);
        b.machine.apic_bus().set_fault(b.machine.now(), ApicFault::kDeadlineOvertakesLvt, 0, Duration{1ms}.count(), {});
        b.on(0, [&](Cpu& cpu) {
            cpu.apic_write(apic::kLvtTimer, kWiredVector | apic::kLvtTimerDeadlineBit);
            if (fenced)
                full_barrier(cpu);
            cpu.write_tsc_deadline(cpu.read_tsc() + 1000);
        });
        CHECK(b.run() == nullptr);
        CHECK(taken.size() == (fenced ? 1 : 0));
    }
}

TEST_CASE("an FSB timer raises its vector on the CPU that its message names (HP 5, LA 8)") {
    BootedMachine b(round_config(4));
    std::vector<Taken> taken;
    keep_interrupts(b, taken);
    b.on(0, [](Cpu& cpu) {
        program_message(cpu, 2, 3, 0x50, 1000);
        program_message(cpu, 3, 1, 0x60, 2000);
    });
    CHECK(b.run() == nullptr);
    REQUIRE(taken.size() == 2);
    CHECK(taken[0].cpu == 3);
    CHECK(taken[0].vector == 0x50);
    CHECK(taken[1].cpu == 1);
    CHECK(taken[1].vector == 0x60);
    // One match of 1000 ticks of 69.841279 ns later, plus flight, wake-up and entry.
    CHECK(taken[0].at - b.machine.now() < 0us);
}

TEST_CASE("a message in flight is lost when its timer is re-targeted under LA-F3, and only then (HP-F12, LA-F3)") {
    for (const bool faulty : {false, true}) {
        MachineConfig config = round_config(3);
        config.msi_fly = 50us;
        BootedMachine b(config);
        std::vector<Taken> taken;
        keep_interrupts(b, taken);
        b.machine.apic_bus().set_fault(b.machine.now(), ApicFault::kLostEdgeAtRetarget, 0, faulty, {});
        b.on(0, [](Cpu& cpu) {
            program_message(cpu, 2, 1, kWiredVector, 100);
            cpu.spend_time(20us);
            // The same target again changes nothing; another one does.
            cpu.hpet_write(0x154, 0xfee0'0000u | 1u << 12);
            cpu.hpet_write(0x154, 0xfee0'0000u | 2u << 12);
        });
        CHECK(b.run() == nullptr);
        CHECK(taken.size() == (faulty ? 0 : 1));
    }
}

TEST_CASE("the HPET stands still while all CPUs are in the deepest state, if the machine is like that (HPET-08)") {
    for (const bool stops : {false, true})
        for (const CpuId online : {CpuId{2}, CpuId{1}}) {
            MachineConfig config = round_config(2);
            config.online_at_boot = online;
            config.hpet_stops_in_deep_idle = stops;
            BootedMachine b(config);
            b.kernel.c_state = 1;
            std::uint64_t before = 0, after = 0;
            if (online == 2)
                b.on(1, [](Cpu&) {});  // it goes to sleep anew, in the deep state
            b.on(0, [&](Cpu& cpu) {
                cpu.hpet_write(0x10, 1);
                before = cpu.hpet_read(0xf0);
            });
            CHECK(b.run(10ms) == nullptr);
            b.on(0, [&](Cpu& cpu) { after = cpu.hpet_read(0xf0); });
            CHECK(b.run(1ms) == nullptr);
            const std::uint64_t ticks_in_10ms = 143'181;
            CHECK((after - before < ticks_in_10ms / 10) == stops);
            CHECK(b.machine.hpet().check_invariants().empty());
        }
    // One CPU that is awake, or in a lighter state, keeps it going.
    MachineConfig config = round_config(2);
    config.hpet_stops_in_deep_idle = true;
    BootedMachine b(config);
    b.kernel.on_idle = [](Cpu& cpu) {
        cpu.irq_disable();
        cpu.halt(cpu.id() == 0 ? 1 : 0);
    };
    std::uint64_t before = 0, after = 0;
    b.on(0, [&](Cpu& cpu) {
        cpu.hpet_write(0x10, 1);
        before = cpu.hpet_read(0xf0);
    });
    CHECK(b.run(10ms) == nullptr);
    b.on(0, [&](Cpu& cpu) { after = cpu.hpet_read(0xf0); });
    CHECK(b.run(1ms) == nullptr);
    CHECK(after - before > 143'000);
}

TEST_CASE("a plain read of the TSC may be early under TC-F6, an ordered one never (TC 3.1)") {
    BootedMachine b;
    b.machine.cpu(0).tsc().set_fault(b.machine.now(), TscFault::kUnorderedRead, 1'000'000, {});
    bool differed = false;
    b.on(0, [&](Cpu& cpu) {
        for (int i = 0; i < 50; ++i) {
            const std::uint64_t plain = cpu.read_tsc_unordered();
            const std::uint64_t now = cpu.tsc().read(cpu.local_time());
            CHECK(plain <= now);
            CHECK(now - plain <= 1000);
            differed = differed || plain != now;
            const std::uint64_t ordered = cpu.read_tsc();
            CHECK(ordered == cpu.tsc().read(cpu.local_time()));
        }
    });
    CHECK(b.run() == nullptr);
    CHECK(differed);
}

TEST_CASE("a read of the counter under TC-F7 has one bit wrong, as often as asked") {
    BootedMachine b;
    b.machine.hpet().set_fault(b.machine.now(), HpetFault::kGlitchRead, 2, {});
    b.on(0, [](Cpu& cpu) {
        cpu.hpet_write(0x10, 1);
        CHECK((cpu.hpet_read(0xf0) >> 27) == 1);
        CHECK((cpu.hpet_read(0xf0) >> 27) == 1);
        CHECK((cpu.hpet_read(0xf0) >> 27) == 0);
    });
    CHECK(b.run() == nullptr);
}
