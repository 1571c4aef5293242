// Where lateness comes from: each part alone, the sum of all, and the words (lab/why/).
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "defect_kernel.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/program.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/report.hpp"
#include "ticklab/lab/scenario_records.hpp"
#include "ticklab/lab/whole_file.hpp"
#include "ticklab/lab/why/explain.hpp"
#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/machine_records.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;
namespace fs = std::filesystem;

namespace {

using sim::OperandType;
using sim::RecordKind;
using sim::RecordRole;
using sim::TimelineShape;

// A kernel that exists as records only.
constexpr RecordKind toy(std::uint16_t id, std::string_view name, RecordRole role,
                         std::initializer_list<sim::Operand> operands) {
    return RecordKind{id, "toy", name, "timer", TimelineShape::kHidden, {}, "for tests", operands}.as(role);
}
constexpr RecordKind kArmed =
    toy(40001, "armed", RecordRole::kArmed, {{"timer", OperandType::kObject}, {"cpu", OperandType::kCpu}});
constexpr RecordKind kQueued =
    toy(40002, "queued", RecordRole::kQueued, {{"cpu", OperandType::kCpu}, {"timer", OperandType::kObject}});
constexpr RecordKind kDeadline = toy(40003, "deadline", RecordRole::kDeadline, {{"at", OperandType::kTimePs}});
constexpr RecordKind kSoftirqBegin =
    toy(40004, "softirq_begin", RecordRole::kSoftirqBegin, {{"nr", OperandType::kUnsigned}});
constexpr RecordKind kSoftirqEnd = toy(40005, "softirq_end", RecordRole::kSoftirqEnd, {{"nr", OperandType::kUnsigned}});
constexpr RecordKind kExpireBegin =
    toy(40006, "expire_begin", RecordRole::kCallbackBegin, {{"timer", OperandType::kObject}});
constexpr RecordKind kExpireEnd = toy(40007, "expire_end", RecordRole::kCallbackEnd, {{"timer", OperandType::kObject}});
constexpr RecordKind kLeaveAlone = toy(40008, "leave_alone", RecordRole::kRest, {{"until", OperandType::kTimePs}});

class NoTimers final : public sim::TimerClient {
    void timer_fired(sim::Cpu&, sim::TimerIndex) override {}
    std::string_view timer_name(sim::TimerIndex) const override { return "t"; }
};

/// A run told as records at instants in nanoseconds. Two CPUs; exit latency 500 ns, longest flight 900 ns.
struct Story {
    NoTimers client;
    FakeKernel kernel{Defect::kNone, client};
    sim::Machine machine{fake_machine(2), kernel};
    ActivityLog log{machine};
    std::uint64_t timer = machine.intern("t");
    std::uint64_t other = machine.intern("other");
    std::uint64_t last_id = 0;
    sim::RecordId softirq;

    static sim::Time ns(std::int64_t n) { return sim::kBoot + std::chrono::nanoseconds{n}; }
    static std::uint64_t ps(std::int64_t n) { return static_cast<std::uint64_t>(n) * 1000; }

    sim::RecordId add(std::int64_t at, sim::CpuId cpu, const RecordKind& kind, std::vector<std::uint64_t> operands,
                      sim::RecordId cause = {}) {
        REQUIRE(operands.size() == kind.operand_count);
        const sim::RecordId id{++last_id};
        log.consume({ns(at), &kind, cpu, id, cause, {}, operands});
        return id;
    }
    void arm(std::int64_t at, sim::CpuId cpu) { add(at, cpu, kArmed, {timer, cpu}); }
    void publish(std::int64_t at, sim::CpuId cpu, std::int64_t deadline) { add(at, cpu, kDeadline, {ps(deadline)}); }
    void program(std::int64_t at, sim::CpuId cpu, std::int64_t event) {
        add(at, cpu, sim::kApicTimerArm, {0, 0, ps(event)});
    }
    void sleep(std::int64_t at, sim::CpuId cpu) { add(at, cpu, sim::kIdleEnter, {machine.intern("C1")}); }
    void wake(std::int64_t at, sim::CpuId cpu) { add(at, cpu, sim::kIdleExit, {machine.intern("C1"), 0}); }
    sim::RecordId event(std::int64_t at, sim::CpuId cpu) { return add(at, cpu, sim::kApicTimerEvent, {0, 0xec, 0}); }
    sim::RecordId accept(std::int64_t at, sim::CpuId cpu, sim::RecordId by) {
        return add(at, cpu, sim::kApicAccept, {0xec, 0}, by);
    }
    sim::RecordId irq(std::int64_t from, std::int64_t to, sim::CpuId cpu, sim::RecordId by = {}) {
        const sim::RecordId entry = add(from, cpu, sim::kIrqEntry, {0xec}, by);
        add(to, cpu, sim::kIrqExit, {0xec});
        return entry;
    }
    void begin_pass(std::int64_t at, sim::CpuId cpu, sim::RecordId by = {}) {
        softirq = add(at, cpu, kSoftirqBegin, {0}, by);
    }
    void callback(std::int64_t from, std::int64_t to, sim::CpuId cpu) {
        add(from, cpu, kExpireBegin, {other});
        add(to, cpu, kExpireEnd, {other});
    }
    /// The callback starts; what its lateness consists of, in nanoseconds.
    std::map<std::string_view, std::int64_t> fire(std::int64_t at, sim::CpuId cpu, std::int64_t requested,
                                                  std::int64_t promised = 1'000'000) {
        add(at, cpu, kExpireBegin, {timer});
        const sim::RecordId begun = add(at, cpu, kCallbackBeginRecord, {timer});
        const Firing firing{0, cpu, ns(at), ns(requested), ns(promised), {}, {}, ns(0), ns(0), begun};
        const LatenessSplit split = split_lateness(log, firing, timer);
        std::map<std::string_view, std::int64_t> parts;
        sim::Duration sum{};
        for (const auto& [part, time] : split.by_part()) {
            parts[info(part).word] = time.count() / 1000;
            sum += time;
        }
        CHECK(sum == split.lateness());
        return parts;
    }
};
using Parts = std::map<std::string_view, std::int64_t>;

const fs::path kWhySource = source_dir();

Scenario load(const std::string& file, const std::vector<std::string>& overrides = {}) {
    std::vector<InputError> errors;
    std::optional<Scenario> scenario =
        ScenarioLoader(program_registry()).load((kWhySource / file).string(), overrides, errors);
    REQUIRE_MESSAGE(scenario, file);
    return *std::move(scenario);
}

/// Checks each firing: pieces without gaps from the request to the start.
class SumCheck final : public FiringObserver {
public:
    void fired(const Firing& firing, std::uint64_t timer, const ActivityLog& log) override {
        ++firings;
        const LatenessSplit split = split_lateness(log, firing, timer);
        sim::Time end = firing.requested();
        for (const LatenessPiece& piece : split.pieces) {
            exact = exact && piece.from == end && piece.to > piece.from;
            end = piece.to;
            time[static_cast<std::size_t>(piece.part)] += piece.to - piece.from;
        }
        exact = exact && end == std::max(firing.at, firing.requested());
    }
    bool exact = true;
    std::uint64_t firings = 0;
    std::array<sim::Duration, kLatenessPartCount> time{};
};

}  // namespace

TEST_CASE("why: the ordinary way of a timer, part by part") {
    Story s;
    s.arm(10'000, 0);
    s.publish(12'000, 0, 60'000);
    s.program(12'000, 0, 61'000);
    s.sleep(15'000, 0);
    const auto entry = [&] {
        const sim::RecordId accepted = s.accept(61'500, 0, s.event(61'000, 0));
        s.wake(70'000, 0);
        return s.irq(70'000, 72'000, 0, accepted);
    }();
    s.begin_pass(73'000, 0, entry);
    CHECK(s.fire(77'000, 0, 50'000) ==
          Parts{{"slack", 10'000}, {"hardware", 1'000}, {"interrupt", 2'500}, {"idle exit", 8'500}, {"kernel", 5'000}});
}

TEST_CASE("why: a deadline beyond the promise is a late aim (XT-P2)") {
    Story s;
    s.arm(10'000, 0);
    s.publish(12'000, 0, 200'000);
    s.program(12'000, 0, 200'000);
    s.sleep(15'000, 0);
    const sim::RecordId accepted = s.accept(200'000, 0, s.event(200'000, 0));
    s.wake(200'000, 0);
    s.begin_pass(200'000, 0, s.irq(200'000, 200'000, 0, accepted));
    CHECK(s.fire(200'000, 0, 50'000, 100'000) == Parts{{"slack", 50'000}, {"late aim", 100'000}});
}

TEST_CASE("why: a kernel that leaves its timers alone after too many of them makes them late by that (LHR 9.1)") {
    Story s;
    s.arm(10'000, 0);
    s.publish(12'000, 0, 200'000);
    s.program(12'000, 0, 200'000);
    s.add(12'000, 0, kLeaveAlone, {Story::ps(180'000)});
    s.sleep(15'000, 0);
    const sim::RecordId accepted = s.accept(200'000, 0, s.event(200'000, 0));
    s.wake(200'000, 0);
    s.begin_pass(200'000, 0, s.irq(200'000, 200'000, 0, accepted));
    CHECK(s.fire(200'000, 0, 50'000, 100'000) == Parts{{"late aim", 20'000}, {"rest", 130'000}});
}

TEST_CASE("why: a timer that was set in the past is late by that") {
    Story s;
    s.begin_pass(30'000, 0);
    s.arm(40'000, 0);
    CHECK(s.fire(45'000, 0, 5'000) == Parts{{"set late", 35'000}, {"kernel", 5'000}});
}

TEST_CASE("why: what comes before the callback in its pass") {
    Story s;
    s.arm(1'000, 0);
    SUBCASE("callbacks of other timers, and an earlier one of its own") {
        s.begin_pass(9'000, 0);
        s.callback(11'000, 14'000, 0);
        s.add(15'000, 0, kExpireBegin, {s.timer});
        s.add(16'000, 0, kExpireEnd, {s.timer});
        CHECK(s.fire(18'000, 0, 10'000) == Parts{{"callbacks", 4'000}, {"kernel", 4'000}});
    }
    SUBCASE("a lock, in a callback or outside") {
        s.begin_pass(9'000, 0);
        s.add(11'000, 0, kExpireBegin, {s.other});
        s.add(12'000, 0, sim::kLockWaitBegin, {s.other, 1});
        s.add(15'000, 0, sim::kLockWaitEnd, {s.other});
        s.add(16'000, 0, kExpireEnd, {s.other});
        s.add(17'000, 0, sim::kLockWaitBegin, {s.other, 1});
        s.add(18'000, 0, sim::kLockWaitEnd, {s.other});
        CHECK(s.fire(18'000, 0, 10'000) == Parts{{"lock wait", 4'000}, {"callbacks", 2'000}, {"kernel", 2'000}});
    }
    SUBCASE("other interrupts and softirqs") {
        s.add(9'000, 0, kSoftirqBegin, {7});
        s.irq(11'000, 13'000, 0);
        s.add(15'000, 0, kSoftirqEnd, {7});
        s.begin_pass(15'000, 0);
        CHECK(s.fire(16'000, 0, 10'000) ==
              Parts{{"other softirqs", 3'000}, {"other interrupts", 2'000}, {"kernel", 1'000}});
    }
    SUBCASE("a thread in the kernel, whatever it polls for") {
        s.add(5'000, 0, sim::kThreadSwitch, {s.machine.intern("idle/0"), s.other});
        s.add(12'000, 0, sim::kSpinBegin, {1});
        s.add(13'000, 0, sim::kSpinEnd, {});
        s.add(14'000, 0, sim::kThreadSwitch, {s.other, s.machine.intern("idle/0")});
        s.begin_pass(15'000, 0);
        CHECK(s.fire(15'000, 0, 10'000) == Parts{{"threads", 4'000}, {"kernel", 1'000}});
    }
    SUBCASE("interrupts off in a thread") {
        s.add(5'000, 0, sim::kThreadSwitch, {s.machine.intern("idle/0"), s.other});
        const sim::RecordId accepted = s.accept(10'000, 0, s.event(10'000, 0));
        const sim::RecordId entry = s.irq(17'000, 18'000, 0, accepted);
        s.add(18'000, 0, sim::kThreadSwitch, {s.other, s.machine.intern("idle/0")});
        s.begin_pass(18'000, 0, entry);
        CHECK(s.fire(18'000, 0, 10'000) == Parts{{"interrupts off", 7'000}, {"interrupt", 1'000}});
    }
}

TEST_CASE("why: injected faults (MA 13.1)") {
    Story s;
    s.arm(1'000, 0);
    SUBCASE("a stall in the pass") {
        s.begin_pass(9'000, 0);
        s.add(11'000, 0, sim::kStall, {Story::ps(31'000)});
        CHECK(s.fire(32'000, 0, 10'000) == Parts{{"fault", 20'000}, {"kernel", 2'000}});
    }
    SUBCASE("a hold at a site") {
        s.begin_pass(9'000, 0);
        s.add(11'000, 0, sim::kHoldBegin, {s.other});
        s.add(21'000, 0, sim::kHoldEnd, {s.other});
        CHECK(s.fire(21'000, 0, 10'000) == Parts{{"fault", 10'000}, {"kernel", 1'000}});
    }
    SUBCASE("a late interrupt, beyond the time that a message may take") {
        s.sleep(2'000, 0);
        const sim::RecordId accepted = s.accept(30'000, 0, s.event(10'000, 0));
        s.wake(30'500, 0);
        s.begin_pass(30'500, 0, s.irq(30'500, 30'500, 0, accepted));
        CHECK(s.fire(30'500, 0, 10'000) == Parts{{"interrupt", 900}, {"fault", 19'100}, {"idle exit", 500}});
    }
    SUBCASE("a lost interrupt, until the next") {
        s.sleep(2'000, 0);
        s.add(10'000, 0, sim::kApicLost, {0xec, s.machine.apic_bus().name(sim::LostReason::kFault)},
              s.event(10'000, 0));
        const sim::RecordId accepted = s.accept(50'000, 0, {});
        s.wake(50'500, 0);
        s.begin_pass(50'500, 0, s.irq(50'500, 50'500, 0, accepted));
        CHECK(s.fire(50'500, 0, 10'000) == Parts{{"fault", 40'000}, {"idle exit", 500}});
    }
}

TEST_CASE("why: a timer of a CPU that is off-line waits to be moved, then for its new CPU (XT 10.4)") {
    Story s;
    s.arm(1'000, 1);
    s.add(8'000, 1, sim::kCpuOffline, {1});
    s.begin_pass(9'000, 0);
    s.add(20'000, 0, kQueued, {0, s.timer});
    CHECK(s.fire(22'000, 0, 10'000) == Parts{{"migration", 10'000}, {"kernel", 2'000}});
}

TEST_CASE("why: an interrupt that came early makes a pass in vain (XT 8.1)") {
    Story s;
    s.arm(1'000, 0);
    s.publish(2'000, 0, 10'000);
    s.program(2'000, 0, 9'900);
    const sim::RecordId entry = s.irq(9'910, 9'920, 0, s.accept(9'910, 0, s.event(9'900, 0)));
    s.begin_pass(9'920, 0, entry);
    s.add(12'000, 0, kSoftirqEnd, {0});
    s.begin_pass(12'500, 0);
    CHECK(s.fire(13'000, 0, 10'001) == Parts{{"hardware", 1'999}, {"kernel", 1'000}});
}

TEST_CASE("why: a CPU that sleeps with nothing on its way to the timer leaves it unattended") {
    Story s;
    s.arm(1'000, 0);
    s.publish(2'000, 0, 10'000);
    s.sleep(3'000, 0);
    s.wake(40'000, 0);
    s.begin_pass(40'000, 0);
    // Some other reason woke it; the way out of idle takes its latency.
    CHECK(s.fire(40'000, 0, 10'000) == Parts{{"unattended", 29'500}, {"idle exit", 500}});
}

TEST_CASE("why: hardware that fires on another CPU makes that one responsible, until its IPI is sent") {
    Story s;
    s.arm(1'000, 0);
    s.publish(2'000, 0, 10'000);
    s.sleep(3'000, 0);
    const sim::RecordId at_other = s.accept(10'200, 1, s.event(10'200, 1));
    const sim::RecordId entry = s.add(15'200, 1, sim::kIrqEntry, {0x30}, at_other);
    const sim::RecordId ipi = s.add(17'200, 1, sim::kIpiSend, {0, 1, 0xf0, 0}, entry);
    s.add(18'200, 1, sim::kIrqExit, {0x30});
    const sim::RecordId accepted = s.accept(17'700, 0, ipi);
    s.wake(18'200, 0);
    s.begin_pass(18'200, 0, s.irq(18'200, 18'200, 0, accepted));
    // The other CPU kept its interrupts off for 5 us.
    CHECK(s.fire(18'200, 0, 10'000) ==
          Parts{{"hardware", 200}, {"interrupts off", 5'000}, {"interrupt", 2'500}, {"idle exit", 500}});
}

TEST_CASE("why: the parts add up to the lateness of every callback of every scenario, disturbed or not") {
    std::size_t files = 0;
    std::array<sim::Duration, kLatenessPartCount> time{};
    for (const auto& entry : fs::recursive_directory_iterator(kWhySource / "scenarios")) {
        const fs::path file = fs::relative(entry.path(), kWhySource);
        const std::string room = std::next(file.begin())->string();
        if (entry.path().extension() != ".json" || room == "machines" || room == "costs")
            continue;
        const auto& verbs = load(file.string(), {}).kernel->verbs;
        if (std::none_of(verbs.begin(), verbs.end(), [](const auto& v) { return v.role == sim::TimerRole::kArm; }))
            continue;  // no timers of the scenario's, so no callbacks
        ++files;
        for (const std::vector<std::string>& disturbance :
             {std::vector<std::string>{}, {"machine.jitter_per_1024=200", "machine.stall_one_in=500"}}) {
            const Scenario scenario = load(file.string(), disturbance);
            for (const std::uint64_t seed : {1u, 2u, 3u}) {
                SumCheck sums;
                ExperimentOptions options;
                options.seed = seed;
                options.firing_observers = {&sums};
                Experiment experiment(scenario, options);
                experiment.run();
                CHECK_MESSAGE(sums.exact, file.string(), " seed ", seed);
                if (const auto& verdict = experiment.machine().verdict())
                    CHECK_MESSAGE(verdict->check->name != "timer.late", file.string(), " seed ", seed, ": ",
                                  verdict->message);
                for (std::size_t i = 0; i < time.size(); ++i)
                    time[i] += sums.time[i];
            }
        }
    }
    CHECK(files >= 6);
    CHECK(time[static_cast<std::size_t>(LatenessPart::kNotKept)] == sim::Duration::zero());
    for (const LatenessPart part : {LatenessPart::kSlack, LatenessPart::kKernel, LatenessPart::kIdleExit,
                                    LatenessPart::kCallbacks, LatenessPart::kFault, LatenessPart::kMigration})
        CHECK_MESSAGE(time[static_cast<std::size_t>(part)] > sim::Duration::zero(), info(part).word);
}

TEST_CASE("why: a kernel that takes its time before it runs what is due is late without excuse (XT-P2)") {
    const auto verdict_of = [](const sim::KernelDecl& kernel) {
        ScenarioBuilder b(kernel);
        b.timer("a").set(100us, 0, 0, 1ms);
        Experiment experiment(b.s, {});
        experiment.run();
        const auto& verdict = experiment.machine().verdict();
        return verdict ? std::string(verdict->check->name) : "";
    };
    CHECK(verdict_of(fake_decl<Defect::kSlowSoftirq>()) == "timer.late");
    CHECK(verdict_of(fake_decl<Defect::kNone>()) == "");
}

TEST_CASE("why: a hotplug operation on another CPU excuses nothing (XT 10.4)") {
    const auto& verbs = machine_verbs();
    ScenarioBuilder b(fake_decl<Defect::kLate>(), 3);
    b.timer("a").set(100us, 0, 0, 1ms);
    b.machine_step(sim::kBoot, verbs[static_cast<std::size_t>(MachineVerb::kCpuBusy)], {std::int64_t{0}, std::nullopt});
    // CPU 2 stands still from before the operation until after the callback.
    b.machine_step(sim::kBoot + 899us, verbs[static_cast<std::size_t>(MachineVerb::kCpuStall)],
                   {std::int64_t{2}, sim::Value{sim::Duration{1ms}}});
    b.machine_step(sim::kBoot + 900us, verbs[static_cast<std::size_t>(MachineVerb::kCpuOffline)], {std::int64_t{2}});
    ExperimentOptions seldom;
    seldom.looks = 1;
    Experiment experiment(b.s, seldom);
    experiment.run();
    REQUIRE(experiment.machine().verdict().has_value());
    CHECK(experiment.machine().verdict()->check->name == "timer.late");
}

TEST_CASE("why: the text on a timer, byte for byte") {
    const Answer<TimerWhy> answer = why_timer(load("scenarios/xen/range-2008.json"), {}, "first", std::nullopt);
    REQUIRE_MESSAGE(answer.value, answer.problem);
    const std::string text = text_of(*answer.value);
    const fs::path golden = kWhySource / "tests/golden/why.txt";
    if (std::getenv("TICKLAB_REWRITE") != nullptr)
        write_whole_file(golden.string(), text);
    CHECK(text == contents(golden));
    const nlohmann::ordered_json json = json_of(*answer.value);
    std::int64_t sum = 0;
    for (const auto& part : json["parts"])
        sum += part["ps"].get<std::int64_t>();
    CHECK(sum == json["late_ps"].get<std::int64_t>());
    CHECK(json["chain"].front()["kind"] == "scenario:step");
    CHECK(json["chain"].back()["kind"] == "scenario:callback_begin");
}

TEST_CASE("why: a chain goes back to the script however long ago that was") {
    // The log of a busy run keeps much less than lies between set and callback.
    ScenarioBuilder b(fake_decl<Defect::kNone>());
    b.timer("long").timer("often", {0us, 20us, {}, {}});
    b.set(100us, 0, 0, 900ms).set(110us, 1, 1, 200us);
    b.s.duration = 901ms;
    const Answer<WakeWhy> answer = why_awake(b.s, {}, 0, sim::kBoot + 899ms);
    REQUIRE_MESSAGE(answer.value, answer.problem);
    CHECK(answer.value->chain.front().kind == "scenario:step");
    CHECK(answer.value->chain.back().kind == "sim:idle_exit");
}

TEST_CASE("why: the wake-up of a CPU that sleeps at the instant, or the one before it") {
    const Scenario scenario = load("scenarios/xen/range-2008.json");
    const Answer<WakeWhy> asleep = why_awake(scenario, {}, 1, sim::kBoot + 5ms);
    REQUIRE(asleep.value);
    CHECK(asleep.value->slept_at < sim::kBoot + 5ms);
    CHECK(asleep.value->awake_at > sim::kBoot + 10ms);
    CHECK(asleep.value->reason == "interrupt");
    const Answer<WakeWhy> awake = why_awake(scenario, {}, 1, asleep.value->awake_at + 100ns);
    REQUIRE(awake.value);
    CHECK(awake.value->awake_at == asleep.value->awake_at);
    CHECK(text_of(*awake.value).find("how it came to wake") != std::string::npos);
}

TEST_CASE("why: questions without an answer get one sentence") {
    const Scenario scenario = load("scenarios/xen/range-2008.json");
    const auto timer = [&](const std::string& name, std::optional<std::uint64_t> nth = std::nullopt) {
        const Answer<TimerWhy> answer = why_timer(scenario, {}, name, nth);
        CHECK_FALSE(answer.value.has_value());
        return answer.problem;
    };
    const auto says = [](const std::string& text, const std::string& what) {
        CHECK_MESSAGE(text.find(what) != std::string::npos, text);
    };
    says(timer("frist"), "did you mean");
    says(timer("first", 2), "timer \"first\" fired once, not 2 times");
    says(why_awake(scenario, {}, 2, sim::kBoot).problem, "expected 0 to 1");
    says(why_awake(scenario, {}, 0, sim::kBoot + 1s).problem, "which ends at 15 ms");
    says(why_awake(scenario, {}, 1, sim::kBoot + 14ms).problem, "to the end of the run at 15 ms");
    says(why_awake(scenario, {}, 0, sim::kBoot).problem, "has not slept since");

    ScenarioBuilder b(fake_decl<Defect::kNone>());
    b.timer("stopped").timer("pending").timer("unused");
    b.set(100us, 0, 0, 2ms).step(sim::kBoot + 1ms, 1, 1, 0).set(200us, 0, 1, 20ms);
    says(why_timer(b.s, {}, "stopped", std::nullopt).problem, "the last that was asked of it was timer.stop, at 1");
    says(why_timer(b.s, {}, "pending", std::nullopt).problem, "it was armed to run between 20 ms and");
    says(why_timer(b.s, {}, "unused", std::nullopt).problem, "nothing was ever asked of it");
}

TEST_CASE("why: bad usage is exit code 2 (DESIGN 6)") {
    const std::string file = (kWhySource / "scenarios/xen/range-2008.json").string();
    const auto code = [&](std::vector<const char*> arguments) {
        arguments.insert(arguments.begin(), {"ticklab", "why", file.c_str()});
        return run_program(static_cast<int>(arguments.size()), arguments.data());
    };
    CHECK(code({}) == 2);
    CHECK(code({"--timer", "nobody"}) == 2);
    CHECK(code({"--timer", "first", "--nth", "0"}) == 2);
    CHECK(code({"--timer", "first", "--nth", "9"}) == 2);
    CHECK(code({"--timer", "first", "--cpu", "0", "--at", "1ms"}) == 2);
    CHECK(code({"--cpu", "0"}) == 2);
    CHECK(code({"--cpu", "7", "--at", "1ms"}) == 2);
    CHECK(code({"--cpu", "0", "--at", "soon"}) == 2);
}
