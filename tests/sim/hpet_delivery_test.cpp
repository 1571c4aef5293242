// HP 5: edges, level lines, messages and legacy replacement.
#include "hpet_bench.hpp"
#include "ticklab/sim/choices.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::hpet_timer_bits;

namespace {

using Outputs = std::vector<HpetOutput>;

}  // namespace

TEST_CASE("HP 5, HP-I4: a level line rises at the match, merges, falls when the status bit is cleared, rises again") {
    HpetBench b;
    b.write(timer_config(0), kLevel | kIntEnable | kPeriodic | kValSet | route(21));
    b.write(timer_comparator(0), 10);
    b.write(timer_comparator(0), 10);
    b.write(kConfig, 1);
    b.run_ticks(35);
    CHECK(b.outputs.seen == Outputs{{b.tick(kBoot, 10), "raise", 21, 0, 0}});
    CHECK(b.read(kStatus) == 1);
    b.write(kStatus, 0);
    b.write(kStatus, 0xfe);
    CHECK(b.read(kStatus) == 1);
    b.write(kStatus, 1);
    CHECK(b.read(kStatus) == 0);
    CHECK(b.outputs.seen.back() == HpetOutput{b.now, "drop", 21, 0, 0});
    b.run_until(b.tick(kBoot, 40));
    CHECK(b.outputs.seen.back() == HpetOutput{b.tick(kBoot, 40), "raise", 21, 0, 0});
    CHECK(b.outputs.seen.size() == 3);
    CHECK(b.records_of(kHpetMatch).size() == 4);
    CHECK(b.records_of(kHpetLine).size() == 3);
}

TEST_CASE("HP 5: what takes a level line away keeps its status bit, and gives the line back (HP-D8)") {
    struct Row {
        const char* what;
        std::uint32_t offset;
        std::uint64_t away, back;
        std::uint64_t status_while_away;
    };
    constexpr std::uint64_t kOn = kLevel | kIntEnable | route(20);
    for (const Row& row :
         {Row{"overall enable", kConfig, 0, 1, 4}, Row{"INT_ENB", timer_config(2), kLevel | route(20), kOn, 4},
          Row{"FSB_EN", timer_config(2), kOn | kFsbEnable, kOn, 4}}) {
        CAPTURE(row.what);
        HpetBench b;
        b.write(timer_config(2), kOn);
        b.write(timer_comparator(2), 10);
        b.write(kConfig, 1);
        b.run_ticks(20);
        REQUIRE(b.hpet.line(2));
        b.write(row.offset, row.away);
        CHECK_FALSE(b.hpet.line(2));
        CHECK(b.read(kStatus) == row.status_while_away);
        b.write(row.offset, row.back);
        CHECK(b.hpet.line(2));
        CHECK(b.outputs.seen.size() == 3);
    }
}

TEST_CASE("HP-D3: in edge mode the status bit reads 0, and changing to edge forgets it") {
    HpetBench b;
    b.write(timer_config(0), kLevel | kIntEnable | route(20));
    b.write(timer_comparator(0), 10);
    b.write(timer_config(1), kIntEnable | route(21));
    b.write(timer_comparator(1), 10);
    b.write(kConfig, 1);
    b.run_ticks(10);
    CHECK(b.outputs.seen == Outputs{{b.now, "raise", 20, 0, 0}, {b.now, "edge", 21, 1, 0}});
    CHECK(b.read(kStatus) == 1);
    b.write(timer_config(0), kIntEnable | route(20));
    CHECK(b.read(kStatus) == 0);
    CHECK(b.outputs.seen.back().what == "drop");
    b.write(timer_config(0), kLevel | kIntEnable | route(20));
    CHECK_FALSE(b.hpet.line(0));
}

TEST_CASE("HP 5: an asserted level line follows its ROUTE to another pin") {
    HpetBench b;
    b.write(timer_config(0), kLevel | kIntEnable | route(20));
    b.write(timer_comparator(0), 10);
    b.write(kConfig, 1);
    b.run_ticks(10);
    b.outputs.seen.clear();
    b.write(timer_config(0), kLevel | kIntEnable | route(22));
    CHECK(b.outputs.seen == Outputs{{b.now, "drop", 20, 0, 0}, {b.now, "raise", 22, 0, 0}});
}

TEST_CASE("HP 5: the legacy bit takes timers 0 and 1 to pins 2 and 8, tells PIT and RTC, and gives both back") {
    HpetBench b;
    for (const unsigned n : {0u, 1u, 2u}) {
        b.write(timer_config(n), kIntEnable | route(20));
        b.write(timer_comparator(n), 10);
    }
    b.write(kConfig, 3);
    CHECK(b.outputs.seen == Outputs{{b.now, "legacy on", 0, 0, 0}});
    b.write(kConfig, 3);
    b.run_ticks(10);
    const Time first = b.now;
    b.write(kConfig, 1);
    CHECK(b.outputs.seen.back() == HpetOutput{b.now, "legacy off", 0, 0, 0});
    b.write(timer_comparator(0), 20);
    b.run_ticks(10);
    CHECK(b.outputs.seen == Outputs{{kBoot, "legacy on", 0, 0, 0},
                                    {first, "edge", 2, 0, 0},
                                    {first, "edge", 8, 1, 0},
                                    {first, "edge", 20, 2, 0},
                                    {first, "legacy off", 0, 0, 0},
                                    {b.tick(kBoot, 20), "edge", 20, 0, 0}});
}

TEST_CASE("HP 5: an asserted level line moves with the legacy bit, PIT and RTC are never on a pin together with it") {
    HpetBench b;
    b.write(timer_config(1), kLevel | kIntEnable | route(20));
    b.write(timer_comparator(1), 10);
    b.write(kConfig, 1);
    b.run_ticks(10);
    b.outputs.seen.clear();
    b.write(kConfig, 3);
    b.write(kConfig, 1);
    CHECK(b.outputs.seen == Outputs{{b.now, "legacy on", 0, 0, 0},
                                    {b.now, "drop", 20, 1, 0},
                                    {b.now, "raise", 8, 1, 0},
                                    {b.now, "drop", 8, 1, 0},
                                    {b.now, "raise", 20, 1, 0},
                                    {b.now, "legacy off", 0, 0, 0}});
}

TEST_CASE("HP 5: FSB delivery goes before legacy and ROUTE, with level type it warns and sends one message a match") {
    for (const std::uint64_t type : {std::uint64_t{0}, kLevel}) {
        HpetBench b;
        b.write(timer_config(0), type | kIntEnable | kFsbEnable | kPeriodic | kValSet | route(20));
        b.write(timer_comparator(0), 10);
        b.write(timer_comparator(0), 10);
        b.write(timer_fsb(0), 0xfee0'1000'0000'4041);
        b.write(kConfig, 3);
        b.run_ticks(20);
        CHECK(b.outputs.seen == Outputs{{kBoot, "legacy on", 0, 0, 0},
                                        {b.tick(kBoot, 10), "message", 0xfee0'1000, 0, 0x4041},
                                        {b.tick(kBoot, 20), "message", 0xfee0'1000, 0, 0x4041}});
        CHECK(b.diagnostics() ==
              (type == 0 ? std::vector<std::string>{} : std::vector<std::string>{"fsb_level", "fsb_level"}));
        CHECK(b.read(kStatus) == (type == 0 ? 0 : 1));
        CHECK_FALSE(b.hpet.line(0));
    }
}

TEST_CASE("HP 8.5: with FSB_EN cleared and INT_ENB set the event goes to ROUTE, clearing INT_ENB silences it") {
    HpetBench b;
    b.write(timer_config(2), kIntEnable | kFsbEnable | route(11));
    b.write(timer_comparator(2), 10);
    b.write(kConfig, 1);
    b.run_ticks(5);
    b.write(timer_config(2), kIntEnable | route(11));
    b.run_ticks(5);
    CHECK(b.outputs.seen == Outputs{{b.tick(kBoot, 10), "edge", 11, 2, 0}});
    b.write(timer_config(2), kFsbEnable | route(11));
    b.write(timer_comparator(2), 20);
    b.run_ticks(20);
    CHECK(b.outputs.seen.size() == 1);
}

TEST_CASE("HP 5: an interrupt to a pin that was never chosen leaves a diagnostic") {
    HpetBench b;
    b.write(timer_config(0), kIntEnable);
    b.write(timer_comparator(0), 10);
    b.write(kConfig, 1);
    b.run_ticks(10);
    CHECK(b.outputs.seen == Outputs{{b.now, "edge", 0, 0, 0}});
    CHECK(b.diagnostics() == std::vector<std::string>{"route_unset"});
}

TEST_CASE("MA 11: a match names the write that armed it, what it raises names the match, and the root goes along") {
    HpetBench b;
    const Cause script{RecordId{99}, 1234};
    b.write(timer_config(0), kIntEnable | kPeriodic | kValSet | route(20), 8, script);
    b.write(timer_comparator(0), 10, 8, script);
    b.write(timer_comparator(0), 10, 8, script);
    b.write(kConfig, 1, 8, Cause{RecordId{98}, 4321});
    b.run_ticks(25);
    const auto writes = b.records_of(kHpetWrite);
    const auto matches = b.records_of(kHpetMatch);
    REQUIRE(writes.size() == 4);
    REQUIRE(matches.size() == 2);
    CHECK(writes[2].cause == script.record);
    for (const auto& match : matches)
        CHECK(match.cause == writes[2].id);
    CHECK(b.outputs.last_cause.record == matches[1].id);
    // Each further match is a root of its own (MA 7.1).
    CHECK(b.outputs.last_cause.root == mix(script.root, 0));
    CHECK(matches[1].operands[0] == 0);
    CHECK(matches[1].operands[1] == 20);
    CHECK(matches[1].operands[2] == 20);
    CHECK(matches[1].operands[3] == 30);
    CHECK(b.records.name(matches[1].operands[4]) == "edge");
}

TEST_CASE("MA 11: a comparator that nobody wrote is armed by the write that enabled the block") {
    HpetParams p;
    p.counter_start = ~std::uint64_t{0} - 3;
    HpetBench b(p);
    b.write(kConfig, 1);
    b.run_ticks(3);
    const auto matches = b.records_of(kHpetMatch);
    REQUIRE(matches.size() == 8);
    CHECK(matches[0].cause == b.records_of(kHpetWrite)[0].id);
    CHECK(b.records.name(matches[0].operands[4]) == "none");
}
