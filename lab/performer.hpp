// Performs verbs in the context that their declaration names, and keeps the obligations that they open and close.
//
// Rules
//  - A call under way lives in a slot of this object, never on a fiber's stack: a verdict abandons fibers (MA 1.4).
//  - The obligation is begun before the kernel's operation and ended after it, on the CPU that performs it.
//  - With no observer set, the same records are emitted and the same time is spent.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "ticklab/lab/judge.hpp"
#include "ticklab/lab/obligations.hpp"
#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/kernel.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::lab {

class Performer {
public:
    Performer(sim::Machine& machine, sim::Kernel& kernel, const sim::TimerClient& names)
        : machine_(machine), kernel_(kernel), names_(names) {}
    Performer(const Performer&) = delete;
    Performer& operator=(const Performer&) = delete;

    /// Both may be null: then nothing is observed.
    void observe(Obligations* obligations, Judge* judge) {
        obligations_ = obligations;
        judge_ = judge;
    }

    /// A verb of the kernel or, `of_machine`, of lab/machine_verbs.hpp, on CPU `on`. From script and load activities,
    /// or from code on a CPU. Machine verbs that hold are the script's own business.
    void start(sim::CpuId on, const sim::VerbCall& call, bool of_machine);
    /// A verb of the kernel, here and now: from a callback.
    void perform_here(sim::Cpu& cpu, const sim::VerbCall& call);

    /// An operation of the kernel on its own account begins and has returned (TimerClient::timer_operation_begins).
    std::uint64_t begin(sim::Cpu& cpu, sim::TimerIndex timer, sim::TimerRole role, const sim::TimerPromise& promise);
    void end(sim::Cpu& cpu, std::uint64_t operation);

    /// Ends the run with the finding, from code that runs on `cpu`.
    [[noreturn]] void fail(sim::Cpu& cpu, sim::TimerIndex timer, Finding finding);

private:
    struct Slot {
        sim::VerbCall call;
        bool of_machine = false;
        Obligations::Operation operation;
    };

    std::size_t take_slot(const sim::VerbCall& call, bool of_machine);
    void run(sim::Cpu& cpu, std::size_t slot);
    void perform(sim::Cpu& cpu, Slot& slot);
    bool control(sim::Cpu& cpu, const sim::VerbCall& call);
    void act(const sim::VerbCall& call);
    std::uint64_t subject_of(const sim::VerbCall& call);

    sim::Machine& machine_;
    sim::Kernel& kernel_;
    const sim::TimerClient& names_;
    Obligations* obligations_ = nullptr;
    Judge* judge_ = nullptr;
    std::deque<Slot> slots_;
    std::vector<std::size_t> free_;
};

/// Index of the first parameter of that type; verb.parameters.size() if there is none.
std::size_t parameter_of_type(const sim::VerbDecl& verb, sim::ValueType type);

}  // namespace ticklab::lab
