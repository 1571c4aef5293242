// Placement at enqueue among busy CPUs near by (LPP).
#include "linux_fixture.hpp"
#include "ticklab/model/linux/push/nearby.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;

namespace {

const Placement& placement_of(std::string_view word) {
    return *std::find_if(kPlacements.begin(), kPlacements.end(), [&](const Placement& p) { return p.word == word; });
}

/// CPUs 0 to 3 on one node, 4 to 7 on the other.
struct PushBench : Bench {
    explicit PushBench(CpuId cpus = 8, std::uint32_t nodes = 2, std::string_view word = "push") : Bench(cpus) {
        config.node_count = nodes;
        linux_config.placement = &placement_of(word);
        linux_config.governor = GovernorKind::kAlways;
    }
    void arm_in_irq(CpuId cpu, Time at, std::int64_t timer, Time expires) {
        in_irq(cpu, at, [this, timer, expires](Cpu& on) { mod(on, timer, expires); });
    }
    std::vector<CpuId> fired_on() const {
        std::vector<CpuId> cpus;
        for (const Firing& f : firings)
            cpus.push_back(f.cpu);
        return cpus;
    }
};

struct SaysIdle final : IdleTest {
    std::uint32_t idle = 0;
    bool is_idle(Cpu&, CpuId asked) override { return ((idle >> asked) & 1) != 0; }
    bool need_resched(Cpu&) override { return false; }
};

constexpr CpuId kSix = 6;
CpuId node_of_six(CpuId c) { return c / 3; }

/// LPP 3.1 read aloud, for six CPUs on two nodes.
CpuId expected_choice(CpuId c, std::uint32_t idle, std::uint32_t keepers) {
    const auto has = [](std::uint32_t set, CpuId i) { return ((set >> i) & 1) != 0; };
    if (has(keepers, c) && !has(idle, c))
        return c;
    for (const bool node_only : {true, false})
        for (CpuId i = 0; i < kSix; ++i)
            if (i != c && has(keepers, i) && !has(idle, i) && (!node_only || node_of_six(i) == node_of_six(c)))
                return i;
    if (has(keepers, c))
        return c;
    for (const bool node_only : {true, false})
        for (CpuId i = 0; i < kSix; ++i)
            if (has(keepers, i) && (!node_only || node_of_six(i) == node_of_six(c)))
                return i;
    return c;
}

}  // namespace

TEST_CASE("the choice is what LPP 3.1 says, for every set of idle CPUs and of housekeepers") {
    PushBench b(kSix);
    SaysIdle test;
    std::deque<push::Nearby> choosers;
    for (std::uint32_t keepers = 0; keepers < 1u << kSix; ++keepers) {
        push::Isolation isolation;
        for (CpuId c = 0; c < kSix; ++c)
            isolation.nohz_full.push_back(((keepers >> c) & 1) == 0);
        choosers.emplace_back(b.machine(), isolation, test);
    }
    std::size_t asked = 0;
    std::size_t wrong = 0;
    for (CpuId c = 0; c < kSix; ++c)
        b.in_irq(c, at_ms(10 + c), [&](Cpu& cpu) {
            for (std::uint32_t keepers = 0; keepers < 1u << kSix; ++keepers)
                for (std::uint32_t idle = 0; idle < 1u << kSix; ++idle, ++asked) {
                    test.idle = idle;
                    wrong += choosers[keepers].choose(cpu) != expected_choice(cpu.id(), idle, keepers);
                }
        });
    b.run(at_ms(40));
    CHECK(asked == kSix << (2 * kSix));
    CHECK(wrong == 0);
}

TEST_CASE("CPUs found idle are asked again in each larger domain, and a busy CPU asks itself alone (LPP 3.3)") {
    PushBench b(kSix);
    SaysIdle test;
    push::Nearby nearby(b.machine(), {}, test);
    b.in_irq(1, at_ms(10), [&](Cpu& cpu) {
        test.idle = 0;
        CHECK(nearby.choose(cpu) == 1);
        CHECK(nearby.counters(1).idle_tests == 1);
        test.idle = 0b011111;
        CHECK(nearby.choose(cpu) == 5);
        // Itself, the two of its node, and all other five.
        CHECK(nearby.counters(1).idle_tests == 1 + 1 + 2 + 5);
        CHECK(nearby.counters(1).far == 1);
    });
    b.run(at_ms(20));
}

TEST_CASE("an isolated CPU has no domains: its timers go to a housekeeper of its node, busy or not (LPP 3.5, 11.1)") {
    PushBench b(kSix);
    SaysIdle test;
    push::Isolation isolation;
    isolation.isolated = {false, false, false, true, false, false};
    push::Nearby nearby(b.machine(), isolation, test);
    b.in_irq(3, at_ms(10), [&](Cpu& cpu) {
        test.idle = 0b111110;
        CHECK(nearby.choose(cpu) == 4);
        CHECK(nearby.counters(3).housekeeper == 1);
        CHECK(nearby.counters(3).idle_tests == 0);
    });
    b.run(at_ms(20));
}

TEST_CASE("CPUs that are not active are in no domain (LPP 11.2)") {
    PushBench b(kSix);
    SaysIdle test;
    push::Nearby nearby(b.machine(), {}, test);
    b.control(0, at_ms(5), [&](Cpu& cpu) { nearby.set_active(cpu, 1, false); });
    b.in_irq(2, at_ms(10), [&](Cpu& cpu) {
        test.idle = 0b111101;
        CHECK(nearby.choose(cpu) == 2);
    });
    b.control(0, at_ms(15), [&](Cpu& cpu) { nearby.set_active(cpu, 1, true); });
    b.in_irq(2, at_ms(20), [&](Cpu& cpu) { CHECK(nearby.choose(cpu) == 1); });
    b.run(at_ms(30));
    CHECK(nearby.counters(2).idle == 1);
    CHECK(nearby.counters(2).near == 1);
}

TEST_CASE("a timer armed by an interrupt of an idle CPU goes to the lowest busy CPU of the nearest domain (LPP 3)") {
    PushBench b;
    for (const CpuId c : {1u, 2u, 5u})
        b.busy(c, at_ms(20), at_ms(200));
    b.arm_in_irq(3, at_us(50'100), 0, at_ms(70));
    b.arm_in_irq(7, at_us(50'200), 1, at_ms(72));
    b.arm_in_irq(0, at_us(50'300), 2, at_ms(74));
    b.run(at_ms(100));
    CHECK(b.fired_on() == std::vector<CpuId>{1, 5, 1});
    CHECK(b.state("cpu3.push.near") == 1);
    CHECK(b.state("cpu1.timers.local.pushed") == 2);
    // Busy ones need no kick, and nobody woke for what was given away (LPP 6.3, 7.3).
    CHECK(b.state("cpu1.timers.local.kicks") == 0);
    CHECK(b.state("cpu3.timers.local.expired") == 0);
}

TEST_CASE("with no busy CPU on the node it goes to one of the other node, with none at all it stays (LPP 3.1, 3.6)") {
    PushBench b;
    b.arm_in_irq(6, at_us(30'100), 0, at_ms(40));
    b.busy(2, at_ms(50), at_ms(200));
    b.arm_in_irq(6, at_us(60'100), 1, at_ms(80));
    b.run(at_ms(100));
    CHECK(b.fired_on() == std::vector<CpuId>{6, 2});
    CHECK(b.state("cpu6.push.idle") == 1);
    CHECK(b.state("cpu6.push.far") == 1);
}

TEST_CASE("with an owner of the idle load balancer timers go to it, and not to a busy CPU (LPP 3.7, LPP-D5)") {
    PushBench b(4, 1);
    b.linux_config.nohz_balancer = true;
    b.busy(0, at_us(100), at_ms(100));
    b.run(at_ms(50));
    const CpuId owner = b.core().balancer->owner();
    REQUIRE(owner != sim::kNoCpu);
    const CpuId asker = owner == 3 ? 2 : 3;
    b.arm_in_irq(asker, at_us(60'100), 0, at_ms(70));
    b.arm_in_irq(owner, at_us(60'300), 1, at_ms(72));
    b.arm_in_irq(0, at_us(60'500), 2, at_ms(74));
    b.run(at_ms(90));
    CHECK(b.fired_on() == std::vector<CpuId>{owner, owner, 0});
    // All idle: there is no owner, and it stays.
    b.arm_in_irq(asker, at_us(150'100), 3, at_ms(170));
    b.run(at_ms(200));
    CHECK(b.fired_on().back() == asker);
    const push::Nearby& nearby = b.core().migration->choice()->nearby();
    CHECK(nearby.counters(asker).owner == 1);
    CHECK(nearby.counters(asker).idle == 1);
    CHECK(nearby.counters(owner).idle == 1);
    CHECK(nearby.counters(0).busy >= 1);
    CHECK(nearby.counters(asker).near == 0);
}

TEST_CASE("a thread that arms a timer makes its CPU busy, so the timer stays (LPP 3.2)") {
    PushBench b;
    b.busy(0, at_ms(20), at_ms(200));
    b.on(3, at_us(50'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(70)); });
    b.run(at_ms(100));
    CHECK(b.fired_on() == std::vector<CpuId>{3});
    CHECK(b.state("cpu3.push.busy") == 1);
}

TEST_CASE("a pinned timer stays on the CPU that arms it, and moves there from another (LPP 4.2, Q6)") {
    PushBench b;
    b.busy(0, at_ms(20), at_ms(200));
    b.in_irq(3, at_us(50'100), [&](Cpu& cpu) {
        b.perform(cpu, "timer.init", {std::int64_t{0}, true});
        b.mod(cpu, 0, at_ms(70));
    });
    b.arm_in_irq(2, at_us(55'100), 0, at_ms(80));
    b.run(at_ms(100));
    CHECK(b.fired_on() == std::vector<CpuId>{2});
    CHECK(b.state("cpu0.timers.local.pushed") == 0);
}

TEST_CASE("all but deferrable timers are on one base (LPP 4.1), and add_timer_on pins nothing (LPP 4.2)") {
    PushBench b;
    b.on(0, at_us(50'100), [&](Cpu& cpu) {
        b.perform(cpu, "timer.add_on", {std::int64_t{0}, at_ms(90), std::int64_t{3}});
        b.mod(cpu, 1, at_ms(90));
    });
    b.busy(1, at_ms(55), at_ms(200));
    b.run(at_ms(55));
    CHECK(b.state("cpu3.timers.local.pending") == 1);
    CHECK(b.state("cpu0.timers.local.pending") == 1);
    CHECK(b.state("cpu0.timers.global.enqueued") == 0);
    b.arm_in_irq(3, at_us(60'100), 0, at_ms(80));
    b.run(at_ms(100));
    CHECK(b.fired_on() == std::vector<CpuId>{1, 0});
}

TEST_CASE("a modification within the bucket moves nothing, and wastes no choice (LPP 1.3)") {
    PushBench b;
    // 200 jiffies ahead: buckets of eight.
    b.arm_in_irq(3, at_us(40'100), 0, at_ms(250));
    b.busy(0, at_ms(50), at_ms(400));
    b.arm_in_irq(3, at_us(60'100), 0, at_ms(252));
    b.run(at_ms(61));
    CHECK(b.state("cpu3.timers.local.pending") == 1);
    CHECK(b.state("cpu3.timers.local.requeues_saved") == 1);
    CHECK(b.state("cpu3.push.near") == 0);
    b.arm_in_irq(3, at_us(70'100), 0, at_ms(300));
    b.run(at_ms(71));
    CHECK(b.state("cpu0.timers.local.pending") == 1);
}

TEST_CASE("a timer whose callback runs stays where it runs (LPP 5.3)") {
    PushBench b;
    b.busy(1, at_ms(20), at_ms(200));
    b.arm_in_irq(2, at_us(30'100), 0, at_ms(50));
    bool again = false;
    b.on_fired = [&](Cpu& cpu, sim::TimerIndex) {
        if (!again)
            cpu.spend_time(4ms);
        again = true;
    };
    b.busy(0, at_ms(45), at_ms(200));
    b.arm_in_irq(3, at_us(53'100), 0, at_ms(70));
    b.run(at_ms(100));
    CHECK(b.fired_on() == std::vector<CpuId>{1, 1});
}

TEST_CASE("a target that goes idle after it was chosen is kicked, one that is still awake is not (LPP 6.2)") {
    for (const bool falls_asleep : {true, false}) {
        CAPTURE(falls_asleep);
        PushBench b;
        b.busy(1, at_ms(20), at_ms(50));
        b.hold(linux_::sites::kMigrating, 3, falls_asleep ? 3ms : 100us);
        b.arm_in_irq(3, at_us(49'500), 0, at_ms(60));
        b.run(at_ms(100));
        REQUIRE(b.firings.size() == 1);
        CHECK(b.firings[0].cpu == 1);
        CHECK(b.firings[0].at < at_us(61'300));
        CHECK(b.state("cpu1.timers.local.kicks") == (falls_asleep ? 1 : 0));
        CHECK(b.state("cpu1.timers.local.pushed_asleep") == 1);
    }
}

TEST_CASE("a deferrable timer is placed like others and kicks nobody (LPP 8.1)") {
    PushBench b;
    b.busy(1, at_ms(20), at_ms(50));
    b.hold(linux_::sites::kMigrating, 3, 3ms);
    b.in_irq(3, at_us(49'500), [&](Cpu& cpu) {
        b.perform(cpu, "timer.init", {std::int64_t{0}, false, true});
        b.mod(cpu, 0, at_ms(60));
    });
    b.busy(1, at_ms(90), at_ms(95));
    b.run(at_ms(120));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].cpu == 1);
    CHECK(b.firings[0].at > at_ms(90));
    CHECK(b.state("cpu1.timers.deferrable.pushed") == 1);
    CHECK(b.state("cpu1.timers.deferrable.kicks") == 0);
}

TEST_CASE("timer_migration = 0 leaves every timer where it is armed, and moves none that is queued (LPP 2.2, Q5)") {
    PushBench b;
    b.busy(0, at_ms(20), at_ms(200));
    b.arm_in_irq(3, at_us(30'100), 0, at_ms(80));
    b.on(1, at_ms(40), [&](Cpu& cpu) { b.perform(cpu, "sysctl.timer_migration", {false}); });
    b.arm_in_irq(3, at_us(50'100), 1, at_ms(85));
    b.on(1, at_ms(60), [&](Cpu& cpu) { b.perform(cpu, "sysctl.timer_migration", {true}); });
    b.arm_in_irq(3, at_us(70'100), 2, at_ms(90));
    b.run(at_ms(120));
    CHECK(b.fired_on() == std::vector<CpuId>{0, 3, 0});
}

TEST_CASE("without NOHZ, or with the sysctl off at boot, nothing is pushed (LPP 2.1)") {
    for (const bool nohz : {true, false}) {
        CAPTURE(nohz);
        PushBench b;
        b.linux_config.tick.nohz = nohz;
        b.linux_config.placements.push.timer_migration = !nohz;
        b.busy(0, at_ms(20), at_ms(200));
        b.arm_in_irq(3, at_us(30'100), 0, at_ms(50));
        b.run(at_ms(100));
        CHECK_FALSE(b.core().migration->choice()->migration_switch().peek());
        CHECK(b.fired_on() == std::vector<CpuId>{3});
    }
}

TEST_CASE("kicks begin when the switch is on, in the same work item (LPP 2.3)") {
    PushBench b;
    while (!b.core().wheel.nohz_active()) {
        REQUIRE(b.machine().now() < at_ms(20));
        b.run(b.machine().now() + 1us);
    }
    CHECK(b.core().migration->choice()->migration_switch().peek());
}

TEST_CASE("a high-resolution timer goes only behind what its target wakes for anyway (LPP 9.1, LHR 8.2)") {
    for (const std::string_view placement : {"push", "tmigr"}) {
        CAPTURE(placement);
        PushBench b(8, 2, placement);
        b.busy(0, at_ms(20), at_ms(200));
        b.in_irq(3, at_us(50'300), [&](Cpu& cpu) {
            // The next tick of CPU 0 is at 51 ms.
            b.perform(cpu, "hrtimer.start", {std::int64_t{0}, at_us(50'800)});
            b.perform(cpu, "hrtimer.start", {std::int64_t{1}, at_us(60'500)});
            b.perform(cpu, "hrtimer.start", {std::int64_t{2}, at_us(60'600), sim::Duration::zero(), true});
        });
        b.run(at_ms(100));
        CHECK(b.fired_on() == std::vector<CpuId>{3, 0, 3});
        CHECK(b.firings[1].at >= at_us(60'500));
        CHECK(b.firings[1].at < at_us(60'510));
    }
}

TEST_CASE("from 7.1 on an idle CPU whose tick still runs keeps its high-resolution timers (LHR 8.4)") {
    for (const bool prefers_local : {true, false}) {
        CAPTURE(prefers_local);
        PushBench b(8, 2, "tmigr");
        b.linux_config.placements.tmigr.changes.hrtimers_prefer_local = prefers_local;
        b.busy(0, at_ms(20), at_ms(200));
        b.busy(3, at_ms(20), at_us(50'200));
        // It runs at 51 ms, within a tick of the end of the work, so the tick is kept.
        b.arm_in_irq(3, at_us(50'100), 0, at_ms(50));
        b.in_irq(3, at_us(50'600), [&](Cpu& cpu) {
            b.perform(cpu, "hrtimer.start", {std::int64_t{1}, at_us(60'500)});
        });
        b.run(at_ms(100));
        CHECK(b.fired_on() == std::vector<CpuId>{3, prefers_local ? 3u : 0u});
    }
}

TEST_CASE("a CPU that is isolated at run time is chosen no longer, until it is isolated no longer (LPP 11.3)") {
    PushBench b(4, 1, "tmigr");
    b.busy(1, at_ms(20), at_ms(200));
    b.on(0, at_ms(30), [&](Cpu& cpu) { b.perform(cpu, "cpuset.isolate", {std::int64_t{1}}); });
    b.in_irq(3, at_us(50'300), [&](Cpu& cpu) { b.perform(cpu, "hrtimer.start", {std::int64_t{0}, at_us(60'500)}); });
    b.on(0, at_ms(70), [&](Cpu& cpu) { b.perform(cpu, "cpuset.unisolate", {std::int64_t{1}}); });
    b.in_irq(3, at_us(80'300), [&](Cpu& cpu) { b.perform(cpu, "hrtimer.start", {std::int64_t{1}, at_us(90'500)}); });
    b.run(at_ms(100));
    CHECK(b.fired_on() == std::vector<CpuId>{3, 1});
}

TEST_CASE("a busy CPU that idles keeps what it was given and wakes for each of them (LPP X3)") {
    PushBench b(8, 1);
    b.busy(0, at_ms(20), at_ms(60));
    for (CpuId c = 1; c < 8; ++c)
        b.arm_in_irq(c, at_us(50'000 + 100 * c), c, at_ms(100 + 10 * c));
    b.run(at_ms(250));
    CHECK(b.fired_on() == std::vector<CpuId>(7, 0));
    CHECK(b.state("cpu0.timers.local.pushed") == 7);
    CHECK(b.state("cpu0.timers.local.pushed_asleep") == 7);
}

TEST_CASE("a pushed timer that is deleted or moved was a wasted choice (LPP X1)") {
    PushBench b;
    b.busy(0, at_ms(20), at_ms(200));
    b.arm_in_irq(3, at_us(50'100), 0, at_ms(70));
    b.arm_in_irq(2, at_us(55'100), 0, at_ms(80));
    b.on(1, at_us(60'100), [&](Cpu& cpu) { b.perform(cpu, "timer.delete", {std::int64_t{0}}); });
    b.run(at_ms(100));
    CHECK(b.firings.empty());
    CHECK(b.state("cpu0.timers.local.pushed") == 2);
    CHECK(b.state("cpu0.timers.local.pushed_wasted") == 2);
}

TEST_CASE("a target that goes off-line while a timer is on its way to it loses none (LPP 5.5, P3)") {
    PushBench b;
    b.busy(1, at_ms(20), at_ms(200));
    b.hold(linux_::sites::kMigrating, 3, 2ms);
    b.arm_in_irq(3, at_us(50'100), 0, at_ms(70));
    b.offline(1, at_us(50'200));
    b.run(at_ms(120));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].cpu == 0);
    CHECK(b.state("cpu1.timers.local.moved_away") == 1);
    // What comes next does not choose it.
    b.arm_in_irq(3, at_us(130'100), 0, at_ms(140));
    b.run(at_ms(160));
    CHECK(b.firings.back().cpu == 3);
}

TEST_CASE("operations on a timer that is between two bases wait, and take effect on the second (LPP 5.2)") {
    for (const std::string_view verb : {"timer.delete", "timer.delete_sync", "timer.mod"}) {
        CAPTURE(verb);
        PushBench b;
        b.arm_in_irq(3, at_us(30'100), 0, at_ms(300));
        b.busy(0, at_ms(40), at_ms(200));
        b.hold(linux_::sites::kMigrating, 3, 2ms);
        b.arm_in_irq(3, at_us(50'100), 0, at_ms(70));
        b.on(5, at_us(51'100), [&](Cpu& cpu) {
            if (verb == "timer.mod")
                b.mod(cpu, 0, at_ms(90));
            else
                b.perform(cpu, verb, {std::int64_t{0}});
        });
        b.run(at_ms(120));
        CHECK(b.fired_on() == (verb == "timer.mod" ? std::vector<CpuId>{5} : std::vector<CpuId>{}));
    }
}

TEST_CASE("an idle target whose base's clock is old gets the timer in the right bucket (LPP 5.6)") {
    PushBench b;
    b.linux_config.placements.push.isolation.isolated = {};
    b.linux_config.isolated = "3";
    // CPU 0 sleeps from the start; CPU 3 is no housekeeper and gives its timer to it.
    b.arm_in_irq(3, at_us(700'100), 0, at_ms(740));
    b.run(at_ms(900));
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].cpu == 0);
    CHECK(b.firings[0].at < at_us(741'300));
    CHECK(b.state("cpu0.timers.local.kicks") == 1);
    CHECK(b.state("cpu3.push.housekeeper") == 1);
}

TEST_CASE("with every CPU busy, push does what local does (LPP P5)") {
    std::vector<std::vector<std::pair<sim::TimerIndex, CpuId>>> runs;
    for (const std::string_view word : {"local", "push"}) {
        PushBench b(4, 1, word);
        for (CpuId c = 0; c < 4; ++c)
            b.busy(c, at_ms(10), at_ms(300));
        for (CpuId c = 0; c < 4; ++c)
            for (std::int64_t i = 0; i < 8; ++i)
                b.arm_in_irq(c, at_us(20'000 + 700 * i + 90 * c), 8 * c + i, at_ms(40 + 13 * ((i * 5 + c) % 7)));
        b.run(at_ms(250));
        std::vector<std::pair<sim::TimerIndex, CpuId>>& run = runs.emplace_back();
        for (const Bench::Firing& f : b.firings)
            run.emplace_back(f.timer, f.cpu);
        std::stable_sort(run.begin(), run.end(), [](const auto& x, const auto& y) { return x.second < y.second; });
        CHECK(run.size() == 32);
    }
    CHECK(runs[0] == runs[1]);
}

TEST_CASE("a CPU that keeps its tick is not left marked idle (LPP 7.2)") {
    PushBench b;
    b.linux_config.governor = GovernorKind::kMenu;
    // Interrupts at short distances: the governor keeps the tick.
    for (int i = 0; i < 100; ++i)
        b.in_irq(2, at_us(50'000 + 300 * i), [](Cpu&) {});
    bool marked = false;
    for (int i = 50; i < 100; ++i)
        b.in_irq(2, at_us(50'100 + 300 * i),
                 [&](Cpu&) { marked = marked || b.base(2, BaseIndex::kLocal).is_idle.peek() != b.tick(2).stopped; });
    b.run(at_ms(100));
    CHECK_FALSE(marked);
}
