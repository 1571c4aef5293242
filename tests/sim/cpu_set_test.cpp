// Sets of CPUs against std::set.
#include "ticklab/sim/cpu_set.hpp"

#include <rapidcheck.h>

#include <set>

#include "sim/machine_fixture.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

TEST_CASE("a set of CPUs has the members that a set has, across words") {
    constexpr CpuId kMembers = 150;
    CHECK(rc::check([](const std::vector<std::uint8_t>& steps) {
        BootedMachine b;
        CpuSet tested(kMembers);
        std::set<CpuId> expected;
        bool same = true;  // a failed assertion cannot leave the fiber of a CPU
        b.on(1, [&](Cpu& cpu) {
            for (const std::uint8_t step : steps) {
                const CpuId c = step % kMembers;
                const bool there = expected.contains(c);
                same = same && tested.contains(cpu, c) == there;
                if (step % 3 == 0) {
                    same = tested.remove(cpu, c) == there && same;
                    expected.erase(c);
                } else {
                    same = tested.add(cpu, c) == there && same;
                    expected.insert(c);
                }
                same = same && tested.peek(c) == expected.contains(c);
                same = same && tested.first(cpu) == (expected.empty() ? kNoCpu : *expected.begin());
            }
            const std::vector<CpuId> members(expected.begin(), expected.end());
            std::vector<CpuId> found;
            const auto note = [&](CpuId c) { found.push_back(c); };
            tested.for_each(cpu, note);
            same = same && found == members;
            found.clear();
            tested.take_each(cpu, note);
            same = same && found == members;
            same = same && tested.first(cpu) == kNoCpu;
        });
        RC_ASSERT(b.run() == nullptr);
        RC_ASSERT(same);
    }));
}
