// The changes in the history of the kernel's timers that a run can leave out or put in (DESIGN 3,
// docs/spec/change-ids.md A3).
//
// Rules
//  (1) One flag a change, with one place of use; the old behaviour stands in a function of its own name there.
//  (2) `since` is the first release that has the change. A guard that no release lacks has the first one: it can
//      only be left out.
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
    bool flags_read_once = true;
    bool jiffies_read_once = true;
    bool idle_forwards_only = true;
    bool expired_keeps_clock = true;
    bool cutoff_on_distance = true;
    bool bases_reset_in_prepare = true;
    bool receiver_forwarded = true;
    bool state_kept_in_move = true;
    bool starting_clears_leftovers = true;
    bool start_avoids_dying_cpu = true;
    bool base_read_once = true;
    bool tick_compared_with_timer = true;
    bool idle_loop_looks_again = true;
    bool edge_counted_once = false;
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
    sim::Change<LinuxChanges>{{"WHEEL-02",
                               "flags-read-once",
                               "wheel",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md WHEEL-02; linux-timer-wheel.md 4.1",
                               "a timer is changed under the lock of another base: lists and bitmaps break"},
                              &LinuxChanges::flags_read_once},
    sim::Change<LinuxChanges>{{"WHEEL-04",
                               "jiffies-read-once",
                               "wheel",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md WHEEL-04; linux-timer-wheel.md 5.1",
                               "a base's clock overtakes its first bucket, or goes back"},
                              &LinuxChanges::jiffies_read_once},
    sim::Change<LinuxChanges>{{"WHEEL-05",
                               "idle-forwards-only",
                               "wheel",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md WHEEL-05; linux-timer-wheel.md 12.5 step 4",
                               "a base's clock goes back when its CPU goes idle"},
                              &LinuxChanges::idle_forwards_only},
    sim::Change<LinuxChanges>{{"WHEEL-07",
                               "expired-keeps-clock",
                               "wheel",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md WHEEL-07; linux-timer-wheel.md 6.2",
                               "a timer that is due already moves a base's clock back"},
                              &LinuxChanges::expired_keeps_clock},
    sim::Change<LinuxChanges>{{"WHEEL-08",
                               "cutoff-on-distance",
                               "wheel",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md WHEEL-08; linux-timer-wheel.md 2.3",
                               "a far timer goes to a bucket that may be due at once"},
                              &LinuxChanges::cutoff_on_distance},
    sim::Change<LinuxChanges>{{"WHEEL-14",
                               "bases-reset-in-prepare",
                               "wheel, hotplug",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md WHEEL-14; linux-timer-wheel.md 13.1",
                               "the first timers of a CPU that comes back are late by a coarse level"},
                              &LinuxChanges::bases_reset_in_prepare},
    sim::Change<LinuxChanges>{{"WHEEL-17",
                               "receiver-forwarded",
                               "wheel, hotplug",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md WHEEL-17; linux-timer-wheel.md 13.2",
                               "timers taken over from a dead CPU are late by a coarse level"},
                              &LinuxChanges::receiver_forwarded},
    sim::Change<LinuxChanges>{{"HRT-01",
                               "state-kept-in-move",
                               "hrtimer, hotplug",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md HRT-01; linux-hrtimers.md 11.3",
                               "a timer that moves from a dying CPU looks inactive"},
                              &LinuxChanges::state_kept_in_move},
    sim::Change<LinuxChanges>{{"CH §9 (Jan 2025)",
                               "starting-clears-leftovers",
                               "hrtimer, hotplug",
                               sim::ChangeKind::kFix,
                               "6.14",
                               {},
                               {},
                               "docs/spec/linux-hrtimers.md 11.2; hotplug.md 9",
                               "a CPU that comes back has the mode or the hang of its last life"},
                              &LinuxChanges::starting_clears_leftovers},
    sim::Change<LinuxChanges>{{"HRT-03",
                               "start-avoids-dying-cpu",
                               "hrtimer, hotplug",
                               sim::ChangeKind::kFix,
                               "6.14",
                               {},
                               {},
                               "docs/spec/known-bugs.md HRT-03; linux-hrtimers.md 11.4",
                               "a timer started on a CPU that gave its timers away is lost"},
                              &LinuxChanges::start_avoids_dying_cpu},
    sim::Change<LinuxChanges>{{"HRT-05",
                               "base-read-once",
                               "hrtimer",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md HRT-05; linux-hrtimers.md 4.1",
                               "a timer is changed under the lock of another CPU"},
                              &LinuxChanges::base_read_once},
    sim::Change<LinuxChanges>{{"NOHZ-01",
                               "tick-compared-with-timer",
                               "tick",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md NOHZ-01; linux-nohz-tick.md 5 step 6",
                               "a stopped tick is not programmed, for another timer asked for the same instant"},
                              &LinuxChanges::tick_compared_with_timer},
    sim::Change<LinuxChanges>{{"NOHZ-05",
                               "idle-loop-looks-again",
                               "tick",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md NOHZ-05; linux-nohz-tick.md 7.1",
                               "a timer armed by an interrupt of an idle CPU is late by the rest of the sleep"},
                              &LinuxChanges::idle_loop_looks_again},
    sim::Change<LinuxChanges>{{"LNT 2.7",
                               "edge-counted-once",
                               "tick",
                               sim::ChangeKind::kFix,
                               "",
                               {},
                               {},
                               "docs/spec/linux-nohz-tick.md 2.7",
                               "a late periodic tick counts an edge that another CPU has counted: jiffies run ahead"},
                              &LinuxChanges::edge_counted_once},
};

}  // namespace ticklab::linux_
