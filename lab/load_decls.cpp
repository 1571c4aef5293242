#include "ticklab/lab/load_decls.hpp"

#include <cstddef>
#include <iterator>

namespace ticklab::lab {
namespace {

constexpr LoadParameterDecl kTimerChurn[] = {
    {"rate", LoadValueType::kRate, "How often a CPU arms a timer.", true},
    {"timeout", LoadValueType::kDistribution, "From arming to expiry.", true},
    {"cancelled", LoadValueType::kProbability, "Share of the timers that are cancelled before they expire.", false,
     "0"},
    {"timers", LoadValueType::kCount, "Timers of a CPU, used in turn.", false, "64", 1, 1'000'000},
};
constexpr LoadParameterDecl kTimerPeriodic[] = {
    {"period", LoadValueType::kDuration, "From one expiry to the next, above 0s.", true, {}, 1},
    {"count", LoadValueType::kCount, "Timers of a CPU.", false, "1", 1, 1'000'000},
};
constexpr LoadParameterDecl kCpuDuty[] = {
    {"busy", LoadValueType::kDistribution, "How long a CPU runs user code, above 0s.", true, {}, 1},
    {"idle", LoadValueType::kDistribution, "How long it then has none, above 0s.", true, {}, 1},
};
constexpr LoadParameterDecl kCpuCycle[] = {
    {"online", LoadValueType::kDistribution, "How long a CPU stays online, above 0s.", true, {}, 1},
    {"offline", LoadValueType::kDistribution, "How long it then stays off-line, above 0s.", true, {}, 1},
};
constexpr LoadParameterDecl kIrqNoise[] = {
    {"rate", LoadValueType::kRate, "How often a CPU takes a device interrupt.", true},
    {"spend", LoadValueType::kDistribution, "Time that its handler takes.", false, "1us"},
};

constexpr LoadDecl kLoads[] = {
    {"timer.churn", "Each CPU arms timers at random instants, and cancels a share of them before they expire.",
     kTimerChurn},
    {"timer.periodic", "Each CPU has timers that arm themselves again and again.", kTimerPeriodic},
    {"cpu.duty", "Each CPU alternates between user code and idle.", kCpuDuty},
    {"cpu.cycle", "Each CPU is taken down and brought up again and again.", kCpuCycle},
    {"irq.noise", "Each CPU takes device interrupts at random instants.", kIrqNoise},
};
static_assert(std::size(kLoads) == static_cast<std::size_t>(LoadGenerator::kIrqNoise) + 1);

}  // namespace

std::span<const LoadDecl> load_decls() { return kLoads; }

const LoadDecl* find_load(std::string_view name) {
    for (const LoadDecl& load : kLoads)
        if (load.name == name)
            return &load;
    return nullptr;
}

}  // namespace ticklab::lab
