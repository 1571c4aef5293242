// Takes the steps of a scenario's script and faults: those with an instant by one source of the engine, those with a
// site when a CPU reaches it (MA 8).
//
// Rules
//  - Steps of one instant are taken in file order. A step is taken once.
//  - The root of what a step leads to (MA 7.1) is made of what the step says, not of its place in the file, so that
//    removing another step leaves the answers alone.
//  - A site's steps are counted each for itself, over the CPUs that match. cpu.hold holds the CPU that reached the
//    site.
//  - Whoever watched the sites before the start is told of them still, first.
#pragma once

#include <cstdint>
#include <vector>

#include "ticklab/lab/performer.hpp"
#include "ticklab/lab/scenario.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::lab {

class Script final : public sim::ActivityHandler, public sim::SiteWatcher {
public:
    /// Registers its source; it stays unarmed until start().
    Script(sim::Machine& machine, Performer& performer, const std::vector<Step>& steps);

    void start();
    void due(sim::Time at) override;
    sim::Time reached(sim::Cpu& cpu, const sim::Site& site) override;

private:
    struct Watched {
        std::size_t step;
        std::uint64_t seen = 0;
        bool taken = false;
    };
    void arm_next();
    sim::Time hold(sim::Cpu& cpu, const Step& step);

    sim::Machine& machine_;
    Performer& performer_;
    const std::vector<Step>& steps_;
    std::vector<std::uint64_t> roots_;
    std::vector<std::size_t> timed_;  ///< in order of time
    std::size_t next_ = 0;
    std::vector<Watched> watched_;
    sim::SourceIndex source_;
    sim::Emitter emitter_;
    sim::SiteWatcher* beside_ = nullptr;
};

/// The root of a step: its verb, CPU, trigger and arguments.
std::uint64_t root_of(const Step& step);

}  // namespace ticklab::lab
