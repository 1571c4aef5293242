// HP 4: when comparators match, in both widths, over wraps, one-shot and periodic.
#include "hpet_bench.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::hpet_timer_bits;

namespace {

constexpr std::uint64_t kEdgeToPin = kIntEnable | route(20);

// Edges seen so far, as ticks since `from`, each checked to be at the exact instant of the tick (HP-P1).
std::vector<std::uint64_t> edges(const HpetBench& b, Time from) {
    std::vector<std::uint64_t> ticks;
    for (const HpetOutput& o : b.outputs.seen) {
        REQUIRE(o.what == "edge");
        const auto fs = UInt128{static_cast<std::uint64_t>((o.at - from).count())} * 1000;
        ticks.push_back(static_cast<std::uint64_t>(fs / b.hpet.params().period_fs));
        REQUIRE(o.at == b.tick(from, ticks.back()));
    }
    return ticks;
}

using Ticks = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("HP 4.1: a one-shot matches at the tick of equality, not before, and not when it is past or now") {
    struct Row {
        std::uint64_t comparator;
        Ticks matches;  // within 1000 ticks of enabling at counter 500
    };
    for (const Row& row : {Row{501, {1}}, Row{600, {100}}, Row{1500, {1000}}, Row{500, {}}, Row{499, {}}, Row{0, {}}}) {
        CAPTURE(row.comparator);
        HpetParams p;
        p.counter_start = 500;
        HpetBench b(p);
        b.write(timer_config(0), kEdgeToPin);
        b.write(timer_comparator(0), row.comparator);
        b.write(kConfig, 1);
        b.run_ticks(1000);
        CHECK(edges(b, kBoot) == row.matches);
        CHECK(b.read(timer_comparator(0)) == row.comparator);
        CHECK(b.records_of(kHpetMatch).size() == row.matches.size());
    }
}

TEST_CASE("HP 4.1: written while running, a comparator equal to the counter or behind it waits for the wrap") {
    for (const std::uint64_t comparator : {100u, 99u}) {
        CAPTURE(comparator);
        HpetBench b;
        b.write(timer_config(0), kEdgeToPin | k32Mode);
        b.write(kConfig, 1);
        b.run_ticks(100);
        b.write(timer_comparator(0), comparator);
        b.run_until(b.tick(kBoot, kWrap32 + 50));
        CHECK(edges(b, kBoot).empty());
        b.run_until(b.tick(kBoot, kWrap32 + 200));
        CHECK(edges(b, kBoot) == Ticks{kWrap32 + comparator});
    }
    // 14.318 MHz and 32 bits: 299.97 s.
    CHECK(ps(HpetBench().tick(kBoot, kWrap32)) / 10'000'000'000 == 29'996);
}

TEST_CASE("HP 4.2: a 32-bit one-shot matches again every 2^32 ticks, whatever the upper half of the counter") {
    HpetParams p;
    p.counter_start = 0xabcd'ffff'fff0;
    HpetBench b(p);
    b.write(timer_config(0), kEdgeToPin | k32Mode);
    b.write(timer_comparator(0), 0x20);
    b.write(kConfig, 1);
    b.run_until(b.tick(kBoot, 3 * kWrap32));
    CHECK(edges(b, kBoot) == Ticks{0x30, kWrap32 + 0x30, 2 * kWrap32 + 0x30});
}

TEST_CASE("HP 4.1: a 64-bit comparator crosses the wrap of the 64-bit counter") {
    HpetParams p;
    p.counter_start = ~std::uint64_t{0} - 9;
    HpetBench b(p);
    b.write(timer_config(0), kEdgeToPin);
    b.write(timer_config(1), kEdgeToPin);
    b.write(timer_config(2), kEdgeToPin);
    b.write(timer_comparator(0), 5);
    b.write(timer_comparator(1), ~std::uint64_t{0});
    b.write(timer_comparator(2), 0xffff'ffff);
    b.write(kConfig, 1);
    b.run_ticks(100);
    CHECK(edges(b, kBoot) == Ticks{9, 15});
    CHECK(b.outputs.seen[0].timer == 1);
    CHECK(b.read(kCounter) == 90);
}

TEST_CASE("HP 4.1: a 32-bit counter wraps, and its comparators with it") {
    HpetParams p;
    p.counter_bits = 32;
    p.counter_start = 0xffff'fff0;
    HpetBench b(p);
    b.write(timer_config(0), kEdgeToPin);
    b.write(timer_comparator(0), 4);
    b.write(kConfig, 1);
    b.run_ticks(0x20);
    CHECK(b.read(kCounter) == 0x10);
    CHECK(edges(b, kBoot) == Ticks{0x14});
}

TEST_CASE("HP 4.2: with irq_at_wrap a 32-bit one-shot interrupts at the wrap before its match and not after it") {
    HpetParams p;
    p.irq_at_wrap = true;
    p.counter_start = 0xffff'fff0;
    HpetBench b(p);
    b.write(timer_config(0), kEdgeToPin | k32Mode);
    b.write(timer_comparator(0), 0x20);
    b.write(kConfig, 1);
    b.run_until(b.tick(kBoot, 3 * kWrap32));
    CHECK(edges(b, kBoot) == Ticks{0x10, 0x30});
    // Written again ahead of the counter: no wrap comes before the match.
    b.outputs.seen.clear();
    const std::uint64_t present = b.read(kCounter, 4);
    b.write(timer_comparator(0), present + 7);
    b.run_until(b.tick(kBoot, 5 * kWrap32));
    CHECK(edges(b, kBoot) == Ticks{3 * kWrap32 + 7});
}

TEST_CASE("HP 4.4: the example of the periodic timer, and its wrap in 32 bits") {
    HpetBench b;
    b.write(timer_config(0), kEdgeToPin | kPeriodic | kValSet);
    b.write(timer_comparator(0), 0x123);
    b.write(timer_comparator(0), 0x123);
    b.write(kConfig, 1);
    CHECK(b.read(timer_comparator(0)) == 0x123);
    b.run_ticks(0x123);
    CHECK(b.read(timer_comparator(0)) == 0x246);
    b.run_ticks(0x300);
    CHECK(edges(b, kBoot) == Ticks{0x123, 0x246, 0x369});

    HpetParams p;
    p.counter_start = 0xfffe'ffff;
    HpetBench w(p);
    w.write(timer_config(0), kEdgeToPin | kPeriodic | kValSet | k32Mode);
    w.write(timer_comparator(0), 0xffff'0000);
    w.write(timer_comparator(0), 0x2'0000);
    w.write(kConfig, 1);
    w.run_ticks(1);
    CHECK(w.read(timer_comparator(0)) == 0x0001'0000);
    w.run_ticks(0x2'0000);
    CHECK(edges(w, kBoot) == Ticks{1, 0x2'0001});
}

TEST_CASE("HP 4.3: which registers a comparator write changes in each model") {
    struct Row {
        HpetPeriodModel model;
        std::uint64_t config;
        std::uint64_t comparator, period;  // after writing 7 over comparator 1 and period 2
    };
    using enum HpetPeriodModel;
    for (const Row& row :
         {Row{kStrict, kPeriodic | kValSet, 7, 2}, Row{kStrict, kPeriodic, 1, 7}, Row{kStrict, kValSet, 7, 2},
          Row{kStrict, 0, 7, 2}, Row{kPermissive, kPeriodic | kValSet, 7, 7}, Row{kPermissive, kPeriodic, 1, 7},
          Row{kPermissive, kValSet, 7, 7}, Row{kPermissive, 0, 7, 7}, Row{kBothAlways, kPeriodic | kValSet, 7, 7},
          Row{kBothAlways, kPeriodic, 7, 7}, Row{kBothAlways, kValSet, 7, 7}, Row{kBothAlways, 0, 7, 7}}) {
        CAPTURE(static_cast<int>(row.model));
        CAPTURE(row.config);
        HpetParams p;
        p.period_model = row.model;
        HpetBench b(p);
        // A known start: one match leaves period 2 and another comparator in every model.
        const bool both_always = row.model == kBothAlways;
        b.write(timer_config(0), kPeriodic | kValSet);
        b.write(timer_comparator(0), both_always ? 2 : ~std::uint64_t{0});
        b.write(timer_comparator(0), 2);
        b.write(kCounter, b.read(timer_comparator(0)) - 1);
        b.write(kConfig, 1);
        b.run_ticks(1);
        b.write(kConfig, 0);
        REQUIRE(b.read(timer_comparator(0)) == (both_always ? 4 : 1));
        REQUIRE(b.hpet.timer(0).period() == 2);
        b.write(timer_config(0), row.config);
        b.write(timer_comparator(0), 7);
        CHECK(b.read(timer_comparator(0)) == row.comparator);
        CHECK(b.hpet.timer(0).period() == row.period);
        CHECK((b.read(timer_config(0)) & kValSet) == 0);
        // VAL_SET was consumed: a second write goes to the period of a periodic timer alone.
        b.write(timer_comparator(0), 9);
        CHECK((b.read(timer_comparator(0)) == 9) == (both_always || (row.config & kPeriodic) == 0));
    }
}

TEST_CASE("HP 4.3, HP-I3: each half consumes VAL_SET, a full comparator takes VAL_SET, low, VAL_SET, high") {
    for (const HpetPeriodModel model : {HpetPeriodModel::kStrict, HpetPeriodModel::kPermissive}) {
        HpetParams p;
        p.period_model = model;
        HpetBench b(p);
        b.write(timer_config(0), kPeriodic | kValSet, 4);
        b.write(timer_comparator(0), 0x1000, 4);
        b.write(timer_config(0), kPeriodic | kValSet, 4);
        b.write(timer_comparator(0) + 4, 0x2, 4);
        CHECK(b.read(timer_comparator(0)) == 0x2'0000'1000);
        b.write(timer_comparator(0), 0x30, 4);
        b.write(timer_comparator(0) + 4, 0, 4);
        CHECK(b.read(timer_comparator(0)) == 0x2'0000'1000);
        CHECK(b.hpet.timer(0).period() == 0x30);
        // Once only: the high half is the period's.
        b.write(timer_config(0), kPeriodic | kValSet, 4);
        b.write(timer_comparator(0), 0x77, 4);
        b.write(timer_comparator(0) + 4, 0x5, 4);
        CHECK(b.read(timer_comparator(0)) == 0x2'0000'0077);
        CHECK(b.hpet.timer(0).period() == (model == HpetPeriodModel::kStrict ? 0x5'0000'0030 : 0x5'0000'0077));
    }
}

TEST_CASE("HP 4.3: the sequences of the drivers give the same ticks in the strict and the permissive model") {
    for (const HpetPeriodModel model : {HpetPeriodModel::kStrict, HpetPeriodModel::kPermissive}) {
        HpetParams p;
        p.period_model = model;
        p.counter_start = 0xffff'ff00;
        {  // HP 8.4: periodic, with the counter running
            HpetBench b(p);
            b.write(kConfig, 1);
            b.run_ticks(10);
            const std::uint64_t present = b.read(kCounter, 4);
            b.write(timer_config(0), kEdgeToPin | kPeriodic | kValSet | k32Mode, 4);
            b.write(timer_comparator(0), present + 500, 4);
            b.run_ticks(15);
            b.write(timer_comparator(0), 500, 4);
            b.run_ticks(1600);
            CHECK(edges(b, kBoot) == Ticks{510, 1010, 1510});
        }
        {  // HP 8.4, later: the same with the counter stopped meanwhile
            HpetBench b(p);
            b.write(timer_config(0), kEdgeToPin | kPeriodic | kValSet | k32Mode, 4);
            b.write(timer_comparator(0), p.counter_start + 500, 4);
            b.write(timer_comparator(0), 500, 4);
            b.write(kConfig, 1);
            b.run_ticks(1600);
            CHECK(edges(b, kBoot) == Ticks{500, 1000, 1500});
        }
        {  // HP 8.3: one-shot
            HpetBench b(p);
            b.write(timer_config(0), kEdgeToPin | k32Mode, 4);
            b.write(kConfig, 1);
            for (const std::uint64_t delta : {300u, 400u}) {
                b.write(timer_comparator(0), b.read(kCounter, 4) + delta, 4);
                b.run_ticks(500);
            }
            CHECK(edges(b, kBoot) == Ticks{300, 900});
        }
    }
}

TEST_CASE("HP 4.3: a new period is used at the next match, period 0 is no further match before the wrap (HP-D7)") {
    HpetBench b;
    b.write(timer_config(0), kEdgeToPin | kPeriodic | kValSet | k32Mode);
    b.write(timer_comparator(0), 100);
    b.write(timer_comparator(0), 100);
    b.write(kConfig, 1);
    b.run_ticks(150);
    b.write(timer_comparator(0), 30);
    b.run_until(b.tick(kBoot, 235));
    CHECK(edges(b, kBoot) == Ticks{100, 200, 230});
    b.write(timer_comparator(0), 0);
    b.run_until(b.tick(kBoot, kWrap32));
    CHECK(edges(b, kBoot) == Ticks{100, 200, 230, 260});
    b.run_until(b.tick(kBoot, kWrap32 + 1000));
    CHECK(edges(b, kBoot) == Ticks{100, 200, 230, 260, kWrap32 + 260});
}

TEST_CASE("HP-I5: with overall enable 0 nothing matches, and what was passed meanwhile is not made up for") {
    HpetBench b;
    b.write(timer_config(0), kEdgeToPin);
    b.write(timer_comparator(0), 50);
    b.write(kConfig, 1);
    b.run_ticks(40);
    b.write(kConfig, 0);
    b.run_ticks(1000);
    CHECK(b.outputs.seen.empty());
    b.write(kCounter, 60);
    b.write(kConfig, 1);
    b.run_ticks(1000);
    CHECK(b.outputs.seen.empty());
}

TEST_CASE("HP 5: a timer whose interrupt is disabled matches all the same") {
    HpetBench b;
    b.write(timer_config(0), kPeriodic | kValSet | route(20));
    b.write(timer_comparator(0), 10);
    b.write(timer_comparator(0), 10);
    b.write(timer_config(1), kLevel | route(20));
    b.write(timer_comparator(1), 12);
    b.write(kConfig, 1);
    b.run_ticks(35);
    CHECK(b.read(timer_comparator(0)) == 40);
    CHECK(b.read(kStatus) == 2);
    CHECK(b.outputs.seen.empty());
    CHECK(b.records_of(kHpetMatch).size() == 4);
}

TEST_CASE("HP-P1: an access finds the matches performed that are due by its instant, also ahead of the engine") {
    HpetBench b;
    b.write(timer_config(0), kEdgeToPin | kPeriodic | kValSet);
    b.write(timer_comparator(0), 10);
    b.write(timer_comparator(0), 10);
    b.write(kConfig, 1);
    // No run_until: the engine is still at boot.
    CHECK(b.hpet.read(b.tick(kBoot, 35), timer_comparator(0), 8) == 40);
    CHECK(edges(b, kBoot) == Ticks{10, 20, 30});
    b.hpet.write(b.tick(kBoot, 40), timer_config(0), 0, 8, {});
    CHECK(edges(b, kBoot) == Ticks{10, 20, 30, 40});
    b.check();
    b.run_until(b.tick(kBoot, 40));
    CHECK(b.outputs.seen.size() == 4);
}

TEST_CASE("HP 5, MA 3.4: timers that match at one instant do so in the order of their numbers") {
    HpetBench b;
    for (const unsigned n : {5u, 1u, 3u}) {
        b.write(timer_config(n), kEdgeToPin);
        b.write(timer_comparator(n), 77);
    }
    b.write(kConfig, 1);
    b.run_ticks(77);
    REQUIRE(b.outputs.seen.size() == 3);
    CHECK(b.outputs.seen[0].timer == 1);
    CHECK(b.outputs.seen[1].timer == 3);
    CHECK(b.outputs.seen[2].timer == 5);
}
