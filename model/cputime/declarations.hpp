// The tables behind the kernel's declaration: verbs with what performs them, states with what reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ticklab/model/cputime/core.hpp"
#include "ticklab/sim/declare.hpp"

namespace ticklab::cputime {

struct CpuTimeVerb {
    sim::VerbDecl decl;
    void (*perform)(Core& core, sim::Cpu& cpu, const sim::VerbCall& call);
};
std::span<const CpuTimeVerb> cputime_verbs();

std::span<const sim::StateDecl> cputime_state_decls();
/// Value of a state path; none if it names nothing that exists.
std::optional<std::int64_t> read_state(const Core& core, std::string_view path);

}  // namespace ticklab::cputime
