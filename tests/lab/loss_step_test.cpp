// The step after which a loss was inevitable (DESIGN 5, progress).
#include "ticklab/lab/loss_step.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "source_dir.hpp"
#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/devices/hpet_records.hpp"
#include "ticklab/sim/machine_records.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;

namespace {

constexpr std::uint64_t kLostTimer = 7;
constexpr sim::RecordKind kLossArmed = sim::RecordKind{
    910,
    "test",
    "armed",
    "timer",
    sim::TimelineShape::kInstant,
    {},
    "",
    {{"timer", sim::OperandType::kObject},
     {"cpu", sim::OperandType::kCpu}}}.as(sim::RecordRole::kArmed);

struct LossRecord {
    std::int64_t at;
    const sim::RecordKind* kind;
    sim::CpuId cpu;
    std::vector<std::uint64_t> operands{};
};

/// Index of the step among the records, -1 for none.
int step_of(const std::vector<LossRecord>& records, std::int64_t bound, std::optional<sim::CpuId> cpu) {
    RecordRing ring(100);
    std::uint64_t id = 0;
    for (const LossRecord& r : records) {
        std::vector<std::uint64_t> operands = r.operands;
        operands.resize(r.kind->operand_count);
        ring.push({sim::Time{sim::Duration{r.at}}, r.kind, r.cpu, sim::RecordId{++id}, {}, {}, operands});
    }
    const auto step = loss_step(ring, {kLostTimer, sim::Time{sim::Duration{bound}}, cpu});
    return step ? static_cast<int>(step->id.bits) - 1 : -1;
}

}  // namespace

TEST_CASE("the step is the last that left nothing to wake the CPU by the bound") {
    const LossRecord wakes{10, &sim::kIdleExit, 0}, arms{11, &sim::kApicTimerArm, 0}, sleeps{12, &sim::kIdleEnter, 0};
    struct Case {
        const char* what;
        std::vector<LossRecord> records;
        int expected;
    };
    const Case cases[] = {
        {"it went to sleep", {wakes, arms, sleeps}, 2},
        {"into user mode", {wakes, {12, &sim::kUserEnter, 0}}, 1},
        {"woken in vain once more",
         {wakes, sleeps, {20, &sim::kApicTimerEvent, 0}, {21, &sim::kIdleExit, 0}, {22, &sim::kIdleEnter, 0}},
         4},
        {"a device's event woke nobody", {wakes, sleeps, {20, &sim::kHpetMatch, sim::kNoCpu}}, 2},
        {"what comes after the bound does not count",
         {wakes, sleeps, {120, &sim::kIdleExit, 0}, {121, &sim::kIdleEnter, 0}},
         1},
        {"awake at the bound: when it sleeps next",
         {wakes, {130, &sim::kIdleEnter, 0}, {140, &sim::kIdleExit, 0}, {150, &sim::kIdleEnter, 0}},
         1},
        {"what another CPU does is of no account",
         {wakes, sleeps, {20, &sim::kIdleExit, 1}, {21, &sim::kIdleEnter, 1}},
         1},
        {"armed on a CPU that sleeps", {wakes, sleeps, {30, &kLossArmed, 1, {kLostTimer, 0}}}, 2},
        {"another timer armed there", {wakes, sleeps, {30, &kLossArmed, 1, {kLostTimer + 1, 0}}}, 1},
        {"it went off-line", {wakes, {12, &sim::kCpuOffline, 1, {0}}}, 1},
        {"the timer that would have woken it froze", {wakes, sleeps, {13, &sim::kApicTimerFreeze, 0, {0, 90}}}, 2},
        {"one for later froze", {wakes, sleeps, {13, &sim::kApicTimerFreeze, 0, {0, 900}}}, 1},
        {"a masked timer wakes nobody", {wakes, sleeps, {20, &sim::kApicTimerEvent, 0, {0, 0xec, 1}}}, 1},
        {"nor does anything wake it while it is off-line",
         {wakes, {12, &sim::kCpuOffline, 1, {0}}, {20, &sim::kApicLost, 0}, {21, &sim::kApicTimerEvent, 0}},
         1},
        {"a stall is none of its doing", {wakes, sleeps, {13, &sim::kStall, 0, {50}}}, 1},
        {"not among the records", {{20, &sim::kIdleExit, 1}}, -1},
    };
    for (const Case& c : cases) {
        CAPTURE(c.what);
        CHECK(step_of(c.records, 100, 0) == c.expected);
    }
}

TEST_CASE("of all CPUs it is the sleep of the last one") {
    const std::vector<LossRecord> records{{10, &sim::kIdleExit, 0},
                                          {11, &sim::kIdleEnter, 0},
                                          {12, &sim::kIdleExit, 1},
                                          {20, &sim::kIdleEnter, 1},
                                          {30, &sim::kStall, 0, {50}}};
    CHECK(step_of(records, 100, std::nullopt) == 3);
    CHECK(step_of(records, 100, 0) == 1);
}

TEST_CASE("a lost timer's report says after which record the loss was inevitable, as text and as JSON") {
    struct Row {
        const char* change;
        const char* what;        ///< the record, and which CPU's
        const char* owner_what;  ///< the same of the CPU that has the timer
    };
    const Row rows[] = {
        {"XEN-26", "CPU 1: a CPU decided to sleep", "CPU 1: a heap was full"},
        {"XEN-32", "CPU 1: a CPU decided to sleep", "CPU 1: a CPU decided to sleep"},
        {"LAPIC-05", "CPU 0: a CPU decided to sleep", "CPU 0: a CPU decided to sleep"},
        {"HPET-20", "CPU 1: a CPU decided to sleep", "CPU 1: a CPU decided to sleep"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.change);
        const std::string file = source_dir() + "/scenarios/xen/fixes/" + row.change + ".json";
        const std::string left_out = std::string("kernel.without=[\"") + row.change + "\"]";
        const Said text = program({"run", file, "--set", left_out});
        CHECK(text.code == 1);
        CHECK(text.out.find("  inevitable after ") != std::string::npos);
        const Said said = program({"run", file, "--set", left_out, "--json"});
        const nlohmann::json violation = nlohmann::json::parse(said.out)["violations"][0];
        CHECK(violation["check"] == "progress.uncovered");
        const nlohmann::json& loss = violation["loss"];
        CHECK(loss["inevitable_after"]["what"].get<std::string>().find(row.what) == 0);
        CHECK(loss["owner_without_wakeup_after"]["what"].get<std::string>().find(row.owner_what) == 0);
        CHECK(loss["owner_without_wakeup_after"]["at_ns"] <= loss["inevitable_after"]["at_ns"]);
        CHECK(loss["inevitable_after"]["at_ns"] <= violation["at_ns"]);
    }
}
