// LA 3, LA-P1, LA-I6: random timer programs against a timer that counts picosecond by picosecond.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "apic_rig.hpp"

namespace ticklab::sim::test {
namespace {

constexpr std::uint64_t kBusHz = 7'000'000'001;  // a tick is a little less than 143 ps
constexpr std::uint64_t kTscPsPerTick = 37;

/// The timer of LA 3 without any arithmetic on instants: each step() is one picosecond.
struct SlowTimer {
    ApicTimerMode mode = ApicTimerMode::kOneShot;
    UInt128 phase = 0;
    std::uint64_t divide = 2;
    std::int64_t ppm = 0;
    std::uint32_t initial = 0;
    std::uint32_t count = 0;
    bool counting = false;
    bool frozen = false;
    std::uint64_t deadline = 0;
    std::uint64_t tsc_offset = 0;
    std::vector<std::int64_t> events;

    void step(std::int64_t now) {
        if (counting && !frozen) {
            phase += UInt128{kBusHz} * static_cast<std::uint64_t>(1'000'000 + ppm);
            const UInt128 tick = UInt128{1'000'000'000'000} * 1'000'000 * divide;
            while (counting && phase >= tick) {
                phase -= tick;
                if (--count > 0)
                    continue;
                events.push_back(now);
                counting = mode == ApicTimerMode::kPeriodic;
                count = counting ? initial : 0;
            }
        }
        look_at_tsc(now);
    }
    void look_at_tsc(std::int64_t now) {
        const std::uint64_t tsc = tsc_offset + static_cast<std::uint64_t>(now) / kTscPsPerTick;
        if (deadline == 0 || frozen || tsc < deadline)
            return;
        deadline = 0;
        events.push_back(now);
    }
    void set_divide(std::uint64_t d) {
        phase = phase * d / divide;
        divide = d;
    }
    void set_mode(ApicTimerMode m, bool keep) {
        if (m == mode)
            return;
        const bool both_count = m != ApicTimerMode::kTscDeadline && mode != ApicTimerMode::kTscDeadline;
        mode = m;
        if (keep && both_count)
            return;
        counting = false;
        count = initial = 0;
        deadline = 0;
    }
};

void tries_of_one_program(bool keep_running) {
    ApicParameters parameters;
    parameters.bus_hz = kBusHz;
    ApicRig rig(1, parameters);
    rig.tsc.ps_per_tick = kTscPsPerTick;
    rig.enable_all(kBoot);
    if (keep_running)
        RC_ASSERT(rig.bus.set_fault(kBoot, ApicFault::kModeChangeKeepsTimer, 0, 1, {}));
    SlowTimer slow;
    std::int64_t now = 0;
    constexpr ApicTimerMode kModes[]{ApicTimerMode::kOneShot, ApicTimerMode::kPeriodic, ApicTimerMode::kTscDeadline};
    constexpr std::uint32_t kDivideCodes[]{0xb, 0x0, 0x1, 0x2};
    constexpr std::uint64_t kDivides[]{1, 2, 4, 8};

    const int operations = pick(1, 30);
    for (int i = 0; i < operations; ++i) {
        const std::int64_t next = now + pick(1, 3000);
        while (now < next)
            slow.step(++now);
        const Time at = at_ps(now);
        rig.run(at);
        RC_ASSERT(rig.read(0, at, apic::kCurrentCount) == slow.count);
        RC_ASSERT(rig.apics[0].read_msr(at, apic::kMsrTscDeadline).value == slow.deadline);
        switch (pick(0, 9)) {
            case 0:
            case 1:
            case 2: {
                const auto n = static_cast<std::uint32_t>(pick(0, 12));
                rig.write(0, at, apic::kInitialCount, n);
                if (slow.mode == ApicTimerMode::kTscDeadline)
                    break;
                slow.initial = slow.count = n;
                slow.counting = n != 0;
                slow.phase = 0;
                break;
            }
            case 3: {
                const ApicTimerMode mode = kModes[pick(0, 3)];
                rig.write(0, at, apic::kLvtTimer, lvt_timer(mode));
                slow.set_mode(mode, keep_running);
                break;
            }
            case 4: {
                const int d = pick(0, 4);
                rig.write(0, at, apic::kDivideConfiguration, kDivideCodes[d]);
                if (!slow.counting)
                    slow.phase = 0;
                slow.set_divide(kDivides[d]);
                break;
            }
            case 5: {
                const std::uint64_t tsc = rig.tsc.read(at);
                const std::uint64_t v = pick<std::uint64_t>(tsc > 20 ? tsc - 20 : 0, tsc + 100);
                rig.write_msr(0, at, apic::kMsrTscDeadline, v);
                if (slow.mode == ApicTimerMode::kTscDeadline)
                    slow.deadline = v;
                break;
            }
            case 6: {
                rig.tsc.offset = static_cast<std::uint64_t>(pick(0, 200));
                rig.apics[0].deadline_clock_changed(at);
                slow.tsc_offset = rig.tsc.offset;
                break;
            }
            case 7: {
                slow.frozen = !slow.frozen;
                if (slow.frozen)
                    rig.apics[0].freeze(at);
                else
                    rig.apics[0].thaw(at);
                break;
            }
            case 8: {
                slow.ppm = pick(-400'000, 400'000);
                RC_ASSERT(rig.bus.set_fault(at, ApicFault::kTimerFrequencyError, 0, slow.ppm, {}));
                break;
            }
        }
        slow.look_at_tsc(now);
        rig.check();
    }
    rig.run(at_ps(now));
    RC_ASSERT(rig.instants_ps(kApicTimerEvent) == slow.events);
}

TEST_CASE("LA-P1: random programs have their events at the same picosecond as a slow timer") {
    CHECK(rc::check([] { tries_of_one_program(false); }));
}

TEST_CASE("LA-F1: and with a timer that survives mode changes") {
    CHECK(rc::check([] { tries_of_one_program(true); }));
}

}  // namespace
}  // namespace ticklab::sim::test
