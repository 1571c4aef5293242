#include "ticklab/model/cputime/declarations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "ticklab/model/cputime/checks.hpp"
#include "ticklab/model/cputime/kernel.hpp"
#include "ticklab/model/cputime/records.hpp"
#include "ticklab/model/cputime/sites.hpp"

namespace ticklab::cputime {
namespace {

using sim::ParameterDecl;
using sim::ValueType;

constexpr std::array<std::int64_t, 4> kHz{100, 250, 300, 1000};
constexpr std::array<std::string_view, 2> kExpiryWords{"tick", "task"};

/// From a version on, the design that its kernels have.
struct DesignOfVersion {
    std::string_view since;
    Design design;
};
constexpr std::array kDesigns{DesignOfVersion{"2.6.24", Design::kWalk}, DesignOfVersion{"2.6.28", Design::kPerCpu},
                              DesignOfVersion{"2.6.29-rc3", Design::kGlobal}, DesignOfVersion{"2.6.29", Design::kSplit},
                              DesignOfVersion{"4.3", Design::kModern}};

Design design_of(std::string_view version) {
    Design design = kDesigns.back().design;
    for (const std::string_view v : kCpuTimeVersions) {
        const auto it = std::find_if(kDesigns.begin(), kDesigns.end(), [&](const auto& d) { return d.since == v; });
        if (it != kDesigns.end())
            design = it->design;
        if (v == version)
            break;
    }
    return design;
}

template <std::size_t N>
std::size_t index_in(const std::array<std::string_view, N>& words, const sim::Value& value) {
    const auto it = std::find(words.begin(), words.end(), std::get<std::string>(value));
    return static_cast<std::size_t>(it - words.begin());
}

void apply_cputime_hz(const sim::Value& value, CpuTimeConfig& config) {
    const std::int64_t hz = std::get<std::int64_t>(value);
    if (std::find(kHz.begin(), kHz.end(), hz) == kHz.end())
        throw std::invalid_argument(fmt::format("kernel.hz is {}, expected 100, 250, 300 or 1000", hz));
    config.hz = static_cast<unsigned>(hz);
}

/// An option with its place in the configuration.
struct CpuTimeOption {
    ParameterDecl decl;
    void (*apply)(const sim::Value& value, CpuTimeConfig& config);
};

constexpr std::array kOptions{
    CpuTimeOption{
        {"design", ValueType::kWord, "how the times of a process are kept, in place of the version's design", false, "",
         0, 0, kDesignWords},
        [](const sim::Value& v, CpuTimeConfig& c) { c.design = static_cast<Design>(index_in(kDesignWords, v)); }},
    CpuTimeOption{{"hz", ValueType::kInteger, "ticks a second: 100, 250, 300 or 1000", false, "250", 100, 1000},
                  apply_cputime_hz},
    CpuTimeOption{{"expiry", ValueType::kWord,
                   "design modern: where expired timers are handled, in the tick or, as an "
                   "option since 2020, in task context on the way to user mode",
                   false, "tick", 0, 0, kExpiryWords},
                  [](const sim::Value& v, CpuTimeConfig& c) { c.expiry_in_task = index_in(kExpiryWords, v) == 1; }},
    CpuTimeOption{{"slice", ValueType::kDuration, "how long a thread runs before others of its CPU have their turn",
                   false, "4ms"},
                  [](const sim::Value& v, CpuTimeConfig& c) { c.slice = std::get<sim::Duration>(v); }},
    CpuTimeOption{{"skew_tick", ValueType::kBool, "the CPUs' ticks are spread over half a tick", false, "false"},
                  [](const sim::Value& v, CpuTimeConfig& c) { c.skew_tick = std::get<bool>(v); }},
    CpuTimeOption{
        {"check_structures", ValueType::kBool, "sums and timer lists are checked at a constant cost", false, "true"},
        [](const sim::Value& v, CpuTimeConfig& c) { c.check = std::get<bool>(v); }},
};

constexpr auto kOptionDecls = [] {
    std::array<ParameterDecl, kOptions.size()> decls{};
    for (std::size_t i = 0; i < decls.size(); ++i)
        decls[i] = kOptions[i].decl;
    return decls;
}();

constexpr auto kCostDecls = [] {
    std::array<sim::CostDecl, kCpuTimePriceSlots.size()> decls{};
    for (std::size_t i = 0; i < decls.size(); ++i)
        decls[i] = kCpuTimePriceSlots[i].decl;
    return decls;
}();

constexpr auto kChangeDecls = sim::decls_of(kCpuTimeChanges);

std::unique_ptr<sim::Kernel> make_cputime_kernel(const sim::KernelDecl::Settings& settings, sim::TimerClient&) {
    return std::make_unique<CpuTimeKernel>(config_from(settings));
}

}  // namespace

CpuTimeConfig config_from(const sim::KernelDecl::Settings& settings) {
    CpuTimeConfig config;
    config.changes = sim::flags_in_force(kCpuTimeChanges, kCpuTimeVersions, settings);
    config.design = design_of(settings.version);
    config.slice = std::chrono::milliseconds{4};
    for (std::size_t i = 0; i < kOptions.size() && i < settings.options.size(); ++i)
        if (settings.options[i])
            kOptions[i].apply(*settings.options[i], config);
    if (config.expiry_in_task && config.design != Design::kModern)
        throw std::invalid_argument(
            fmt::format("kernel.expiry is \"task\" with design \"{}\", expected design \"modern\"",
                        kDesignWords[static_cast<std::size_t>(config.design)]));
    return config;
}

const sim::KernelDecl& cputime_kernel_decl() {
    static const std::vector<sim::VerbDecl> verbs = [] {
        std::vector<sim::VerbDecl> decls;
        for (const CpuTimeVerb& verb : cputime_verbs())
            decls.push_back(verb.decl);
        return decls;
    }();
    static const sim::KernelDecl decl{"linux-cputime",
                                      "process CPU time of Linux: accounting in five designs, CPU timers, interval "
                                      "timers, limits",
                                      kCpuTimeVersions,
                                      kOptionDecls,
                                      verbs,
                                      cputime_state_decls(),
                                      kChangeDecls,
                                      checks::kCpuTimeChecks,
                                      kCostDecls,
                                      kCpuTimeRecordKinds,
                                      sites::kCpuTimeSites,
                                      &make_cputime_kernel};
    return decl;
}

}  // namespace ticklab::cputime
