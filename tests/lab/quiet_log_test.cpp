// What of a CPU's time excuses no lateness (lab/quiet_log.hpp).
#include "ticklab/lab/quiet_log.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "ticklab/sim/machine_records.hpp"

using namespace ticklab;
using namespace ticklab::lab;

namespace {

constexpr sim::RecordKind kLongRest = sim::RecordKind{
    40100,
    "toy",
    "long_rest",
    "timer",
    sim::TimelineShape::kHidden,
    {},
    "for tests",
    {{"until",
      sim::OperandType::kTimePs}}}.as(sim::RecordRole::kRest);

sim::Time at_us(std::int64_t us) { return sim::kBoot + std::chrono::microseconds{us}; }
std::uint64_t in_ps(std::int64_t us) { return static_cast<std::uint64_t>(us) * 1'000'000; }

/// CPU 0 only.
struct QuietStory {
    QuietLog log{1};

    void add(std::int64_t us, const sim::RecordKind& kind, const std::vector<std::uint64_t>& operands = {}) {
        log.consume({at_us(us), &kind, 0, {}, {}, {}, operands});
    }
    std::int64_t quiet(std::int64_t from, std::int64_t to) const {
        return std::chrono::duration_cast<std::chrono::microseconds>(log.quiet(0, at_us(from), at_us(to))).count();
    }
};

}  // namespace

TEST_CASE("user mode is quiet, and not while a stall lasts") {
    QuietStory s;
    s.add(10, sim::kUserEnter);
    s.add(20, sim::kStall, {in_ps(50)});
    s.add(90, sim::kUserExit);
    CHECK(s.quiet(0, 100) == 10 + 40);
    CHECK(s.quiet(15, 60) == 5 + 10);
}

TEST_CASE("a CPU whose kernel leaves its timers alone is quiet from the end of that on (LHR 9.1)") {
    QuietStory s;
    s.add(10, kLongRest, {in_ps(60)});
    s.add(20, sim::kUserEnter);
    CHECK_FALSE(s.log.stalled(0, at_us(60)));
    CHECK(s.log.stalled(0, at_us(59)));
    SUBCASE("and goes on after it") {
        s.add(90, sim::kUserExit);
        CHECK(s.quiet(0, 100) == 30);
    }
    SUBCASE("and is over before") {
        s.add(50, sim::kUserExit);
        CHECK(s.quiet(0, 100) == 0);
    }
}
