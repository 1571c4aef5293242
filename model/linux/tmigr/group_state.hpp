// The state word of a group: who below it is active, and who of them is responsible (TMM 2.1).
#pragma once

#include <bit>
#include <cstdint>

namespace ticklab::linux_::tmigr {

/// One bit a child slot.
using ChildMask = std::uint8_t;
inline constexpr unsigned kMaxChildren = 8;
/// The migrator of a group without an active child.
inline constexpr ChildMask kNoMigrator = 0xff;

struct GroupState {
    ChildMask active = 0;
    ChildMask migrator = kNoMigrator;
    std::uint16_t seq = 0;  ///< changes with every change of the word, so that no old value comes back (TMM 7.4)

    static constexpr GroupState unpack(std::uint32_t word) {
        return {static_cast<ChildMask>(word), static_cast<ChildMask>(word >> 8),
                static_cast<std::uint16_t>(word >> 16)};
    }
    constexpr std::uint32_t pack() const {
        return static_cast<std::uint32_t>(active) | static_cast<std::uint32_t>(migrator) << 8 |
               static_cast<std::uint32_t>(seq) << 16;
    }
    /// M2: a migrator is one active child, and there is one exactly if a child is active.
    constexpr bool consistent() const {
        return active == 0 ? migrator == kNoMigrator : std::has_single_bit(migrator) && (migrator & active) != 0;
    }
    friend constexpr bool operator==(const GroupState&, const GroupState&) = default;
};
static_assert(GroupState::unpack(GroupState{0x12, 0x10, 0xfffe}.pack()) == GroupState{0x12, 0x10, 0xfffe});

constexpr ChildMask lowest_bit(ChildMask mask) { return static_cast<ChildMask>(mask & -mask); }

/// What the exchange of an activation makes of a state; `seq` as it was (TMM 6.2).
constexpr GroupState activated(GroupState state, ChildMask child) {
    if (state.migrator == kNoMigrator)
        state.migrator = child;
    state.active |= child;
    return state;
}

/// What the exchange of a deactivation makes of it, if the child is found active or not; `seq` as it was (TMM 7.2).
constexpr GroupState deactivated(GroupState state, ChildMask child, bool child_active) {
    if (child_active)
        return state;
    state.active &= static_cast<ChildMask>(~child);
    if (state.migrator == child)
        state.migrator = state.active != 0 ? lowest_bit(state.active) : kNoMigrator;
    return state;
}

}  // namespace ticklab::linux_::tmigr
