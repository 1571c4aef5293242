// Load generators (lab/load_decls.hpp): for each CPU of a "load" entry one source of the engine.
//
// Rules
//  - All draws come from the choices, under the stable name "GENERATOR#n/cpuC" (n counts the entries of that generator)
//    and a root of its own for each event, so that one event more or less leaves the others alone (MA 7.1).
//  - An event whose CPU is off-line does nothing; the generator goes on when it is back.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ticklab/lab/performer.hpp"
#include "ticklab/lab/scenario.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::lab {

/// Sites at which load draws.
std::span<const sim::Site* const> load_sites();

/// A timer that a generator owns.
struct LoadTimer {
    std::string name;
    sim::CpuId cpu = 0;
    sim::Duration period{};  ///< arms itself again in its callback; zero for not
};

/// The verbs of a kernel that load needs: how to arm a timer and how to cancel it, with a timer and an instant as the
/// only arguments that must be given. Null where the kernel has none.
struct TimerVerbs {
    const sim::VerbDecl* arm = nullptr;
    const sim::VerbDecl* cancel = nullptr;

    static TimerVerbs of(const sim::KernelDecl& kernel);
    sim::VerbCall arm_call(sim::TimerIndex timer, sim::Time expires) const;
    sim::VerbCall cancel_call(sim::TimerIndex timer) const;
};

/// The timers that the load of a scenario needs, in the order of their indices after the scenario's own. A generator's
/// are `first` to `first + count` of each CPU in turn.
std::vector<LoadTimer> load_timers(const Scenario& scenario);

/// What all generators of a run work with.
struct LoadContext {
    sim::Machine& machine;
    Performer& performer;
    TimerVerbs verbs;
    sim::Time end;  ///< of the run
};

class LoadSource : public sim::ActivityHandler {
public:
    LoadSource(LoadContext& context, const Load& load, sim::CpuId cpu, const std::string& owner);

    void start();
    void due(sim::Time at) override;

protected:
    /// The instant of the first event.
    virtual sim::Time first() = 0;
    /// Acts; returns the instant of the next event.
    virtual sim::Time act(sim::Time at, const sim::Cause& cause) = 0;

    std::int64_t count(std::size_t argument) const { return std::get<std::int64_t>(*load_.arguments[argument]); }
    /// Draws a span: a fixed one, or one from a distribution; at least 1 ps.
    sim::Duration span(std::size_t argument, const sim::Site& site);
    /// Draws the gap to the next event of a rate (exponential).
    sim::Duration gap(std::size_t argument);
    std::uint64_t draw(const sim::Site& site, std::uint64_t bound);
    bool online() const { return context_.machine.cpu(cpu_).online(); }

    LoadContext& context_;
    const Load& load_;
    sim::CpuId cpu_;

private:
    void arm(sim::Time at);

    std::uint64_t owner_;
    std::uint64_t events_ = 0;
    std::uint64_t name_;
    sim::ChoiceContext choices_;
    sim::SourceIndex source_;
    sim::Emitter emitter_;
};

/// Makes the sources of every "load" entry; the scenario's timers come first, so load timers begin at `first_timer`.
std::vector<std::unique_ptr<LoadSource>> make_load(LoadContext& context, const Scenario& scenario,
                                                   sim::TimerIndex first_timer);

}  // namespace ticklab::lab
