// TMM 14: any operations of all CPUs at once, with jitter and stalls. When quiet nothing is wrong, and no timer is
// forgotten; with a guard left out some run shows it.
#include "linux/tmigr_fixture.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::tmigr;
using namespace ticklab::linux_::tmigr::testing;

namespace {

constexpr int kActs = 60;

/// What wheel and tick do on a CPU, in an order that the seed decides.
void live(HierarchyBench& b, Cpu& cpu, std::uint64_t seed) {
    const CpuId c = cpu.id();
    std::uint64_t state = sim::mix(seed, c + 1);
    const auto draw = [&](std::uint64_t bound) { return (state = sim::mix(state, 7)) % bound; };
    // Some only sleep: what they find on going idle are timers of others.
    const bool has_timers = draw(2) == 0;
    for (int i = 0; i < kActs; ++i) {
        cpu.spend(sim::Cycles{50 + draw(1500)});
        if (c == 0 && draw(3) == 0)
            ++b.jiffies_now;
        HierarchyBench::CpuTimers& t = b.timers(c);
        if (has_timers && draw(3) == 0) {
            const sim::SpinLockIrqGuard guard(cpu, *t.global_lock);
            b.add_timer(c, b.jiffies_now + 1 + static_cast<std::int64_t>(draw(6)));
        }
        if (!t.idle || t.armed <= b.now()) {
            b.run_global(cpu, c);
            b.tick(cpu);
        }
        if (t.idle)
            b.look_again(cpu);
        if (draw(2) == 0) {
            if (t.idle)
                b.leave_idle(cpu);
            else
                b.go_idle(cpu);
        }
    }
    if (seed % 3 == 0)
        return;
    // All go to sleep at about the same time, those that do already with another timer.
    if (!b.timers(c).idle) {
        b.go_idle(cpu);
    } else if (has_timers) {
        const sim::SpinLockIrqGuard guard(cpu, *b.timers(c).global_lock);
        b.add_timer(c, b.jiffies_now + 1);
    }
    b.look_again(cpu);
}

/// Every timer that is left is run by the edge after its own, whoever is awake.
bool runs_all_that_is_left(HierarchyBench& b) {
    for (int edges = 0; edges < 12; ++edges) {
        ++b.jiffies_now;
        for (CpuId c = 0; c < b.config.cpu_count; ++c) {
            if (b.timers(c).idle && b.timers(c).armed > b.now())
                continue;
            b.on(c, [&b, c](Cpu& cpu) {
                b.run_global(cpu, c);
                b.tick(cpu);
                if (b.timers(c).idle)
                    b.look_again(cpu);
            });
            b.run();
        }
        for (CpuId c = 0; c < b.config.cpu_count; ++c)
            if (b.first_global(c) <= b.now())
                return false;
    }
    return true;
}

/// What went wrong in the run of `seed`, empty for nothing.
std::string fault_of(std::uint64_t seed, const TmigrChanges& changes) {
    HierarchyBench b(static_cast<CpuId>(3 + seed % 6));
    b.config.seed = seed;
    b.config.jitter_per_1024 = 512;
    b.config.stall_one_in = 40;
    b.config.max_stall = 3us;
    b.parameters.children = seed % 2 == 0 ? 2 : 8;
    b.parameters.changes = changes;
    b.boot();
    for (CpuId c = 0; c < b.config.cpu_count; ++c)
        b.on(c, [&b, seed](Cpu& cpu) { live(b, cpu, seed); });
    if (std::string verdict = b.run_to_verdict(20ms); !verdict.empty())
        return verdict;
    if (std::string broken = b.broken(); !broken.empty())
        return broken;
    return runs_all_that_is_left(b) ? "" : "a timer is forgotten";
}

}  // namespace

TEST_CASE("all CPUs at once: when quiet nothing is wrong, and no timer is forgotten (TMM 14.1, 14.6)") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        CHECK(fault_of(seed, TmigrChanges{}) == "");
    }
}

TEST_CASE("all CPUs at once, with a guard left out: some run goes wrong") {
    for (const std::string guard : {"TMIGR-02", "TMIGR-03", "TMIGR-19", "TMIGR-20", "TMIGR-21"}) {
        CAPTURE(guard);
        const TmigrChanges changes = changes_without({guard});
        bool found = false;
        for (std::uint64_t seed = 1; seed <= 4000 && !found; ++seed)
            found = !fault_of(seed, changes).empty();
        CHECK(found);
    }
}
