#include "ticklab/model/linux/declarations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>
#include <string>
#include <vector>

#include "ticklab/model/linux/balancer_records.hpp"
#include "ticklab/model/linux/broadcast_records.hpp"
#include "ticklab/model/linux/checks.hpp"
#include "ticklab/model/linux/hrtimer_records.hpp"
#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/rtc_records.hpp"
#include "ticklab/model/linux/sites.hpp"
#include "ticklab/model/linux/tmigr/checks.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"
#include "ticklab/model/linux/tmigr/sites.hpp"
#include "ticklab/model/linux/tmigr2017/checks.hpp"
#include "ticklab/model/linux/tmigr2017/records.hpp"
#include "ticklab/model/linux/tmigr2017/sites.hpp"

namespace ticklab::linux_ {
namespace {

using sim::ParameterDecl;
using sim::ValueType;

constexpr std::array<std::string_view, 2> kTickSources{"tsc-deadline", "one-shot"};
constexpr std::array<std::string_view, 2> kGovernors{"menu", "always"};
constexpr std::array<std::string_view, 3> kBroadcasts{"hpet", "hrtimer", "none"};
constexpr std::array<std::string_view, 3> kCheckEfforts{"never", "amortised", "always"};
constexpr std::array<std::int64_t, 3> kChildren{2, 4, 8};
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

void apply_children(const sim::Value& value, LinuxConfig& config) {
    const std::int64_t children = std::get<std::int64_t>(value);
    if (std::find(kChildren.begin(), kChildren.end(), children) == kChildren.end())
        throw std::invalid_argument(fmt::format("kernel.tmigr_children is {}, expected 2, 4 or 8", children));
    config.placements.tmigr.children = static_cast<unsigned>(children);
}

void apply_rtc_time(const sim::Value& value, LinuxConfig& config) {
    config.rtc_time = std::get<sim::Duration>(value);
    if (config.rtc_time >= std::chrono::hours{24})
        throw std::invalid_argument("kernel.rtc_time is a day or more, expected less than 86400s");
}

constexpr std::array kOptions{
    LinuxOption{{"hz", ValueType::kInteger, "ticks a second: 100, 250, 300 or 1000", false, "250", 100, 1000},
                apply_hz},
    LinuxOption{{"placement", ValueType::kWord, "who runs the global timers of a sleeping CPU", false,
                 kPlacements.front().word, 0, 0, kPlacementWords},
                [](const sim::Value& v, LinuxConfig& c) { c.placement = &kPlacements[index_of(kPlacementWords, v)]; }},
    LinuxOption{{"highres", ValueType::kBool, "high-resolution timers, and the tick as one of them", false, "true"},
                [](const sim::Value& v, LinuxConfig& c) { c.tick.highres = std::get<bool>(v); }},
    LinuxOption{
        {"hrtimer_rearm_deferred", ValueType::kBool,
         "the build option of that name, of 7.1 and later: the clock-event interrupt leaves its device to the way "
         "out, before softirqs and the return",
         false, "false"},
        [](const sim::Value& v, LinuxConfig& c) { c.hrtimer_rearm_deferred = std::get<bool>(v); }},
    LinuxOption{{"nohz", ValueType::kBool, "an idle CPU stops its tick", false, "true"},
                [](const sim::Value& v, LinuxConfig& c) { c.tick.nohz = std::get<bool>(v); }},
    LinuxOption{
        {"nohz_balancer", ValueType::kBool,
         "one idle CPU owns the idle load balancer and keeps its tick, to balance for those who stopped theirs, "
         "as in 2009; what it balances is not modelled. Placement push then gives timers to the owner, as from 2.6.31 "
         "to 2.6.35",
         false, "false"},
        [](const sim::Value& v, LinuxConfig& c) { c.nohz_balancer = std::get<bool>(v); }},
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
    LinuxOption{{"broadcast", ValueType::kWord,
                 "what wakes CPUs from C-states that stop their local APIC timers, on a machine without ARAT: timer 0 "
                 "of the HPET, or nothing if that is not usable; a high-resolution timer of a CPU that keeps out of "
                 "such states; or nothing, and no CPU enters one",
                 false, "hpet", 0, 0, kBroadcasts},
                [](const sim::Value& v, LinuxConfig& c) {
                    c.broadcast = static_cast<BroadcastKind>(index_of(kBroadcasts, v));
                }},
    LinuxOption{{"check_structures", ValueType::kWord,
                 "how often the timer structures are checked: never, at a constant cost, or at each release of a base "
                 "lock",
                 false, "amortised", 0, 0, kCheckEfforts},
                [](const sim::Value& v, LinuxConfig& c) {
                    c.wheel.check_effort = static_cast<CheckEffort>(index_of(kCheckEfforts, v));
                }},
    LinuxOption{{"tmigr_children", ValueType::kInteger,
                 "placement tmigr: children a group has at most: 2, 4 or 8, as the kernel has; fewer make more levels",
                 false, "8", 2, 8},
                apply_children},
    LinuxOption{{"timer_migration", ValueType::kBool,
                 "all placements but local: the sysctl of that name, without which no timer is pushed; under tmigr and "
                 "tmigr-2017 only high-resolution ones are",
                 false, "true"},
                [](const sim::Value& v, LinuxConfig& c) { c.placements.push.timer_migration = std::get<bool>(v); }},
    LinuxOption{
        {"isolated", ValueType::kText,
         "CPUs that run no timers of others, as a list such as \"2-3,5\"; under placement tmigr nobody runs theirs "
         "either, under push their timers go to the other CPUs",
         false},
        [](const sim::Value& v, LinuxConfig& c) { c.isolated = std::get<std::string>(v); }},
    LinuxOption{{"nohz_full", ValueType::kText,
                 "CPUs that stop their tick while they have one task, too, as a list such as \"2-3,5\"; CPU 0 keeps "
                 "the time for them, so it always ticks, and is not among them. Placements push and tmigr: they are no "
                 "housekeepers",
                 false},
                [](const sim::Value& v, LinuxConfig& c) { c.nohz_full = std::get<std::string>(v); }},
    LinuxOption{{"hpet_restart_counter", ValueType::kBool,
                 "the HPET's counter begins at 0 when the kernel takes the block into use; without, it goes on from "
                 "machine.hpet_counter_start, to bring its wrap near",
                 false, "true"},
                [](const sim::Value& v, LinuxConfig& c) { c.hpet_restart_counter = std::get<bool>(v); }},
    LinuxOption{{"rtc_emulation", ValueType::kBool,
                 "timer 1 of the HPET takes the place of the RTC's interrupts, if the HPET is usable: the verbs rtc.*",
                 false, "false"},
                [](const sim::Value& v, LinuxConfig& c) { c.rtc_emulation = std::get<bool>(v); }},
    LinuxOption{{"rtc_time", ValueType::kDuration, "the RTC's time of day at boot, less than 24 h", false, "0s"},
                apply_rtc_time},
    LinuxOption{
        {"little_cpus", ValueType::kText,
         "CPUs of half the capacity of the others, as a list such as \"2-3,5\"; with change TMM 2.6 they have a "
         "migration hierarchy of their own",
         false},
        [](const sim::Value& v, LinuxConfig& c) { c.little_cpus = std::get<std::string>(v); }},
};

// What KernelDecl points to: plain arrays, made from the tables above.
constexpr auto kOptionDecls = [] {
    std::array<ParameterDecl, kOptions.size()> decls{};
    for (std::size_t i = 0; i < decls.size(); ++i)
        decls[i] = kOptions[i].decl;
    return decls;
}();

template <class T, std::size_t N, std::size_t M>
constexpr std::array<T, N + M> joined(const std::array<T, N>& a, const std::array<T, M>& b) {
    std::array<T, N + M> all{};
    std::copy(a.begin(), a.end(), all.begin());
    std::copy(b.begin(), b.end(), all.begin() + N);
    return all;
}

template <class Slot, std::size_t N>
constexpr std::array<sim::CostDecl, N> costs_of(const std::array<Slot, N>& slots) {
    std::array<sim::CostDecl, N> decls{};
    for (std::size_t i = 0; i < N; ++i)
        decls[i] = slots[i].decl;
    return decls;
}

constexpr auto kCostDecls =
    joined(joined(costs_of(kLinuxPriceSlots), kLinuxOtherCosts), costs_of(tmigr::kTmigrPriceSlots));
constexpr auto kChangeDecls = joined(joined(sim::decls_of(kLinuxChanges), sim::decls_of(tmigr::kTmigrChanges)),
                                     sim::decls_of(tmigr2017::kTmigr2017Changes));
constexpr auto kCheckDecls =
    joined(joined(checks::kLinuxChecks, tmigr::checks::kTmigrChecks), tmigr2017::checks::kTmigr2017Checks);
constexpr auto kAllSites =
    joined(joined(sites::kLinuxSites, tmigr::sites::kTmigrSites), tmigr2017::sites::kTmigr2017Sites);

/// The flags of one of the tables that kChangeDecls joins; no change of one requires or excludes one of the other.
template <class Flags, std::size_t N>
Flags flags_of(const std::array<sim::Change<Flags>, N>& table, const sim::KernelDecl::Settings& settings) {
    const auto ids_of_table = [&table](const std::vector<std::string>& ids) {
        std::vector<std::string> own;
        for (const std::string& id : ids)
            if (std::any_of(table.begin(), table.end(), [&](const auto& c) { return c.decl.id == id; }))
                own.push_back(id);
        return own;
    };
    sim::KernelDecl::Settings own;
    own.version = settings.version;
    own.without = ids_of_table(settings.without);
    own.with = ids_of_table(settings.with);
    return sim::flags_in_force(table, kLinuxVersions, own);
}

/// The first version that has the build option (LHR 13).
constexpr auto kRearmDeferredSince = std::find(kLinuxVersions.begin(), kLinuxVersions.end(), "7.1");
static_assert(kRearmDeferredSince != kLinuxVersions.end());

bool rtc_emulated(const sim::KernelDecl::Settings& settings) {
    const auto* const option = std::find_if(kOptions.begin(), kOptions.end(),
                                            [](const LinuxOption& o) { return o.decl.name == "rtc_emulation"; });
    const auto i = static_cast<std::size_t>(option - kOptions.begin());
    return i < settings.options.size() && settings.options[i] && std::get<bool>(*settings.options[i]);
}

std::optional<sim::CallRefusal> refuse_rtc_call(const sim::KernelDecl::Settings& settings, const sim::VerbCall& call,
                                                std::string_view) {
    if (!call.verb->name.starts_with("rtc."))
        return std::nullopt;
    if (!rtc_emulated(settings))
        return sim::CallRefusal{0, "kernel.rtc_emulation to be true for a verb of the RTC"};
    if (call.verb->name == "rtc.set_rate" &&
        !std::has_single_bit(static_cast<std::uint64_t>(call.get<std::int64_t>(0))))
        return sim::CallRefusal{0, "a power of two from 2 to 8192"};
    return std::nullopt;
}

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
    // For ids that no table has.
    (void)sim::changes_in_force(kChangeDecls, kLinuxVersions, settings);
    config.changes = flags_of(kLinuxChanges, settings);
    config.placements.tmigr.changes = flags_of(tmigr::kTmigrChanges, settings);
    config.placements.tmigr2017.changes = flags_of(tmigr2017::kTmigr2017Changes, settings);
    config.tick.changes = config.wheel.changes = config.changes;
    for (std::size_t i = 0; i < kOptions.size() && i < settings.options.size(); ++i) {
        if (!settings.options[i])
            continue;
        if (kOptions[i].decl.type == ValueType::kWord)
            require_known_word(kOptions[i].decl, *settings.options[i]);
        kOptions[i].apply(*settings.options[i], config);
    }
    if (config.hrtimer_rearm_deferred && !settings.version.empty() &&
        std::find(kLinuxVersions.begin(), kRearmDeferredSince, settings.version) != kRearmDeferredSince)
        throw std::invalid_argument(fmt::format("kernel.hrtimer_rearm_deferred is true, and version {} is before {}",
                                                settings.version, *kRearmDeferredSince));
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
        kinds.insert(kinds.end(), kBroadcastRecordKinds.begin(), kBroadcastRecordKinds.end());
        kinds.insert(kinds.end(), kBalancerRecordKinds.begin(), kBalancerRecordKinds.end());
        kinds.insert(kinds.end(), kRtcRecordKinds.begin(), kRtcRecordKinds.end());
        kinds.insert(kinds.end(), kHrtimerRecordKinds.begin(), kHrtimerRecordKinds.end());
        kinds.insert(kinds.end(), tmigr::kTmigrRecordKinds.begin(), tmigr::kTmigrRecordKinds.end());
        kinds.insert(kinds.end(), tmigr2017::kTmigr2017RecordKinds.begin(), tmigr2017::kTmigr2017RecordKinds.end());
        return kinds;
    }();
    static const sim::KernelDecl decl{"linux",
                                      "timer wheel, tick, high-resolution timers and idle loop of Linux: NOHZ, "
                                      "softirqs, timer migration, CPU hotplug",
                                      kLinuxVersions,
                                      kOptionDecls,
                                      verbs,
                                      linux_state_decls(),
                                      kChangeDecls,
                                      kCheckDecls,
                                      kCostDecls,
                                      records,
                                      kAllSites,
                                      &make,
                                      &refuse_rtc_call};
    return decl;
}

}  // namespace ticklab::linux_
