// The list of all timers that a CPU owns and that are not queued (XT 1.6): when the CPU goes away, they get a living
// owner too. Order is irrelevant; insertion is at the head. Before June 2010 there was no such list (XEN-19).
#pragma once

#include <boost/intrusive/list.hpp>

#include "ticklab/model/xen/timer.hpp"

namespace ticklab::xen {

using InactiveList =
    boost::intrusive::list<Timer,
                           boost::intrusive::member_hook<Timer, decltype(Timer::inactive_hook), &Timer::inactive_hook>>;

/// Whether inactive timers are on a list, as `track_inactive` says (XT 0).
struct InactiveTracking {
    void (*link)(InactiveList& list, Timer& t);
    void (*unlink)(InactiveList& list, Timer& t);
    /// A drained CPU owns no timer, so its base can go; a timer's memory can be reused after kill only.
    bool complete;
};

/// C2010 and later.
inline constexpr InactiveTracking kInactiveTracked{
    [](InactiveList& list, Timer& t) { list.push_front(t); },
    [](InactiveList& list, Timer& t) { list.erase(list.iterator_to(t)); }, true};
/// Before: an inactive timer is nowhere, may be initialised again, and keeps pointing at a CPU that is gone (XT-F12).
inline constexpr InactiveTracking kInactiveNowhere{[](InactiveList&, Timer&) {}, [](InactiveList&, Timer&) {}, false};

}  // namespace ticklab::xen
