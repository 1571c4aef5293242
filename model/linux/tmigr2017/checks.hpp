// What the proposal of 2017 promises (TM17 10), and what its defects break.
#pragma once

#include <array>

#include "ticklab/sim/declare.hpp"

namespace ticklab::linux_::tmigr2017::checks {

using sim::CheckDecl;

inline constexpr CheckDecl kActive{"tmigr2017.group.active",
                                   "A group counts other active children than it has, or its migrator is none of them "
                                   "(I2, I3)."};
inline constexpr CheckDecl kHead{"tmigr2017.group.head",
                                 "A group's event is not the copy of the first event that it has queued (I4)."};
inline constexpr CheckDecl kChangedQueued{"tmigr2017.group.changed_queued",
                                          "A group's event changes while it is queued in the parent (TM17 11.4)."};
inline constexpr CheckDecl kAllActive{"tmigr2017.warn.all_active",
                                      "A child of a group became active, and all were so already."};
inline constexpr CheckDecl kNullLeaf{"tmigr2017.remote.null_leaf",
                                     "A CPU that was never attached follows the null pointer to its leaf (TM17 11.3)."};
inline constexpr CheckDecl kNotShown{
    "tmigr2017.remote.not_shown",
    "After a remote expiry nobody wakes for the sleeping CPU's next global timer (TM17 11.1)."};
inline constexpr CheckDecl kEndless{"tmigr2017.remote.endless",
                                    "One pass of remote expiry queues and pops a due event for ever (TM17 11.2)."};
inline constexpr CheckDecl kNoLevel{"tmigr2017.setup.no_level",
                                    "The set-up uses a level above those that were estimated (TM17 11.8)."};
inline constexpr CheckDecl kDutyLost{
    "tmigr2017.offline.duty_lost",
    "The last active CPU goes off-line, and nobody is called for the first event of the hierarchy (TM17 11.7)."};

inline constexpr std::array kTmigr2017Checks{kActive,   kHead,    kChangedQueued, kAllActive, kNullLeaf,
                                             kNotShown, kEndless, kNoLevel,       kDutyLost};

}  // namespace ticklab::linux_::tmigr2017::checks
