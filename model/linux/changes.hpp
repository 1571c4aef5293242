// The changes in the history of the kernel's timers that a run can leave out or put in (DESIGN 3,
// docs/spec/change-ids.md A3).
//
// Rules
//  (1) One flag a change, with one place of use; the old behaviour stands in a function of its own name there.
//  (2) `since` is the first release that has the change. A guard that no release lacks has the first one: it can only
//  be left out.
#pragma once

#include <array>
#include <string_view>

#include "ticklab/sim/change_set.hpp"

namespace ticklab::linux_ {

/// Releases, ascending.
inline constexpr std::array<std::string_view, 14> kLinuxVersions{"6.9",  "6.10", "6.11", "6.12", "6.13", "6.14", "6.15",
                                                                 "6.16", "6.17", "6.18", "6.19", "7.0",  "7.1",  "7.2"};

struct LinuxChanges {
    bool hrtimer_setup_event = true;
    bool hrtimer_update_in_place = true;
    bool one_cpu_tries_stale_jiffies = true;
};

inline constexpr std::array kLinuxChanges{
    sim::Change<LinuxChanges>{{"LHR 16 (hrtimer_setup)",
                               "hrtimer-setup-event",
                               "hrtimer",
                               sim::ChangeKind::kRename,
                               "6.15",
                               {},
                               {},
                               "docs/spec/linux-hrtimers.md 16",
                               "the set-up of a timer is traced as hrtimer_init"},
                              &LinuxChanges::hrtimer_setup_event},
    sim::Change<LinuxChanges>{{"LHR 8.4",
                               "hrtimer-update-in-place",
                               "hrtimer",
                               sim::ChangeKind::kFeature,
                               "7.1",
                               {},
                               {},
                               "docs/spec/linux-hrtimers.md 8.4",
                               "a queued timer that is started again is traced as cancelled first"},
                              &LinuxChanges::hrtimer_update_in_place},
    sim::Change<LinuxChanges>{{"NOHZ-10",
                               "one-cpu-tries-stale-jiffies",
                               "tick",
                               sim::ChangeKind::kFix,
                               "6.19",
                               {},
                               {},
                               "docs/spec/known-bugs.md NOHZ-10; linux-nohz-tick.md 8.2",
                               "when the timekeeper is late, all CPUs compete for the jiffies lock"},
                              &LinuxChanges::one_cpu_tries_stale_jiffies},
};

}  // namespace ticklab::linux_
