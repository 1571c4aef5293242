// The proposal of April 2017: what it does, and its defects one by one (TM17).
#include "linux_fixture.hpp"
#include "ticklab/model/linux/tmigr2017/sites.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;
using tmigr2017::Tmigr2017Changes;

namespace {

const Placement& proposal() {
    return *std::find_if(kPlacements.begin(), kPlacements.end(),
                         [](const Placement& p) { return p.word == "tmigr-2017"; });
}

/// As posted, but for the arguments at idle entry, which hide most other defects (TM17 11.0).
constexpr Tmigr2017Changes kIntended{.intended_order = true};

Tmigr2017Changes repaired(bool Tmigr2017Changes::*flag, bool on) {
    Tmigr2017Changes changes{.intended_order = true, .events_of_target = true};
    changes.*flag = on;
    return changes;
}

struct ProposalBench : Bench {
    explicit ProposalBench(CpuId cpus, const Tmigr2017Changes& changes, std::uint32_t nodes = 1) : Bench(cpus) {
        config.node_count = nodes;
        linux_config.placement = &proposal();
        linux_config.governor = GovernorKind::kAlways;
        linux_config.placements.tmigr2017.changes = changes;
    }
    tmigr2017::Tmigr2017Placement& placement() { return *core().proposal; }
    const tmigr2017::Group& leaf(CpuId cpu) { return *placement().cpu(cpu).leaf; }
    void pinned(Cpu& cpu, std::int64_t timer, Time expires) {
        perform(cpu, "timer.init", {timer, true});
        mod(cpu, timer, expires);
    }
    std::vector<CpuId> fired_on() const {
        std::vector<CpuId> cpus;
        for (const Firing& f : firings)
            cpus.push_back(f.cpu);
        return cpus;
    }
};

using Cpus = std::set<CpuId>;

}  // namespace

TEST_CASE("groups are those of TM17 3, one node each below the crossnode level (TM17 11.9)") {
    ProposalBench b(24, kIntended, 2);
    b.run(at_ms(20));
    // Twelve CPUs of a node in two leaves, which share a parent of that node, and a root.
    CHECK(b.placement().groups().size() == 7);
    for (CpuId c = 0; c < 24; ++c)
        CHECK(b.leaf(c).node == static_cast<std::int64_t>(b.machine().node_of(c)));
    const tmigr2017::Group* root = nullptr;
    for (const tmigr2017::Group& g : b.placement().groups()) {
        if (!g.parent)
            root = &g;
        else if (g.level == 0)
            CHECK(g.parent->node == g.node);
    }
    REQUIRE(root);
    CHECK(root->node == -1);
    CHECK(root->num_childs == 2);
    CHECK(root->active == 0);
}

TEST_CASE("activity goes up with the first child and down with the last, by the migrator's number (TM17 5)") {
    ProposalBench b(16, kIntended);
    b.busy(0, at_ms(20), at_ms(60));
    b.busy(1, at_ms(30), at_ms(80));
    b.busy(9, at_ms(40), at_ms(70));
    const auto expect = [&](Time at, const Cpus& near, const Cpus& far, const Cpus& top, CpuId migrator) {
        b.run(at);
        const tmigr2017::Group& root = *b.leaf(0).parent;
        CHECK(b.leaf(0).cpus == near);
        CHECK(b.leaf(9).cpus == far);
        CHECK(root.cpus == top);
        CHECK(root.active == top.size());
        CHECK(root.migrator.peek() == migrator);
    };
    expect(at_us(19'500), {}, {}, {}, sim::kNoCpu);
    expect(at_us(29'500), {0}, {}, {0}, 0);
    expect(at_us(39'500), {0, 1}, {}, {0}, 0);
    expect(at_us(59'500), {0, 1}, {9}, {0, 9}, 0);
    // CPU 1 follows CPU 0 in the leaf, and stands for it above, where the lowest number is migrator.
    expect(at_us(69'500), {1}, {9}, {1, 9}, 1);
    expect(at_us(79'500), {1}, {}, {1}, 1);
    expect(at_us(99'500), {}, {}, {}, sim::kNoCpu);
}

TEST_CASE("a sleeping CPU's global timer is run by the migrator, through two levels (TM17 6)") {
    ProposalBench b(16, repaired(&Tmigr2017Changes::intended_order, true));
    b.busy(0, at_ms(20), at_ms(200));
    b.on(9, at_us(50'100), [&](Cpu& cpu) {
        b.mod(cpu, 0, at_ms(70));
        b.mod(cpu, 1, at_ms(80));
    });
    b.run(at_ms(60));
    CHECK(b.state("cpu9.proposal.event") == 71'000'000);
    const tmigr2017::Group& root = *b.leaf(9).parent;
    CHECK(root.groupevt.cpu == 9);
    CHECK(b.leaf(9).groupevt.queued());
    b.run(at_ms(120));
    CHECK(b.fired_on() == std::vector<CpuId>{0, 0});
    CHECK(b.firings[0].at < at_us(73'000));
    CHECK(b.firings[1].at < at_us(83'000));
    CHECK(b.state("cpu9.timers.global.expired_remotely") == 2);
}

TEST_CASE("the last CPU that goes idle is armed for the first event of the root (TM17 5.2, I6)") {
    ProposalBench b(16, repaired(&Tmigr2017Changes::intended_order, true));
    b.busy(3, at_ms(20), at_ms(60));
    b.on(9, at_us(50'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(90)); });
    b.run(at_ms(70));
    CHECK(b.state("cpu3.device.next_event") == 91'000'000);
    b.run(at_ms(120));
    CHECK(b.fired_on() == std::vector<CpuId>{3});
}

TEST_CASE("an interrupt activates the CPU that it wakes, and its end lets it go again (TM17 7.3, 11.6)") {
    ProposalBench b(2, kIntended);
    bool inside = false;
    b.in_irq(1, at_us(50'300), [&](Cpu&) { inside = b.state("cpu1.proposal.active") == 1; });
    b.run(at_us(50'200));
    CHECK(b.state("cpu1.proposal.active") == 0);
    b.run(at_ms(60));
    CHECK(inside);
    CHECK(b.state("cpu1.proposal.active") == 0);
}

TEST_CASE("11.0 (a): with a pinned timer before a global one the sleeper arms for the wrong one") {
    for (const bool intended : {true, false}) {
        CAPTURE(intended);
        const auto play = [](ProposalBench& b) {
            b.busy(0, at_ms(20), at_ms(200));
            b.on(1, at_us(50'100), [&b](Cpu& cpu) {
                b.pinned(cpu, 0, at_ms(70));
                b.mod(cpu, 1, at_ms(100));
            });
        };
        ProposalBench checked(2, repaired(&Tmigr2017Changes::intended_order, intended));
        play(checked);
        CHECK(checked.run_to_verdict(at_ms(150)) == (intended ? "" : "linux.tick.next_tick"));
        ProposalBench b(2, repaired(&Tmigr2017Changes::intended_order, intended));
        b.linux_config.wheel.check_effort = CheckEffort::kNever;
        play(b);
        b.run(at_ms(150));
        REQUIRE(b.firings.size() == 2);
        CHECK((b.firings[0].at < at_ms(75)) == intended);
        CHECK(b.firings[0].cpu == 1);
    }
}

TEST_CASE("11.0 (b): with a global timer alone the sleeper wakes for it, and nothing is pulled") {
    for (const bool intended : {true, false}) {
        CAPTURE(intended);
        ProposalBench b(2, repaired(&Tmigr2017Changes::intended_order, intended));
        b.busy(0, at_ms(20), at_ms(200));
        b.on(1, at_us(50'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(70)); });
        b.run(at_ms(60));
        CHECK(b.state("cpu1.proposal.event") == (intended ? 71'000'000 : -1));
        b.run(at_ms(150));
        CHECK(b.fired_on() == std::vector<CpuId>{intended ? 0u : 1u});
    }
}

TEST_CASE("11.0 (c): with a pinned timer alone the sleeper waits for an unrelated wake-up") {
    for (const bool intended : {true, false}) {
        CAPTURE(intended);
        ProposalBench b(2, repaired(&Tmigr2017Changes::intended_order, intended));
        b.linux_config.wheel.check_effort = CheckEffort::kNever;
        b.busy(0, at_ms(20), at_ms(300));
        b.on(1, at_us(50'100), [&](Cpu& cpu) { b.pinned(cpu, 0, at_ms(70)); });
        b.busy(1, at_ms(200), at_ms(210));
        b.run(at_ms(250));
        REQUIRE(b.firings.size() == 1);
        CHECK((b.firings[0].at < at_ms(75)) == intended);
        CHECK((b.firings[0].at > at_ms(200)) != intended);
    }
}

TEST_CASE("11.1: after a remote expiry the sleeper's next timer is not shown (play 1)") {
    for (const bool on : {true, false}) {
        CAPTURE(on);
        ProposalBench b(2, repaired(&Tmigr2017Changes::events_of_target, on));
        b.busy(0, at_ms(20), at_ms(200));
        b.on(1, at_us(50'100), [&](Cpu& cpu) {
            b.mod(cpu, 0, at_ms(70));
            b.mod(cpu, 1, at_ms(90));
        });
        CHECK(b.run_to_verdict(at_ms(150)) == (on ? "" : "tmigr2017.remote.not_shown"));
        CHECK(b.firings.size() == (on ? 2 : 1));
    }
}

TEST_CASE("11.2: a due timer of the puller, taken for the sleeper's, is queued and popped for ever (play 2)") {
    for (const bool on : {true, false}) {
        CAPTURE(on);
        ProposalBench b(2, repaired(&Tmigr2017Changes::events_of_target, on));
        b.busy(0, at_ms(20), at_ms(200));
        b.on_fired = [&](Cpu& cpu, sim::TimerIndex timer) {
            if (timer == 2)
                cpu.spend_time(2500us);
        };
        b.on(1, at_us(50'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(70)); });
        b.on(0, at_us(50'200), [&](Cpu& cpu) {
            // Its base is run last, and while its callback runs the jiffies reach the other timer.
            b.perform(cpu, "timer.init", {std::int64_t{2}, false, true});
            b.mod(cpu, 2, at_ms(70));
            b.mod(cpu, 1, at_ms(72));
        });
        CHECK(b.run_to_verdict(at_ms(150)) == (on ? "" : "tmigr2017.remote.endless"));
    }
}

TEST_CASE("11.3: a CPU that comes up takes a tick before it has a leaf") {
    for (const bool on : {true, false}) {
        CAPTURE(on);
        ProposalBench b(2, repaired(&Tmigr2017Changes::leaf_checked, on));
        b.config.online_at_boot = 1;
        b.hold(tmigr2017::sites::kOnlineBeforeLeaf, 1, 3ms);
        b.online(1, at_ms(50));
        CHECK(b.run_to_verdict(at_ms(150)) == (on ? "" : "tmigr2017.remote.null_leaf"));
    }
}

TEST_CASE("11.4: a group's event is changed while it is queued in the parent (play 3)") {
    for (const bool on : {true, false}) {
        CAPTURE(on);
        ProposalBench b(16, repaired(&Tmigr2017Changes::requeued_left_alone, on));
        b.busy(0, at_ms(20), at_ms(300));
        b.on(9, at_us(50'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(70)); });
        b.script(at_ms(65), [&] { b.hold(tmigr2017::sites::kRemoteAfterPop, 0, 800us); });
        b.in_irq(10, at_us(71'400), [&](Cpu& cpu) { b.mod(cpu, 1, at_ms(90)); });
        CHECK(b.run_to_verdict(at_ms(150)) == (on ? "" : "tmigr2017.group.changed_queued"));
        if (on)
            CHECK(b.fired_on() == std::vector<CpuId>{0, 0});
    }
}

TEST_CASE("11.7: the last active CPU goes off-line and nobody is called for the first event") {
    for (const bool on : {true, false}) {
        CAPTURE(on);
        ProposalBench b(3, repaired(&Tmigr2017Changes::duty_handed_over, on));
        b.on(1, at_us(50'100), [&](Cpu& cpu) { b.mod(cpu, 0, at_ms(90)); });
        b.hold(tmigr2017::sites::kOfflineBeforeLock, 0, 1ms);
        b.offline(0, at_ms(60), 2);
        CHECK(b.run_to_verdict(at_ms(150)) == (on ? "" : "tmigr2017.offline.duty_lost"));
        if (on)
            CHECK(b.firings.size() == 1);
    }
}

TEST_CASE("11.8: with CPUs unevenly spread over nodes a level is missing") {
    for (const bool on : {true, false}) {
        CAPTURE(on);
        ProposalBench b(16, repaired(&Tmigr2017Changes::levels_grow, on), 8);
        for (std::uint32_t c = 0; c < 16; ++c)
            b.linux_config.placements.tmigr2017.nodes.push_back(c < 9 ? 0 : c - 8);
        CHECK(b.run_to_verdict(at_ms(20)) == (on ? "" : "tmigr2017.setup.no_level"));
        CHECK(b.placement().level_count() == (on ? 3 : 2));
    }
}

TEST_CASE("11.10: a CPU that wakes runs its base while another runs it (play 4)") {
    for (const bool on : {true, false}) {
        CAPTURE(on);
        ProposalBench b(3, repaired(&Tmigr2017Changes::one_runner, on));
        b.busy(0, at_ms(20), at_ms(300));
        b.on_fired = [&](Cpu& cpu, sim::TimerIndex timer) {
            if (timer == 0)
                cpu.spend_time(4ms);
        };
        b.on(1, at_us(50'100), [&](Cpu& cpu) {
            b.mod(cpu, 0, at_ms(70));
            b.mod(cpu, 1, at_ms(72));
        });
        b.busy(1, at_us(73'300), at_ms(120));
        CHECK(b.run_to_verdict(at_ms(150)) == (on ? "" : "linux.wheel.two_runners"));
        if (on)
            CHECK(b.firings.size() == 2);
    }
}

TEST_CASE("11.17: no high-resolution timer is pushed before the sysctl is written") {
    for (const bool on : {true, false}) {
        CAPTURE(on);
        ProposalBench b(4, repaired(&Tmigr2017Changes::switch_evaluated_again, on));
        b.busy(0, at_ms(20), at_ms(300));
        const auto start = [&](Time at, std::int64_t timer, Time expires) {
            b.in_irq(3, at, [&b, timer, expires](Cpu& cpu) { b.perform(cpu, "hrtimer.start", {timer, expires}); });
        };
        start(at_us(50'300), 0, at_us(60'500));
        b.on(1, at_ms(80), [&](Cpu& cpu) { b.perform(cpu, "sysctl.timer_migration", {true}); });
        start(at_us(90'300), 1, at_us(99'500));
        b.run(at_ms(150));
        CHECK(b.fired_on() == std::vector<CpuId>{on ? 0u : 3u, 0});
    }
}
