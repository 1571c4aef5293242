// The ways to place one stall: all are there once, those that turn a conflict round first, kinds in turn
// (lab/hunt/stall_order.hpp, MA 13.1).
#include "ticklab/lab/hunt/stall_order.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
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
    const std::uint64_t length = 1 + draw(60);
    for (std::uint64_t i = 0; i < length; ++i) {
        at += std::array<sim::Duration, 4>{0us, 1us, 40us, 500us}[draw(4)];
        if (draw(10) == 0)
            run.push_back({3, true});
        else
            run.push_back(point(at, static_cast<sim::CpuId>(draw(3)), draw(4) == 0 ? nullptr : &objects[draw(4)],
                                draw(3) == 0, kDoings[draw(3)]));
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
    for (std::size_t i = 0; i < points.size(); ++i) {
        const Crossing& second = points[i];
        const bool later = std::pair(second.at, second.cpu) > std::pair(first.at, first.cpu);
        if (first.point.object && first.point.object == second.point.object && first.cpu != second.cpu && later &&
            second.at - first.at < length && (first.point.write || second.point.write))
            doings.insert(second.doing);
    }
    return doings;
}

std::vector<PlacedStall> all_of(const StallOrder& order) {
    std::vector<PlacedStall> stalls;
    for (std::uint64_t i = 0; i < order.size(); ++i)
        stalls.push_back(order[i]);
    return stalls;
}

}  // namespace

TEST_CASE("MA 13.1: a stall order has each point with each length once, and those that turn a conflict round first") {
    for (std::uint64_t number = 1; number <= 300; ++number) {
        CAPTURE(number);
        const std::vector<Crossing> run = some_run(number);
        const std::vector<Crossing> points = points_of(run);
        const StallOrder order(run, points.size(), kMaxStall, number);
        REQUIRE(order.size() == std::max<std::size_t>(1, points.size()) * kStallDivisors.size());
        const std::vector<PlacedStall> stalls = all_of(order);
        std::set<std::pair<std::uint64_t, sim::Duration>> seen;
        std::map<std::pair<std::string, std::set<std::string>>, std::uint64_t> kinds;
        std::uint64_t turning = 0;
        for (std::size_t i = 0; i < stalls.size() && !points.empty(); ++i) {
            const PlacedStall& s = stalls[i];
            REQUIRE(s.point >= 1);
            REQUIRE(s.point <= points.size());
            REQUIRE(seen.insert({s.point, s.length}).second);
            const std::set<std::string> lets_pass = passed(points, s.point - 1, s.length);
            CHECK(lets_pass.empty() == (i >= order.turning()));
            if (lets_pass.empty())
                continue;
            ++turning;
            ++kinds[{points[s.point - 1].doing, lets_pass}];
        }
        CHECK(turning == order.turning());
        // As long as no kind has run out, each has had its turn before any has the next.
        std::map<std::pair<std::string, std::set<std::string>>, std::uint64_t> turns;
        for (std::size_t i = 0; i < kinds.size(); ++i)
            ++turns[{points[stalls[i].point - 1].doing, passed(points, stalls[i].point - 1, stalls[i].length)}];
        CHECK(turns.size() == kinds.size());
    }
}

TEST_CASE("what is read by all, used by one CPU or too far away is no conflict") {
    const auto turning = [](const std::vector<Crossing>& run) {
        return StallOrder(run, run.size(), kMaxStall, 1).turning();
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
    REQUIRE(order.turning() == 2);
    CHECK(order[0].point == 2);
    CHECK(order[1].point == 2);
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
