// The tables behind the kernel's declaration: verbs with what performs them and what they promise, states with what
// reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ticklab/model/linux/kernel.hpp"

namespace ticklab::linux_ {

struct LinuxVerb {
    sim::VerbDecl decl;
    void (*perform)(LinuxKernel& kernel, sim::Cpu& cpu, const sim::VerbCall& call);
    /// Null for verbs that arm nothing.
    sim::TimerPromise (*promise)(const LinuxKernel& kernel, const sim::VerbCall& call, sim::Time now);
};
std::span<const LinuxVerb> linux_verbs();
/// Null if the call is of none of this kernel's verbs.
const LinuxVerb* find_verb(const sim::VerbCall& call);

std::span<const sim::StateDecl> linux_state_decls();
/// Value of a state path; none if it names nothing that exists.
std::optional<std::int64_t> read_state(const LinuxKernel& kernel, std::string_view path);

}  // namespace ticklab::linux_
