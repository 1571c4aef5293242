// Who runs the global timers of a sleeping CPU: the table of what there is to choose from.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "ticklab/model/linux/placement_local.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"

namespace ticklab::linux_ {

struct Placement {
    std::string_view word;
    std::string_view help;
    std::unique_ptr<TimerMigration> (*make)(sim::Machine& machine, const tmigr::TmigrParameters& parameters,
                                            RemoteBases& bases);
    /// It has a hierarchy, which CPUs that are online at boot enter one by one.
    bool needs_bring_up;
};

inline constexpr std::array kPlacements{
    Placement{"local", "every CPU runs its own timers, and wakes for them",
              [](sim::Machine&, const tmigr::TmigrParameters&, RemoteBases&) -> std::unique_ptr<TimerMigration> {
                  return std::make_unique<LocalPlacement>();
              },
              false},
    Placement{"tmigr", "a CPU that is awake runs the timers of those that sleep (docs/spec/tmigr-mainline.md)",
              [](sim::Machine& machine, const tmigr::TmigrParameters& parameters,
                 RemoteBases& bases) -> std::unique_ptr<TimerMigration> {
                  return std::make_unique<tmigr::TmigrPlacement>(machine, parameters, bases);
              },
              true},
};

}  // namespace ticklab::linux_
