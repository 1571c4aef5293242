// The owner of the tick-less idle load balancer (LNT 10.1, 10.2; LC Appendix A).
#include "linux_fixture.hpp"
#include "ticklab/model/linux/balancer_records.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;

namespace {

struct BalancerBench : Bench {
    explicit BalancerBench(CpuId cpus) : Bench(cpus) {
        linux_config.nohz_balancer = true;
        linux_config.governor = GovernorKind::kAlways;
    }
    NohzBalancer& balancer() { return *core().balancer; }
    std::vector<CpuId> members() {
        std::vector<CpuId> found;
        for (CpuId c = 0; c < machine().cpu_count(); ++c)
            if (balancer().member(c))
                found.push_back(c);
        return found;
    }
    bool ticking(CpuId cpu) { return !tick(cpu).stopped; }
};

}  // namespace

TEST_CASE("one idle CPU owns the balancer and keeps its tick while another is busy (LNT 10.1 steps 3 and 5)") {
    BalancerBench b(4);
    b.busy(0, at_us(100), at_ms(200));
    b.run(at_ms(50));
    const CpuId owner = b.balancer().owner();
    REQUIRE(owner != sim::kNoCpu);
    CHECK(b.members() == std::vector<CpuId>{1, 2, 3});
    for (CpuId c = 1; c < 4; ++c)
        CHECK(b.ticking(c) == (c == owner));
    const std::uint64_t interrupts = b.core().hrtimers.of(owner).nr_events;
    b.run(at_ms(150));
    CHECK(b.balancer().owner() == owner);
    CHECK(b.tick(owner).inidle);
    CHECK(b.core().hrtimers.of(owner).nr_events - interrupts == 100);
}

TEST_CASE(
    "a CPU that gets work when all were idle leaves the balancer without an owner until one stops its tick anew") {
    BalancerBench b(3);
    b.run(at_ms(50));
    CHECK(b.balancer().owner() == sim::kNoCpu);
    b.busy(0, at_ms(60), at_ms(200));
    b.run(at_ms(70));
    CHECK(b.members() == std::vector<CpuId>{1, 2});
    CHECK(b.balancer().owner() == sim::kNoCpu);
    b.busy(2, at_ms(80), at_ms(81));
    b.run(at_ms(90));
    CHECK(b.balancer().owner() == 2);
}

TEST_CASE("when all are idle nobody owns the balancer, and every tick stops (LNT 10.1 step 4)") {
    BalancerBench b(4);
    b.busy(2, at_us(100), at_ms(50));
    b.run(at_ms(40));
    CHECK(b.balancer().owner() != sim::kNoCpu);
    b.run(at_ms(60));
    CHECK(b.balancer().owner() == sim::kNoCpu);
    CHECK(b.members() == std::vector<CpuId>{0, 1, 2, 3});
    for (CpuId c = 0; c < 4; ++c)
        CHECK_FALSE(b.ticking(c));
}

TEST_CASE("an owner that gets work gives the balancer up, and the next CPU that goes idle owns it (LNT 10.1)") {
    BalancerBench b(4);
    b.busy(0, at_us(100), at_ms(200));
    b.run(at_ms(50));
    const CpuId owner = b.balancer().owner();
    REQUIRE(owner != sim::kNoCpu);
    const CpuId other = owner == 1 ? 2 : 1;
    b.busy(owner, at_ms(60), at_ms(120));
    b.run(at_ms(70));
    CHECK(b.balancer().owner() == sim::kNoCpu);
    CHECK_FALSE(b.balancer().member(owner));
    // A short piece of work makes it leave idle and come back.
    b.busy(other, at_ms(80), at_ms(81));
    b.run(at_ms(90));
    CHECK(b.balancer().owner() == other);
    CHECK(b.ticking(other));
    b.run(at_ms(150));
    CHECK(b.balancer().owner() == other);
    CHECK(b.balancer().member(owner));
    CHECK_FALSE(b.ticking(owner));
}

TEST_CASE("a CPU that goes off-line in any role is in nobody's set, and another takes the balancer over (NOHZ-04)") {
    enum class Role { kOwner, kMember, kBusy };
    for (const Role role : {Role::kOwner, Role::kMember, Role::kBusy}) {
        CAPTURE(static_cast<int>(role));
        BalancerBench b(4);
        b.busy(0, at_us(100), at_ms(400));
        b.busy(3, at_us(100), at_ms(100));
        b.run(at_ms(50));
        const CpuId owner = b.balancer().owner();
        REQUIRE((owner == 1 || owner == 2));
        const CpuId member = owner == 1 ? 2 : 1;
        const CpuId victim = role == Role::kOwner ? owner : role == Role::kMember ? member : 3;
        b.offline(victim, at_ms(60));
        b.run(at_ms(80));
        CHECK_FALSE(b.balancer().member(victim));
        CHECK(b.balancer().owner() != victim);
        // Who is left leaves idle and comes back.
        b.busy(role == Role::kMember ? owner : member, at_ms(85), at_ms(86));
        b.run(at_ms(95));
        const CpuId next = b.balancer().owner();
        CHECK(next != victim);
        CHECK((next == 1 || next == 2));
        b.online(victim, at_ms(150));
        b.run(at_ms(200));
        CHECK(b.balancer().member(victim));
    }
}

TEST_CASE("without NOHZ-04 a CPU that went off-line is in the set (LNT 10.2)") {
    for (const bool on : {true, false}) {
        BalancerBench b(4);
        b.linux_config.changes.balancer_spares_inactive = on;
        b.busy(3, at_us(100), at_ms(100));
        b.offline(3, at_ms(60));
        CHECK(b.run_to_verdict(at_ms(80)) == (on ? "" : "linux.balancer.dead_cpu"));
        CHECK(b.balancer().member(3) == !on);
    }
}

TEST_CASE("the set is as the tick-less idle CPUs, whatever comes and goes, in each placement (LNT 10.1)") {
    for (const Placement& placement : kPlacements) {
        CAPTURE(placement.word);
        BalancerBench b(6);
        b.linux_config.placement = &placement;
        for (CpuId c = 0; c < 6; ++c)
            for (int i = 0; i < 20; ++i) {
                const Time at = at_us(20'000 + 4'700 * i + 1'300 * static_cast<int>(c) + 310 * (i % 5));
                b.busy(c, at, at + std::chrono::microseconds{700 + 900 * ((i * 3 + static_cast<int>(c)) % 6)});
            }
        b.offline(4, at_ms(50));
        b.online(4, at_ms(80));
        for (int ms = 21; ms < 130; ms += 3) {
            b.run(at_ms(ms));
            const CpuId owner = b.balancer().owner();
            for (CpuId c = 0; c < 6; ++c) {
                // Who sleeps with a stopped tick is in the set, and only an idle CPU is.
                if (b.machine().cpu(c).online() && b.tick(c).inidle && b.tick(c).stopped)
                    CHECK(b.balancer().member(c));
                if (b.balancer().member(c))
                    CHECK(b.tick(c).inidle);
                if (c == owner)
                    CHECK_FALSE(b.tick(c).stopped);
            }
        }
        CHECK(b.records(kBalancerOwnerRecord).size() >= 4);
    }
}

TEST_CASE("the balancer needs a tick that stops") {
    BalancerBench b(2);
    b.linux_config.tick.nohz = false;
    CHECK_THROWS_AS(b.machine(), std::invalid_argument);
}
