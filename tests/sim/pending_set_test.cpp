// The pending set against a std::set of keys: DESIGN 2 "Order", MA 3.4.
#include "ticklab/sim/pending_set.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

namespace {

using namespace ticklab::sim;

constexpr Time at_ps(std::int64_t count) { return Time{Duration{count}}; }

// The reference: a plain ordered set of (key, source); a popped periodic source goes back in, one period later.
class Reference {
public:
    void add(std::uint32_t rank) { sources_.push_back({rank, kNever, Duration::zero()}); }

    void arm(SourceIndex s, Time at, Duration period = Duration::zero()) {
        disarm(s);
        sources_[s].at = at;
        sources_[s].period = period;
        keys_.insert({Key{at, sources_[s].rank}, s});
    }

    void disarm(SourceIndex s) {
        keys_.erase({Key{sources_[s].at, sources_[s].rank}, s});
        sources_[s].at = kNever;
    }

    Time armed_for(SourceIndex s) const { return sources_[s].at; }
    Key earliest() const { return keys_.empty() ? Key{} : keys_.begin()->first; }
    std::size_t size() const { return keys_.size(); }

    SourceIndex pop() {
        const SourceIndex s = keys_.begin()->second;
        const Source popped = sources_[s];
        disarm(s);
        const Time next = saturating_add(popped.at, popped.period);
        if (popped.period != Duration::zero() && next != kNever) {
            arm(s, next, popped.period);
        }
        return s;
    }

private:
    struct Source {
        std::uint32_t rank;
        Time at;
        Duration period;
    };
    std::vector<Source> sources_;
    std::set<std::pair<Key, SourceIndex>> keys_;
};

// Both sides driven alike; every operation compares what can be seen of them.
class Pair {
public:
    explicit Pair(std::uint32_t count, std::uint32_t rank_stride = 1) {
        // Ranks in another order than indices: (i * stride) mod count with a stride prime to count, or descending.
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::uint32_t rank = rank_stride == 0 ? count - i : i * rank_stride;
            REQUIRE(set_.add(rank) == i);
            reference_.add(rank);
        }
    }

    void arm(SourceIndex s, Time at) {
        set_.arm(s, at);
        reference_.arm(s, at);
        compare(s);
    }
    void arm_periodic(SourceIndex s, Time first, Duration period) {
        set_.arm_periodic(s, first, period);
        reference_.arm(s, first, period);
        compare(s);
    }
    void disarm(SourceIndex s) {
        set_.disarm(s);
        reference_.disarm(s);
        compare(s);
    }
    SourceIndex pop() {
        now_ = reference_.earliest().at;
        const SourceIndex expected = reference_.pop();
        const SourceIndex s = set_.pop();
        expect(s == expected, "popped another source");
        compare(s);
        return s;
    }
    void check_all(std::uint32_t count) const {
        const char* broken = set_.broken_invariant();
        expect(broken == nullptr, broken == nullptr ? "" : broken);
        for (SourceIndex s = 0; s < count; ++s) {
            expect(set_.armed_for(s) == reference_.armed_for(s), "armed_for differs");
        }
    }
    Time now() const { return now_; }
    bool empty() const { return reference_.size() == 0; }

private:
    // Thrown, so that rapidcheck shrinks it and doctest reports it alike.
    static void expect(bool holds, const char* what) {
        if (!holds) {
            throw std::runtime_error(what);
        }
    }
    void compare(SourceIndex s) const {
        expect(set_.earliest() == reference_.earliest(), "earliest differs");
        expect(set_.size() == reference_.size(), "size differs");
        expect(set_.armed(s) == (reference_.armed_for(s) != kNever), "armed differs");
        expect(set_.armed_for(s) == reference_.armed_for(s), "armed_for differs");
    }

    PendingSet set_;
    Reference reference_;
    Time now_ = kBoot;
};

// A small counter-based generator: the draws of one case are a function of its seed.
struct Draws {
    std::uint64_t state;
    std::uint64_t operator()(std::uint64_t bound) {
        state += 0x9e37'79b9'7f4a'7c15U;
        std::uint64_t z = state;
        z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9U;
        z = (z ^ z >> 27) * 0x94d0'49bb'1331'11ebU;
        return (z ^ z >> 31) % bound;
    }
};

struct Mix {
    const char* name;
    std::int64_t range_ps;  // delays are below it
    unsigned huge_of_1000;  // delays anywhere up to the horizon
    unsigned tie_of_1000;   // at the same instant as the last arming
    unsigned now_of_1000;   // at the instant of the last pop
    unsigned pop_weight;
    unsigned arm_weight;
    unsigned periodic_weight;
    unsigned disarm_weight;
};

constexpr Mix kMixes[] = {
    {"ties at few instants", 3, 0, 300, 100, 40, 50, 0, 10},
    {"microseconds", 1'000'000, 0, 10, 10, 50, 45, 0, 5},
    {"seconds, rarely popped", 4'000'000'000'000, 5, 0, 0, 5, 90, 0, 5},
    {"up to the horizon", 1'000'000'000, 500, 5, 5, 40, 50, 0, 10},
    {"masses at one instant", 1'000'000, 0, 950, 5, 50, 50, 0, 0},
    {"drained again and again", 1'000'000, 30, 0, 0, 70, 25, 0, 5},
    {"periods", 1'000'000, 1, 50, 20, 70, 10, 15, 5},
    {"periods of few phases", 12, 0, 100, 20, 60, 10, 25, 5},
    {"everything", 50'000'000, 20, 200, 20, 40, 40, 5, 15},
};

void run_mix(const Mix& mix, std::uint32_t count, std::uint32_t steps, std::uint64_t seed) {
    Pair pair(count, seed % 3 == 0 ? 0 : 0x9e37'79b1U);
    Draws draw{seed};
    Time last = kBoot;
    const auto instant = [&] {
        const std::uint64_t dice = draw(1000);
        const std::int64_t left = ps(kNever) - 1 - ps(pair.now());
        if (dice < mix.now_of_1000) {
            return pair.now();
        }
        if (dice < mix.now_of_1000 + mix.tie_of_1000) {
            return std::max(last, pair.now());
        }
        const bool huge = dice < mix.now_of_1000 + mix.tie_of_1000 + mix.huge_of_1000;
        const std::int64_t range = huge ? (left >> draw(40)) + 1 : std::min(mix.range_ps, left + 1);
        last = pair.now() + Duration{static_cast<std::int64_t>(draw(static_cast<std::uint64_t>(range)))};
        return last;
    };
    const std::uint32_t total = mix.pop_weight + mix.arm_weight + mix.periodic_weight + mix.disarm_weight;
    for (std::uint32_t step = 0; step < steps; ++step) {
        const auto s = static_cast<SourceIndex>(draw(count));
        const std::uint64_t verb = draw(total);
        if (verb < mix.pop_weight) {
            // Mostly as a machine does: the popped source is armed again. Sometimes in bursts that drain the set.
            const std::uint64_t burst = draw(50) == 0 ? draw(2 * count) : 1;
            for (std::uint64_t i = 0; i < burst && !pair.empty(); ++i) {
                const SourceIndex popped = pair.pop();
                if (mix.periodic_weight == 0 && burst == 1 && draw(8) != 0) {
                    pair.arm(popped, instant());
                }
            }
        } else if (verb < mix.pop_weight + mix.arm_weight) {
            pair.arm(s, instant());
        } else if (verb < mix.pop_weight + mix.arm_weight + mix.periodic_weight) {
            // Eleven periods at most: more than there are rings.
            const auto period =
                static_cast<std::int64_t>(1 + draw(11) * (static_cast<std::uint64_t>(mix.range_ps) / 11));
            pair.arm_periodic(s, instant(), Duration{period});
        } else {
            pair.disarm(s);
        }
        if (step % 64 == 0 || count <= 8) {
            pair.check_all(count);
        }
    }
    pair.check_all(count);
}

TEST_CASE("MA 3.4: any mix of operations pops in the order of a std::set of keys") {
    for (const Mix& mix : kMixes) {
        CAPTURE(mix.name);
        CHECK(rc::check(mix.name, [&mix] {
            // Sizes around the bounds of the front, and far above.
            const auto count = *rc::gen::element(1U, 2U, 3U, 8U, 31U, 50U, 81U, 100U, 130U, 300U, 1000U, 2000U);
            const auto seed = *rc::gen::arbitrary<std::uint64_t>();
            run_mix(mix, count, std::min(8 * count + 64, 6000U), seed);
        }));
    }
}

struct Armed {
    std::int64_t at;
    std::uint32_t rank;
};
struct Edge {
    const char* name;
    std::vector<Armed> armed;
    std::vector<std::uint32_t> popped;  // ranks
};

TEST_CASE("MA 3.4: time first, then rank, at every edge of the range") {
    const std::int64_t last = ps(kNever) - 1;
    const Edge edges[] = {
        {"rank breaks ties", {{5, 3}, {5, 1}, {5, 2}}, {1, 2, 3}},
        {"time beats rank", {{6, 0}, {5, 0xffff'fffe}}, {0xffff'fffe, 0}},
        {"boot itself", {{1, 0}, {0, 1}}, {1, 0}},
        {"the last instant", {{last, 0}, {last - 1, 1}, {0, 2}}, {2, 1, 0}},
        {"each level's first digit",
         {{1LL << 60, 10},
          {1LL << 54, 9},
          {1LL << 48, 8},
          {1LL << 42, 7},
          {1LL << 36, 6},
          {1 << 30, 5},
          {1 << 24, 4},
          {1 << 18, 3},
          {1 << 12, 2},
          {1 << 6, 1},
          {1, 0}},
         {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
        {"both sides of a carry", {{64, 0}, {63, 1}, {4096, 2}, {4095, 3}}, {1, 0, 3, 2}},
    };
    for (const Edge& edge : edges) {
        CAPTURE(edge.name);
        // Once alone in the front, once behind enough others that the wheel holds them.
        for (const std::uint32_t crowd : {0U, 300U}) {
            PendingSet set;
            std::vector<std::uint32_t> ranks;
            for (std::uint32_t i = 0; i < crowd; ++i) {
                ranks.push_back(1000 + i);
                set.arm(set.add(1000 + i), kBoot);
            }
            for (const Armed& a : edge.armed) {
                ranks.push_back(a.rank);
                set.arm(set.add(a.rank), at_ps(a.at));
            }
            REQUIRE(set.broken_invariant() == nullptr);
            std::vector<std::uint32_t> popped;
            while (set.earliest() != Key{}) {
                const Key key = set.earliest();
                const SourceIndex s = set.pop();
                CHECK(key.rank == ranks[s]);
                if (key.rank < 1000 || key.rank > 1000 + crowd) {
                    popped.push_back(key.rank);
                }
                REQUIRE(set.broken_invariant() == nullptr);
            }
            CHECK(popped == edge.popped);
            CHECK(set.size() == 0);
        }
    }
}

TEST_CASE("an empty set's earliest key is kNever, and disarming an unarmed source is harmless") {
    PendingSet set;
    CHECK(set.earliest() == Key{});
    const SourceIndex s = set.add(7);
    set.disarm(s);
    CHECK(set.earliest().at == kNever);
    CHECK_FALSE(set.armed(s));
    CHECK(set.armed_for(s) == kNever);
    CHECK(set.size() == 0);
}

TEST_CASE("one source re-armed without end keeps its place among the others") {
    Pair pair(200);
    for (SourceIndex s = 1; s < 200; ++s) {
        pair.arm(s, at_ps(1'000'000'000LL * s));
    }
    for (int i = 0; i < 20'000; ++i) {
        pair.arm(0, at_ps(1 + (i * 7'919LL) % 300'000'000'000LL));
        if (i % 500 == 0) {
            pair.check_all(200);
        }
    }
    while (!pair.empty()) {
        pair.pop();
    }
}

TEST_CASE("MA 3.4: what is armed at the popped instant still fires at that instant, in rank order") {
    Pair pair(3000, 0);
    for (SourceIndex s = 0; s < 1500; ++s) {
        pair.arm(s, at_ps(77));
    }
    for (SourceIndex s = 0; s < 1500; ++s) {
        const SourceIndex popped = pair.pop();
        CHECK(pair.now() == at_ps(77));
        pair.arm(popped < 750 ? popped + 1500 : popped, at_ps(popped % 3 == 0 ? 77 : 78));
        if (s % 100 == 0) {
            pair.check_all(3000);
        }
    }
    while (!pair.empty()) {
        pair.pop();
    }
}

TEST_CASE("MA 3.4: sources that go on together from instant to instant keep their order, whatever is armed between") {
    // `strays` of 1000 armings leave the group for somewhere before, between or behind its instants.
    for (const std::uint32_t count : {20U, 500U})
        for (const std::uint32_t strays : {0U, 3U, 200U}) {
            CAPTURE(count);
            CAPTURE(strays);
            Pair pair(count);
            Draws draw{count + strays};
            for (SourceIndex s = 0; s < count; ++s)
                pair.arm(s, at_ps(1'000));
            for (std::uint32_t i = 0; i < 30 * count; ++i) {
                const SourceIndex popped = pair.pop();
                const std::int64_t together = (ps(pair.now()) / 1'000 + 1) * 1'000;
                const bool strays_now = draw(1000) < strays;
                pair.arm(popped,
                         strays_now ? pair.now() + Duration{static_cast<std::int64_t>(draw(3'000))} : at_ps(together));
                if (i % 64 == 0)
                    pair.check_all(count);
            }
            while (!pair.empty())
                pair.pop();
        }
}

TEST_CASE("after a gap was jumped, what is armed within it comes first") {
    Pair pair(2100);
    for (SourceIndex s = 100; s < 2100; ++s) {
        pair.arm(s, at_ps(10'000'000'000'000LL + 1'000'003LL * (s % 700)));
    }
    Draws draw{1};
    for (int round = 0; round < 40; ++round) {
        // All near sources fire with none re-armed, so the far ones become earliest; then the near ones come back.
        for (SourceIndex s = 0; s < 100; ++s) {
            pair.arm(s, pair.now() + Duration{1 + static_cast<std::int64_t>(draw(100'000))});
        }
        pair.check_all(2100);
        for (int i = 0; i < 100; ++i) {
            CHECK(pair.pop() < 100);
        }
    }
    for (SourceIndex s = 0; s < 2100; ++s) {
        pair.arm(s, pair.now() + Duration{1 + static_cast<std::int64_t>(draw(1'000'000))});
    }
    pair.check_all(2100);
    while (!pair.empty()) {
        pair.pop();
    }
}

struct Periodic {
    std::int64_t first;
    std::int64_t period;
};
struct Rings {
    const char* name;
    std::vector<Periodic> sources;
    int pops;
};

TEST_CASE("MA 3.4: a ring for periodic ticks obeys the same key") {
    const std::int64_t last = ps(kNever) - 1;
    const Rings cases[] = {
        {"aligned", {{10, 10}, {10, 10}, {10, 10}}, 30},
        {"staggered, wrapping", {{10, 10}, {13, 10}, {19, 10}, {11, 10}}, 60},
        {"phase just inside and just outside a period", {{10, 10}, {19, 10}, {20, 10}, {21, 10}}, 60},
        {"the earlier one joins last", {{19, 10}, {15, 10}, {10, 10}, {9, 10}, {3, 10}}, 60},
        {"period of one picosecond", {{0, 1}, {0, 1}, {1, 1}, {5, 1}}, 60},
        {"nine periods and more",
         {{1, 11}, {1, 12}, {1, 13}, {1, 14}, {1, 15}, {1, 16}, {1, 17}, {1, 18}, {1, 19}, {1, 20}, {5, 19}, {9, 20}},
         300},
        {"one far away, joining at its first instant", {{10, 10}, {505, 10}, {12, 10}}, 200},
        {"ending at the horizon", {{last - 25, 10}, {last - 21, 10}, {last, 10}, {last - 1, 1}}, 9},
        {"period longer than what is left", {{5, last}, {7, last}, {1, last - 1}}, 4},
    };
    for (const Rings& rings : cases) {
        for (const std::uint32_t stride : {0U, 1U}) {
            CAPTURE(rings.name);
            const auto count = static_cast<std::uint32_t>(rings.sources.size());
            Pair pair(count, stride);
            for (SourceIndex s = 0; s < count; ++s) {
                pair.arm_periodic(s, at_ps(rings.sources[s].first), Duration{rings.sources[s].period});
                pair.check_all(count);
            }
            for (int i = 0; i < rings.pops; ++i) {
                REQUIRE_FALSE(pair.empty());
                pair.pop();
                pair.check_all(count);
            }
        }
    }
}

TEST_CASE("a ring's head, middle and tail can be taken out, made one-shot, and put back") {
    for (SourceIndex victim = 0; victim < 5; ++victim) {
        for (int before = 0; before < 6; ++before) {
            CAPTURE(victim);
            CAPTURE(before);
            Pair pair(5);
            for (SourceIndex s = 0; s < 5; ++s) {
                pair.arm_periodic(s, at_ps(100 + 7 * s), Duration{50});
            }
            for (int i = 0; i < before; ++i) {
                pair.pop();
            }
            pair.disarm(victim);
            pair.check_all(5);
            pair.pop();
            pair.arm(victim, pair.now() + Duration{60});
            pair.check_all(5);
            for (int i = 0; i < 12; ++i) {
                pair.pop();
            }
            pair.arm_periodic(victim, pair.now(), Duration{50});
            pair.check_all(5);
            for (int i = 0; i < 12; ++i) {
                pair.pop();
            }
            pair.arm_periodic(victim, pair.now() + Duration{3}, Duration{49});
            for (int i = 0; i < 30; ++i) {
                pair.pop();
            }
            for (SourceIndex s = 0; s < 5; ++s) {
                pair.disarm(s);
                pair.check_all(5);
            }
            CHECK(pair.empty());
        }
    }
}

}  // namespace
