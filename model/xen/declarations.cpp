#include "ticklab/model/xen/declarations.hpp"

#include <fmt/format.h>

#include <array>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/client_records.hpp"
#include "ticklab/model/xen/client_sites.hpp"
#include "ticklab/model/xen/client_verbs.hpp"
#include "ticklab/model/xen/records.hpp"
#include "ticklab/model/xen/sites.hpp"

namespace ticklab::xen {
namespace {

using sim::Duration;
using sim::ParameterDecl;
using sim::TimerRole;
using sim::ValueType;
using sim::VerbContext;

constexpr std::array<std::string_view, 2> kTickSources{"one-shot", "tsc-deadline"};
constexpr std::array<std::string_view, 2> kIdleKinds{"halt", "mwait"};
constexpr std::array<std::string_view, 3> kCheckEfforts{"never", "amortised", "always"};

/// An option with its place in the configuration.
struct XenOption {
    ParameterDecl decl;
    void (*apply)(const sim::Value& value, XenConfig& config);
};

template <std::size_t N>
std::size_t index_of(const std::array<std::string_view, N>& words, const sim::Value& value) {
    std::size_t i = 0;
    while (i < N && words[i] != std::get<std::string>(value))
        ++i;
    return i;
}

constexpr std::array kOptions{
    XenOption{{"variant", ValueType::kWord, "era of the timer core, in place of the version's; VR was only proposed",
               false, "", 0, 0, kVariantNames},
              [](const sim::Value& v, XenConfig& c) { c.timers.policy = find_variant(std::get<std::string>(v)); }},
    XenOption{{"timer_slop", ValueType::kDuration, "how much later than asked for a timer may run, in whole ns", false,
               "50us"},
              [](const sim::Value& v, XenConfig& c) {
                  c.timers.slop = std::chrono::floor<StimeSpan>(std::get<Duration>(v));
              }},
    XenOption{
        {"tick_source", ValueType::kWord, "what interrupts a CPU at its deadline", false, "one-shot", 0, 0,
         kTickSources},
        [](const sim::Value& v, XenConfig& c) { c.tick_source = static_cast<TickSource>(index_of(kTickSources, v)); }},
    XenOption{{"idle", ValueType::kWord, "how a CPU sleeps: halt, or mwait on a flag that others write", false, "halt",
               0, 0, kIdleKinds},
              [](const sim::Value& v, XenConfig& c) { c.idle = static_cast<IdleKind>(index_of(kIdleKinds, v)); }},
    XenOption{{"heap_growth_factor", ValueType::kInteger,
               "a heap grows from limit n to (n + 1) times this, less 1; 2 to 16", false, "16", 2, 16},
              [](const sim::Value& v, XenConfig& c) {
                  c.timers.heap_growth_factor = static_cast<std::uint32_t>(std::get<std::int64_t>(v));
              }},
    XenOption{{"heap_limit_max", ValueType::kInteger, "largest limit of a heap that its field can hold; 1 to 65535",
               false, "65535", 1, TimerHeap::kLimitMax},
              [](const sim::Value& v, XenConfig& c) {
                  c.timers.heap_limit_max = static_cast<std::uint32_t>(std::get<std::int64_t>(v));
              }},
    XenOption{
        {"pass_budget", ValueType::kInteger,
         "callbacks in one pass of the timer softirq, or softirqs in a row, before they count as endless; 1 and up",
         false, "200000", 1},
        [](const sim::Value& v, XenConfig& c) {
            c.timers.pass_budget = static_cast<std::uint64_t>(std::get<std::int64_t>(v));
        }},
    XenOption{{"park_offline_cpus", ValueType::kBool, "CPUs that go off-line are parked: their memory is kept", false,
               "false"},
              [](const sim::Value& v, XenConfig& c) { c.hotplug.park = std::get<bool>(v); }},
    XenOption{{"boot_cpu_removable", ValueType::kBool, "CPU 0 may go off-line", false, "false"},
              [](const sim::Value& v, XenConfig& c) { c.hotplug.boot_cpu_removable = std::get<bool>(v); }},
    XenOption{{"offline_irq_window", ValueType::kDuration,
               "how long a dying CPU enables interrupts once more to take what is pending", false, "1ms"},
              [](const sim::Value& v, XenConfig& c) { c.hotplug.irq_window = std::get<Duration>(v); }},
    XenOption{
        {"check_structures", ValueType::kWord,
         "how often the timer structures are checked: never, at a constant cost, or at each release of a base lock",
         false, "amortised", 0, 0, kCheckEfforts},
        [](const sim::Value& v, XenConfig& c) {
            c.timers.check_effort = static_cast<CheckEffort>(index_of(kCheckEfforts, v));
        }},
    XenOption{{"guests", ValueType::kInteger, "guests, numbered from 0; 0 to 64", false, "0", 0, kMaxGuests},
              [](const sim::Value& v, XenConfig& c) {
                  c.clients.guests = static_cast<std::uint32_t>(std::get<std::int64_t>(v));
              }},
    XenOption{{"vcpus", ValueType::kInteger, "vCPUs of each guest; 1 to 64", false, "1", 1, kMaxVcpus},
              [](const sim::Value& v, XenConfig& c) {
                  c.clients.vcpus = static_cast<std::uint32_t>(std::get<std::int64_t>(v));
              }},
    XenOption{
        {"guest_idle", ValueType::kWord, "what a vCPU does that has nothing to do", false, "block", 0, 0, kGuestIdles},
        [](const sim::Value& v, XenConfig& c) {
            c.clients.guest_idle = static_cast<GuestIdle>(index_of(kGuestIdles, v));
        }},
    XenOption{{"slice", ValueType::kDuration, "how long a vCPU runs before others have their turn; 0s for ever", false,
               "30ms"},
              [](const sim::Value& v, XenConfig& c) {
                  c.clients.slice = std::chrono::floor<StimeSpan>(std::get<Duration>(v));
              }},
    XenOption{
        {"calibration", ValueType::kDuration, "period of the calibration timer on CPU 0; 0s for none", false, "0s"},
        [](const sim::Value& v, XenConfig& c) {
            c.clients.calibration = std::chrono::floor<StimeSpan>(std::get<Duration>(v));
        }},
    XenOption{{"rcu_idle", ValueType::kDuration,
               "how long an idle CPU leaves RCU callbacks waiting (rcu.call); 0s for no RCU idle timer", false, "0s"},
              [](const sim::Value& v, XenConfig& c) {
                  c.clients.rcu_idle = std::chrono::floor<StimeSpan>(std::get<Duration>(v));
              }},
};

constexpr ParameterDecl kTimer{"timer", ValueType::kTimer, "name of the timer", true, {}};

constexpr std::array kInitParameters{
    kTimer, ParameterDecl{"cpu", ValueType::kCpu, "owner; the CPU that performs it if left out", false, {}}};
constexpr std::array kSetParameters{
    kTimer, ParameterDecl{"expires", ValueType::kTime, "earliest instant at which the callback may run", true, {}}};
constexpr std::array kTimerOnly{kTimer};
constexpr std::array kMigrateParameters{kTimer, ParameterDecl{"cpu", ValueType::kCpu, "the new owner", true, {}}};

constexpr std::array kVerbs{
    XenVerb{
        {"timer.init", VerbContext::kThread, TimerRole::kNone,
         "initialises a timer that is new or killed; the first other use of a new one does it too", kInitParameters},
        &XenKernel::verb_init},
    XenVerb{{"timer.set", VerbContext::kThread, TimerRole::kArm, "sets a timer, in place of what was set before",
             kSetParameters},
            &XenKernel::verb_set},
    XenVerb{{"timer.stop", VerbContext::kThread, TimerRole::kCancel,
             "stops a timer, without waiting for a running callback", kTimerOnly},
            &XenKernel::verb_stop},
    XenVerb{
        {"timer.migrate", VerbContext::kThread, TimerRole::kMove, "gives a timer to another CPU", kMigrateParameters},
        &XenKernel::verb_migrate},
    XenVerb{{"timer.kill", VerbContext::kThread, TimerRole::kSyncCancel,
             "ends a timer's life and waits for a running callback", kTimerOnly},
            &XenKernel::verb_kill},
};

// What KernelDecl points to: plain arrays, made from the tables above.
template <auto& Table>
constexpr auto decls_of() {
    std::array<std::remove_cvref_t<decltype(Table[0].decl)>, Table.size()> decls{};
    for (std::size_t i = 0; i < Table.size(); ++i)
        decls[i] = Table[i].decl;
    return decls;
}

constexpr auto kOptionDecls = decls_of<kOptions>();
constexpr auto kVerbDecls = decls_of<kVerbs>();
constexpr auto kCostDecls = decls_of<kXenPriceSlots>();
constexpr auto kChangeDecls = sim::decls_of(kXenChanges);

/// StateDecl views its pattern: the texts live here.
struct StateDecls {
    std::deque<std::string> patterns;
    std::vector<sim::StateDecl> decls;

    StateDecls() {
        for (const XenState& s : xen_states())
            add(std::string("cpu*.timers.") + std::string(s.name), s.help);
        for (const BroadcastState& s : broadcast_states())
            add(std::string("cpu*.broadcast.") + std::string(s.name), s.help);
        add("hpet.channels", "broadcast channels in use by the kernel");
        add("cpu*.timers.groups.*", "deadline groups whose size has that many binary digits");
        add("cpu*.timers.lateness.*", "callbacks whose lateness in ns has that many binary digits");
        for (const ClientState& state : client_states())
            add(std::string(state.pattern), state.help);
    }
    void add(std::string pattern, std::string_view help) {
        patterns.push_back(std::move(pattern));
        decls.push_back({patterns.back(), help});
    }
};

/// The tables of the core and those of its clients, one behind the other.
template <class Decl>
std::vector<Decl> joined(std::span<const Decl> core, std::span<const Decl> clients) {
    std::vector<Decl> all(core.begin(), core.end());
    all.insert(all.end(), clients.begin(), clients.end());
    return all;
}

std::vector<sim::VerbDecl> verb_decls() {
    std::vector<sim::VerbDecl> all(kVerbDecls.begin(), kVerbDecls.end());
    for (const ClientVerb& verb : client_verbs())
        all.push_back(verb.decl);
    return all;
}

std::optional<sim::CallRefusal> refuse(const sim::KernelDecl::Settings& settings, const sim::VerbCall& call,
                                       std::string_view timer) {
    return refuse_client_call(XenConfig::from(settings).clients, call, timer);
}

std::unique_ptr<sim::Kernel> make(const sim::KernelDecl::Settings& settings, sim::TimerClient& client) {
    return std::make_unique<XenKernel>(XenConfig::from(settings), client);
}

}  // namespace

XenConfig XenConfig::from(const sim::KernelDecl::Settings& settings) {
    XenConfig config;
    config.timers.changes = sim::flags_in_force(kXenChanges, kXenVersions, settings);
    config.timers.policy = &variant_of(
        settings.version.empty() ? kXenVersions.back() : std::string_view(settings.version), config.timers.changes);
    for (std::size_t i = 0; i < kOptions.size() && i < settings.options.size(); ++i) {
        const ParameterDecl& decl = kOptions[i].decl;
        if (!settings.options[i])
            continue;
        const sim::Value& value = *settings.options[i];
        if (decl.type == ValueType::kWord) {
            const auto& word = std::get<std::string>(value);
            bool known = false;
            std::string words;
            for (const std::string_view w : decl.words) {
                known = known || w == word;
                words += words.empty() ? "\"" : ", \"";
                words += w;
                words += '"';
            }
            if (!known)
                throw std::invalid_argument(fmt::format("kernel.{} is \"{}\", expected {}", decl.name, word, words));
        }
        kOptions[i].apply(value, config);
    }
    return config;
}

const XenVerb* find_verb(const sim::VerbCall& call) {
    for (const XenVerb& verb : kVerbs)
        if (call.verb->name == verb.decl.name)
            return &verb;
    return nullptr;
}

const sim::KernelDecl& xen_kernel_decl() {
    static const StateDecls states;
    static const std::vector<sim::VerbDecl> verbs = verb_decls();
    static const auto records = joined<sim::RecordKind>(kXenRecordKinds, kClientRecordKinds);
    static const auto all_sites = joined<const sim::Site*>(sites::kXenSites, sites::kClientSites);
    static const sim::KernelDecl decl{
        "xen",        "per-CPU timers of a hypervisor: heap, overflow list, range deadlines, softirq",
        kXenVersions, kOptionDecls,
        verbs,        states.decls,
        kChangeDecls, checks::kXenChecks,
        kCostDecls,   records,
        all_sites,    &make,
        &refuse};
    return decl;
}

}  // namespace ticklab::xen
