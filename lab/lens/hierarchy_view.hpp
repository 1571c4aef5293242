// The migration hierarchy as its records tell it (TMM 17).
//
// Rules
//  (1) It knows what records say: a group's active children and migrator after each exchange, the next expiry and the
//      child's event after each update of a queue. An event that is popped or ignored (TMM 6.3, 9.4) leaves the picture
//      with the record that shows it: the remote expiry, or the child's activation.
//      What a remote expiry queues in a root that nobody below is awake in leaves no record (TMM 8.6) and is missing.
//  (2) A next expiry is what the last record said: that of a queue from which an event was popped is older.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/sim/record.hpp"

namespace ticklab::lab {

class HierarchyView {
public:
    static constexpr std::uint64_t kNever = INT64_MAX;

    struct Event {
        sim::CpuId cpu;  ///< whose first timer it is
        std::uint64_t expires_ns;
        friend bool operator==(const Event&, const Event&) = default;
    };
    struct Group {
        std::uint64_t object = 0;
        std::uint64_t level = 0;
        std::int64_t node = 0;
        std::uint64_t parent = 0;     ///< object; 0 for none
        std::uint64_t groupmask = 0;  ///< its bit in the parent
        std::uint64_t active = 0;
        std::uint64_t migrator = 0xff;
        std::uint64_t next_expiry_ns = kNever;
        std::map<std::uint64_t, Event> events;  ///< queued and not ignored, by the child's bit
        friend bool operator==(const Group&, const Group&) = default;
    };

    /// Whether a kind is one of the hierarchy's.
    static bool knows(const sim::RecordKind& kind);
    /// Takes a record; others than the hierarchy's are passed over. Whether the picture changed.
    bool take(const sim::Record& r);
    /// By object.
    const std::map<std::uint64_t, Group>& groups() const { return groups_; }
    /// Roots by object, each followed by what is below it, by the bits of the children.
    std::vector<const Group*> from_the_top() const;

private:
    struct Cpu {
        std::uint64_t leaf = 0;
        std::uint64_t mask = 0;
        std::uint64_t handled = 0;         ///< group whose expired events the CPU runs
        sim::CpuId expires = sim::kNoCpu;  ///< CPU whose timers it runs
    };
    Cpu& cpu(sim::CpuId id);
    void update_events(const sim::Record& r);
    /// None is queued if it never expires.
    static void set_event(Group& group, std::uint64_t child, Event event);
    void below(const Group& group, std::vector<const Group*>& list) const;

    std::map<std::uint64_t, Group> groups_;
    std::map<sim::CpuId, Cpu> cpus_;
};

}  // namespace ticklab::lab
