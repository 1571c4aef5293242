// The changes in the history of the hypervisor's timers that a run can leave out or put in (DESIGN 3,
// docs/spec/change-ids.md B).
//
// Rules
//  (1) One flag a change, with one place of use; the old behaviour stands in a function of its own name there.
//  (2) `since` is the first release that has the change. A guard that no release lacks has the first one: it can only
//  be
//      left out.
#pragma once

#include <array>
#include <string_view>

#include "ticklab/sim/change_set.hpp"

namespace ticklab::xen {

/// Releases, ascending.
inline constexpr std::array<std::string_view, 23> kXenVersions{
    "3.3",  "3.4",  "4.0",  "4.1",  "4.2",  "4.3",  "4.4",  "4.5",  "4.6",  "4.7",  "4.8", "4.9",
    "4.10", "4.11", "4.12", "4.13", "4.14", "4.15", "4.16", "4.17", "4.18", "4.19", "4.20"};

struct XenChanges {
    bool callback_copied = true;
    bool kill_waits = true;
    bool owner_by_protocol = true;
    bool owner_checked_again = true;
    bool bases_in_cpu_order = true;
    bool growth_in_softirq = true;
    bool list_detached = true;
    bool track_inactive = true;
    bool drain_when_dying = true;
    bool owner_read_under_rcu = true;
    bool killed_owner_marked = true;
    bool any_drain_target = true;
    bool heap_limit_respected = true;
    bool heap_freed = true;
    bool drain_of_parked = true;
    bool never_early = true;
    bool run_from_range_start = true;
    bool deadline_in_time = true;
    bool kick_drain_target = true;
};

/// XT-F10: the change that XEN-28 mends.
inline constexpr std::array<std::string_view, 1> kNeedsHeapFreed{"XT-F10"};

inline constexpr std::array kXenChanges{
    sim::Change<XenChanges>{{"XEN-01",
                             "copied-callback",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "3.3",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-01; xen-timers.md 6.1",
                             "the callback of another life of the timer is called"},
                            &XenChanges::callback_copied},
    sim::Change<XenChanges>{{"XEN-02",
                             "kill-waits",
                             "xen timers",
                             sim::ChangeKind::kFeature,
                             "3.3",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-02; xen-timers.md 5.5, XT-P4",
                             "a callback runs on after its timer was killed"},
                            &XenChanges::kill_waits},
    sim::Change<XenChanges>{{"XEN-04",
                             "owner-by-protocol",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "3.3",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-04; xen-timers.md 5.4",
                             "a timer is queued on one CPU and says that it belongs to another"},
                            &XenChanges::owner_by_protocol},
    sim::Change<XenChanges>{{"XEN-05",
                             "owner-checked-again",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "3.3",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-05; xen-timers.md 3.2",
                             "a timer is changed under the lock of a CPU that has not got it"},
                            &XenChanges::owner_checked_again},
    sim::Change<XenChanges>{{"XEN-07",
                             "bases-in-cpu-order",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "3.3",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-07; xen-timers.md 3.1",
                             "two CPUs that move timers to each other wait for ever"},
                            &XenChanges::bases_in_cpu_order},
    sim::Change<XenChanges>{{"XEN-08",
                             "growth-in-softirq",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "3.4",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-08; xen-timers.md 1.4, XT-F2",
                             "memory is allocated with interrupts off"},
                            &XenChanges::growth_in_softirq},
    sim::Change<XenChanges>{{"XEN-10",
                             "list-detached",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "3.3",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-10; xen-timers.md 6 step 5",
                             "a pass puts back the overflow list of a full heap for ever"},
                            &XenChanges::list_detached},
    sim::Change<XenChanges>{{"XEN-11",
                             "run-from-range-start",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "3.4",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-11; xen-timers.md 0 (V1, V2), XT-F1",
                             "a range timer runs at the end of its range, and its CPU spins in softirqs until then"},
                            &XenChanges::run_from_range_start},
    sim::Change<XenChanges>{{"XEN-13",
                             "deadline-in-time",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "4.5",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-13; xen-timers.md 7.4 (V3, V4)",
                             "every timer that is alone is late by the slop"},
                            &XenChanges::deadline_in_time},
    sim::Change<XenChanges>{{"XEN-14",
                             "never-early",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "3.4",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-14; xen-timers.md 7.5 (V0)",
                             "timers run early by up to the slop"},
                            &XenChanges::never_early},
    sim::Change<XenChanges>{{"XEN-19",
                             "track-inactive",
                             "xen timers",
                             sim::ChangeKind::kFeature,
                             "4.1",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-19; xen-timers.md 1.6, 10.3, XT-F12",
                             "a timer that was inactive when its CPU went off-line is set there and lost"},
                            &XenChanges::track_inactive},
    sim::Change<XenChanges>{{"XEN-22",
                             "drain-when-dying",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "4.1",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-22; xen-timers.md 10.4, XT-F3",
                             "a CPU that has read a timer's owner locks a base that is gone, unless XEN-23 is there"},
                            &XenChanges::drain_when_dying},
    sim::Change<XenChanges>{{"XEN-23",
                             "owner-read-under-rcu",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "4.1",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-23; xen-timers.md 10.4, 13.1, XT-F3",
                             "timers that were given to a CPU whose bring-up is cancelled are left on its base"},
                            &XenChanges::owner_read_under_rcu},
    sim::Change<XenChanges>{{"XT-F4",
                             "killed-owner-marked",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "4.1",
                             {},
                             {},
                             "docs/spec/xen-timers.md 13.2, XT-F4",
                             "an operation on a killed timer unlinks it again"},
                            &XenChanges::killed_owner_marked},
    sim::Change<XenChanges>{{"XEN-25",
                             "any-drain-target",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "4.2",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-25; xen-timers.md 10.3",
                             "timers are drained to CPU 0 though it is off-line"},
                            &XenChanges::any_drain_target},
    sim::Change<XenChanges>{{"XEN-26",
                             "kick-drain-target",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "3.3",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-26; xen-timers.md 10.3 step 5",
                             "a timer that a drain made the earliest of its new CPU waits for some other interrupt"},
                            &XenChanges::kick_drain_target},
    sim::Change<XenChanges>{{"XEN-29",
                             "heap-limit-respected",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "4.13",
                             {},
                             {},
                             "docs/spec/known-bugs.md XEN-29; xen-timers.md 1.4, XT-F9",
                             "a heap of the largest limit gets a new array at each overflow"},
                            &XenChanges::heap_limit_respected},
    sim::Change<XenChanges>{{"XT-F10",
                             "heap-freed",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "4.13",
                             {},
                             {},
                             "docs/spec/xen-timers.md 10.1, 10.6, XT-F10",
                             "the heap's array is lost each time that a CPU goes off-line"},
                            &XenChanges::heap_freed},
    sim::Change<XenChanges>{{"XEN-28",
                             "drain-of-parked",
                             "xen timers",
                             sim::ChangeKind::kFix,
                             "4.13",
                             kNeedsHeapFreed,
                             {},
                             "docs/spec/known-bugs.md XEN-28; xen-timers.md 10.6",
                             "timers of a CPU that is parked stay on it"},
                            &XenChanges::drain_of_parked},
};

}  // namespace ticklab::xen
