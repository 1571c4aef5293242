// What scenarios may ask of the timer core's clients: verbs, states, and which names there are.
#pragma once

#include <span>
#include <string_view>

#include "ticklab/model/xen/clients.hpp"

namespace ticklab::xen {

/// A verb is performed on a CPU, or outside them all, or as a hypercall of a vCPU; the two other functions are null.
struct ClientVerb {
    sim::VerbDecl decl;
    void (*perform)(Clients& clients, sim::Cpu& cpu, const sim::VerbCall& call) = nullptr;
    void (*outside)(Clients& clients, const sim::VerbCall& call) = nullptr;
    void (*hypercall)(Clients& clients, sim::Cpu& cpu, Vcpu& v, const sim::VerbCall& call) = nullptr;
    /// Which timer of a vCPU its first parameter must name.
    std::optional<VcpuTimer> timer{};
};
std::span<const ClientVerb> client_verbs();
/// Null if the call is of none of them.
const ClientVerb* find_client_verb(const sim::VerbCall& call);
/// Performs a verb of context kMachine: at once, or in the program of the vCPU that it is about.
void perform_outside(Clients& clients, const sim::VerbCall& call, const sim::TimerClient& names);
/// Performs a hypercall.
void perform_hypercall(Clients& clients, sim::Cpu& cpu, Vcpu& v, const sim::VerbCall& call);
/// Why a call cannot be, where there are so many guests of so many vCPUs (KernelDecl::refuse).
std::optional<sim::CallRefusal> refuse_client_call(const ClientParameters& parameters, const sim::VerbCall& call,
                                                   std::string_view timer);

struct ClientState {
    std::string_view pattern;
    std::string_view help;
};
std::span<const ClientState> client_states();

}  // namespace ticklab::xen
