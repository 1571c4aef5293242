// Rows of lines that are read one after another (CacheLine::read_row): the same run as a loop of accesses.
#include <rapidcheck.h>

#include <deque>
#include <new>

#include "machine_fixture.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

struct Slot {
    CacheLine line;
    std::uint64_t value = 0;
};

class SlotRow final : public LineRow {
public:
    SlotRow(std::deque<Slot>& slots, std::vector<std::uint64_t>& seen) : slots_(slots), seen_(seen) {}
    CacheLine& line(std::size_t i) override { return slots_[i].line; }
    void read(std::size_t i) override { seen_.push_back(slots_[i].value); }

private:
    std::deque<Slot>& slots_;
    std::vector<std::uint64_t>& seen_;
};

/// What one CPU does again and again: waits, writes to a slot, reads the row.
struct RowLife {
    std::uint64_t wait = 1;  ///< cycles
    std::size_t slot = 0;
    bool irqs_off = true;
};

/// What comes from outside: a stall or an NMI of a CPU.
struct RowTrouble {
    Duration at{};
    CpuId cpu = 0;
    bool nmi = false;
};

struct RowPlay {
    MachineConfig config;
    std::size_t slots = 1;
    std::vector<RowLife> lives;  ///< a CPU
    std::vector<RowTrouble> troubles;
};

/// All that can be told of a run.
struct RowRun {
    std::vector<std::vector<std::uint64_t>> seen;  ///< a CPU: values, and the time after each reading of the row
    std::vector<std::uint64_t> points, yields;
    std::uint64_t steps = 0;
    std::uint64_t records = 0;
    Duration stalled{};
    bool operator==(const RowRun&) const = default;
};

RowRun perform(const RowPlay& play, bool as_row) {
    constexpr int kRounds = 5;
    std::deque<Slot> slots(play.slots);
    RowRun run;
    run.seen.resize(play.config.cpu_count);
    BootedMachine b(play.config);
    b.kernel.on_nmi = [&](Cpu& cpu) {
        slots[0].line.access(cpu, true);
        ++slots[0].value;
    };
    for (CpuId c = 0; c < play.config.cpu_count; ++c)
        b.on(c, [&, c](Cpu& cpu) {
            const RowLife& life = play.lives[c];
            SlotRow row(slots, run.seen[c]);
            const Price price = cpu.price(Cycles{7});
            for (int round = 0; round < kRounds; ++round) {
                cpu.spend(Cycles{life.wait});
                slots[life.slot].line.access(cpu, true);
                ++slots[life.slot].value;
                const bool irqs = life.irqs_off && cpu.irq_save();
                if (as_row) {
                    CacheLine::read_row(cpu, row, slots.size(), price);
                } else {
                    for (std::size_t i = 0; i < slots.size(); ++i) {
                        row.line(i).access(cpu, false);
                        row.read(i);
                        cpu.spend(price);
                    }
                }
                run.seen[c].push_back(static_cast<std::uint64_t>(ps(cpu.local_time())));
                cpu.irq_restore(irqs);
            }
        });
    for (const RowTrouble& t : play.troubles) {
        b.machine.run(std::max(b.machine.now(), kBoot + 10us + t.at), kAllSteps);
        if (t.nmi)
            b.machine.raise_nmi(t.cpu, {});
        else
            b.machine.stall(t.cpu, b.machine.now() + 700ns);
    }
    RC_ASSERT(b.run() == nullptr);
    for (CpuId c = 0; c < play.config.cpu_count; ++c) {
        run.points.push_back(b.machine.cpu(c).counters().points);
        run.yields.push_back(b.machine.cpu(c).counters().yields);
        run.stalled += b.machine.cpu(c).counters().stalled;
    }
    run.steps = b.machine.engine().steps();
    run.records = b.machine.records().committed();
    return run;
}

}  // namespace

TEST_CASE("a row is read as a loop of accesses reads it: turns, prices, values, stalls, jitter, NMIs (MA 3)") {
    REQUIRE(rc::check([] {
        RowPlay play;
        play.config = round_config(*rc::gen::inRange<CpuId>(1, 6));
        const CpuId cpus = play.config.cpu_count;
        play.config.node_count = *rc::gen::inRange<std::uint32_t>(1, std::min<std::uint32_t>(cpus, 2) + 1);
        play.config.jitter_per_1024 = *rc::gen::element(0u, 512u);
        play.config.quantum = *rc::gen::element(Duration{}, Duration{}, Duration{100ns});
        if (play.config.quantum == Duration{}) {
            play.config.break_ties = *rc::gen::arbitrary<bool>();
            play.config.stall_one_in = *rc::gen::element(0ul, 0ul, 20ul);
            play.config.max_stall = 400ns;
        }
        play.slots = *rc::gen::inRange<std::size_t>(1, 12);
        for (CpuId c = 0; c < cpus; ++c)
            play.lives.push_back({*rc::gen::inRange<std::uint64_t>(1, 400),
                                  *rc::gen::inRange<std::size_t>(0, play.slots), *rc::gen::arbitrary<bool>()});
        play.troubles.resize(*rc::gen::inRange<std::size_t>(0, 6));
        Duration at{};
        for (RowTrouble& t : play.troubles)
            t = {at += *rc::gen::inRange(0, 900) * Duration{1ns}, *rc::gen::inRange<CpuId>(0, cpus),
                 *rc::gen::arbitrary<bool>()};
        RC_ASSERT(perform(play, true) == perform(play, false));
    }));
}

TEST_CASE("a row that is freed while it is read is a verdict of the CPU that reads on (MA 1.4)") {
    BootedMachine b(round_config(3));
    std::deque<Slot> slots(4);
    std::vector<std::uint64_t> seen;
    auto* const memory = static_cast<Slot*>(b.machine.arena().allocate_at_boot(sizeof(Slot)));
    new (memory) Slot;
    struct Row final : LineRow {
        Row(std::deque<Slot>& slots_, Slot& freed_) : slots(slots_), freed(freed_) {}
        CacheLine& line(std::size_t i) override { return i == 3 ? freed.line : slots[i].line; }
        void read(std::size_t) override {}
        std::deque<Slot>& slots;
        Slot& freed;
    } row(slots, *memory);
    for (const CpuId c : {0u, 1u})
        b.on(c, [&](Cpu& cpu) {
            cpu.irq_disable();
            CacheLine::read_row(cpu, row, slots.size(), cpu.price(Cycles{50}));
            cpu.irq_enable();
        });
    b.on(2, [&](Cpu& cpu) {
        cpu.spend(Cycles{150});
        memory->~Slot();
        b.machine.arena().free(cpu, memory);
    });
    REQUIRE(b.run() == &checks::kUseAfterFree);
    CHECK(b.machine.verdict()->cpu != 2);
}
