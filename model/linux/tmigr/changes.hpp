// The changes in the history of the migration hierarchy that a run can leave out or put in (DESIGN 3,
// docs/spec/change-ids.md A1).
//
// Rules
//  (1) One flag a change, with one place of use; the old behaviour stands in a function of its own name there.
//  (2) `since` is the first release that has the change. A guard that no release lacks has the first one: it can only
//  be
//      left out.
//  (3) TMIGR-15 and TMIGR-16 show only together with TMM 2.6, which no release has on; TMIGR-07 is TMIGR-08 too. Of the
//      table's rows only the pull model itself is missing: it is the placement, not a change of it.
#pragma once

#include <array>
#include <string_view>

#include "ticklab/sim/change_set.hpp"

namespace ticklab::linux_::tmigr {

/// Releases with the hierarchy, ascending.
inline constexpr std::array<std::string_view, 14> kTmigrVersions{"6.9",  "6.10", "6.11", "6.12", "6.13", "6.14", "6.15",
                                                                 "6.16", "6.17", "6.18", "6.19", "7.0",  "7.1",  "7.2"};

struct TmigrChanges {
    bool accumulate_forecast = true;
    bool root_handles_ignored_event = true;
    bool event_names_first_cpu = true;
    bool rewrite_finite_wakeup = true;
    bool setup_error_bounds = true;
    bool read_parent_once = true;
    bool attach_in_prepare = true;
    bool mask_before_link = true;
    bool publish_parent = true;
    bool link_old_root = true;
    bool balanced_nodes = true;
    bool available_executor = true;
    bool acquire_old_root = true;
    bool capacity_hierarchies = false;
    bool successor_of_own_hierarchy = true;
    bool one_hierarchy_for_nohz_full = true;
    bool exclude_isolated = true;
    bool available_names = true;
    bool expire_self = true;
    bool sequence_counter = true;
    bool sample_under_lock = true;
    bool walk_after_expiry = true;
    bool ordered_deactivation = true;
};

inline constexpr std::array<std::string_view, 1> kRequiresMaskBeforeLink{"TMIGR-09"};
inline constexpr std::array<std::string_view, 1> kRequiresAttachInPrepare{"TMIGR-07"};
inline constexpr std::array<std::string_view, 1> kRequiresAvailableExecutor{"TMIGR-13"};

inline constexpr std::array kTmigrChanges{
    sim::Change<TmigrChanges>{{"TMIGR-01",
                               "accumulate-forecast",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md TMIGR-01; tmigr-mainline.md 11.3",
                               "the forecast is late: it misses events that only lower groups show"},
                              &TmigrChanges::accumulate_forecast},
    sim::Change<TmigrChanges>{{"TMIGR-02",
                               "root-handles-ignored-event",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md TMIGR-02; tmigr-mainline.md 8.8, 8.10",
                               "with one level, the last CPU to go idle without a timer arms nothing for the others"},
                              &TmigrChanges::root_handles_ignored_event},
    sim::Change<TmigrChanges>{
        {"TMIGR-03",
         "event-names-first-cpu",
         "tmigr",
         sim::ChangeKind::kFix,
         "6.9",
         {},
         {},
         "docs/spec/known-bugs.md TMIGR-03; tmigr-mainline.md 8.3, 8.10",
         "a group's event names a CPU that no longer has the first timer; its sibling's timer is late"},
        &TmigrChanges::event_names_first_cpu},
    sim::Change<TmigrChanges>{{"TMIGR-04",
                               "rewrite-finite-wakeup",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/known-bugs.md TMIGR-04; tmigr-mainline.md 9.2",
                               "an idle CPU whose duty another took over arms a past instant again and again"},
                              &TmigrChanges::rewrite_finite_wakeup},
    sim::Change<TmigrChanges>{{"TMM 16 (May 2024)",
                               "setup-error-bounds",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.10",
                               {},
                               {},
                               "docs/spec/tmigr-mainline.md 16",
                               "a failed allocation in the set-up makes it use an entry below its lowest level"},
                              &TmigrChanges::setup_error_bounds},
    sim::Change<TmigrChanges>{{"TMIGR-06",
                               "read-parent-once",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.11",
                               {},
                               {},
                               "docs/spec/known-bugs.md TMIGR-06; tmigr-mainline.md 5.1",
                               "a walk enters a new root with the mask of another level"},
                              &TmigrChanges::read_parent_once},
    sim::Change<TmigrChanges>{
        {"TMIGR-07",
         "attach-in-prepare",
         "tmigr",
         sim::ChangeKind::kFix,
         "6.11",
         {},
         {},
         "docs/spec/known-bugs.md TMIGR-07, TMIGR-08; tmigr-mainline.md 13.1",
         "a new root shows an old one as active that is idle, or misses its events: nobody handles timers"},
        &TmigrChanges::attach_in_prepare},
    sim::Change<TmigrChanges>{{"TMIGR-09",
                               "mask-before-link",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.13",
                               {},
                               {},
                               "docs/spec/known-bugs.md TMIGR-09; tmigr-mainline.md 13.4",
                               "a walk enters a new root with mask 0, which stays its migrator for ever"},
                              &TmigrChanges::mask_before_link},
    sim::Change<TmigrChanges>{{"TMIGR-10",
                               "publish-parent",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.13",
                               {},
                               {},
                               "docs/spec/known-bugs.md TMIGR-10; tmigr-mainline.md 15 O1",
                               "a walk sees a new parent before what was written into it"},
                              &TmigrChanges::publish_parent},
    sim::Change<TmigrChanges>{{"TMIGR-11",
                               "link-old-root",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.14",
                               kRequiresMaskBeforeLink,
                               {},
                               "docs/spec/known-bugs.md TMIGR-11",
                               "the old root is not linked to the new one: two hierarchies live side by side"},
                              &TmigrChanges::link_old_root},
    sim::Change<TmigrChanges>{{"TMIGR-12",
                               "balanced-nodes",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.19",
                               {},
                               {},
                               "docs/spec/known-bugs.md TMIGR-12; tmigr-mainline.md 13.7",
                               "groups below the crossnode level mix nodes"},
                              &TmigrChanges::balanced_nodes},
    sim::Change<TmigrChanges>{{"TMIGR-13",
                               "available-executor",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.19",
                               kRequiresAttachInPrepare,
                               {},
                               "docs/spec/known-bugs.md TMIGR-13; tmigr-mainline.md 13.6",
                               "a CPU outside the hierarchy marks a new root as active for an old one that is idle"},
                              &TmigrChanges::available_executor},
    sim::Change<TmigrChanges>{{"TMIGR-14",
                               "acquire-old-root",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "7.1",
                               kRequiresAvailableExecutor,
                               {},
                               "docs/spec/known-bugs.md TMIGR-14; tmigr-mainline.md 13.5",
                               "the old root is taken for active while its activation is still under way"},
                              &TmigrChanges::acquire_old_root},
    sim::Change<TmigrChanges>{{"TMM 2.6",
                               "capacity-hierarchies",
                               "tmigr",
                               sim::ChangeKind::kFeature,
                               "",
                               {},
                               {},
                               "docs/spec/tmigr-mainline.md 2.6",
                               "one hierarchy for CPUs of all capacities"},
                              &TmigrChanges::capacity_hierarchies},
    sim::Change<TmigrChanges>{{"TMIGR-15",
                               "successor-of-own-hierarchy",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "7.1",
                               {},
                               {},
                               "docs/spec/known-bugs.md TMIGR-15; tmigr-mainline.md 12.2",
                               "with a hierarchy a capacity, the last CPU of one wakes a CPU of another: timers stall"},
                              &TmigrChanges::successor_of_own_hierarchy},
    sim::Change<TmigrChanges>{{"TMIGR-16",
                               "one-hierarchy-for-nohz-full",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "7.1",
                               {},
                               {},
                               "docs/spec/known-bugs.md TMIGR-16; tmigr-mainline.md 2.6",
                               "with a hierarchy a capacity, tickless CPUs have none that is always awake"},
                              &TmigrChanges::one_hierarchy_for_nohz_full},
    sim::Change<TmigrChanges>{{"TMIGR-17",
                               "exclude-isolated",
                               "tmigr",
                               sim::ChangeKind::kFeature,
                               "6.19",
                               {},
                               {},
                               "docs/spec/tmigr-mainline.md 12.4",
                               "isolated CPUs run timers of others"},
                              &TmigrChanges::exclude_isolated},
    sim::Change<TmigrChanges>{{"TMM 2.4 (available)",
                               "available-names",
                               "tmigr",
                               sim::ChangeKind::kRename,
                               "6.19",
                               {},
                               {},
                               "docs/spec/tmigr-mainline.md 17",
                               "trace events tmigr_cpu_online and tmigr_cpu_offline instead of tmigr_cpu_available and "
                               "tmigr_cpu_unavailable"},
                              &TmigrChanges::available_names},
    sim::Change<TmigrChanges>{{"TMM 9.6",
                               "expire-self",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "7.2",
                               {},
                               {},
                               "docs/spec/tmigr-mainline.md 9.6",
                               "a timer that comes due within the softirq makes it run without end"},
                              &TmigrChanges::expire_self},
    sim::Change<TmigrChanges>{{"TMIGR-19",
                               "sequence-counter",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/tmigr-mainline.md 7.4",
                               "a late deactivation clears the bit of a child that is active again"},
                              &TmigrChanges::sequence_counter},
    sim::Change<TmigrChanges>{{"TMIGR-20",
                               "sample-under-lock",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/tmigr-mainline.md 8.7",
                               "the last CPU to go idle and one with a new timer each leave it to the other"},
                              &TmigrChanges::sample_under_lock},
    sim::Change<TmigrChanges>{{"TMIGR-21",
                               "walk-after-expiry",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/tmigr-mainline.md 9.5",
                               "after a remote expiry the events of siblings are not shown any more"},
                              &TmigrChanges::walk_after_expiry},
    sim::Change<TmigrChanges>{{"TMIGR-24",
                               "ordered-deactivation",
                               "tmigr",
                               sim::ChangeKind::kFix,
                               "6.9",
                               {},
                               {},
                               "docs/spec/tmigr-mainline.md 7.2, 15 O3, O4",
                               "with weak memory, a deactivation clears the bit of a child that is active again"},
                              &TmigrChanges::ordered_deactivation},
};

}  // namespace ticklab::linux_::tmigr
