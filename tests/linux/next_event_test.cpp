// When a CPU must wake (LTW 12), what a timer is promised (LTW 15), and a collected timer that moves (LTW 8.1).
#include "linux_fixture.hpp"
#include "ticklab/model/linux/promises.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;

namespace {

std::optional<Jiffies> first_bucket(const TimerBase& base) {
    std::optional<Jiffies> first;
    for (unsigned i = 0; i < base.wheel.bucket_count(); ++i)
        for (const Timer& t : base.wheel.bucket(i))
            if (!first || t.bucket_expiry < *first)
                first = t.bucket_expiry;
    return first;
}

/// LTW 12.3 from the buckets alone.
NextEvents expected_events(Bench& b, CpuId cpu, const JiffiesPair& now) {
    const KtimeSpan tick = b.core().time.tick();
    const auto at = [&](Jiffies j) { return now.basem + tick * std::max<std::int64_t>(j - now.basej, 0); };
    const std::optional<Jiffies> local = first_bucket(b.base(cpu, BaseIndex::kLocal));
    const std::optional<Jiffies> global = first_bucket(b.base(cpu, BaseIndex::kGlobal));
    NextEvents events;
    const bool global_first = global && (!local || *global < *local);
    const std::optional<Jiffies> first = global_first ? global : local;
    if (!first)
        return events;
    if (*first <= now.basej + 1) {
        events.local = at(*first);
        if (global_first)
            events.global = events.local;
        return events;
    }
    if (global_first)
        events.global = at(*global);
    if (local)
        events.local = at(*local);
    return events;
}

}  // namespace

TEST_CASE("the next events of a CPU are its first buckets, the global one only if it is first (LTW 12.3)") {
    Bench b;
    std::uint64_t random = 12345;
    const auto below = [&random](std::uint64_t bound) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        return (random >> 33) % bound;
    };
    unsigned looks = 0;
    for (int round = 0; round < 60; ++round)
        b.on(1, at_us(20'100 + 3'000 * round), [&](Cpu& cpu) {
            for (std::int64_t i = 0; i < 6; ++i) {
                if (below(2) == 0)
                    continue;
                if (below(3) == 0) {
                    b.perform(cpu, "timer.delete", {i});
                    continue;
                }
                if (!b.kernel().wheel_timer(static_cast<sim::TimerIndex>(i)).initialised)
                    b.perform(cpu, "timer.init", {i, i < 3});
                b.mod(cpu, i, cpu.local_time() + std::chrono::microseconds{below(below(4) == 0 ? 900'000 : 9'000)});
            }
            const sim::IrqGuard guard(cpu);
            const JiffiesPair now = b.core().wheel.jiffies(cpu);
            b.core().wheel.lock_bases(cpu, 1);
            const NextEvents events = b.core().wheel.next_events(cpu, 1, now);
            const NextEvents expected = expected_events(b, 1, now);
            b.core().wheel.unlock_bases(cpu, 1);
            CHECK(events.local == expected.local);
            CHECK(events.global == expected.global);
            ++looks;
        });
    b.run(at_ms(300));
    CHECK(looks == 60);
}

TEST_CASE("a collected timer that is moved by a whole turn of its level is queued anew (LTW 8.1 step 1, 9.3)") {
    Bench b;
    b.on_fired = [](Cpu& cpu, sim::TimerIndex timer) {
        if (timer == 1)
            cpu.spend_time(5ms);
    };
    b.on(1, at_us(20'100), [&](Cpu& cpu) {
        b.mod(cpu, 0, at_ms(30));
        b.mod(cpu, 1, at_ms(30));
    });
    b.busy(0, at_ms(25), at_ms(40));
    // Timer 1 runs first, on CPU 1, and timer 0 is collected: it names bucket 31, where an expiry of 94 would go.
    b.on(0, at_us(33'500), [&](Cpu& cpu) {
        CHECK(b.firings.size() == 1);
        b.mod(cpu, 0, at_ms(94));
    });
    b.run(at_ms(120));
    REQUIRE(b.firings.size() == 2);
    CHECK(b.firings[0].timer == 1);
    CHECK(b.firings[1].timer == 0);
    CHECK(b.firings[1].at >= at_ms(95));
}

TEST_CASE("the promise of a timer is the step of its level, and a tick or two (LTW 15)") {
    Bench b;
    const Timekeeping& time = b.core().time;
    const Jiffies start = time.initial() + 1'000;
    const auto promise = [&](std::uint64_t expires, bool deferrable = false, KtimeSpan skew = KtimeSpan::zero()) {
        return wheel_promise(time, time.initial() + expires, start, at_ms(1'000), deferrable, skew);
    };
    // Level 0: collected one jiffy later, served by the second tick at the latest.
    CHECK(promise(1'010).not_before == at_ms(1'011));
    CHECK(promise(1'010).not_after == at_ms(1'013));
    CHECK(promise(1'010, false, 500us).not_after == at_us(1'013'500));
    // Level 1 and level 2.
    CHECK(promise(1'100).not_after == at_ms(1'110));
    CHECK(promise(1'900).not_after == at_ms(1'966));
    // A few jiffies below the threshold the base's clock may trail, so the coarser level is allowed for.
    CHECK(promise(1'060).not_after == at_ms(1'070));
    // Due already: at once, by the second tick after the next edge.
    CHECK(promise(900).not_before == at_ms(1'000));
    CHECK(promise(900).not_after == at_ms(1'003));
    CHECK(promise(1'010, true).not_after == sim::kNever);
    // Beyond the capacity it may come early, and not before the cap (LTW 2.3).
    const std::uint64_t far = 1'000 + wheel::cutoff(9) + 5'000'000;
    CHECK(promise(far).not_before ==
          time.first_at(time.edge_of(start + (wheel::max_distance(9) - wheel::granularity(8)))));
}
