// XT 5 - 8: operations, the softirq's action, deadlines, programming.
#include "xen/xen_fixture.hpp"

using namespace ticklab;
using namespace ticklab::xen;
using namespace ticklab::xen::testing;

TEST_CASE("an idle hypervisor arms nothing and reaches its end") {
    Bench b(4);
    b.run(kBoot + 1ms);
    CHECK(b.state("cpu3.timers.deadline_start") == 0);
    CHECK(b.state("cpu3.timers.passes") == 0);
}

TEST_CASE("a timer fires once, strictly after its time and within slop (XT-P1, P2, P7)") {
    Bench b;
    b.on(1, kBoot + 10us, [&](Cpu& cpu) { b.set(cpu, 0, 500'000); });
    b.run(kBoot + 5ms);
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].cpu == 1);
    CHECK(b.firings[0].at > at_ns(500'000));
    CHECK(b.firings[0].at < at_ns(550'000) + 2us);
    CHECK(b.timer(0).status == TimerStatus::kInactive);
    CHECK(b.state("cpu1.timers.callbacks") == 1);
    CHECK(b.state("cpu1.timers.inactive") == 1);
}
