#include "ticklab/lab/registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "ticklab/lab/check_decls.hpp"
#include "ticklab/lab/load.hpp"
#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/scenario_records.hpp"
#include "ticklab/model/cputime/kernel.hpp"
#include "ticklab/model/linux/declarations.hpp"
#include "ticklab/model/xen/declarations.hpp"
#include "ticklab/sim/change_set.hpp"
#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/devices/hpet_records.hpp"
#include "ticklab/sim/machine_costs.hpp"
#include "ticklab/sim/machine_records.hpp"
#include "ticklab/sim/machine_sites.hpp"
#include "ticklab/sim/verdict.hpp"

namespace ticklab::lab {
namespace {

/// What a step says itself, so that no parameter of a verb may be called so.
constexpr std::array<std::string_view, 4> kStepKeys{"at", "when", "on", "do"};

constexpr std::array kMachineChecks{
    &sim::checks::kLivelock,      &sim::checks::kDeadlock,     &sim::checks::kSoftLockup,    &sim::checks::kIrqStorm,
    &sim::checks::kStackOverflow, &sim::checks::kLockStranger, &sim::checks::kLockRecursion, &sim::checks::kLockOrder,
    &sim::checks::kLockIrq,       &sim::checks::kLockSleep,    &sim::checks::kLockIdle,      &sim::checks::kPerCpu,
    &sim::checks::kUseAfterFree,  &sim::checks::kDoubleFree,   &sim::checks::kDataRace,      &sim::checks::kNotGuarded,
    &sim::checks::kIrqContext,    &sim::checks::kQueueFull,    &sim::checks::kAccessFault,   &sim::checks::kKernelBug,
};

[[noreturn]] void refuse(const sim::KernelDecl& kernel, const std::string& why) {
    throw std::invalid_argument(fmt::format("kernel \"{}\": {}", kernel.name, why));
}

void check_verbs(const sim::KernelDecl& kernel) {
    for (const sim::VerbDecl& verb : kernel.verbs) {
        if (find_machine_verb(verb.name) != nullptr)
            refuse(kernel, fmt::format("verb \"{}\" is one of the machine's", verb.name));
        for (const sim::ParameterDecl& parameter : verb.parameters)
            if (std::find(kStepKeys.begin(), kStepKeys.end(), parameter.name) != kStepKeys.end())
                refuse(kernel, fmt::format("verb \"{}\" has a parameter \"{}\", which every step uses itself",
                                           verb.name, parameter.name));
    }
}

void check_versions(const sim::KernelDecl& kernel) {
    for (const std::string_view version : kernel.versions)
        if (const auto in_force =
                sim::changes_in_force(kernel.changes, kernel.versions, {{}, std::string(version), {}, {}});
            in_force.clash)
            refuse(kernel, fmt::format("version {} has the change \"{}\", expected {}", version, in_force.clash->id,
                                       in_force.clash->expected()));
}

void check_changes(const sim::KernelDecl& kernel) {
    const auto known = [&](std::string_view id) {
        return std::any_of(kernel.changes.begin(), kernel.changes.end(), [&](const auto& c) { return c.id == id; });
    };
    for (const sim::ChangeDecl& change : kernel.changes) {
        for (const std::span<const std::string_view> ids : {change.requires_ids, change.conflicts})
            for (const std::string_view id : ids)
                if (!known(id))
                    refuse(kernel, fmt::format("change \"{}\" names the unknown change \"{}\"", change.id, id));
        if (!change.since.empty() &&
            std::find(kernel.versions.begin(), kernel.versions.end(), change.since) == kernel.versions.end())
            refuse(kernel, fmt::format("change \"{}\" came with the unknown version \"{}\"", change.id, change.since));
    }
}

Registry& mutable_program_registry() {
    static Registry registry = [] {
        Registry with_kernels;
        with_kernels.register_kernel(xen::xen_kernel_decl());
        with_kernels.register_kernel(linux_::linux_kernel_decl());
        with_kernels.register_kernel(cputime::cputime_kernel_decl());
        return with_kernels;
    }();
    return registry;
}

}  // namespace

Registry::Registry() {
    for (const sim::RecordKind* kind : sim::kMachineRecordKinds)
        add_record(*kind);
    for (const sim::RecordKind* kind : sim::kApicRecordKinds)
        add_record(*kind);
    for (const sim::RecordKind* kind : sim::kClockRecordKinds)
        add_record(*kind);
    for (const sim::RecordKind* kind : kScenarioRecordKinds)
        add_record(*kind);
    for (const sim::Site* site : load_sites())
        sites_.push_back({site, nullptr});
    for (const sim::CheckDecl* check : checks::kLabChecks)
        checks_.push_back({check, nullptr});
    for (const sim::Site* site : sim::sites::kMachineSites)
        sites_.push_back({site, nullptr});
    for (const sim::CheckDecl* check : kMachineChecks)
        checks_.push_back({check, nullptr});
}

void Registry::add_record(const sim::RecordKind& kind) {
    const auto at = std::lower_bound(record_kinds_.begin(), record_kinds_.end(), kind.id,
                                     [](const sim::RecordKind* k, std::uint16_t id) { return k->id < id; });
    if (at != record_kinds_.end() && (*at)->id == kind.id)
        throw std::invalid_argument(fmt::format("records {}:{} and {}:{} share the id {}", (*at)->system, (*at)->name,
                                                kind.system, kind.name, kind.id));
    record_kinds_.insert(at, &kind);
}

void Registry::register_kernel(const sim::KernelDecl& kernel) {
    if (find_kernel(kernel.name) != nullptr)
        refuse(kernel, "the name is taken");
    if (kernel.versions.empty())
        refuse(kernel, "it has no version");
    check_verbs(kernel);
    check_changes(kernel);
    check_versions(kernel);
    for (const sim::RecordKind& kind : kernel.records)
        add_record(kind);
    for (const sim::Site* site : kernel.sites)
        sites_.push_back({site, &kernel});
    for (const sim::CheckDecl& check : kernel.checks)
        checks_.push_back({&check, &kernel});
    kernels_.push_back(&kernel);
}

const sim::KernelDecl* Registry::find_kernel(std::string_view name) const {
    const auto it = std::find_if(kernels_.begin(), kernels_.end(), [&](const auto* k) { return k->name == name; });
    return it == kernels_.end() ? nullptr : *it;
}

std::vector<std::string_view> Registry::check_names(const sim::KernelDecl& kernel) const {
    std::vector<std::string_view> names;
    for (const OwnedCheck& owned : checks_)
        if (owned.kernel == nullptr || owned.kernel == &kernel)
            names.push_back(owned.check->name);
    return names;
}

std::vector<sim::CostDecl> Registry::costs() const {
    std::vector<sim::CostDecl> all(sim::machine_cost_decls().begin(), sim::machine_cost_decls().end());
    for (const sim::KernelDecl* kernel : kernels_)
        for (const sim::CostDecl& cost : kernel->costs)
            if (std::none_of(all.begin(), all.end(), [&](const auto& c) { return c.name == cost.name; }))
                all.push_back(cost);
    return all;
}

const Registry& program_registry() { return mutable_program_registry(); }

void register_kernel(const sim::KernelDecl& kernel) { mutable_program_registry().register_kernel(kernel); }

}  // namespace ticklab::lab
