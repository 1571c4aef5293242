// Repairs of the defects of the proposal of 2017 (docs/spec/change-ids.md A2, TM17 11). No release has them: it was
// replaced. So all are off unless "with" puts them in; without one, the code does what was posted.
#pragma once

#include <array>
#include <string_view>

#include "ticklab/sim/change_set.hpp"

namespace ticklab::linux_::tmigr2017 {

struct Tmigr2017Changes {
    bool intended_order = false;
    bool events_of_target = false;
    bool leaf_checked = false;
    bool requeued_left_alone = false;
    bool event_moved_up = false;
    bool duty_handed_over = false;
    bool levels_grow = false;
    bool one_runner = false;
    bool gap_closed = false;
    bool enabled_first = false;
    bool switch_evaluated_again = false;
};

inline constexpr std::array<std::string_view, 3> kRequiresShownEvents{"TM17 11.0", "TMIGR17-01", "TMIGR17-04"};
inline constexpr std::array<std::string_view, 1> kRequiresLeafChecked{"TM17 11.3"};

inline constexpr std::array kTmigr2017Changes{
    sim::Change<Tmigr2017Changes>{{"TM17 11.0",
                                   "intended-order",
                                   "tmigr-2017",
                                   sim::ChangeKind::kFix,
                                   "",
                                   {},
                                   {},
                                   "docs/spec/tmigr-2017.md 11.0, 7.1",
                                   "local and global expiry are swapped at idle entry: pinned timers are late, and "
                                   "nothing is pulled"},
                                  &Tmigr2017Changes::intended_order},
    sim::Change<Tmigr2017Changes>{{"TMIGR17-01",
                                   "events-of-target",
                                   "tmigr-2017",
                                   sim::ChangeKind::kFix,
                                   "",
                                   {},
                                   {},
                                   "docs/spec/tmigr-2017.md 11.1, 11.2; known-bugs.md TMIGR17-01, TMIGR17-02",
                                   "after a remote expiry the puller's timers are queued for those of the sleeper"},
                                  &Tmigr2017Changes::events_of_target},
    sim::Change<Tmigr2017Changes>{{"TM17 11.3",
                                   "leaf-checked",
                                   "tmigr-2017",
                                   sim::ChangeKind::kFix,
                                   "",
                                   {},
                                   {},
                                   "docs/spec/tmigr-2017.md 11.3",
                                   "a CPU that comes up for the first time follows a null pointer in its softirq"},
                                  &Tmigr2017Changes::leaf_checked},
    sim::Change<Tmigr2017Changes>{{"TM17 11.4",
                                   "requeued-left-alone",
                                   "tmigr-2017",
                                   sim::ChangeKind::kFix,
                                   "",
                                   {},
                                   {},
                                   "docs/spec/tmigr-2017.md 11.4, 4.2",
                                   "a group's event is changed while it is queued, and the queue is out of order"},
                                  &Tmigr2017Changes::requeued_left_alone},
    sim::Change<Tmigr2017Changes>{
        {"TMIGR17-04",
         "event-moved-up",
         "tmigr-2017",
         sim::ChangeKind::kFix,
         "",
         {},
         {},
         "docs/spec/tmigr-2017.md 11.5; known-bugs.md TMIGR17-04",
         "a group's event that is queued anew keeps its time when an earlier one comes into the group"},
        &Tmigr2017Changes::event_moved_up},
    sim::Change<Tmigr2017Changes>{{"TM17 11.7",
                                   "duty-handed-over",
                                   "tmigr-2017",
                                   sim::ChangeKind::kFix,
                                   "",
                                   {},
                                   {},
                                   "docs/spec/tmigr-2017.md 11.7, 8.2",
                                   "when the last active CPU goes off-line nobody is armed for the first event"},
                                  &Tmigr2017Changes::duty_handed_over},
    sim::Change<Tmigr2017Changes>{{"TM17 11.8",
                                   "levels-grow",
                                   "tmigr-2017",
                                   sim::ChangeKind::kFix,
                                   "",
                                   {},
                                   {},
                                   "docs/spec/tmigr-2017.md 11.8",
                                   "with CPUs unevenly spread over nodes the set-up uses a level that does not exist"},
                                  &Tmigr2017Changes::levels_grow},
    sim::Change<Tmigr2017Changes>{{"TMIGR17-07",
                                   "one-runner",
                                   "tmigr-2017",
                                   sim::ChangeKind::kFix,
                                   "",
                                   {},
                                   {},
                                   "docs/spec/tmigr-2017.md 11.10; known-bugs.md TMIGR17-07",
                                   "two CPUs run one base, and a delete that waits returns while the callback runs"},
                                  &Tmigr2017Changes::one_runner},
    sim::Change<Tmigr2017Changes>{
        {"TM17 11.11",
         "gap-closed",
         "tmigr-2017",
         sim::ChangeKind::kFix,
         "",
         kRequiresShownEvents,
         {},
         "docs/spec/tmigr-2017.md 11.11",
         "a timer that is armed after a CPU looked at its timers, and before the hierarchy knows, is shown to nobody"},
        &Tmigr2017Changes::gap_closed},
    sim::Change<Tmigr2017Changes>{
        {"TM17 11.13",
         "enabled-first",
         "tmigr-2017",
         sim::ChangeKind::kFix,
         "",
         kRequiresLeafChecked,
         {},
         "docs/spec/tmigr-2017.md 11.13, 3.5",
         "CPUs that join while the hierarchy is not enabled leave timers to CPUs that run none"},
        &Tmigr2017Changes::enabled_first},
    sim::Change<Tmigr2017Changes>{{"TM17 11.17",
                                   "switch-evaluated-again",
                                   "tmigr-2017",
                                   sim::ChangeKind::kFix,
                                   "",
                                   {},
                                   {},
                                   "docs/spec/tmigr-2017.md 11.17; linux-push-placement.md 2.4",
                                   "no high-resolution timer is pushed until the sysctl timer_migration is written"},
                                  &Tmigr2017Changes::switch_evaluated_again},
};

}  // namespace ticklab::linux_::tmigr2017
