// The ways to place one stall: all are there once, the promising ones first, kinds in turn
// (lab/hunt/stall_order.hpp, MA 13.1).
#include "ticklab/lab/hunt/stall_order.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>

using namespace ticklab;
using namespace ticklab::lab;

namespace {

using namespace std::chrono_literals;

constexpr sim::Duration kMaxStall = 300us;
constexpr std::array<const char*, 3> kDoings{"enqueue", "expire", "migrate"};

/// Any objects; only their addresses count.
std::array<int, 4> objects;

Crossing point(sim::Duration at, sim::CpuId cpu, const void* object, bool write, const char* doing = "enqueue") {
    return {2, false, cpu, sim::kBoot + at, {nullptr, object, write}, doing};
}

/// A run of some points and ties, by number.
std::vector<Crossing> some_run(std::uint64_t number) {
    sim::Choices choices(number);
    sim::ChoiceContext context(1);
    constexpr sim::Site kAny{"test.any", "anything"};
    const auto draw = [&](std::uint64_t bound) { return choices.draw(kAny, context, bound); };
    std::vector<Crossing> run;
    sim::Duration at{};
    std::array<unsigned, 3> depths{};
    const std::uint64_t length = 1 + draw(60);
    for (std::uint64_t i = 0; i < length; ++i) {
        at += std::array<sim::Duration, 4>{0us, 1us, 40us, 500us}[draw(4)];
        if (draw(10) == 0) {
            run.push_back({3, true});
            continue;
        }
        const auto cpu = static_cast<sim::CpuId>(draw(3));
        run.push_back(point(at, cpu, draw(4) == 0 ? nullptr : &objects[draw(4)], draw(3) == 0, kDoings[draw(3)]));
        depths[cpu] = draw(3) == 0 ? 1 - depths[cpu] : depths[cpu];
        run.back().irq_depth = depths[cpu];
    }
    return run;
}

/// Two CPUs write to two lines by turns.
std::vector<Crossing> many_conflicts() {
    std::vector<Crossing> run;
    for (std::uint32_t i = 0; i < 40; ++i)
        run.push_back(point(i * 100us, i % 2, &objects[i / 2 % 2], true, kDoings[i % 3]));
    return run;
}

std::vector<Crossing> points_of(const std::vector<Crossing>& run) {
    std::vector<Crossing> points;
    std::copy_if(run.begin(), run.end(), std::back_inserter(points), [](const Crossing& c) { return !c.tie; });
    return points;
}

/// Whom a stall of `length` at point `index` lets pass, by the definition; empty if it turns nothing round.
std::set<std::string> passed(const std::vector<Crossing>& points, std::size_t index, sim::Duration length) {
    std::set<std::string> doings;
    const Crossing& first = points[index];
    for (const Crossing& second : points) {
        const bool later = std::pair(second.at, second.cpu) > std::pair(first.at, first.cpu);
        if (first.point.object && first.point.object == second.point.object && first.cpu != second.cpu && later &&
            second.at - first.at < length && (first.point.write || second.point.write))
            doings.insert(second.doing);
    }
    return doings;
}

/// What the next interrupt of the CPU does, if a stall of `length` at point `index` makes the CPU late for it.
std::string late_for(const std::vector<Crossing>& points, std::size_t index, sim::Duration length) {
    const Crossing& first = points[index];
    unsigned depth = first.irq_depth;
    for (std::size_t i = index + 1; i < points.size(); ++i) {
        if (points[i].cpu != first.cpu)
            continue;
        if (points[i].irq_depth > depth)
            return points[i].at - first.at < length ? points[i].doing : "";
        depth = points[i].irq_depth;
    }
    return "";
}

/// Of which kinds a stall is: what the CPU is doing, and whom it lets pass or what it is late for; none if it is not a
/// promising one.
std::set<std::pair<std::string, std::set<std::string>>> kinds_of(const std::vector<Crossing>& points,
                                                                 const PlacedStall& stall) {
    std::set<std::pair<std::string, std::set<std::string>>> kinds;
    const std::size_t index = stall.point - 1;
    if (const std::set<std::string> others = passed(points, index, stall.length); !others.empty())
        kinds.insert({points[index].doing, others});
    if (const std::string interrupt = late_for(points, index, stall.length); !interrupt.empty())
        kinds.insert({points[index].doing, {"late for", interrupt}});
    return kinds;
}

std::vector<PlacedStall> all_of(const StallOrder& order) {
    std::vector<PlacedStall> stalls;
    for (std::uint64_t i = 0; i < order.size(); ++i)
        stalls.push_back(order[i]);
    return stalls;
}

}  // namespace

TEST_CASE(
    "MA 13.1: a stall order has each point with each length once, the promising ones first and their kinds by turns") {
    for (std::uint64_t number = 1; number <= 300; ++number) {
        CAPTURE(number);
        const std::vector<Crossing> run = some_run(number);
        const std::vector<Crossing> points = points_of(run);
        const StallOrder order(run, points.size(), kMaxStall, number);
        REQUIRE(order.size() == std::max<std::size_t>(1, points.size()) * kStallDivisors.size());
        const std::vector<PlacedStall> stalls = all_of(order);
        std::set<std::pair<std::uint64_t, sim::Duration>> seen;
        std::set<std::pair<std::string, std::set<std::string>>> kinds, early;
        std::uint64_t promising = 0;
        for (std::size_t i = 0; i < stalls.size() && !points.empty(); ++i) {
            const PlacedStall& s = stalls[i];
            REQUIRE(s.point >= 1);
            REQUIRE(s.point <= points.size());
            REQUIRE(seen.insert({s.point, s.length}).second);
            const auto of_stall = kinds_of(points, s);
            CHECK(of_stall.empty() == (i >= order.promising()));
            promising += !of_stall.empty();
            kinds.insert(of_stall.begin(), of_stall.end());
        }
        CHECK(promising == order.promising());
        // Two lists that take turns: each kind has had its turn when twice as many as there are kinds are through.
        for (std::size_t i = 0; i < std::min<std::size_t>(2 * kinds.size(), stalls.size()) && !points.empty(); ++i)
            early.merge(kinds_of(points, stalls[i]));
        CHECK(early == kinds);
    }
}

TEST_CASE("what is read by all, used by one CPU or too far away is no conflict") {
    const auto turning = [](const std::vector<Crossing>& run) {
        return StallOrder(run, run.size(), kMaxStall, 1).promising();
    };
    int* const line = objects.data();
    CHECK(turning({point(0us, 0, line, false), point(1us, 1, line, false)}) == 0);
    CHECK(turning({point(0us, 0, line, true), point(1us, 0, line, true)}) == 0);
    CHECK(turning({point(0us, 0, line, true), point(300us, 1, line, true)}) == 0);
    CHECK(turning({point(0us, 0, line, true), point(1us, 1, line + 1, true)}) == 0);
    CHECK(turning({point(0us, 0, nullptr, true), point(1us, 1, nullptr, true)}) == 0);
    // 300 us and 30 us are longer than what lies between.
    CHECK(turning({point(0us, 0, line, true), point(3us, 1, line, false)}) == 2);
    CHECK(turning({point(0us, 0, line, false), point(3us, 1, line, true)}) == 2);
    // A CPU may be ahead of another when it comes to a point: what counts is when.
    const std::vector<Crossing> ahead{point(5us, 1, line, true), point(2us, 0, line, true)};
    const StallOrder order(ahead, ahead.size(), kMaxStall, 1);
    REQUIRE(order.promising() == 2);
    CHECK(order[0].point == 2);
    CHECK(order[1].point == 2);
}

TEST_CASE("a stall before an interrupt of the CPU is a promising one if the interrupt comes within it") {
    std::vector<Crossing> run{point(0us, 0, nullptr, false), point(20us, 1, nullptr, false),
                              point(25us, 0, nullptr, false), point(26us, 0, nullptr, false)};
    run[2].irq_depth = run[3].irq_depth = 1;
    const StallOrder order(run, run.size(), kMaxStall, 1);
    REQUIRE(order.promising() == 2);
    CHECK(order[0].point == 1);
    CHECK(order[1].point == 1);
    CHECK(order[0].length + order[1].length == 330us);
}

TEST_CASE("the seed shuffles a stall order, and only the seed") {
    const std::vector<Crossing> run = many_conflicts();
    const auto order = [&](std::uint64_t seed) {
        std::vector<std::pair<std::uint64_t, sim::Duration>> places;
        for (const PlacedStall& s : all_of(StallOrder(run, run.size(), kMaxStall, seed)))
            places.emplace_back(s.point, s.length);
        return places;
    };
    CHECK(order(1) == order(1));
    CHECK(order(1) != order(2));
}

TEST_CASE("of a run that was not kept whole the later points are there, too") {
    const std::vector<Crossing> run{point(0us, 0, objects.data(), true), point(1us, 1, objects.data(), true)};
    const StallOrder order(run, 1000, kMaxStall, 1);
    std::set<std::pair<std::uint64_t, sim::Duration>> seen;
    for (const PlacedStall& s : all_of(order))
        CHECK(seen.insert({s.point, s.length}).second);
    CHECK(seen.size() == 4000);
    CHECK(seen.rbegin()->first == 1000);
}

TEST_CASE("samples of a stall order have different points in order, and often turn something round") {
    const std::vector<Crossing> run = many_conflicts();
    const StallOrder order(run, run.size(), kMaxStall, 1);
    std::uint64_t turning = 0;
    constexpr std::uint64_t kSamples = 200;
    for (std::uint64_t seed = 1; seed <= kSamples; ++seed) {
        CHECK(order.sample(seed, 0).empty());
        const std::vector<PlacedStall> one = order.sample(seed, 1);
        REQUIRE(one.size() == 1);
        turning += !passed(run, one[0].point - 1, one[0].length).empty();
        const std::vector<PlacedStall> several = order.sample(seed, 5);
        CHECK(several.size() <= 5);
        for (std::size_t i = 1; i < several.size(); ++i)
            CHECK(several[i - 1].point < several[i].point);
    }
    CHECK(turning >= kSamples * 4 / 10);
}
