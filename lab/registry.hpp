// What the program knows by declaration: kernels, kinds of records, sites, checks. lab/ learns everything about kernels
// here.
//
// A timer core of one's own: lab/program.hpp.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ticklab/sim/choices.hpp"
#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/kernel.hpp"
#include "ticklab/sim/record.hpp"

namespace ticklab::lab {

/// Declarations are static objects: the registry keeps pointers.
class Registry {
public:
    /// With everything that the machine and lab/ declare and no kernel.
    Registry();

    /// Adds a kernel. Throws std::invalid_argument that names the fault: a name or record id that is taken, a verb with
    /// a parameter that a step uses itself, a change that requires an unknown one.
    void register_kernel(const sim::KernelDecl& kernel);

    std::span<const sim::KernelDecl* const> kernels() const { return kernels_; }
    /// Null if there is none of that name.
    const sim::KernelDecl* find_kernel(std::string_view name) const;

    /// Of the machine, lab/ and every kernel; ascending by id.
    std::span<const sim::RecordKind* const> record_kinds() const { return record_kinds_; }
    /// Of the machine and every kernel, and which kernel's (null: the machine's).
    struct OwnedSite {
        const sim::Site* site;
        const sim::KernelDecl* kernel;
    };
    std::span<const OwnedSite> sites() const { return sites_; }
    struct OwnedCheck {
        const sim::CheckDecl* check;
        const sim::KernelDecl* kernel;
    };
    std::span<const OwnedCheck> checks() const { return checks_; }
    /// Of the checks by which a run of this kernel may fail: its own, those of the machine and of lab/.
    std::vector<std::string_view> check_names(const sim::KernelDecl& kernel) const;

    /// Prices of the machine and of every kernel; a price that several ask for is there once.
    std::vector<sim::CostDecl> costs() const;

private:
    void add_record(const sim::RecordKind& kind);

    std::vector<const sim::KernelDecl*> kernels_;
    std::vector<const sim::RecordKind*> record_kinds_;
    std::vector<OwnedSite> sites_;
    std::vector<OwnedCheck> checks_;
};

/// The registry of the program, with the kernels that come with it.
const Registry& program_registry();
/// Adds a kernel to it; before run_program().
void register_kernel(const sim::KernelDecl& kernel);

}  // namespace ticklab::lab
