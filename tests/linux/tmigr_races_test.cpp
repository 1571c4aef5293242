// The numbered plays of placement.hpp and scenarios (a) to (h) of TMM 16: each with its guard, state by state, and with
// the guard left out, when its check must see the wrong outcome.
#include "linux/tmigr_fixture.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::tmigr;
using namespace ticklab::linux_::tmigr::testing;

namespace {

/// Four CPUs in two groups of two, numbered 0 and 1, below root 2.
struct Quad : HierarchyBench {
    explicit Quad(std::vector<std::string> without = {}, std::vector<std::string> with = {}) : HierarchyBench(4) {
        parameters.children = 2;
        parameters.changes = changes_without(std::move(without), {}, std::move(with));
        boot();
    }
};

std::vector<std::string> unless(bool guarded, const char* change) {
    return guarded ? std::vector<std::string>{} : std::vector<std::string>{change};
}

void idle_all(HierarchyBench& b, const std::vector<CpuId>& cpus) {
    for (const CpuId c : cpus) {
        b.on(c, [&b](Cpu& cpu) { b.go_idle(cpu); });
        b.run();
    }
}

void wake(HierarchyBench& b, CpuId c) {
    b.on(c, [&b](Cpu& cpu) { b.leave_idle(cpu); });
    b.run();
}

}  // namespace

TEST_CASE(
    "play 2, same bits again: a late deactivation does not undo an activation (TMM 7.4, scenario (a), TMIGR-19)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        Quad b(unless(guarded, "TMIGR-19"));
        idle_all(b, {1, 2, 3});
        CHECK(b.state(0) == "1/1");
        CHECK(b.state(2) == "1/1");
        // Held in its second group, with the root's and its child's state read.
        b.hold(tmigr::sites::kInactiveBeforeCas, 0, 100us, 2);
        b.on(0, [&](Cpu& cpu) { b.go_idle(cpu); });
        b.on(
            1,
            [&](Cpu& cpu) {
                CHECK(b.state(0) == "0/-");
                CHECK(b.state(2) == "1/1");
                b.leave_idle(cpu);
                CHECK(b.state(0) == "2/2");
                CHECK(b.state(2) == "1/1");
            },
            20us);
        b.run();
        CHECK(b.state(0) == "2/2");
        CHECK(b.state(2) == (guarded ? "1/1" : "0/-"));
        CHECK(b.broken() == (guarded ? "" : "tmigr.quiet.active_bit"));
    }
}

TEST_CASE(
    "play 1, stale child: with weak memory, states read out of order lose an activation (TMM 15 O3, O4, TMIGR-24)") {
    for (const bool guarded : {true, false}) {
        int lost = 0;
        for (std::uint64_t seed = 1; seed <= 300; ++seed) {
            HierarchyBench b(4);
            b.config.memory_model = sim::MemoryModel::kWeak;
            b.config.seed = seed;
            b.parameters.children = 2;
            b.parameters.changes = changes_without(unless(guarded, "TMIGR-24"));
            b.boot();
            idle_all(b, {1, 2, 3});
            // Held at the root, before it reads anything there, until the other has passed by.
            b.hold(tmigr::sites::kInactiveBeforeRead, 0, 20us, 2);
            b.on(0, [&](Cpu& cpu) { b.go_idle(cpu); });
            b.on(
                1,
                [&](Cpu& cpu) {
                    cpu.spend_time(std::chrono::nanoseconds{seed % 100 * 20});
                    b.leave_idle(cpu);
                },
                18us);
            b.run();
            lost += b.broken() == "tmigr.quiet.active_bit";
        }
        CAPTURE(lost);
        CHECK((lost == 0) == guarded);
    }
}

TEST_CASE("play 3, last one out against a new timer: one of them arms (TMM 8.7, scenario (b), TMIGR-20)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        HierarchyBench b(2);
        b.parameters.changes = changes_without(unless(guarded, "TMIGR-20"));
        b.boot();
        idle_all(b, {0});
        b.add_timer(0, 5);
        b.hold(guarded ? tmigr::sites::kEventsBeforeLock : tmigr::sites::kEventsSampled, 0, 100us);
        b.on(0, [&](Cpu& cpu) { b.look_again(cpu); });
        b.on(
            1, [&](Cpu& cpu) { b.go_idle(cpu); }, 20us);
        b.run();
        CHECK(b.timers(1).armed == kKtimeMax);
        CHECK(ns(b.timers(0).armed) == ns(guarded ? edge(5) : kKtimeMax));
        CHECK(b.broken() == (guarded ? "" : "tmigr.quiet.nobody_wakes"));
    }
}

TEST_CASE("play 3 with the last one second: it finds the new timer (TMM 8.7)") {
    HierarchyBench b(2);
    b.boot();
    idle_all(b, {0});
    b.add_timer(0, 5);
    b.hold(tmigr::sites::kEventsBeforeLock, 1, 100us);
    b.on(1, [&](Cpu& cpu) { b.go_idle(cpu); });
    b.on(
        0, [&](Cpu& cpu) { b.look_again(cpu); }, 20us);
    b.run();
    // Both saw nobody awake: redundant, and safe (TMM 10.4).
    CHECK(b.timers(0).armed == edge(5));
    CHECK(b.timers(1).armed == edge(5));
    b.require_quiet();
}

TEST_CASE("play 4, siblings of one event: both are expired in one pass (TMM 9.5, scenario (c), TMIGR-21)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        Quad b(unless(guarded, "TMIGR-21"));
        b.add_timer(0, 5);
        b.add_timer(1, 5);
        idle_all(b, {0, 1, 3});
        b.jiffies_now = 5;
        b.on(2, [&](Cpu& cpu) { CHECK(b.tick(cpu)); });
        b.run();
        if (guarded) {
            CHECK(b.expiries == std::vector<HierarchyBench::Expiry>{{0, 2, edge(5)}, {1, 2, edge(5)}});
            b.require_quiet();
        } else {
            CHECK(b.expiries == std::vector<HierarchyBench::Expiry>{{0, 2, edge(5)}});
            CHECK(b.broken() == "tmigr.quiet.uncovered_group");
        }
    }
}

TEST_CASE("an event of unchanged expiry names the CPU that is first now (TMM 8.3, TMIGR-03)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        Quad b(unless(guarded, "TMIGR-03"));
        b.add_timer(0, 5);
        b.add_timer(1, 5);
        idle_all(b, {0, 1, 3});
        wake(b, 0);
        b.timers(0).global.clear();
        idle_all(b, {0});
        CHECK(b.group(0).groupevt.cpu.peek() == (guarded ? 1 : 0));
        b.jiffies_now = 5;
        b.on(2, [&](Cpu& cpu) { CHECK(b.tick(cpu)); });
        b.run();
        CHECK(b.expiries.size() == (guarded ? 1 : 0));
        CHECK(b.broken() == (guarded ? "" : "tmigr.quiet.uncovered_group"));
    }
}

TEST_CASE("play 5, due within the softirq: a CPU runs its own timers again (TMM 9.6, scenario (d))") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        HierarchyBench b(2);
        b.parameters.changes = changes_without(unless(guarded, "TMM 9.6"));
        b.boot();
        b.add_timer(0, 5);
        idle_all(b, {1, 0});
        CHECK(b.timers(0).armed == edge(5));
        b.on(0, [&](Cpu& cpu) {
            b.jiffies_now = 4;
            b.run_global(cpu, 0);
            b.jiffies_now = 5;
            b.placement().handle_remote(cpu);
        });
        CHECK(b.run_to_verdict() == (guarded ? "" : "tmigr.remote.endless"));
        CHECK(b.expiries.size() == (guarded ? 1 : 0));
    }
}

TEST_CASE(
    "play 6, a level appears under a walk: the walk goes on with the right mask (TMM 13.4, scenario (e), TMIGR-09)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        HierarchyBench b(16);
        b.parameters.changes = changes_without(unless(guarded, "TMIGR-09"));
        b.boot(8);
        idle_all(b, {0, 1, 2, 3, 4, 5, 6, 7});
        b.hold(tmigr::sites::kWalkBeforeParent, 2, 100us);
        b.on(2, [&](Cpu& cpu) { b.leave_idle(cpu); });
        b.on(
            1, [&](Cpu& cpu) { b.leave_idle(cpu); }, 10us);
        // The link of the old root: the second of a group, the third of all.
        b.hold(guarded ? tmigr::sites::kSetupLinked : tmigr::sites::kSetupPublished, 1, 200us, guarded ? 3 : 2);
        b.control(
            1, [&](Cpu& cpu) { b.placement().prepare(cpu, 8); }, 20us);
        CHECK(b.run_to_verdict() == (guarded ? "" : "tmigr.walk.mask"));
        if (guarded) {
            CHECK(b.state(2) == "1/1");
            b.require_quiet();
        }
    }
}

TEST_CASE("a walk that reads the parent twice enters a new root with a mask of another level (TMM 5.1, TMIGR-06)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        HierarchyBench b(16);
        b.parameters.changes = changes_without(unless(guarded, "TMIGR-06"));
        b.boot(8);
        idle_all(b, {0, 1, 2, 3, 4, 5, 6, 7});
        b.hold(guarded ? tmigr::sites::kWalkBeforeParent : tmigr::sites::kWalkBetweenReads, 2, 100us);
        b.on(2, [&](Cpu& cpu) { b.leave_idle(cpu); });
        b.on(
            1, [&](Cpu& cpu) { b.leave_idle(cpu); }, 10us);
        b.control(
            1, [&](Cpu& cpu) { b.placement().prepare(cpu, 8); }, 20us);
        CHECK(b.run_to_verdict() == (guarded ? "" : "tmigr.walk.mask"));
    }
}

TEST_CASE("a parent that is published without order is read before what was written into it (TMM 15 O1, TMIGR-10)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        HierarchyBench b(16);
        b.parameters.changes = changes_without(unless(guarded, "TMIGR-10"));
        b.boot(8);
        idle_all(b, {0, 1, 2, 3, 4, 5, 6, 7});
        b.hold(tmigr::sites::kWalkBeforeParent, 2, 100us);
        b.on(2, [&](Cpu& cpu) { b.leave_idle(cpu); });
        b.on(
            1, [&](Cpu& cpu) { b.leave_idle(cpu); }, 10us);
        // Linked, and nothing of the old root's state is asked for yet.
        b.hold(tmigr::sites::kSetupLinked, 1, 200us, 3);
        b.control(
            1, [&](Cpu& cpu) { b.placement().prepare(cpu, 8); }, 20us);
        CHECK(b.run_to_verdict() == (guarded ? "" : "memory.data_race"));
    }
}

TEST_CASE("play 7, whose activity: a CPU that comes up marks an idle group as active (race A, TMIGR-07)") {
    HierarchyBench b(16);
    b.parameters.changes = changes_without({"TMIGR-07"});
    b.boot(8);
    idle_all(b, {1, 2, 3, 4, 5, 6, 7});
    b.hold(tmigr::sites::kSetupSampled, 8, 100us);
    b.control(8, [&](Cpu& cpu) { b.placement().set_available(cpu); });
    b.on(
        0, [&](Cpu& cpu) { b.go_idle(cpu); }, 20us);
    b.run();
    CHECK(b.state(0) == "0/-");
    CHECK(b.state(2) == "3/1");
    CHECK(b.broken() == "tmigr.quiet.active_bit");
}

TEST_CASE("a CPU that comes up leaves the events of an idle old root behind (race B, TMIGR-08)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        HierarchyBench b(16);
        b.parameters.changes = changes_without(unless(guarded, "TMIGR-07"));
        b.boot(8);
        b.add_timer(0, 5);
        idle_all(b, {1, 2, 3, 4, 5, 6, 7, 0});
        b.idle_loop_leaves = true;
        if (guarded)
            b.control(0, [&](Cpu& cpu) { b.placement().prepare(cpu, 8); });
        b.run();
        b.control(8, [&](Cpu& cpu) { b.placement().set_available(cpu); });
        b.run();
        CHECK(b.broken() == (guarded ? "" : "tmigr.quiet.uncovered_group"));
    }
}

TEST_CASE("play 7 by a CPU outside the hierarchy: it lets one that is inside do it (TMM 13.6, TMIGR-13)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        HierarchyBench b(16);
        b.parameters.changes = changes_without(unless(guarded, "TMIGR-13"));
        b.boot(8);
        b.control(7, [&](Cpu& cpu) { b.placement().clear_available(cpu); });
        b.run();
        idle_all(b, {0, 1, 2, 3, 4, 5, 6});
        b.idle_loop_leaves = true;
        b.control(7, [&](Cpu& cpu) { b.placement().prepare(cpu, 8); });
        b.run();
        CHECK(b.state(0) == (guarded ? "1/1" : "0/-"));
        CHECK(b.state(2) == "1/1");
        CHECK(b.broken() == (guarded ? "" : "tmigr.quiet.active_bit"));
    }
}

TEST_CASE("with nobody in the hierarchy a new root is linked and stays inactive (TMM 13.6)") {
    HierarchyBench b(16);
    b.boot(8);
    for (CpuId c = 0; c < 8; ++c) {
        b.control(c, [&](Cpu& cpu) { b.placement().clear_available(cpu); });
        b.run();
    }
    b.control(7, [&](Cpu& cpu) { CHECK(b.placement().prepare(cpu, 8)); });
    b.run();
    CHECK(b.state(2) == "0/-");
    b.require_quiet();
    b.control(3, [&](Cpu& cpu) { b.placement().set_available(cpu); });
    b.run();
    CHECK(b.state(2) == "1/1");
    b.require_quiet();
}

TEST_CASE("play 7 with an activation under way: it finds the new root by itself (TMM 13.5, scenario (f), TMIGR-14)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        HierarchyBench b(8);
        b.parameters.children = 2;
        b.parameters.changes = changes_without(unless(guarded, "TMIGR-14"));
        b.boot(4);
        idle_all(b, {0, 1, 2, 3});
        // CPU 0 has made its leaf active and lags behind; CPU 1 finds the leaf active and stops there.
        b.hold(tmigr::sites::kWalkBeforeParent, 0, 100us);
        b.on(0, [&](Cpu& cpu) { b.leave_idle(cpu); });
        b.on(
            1, [&](Cpu& cpu) { b.leave_idle(cpu); }, 10us);
        b.control(
            1,
            [&](Cpu& cpu) {
                CHECK(b.state(0) == "3/1");
                CHECK(b.state(2) == "0/-");
                CHECK(b.placement().prepare(cpu, 4));
                CHECK(b.state(b.placement().groups().size() - 1) == "0/-");
            },
            20us);
        CHECK(b.run_to_verdict() == (guarded ? "" : "tmigr.warn.old_root"));
        if (guarded) {
            CHECK(b.state(2) == "1/1");
            CHECK(b.state(b.placement().groups().size() - 1) == "1/1");
            b.require_quiet();
        }
    }
}

TEST_CASE("play 8, duty stolen: who is no migrator any more forgets its wake-up (TMM 9.2, scenario (h), TMIGR-04)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        HierarchyBench b(2);
        b.parameters.changes = changes_without(unless(guarded, "TMIGR-04"));
        b.boot();
        b.add_timer(1, 5);
        idle_all(b, {1, 0});
        CHECK(b.timers(0).armed == edge(5));
        wake(b, 1);
        b.jiffies_now = 5;
        b.on(1, [&](Cpu& cpu) {
            b.run_global(cpu, 1);
            b.tick(cpu);
        });
        b.run();
        for (int i = 0; i < 3; ++i) {
            b.on(0, [&](Cpu& cpu) {
                CHECK(b.tick(cpu) == (!guarded || i == 0));
                b.look_again(cpu);
            });
            b.run();
            CHECK(ns(b.timers(0).armed) == ns(guarded ? kKtimeMax : edge(5)));
        }
    }
}

TEST_CASE("play 9, the last one leaves: another CPU is awake when it has left (TMM 12.2, scenario (g))") {
    HierarchyBench b(4);
    b.boot();
    b.add_timer(2, 5);
    idle_all(b, {0, 2, 3});
    b.idle_loop_leaves = true;
    bool awake_after = false;
    b.control(1, [&](Cpu& cpu) {
        b.placement().clear_available(cpu);
        awake_after = !b.timers(0).idle;
    });
    b.run();
    CHECK(awake_after);
    CHECK(b.state(0) == "1/1");
    CHECK(responsible_for(b.placement(), 2) == 0);
    b.require_quiet();
    b.idle_loop_leaves = false;
    idle_all(b, {0});
    CHECK(b.timers(0).armed == edge(5));
    CHECK(responsible_for(b.placement(), 2) == kNoCpu);
    b.require_quiet();
}

TEST_CASE("the last one of a capacity is followed by one of the same (TMM 12.2, TMIGR-15)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        HierarchyBench b(4);
        b.parameters.capacities = {1024, 1024, 512, 512};
        b.parameters.changes = changes_without(unless(guarded, "TMIGR-15"), {}, {"TMM 2.6"});
        b.boot();
        REQUIRE(b.placement().hierarchies().size() == 2);
        b.add_timer(2, 5);
        idle_all(b, {1, 2});
        b.idle_loop_leaves = true;
        b.control(3, [&](Cpu& cpu) { b.placement().clear_available(cpu); });
        b.run();
        CHECK(b.timers(2).idle != guarded);
        CHECK(b.broken() == (guarded ? "" : "tmigr.quiet.nobody_wakes"));
    }
}

TEST_CASE("tickless CPUs keep all CPUs in one hierarchy (TMM 2.6, TMIGR-16)") {
    for (const bool guarded : {true, false}) {
        HierarchyBench b(4);
        b.parameters.capacities = {1024, 1024, 512, 512};
        b.parameters.nohz_full = {false, false, false, true};
        b.parameters.changes = changes_without(unless(guarded, "TMIGR-16"), {}, {"TMM 2.6"});
        b.boot();
        CHECK(b.placement().hierarchies().size() == (guarded ? 1 : 2));
    }
}

TEST_CASE("isolated CPUs leave at late boot and serve themselves (TMM 12.4, TMIGR-17)") {
    for (const bool excluded : {true, false}) {
        CAPTURE(excluded);
        HierarchyBench b(4);
        b.parameters.isolated = {false, true, true, false};
        b.parameters.nohz_full = {false, false, true, false};
        b.parameters.changes = changes_without(unless(excluded, "TMIGR-17"));
        b.boot();
        CHECK(b.state(0) == "f/1");
        b.control(0, [&](Cpu& cpu) { b.placement().enable_isolation(cpu); });
        b.run();
        // CPU 2 is tickless as well: it stays, and the timekeeper serves it.
        CHECK(b.state(0) == (excluded ? "d/1" : "f/1"));
        b.add_timer(1, 5);
        idle_all(b, {1});
        CHECK(ns(b.timers(1).armed) == ns(excluded ? edge(5) : kKtimeMax));
        if (!excluded)
            continue;
        wake(b, 1);
        b.control(0, [&](Cpu& cpu) {
            // The last one but CPU 3, which is left for a while.
            CHECK(b.placement().set_isolated(cpu, 1, false));
            CHECK(b.placement().set_isolated(cpu, 2, false));
            CHECK(b.placement().set_isolated(cpu, 0, true));
        });
        b.run();
        // CPU 1 comes before CPU 0 leaves; CPU 0 is the timekeeper that tickless CPUs need.
        CHECK(b.state(0) == "f/1");
        b.require_quiet();
    }
}

TEST_CASE("the last CPU of a single level arms for the others although it has no timer (TMM 8.8, TMIGR-02)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        HierarchyBench b(2);
        b.parameters.changes = changes_without(unless(guarded, "TMIGR-02"));
        b.boot();
        b.add_timer(1, 5);
        idle_all(b, {1, 0});
        CHECK(ns(b.timers(0).armed) == ns(guarded ? edge(5) : kKtimeMax));
        CHECK(b.broken() == (guarded ? "" : "tmigr.quiet.nobody_wakes"));
    }
}

TEST_CASE("the forecast of a lonely CPU counts what only lower groups show (TMM 11.3, TMIGR-01)") {
    for (const bool guarded : {true, false}) {
        CAPTURE(guarded);
        Quad b(unless(guarded, "TMIGR-01"));
        b.add_timer(0, 1);
        b.add_timer(1, 5);
        b.add_timer(2, 9);
        idle_all(b, {3, 2, 1, 0});
        CHECK(b.timers(0).armed == edge(1));
        wake(b, 0);
        b.jiffies_now = 1;
        Ktime forecast{};
        b.on(0, [&](Cpu& cpu) {
            b.run_global(cpu, 0);
            b.tick(cpu);
            forecast = b.forecast(cpu);
        });
        b.run();
        CHECK(ns(forecast) == ns(edge(guarded ? 5 : 9)));
    }
}

TEST_CASE("a puller gives up a CPU that woke after its event was taken (TMM 6.4, 9.4 step 1)") {
    Quad b;
    b.add_timer(0, 5);
    idle_all(b, {0, 1, 3});
    b.jiffies_now = 5;
    b.hold(tmigr::sites::kRemoteAfterPop, 2, 100us);
    b.on(2, [&](Cpu& cpu) { b.tick(cpu); });
    b.on(
        0, [&](Cpu& cpu) { b.leave_idle(cpu); }, 20us);
    b.run();
    CHECK(b.expiries.empty());
    CHECK(b.first_global(0) == edge(5));
    b.require_quiet();
}

TEST_CASE("a timer armed while a CPU is expired remotely is left to the puller, which shows it (TMM 9.8)") {
    Quad b;
    b.add_timer(0, 5);
    idle_all(b, {0, 1, 3});
    b.jiffies_now = 5;
    b.hold(tmigr::sites::kRemoteBeforeBases, 2, 100us);
    b.on(2, [&](Cpu& cpu) { b.tick(cpu); });
    b.on(
        0,
        [&](Cpu& cpu) {
            b.add_timer(0, 8);
            b.look_again(cpu);
            CHECK(b.placement().cpu(0).cpuevt.expires.peek() == edge(5));
        },
        20us);
    b.run();
    CHECK(b.expiries.size() == 1);
    CHECK(b.placement().cpu(0).cpuevt.expires.peek() == edge(8));
    CHECK(b.group(2).next_expiry.peek() == edge(8));
    b.require_quiet();
}

TEST_CASE("a CPU that wakes while it is expired remotely is left alone afterwards (TMM 9.4 step 5, 18)") {
    Quad b;
    b.add_timer(0, 5);
    idle_all(b, {0, 1, 3});
    b.jiffies_now = 5;
    b.hold(tmigr::sites::kRemoteExpire, 2, 100us);
    b.on(2, [&](Cpu& cpu) { b.tick(cpu); });
    b.on(
        0, [&](Cpu& cpu) { b.leave_idle(cpu); }, 20us);
    b.run();
    CHECK(b.expiries == std::vector<HierarchyBench::Expiry>{{0, 2, edge(5)}});
    CHECK(b.placement().cpu(0).cpuevt.ignore.peek());
    b.require_quiet();
}
