#include "ticklab/model/linux/declarations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "ticklab/model/linux/checks.hpp"
#include "ticklab/model/linux/hrtimer_records.hpp"
#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/sites.hpp"

namespace ticklab::linux_ {
namespace {

using sim::ParameterDecl;
using sim::ValueType;

constexpr std::array<std::string_view, 2> kTickSources{"tsc-deadline", "one-shot"};
constexpr std::array<std::string_view, 2> kGovernors{"menu", "always"};
constexpr std::array<std::string_view, 3> kCheckEfforts{"never", "amortised", "always"};
constexpr std::array<std::int64_t, 4> kHz{100, 250, 300, 1000};

constexpr auto kPlacementWords = [] {
    std::array<std::string_view, kPlacements.size()> words{};
    for (std::size_t i = 0; i < words.size(); ++i)
        words[i] = kPlacements[i].word;
    return words;
}();

/// An option with its place in the configuration.
struct LinuxOption {
    ParameterDecl decl;
    void (*apply)(const sim::Value& value, LinuxConfig& config);
};

template <std::size_t N>
std::size_t index_of(const std::array<std::string_view, N>& words, const sim::Value& value) {
    const auto it = std::find(words.begin(), words.end(), std::get<std::string>(value));
    return static_cast<std::size_t>(it - words.begin());
}

void apply_hz(const sim::Value& value, LinuxConfig& config) {
    const std::int64_t hz = std::get<std::int64_t>(value);
    if (std::find(kHz.begin(), kHz.end(), hz) == kHz.end())
        throw std::invalid_argument(fmt::format("kernel.hz is {}, expected 100, 250, 300 or 1000", hz));
    config.hz = static_cast<unsigned>(hz);
}

constexpr std::array kOptions{
    LinuxOption{{"hz", ValueType::kInteger, "ticks a second: 100, 250, 300 or 1000", false, "250", 100, 1000},
                apply_hz},
    LinuxOption{{"placement", ValueType::kWord, "who runs the global timers of a sleeping CPU", false,
                 kPlacements.front().word, 0, 0, kPlacementWords},
                [](const sim::Value& v, LinuxConfig& c) { c.placement = &kPlacements[index_of(kPlacementWords, v)]; }},
    LinuxOption{{"highres", ValueType::kBool, "high-resolution timers, and the tick as one of them", false, "true"},
                [](const sim::Value& v, LinuxConfig& c) { c.tick.highres = std::get<bool>(v); }},
    LinuxOption{{"nohz", ValueType::kBool, "an idle CPU stops its tick", false, "true"},
                [](const sim::Value& v, LinuxConfig& c) { c.tick.nohz = std::get<bool>(v); }},
    LinuxOption{{"skew_tick", ValueType::kBool, "the CPUs' ticks are spread over half a tick", false, "false"},
                [](const sim::Value& v, LinuxConfig& c) { c.tick.skew_tick = std::get<bool>(v); }},
    LinuxOption{
        {"governor", ValueType::kWord,
         "how an idle CPU chooses its C-state: by prediction, and keeps the tick for short sleeps, or by the "
         "next event alone",
         false, "menu", 0, 0, kGovernors},
        [](const sim::Value& v, LinuxConfig& c) { c.governor = static_cast<GovernorKind>(index_of(kGovernors, v)); }},
    LinuxOption{{"tick_source", ValueType::kWord, "how a CPU's local APIC timer is programmed", false, "tsc-deadline",
                 0, 0, kTickSources},
                [](const sim::Value& v, LinuxConfig& c) {
                    c.tick_source = static_cast<TickSource>(index_of(kTickSources, v));
                }},
    LinuxOption{{"check_structures", ValueType::kWord,
                 "how often the timer structures are checked: never, at a constant cost, or at each release of a base "
                 "lock",
                 false, "amortised", 0, 0, kCheckEfforts},
                [](const sim::Value& v, LinuxConfig& c) {
                    c.wheel.check_effort = static_cast<CheckEffort>(index_of(kCheckEfforts, v));
                }},
};

// What KernelDecl points to: plain arrays, made from the tables above.
constexpr auto kOptionDecls = [] {
    std::array<ParameterDecl, kOptions.size()> decls{};
    for (std::size_t i = 0; i < decls.size(); ++i)
        decls[i] = kOptions[i].decl;
    return decls;
}();

constexpr auto kCostDecls = [] {
    std::array<sim::CostDecl, kLinuxPriceSlots.size() + kLinuxOtherCosts.size()> decls{};
    for (std::size_t i = 0; i < kLinuxPriceSlots.size(); ++i)
        decls[i] = kLinuxPriceSlots[i].decl;
    for (std::size_t i = 0; i < kLinuxOtherCosts.size(); ++i)
        decls[kLinuxPriceSlots.size() + i] = kLinuxOtherCosts[i];
    return decls;
}();

constexpr auto kChangeDecls = sim::decls_of(kLinuxChanges);

std::unique_ptr<sim::Kernel> make(const sim::KernelDecl::Settings& settings, sim::TimerClient& client) {
    return std::make_unique<LinuxKernel>(LinuxConfig::from(settings), client);
}

void require_known_word(const ParameterDecl& decl, const sim::Value& value) {
    const auto& word = std::get<std::string>(value);
    if (std::find(decl.words.begin(), decl.words.end(), word) != decl.words.end())
        return;
    std::string words;
    for (const std::string_view w : decl.words)
        words += fmt::format("{}\"{}\"", words.empty() ? "" : ", ", w);
    throw std::invalid_argument(fmt::format("kernel.{} is \"{}\", expected {}", decl.name, word, words));
}

}  // namespace

LinuxConfig LinuxConfig::from(const sim::KernelDecl::Settings& settings) {
    LinuxConfig config;
    config.changes = sim::flags_in_force(kLinuxChanges, kLinuxVersions, settings);
    config.tick.changes = config.wheel.changes = config.changes;
    for (std::size_t i = 0; i < kOptions.size() && i < settings.options.size(); ++i) {
        if (!settings.options[i])
            continue;
        if (kOptions[i].decl.type == ValueType::kWord)
            require_known_word(kOptions[i].decl, *settings.options[i]);
        kOptions[i].apply(*settings.options[i], config);
    }
    return config;
}

const sim::KernelDecl& linux_kernel_decl() {
    static const std::vector<sim::VerbDecl> verbs = [] {
        std::vector<sim::VerbDecl> decls;
        for (const LinuxVerb& verb : linux_verbs())
            decls.push_back(verb.decl);
        return decls;
    }();
    static const std::vector<sim::RecordKind> records = [] {
        std::vector<sim::RecordKind> kinds(kTimerRecordKinds.begin(), kTimerRecordKinds.end());
        kinds.insert(kinds.end(), kHrtimerRecordKinds.begin(), kHrtimerRecordKinds.end());
        return kinds;
    }();
    static const sim::KernelDecl decl{
        "linux",
        "timer wheel, tick, high-resolution timers and idle loop of Linux: NOHZ, softirqs, CPU hotplug",
        kLinuxVersions,
        kOptionDecls,
        verbs,
        linux_state_decls(),
        kChangeDecls,
        checks::kLinuxChecks,
        kCostDecls,
        records,
        sites::kLinuxSites,
        &make};
    return decl;
}

}  // namespace ticklab::linux_
