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
    bool kick_drain_target = true;
};

inline constexpr std::array kXenChanges{
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
};

}  // namespace ticklab::xen
