// Declarations of the load generators: entries of "load" in a scenario. What they do is lab/load.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ticklab::lab {

/// Type of a generator's parameter, and what an argument of it is in Load::arguments.
enum class LoadValueType : std::uint8_t {
    kCount,         ///< 3 -> std::int64_t
    kRate,          ///< "20k/s" -> std::int64_t in events per 1000 seconds
    kProbability,   ///< 0.9 -> std::int64_t in parts per million
    kDuration,      ///< "5ms" -> sim::Duration
    kDistribution,  ///< "5ms", {"exp": "5ms"} or {"uniform": ["1us", "5us"]} -> Distribution
};

struct LoadParameterDecl {
    std::string_view name;
    LoadValueType type;
    std::string_view help;  ///< one sentence with the unit and the range
    bool required = false;
    std::string_view default_text{};  ///< as it would be written in a scenario; empty for none
    std::int64_t min = 0;             ///< for kCount
    std::int64_t max = INT64_MAX;
};

struct LoadDecl {
    std::string_view name;  ///< "timer.churn"
    std::string_view help;
    std::span<const LoadParameterDecl> parameters;
};

/// Which generator; the order of load_decls().
enum class LoadGenerator : std::uint8_t {
    kTimerChurn,     ///< rate timeout cancelled timers
    kTimerPeriodic,  ///< period count
    kCpuDuty,        ///< busy idle
    kCpuCycle,       ///< online offline
    kIrqNoise,       ///< rate spend
};

std::span<const LoadDecl> load_decls();

/// Which one `decl` is; it must be an element of load_decls().
inline LoadGenerator load_generator_of(const LoadDecl& decl) {
    return static_cast<LoadGenerator>(&decl - load_decls().data());
}

/// Null if there is none of that name.
const LoadDecl* find_load(std::string_view name);

}  // namespace ticklab::lab
