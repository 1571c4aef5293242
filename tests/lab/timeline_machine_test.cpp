#include "lab/timeline_fixture.hpp"
#include "sim/machine_fixture.hpp"
#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/devices/hpet_records.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::lab::testing {

TEST_CASE("timeline: the machine's own kinds make a timeline") {
    const TimelineKinds kinds(sim::kMachineRecordKinds);
    const TimelineKind& idle = kinds.of(sim::kIdleEnter);
    CHECK(kinds.interval(idle.interval).name == "idle");
    CHECK(kinds.of(sim::kIdleExit).interval == idle.interval);
    CHECK(kinds.interval(idle.interval).keyed);
    CHECK_FALSE(kinds.interval(kinds.of(sim::kSpinEnd).interval).keyed);
}

// A machine that ticks, end to end: what the hardware and the CPUs record makes a sound timeline.
TEST_CASE("timeline: a ticking machine") {
    namespace apic = sim::apic;
    constexpr std::uint8_t kVector = 0xec;
    constexpr std::uint32_t kTscDeadlineMode = 2u << apic::kLvtTimerModeShift;
    constexpr std::uint64_t kPeriodCycles = 100'000;  // 100 us at 1 GHz
    sim::testing::TestKernel kernel;
    const auto arm = [](sim::Cpu& cpu) {
        const std::uint64_t now = static_cast<std::uint64_t>(sim::ns_floor(cpu.local_time()));
        cpu.write_tsc_deadline((now / kPeriodCycles + 1) * kPeriodCycles);
    };
    kernel.on_start = [&](sim::Cpu& cpu) {
        cpu.apic_write(apic::kLvtTimer, kVector | kTscDeadlineMode);
        arm(cpu);
    };
    kernel.on_interrupt = [&](sim::Cpu& cpu, std::uint8_t) { arm(cpu); };

    std::vector<const RecordKind*> kinds(sim::kMachineRecordKinds.begin(), sim::kMachineRecordKinds.end());
    kinds.insert(kinds.end(), sim::kApicRecordKinds.begin(), sim::kApicRecordKinds.end());
    kinds.insert(kinds.end(), sim::kClockRecordKinds.begin(), sim::kClockRecordKinds.end());
    std::string text;
    TimelineWriter writer(std::make_unique<StringSink>(text), cpus(2), kinds);
    sim::Machine machine(sim::testing::round_config(2), kernel);
    machine.records().add_consumer(writer);
    const Time end = sim::kBoot + std::chrono::microseconds{1050};
    CHECK(machine.run(end, sim::testing::kAllSteps) == sim::RunEnd::kTime);
    writer.finish(end, machine.records());
    text.pop_back();

    const ReadTimeline t = read_sound(text);
    CHECK(t.metadata["ends_without_begin"] == 0);
    CHECK(t.named("irq 0xec").size() == 20);
    CHECK(t.named("CPU 00 armed deadline").size() >= 12);
    CHECK(t.named("idle C1").size() >= 22);
}

}  // namespace ticklab::lab::testing
