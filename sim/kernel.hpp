// What the machine calls: a kernel is a plug-in, and nothing in sim/ knows one by name.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "ticklab/sim/choices.hpp"
#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/hotplug_state.hpp"
#include "ticklab/sim/record.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

class Cpu;
class Machine;

/// Index of a scenario's timer, dense from 0, in the order of first mention.
using TimerIndex = std::uint32_t;

/// When a timer that is armed may run, by what its request and the kernel's options promise; machine effects
/// (interrupts off, other callbacks, injected delay) are added by the oracle, not by the kernel.
struct TimerPromise {
    Time not_before;  ///< the callback starts strictly later than this or at it, see `strict`
    Time not_after;
    bool strict = false;
    /// How far `not_before` lies before the instant that was asked for; lateness counts from the latter.
    Duration early_by{};
    /// The kernel looks at what is due once in so long only: what delays it past a look costs the wait for the next one
    /// besides. Zero if it waits for nothing of the kind.
    Duration look_every{};
};

/// No timer of the scenario.
inline constexpr TimerIndex kNoTimer = 0xffffffff;

/// Who owns the timers of a scenario: lab/. Called by the kernel in the context in which it runs timer callbacks.
class TimerClient {
public:
    virtual ~TimerClient() = default;
    /// The body of the timer's callback. Runs on `cpu`, in the kernel's callback context, with its locks dropped.
    virtual void timer_fired(Cpu& cpu, TimerIndex timer) = 0;
    /// The timer's name in the scenario.
    virtual std::string_view timer_name(TimerIndex timer) const = 0;
    /// The timer of that name; kNoTimer if the scenario mentions none.
    virtual TimerIndex timer_index(std::string_view) const { return kNoTimer; }
    /// The kernel is about to do to a scenario's timer, on its own account, what verbs do: a guest's hypercall, a
    /// scheduler that moves it. `promise` is for kArm. Returns what timer_operation_done() wants, after the operation
    /// has returned. Neither takes time or leaves a record.
    virtual std::uint64_t timer_operation_begins(Cpu&, TimerIndex, TimerRole, const TimerPromise&) { return 0; }
    virtual void timer_operation_done(Cpu&, std::uint64_t) {}
};

/// Tells a structure oracle what a kernel's structures hold, without giving it the code that maintains them.
class StructureVisitor {
public:
    virtual ~StructureVisitor() = default;
    /// One queued or tracked timer: where it is ("heap", "list", "inactive"), its position there and its key. kNoTimer
    /// for one of the kernel's own that the scenario does not mention.
    virtual void timer(CpuId owner, TimerIndex timer, std::string_view where, std::uint64_t position,
                       std::int64_t expires) = 0;
    /// A numeric property of the structure of a CPU, such as the programmed deadline.
    virtual void value(CpuId cpu, std::string_view name, std::int64_t value) = 0;
};

class Kernel {
public:
    virtual ~Kernel() = default;

    /// Sets up all structures before virtual time starts. Runs on no CPU; takes no time and makes no choices.
    virtual void boot(Machine& machine) = 0;
    /// First code on each CPU that is online at boot and on each that comes up: on its idle thread, interrupts off.
    virtual void cpu_start(Cpu& cpu) = 0;
    /// A vector was taken: interrupts off, cost of entry paid. Must end with cpu.apic_eoi() for fixed interrupts.
    virtual void interrupt(Cpu& cpu, std::uint8_t vector) = 0;
    /// A spurious interrupt was taken: nothing is in service, so it must not write EOI (LA 4.3). Interrupts off.
    virtual void spurious_interrupt(Cpu& cpu, std::uint8_t vector) { (void)cpu, (void)vector; }
    /// An NMI was taken, whatever the CPU was doing: interrupts off, perhaps with locks held or in an interrupt.
    virtual void nmi(Cpu& cpu) = 0;
    /// Around an interrupt whose handler is the scenario's (Machine::run_in_irq): interrupts off, cost of entry paid.
    /// For what the kernel does on the way in and out of every interrupt.
    virtual void begin_foreign_irq(Cpu&) {}
    virtual void end_foreign_irq(Cpu&) {}
    /// Outermost return towards user mode or an ordinary thread: interrupts on, no lock held. Softirqs run here.
    virtual void exit_to_user(Cpu& cpu) = 0;
    /// One pass of the idle thread, entered with interrupts on and nothing runnable; usually ends in Cpu::halt().
    virtual void idle_pass(Cpu& cpu) = 0;
    /// A thread became runnable on `target`, which is not `from`: make it notice (IPI, or a write it monitors).
    virtual void kick(Cpu& from, Cpu& target) = 0;
    /// Hotplug states in ascending order.
    virtual std::span<const HotplugState> hotplug_states() = 0;
    /// A scenario verb of this kernel, on the CPU and in the context that its declaration says.
    virtual void perform(Cpu& cpu, const VerbCall& call) = 0;
    /// A scenario verb of context kMachine.
    virtual void perform_outside(const VerbCall& call) = 0;

    /// What is promised for a timer armed by this call at this moment.
    virtual TimerPromise promise(const VerbCall& call, Time now) const = 0;
    virtual void visit(StructureVisitor& visitor) const = 0;
    /// Value of a declared state path; none if the path names nothing that exists.
    virtual std::optional<std::int64_t> state(std::string_view path) const = 0;
};

/// Why a call cannot be performed: the argument that is wrong, and what would do ("expected ...").
struct CallRefusal {
    std::size_t argument;
    std::string expected;
};

/// A kernel's whole declaration: one static object beside the model, in the registry of the program.
struct KernelDecl {
    std::string_view name;  ///< "xen": the value of kernel.type
    std::string_view help;
    std::span<const std::string_view> versions;  ///< ascending
    std::span<const ParameterDecl> options;
    std::span<const VerbDecl> verbs;
    std::span<const StateDecl> states;
    std::span<const ChangeDecl> changes;
    std::span<const CheckDecl> checks;
    std::span<const CostDecl> costs;
    std::span<const RecordKind> records;
    std::span<const Site* const> sites;

    /// Options as given in the scenario, in the order of `options` (defaults filled in), the version, and the ids left
    /// out and put in.
    struct Settings {
        std::vector<std::optional<Value>> options;
        std::string version;
        std::vector<std::string> without;
        std::vector<std::string> with;
    };
    std::unique_ptr<Kernel> (*make)(const Settings& settings, TimerClient& client);
    /// What the types of a verb's parameters cannot say about a call of the scenario; `timer` is the name of the timer
    /// it is about, if any. May be null.
    std::optional<CallRefusal> (*refuse)(const Settings& settings, const VerbCall& call,
                                         std::string_view timer) = nullptr;
};

}  // namespace ticklab::sim
