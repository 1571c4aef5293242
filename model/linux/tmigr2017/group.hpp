// Events, groups and CPUs of the proposal of 2017 (TM17 2).
//
// Rules
//  (1) All of a group changes under its lock; `migrator` is also read without it, and may then be stale for a tick
//      (TM17 11.16).
//  (2) Locks of groups are taken from the bottom up, and all of a walk are held together (TM17 9).
//  (3) Above the leaves a child is known by the number of the CPU that is its migrator (TM17 1).
//  (4) `groupevt` is a copy of the head of the queue; while it is queued in the parent it must not change, and no code
//      sees to that (TM17 4.1, 11.4).
//  (5) An event for kKtimeMax is never queued.
#pragma once

#include <boost/intrusive/set.hpp>
#include <set>
#include <string>

#include "ticklab/model/linux/ktime.hpp"
#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::linux_::tmigr2017 {

struct Group;

using EventHook = boost::intrusive::set_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

struct Event {
    EventHook hook;
    Ktime expires = kKtimeMax;
    /// The group it stands for; null for a CPU's.
    Group* group = nullptr;
    sim::CpuId cpu = sim::kNoCpu;
    /// The record of what queued it: cause of the expiry.
    sim::RecordId queued_by;

    bool queued() const { return hook.is_linked(); }
};

struct EarlierEvent {
    bool operator()(const Event& a, const Event& b) const { return a.expires < b.expires; }
};
using EventQueue =
    boost::intrusive::multiset<Event, boost::intrusive::member_hook<Event, EventHook, &Event::hook>,
                               boost::intrusive::compare<EarlierEvent>, boost::intrusive::constant_time_size<false>>;

/// What a group has queued, in short.
struct QueueView {
    Ktime next_expiry = kKtimeMax;
    std::uint32_t events = 0;
    sim::CpuId first_cpu = sim::kNoCpu;
    friend bool operator==(const QueueView&, const QueueView&) = default;
};

struct Group {
    Group(sim::Machine& machine, sim::LockClass& lock_class, const std::string& name, std::uint64_t object_,
          unsigned level_, std::int64_t node_)
        : lock(machine, lock_class, name), object(object_), level(level_), node(node_) {
        groupevt.group = this;
    }
    ~Group() { events.clear(); }

    sim::SpinLock lock;
    /// Index of its name in the machine's table.
    const std::uint64_t object;
    const unsigned level;
    /// -1 if it spans nodes.
    const std::int64_t node;
    unsigned active = 0;
    sim::Shared<sim::CpuId> migrator{sim::kNoCpu};
    EventQueue events;
    Event groupevt;
    /// As the last record told it.
    QueueView told;
    Group* parent = nullptr;
    /// Numbers of the CPUs that are active here.
    std::set<sim::CpuId> cpus;
    /// Never taken back. Under the set-up mutex.
    unsigned num_childs = 0;
};

struct TmigrCpu {
    TmigrCpu(sim::Machine& machine, sim::LockClass& lock_class, sim::CpuId id_)
        : id(id_), lock(machine, lock_class, "tmigr-2017 cpu " + std::to_string(id_)) {
        cpuevt.cpu = id_;
    }

    const sim::CpuId id;
    sim::SpinLock lock;
    /// Takes part. Written by the CPU itself.
    sim::Shared<bool> online{false};
    Event cpuevt;
    /// Null before its first ONLINE.
    Group* leaf = nullptr;
    /// It told the hierarchy that it is idle (TM17 2.5). The CPU's own.
    bool told_idle = false;
};

}  // namespace ticklab::linux_::tmigr2017
