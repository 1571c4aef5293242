// Who runs the global timers of a sleeping CPU: the table of what there is to choose from.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "ticklab/model/linux/placement_local.hpp"
#include "ticklab/model/linux/push/placement.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"
#include "ticklab/model/linux/tmigr2017/placement.hpp"

namespace ticklab::linux_ {

struct PlacementParameters {
    tmigr::TmigrParameters tmigr;
    push::PushParameters push;
    tmigr2017::Tmigr2017Parameters tmigr2017;
};

/// What a placement is made of; all but `parameters` must outlive it.
struct PlacementParts {
    sim::Machine& machine;
    const PlacementParameters& parameters;
    TimerWheel& wheel;
    IdleTest& idle_test;
    IdleWaker& waker;
    NohzBalancer* balancer;  ///< null without the option
};

struct Placement {
    std::string_view word;
    std::string_view help;
    std::unique_ptr<TimerMigration> (*make)(const PlacementParts& parts);
    /// It has a hierarchy, which CPUs that are online at boot enter one by one.
    bool needs_bring_up;
    /// It asks which CPUs are idle.
    bool asks_idle;
    /// Some CPUs may stop their tick while they are busy.
    bool knows_nohz_full;
};

inline constexpr std::array kPlacements{
    Placement{
        "local", "every CPU runs its own timers, and wakes for them",
        [](const PlacementParts&) -> std::unique_ptr<TimerMigration> { return std::make_unique<LocalPlacement>(); },
        false, false, true},
    Placement{"push",
              "a timer that an idle CPU arms goes to a busy one near by, which then keeps it "
              "(docs/spec/linux-push-placement.md)",
              [](const PlacementParts& parts) -> std::unique_ptr<TimerMigration> {
                  return std::make_unique<push::PushPlacement>(parts.machine, parts.parameters.push, parts.idle_test,
                                                               parts.balancer);
              },
              false, true, true},
    Placement{"tmigr-2017",
              "the same idea as tmigr, as posted in April 2017: with its own locking and its defects "
              "(docs/spec/tmigr-2017.md)",
              [](const PlacementParts& parts) -> std::unique_ptr<TimerMigration> {
                  return std::make_unique<tmigr2017::Tmigr2017Placement>(parts.machine, parts.parameters.tmigr2017,
                                                                         parts.parameters.push, parts.wheel,
                                                                         parts.idle_test, parts.waker);
              },
              true, true, false},
    Placement{"tmigr", "a CPU that is awake runs the timers of those that sleep (docs/spec/tmigr-mainline.md)",
              [](const PlacementParts& parts) -> std::unique_ptr<TimerMigration> {
                  auto placement =
                      std::make_unique<tmigr::TmigrPlacement>(parts.machine, parts.parameters.tmigr, parts.wheel);
                  placement->push_hrtimers(parts.parameters.push, parts.idle_test);
                  return placement;
              },
              true, true, true},
};

}  // namespace ticklab::linux_
