// In which order recorded exchanges and looks at groups' states took place.
//
// A record is written after the act that it tells of, and a CPU may be set aside between the two. So an act took place
// between the CPU's record before and its own one, and records of several CPUs may stand the other way round than their
// acts. What an act found is recorded: each exchange shows the group's new state, each update the states that it
// sampled; that a remote expiry went on to a group tells who was responsible below. An order in which every act finds
// what its record shows is searched for; acts are moved forward as little as possible.
//
// Rules
//  (1) Events of one CPU keep their order.
//  (2) An act goes before others that are recorded before it, never before its CPU's event before it.
//  (3) Updates hold the locks of their groups from the sample until their record is written: of two that have a
//      group in common the one that is recorded first was first (TMM 3.3, 8.2).
//  (4) Where no order is found, the recorded one stays, and the recorded state is the group's (Reordered::unsettled).
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "ticklab/lab/ftrace/ftrace_reader.hpp"
#include "ticklab/model/linux/tmigr/group_state.hpp"

namespace ticklab::lab {

/// Who is whose child, by the kernel's pointers.
class RecordedTree {
public:
    void note(const FtraceEvent& event);

    struct Place {
        std::string group;
        linux_::tmigr::ChildMask mask;
    };
    /// Null if it is not known.
    const Place* of_cpu(sim::CpuId cpu) const;
    const Place* of_group(const std::string& group) const;

private:
    std::map<sim::CpuId, Place> cpus_;
    std::map<std::string, Place, std::less<>> groups_;
};

struct Reordered {
    std::vector<const FtraceEvent*> order;
    std::size_t moved = 0;
    /// Events that show what no order explains.
    std::size_t unsettled = 0;
};

/// Of the events of a part. `tree` is the hierarchy before it, and after it then. What the groups' states are at the
/// beginning their first events say.
Reordered order_of_acts(std::span<const FtraceEvent> events, RecordedTree& tree);

}  // namespace ticklab::lab
