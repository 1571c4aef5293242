// A group of CPUs or of groups, and a CPU as the hierarchy sees it (TMM 2.3, 2.4).
//
// Rules
//  (1) `state` is under no lock: it changes by compare-exchange alone, one writer function
//      (TmigrPlacement::swap_state). Everything else that changes after publication does so under `lock`, except
//      `groupevt.ignore`.
//  (2) Lock order: base local, base global, CPU record, groups from the bottom up, of those two at most (TMM 3.1).
//  (3) `parent` goes from null to its value once. The release store of it publishes the parent and all that stands
//      above; so it is the last step of linking (TMM 13.4).
//  (4) `groupmask` is constant as soon as a walk can reach the group from below: a root has it from its creation, for
//      the parent that it may get later (TMM 13.4).
//  (5) `next_expiry` may be read without the lock, and may be early or, for a moment, none: looked at again next tick
//      (TMM 5.2, 14.5). Never late at the release of the lock (M5).
#pragma once

#include <array>
#include <limits>
#include <string>

#include "ticklab/model/linux/tmigr/event.hpp"
#include "ticklab/model/linux/tmigr/group_state.hpp"
#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::linux_::tmigr {

/// The node of a group that spans nodes.
inline constexpr std::uint32_t kNoNode = std::numeric_limits<std::uint32_t>::max();

/// Where a group is; written before it is published, unmarked.
struct GroupPlace {
    unsigned level = 0;
    std::uint32_t node = kNoNode;

    /// As the kernel prints it: -1 for none.
    std::int64_t node_number() const { return static_cast<std::int32_t>(node); }
};

/// What a group has queued, in short.
struct QueueView {
    Ktime next_expiry = kKtimeMax;
    std::uint32_t events = 0;
    sim::CpuId first_cpu = sim::kNoCpu;
    friend bool operator==(const QueueView&, const QueueView&) = default;
};

/// Memory of a group comes zeroed; init() of the set-up writes it like any other memory (TMM 15 O1).
struct Group {
    Group(sim::Machine& machine, sim::LockClass& lock_class, const std::string& name, std::uint64_t object_)
        : lock(machine, lock_class, name), object(object_), events(lock) {}

    sim::SpinLock lock;
    /// Index of its name in the machine's table.
    const std::uint64_t object;
    sim::Atomic<Group*> parent{nullptr};
    sim::Atomic<std::uint32_t> state{0};
    sim::Shared<Ktime> next_expiry{Ktime{}};
    sim::Shared<ChildMask> groupmask{0};
    sim::Plain<GroupPlace> place;
    Event groupevt;
    sim::Guarded<EventQueue> events;
    /// As the last record told it. Under `lock`.
    QueueView told;

    /// Under the set-up mutex.
    unsigned num_children = 0;
    /// Stands for its memory in the arena.
    void* memory = nullptr;
    /// Children by slot, for oracles: what a mask's bit means.
    std::array<Group*, kMaxChildren> child_groups{};
    std::array<sim::CpuId, kMaxChildren> child_cpus{};

    GroupState peek_state() const { return GroupState::unpack(state.peek()); }
};

struct TmigrCpu {
    TmigrCpu(sim::Machine& machine, sim::LockClass& lock_class, sim::CpuId id_)
        : id(id_), lock(machine, lock_class, "tmigr cpu " + std::to_string(id_)) {}

    const sim::CpuId id;
    sim::SpinLock lock;
    /// Leaf; written by the set-up before the CPU can run, or by the CPU itself.
    sim::Atomic<Group*> group{nullptr};
    sim::Shared<ChildMask> groupmask{0};
    /// Takes part. Written on this CPU under `lock`.
    sim::Shared<bool> available{false};
    /// Idle in the hierarchy's view. Written on this CPU under `lock`.
    sim::Shared<bool> idle{false};
    /// Some CPU is expiring this CPU's timers. Under `lock`.
    bool remote = false;
    /// When this idle CPU must wake for the hierarchy; kKtimeMax: no duty.
    sim::Shared<Ktime> wakeup{kKtimeMax};
    Event cpuevt;
};

}  // namespace ticklab::linux_::tmigr
