// TMM 4 and 13: the shape of the hierarchy and how it grows.
#include <fmt/format.h>

#include "linux/tmigr_fixture.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::tmigr;
using namespace ticklab::linux_::tmigr::testing;

namespace {

/// "level.node: children" of each group in the order of its creation, then the parent's number and the mask there.
std::vector<std::string> shape(HierarchyBench& b) {
    std::vector<std::string> lines;
    const auto& groups = b.placement().groups();
    for (const auto& g : groups) {
        std::string parent = "-";
        for (std::size_t i = 0; i < groups.size(); ++i)
            if (groups[i].get() == g->parent.peek())
                parent = fmt::format("{}:{:x}", i, g->groupmask.peek());
        lines.push_back(fmt::format("L{} n{} children {} in {}", g->place.peek().level, g->place.peek().node_number(),
                                    g->num_children, parent));
    }
    return lines;
}

using Shape = std::vector<std::string>;

}  // namespace

TEST_CASE("levels and crossnode level for every example of the specification (TMM 4.1)") {
    struct Row {
        CpuId cpus;
        std::uint32_t nodes;
        unsigned cpu_levels, node_levels;
    };
    for (const Row& r : {Row{8, 1, 1, 0}, Row{9, 1, 2, 0}, Row{64, 1, 2, 0}, Row{65, 1, 3, 0}, Row{48, 2, 2, 1},
                         Row{16, 2, 1, 1}, Row{4, 4, 0, 1}, Row{2, 1, 1, 0}, Row{24, 2, 2, 1}, Row{1, 1, 0, 0}}) {
        CAPTURE(r.cpus);
        CAPTURE(r.nodes);
        const Geometry g = Geometry::of(r.cpus, r.nodes);
        CHECK(g.cpu_levels == r.cpu_levels);
        CHECK(g.node_levels == r.node_levels);
        CHECK(g.levels() == r.cpu_levels + r.node_levels);
        CHECK(g.crossnode() == r.cpu_levels);
        CHECK(g.enabled() == (r.cpus != 1));
    }
}

TEST_CASE("a hierarchy has room for all CPUs, whatever the number of children a group") {
    for (const unsigned children : {2u, 4u, 8u})
        for (CpuId cpus = 2; cpus < 300; ++cpus) {
            const Geometry g = Geometry::of(cpus, 1, children);
            std::uint64_t room = 1;
            for (unsigned l = 0; l < g.levels(); ++l)
                room *= children;
            CHECK(room >= cpus);
            CHECK(room / children < cpus);
        }
}

TEST_CASE("the tree grows by a new root as CPUs come for the first time (TMM 4.3, 13.3)") {
    HierarchyBench b(16);
    b.boot(8);
    CHECK(shape(b) == Shape{"L0 n0 children 8 in -"});
    b.join(8);
    CHECK(shape(b) == Shape{"L0 n0 children 8 in 2:1", "L0 n0 children 1 in 2:2", "L1 n0 children 2 in -"});
    // The old root's activity is shown in the new one (TMM 13.5), and the new CPU's.
    CHECK(b.state(0) == "ff/1");
    CHECK(b.state(2) == "3/1");
    for (CpuId c = 9; c < 16; ++c)
        b.join(c);
    CHECK(shape(b) == Shape{"L0 n0 children 8 in 2:1", "L0 n0 children 8 in 2:2", "L1 n0 children 2 in -"});
    b.require_quiet();
}

TEST_CASE("two children a group: the third CPU makes a level, the fifth another") {
    HierarchyBench b(8);
    b.parameters.children = 2;
    b.boot();
    CHECK(shape(b) == Shape{"L0 n0 children 2 in 2:1", "L0 n0 children 2 in 2:2", "L1 n0 children 2 in 5:1",
                            "L0 n0 children 2 in 4:1", "L1 n0 children 2 in 5:2", "L2 n0 children 2 in -",
                            "L0 n0 children 2 in 4:2"});
    b.require_quiet();
}

TEST_CASE(
    "groups below the crossnode level have CPUs of one node, and the older set-up mixes them (TMM 13.7, TMIGR-12)") {
    // The first CPU of the second node comes before the first node's group is full.
    const auto boot = [](HierarchyBench& b) {
        for (const CpuId c : {0u, 12u, 1u, 13u})
            b.join(c);
    };
    HierarchyBench balanced(24, 2);
    boot(balanced);
    CHECK(shape(balanced) == Shape{"L0 n0 children 2 in 4:1", "L0 n1 children 2 in 2:1", "L1 n1 children 1 in 3:2",
                                   "L2 n-1 children 2 in -", "L1 n0 children 1 in 3:1"});
    balanced.require_quiet();
    HierarchyBench mixed(24, 2);
    mixed.parameters.changes = changes_without({"TMIGR-12"});
    boot(mixed);
    CHECK(mixed.broken() == "tmigr.quiet.nodes");
}

TEST_CASE("a group that memory fails for leaves nothing behind, and the next attempt succeeds (TMM 13.3)") {
    // The CPU needs two groups: a leaf and a root.
    for (const int failing : {1, 2}) {
        CAPTURE(failing);
        HierarchyBench b(16);
        b.boot(8);
        const std::size_t live = b.machine().arena().live_count();
        int allocations = 0;
        b.watch([&](Cpu& cpu, const sim::Site& site) {
            if (site.name() == tmigr::sites::kSetupAllocate.name() && ++allocations == failing)
                cpu.machine().arena().fail_next(1);
        });
        b.control(0, [&](Cpu& cpu) {
            CHECK(!b.placement().prepare(cpu, 8));
            CHECK(cpu.machine().arena().live_count() == live);
            CHECK(b.placement().cpu(8).group.peek() == nullptr);
        });
        b.run();
        b.require_quiet();
        b.join(8);
        CHECK(b.state(b.leaf(8)) == "1/1");
        b.require_quiet();
    }
}

TEST_CASE("without its fix the set-up uses an entry below its lowest level when memory fails (TMM 16, May 2024)") {
    HierarchyBench b(16);
    b.parameters.changes = changes_without({"TMM 16 (May 2024)"});
    b.boot(8);
    b.control(0, [&](Cpu& cpu) {
        cpu.machine().arena().fail_next(1);
        b.placement().prepare(cpu, 8);
    });
    CHECK(b.run_to_verdict() == "tmigr.setup.bounds");
}

TEST_CASE("a second root: the child count of a new root was off by one (TMIGR-11)") {
    HierarchyBench b(16);
    b.parameters.changes = changes_without({}, "6.13");
    b.boot(8);
    b.require_quiet();
    b.join(8);
    CHECK(b.broken() == "tmigr.quiet.roots");
    HierarchyBench fixed(16);
    fixed.parameters.changes = changes_without({}, "6.14");
    fixed.boot();
    fixed.require_quiet();
}

TEST_CASE("every version sets up a machine in which nothing is wrong when quiet, except 6.13 (TMIGR-11)") {
    for (const std::string_view v : kLinuxVersions) {
        CAPTURE(v);
        HierarchyBench b(20);
        b.parameters.changes = changes_without({}, std::string(v));
        b.boot();
        CHECK(b.broken().empty() == (v != "6.13"));
    }
}

TEST_CASE("a machine of one CPU has no hierarchy, and its CPU serves itself (TMM 4.1, 12.3)") {
    HierarchyBench b(1);
    b.boot();
    CHECK(b.placement().groups().empty());
    b.add_timer(0, 5);
    b.on(0, [&](Cpu& cpu) {
        CHECK(b.forecast(cpu) == edge(5));
        b.go_idle(cpu);
        CHECK(!b.tick(cpu));
    });
    b.run();
    CHECK(b.timers(0).armed == edge(5));
}
