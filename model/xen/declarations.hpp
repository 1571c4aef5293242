// The tables behind the hypervisor's declaration: verbs with what performs them, states with what reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ticklab/model/xen/kernel.hpp"

namespace ticklab::xen {

struct XenVerb {
    sim::VerbDecl decl;
    void (XenKernel::*perform)(sim::Cpu&, const sim::VerbCall&);
};
/// Null if the call is of none of this kernel's verbs.
const XenVerb* find_verb(const sim::VerbCall& call);

/// One quantity of a CPU's timer core: state "cpuN.timers.<name>".
struct XenState {
    std::string_view name;
    std::string_view help;
    std::int64_t (*read)(const TimerBase& base);
};
std::span<const XenState> xen_states();
/// Value of a state path; none if it names nothing that exists.
std::optional<std::int64_t> read_state(const Timers& timers, std::string_view path);

}  // namespace ticklab::xen
