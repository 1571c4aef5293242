// The changes in the history of process CPU timers that a run can leave out or put in (docs/spec/change-ids.md A4).
//
// Rules
//  (1) One flag a change, with one place of use.
//  (2) `since` is the first version below that has the change, which need not be the first release. A guard that no
//      release lacks has the first one.
//  (3) Version "lc" is the specification's own default: 5.15 with its decisions LC-D3 and LC-D5 (LC 17).
#pragma once

#include <array>
#include <string_view>

#include "ticklab/sim/change_set.hpp"

namespace ticklab::cputime {

/// Ascending.
inline constexpr std::array<std::string_view, 11> kCpuTimeVersions{
    "2.6.24", "2.6.28", "2.6.29-rc3", "2.6.29", "2.6.30", "2.6.33", "3.10", "3.18", "4.3", "5.15", "lc"};

struct CpuTimeChanges {
    bool exiting_folded = true;
    bool start_synchronised = true;
    bool timers_sample_timer_clock = true;
    bool child_times_in_user_hz = true;
    bool limit_compared_with_itimer = true;
    bool inherited_limit_primed = true;
    bool run_time_read_at_once = true;
    bool cache_stored_exactly = true;
    bool dead_times_raw = true;
    bool folded_not_accounted = true;
    bool sum_under_sequence_lock = true;
    bool expiry_recomputed = true;
    bool clock_generation = true;
    bool generation_checked = true;
    bool start_takes_no_run_queue = true;
    bool rearm_sampled_under_lock = true;
    bool ideal_bump = true;
};

inline constexpr std::array kCpuTimeChanges{
    sim::Change<CpuTimeChanges>{{"PCT-04",
                                 "fold-exiting-threads",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "2.6.24",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 9.1",
                                 "the time of ended threads vanishes from process clocks"},
                                &CpuTimeChanges::exiting_folded},
    sim::Change<CpuTimeChanges>{{"PCT-05",
                                 "start-sync",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "2.6.29",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 2.4",
                                 "absolute process timers are late by what ran while the timer clock stood"},
                                &CpuTimeChanges::start_synchronised},
    sim::Change<CpuTimeChanges>{
        {"LC 6.2.1",
         "timers-sample-timer-clock",
         "cpu-timers",
         sim::ChangeKind::kFix,
         "2.6.29",
         {},
         {},
         "docs/spec/linux-process-cpu-timers.md 6.2.1",
         "design split as pulled: POSIX timers are set by the process clock, and only a tick starts the timer clock"},
        &CpuTimeChanges::timers_sample_timer_clock},
    sim::Change<CpuTimeChanges>{{"LC 9.4",
                                 "child-times-in-user-hz",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "2.6.29",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 9.4",
                                 "design global: SIGCHLD tells times in ticks of the kernel"},
                                &CpuTimeChanges::child_times_in_user_hz},
    sim::Change<CpuTimeChanges>{{"LC-F5",
                                 "limit-compared-with-itimer",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "2.6.30",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 12",
                                 "RLIMIT_CPU is not noticed in time if ITIMER_PROF is later"},
                                &CpuTimeChanges::limit_compared_with_itimer},
    sim::Change<CpuTimeChanges>{{"LC-F6",
                                 "inherited-limit-primed",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "2.6.30",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 12",
                                 "RLIMIT_CPU that was inherited is not noticed until a timer is armed"},
                                &CpuTimeChanges::inherited_limit_primed},
    sim::Change<CpuTimeChanges>{{"LC-F8",
                                 "run-time-read-at-once",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "2.6.30",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 2.2",
                                 "a run-time clock steps back"},
                                &CpuTimeChanges::run_time_read_at_once},
    sim::Change<CpuTimeChanges>{{"LC-F2",
                                 "cache-stored-exactly",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "2.6.33",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 5.3",
                                 "after the first expiry every tick looks at the timer lists"},
                                &CpuTimeChanges::cache_stored_exactly},
    sim::Change<CpuTimeChanges>{{"LC-F3",
                                 "dead-times-raw",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "2.6.33",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 9.1",
                                 "process times step when a thread ends"},
                                &CpuTimeChanges::dead_times_raw},
    sim::Change<CpuTimeChanges>{{"LC-F10",
                                 "folded-not-accounted",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "3.10",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 12",
                                 "the timer clock goes ahead when a thread ends"},
                                &CpuTimeChanges::folded_not_accounted},
    sim::Change<CpuTimeChanges>{{"PCT-10",
                                 "sum-under-sequence-lock",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "3.18",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 9.1",
                                 "a sum counts an ending thread twice"},
                                &CpuTimeChanges::sum_under_sequence_lock},
    sim::Change<CpuTimeChanges>{{"PCT-11",
                                 "start-takes-no-run-queue",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "2.6.24",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 12",
                                 "design split: a start takes run queue locks under that of the timer clock, hooks "
                                 "the other way round (LC-F4)"},
                                &CpuTimeChanges::start_takes_no_run_queue},
    sim::Change<CpuTimeChanges>{{"PCT-13",
                                 "rearm-sampled-under-lock",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "2.6.24",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 10",
                                 "a tick stops the timer clock between the sample of a re-arm and its arming (LC-I6)"},
                                &CpuTimeChanges::rearm_sampled_under_lock},
    sim::Change<CpuTimeChanges>{{"PCT-14",
                                 "expiry-recomputed-on-disarm",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "5.15",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 12",
                                 "a timer clock runs on with nothing armed"},
                                &CpuTimeChanges::expiry_recomputed},
    sim::Change<CpuTimeChanges>{
        {"PCT-08",
         "timer-clock-generation",
         "cpu-timers",
         sim::ChangeKind::kFix,
         "lc",
         {},
         {},
         "docs/spec/linux-process-cpu-timers.md 17",
         "design split: a step is counted twice when the timer clock starts, and timers are early"},
        &CpuTimeChanges::clock_generation},
    sim::Change<CpuTimeChanges>{
        {"LC-F7 (F7c)",
         "generation-checked",
         "cpu-timers",
         sim::ChangeKind::kFix,
         "lc",
         {},
         {},
         "docs/spec/linux-process-cpu-timers.md 17",
         "design split: a step is counted twice when the timer clock stops and starts between flag and addition"},
        &CpuTimeChanges::generation_checked},
    sim::Change<CpuTimeChanges>{{"LC-D5",
                                 "ideal-bump",
                                 "cpu-timers",
                                 sim::ChangeKind::kFix,
                                 "lc",
                                 {},
                                 {},
                                 "docs/spec/linux-process-cpu-timers.md 6.6",
                                 "a periodic timer that is late by a power of two of its interval expires once more"},
                                &CpuTimeChanges::ideal_bump},
};

}  // namespace ticklab::cputime
