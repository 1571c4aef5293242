// Which changes of a kernel's history are in force in a run (DESIGN 3, docs/spec/change-ids.md).
//
// Rules
//  (1) A version is exactly a set of changes: those whose `since` is that version or an earlier one. A change without
//      `since` is in no version.
//  (2) "without" leaves a change out, and with it those that require it. "with" puts one in; what it requires must
//      be in force then, and nothing that conflicts with it.
//  (3) A change is one bool with one place of use in the kernel; the old behaviour stands in a function of its own
//      name.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/sim/kernel.hpp"

namespace ticklab::sim {

/// Why a choice of changes cannot be: `id` lacks or conflicts with `other`.
struct ChangeClash {
    std::string_view id;
    std::string_view other;
    bool lacks;
    /// What would do, as the end of a sentence "expected ...".
    std::string expected() const;
};

struct ChangesInForce {
    /// For each declared change, in their order.
    std::vector<bool> flags;
    std::optional<ChangeClash> clash;
};

/// Which of `changes` are in force. An empty version is the newest. Throws std::invalid_argument for a version or an id
/// that is not declared.
ChangesInForce changes_in_force(std::span<const ChangeDecl> changes, std::span<const std::string_view> versions,
                                const KernelDecl::Settings& settings);

/// A declared change and the flag that stands for it in the kernel's own structure of flags.
template <class Flags>
struct Change {
    ChangeDecl decl;
    bool Flags::*flag;
};

/// The declarations alone, for KernelDecl.
template <class Flags, std::size_t N>
constexpr std::array<ChangeDecl, N> decls_of(const std::array<Change<Flags>, N>& table) {
    std::array<ChangeDecl, N> decls{};
    for (std::size_t i = 0; i < N; ++i)
        decls[i] = table[i].decl;
    return decls;
}

/// The flags of the table as rules (1) and (2) set them; others keep their initial value. Throws as changes_in_force(),
/// and for a clash.
template <class Flags, std::size_t N>
Flags flags_in_force(const std::array<Change<Flags>, N>& table, std::span<const std::string_view> versions,
                     const KernelDecl::Settings& settings) {
    const auto decls = decls_of(table);
    const ChangesInForce in_force = changes_in_force(decls, versions, settings);
    if (in_force.clash)
        throw std::invalid_argument("kernel has the change " + std::string(in_force.clash->id) + ", expected " +
                                    in_force.clash->expected());
    Flags flags{};
    for (std::size_t i = 0; i < N; ++i)
        flags.*table[i].flag = in_force.flags[i];
    return flags;
}

}  // namespace ticklab::sim
