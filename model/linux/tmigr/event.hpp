// What a group has queued: the first global timer of a CPU, or of a child group (TMM 2.2).
//
// Rules
//  (1) A CPU's event is queued in its leaf group, a group's event in its parent: in one queue at most.
//  (2) `expires` and `cpu` change under the lock of the group whose queue it may be in; `expires` only while it is not
//      queued there.
//  (3) `ignore` is a hint, read and written without a lock by activation: whoever next holds the lock of the queue
//      removes what is ignored (TMM 5.2, 6.3).
//  (4) Of events for one instant the one that came first is first.
#pragma once

#include <boost/intrusive/set.hpp>

#include "ticklab/model/linux/ktime.hpp"
#include "ticklab/sim/memory.hpp"

namespace ticklab::linux_::tmigr {

/// Events and queues go in any order at the end of a run: who goes first unlinks.
using EventHook = boost::intrusive::set_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

struct Event {
    EventHook hook;
    sim::Plain<Ktime> expires{kKtimeMax};
    /// The CPU whose timers are first.
    sim::Plain<sim::CpuId> cpu{0};
    sim::Shared<bool> ignore{true};
    /// The record of the update that queued it: what a remote expiry comes from.
    sim::RecordId queued_by;

    bool queued() const { return hook.is_linked(); }
};

class EventQueue {
public:
    EventQueue() = default;
    ~EventQueue() { events_.clear(); }
    EventQueue(EventQueue&&) = default;
    EventQueue(const EventQueue&) = delete;
    EventQueue& operator=(const EventQueue&) = delete;

    bool empty() const { return events_.empty(); }
    /// Null if there is none.
    Event* head() { return events_.empty() ? nullptr : &*events_.begin(); }
    void insert(Event& e) { events_.insert(e); }
    void remove(Event& e) { events_.erase(events_.iterator_to(e)); }

    auto begin() const { return events_.begin(); }
    auto end() const { return events_.end(); }

private:
    struct Earlier {
        bool operator()(const Event& a, const Event& b) const { return a.expires.peek() < b.expires.peek(); }
    };
    boost::intrusive::multiset<Event, boost::intrusive::member_hook<Event, EventHook, &Event::hook>,
                               boost::intrusive::compare<Earlier>, boost::intrusive::constant_time_size<false>>
        events_;
};

}  // namespace ticklab::linux_::tmigr
