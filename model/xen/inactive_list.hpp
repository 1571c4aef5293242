// The list of all timers that a CPU owns and that are not queued (XT 1.6): when the CPU goes away, they get a living
// owner too. Order is irrelevant; insertion is at the head.
#pragma once

#include <boost/intrusive/list.hpp>

#include "ticklab/model/xen/timer.hpp"

namespace ticklab::xen {

using InactiveList =
    boost::intrusive::list<Timer,
                           boost::intrusive::member_hook<Timer, decltype(Timer::inactive_hook), &Timer::inactive_hook>>;

}  // namespace ticklab::xen
