// VR's ready list: the transitions T15 to T19 (XT 2.2, 7.3, XT-D8).
#include "xen/xen_fixture.hpp"

using namespace ticklab;
using namespace ticklab::xen;
using namespace ticklab::xen::testing;

namespace {

/// Timers 0 and 1 of CPU 1 wait on its ready list, 2 in its heap.
void settle_ready(Bench& b) {
    b.xen.timers.policy = &kVariantVR;
    b.on(1, kBoot + 10us, [&b](Cpu& cpu) {
        b.set(cpu, 0, 10'000'000);
        b.set(cpu, 1, 10'010'000);
        b.set(cpu, 2, 20'000'000);
    });
    b.run(kBoot + 50us);
    REQUIRE(b.timer(0).status == TimerStatus::kInReady);
    REQUIRE(b.timer(1).status == TimerStatus::kInReady);
    REQUIRE(b.timer(2).status == TimerStatus::kInHeap);
}

}  // namespace

TEST_CASE("T15, T16: the group waits on the ready list, newest first, and goes back before anything runs") {
    Bench b;
    settle_ready(b);
    CHECK(&b.base(1).ready.front() == &b.timer(1));
    b.on(1, kBoot + 100us, [&](Cpu& cpu) { b.set(cpu, 3, 5'000'000); });
    b.run(kBoot + 200us);
    // The pass that timer 3 asked for took the old group back and made a group of 3 alone.
    CHECK(b.timer(3).status == TimerStatus::kInReady);
    CHECK(b.timer(0).status == TimerStatus::kInHeap);
    CHECK(b.timer(1).status == TimerStatus::kInHeap);
    b.run(kBoot + 30ms);
    CHECK(b.firings.size() == 4);
}

TEST_CASE("T17: what does not fit the heap again, because it cannot grow, goes on the overflow list") {
    Bench b;
    settle_ready(b);
    REQUIRE(b.state("cpu1.timers.heap_limit") == 15);
    b.machine().arena().fail_next(2);
    // With these the heap holds 14 timers, and two wait on the ready list.
    b.on(1, kBoot + 100us, [&](Cpu& cpu) {
        b.set(cpu, 3, 5'000'000);
        for (std::int64_t i = 4; i < 16; ++i)
            b.set(cpu, i, 30'000'000 + i * 1'000'000);
    });
    b.run(kBoot + 200us);
    CHECK(b.state("cpu1.timers.growth_failures") == 1);
    CHECK(b.state("cpu1.timers.heap") == 15);
    CHECK(b.state("cpu1.timers.list") == 1);
    CHECK(b.state("cpu1.timers.ready") == 0);
    b.run(kBoot + 60ms);
    CHECK(b.firings.size() == 16);
}

TEST_CASE("T18: stop, set, migrate and kill take a timer from the ready list") {
    Bench b(3);
    settle_ready(b);
    const std::int64_t passes = b.state("cpu1.timers.passes");
    b.on(2, kBoot + 100us, [&](Cpu& cpu) { b.stop(cpu, 0); });
    b.run(kBoot + 200us);
    CHECK(b.timer(0).status == TimerStatus::kInactive);
    // Taking one away asks for no pass (XT 4.5).
    CHECK(b.state("cpu1.timers.passes") == passes);
    b.on(2, kBoot + 300us, [&](Cpu& cpu) { b.migrate(cpu, 1, 2); });
    b.run(kBoot + 400us);
    CHECK(b.timer(1).cpu.peek() == 2);
    CHECK(b.timer(1).status == TimerStatus::kInReady);
    CHECK(b.state("cpu1.timers.ready") == 0);
    b.on(0, kBoot + 500us, [&](Cpu& cpu) { b.set(cpu, 1, 12'000'000); });
    b.run(kBoot + 600us);
    CHECK(b.timer(1).status == TimerStatus::kInReady);
    b.on(0, kBoot + 700us, [&](Cpu& cpu) { b.kill(cpu, 1); });
    b.run(kBoot + 30ms);
    CHECK(b.timer(1).status == TimerStatus::kKilled);
    REQUIRE(b.firings.size() == 1);
    CHECK(b.firings[0].timer == 2);
}

TEST_CASE("T19: a drain moves the ready list too, and leaves none behind (XT-I11, XT-I12)") {
    Bench b(3);
    settle_ready(b);
    b.offline(1, kBoot + 100us, 2);
    b.run(kBoot + 30ms);
    CHECK(b.state("cpu1.timers.ready") == 0);
    REQUIRE(b.firings.size() == 3);
    for (const Bench::Firing& f : b.firings)
        CHECK(f.cpu == 0);
}

TEST_CASE("a member of the ready list that cannot run in the published range is found (XT-I12)") {
    Bench b;
    settle_ready(b);
    b.timer(1).expires_end = stime_at(10'049'999);
    CHECK(check_base(b.timers(), b.base(1))->check->name == "xen.deadline.group");
    b.timer(1).expires_end = stime_at(10'060'000);
    b.timer(1).status = TimerStatus::kInList;
    CHECK(check_base(b.timers(), b.base(1))->check->name == "xen.structure.membership");
    b.timer(1).status = TimerStatus::kInReady;
}
