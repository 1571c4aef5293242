// HP 12: the faults of the device, each with what shows it.
#include <stdexcept>

#include "hpet_bench.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::hpet_timer_bits;

namespace {

constexpr std::uint64_t kEdge = kIntEnable | route(20);

// A bench with one fault set from boot.
struct FaultyBench : HpetBench {
    FaultyBench(HpetFault fault, std::int64_t value, const HpetParams& params = HpetParams{}) : HpetBench(params) {
        hpet.set_fault(kBoot, fault, value, {});
    }
    std::vector<std::int64_t> edges_ps() const {
        std::vector<std::int64_t> found;
        for (const HpetOutput& o : outputs.seen)
            found.push_back(ps(o.at));
        return found;
    }
    std::int64_t tick_ps(std::uint64_t ticks) const { return ps(tick(kBoot, ticks)); }
};

}  // namespace

TEST_CASE("HP 12: faults have names, numbers and ranges, and setting one leaves a record") {
    for (const HpetFaultInfo& info : kHpetFaults) {
        CAPTURE(info.name);
        CHECK(&info == &kHpetFaults[static_cast<std::size_t>(info.fault)]);
        CHECK(find_hpet_fault(info.name)->fault == info.fault);
        CHECK(info.min <= 0);
        HpetBench b;
        b.hpet.set_fault(kBoot, info.fault, info.max, {});
        const auto found = b.records_of(kHpetFaultSet);
        REQUIRE(found.size() == 1);
        CHECK(b.records.name(found[0].operands[0]) == info.name);
        CHECK_THROWS_AS(b.hpet.set_fault(kBoot, info.fault, info.min - 1, {}), std::invalid_argument);
    }
    for (const HpetDiagnosticInfo& info : kHpetDiagnostics)
        CHECK(&info == &kHpetDiagnostics[static_cast<std::size_t>(info.diagnostic)]);
    CHECK_FALSE(find_hpet_fault("hpet.nothing"));
}

TEST_CASE("HP-F1: a lenient comparator at or behind the counter matches one tick later, once") {
    for (const std::uint64_t behind : {0u, 1u, 90u}) {
        CAPTURE(behind);
        FaultyBench b(HpetFault::kLenientMatch, 1);
        b.write(timer_config(0), kEdge | k32Mode);
        b.write(kConfig, 1);
        b.run_until(b.tick(kBoot, 100) + Duration{5});
        b.write(timer_comparator(0), 100 - behind);
        // Neither a configuration write nor a restart makes an old match happen again.
        b.run_ticks(50);
        b.write(timer_config(0), kEdge | k32Mode);
        b.run_ticks(50);
        CHECK(b.edges_ps() == std::vector<std::int64_t>{b.tick_ps(101)});
    }
}

TEST_CASE("HP-F1: a periodic comparator that is behind catches up tick by tick") {
    FaultyBench b(HpetFault::kLenientMatch, 1);
    b.write(timer_config(0), kEdge | kPeriodic | k32Mode);
    b.write(timer_comparator(0), 40);
    b.write(kConfig, 1);
    b.run_ticks(100);
    b.write(timer_config(0), kEdge | kPeriodic | kValSet | k32Mode);
    b.write(timer_comparator(0), 10);
    b.run_until(b.tick(kBoot, 180));
    // 10, 50 and 90 are behind 100 when their turn comes; 130 and 170 are on time.
    CHECK(b.edges_ps() ==
          std::vector<std::int64_t>{b.tick_ps(101), b.tick_ps(102), b.tick_ps(103), b.tick_ps(130), b.tick_ps(170)});
}

TEST_CASE("HP-F2: a posted comparator write is used some ticks later, a nearer match is lost until the wrap") {
    struct Row {
        std::int64_t delay;
        std::uint64_t delta;  // comparator = counter + delta
        std::uint64_t match;  // ticks after the write
    };
    for (const Row& row : {Row{0, 1, 1}, Row{2, 2, 2}, Row{2, 3, 3}, Row{2, 1, kWrap32 + 1}, Row{20, 19, kWrap32 + 19},
                           Row{20, 20, 20}, Row{20, 500, 500}}) {
        CAPTURE(row.delay);
        CAPTURE(row.delta);
        FaultyBench b(HpetFault::kPostDelay, row.delay);
        b.write(timer_config(0), kEdge | k32Mode);
        b.write(kConfig, 1);
        b.run_until(b.tick(kBoot, 100) + Duration{33});
        b.write(timer_comparator(0), 100 + row.delta, 4);
        CHECK(b.read(timer_comparator(0), 4) == 100 + row.delta);
        b.run_until(b.tick(kBoot, 100 + row.match));
        CHECK(b.edges_ps() == std::vector<std::int64_t>{b.tick_ps(100 + row.match)});
    }
}

TEST_CASE("HP-F2: until a posted write arrives the old value is compared") {
    FaultyBench b(HpetFault::kPostDelay, 10);
    b.write(timer_config(0), kEdge | k32Mode);
    b.write(timer_comparator(0), 105, 4);
    b.write(kConfig, 1);
    b.run_ticks(100);
    b.write(timer_comparator(0), 200, 4);
    b.run_until(b.tick(kBoot, 300));
    CHECK(b.edges_ps() == std::vector<std::int64_t>{b.tick_ps(105), b.tick_ps(200)});
    // With the counter halted there are no ticks to wait for.
    b.write(timer_comparator(0), 500, 4);
    b.write(kConfig, 0);
    CHECK(b.hpet.timer(0).active() == 500);
}

TEST_CASE("HP-F3: the first periodic value is ignored until the wrap, unless the counter was stopped") {
    for (const bool stopped : {false, true}) {
        CAPTURE(stopped);
        FaultyBench b(HpetFault::kFirstPeriodicIgnored, 1);
        if (!stopped)
            b.write(kConfig, 1);
        b.write(timer_config(0), kEdge | kPeriodic | kValSet | k32Mode, 4);
        b.write(timer_comparator(0), 500, 4);
        b.write(timer_comparator(0), 0x4000'0000, 4);
        b.write(kConfig, 1);
        b.run_until(b.tick(kBoot, 1000));
        b.write(timer_config(0), kEdge | kPeriodic | k32Mode, 4);
        b.run_until(b.tick(kBoot, kWrap32 + 1000));
        CHECK(b.edges_ps().size() == (stopped ? 5 : 1));
        CHECK(b.edges_ps().front() == b.tick_ps(stopped ? 500 : kWrap32 + 500));
    }
}

TEST_CASE("HP-F9: registers read all ones for a while after power-on and reset") {
    FaultyBench b(HpetFault::kNotReady, 1'000'000);
    CHECK(b.read(kConfig) == ~std::uint64_t{0});
    CHECK(b.read(kCounter, 4) == 0xffff'ffff);
    b.run_until(kBoot + Duration{999'999});
    CHECK(b.read(kConfig, 4) == 0xffff'ffff);
    b.run_until(kBoot + Duration{1'000'000});
    CHECK(b.read(kConfig) == 0);
    b.hpet.reset(b.now, {});
    CHECK(b.read(kConfig) == ~std::uint64_t{0});
    b.run_until(b.now + Duration{1'000'000});
    CHECK(b.read(kConfig) == 0);
}

TEST_CASE("HP-F10: a dead counter does not move and matches nothing, and can come to life") {
    FaultyBench b(HpetFault::kDeadCounter, 1);
    b.write(timer_config(0), kEdge);
    b.write(timer_comparator(0), 10);
    b.write(kConfig, 1);
    b.run_ticks(100);
    CHECK(b.read(kCounter) == 0);
    CHECK(b.outputs.seen.empty());
    b.hpet.set_fault(b.now, HpetFault::kDeadCounter, 0, {});
    b.check();
    const Time alive = b.now;
    b.run_ticks(100);
    CHECK(b.edges_ps() == std::vector<std::int64_t>{ps(b.tick(alive, 10))});
    b.hpet.set_fault(b.now, HpetFault::kDeadCounter, 1, {});
    b.check();
    b.run_ticks(100);
    CHECK(b.read(kCounter) == 100);
}

TEST_CASE("HP-F11: drift moves counter and pending matches alike") {
    HpetParams p;
    p.period_fs = 100'000'000;  // 10 MHz
    HpetBench b(p);
    b.write(timer_config(0), kEdge);
    b.write(timer_comparator(0), 10'005);
    b.write(kConfig, 1);
    b.run_until(kBoot + std::chrono::microseconds{500});
    b.hpet.set_fault(b.now, HpetFault::kDrift, 500, {});
    b.check();
    b.run_until(kBoot + std::chrono::milliseconds{2});
    // 5000 ticks of 100 ns, then 5005 at 10.005 MHz: 500 249 875.06 ps.
    CHECK(b.outputs.seen.front().at == kBoot + Duration{1'000'249'876});
    CHECK(b.read(kCounter) == 5'000 + 15'007);
}

TEST_CASE("HP-F11: drift during a posted write and an ignored first period moves those too") {
    FaultyBench b(HpetFault::kPostDelay, 10);
    b.hpet.set_fault(kBoot, HpetFault::kFirstPeriodicIgnored, 1, {});
    b.write(kConfig, 1);
    b.write(timer_config(0), kEdge | kPeriodic | kValSet | k32Mode, 4);
    b.write(timer_comparator(0), 0xffff'fff0, 4);
    b.run_ticks(5);
    b.hpet.set_fault(b.now, HpetFault::kDrift, 200'000, {});
    b.check();
    CHECK(b.hpet.counter(b.hpet.next_event(0)) == 10);
    b.run_ticks(20);
    b.hpet.set_fault(b.now, HpetFault::kDrift, -500'000, {});
    b.check();
    const Time slow_from = b.now;
    b.run_until(b.tick(slow_from, 4 * kWrap32));
    REQUIRE(b.outputs.seen.size() == 1);
    CHECK(b.hpet.counter(b.outputs.seen[0].at) == kWrap32 + 0xffff'fff0);
    CHECK(b.hpet.counter(b.outputs.seen[0].at - Duration{1}) == kWrap32 + 0xffff'ffef);
}

TEST_CASE("HP-F13: the first read of a comparator after a write returns the old value, the second the new one") {
    FaultyBench b(HpetFault::kStaleComparator, 1);
    b.write(timer_comparator(0), 0x1111);
    CHECK(b.read(timer_comparator(0)) == ~std::uint64_t{0});
    CHECK(b.read(timer_comparator(0)) == 0x1111);
    b.write(timer_comparator(0), 0x2222);
    CHECK(b.read(timer_comparator(1)) == ~std::uint64_t{0});
    CHECK(b.read(timer_comparator(0), 4) == 0x1111);
    CHECK(b.read(timer_comparator(0), 4) == 0x2222);
}
