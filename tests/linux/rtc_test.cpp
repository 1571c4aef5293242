// The RTC's interrupts by the HPET's timer 1 (HP 10).
#include <rapidcheck.h>

#include "linux_fixture.hpp"
#include "ticklab/model/linux/rtc_counter.hpp"
#include "ticklab/model/linux/rtc_records.hpp"
#include "ticklab/model/linux/vectors.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::testing;

namespace {

/// A tick of the HPET is a nanosecond, and its counter wraps `wrap_in` ticks after boot.
struct RtcBench : Bench {
    explicit RtcBench(CpuId cpus = 1, std::uint32_t wrap_in = 0x8000'0000) : Bench(cpus) {
        linux_config.rtc_emulation = true;
        linux_config.hpet_restart_counter = false;
        config.hpet_period_fs = 1'000'000;
        config.hpet_counter_start = (std::uint64_t{1} << 32) - wrap_in;
    }
    HpetRtc& rtc() { return *core().rtc; }
    void set_rate(Time at, unsigned hz) {
        on(0, at, [this, hz](Cpu& cpu) { rtc().set_rate(cpu, hz); });
    }
    void enable(Time at, unsigned kinds, CpuId cpu = 0) {
        on(cpu, at, [this, kinds](Cpu& me) { rtc().enable(me, kinds); });
    }
    void disable(Time at, unsigned kinds) {
        on(0, at, [this, kinds](Cpu& cpu) { rtc().disable(cpu, kinds); });
    }
    /// Interrupts wait that long.
    void hold_off(Time at, sim::Duration length) {
        on(0, at, [length](Cpu& cpu) {
            const bool irqs = cpu.irq_save();
            cpu.spend(sim::Cycles{static_cast<std::uint64_t>(length / 1ns)});
            cpu.irq_restore(irqs);
        });
    }
    std::vector<LoggedRecord> reports(std::size_t kind) {
        std::vector<LoggedRecord> found;
        for (LoggedRecord& r : records(kRtcInterruptRecord))
            if (r.operands[kind] != 0)
                found.push_back(std::move(r));
        return found;
    }
};

/// Operands of kRtcInterruptRecord.
constexpr std::size_t kPeriodicReport = 0;
constexpr std::size_t kAlarmReport = 1;
constexpr std::size_t kUpdateReport = 2;

}  // namespace

TEST_CASE("a comparator is ahead of a counter by less than half a wrap (HP 10.6)") {
    struct Vector {
        std::uint32_t a, b;
        bool ahead;
    };
    constexpr std::array kVectors{Vector{5, 3, true},
                                  Vector{3, 5, false},
                                  Vector{5, 5, false},
                                  Vector{0x0000'0010, 0xffff'fff0, true},
                                  Vector{0xffff'fff0, 0x0000'0010, false},
                                  Vector{0x8000'0000, 0, true},
                                  Vector{0x8000'0001, 0, false}};
    for (const Vector& v : kVectors) {
        CAPTURE(v.a);
        CAPTURE(v.b);
        CHECK(counter_ahead(v.a, v.b) == v.ahead);
    }
    REQUIRE(rc::check("as counters that do not wrap compare, wherever the wrap falls", [](std::uint32_t from) {
        const auto distance = *rc::gen::inRange<std::int64_t>(-0x7fff'ffff, 0x8000'0000);
        const std::uint64_t counter = (std::uint64_t{1} << 32) + from;
        const std::uint64_t comparator = counter + static_cast<std::uint64_t>(distance);
        RC_ASSERT(counter_ahead(static_cast<std::uint32_t>(comparator), from) == (comparator > counter));
    }));
}

TEST_CASE("the historic comparison is right until comparator or counter has wrapped (HPET-01)") {
    CHECK(counter_ahead_in_64_bits(5, 3));
    CHECK_FALSE(counter_ahead_in_64_bits(3, 5));
    // The comparator has grown past 32 bits and lies behind the counter.
    CHECK(counter_ahead_in_64_bits(0x1'0000'0010, 0x20));
    CHECK_FALSE(counter_ahead(0x10, 0x20));
}

TEST_CASE("periodic interrupts come at their rate and on their grid, at every power of two (HP 10.2, 10.3)") {
    for (unsigned hz = 2; hz <= 8192; hz *= 2) {
        CAPTURE(hz);
        RtcBench b;
        b.busy(0, at_ms(1), at_ms(20'000));
        b.set_rate(at_ms(10), hz);
        b.enable(at_ms(10), kRtcPeriodic);
        const sim::Duration length = 8 * sim::Duration{1s} / hz;
        b.run(at_ms(10) + length + sim::Duration{1s} / hz / 2);
        const auto reports = b.reports(kPeriodicReport);
        REQUIRE(reports.size() == 8);
        CHECK(b.state("rtc.lost") == 0);
        for (std::size_t i = 1; i < reports.size(); ++i) {
            const sim::Duration gap = reports[i].at - reports[i - 1].at;
            // Within the rounding of ticks, and what the handler waits for.
            CHECK(gap > sim::Duration{1s} / hz - 10us);
            CHECK(gap < sim::Duration{1s} / hz + 10us);
        }
    }
}

TEST_CASE("grid points are interrupts and lost ones, whatever is held off and wherever the counter wraps (HP-P5)") {
    REQUIRE(rc::check([] {
        const auto wrap_in = *rc::gen::inRange<std::uint32_t>(1'000'000, 60'000'000);
        const auto rate = *rc::gen::element(256u, 1024u, 4096u, 8192u);
        const auto holds = *rc::gen::container<std::vector<std::pair<int, int>>>(
            *rc::gen::inRange<std::size_t>(0, 6),
            rc::gen::pair(rc::gen::inRange(12'000, 60'000), rc::gen::inRange(1, 9'000)));
        RtcBench b(1, wrap_in);
        b.busy(0, at_ms(1), at_ms(200));
        b.set_rate(at_ms(10), rate);
        b.enable(at_ms(11), kRtcPeriodic);
        for (const auto& [at, length] : holds)
            b.hold_off(at_us(at), std::chrono::microseconds{length});
        RC_ASSERT(b.run_to_verdict(at_ms(120)) == "");
        const auto programs = b.records(kRtcProgramRecord);
        // A reference that counts in 64 bits: the first comparator, and how many whole periods have passed since.
        const std::uint64_t delta = 1'000'000'000 / rate;
        const std::uint64_t first = programs.front().operands[0];
        const auto elapsed = static_cast<std::uint64_t>((at_ms(120) - programs.front().at) / 1ns);
        const std::uint64_t points = elapsed / delta;
        const auto polls = static_cast<std::uint64_t>(b.state("rtc.interrupts"));
        const auto lost = static_cast<std::uint64_t>(b.state("rtc.lost"));
        RC_ASSERT(polls + lost + 1 >= points);
        RC_ASSERT(polls + lost <= points + 1);
        RC_ASSERT(programs.back().operands[0] == static_cast<std::uint32_t>(first + (polls + lost) * delta));
        std::uint64_t sum = 0;
        for (const auto& program : programs)
            sum += program.operands[2];
        RC_ASSERT(sum == lost);
    }));
}

TEST_CASE("lost counting: the grid is kept, and an equal comparator is not ahead (HP 10.7)") {
    RtcBench b;
    b.busy(0, at_ms(1), at_ms(100));
    b.set_rate(at_ms(10), 8192);
    b.enable(at_ms(10), kRtcPeriodic);
    b.hold_off(at_us(20'010), 1ms);
    b.run(at_ms(30));
    const auto programs = b.records(kRtcProgramRecord);
    std::size_t skipped = 0;
    for (std::size_t i = 1; i < programs.size(); ++i) {
        const std::uint64_t lost = programs[i].operands[2];
        CHECK(programs[i].operands[0] - programs[i - 1].operands[0] == (lost + 1) * (1'000'000'000 / 8192));
        if (lost != 0) {
            ++skipped;
            CHECK(lost >= 7);
            CHECK(lost <= 8);
        }
    }
    CHECK(skipped == 1);
}

TEST_CASE("several periodic interrupts that are due are reported once (HP 10.4 step 4)") {
    RtcBench b;
    b.busy(0, at_ms(1), at_ms(1'000));
    b.set_rate(at_ms(10), 64);
    b.enable(at_ms(10), kRtcPeriodic);
    b.hold_off(at_ms(100), 100ms);
    b.run(at_ms(500));
    CHECK(b.state("rtc.lost") >= 5);
    CHECK(b.state("rtc.periodic") == b.state("rtc.interrupts"));
}

TEST_CASE("lost polls count for a slow periodic interrupt (HP 10.5)") {
    RtcBench b;
    b.busy(0, at_ms(1), at_ms(5'000));
    b.set_rate(at_ms(10), 2);
    b.enable(at_ms(10), kRtcPeriodic);
    b.hold_off(at_ms(100), 300ms);
    b.run(at_ms(4'100));
    CHECK(b.state("rtc.lost") >= 17);
    // Half a second each, as if none had been lost.
    CHECK(b.state("rtc.periodic") == 8);
}

TEST_CASE("an update is reported once a second, and not by the first poll (HP 10.2, 10.4 step 3, HP-P6)") {
    RtcBench b;
    b.linux_config.rtc_time = 500ms;
    b.enable(at_ms(10), kRtcUpdate);
    b.disable(at_ms(3'000), kRtcUpdate);
    b.enable(at_ms(3'200), kRtcUpdate);
    b.run(at_ms(5'000));
    const auto reports = b.reports(kUpdateReport);
    REQUIRE(reports.size() == 5);
    constexpr std::array kSeconds{500, 1500, 2500, 3500, 4500};
    for (std::size_t i = 0; i < reports.size(); ++i) {
        // Found by a poll at 64 Hz.
        CHECK(reports[i].at >= at_ms(kSeconds[i]));
        CHECK(reports[i].at < at_ms(kSeconds[i]) + 16ms);
    }
}

TEST_CASE("an alarm is reported at the polls of its second and at no others (HP 10.4 step 5, HP-P6)") {
    RtcBench b;
    b.linux_config.rtc_time = std::chrono::hours{23} + 59min + 58s;
    b.on(0, at_ms(5), [&](Cpu& cpu) { b.rtc().set_alarm(cpu, {0, 0, 0}); });
    b.enable(at_ms(10), kRtcAlarm);
    b.run(at_ms(4'000));
    const auto reports = b.reports(kAlarmReport);
    CHECK(reports.size() >= 63);
    CHECK(reports.size() <= 65);
    for (const auto& r : reports) {
        CHECK(r.at >= at_ms(2'000));
        CHECK(r.at < at_ms(3'001));
    }
}

TEST_CASE("who has periodic interrupts and no alarm gets no alarm (HP 10.4 step 5, HP-F6)") {
    for (const bool on : {true, false}) {
        RtcBench b;
        b.linux_config.changes.rtc_alarm_by_its_bit = on;
        b.on(0, at_ms(5), [&](Cpu& cpu) { b.rtc().set_alarm(cpu, {0, 0, 1}); });
        b.enable(at_ms(10), kRtcPeriodic | kRtcUpdate);
        CHECK(b.run_to_verdict(at_ms(2'000)) == (on ? "" : "linux.rtc.alarm"));
        CHECK(b.state("rtc.alarms") == 0);
    }
}

TEST_CASE("timer 1 stops at the first interrupt after all kinds were disabled, and starts again (HP 10.2, 10.5)") {
    RtcBench b;
    b.set_rate(at_ms(10), 128);
    b.enable(at_ms(10), kRtcPeriodic);
    b.disable(at_ms(100), kRtcPeriodic);
    b.run(at_ms(500));
    const std::int64_t polls = b.state("rtc.interrupts");
    CHECK(polls == b.state("rtc.periodic") + 1);
    CHECK_FALSE(b.machine().hpet().timer(1).int_enabled());
    b.enable(at_ms(600), kRtcPeriodic);
    b.run(at_ms(700));
    CHECK(b.state("rtc.interrupts") >= polls + 11);
}

TEST_CASE("without HPET-01 the RTC stops when it has to catch up after the wrap (HP 10.5, HP-F4)") {
    for (const bool on : {true, false}) {
        RtcBench b(1, 50'000'000);
        b.linux_config.changes.rtc_compares_32_bits = on;
        b.busy(0, at_ms(1), at_ms(200));
        b.set_rate(at_ms(10), 8192);
        b.enable(at_ms(10), kRtcPeriodic);
        b.hold_off(at_ms(30), 1ms);
        b.hold_off(at_ms(70), 1ms);
        CHECK(b.run_to_verdict(at_ms(100)) == (on ? "" : "linux.rtc.stalled"));
        CHECK((b.state("rtc.lost") >= 14) == on);
    }
}

TEST_CASE(
    "a stall in the first programming stops the RTC, with HP 10.3 it costs the points that went by (HP 10.5, HP-P5)") {
    constexpr std::uint64_t kDelta = 1'000'000'000 / 8192;
    const auto prepare = [](RtcBench& b) {
        b.busy(0, at_ms(1), at_ms(200));
        b.set_rate(at_ms(10), 8192);
        b.enable(at_ms(11), kRtcPeriodic, 1);
    };
    RtcBench undisturbed(2);
    prepare(undisturbed);
    undisturbed.run(at_ms(12));
    const Time started = undisturbed.records(kRtcProgramRecord).front().at;
    for (const bool compared : {false, true}) {
        int not_started = 0;
        for (int before = -10; before < 200; ++before) {
            CAPTURE(compared);
            CAPTURE(before);
            RtcBench b(2);
            b.linux_config.changes.rtc_start_compared = compared;
            prepare(b);
            b.run(started - before * 25ns);
            b.machine().stall(1, at_ms(13));
            const std::string verdict = b.run_to_verdict(at_ms(20));
            if (!verdict.empty()) {
                REQUIRE(verdict == "linux.rtc.not_started");
                ++not_started;
                continue;
            }
            const std::uint64_t first = b.records(kRtcProgramRecord).front().operands[0];
            const std::uint64_t counter = b.config.hpet_counter_start + 20'000'000;
            const std::uint64_t points = (counter - first) / kDelta + 1;
            const auto told = static_cast<std::uint64_t>(b.state("rtc.interrupts") + b.state("rtc.lost"));
            // The last interrupt may be on its way.
            CHECK(told + 1 >= points);
            CHECK(told <= points);
        }
        CHECK((not_started != 0) == !compared);
    }
}

TEST_CASE("without HP-F5 a fast rate comes at the slow one's polls (HP 10.2)") {
    for (const bool on : {true, false}) {
        RtcBench b;
        b.linux_config.changes.rtc_rate_clears_limit = on;
        b.set_rate(at_ms(10), 64);
        b.enable(at_ms(10), kRtcPeriodic);
        b.set_rate(at_ms(100), 1024);
        CHECK(b.run_to_verdict(at_ms(300)) == (on ? "" : "linux.rtc.rate"));
    }
}

TEST_CASE("when the CPU that takes the RTC's interrupts goes off-line, another one does, and none is missing") {
    bool took_over = false;
    for (int offset = 0; offset < 62; ++offset) {
        CAPTURE(offset);
        RtcBench b(3);
        // Interrupts are off in stop-machine for a good while, so that one waits there at some offset.
        b.config.costs.set("cache_transfer", sim::Cycles{2'000}, "test");
        b.set_rate(at_ms(10), 8192);
        b.enable(at_ms(10), kRtcPeriodic, 1);
        b.offline(0, at_us(50'000 + 2 * offset), 2);
        b.online(0, at_ms(80), 2);
        b.run(at_ms(120));
        CHECK(b.state("rtc.target") == 1);
        CHECK(b.state("rtc.interrupts") + b.state("rtc.lost") >= 110 * 8192 / 1000 - 2);
        took_over = took_over || b.state("rtc.lost") > 0;
    }
    CHECK(took_over);
}

TEST_CASE("a machine whose HPET cannot replace the RTC has no emulation (HP 8.1)") {
    RtcBench b;
    b.config.hpet_legacy = false;
    b.set_rate(at_ms(10), 2);
    b.enable(at_ms(10), kRtcPeriodic);
    b.disable(at_ms(20), kRtcPeriodic);
    b.run(at_ms(600));
    CHECK(b.state("rtc.interrupts") == 0);
    CHECK(b.state("rtc.target") == -1);
}

TEST_CASE("timers 0 and 1 serve the broadcast and the RTC, whichever comes first (HP 8.5)") {
    RtcBench b(2);
    b.config.arat = false;
    b.linux_config.governor = GovernorKind::kAlways;
    b.linux_config.broadcast = BroadcastKind::kHrtimer;
    b.set_rate(at_ms(10), 1024);
    b.enable(at_ms(10), kRtcPeriodic);
    // Found late: the block is in use, and the RTC's comparator must stay.
    b.on(0, at_ms(50), [&](Cpu& cpu) { b.perform(cpu, "broadcast.hpet", {}); });
    b.on(1, at_ms(60), [&](Cpu& cpu) {
        b.perform(cpu, "hrtimer.start", {std::int64_t{0}, at_ms(90), sim::Duration{}, true});
    });
    b.run(at_ms(100));
    CHECK(b.core().broadcast->device()->name() == "hpet");
    CHECK(b.firings.size() == 1);
    CHECK(b.state("rtc.periodic") + b.state("rtc.lost") >= 90);
}

TEST_CASE("verbs of the RTC are refused without its emulation, and rates that are no power of two always") {
    const sim::KernelDecl& decl = linux_kernel_decl();
    const auto refusal = [&](std::string_view verb, sim::Value argument, bool emulated) {
        sim::KernelDecl::Settings settings;
        for (const sim::ParameterDecl& option : decl.options)
            settings.options.push_back(option.name == "rtc_emulation" ? std::optional<sim::Value>(emulated)
                                                                      : std::nullopt);
        sim::VerbCall call;
        for (const sim::VerbDecl& v : decl.verbs)
            if (v.name == verb)
                call.verb = &v;
        REQUIRE(call.verb != nullptr);
        call.arguments.assign(1, std::move(argument));
        call.arguments.resize(call.verb->parameters.size());
        const std::optional<sim::CallRefusal> refused = decl.refuse(settings, call, {});
        return refused ? refused->expected : std::string();
    };
    CHECK(refusal("rtc.set_rate", std::int64_t{1024}, true).empty());
    CHECK(refusal("rtc.set_rate", std::int64_t{1000}, true) == "a power of two from 2 to 8192");
    CHECK(refusal("rtc.enable", std::string("alarm"), true).empty());
    CHECK(refusal("rtc.enable", std::string("alarm"), false) ==
          "kernel.rtc_emulation to be true for a verb of the RTC");
    CHECK(refusal("timer.delete", std::int64_t{0}, false).empty());
}
