// HP 2, HP 3, HP 6: the registers of the HPET, their masks and what undefined accesses do.
#include <stdexcept>

#include "hpet_bench.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::hpet_timer_bits;

TEST_CASE("HP 2.1: the capabilities register") {
    CHECK(HpetBench().read(kCapabilities) == (std::uint64_t{69'841'279} << 32 | 0x8086a701));
    HpetParams p(3);
    p.counter_bits = 32;
    p.legacy_capable = false;
    p.revision = 0x10;
    p.vendor = 0x1022;
    p.period_fs = 100'000'000;
    HpetBench b(p);
    CHECK(b.read(kCapabilities) == (std::uint64_t{100'000'000} << 32 | 0x10220210));
    CHECK(b.read(kCapabilities, 4) == 0x10220210);
    CHECK(b.read(kCapabilities + 4, 4) == 100'000'000);
    b.write(kCapabilities, 0);
    CHECK(b.diagnostics() == std::vector<std::string>{"read_only"});
}

TEST_CASE("HP 1: parameters out of range are refused with found and expected") {
    struct Row {
        void (*spoil)(HpetParams&);
        const char* message;
    };
    const Row kRows[] = {
        {[](HpetParams& p) { p.period_fs = 0; }, "hpet.period_fs: found 0, expected 2000 to 100000000"},
        {[](HpetParams& p) { p.period_fs = 100'000'001; },
         "hpet.period_fs: found 100000001, expected 2000 to 100000000"},
        {[](HpetParams& p) { p.counter_bits = 48; }, "hpet.counter_bits: found 48, expected 32 or 64"},
        {[](HpetParams& p) { p = HpetParams(2); }, "hpet.timers: found 2, expected 3 to 32"},
        {[](HpetParams& p) { p = HpetParams(33); }, "hpet.timers: found 33, expected 3 to 32"},
        {[](HpetParams& p) { p.revision = 0; }, "hpet.revision: found 0, expected 1 to 255"},
        {[](HpetParams& p) {
             p.counter_bits = 32;
             p.counter_start = std::uint64_t{1} << 32;
         },
         "hpet.counter_start: found 4294967296, expected 0 to 4294967295"},
    };
    for (const Row& row : kRows) {
        HpetParams p;
        CHECK(p.problem().empty());
        row.spoil(p);
        CHECK(p.problem() == row.message);
        CHECK_THROWS_WITH_AS(HpetBench{p}, row.message, std::invalid_argument);
    }
}

TEST_CASE("HP 2.5: what can be written in a timer's configuration depends on its capabilities") {
    constexpr std::uint64_t kEverything = kLevel | kIntEnable | kPeriodic | k32Mode | kFsbEnable | route(20);
    struct Row {
        HpetTimerParams timer;
        std::uint64_t read_back;  // of the low half
    };
    const Row kRows[] = {
        {{true, true, true, 1u << 20}, kEverything | kPeriodicCapable | kSize64Capable | kFsbCapable},
        {{false, true, true, 1u << 20}, (kEverything & ~kPeriodic) | kSize64Capable | kFsbCapable},
        {{true, false, true, 1u << 20}, (kEverything & ~k32Mode) | kPeriodicCapable | kFsbCapable},
        {{true, true, false, 1u << 20}, (kEverything & ~kFsbEnable) | kPeriodicCapable | kSize64Capable},
        {{true, true, true, 1u << 21}, (kEverything & ~kRoute) | kPeriodicCapable | kSize64Capable | kFsbCapable},
    };
    for (const Row& row : kRows) {
        CAPTURE(row.read_back);
        HpetParams p(3);
        p.timers[1] = row.timer;
        HpetBench b(p);
        b.write(timer_config(1), ~kRoute | route(20));
        CHECK(b.read(timer_config(1)) == (row.read_back | std::uint64_t{row.timer.route_capable} << 32));
        b.write(timer_config(1), 0, 4);
        b.write(timer_config(1) + 4, ~std::uint64_t{0}, 4);
        const std::uint64_t kept = row.read_back & (kPeriodicCapable | kSize64Capable | kFsbCapable);
        CHECK((b.read(timer_config(1), 4) & ~kRoute) == kept);
        CHECK(b.read(timer_config(1) + 4, 4) == row.timer.route_capable);
    }
}

TEST_CASE("HP 2.5: a 64-bit comparator needs a 64-bit counter") {
    HpetParams p;
    p.counter_bits = 32;
    HpetBench b(p);
    CHECK((b.read(timer_config(0)) & kSize64Capable) == 0);
    CHECK(b.read(timer_comparator(0)) == 0xffff'ffff);
    b.write(timer_comparator(0), 0x1'2345'6789);
    CHECK(b.read(timer_comparator(0)) == 0x2345'6789);
    CHECK(b.read(kCounter + 4, 4) == 0);
}

TEST_CASE("HP 2.5: default routes, and a route that does not exist leaves the old one") {
    HpetBench b;
    for (unsigned n = 0; n < 8; ++n)
        CHECK(b.read(timer_config(n) + 4, 4) == (0x00f0'0000u | (n == 2 ? 1u << 11 : 0) | (n == 3 ? 1u << 12 : 0)));
    b.write(timer_config(2), route(11));
    b.write(timer_config(2), route(12) | kIntEnable);
    CHECK((b.read(timer_config(2), 4) & (kRoute | kIntEnable)) == (route(11) | kIntEnable));
    CHECK(b.diagnostics() == std::vector<std::string>{"bad_route"});
}

TEST_CASE("HP 2.2: the general configuration has two bits, one only where there is legacy replacement") {
    HpetBench b;
    b.write(kConfig, 2);
    CHECK(b.read(kConfig) == 2);
    b.write(kConfig, 0xff & ~1u);
    CHECK(b.read(kConfig) == 2);
    CHECK(b.diagnostics() == std::vector<std::string>{"reserved_bits"});
    HpetParams p;
    p.legacy_capable = false;
    HpetBench without(p);
    without.write(kConfig, 3);
    CHECK(without.read(kConfig) == 1);
    CHECK(without.diagnostics() == std::vector<std::string>{"not_capable"});
    CHECK(without.outputs.seen.empty());
}

TEST_CASE("HP 2: accesses that are not 32 or 64 bits, not aligned, or to nothing read 0 and are ignored (HP-D2)") {
    struct Row {
        std::uint32_t offset;
        unsigned bytes;
        const char* diagnostic;
    };
    for (const Row& row : {Row{0x0f0, 1, "bad_access"}, Row{0x0f0, 2, "bad_access"}, Row{0x0f4, 8, "bad_access"},
                           Row{0x0f2, 4, "bad_access"}, Row{0x400, 4, "bad_access"}, Row{0x008, 8, "no_register"},
                           Row{0x118, 4, "no_register"}, Row{0x200, 8, "no_register"}, Row{0x3fc, 4, "no_register"}}) {
        CAPTURE(row.offset);
        CAPTURE(row.bytes);
        HpetParams p;
        p.counter_start = 0x1234'5678'9abc'def0;
        HpetBench b(p);
        CHECK(b.read(row.offset, row.bytes) == 0);
        b.write(row.offset, ~std::uint64_t{0}, row.bytes);
        CHECK(b.diagnostics() == std::vector<std::string>{row.diagnostic, row.diagnostic});
        CHECK(b.records_of(kHpetWrite).empty());
        CHECK(b.read(kCounter) == p.counter_start);
        CHECK(b.read(kConfig) == 0);
    }
}

TEST_CASE("HP 2.4: a halted counter takes writes, in halves too, a running one does not (HP-D4)") {
    HpetBench b;
    b.write(kCounter, 0x1111'2222'3333'4444);
    b.write(kCounter, 0x5555'6666, 4);
    CHECK(b.read(kCounter) == 0x1111'2222'5555'6666);
    b.write(kCounter + 4, 0x7777'8888, 4);
    CHECK(b.read(kCounter) == 0x7777'8888'5555'6666);
    b.run_ticks(1'000);
    CHECK(b.read(kCounter) == 0x7777'8888'5555'6666);
    b.write(kConfig, 1);
    b.run_ticks(0x10);
    b.write(kCounter, 0);
    CHECK(b.read(kCounter) == 0x7777'8888'5555'6676);
    CHECK(b.diagnostics() == std::vector<std::string>{"counter_running"});
}

TEST_CASE("HP 2.4: the high-low-high protocol reads 64 bits over a carry of the low word") {
    HpetParams p;
    p.counter_start = 0x7'ffff'ffff;
    HpetBench b(p);
    b.write(kConfig, 1);
    const auto read_pair = [&](std::uint64_t ticks_between) {
        std::uint64_t high = b.read(kCounter + 4, 4);
        while (true) {
            b.run_ticks(ticks_between);
            const std::uint64_t low = b.read(kCounter, 4);
            const std::uint64_t again = b.read(kCounter + 4, 4);
            if (again == high)
                return high << 32 | low;
            high = again;
        }
    };
    // Without the second look at the high word this would read 0x7'0000'0001.
    CHECK(read_pair(2) == 0x8'0000'0003);
}

TEST_CASE("HP 3: enabling restarts the phase, disabling freezes (HP-D5, HP-I1)") {
    HpetBench b;
    b.run_until(kBoot + Duration{12'345});
    b.write(kConfig, 1);
    const Time enabled = b.now;
    CHECK(b.hpet.counter(b.tick(enabled, 1) - Duration{1}) == 0);
    CHECK(b.hpet.counter(b.tick(enabled, 1)) == 1);
    b.run_until(b.tick(enabled, 7) + Duration{69'000});
    b.write(kConfig, 0);
    b.run_ticks(5);
    CHECK(b.read(kCounter) == 7);
    b.write(kConfig, 1);
    b.run_until(b.now + Duration{69'841});
    CHECK(b.read(kCounter) == 7);
    b.run_until(b.now + Duration{1});
    CHECK(b.read(kCounter) == 8);
}

TEST_CASE("HP 2.5: 32MODE clears the upper halves of comparator and period for good") {
    HpetBench b;
    b.write(timer_config(0), kPeriodic | kValSet);
    b.write(timer_comparator(0), 0x1'0000'1000);
    b.write(timer_comparator(0), 0x2'0000'2000);
    CHECK(b.hpet.timer(0).period() == 0x2'0000'2000);
    b.write(timer_config(0), kPeriodic | k32Mode);
    CHECK(b.read(timer_comparator(0)) == 0x1000);
    CHECK(b.hpet.timer(0).period() == 0x2000);
    b.write(timer_comparator(0) + 4, 0xffff'ffff, 4);
    CHECK(b.hpet.timer(0).period() == 0x2000);
    b.write(timer_config(0), 0);
    CHECK(b.read(timer_comparator(0)) == 0x1000);
    CHECK(b.hpet.timer(0).period() == 0x2000);
}

TEST_CASE("HP 2.7: the FSB register exists where there is FSB delivery") {
    HpetParams p;
    p.timers[3].fsb_capable = false;
    HpetBench b(p);
    b.write(timer_fsb(2), 0xfee0'1000'0000'0041);
    CHECK(b.read(timer_fsb(2)) == 0xfee0'1000'0000'0041);
    b.write(timer_fsb(2) + 4, 0xfee0'3000, 4);
    CHECK(b.read(timer_fsb(2)) == 0xfee0'3000'0000'0041);
    b.write(timer_fsb(3), 0xfee0'1000'0000'0041);
    CHECK(b.read(timer_fsb(3)) == 0);
    CHECK(b.diagnostics() == std::vector<std::string>{"not_capable"});
}

TEST_CASE("HP 6: reset gives the power-on state and drops what was asserted") {
    HpetParams p;
    p.counter_start = 42;
    HpetBench b(p);
    b.write(timer_config(0), kLevel | kIntEnable | route(20));
    b.write(timer_comparator(0), 50);
    b.write(timer_fsb(0), 0x1'0000'0002);
    b.write(kConfig, 3);
    b.run_ticks(20);
    CHECK(b.read(kStatus) == 1);
    CHECK(b.hpet.line(0));
    b.outputs.seen.clear();
    b.hpet.reset(b.now, {});
    b.check();
    CHECK(b.outputs.seen == std::vector<HpetOutput>{{b.now, "drop", 2, 0, 0}, {b.now, "legacy off", 0, 0, 0}});
    for (const std::uint32_t zero : {kConfig, kStatus, timer_fsb(0)})
        CHECK(b.read(zero) == 0);
    CHECK((b.read(timer_config(0)) & (kLevel | kIntEnable | kRoute)) == 0);
    CHECK(b.read(timer_comparator(0)) == ~std::uint64_t{0});
    CHECK(b.read(kCounter) == 42);
    b.run_ticks(100);
    CHECK(b.read(kCounter) == 42);
}
