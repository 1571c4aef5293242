// What each CPU has for its timers (XT 1.2).
//
// Rules
//  (1) `lock` guards heap, list and inactive list, and is taken with interrupts disabled. Of two bases the one with
//      the lower CPU number is locked first (XT 3.1).
//  (2) The array behind `heap` is replaced by the owner only, in its timer softirq: there it stays valid without
//      the lock. (3) `overflow` is read by the owner without the lock: an update that it misses is seen at its next
//      pass (XT 1.4). (4) `running` is polled by kills on other CPUs without the lock (XT 1.7). (5) The published
//      deadline is written by the owner alone, in its timer softirq; whoever else reads it may read an old one.
#pragma once

#include <string>

#include "ticklab/model/xen/counters.hpp"
#include "ticklab/model/xen/inactive_list.hpp"
#include "ticklab/model/xen/timer_heap.hpp"
#include "ticklab/model/xen/timer_list.hpp"
#include "ticklab/sim/happens_before.hpp"
#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::xen {

/// Stands for the memory of a CPU's base that goes with the CPU: whoever uses the base after that touches it.
struct TimerArea {
    sim::LiveMark live;
};

class BroadcastChannel;

struct TimerBase {
    TimerBase(sim::Machine& machine, sim::LockClass& lock_class, sim::CpuId owner)
        : cpu(owner), lock(machine, lock_class, "timer base " + std::to_string(owner)) {}

    const sim::CpuId cpu;
    sim::SpinLock lock;
    TimerHeap heap;
    /// Overflow list; in V1 and V2 also the group that the deadline stands for.
    TimerList list;
    /// VR: the group that the deadline stands for.
    TimerList ready;
    InactiveList inactive;
    /// An insertion did not fit the heap since the last pass (V1, V2).
    sim::Shared<bool> overflow{false};
    /// Timer whose callback runs on this CPU now.
    sim::Shared<Timer*> running{nullptr};
    sim::Shared<Stime> deadline_start{kNoDeadline};
    sim::Shared<Stime> deadline_end{kStimeMax};
    /// Allocated in UP_PREPARE. When the CPU is gone it is freed and still pointed to, as by whoever comes too late.
    TimerArea* area = nullptr;
    /// From UP_PREPARE until `area` is freed: timers may be given to this CPU.
    bool initialised = false;

    /// The softirq's action is under way on the owner.
    bool in_pass = false;
    /// What the hardware was last programmed for and has not signalled yet; kNoDeadline for nothing. For XT-I7.
    Stime armed_for = kNoDeadline;
    /// A drain to this CPU has released the lock and is about to raise the softirq (XT 10.3 step 5). For XT-I7.
    bool raise_owed = false;
    /// The CPU sleeps in this channel's set, its local timer stopped. For XT-I7.
    const BroadcastChannel* broadcast = nullptr;
    /// The owner is handing its deadline from its local timer to a channel or back, interrupts off. For XT-I7.
    bool handing_over = false;
    /// Who asked for the published deadline.
    sim::Cause deadline_cause;
    /// What the owner published last. For XT-I10.
    Stime published_start = kNoDeadline;
    Stime published_end = kStimeMax;
    /// It is known that the heap cannot grow any more.
    bool limit_noted = false;
    std::uint32_t releases_since_check = 0;
    TimerCounters counters;
};

}  // namespace ticklab::xen
