// LTW 5, 6, 8.1, 9, 11, 14: the wheel against a plain sorted reference.
#include "ticklab/model/linux/wheel.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <vector>

using namespace ticklab::linux_;

namespace {

/// Runs everything that is due at `now`, as LTW 9.2 does, and notes which timers in which order.
template <class Callback>
void run(Wheel& w, Jiffies now, Callback callback) {
    while (w.due(now)) {
        const unsigned lists = w.collect();
        w.recalculate();
        for (unsigned i = lists; i-- > 0;)
            while (!w.collected(i).empty()) {
                Timer& t = w.collected(i).front();
                w.detach(t);
                t.pending = false;
                callback(t);
            }
    }
}

struct WheelBench {
    explicit WheelBench(std::uint64_t now = 0, unsigned levels = 9) : wheel(levels) { wheel.reset(Jiffies{now}); }

    Timer& add(std::uint64_t expires) {
        Timer& t = timers.emplace_back();
        t.number = static_cast<std::uint32_t>(timers.size() - 1);
        arm(t, Jiffies{expires});
        return t;
    }
    void arm(Timer& t, Jiffies expires) {
        t.expires = expires;
        t.pending = true;
        wheel.enqueue(t, wheel.bucket_for(expires));
    }
    std::vector<std::uint32_t> fired_by(std::uint64_t now) {
        std::vector<std::uint32_t> order;
        run(wheel, Jiffies{now}, [&](Timer& t) { order.push_back(t.number); });
        return order;
    }
    std::deque<Timer> timers;
    Wheel wheel;
};

using Order = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("timers of one bucket fire last in, first out (LTW 14)") {
    WheelBench b;
    b.add(10);
    b.add(10);
    b.add(10);
    CHECK(b.fired_by(10).empty());
    CHECK(b.fired_by(11) == Order{2, 1, 0});
}

TEST_CASE("of levels that are due together the coarsest fires first (LTW 14)") {
    WheelBench b;
    b.add(511);  // level 2, collected at 512
    CHECK_FALSE(b.wheel.due(Jiffies{500}));
    b.wheel.forward(Jiffies{100});
    b.add(510);  // level 1, collected at 512
    b.wheel.forward(Jiffies{500});
    b.add(511);  // level 0, collected at 512
    CHECK(b.fired_by(511).empty());
    CHECK(b.fired_by(512) == Order{0, 1, 2});
}

TEST_CASE("a timer armed long ago on a coarse level may fire after a later one (LTW 14)") {
    WheelBench b;
    b.add(513);  // level 2: 576
    b.wheel.forward(Jiffies{512});
    b.add(520);  // level 0: 521
    CHECK(b.fired_by(575) == Order{1});
    CHECK(b.fired_by(576) == Order{0});
}

TEST_CASE("a timer that arms itself for now fires on a later tick (LTW 14)") {
    WheelBench b;
    b.add(5);
    int fired = 0;
    run(b.wheel, Jiffies{6}, [&](Timer& t) {
        ++fired;
        b.wheel.forward(Jiffies{6});
        b.arm(t, Jiffies{6});
    });
    CHECK(fired == 1);
    CHECK(b.wheel.next_expiry() == Jiffies{7});
}

TEST_CASE("the clock goes to the first bucket and no further, and never back (LTW 5.1)") {
    WheelBench b(1'000);
    b.add(1'010);
    CHECK(b.wheel.forward(Jiffies{1'005}));
    CHECK(b.wheel.clk() == Jiffies{1'005});
    CHECK(b.wheel.forward(Jiffies{1'003}));
    CHECK(b.wheel.clk() == Jiffies{1'005});
    CHECK(b.wheel.forward(Jiffies{2'000}));
    CHECK(b.wheel.clk() == Jiffies{1'011});
}

TEST_CASE("removing the only timer of a bucket leaves a cache that is too early, and says so (LTW 9.1, 11)") {
    WheelBench b;
    Timer& first = b.add(10);
    Timer& second = b.add(10);
    b.add(100);
    b.wheel.detach(second);
    CHECK_FALSE(b.wheel.recalc());
    b.wheel.detach(first);
    CHECK(b.wheel.recalc());
    CHECK_FALSE(b.wheel.marked(11));
    CHECK(b.wheel.next_expiry() == Jiffies{11});
    b.wheel.recalculate();
    CHECK_FALSE(b.wheel.recalc());
    CHECK(b.wheel.next_expiry() == Jiffies{104});
}

TEST_CASE("a collected timer can be removed, and a fresh one of the same bucket keeps its mark (LTW 9.3)") {
    WheelBench b;
    Timer& old = b.add(10);
    b.wheel.collect();  // clock 12
    b.wheel.recalculate();
    Timer& fresh = b.add(11 + 63);  // level 1 ... bucket of its own
    b.wheel.detach(old);
    CHECK(b.wheel.marked(fresh.bucket()));
    CHECK(b.wheel.collected(0).empty());
}

TEST_CASE("a far timer on an empty wheel whose cache ran out is seen (LTW 11.3)") {
    WheelBench b;
    const std::uint64_t later = wheel::kHorizon + 1'000'000;
    // Nobody looked at the empty wheel since it was set up: the clock stops at the cached expiry.
    b.wheel.forward(Jiffies{later});
    CHECK(b.wheel.clk() == Jiffies{wheel::kHorizon});
    b.add(later + 100);
    CHECK(b.wheel.timers_pending());
    CHECK(b.wheel.next_expiry() > Jiffies{later});
}

TEST_CASE("the next expiry is the earliest bucket, whatever the clock and the levels (LTW 11.1)") {
    CHECK(rc::check([](std::uint64_t clk) {
        WheelBench b(clk, *rc::gen::element(8u, 9u));
        const auto distances = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::uint64_t>>(
            rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 70), rc::gen::inRange<std::uint64_t>(0, 5'000),
                           rc::gen::inRange<std::uint64_t>(0, wheel::cutoff(8)))));
        std::optional<std::int64_t> best;
        for (const std::uint64_t d : distances) {
            const Timer& t = b.add(clk + d);
            const std::int64_t ahead = b.wheel.bucket_for(t.expires).expiry - Jiffies{clk};
            best = best ? std::min(*best, ahead) : ahead;
        }
        CHECK(b.wheel.next_expiry() - Jiffies{clk} == *best);
        b.wheel.recalculate();
        RC_ASSERT(b.wheel.next_expiry() - Jiffies{clk} == *best);
        RC_ASSERT(b.wheel.timers_pending());
    }));
}

namespace {

/// What the wheel is compared with: for each timer when it is collected, on which level, and when it was queued.
struct Entry {
    std::uint32_t number;
    Jiffies expiry;
    unsigned level;
    std::uint64_t sequence;
};

std::uint64_t power_of_8(unsigned n) {
    std::uint64_t p = 1;
    while (n-- > 0)
        p *= 8;
    return p;
}

/// LTW 1.3 and 2 in division and multiplication, for distances that do not cross the wrap of a level's clock.
Entry reference_entry(std::uint32_t number, Jiffies expires, Jiffies clk, unsigned levels, std::uint64_t sequence) {
    if (expires < clk)
        return {number, clk, 0, sequence};
    auto distance = static_cast<std::uint64_t>(expires - clk);
    unsigned level = 0;
    while (level + 1 < levels && distance >= 63 * power_of_8(level))
        ++level;
    if (distance >= 63 * power_of_8(levels - 1)) {
        distance = 63 * power_of_8(levels - 1) - power_of_8(levels - 1);
        expires = clk + distance;
    }
    const std::uint64_t step = power_of_8(level);
    return {number, Jiffies{(expires.count() / step + 1) * step}, level, sequence};
}

}  // namespace

TEST_CASE(
    "a walk over used buckets passes by none that is marked, though its timer left by another base (W2, WHEEL-01)") {
    WheelBench b, other;
    Timer& t = b.add(70);
    other.wheel.detach(t);
    REQUIRE(b.wheel.bucket(t.bucket()).empty());
    CHECK(b.wheel.marked(t.bucket()));
    CHECK(b.wheel.next_used(0) == t.bucket());
    CHECK(b.wheel.next_used(t.bucket() + 1) == b.wheel.bucket_count());
    CHECK(b.wheel.empty());
}

TEST_CASE("random operations agree with a sorted list, over wraps of jiffies (LTW 14, 15, W1, W3 to W6)") {
    CHECK(rc::check([] {
        const unsigned levels = *rc::gen::element(8u, 9u);
        const std::uint64_t start =
            *rc::gen::element<std::uint64_t>(0, 0xffff'ff00, ~std::uint64_t{0} - 700, 1'000'003);
        std::uint64_t now = start;
        WheelBench b(start, levels);
        for (unsigned i = 0; i < 8; ++i)
            b.timers.emplace_back().number = i;
        std::vector<Entry> queued;
        std::uint64_t sequence = 0;
        const auto forget = [&](const Timer& t) {
            std::erase_if(queued, [&](const Entry& e) { return e.number == t.number; });
        };
        const auto arm = [&](Timer& t, std::uint64_t expires) {
            if (t.pending)
                b.wheel.detach(t);
            forget(t);
            RC_ASSERT(b.wheel.forward(Jiffies{now}));
            const Entry e = reference_entry(t.number, Jiffies{expires}, b.wheel.clk(), levels, ++sequence);
            b.arm(t, Jiffies{expires});
            RC_ASSERT(t.bucket() / wheel::kSlots == e.level);
            queued.push_back(e);
        };
        const auto steps = *rc::gen::inRange(1, 120);
        for (int step = 0; step < steps; ++step) {
            Timer& t = b.timers[*rc::gen::inRange<std::size_t>(0, 8)];
            const Jiffies clk_before = b.wheel.clk();
            switch (*rc::gen::inRange(0, 6)) {
                case 0:
                case 1:
                    arm(t, now + *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 80),
                                                 rc::gen::inRange<std::uint64_t>(0, 6'000),
                                                 rc::gen::inRange<std::uint64_t>(0, 2 * wheel::cutoff(levels))));
                    break;
                case 2:
                    arm(t, now - *rc::gen::inRange<std::uint64_t>(0, 300));
                    break;
                case 3:
                    if (t.pending) {
                        b.wheel.detach(t);
                        t.pending = false;
                        forget(t);
                    }
                    break;
                default: {
                    now +=
                        *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 3), rc::gen::inRange<std::uint64_t>(0, 700),
                                        rc::gen::inRange<std::uint64_t>(0, 40'000));
                    std::vector<Entry> due;
                    for (const Entry& e : queued)
                        if (e.expiry <= Jiffies{now})
                            due.push_back(e);
                    std::sort(due.begin(), due.end(), [](const Entry& a, const Entry& c) {
                        if (a.expiry != c.expiry)
                            return a.expiry < c.expiry;
                        return a.level != c.level ? a.level > c.level : a.sequence > c.sequence;
                    });
                    Order expected;
                    for (const Entry& e : due)
                        expected.push_back(e.number);
                    Order fired;
                    run(b.wheel, Jiffies{now}, [&](Timer& done) {
                        fired.push_back(done.number);
                        forget(done);
                    });
                    RC_ASSERT(fired == expected);
                }
            }
            RC_ASSERT(clk_before <= b.wheel.clk());
            RC_ASSERT(b.wheel.clk() <= Jiffies{now} + 1);
            RC_ASSERT(b.wheel.clk() <= b.wheel.next_expiry());
            std::optional<Jiffies> first;
            for (const Entry& e : queued)
                if (!first || e.expiry < *first)
                    first = e.expiry;
            if (first)
                RC_ASSERT((b.wheel.recalc() ? b.wheel.next_expiry() <= *first : b.wheel.next_expiry() == *first));
            else
                RC_ASSERT((b.wheel.recalc() || !b.wheel.timers_pending()));
            unsigned used = b.wheel.next_used(0);
            for (unsigned i = 0; i < b.wheel.bucket_count(); ++i) {
                RC_ASSERT(b.wheel.marked(i) == !b.wheel.bucket(i).empty());
                RC_ASSERT((used == i) == !b.wheel.bucket(i).empty());
                if (used == i)
                    used = b.wheel.next_used(i + 1);
            }
            RC_ASSERT(used == b.wheel.bucket_count());
            RC_ASSERT(b.wheel.empty() == queued.empty());
        }
    }));
}
