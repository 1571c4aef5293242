// TC 3: the TSC of a CPU, its classes, MSRs and faults.
#include "ticklab/sim/tsc.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <map>
#include <stdexcept>
#include <string>

#include "ticklab/sim/devices/hpet_records.hpp"

using namespace ticklab::sim;

namespace {

constexpr std::uint64_t kHz = 2'400'000'000;

Time at_ns(std::int64_t t) { return kBoot + Nanoseconds{t}; }

struct CountingListener : ClockListener {
    int told = 0;
    Time last = kBoot;
    Cause cause;
    void clock_changed(Time at, Cause c) override {
        ++told;
        last = at;
        cause = c;
    }
};

struct KindCounter : RecordConsumer {
    std::map<std::string_view, int> seen;
    void consume(std::span<const Record> batch) override {
        for (const Record& r : batch)
            ++seen[r.kind->name];
    }
};

// One CPU's TSC with what it needs around it.
struct TscBench {
    RecordStream records;
    KindCounter kinds;
    Emitter emitter{rank_of_cpu(), 0, 0};
    Tsc tsc;
    CountingListener listener;

    explicit TscBench(TscClass tsc_class = TscClass::kInvariant) : tsc(records, emitter, kHz, tsc_class) {
        records.add_consumer(kinds);
        tsc.add_listener(listener);
    }
    static constexpr std::uint32_t rank_of_cpu() { return 2u << 30; }
    int emitted(std::string_view kind) {
        records.commit(kNever - Duration{1});
        return kinds.seen[kind];
    }
};

}  // namespace

TEST_CASE("TC 3.1: writing the TSC moves TSC_ADJUST by the difference, and TSC_ADJUST 0 undoes all writes") {
    TscBench b;
    b.tsc.write(at_ns(1'000), 100'000, {});
    CHECK(b.tsc.read(at_ns(1'000)) == 100'000);
    CHECK(b.tsc.read_adjust() == 100'000 - 2'400);
    CHECK(b.tsc.read(at_ns(2'000)) == 102'400);
    b.tsc.write_adjust(at_ns(2'000), static_cast<std::uint64_t>(-400), {});
    CHECK(b.tsc.read(at_ns(2'000)) == 4'400);
    b.tsc.write_adjust(at_ns(3'000), 0, {});
    CHECK(b.tsc.read(at_ns(3'000)) == 7'200);
    CHECK(b.listener.told == 3);
    CHECK(b.emitted("tsc_write") == 3);
}

TEST_CASE("TC 3.1: after any writes, TSC minus TSC_ADJUST is the untouched TSC") {
    CHECK(rc::check([] {
        TscBench b;
        std::int64_t now_ns = 0;
        const int steps = *rc::gen::inRange(1, 12);
        for (int i = 0; i < steps; ++i) {
            now_ns += *rc::gen::inRange<std::int64_t>(0, 1'000'000);
            const auto value = *rc::gen::arbitrary<std::uint64_t>();
            if (*rc::gen::arbitrary<bool>())
                b.tsc.write(at_ns(now_ns), value, {});
            else
                b.tsc.write_adjust(at_ns(now_ns), value, {});
        }
        RC_ASSERT(b.tsc.read(at_ns(now_ns)) - b.tsc.read_adjust() == TscBench{}.tsc.read(at_ns(now_ns)));
        b.tsc.write_adjust(at_ns(now_ns), 0, {});
        RC_ASSERT(b.tsc.read(at_ns(now_ns)) == TscBench{}.tsc.read(at_ns(now_ns)));
    }));
}

TEST_CASE("TC 3.1: reset zeroes TSC and TSC_ADJUST, hot-add comes in step but for its skew") {
    TscBench b;
    b.tsc.write(at_ns(10), 999, {});
    b.tsc.reset(at_ns(20), {});
    CHECK(b.tsc.read(at_ns(20)) == 0);
    CHECK(b.tsc.read_adjust() == 0);
    b.tsc.hot_add(at_ns(1'000), {});
    CHECK(b.tsc.read(at_ns(1'000)) == 2'400);
    b.tsc.set_fault(at_ns(1'000), TscFault::kSkew, -50, {});
    b.tsc.hot_add(at_ns(2'000), {});
    CHECK(b.tsc.read(at_ns(2'000)) == 4'750);
    CHECK(b.emitted("tsc_reset") == 3);
}

TEST_CASE("TC 3.2, TC 3.3: what P-states and deep C-states do to each class") {
    struct Row {
        TscClass tsc_class;
        std::uint64_t after_p_state;  // 1 us at 2.4 GHz, 1 us at the P-state's 1.2 GHz
        std::uint64_t after_sleep;    // and 1 us of deep sleep
    };
    for (const Row& row : {Row{TscClass::kVariable, 3'600, 3'600}, Row{TscClass::kConstant, 4'800, 4'800},
                           Row{TscClass::kInvariant, 4'800, 7'200}}) {
        CAPTURE(static_cast<int>(row.tsc_class));
        TscBench b(row.tsc_class);
        b.tsc.set_p_state(at_ns(1'000), kHz / 2, {});
        CHECK(b.tsc.read(at_ns(2'000)) == row.after_p_state);
        b.tsc.enter_deep_idle(at_ns(2'000), {});
        CHECK(b.tsc.running() == (row.tsc_class == TscClass::kInvariant));
        b.tsc.exit_deep_idle(at_ns(3'000), {});
        CHECK(b.tsc.running());
        CHECK(b.tsc.read(at_ns(3'000)) == row.after_sleep);
        CHECK(b.listener.told == (row.tsc_class == TscClass::kVariable   ? 3
                                  : row.tsc_class == TscClass::kConstant ? 2
                                                                         : 0));
    }
}

TEST_CASE("TC 3.3: a sleep in a deep C-state keeps the phase (TC-I3)") {
    TscBench b(TscClass::kConstant);
    // 1 ps past a tick; 5 ticks of 1250/3 ps later the TSC must have made exactly 5 more.
    const Time tick = b.tsc.first_at(1'000);
    b.tsc.enter_deep_idle(tick + Duration{1}, {});
    b.tsc.exit_deep_idle(tick + Duration{777'778}, {});
    CHECK(b.tsc.first_at(1'001) == tick + Duration{777'777 + 417});
}

TEST_CASE("TC-P4: the deadline instant is the first one with the visible TSC at or above it") {
    TscBench b;
    CHECK(b.tsc.first_at(2'400) == at_ns(1'000));
    CHECK(b.tsc.first_at(2'401) == at_ns(1'000) + Duration{417});
    b.tsc.write(at_ns(1'000), 5'000, {});
    CHECK(b.tsc.first_at(4'000) == at_ns(1'000));
    CHECK(b.tsc.first_at(7'400) == at_ns(2'000));
    b.tsc.write(at_ns(2'000), ~std::uint64_t{0}, {});
    CHECK(b.tsc.first_at(at_ns(3'000), 2'500) > at_ns(3'000));
}

TEST_CASE("TC-P4: a deadline behind a stopped TSC is never, and comes back with it") {
    TscBench b(TscClass::kConstant);
    b.tsc.enter_deep_idle(at_ns(1'000), {});
    CHECK(b.tsc.first_at(2'400) == at_ns(1'000));
    CHECK(b.tsc.first_at(2'401) == kNever);
    b.tsc.exit_deep_idle(at_ns(5'000), {});
    CHECK(b.tsc.first_at(4'800) == at_ns(6'000));
    CHECK(b.listener.told == 2);
    CHECK(b.listener.last == at_ns(5'000));
    CHECK(b.emitted("tsc_stop") == 1);
    CHECK(b.emitted("tsc_start") == 1);
}

TEST_CASE("TC-F1: skew moves the TSC, setting it again replaces it, 0 takes it back") {
    TscBench b;
    b.tsc.set_fault(kBoot, TscFault::kSkew, 500, {});
    CHECK(b.tsc.read(at_ns(1'000)) == 2'900);
    CHECK(b.tsc.read_adjust() == 0);
    b.tsc.set_fault(at_ns(1'000), TscFault::kSkew, -100, {});
    CHECK(b.tsc.read(at_ns(1'000)) == 2'300);
    b.tsc.set_fault(at_ns(1'000), TscFault::kSkew, 0, {});
    CHECK(b.tsc.read(at_ns(1'000)) == 2'400);
    CHECK(b.listener.told == 3);
    CHECK(b.emitted("tsc_fault") == 3);
}

TEST_CASE("TC-F2: drift changes the slope and nothing else") {
    TscBench b;
    b.tsc.set_fault(at_ns(1'000'000), TscFault::kDrift, 200, {});
    CHECK(b.tsc.read(at_ns(1'000'000)) == 2'400'000);
    CHECK(b.tsc.read(at_ns(2'000'000)) == 4'800'480);
    b.tsc.set_fault(at_ns(2'000'000), TscFault::kDrift, -200, {});
    CHECK(b.tsc.read(at_ns(3'000'000)) == 7'200'000);
    CHECK(b.emitted("tsc_rate") == 2);
}

TEST_CASE("TC-F3: an invariant TSC that stops in deep sleep all the same is behind by the sleep") {
    TscBench b;
    b.tsc.set_fault(kBoot, TscFault::kStopsInDeepIdle, 1, {});
    b.tsc.enter_deep_idle(at_ns(1'000), {});
    b.tsc.exit_deep_idle(at_ns(4'000), {});
    CHECK(b.tsc.read(at_ns(5'000)) == 4'800);
}

TEST_CASE("TC-F4: a constant TSC that follows the P-state all the same") {
    TscBench b;
    b.tsc.set_p_state(at_ns(1'000), kHz / 2, {});
    CHECK(b.listener.told == 0);
    b.tsc.set_fault(at_ns(1'000), TscFault::kFollowsPState, 1, {});
    CHECK(b.tsc.read(at_ns(2'000)) == 3'600);
    CHECK(b.listener.told == 1);
    b.tsc.set_fault(at_ns(2'000), TscFault::kFollowsPState, 0, {});
    CHECK(b.tsc.read(at_ns(3'000)) == 6'000);
}

TEST_CASE("TC-F5: a firmware write is a jump that TSC_ADJUST reveals, once") {
    TscBench b;
    b.tsc.set_fault(at_ns(1'000), TscFault::kFirmwareWrite, -1'000, {});
    CHECK(b.tsc.read(at_ns(1'000)) == 1'400);
    CHECK(b.tsc.read_adjust() == static_cast<std::uint64_t>(-1'000));
    b.tsc.set_fault(at_ns(1'000), TscFault::kFirmwareWrite, 1'000, {});
    CHECK(b.tsc.read(at_ns(1'000)) == 2'400);
    CHECK(b.tsc.read_adjust() == 0);
}

TEST_CASE("TC-F6: a plain read may step back by the slack, but not across a change") {
    TscBench b;
    std::uint64_t bound = 0;
    std::uint64_t answer = 0;
    const Tsc::SlackDraw draw = [&](std::uint64_t b_) {
        bound = b_;
        return answer;
    };
    CHECK(b.tsc.read_unordered(at_ns(1'000), draw) == 2'400);
    CHECK(bound == 0);
    b.tsc.set_fault(kBoot, TscFault::kUnorderedRead, 5'000, {});
    CHECK(b.tsc.read_unordered(at_ns(1'000), draw) == 2'400);
    CHECK(bound == 5'001);
    answer = 5'000;
    CHECK(b.tsc.read_unordered(at_ns(1'000), draw) == 2'388);
    b.tsc.write(at_ns(2'000), 9'000, {});
    CHECK(b.tsc.read_unordered(at_ns(2'000) + Duration{2'000}, draw) == 9'000);
}

TEST_CASE("TC 9: faults have names, numbers and ranges") {
    for (const TscFaultInfo& info : kTscFaults) {
        CAPTURE(info.name);
        CHECK(&info == &kTscFaults[static_cast<std::size_t>(info.fault)]);
        CHECK(find_tsc_fault(info.name)->fault == info.fault);
        CHECK(info.min <= 0);
        CHECK_FALSE(info.help.empty());
    }
    CHECK_FALSE(find_tsc_fault("tsc.nothing"));
    TscBench b;
    CHECK_THROWS_WITH_AS(b.tsc.set_fault(kBoot, TscFault::kDrift, 900'001, {}),
                         "fault tsc.drift: found 900001, expected -900000 to 900000", std::invalid_argument);
}

TEST_CASE("MA 11: a change names its cause, and listeners get the record of the change") {
    TscBench b;
    const Cause script{RecordId{77}, 5};
    b.tsc.write(at_ns(1'000), 1, script);
    CHECK(b.listener.cause.root == 5);
    CHECK(b.listener.cause.record);
    CHECK(b.listener.cause.record != script.record);
}

TEST_CASE("MA 11: clock records have ids 64 to 95, each once, in order") {
    std::uint16_t last = 63;
    for (const RecordKind* kind : kClockRecordKinds) {
        CAPTURE(kind->name);
        CHECK(kind->id > last);
        CHECK(kind->id <= 95);
        CHECK(kind->category.empty() == false);
        CHECK(kind->digest_class == DigestClass::kBase);
        last = kind->id;
    }
}
