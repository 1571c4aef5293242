// Steps and answers that several eras of the timer core share (XT 6, 7). A variant's file names those it is made of.
//
// Rules
//  (1) Steps run inside a pass, with the base's lock held.
//  (2) What only one era does stands in that era's file.
#pragma once

#include "ticklab/model/xen/timers.hpp"
#include "ticklab/model/xen/variant.hpp"

namespace ticklab::xen::steps {

/// Strictly: a timer for this very nanosecond waits for the next pass (XT 6).
bool due_after_expiry(const Timer& t, Stime now, StimeSpan slop);

/// Ranges end slop after they start (XT-D2).
Stime range_of_slop(Stime when, StimeSpan slop);
/// No range is stored.
Stime no_range(Stime when, StimeSpan slop);

/// The flag that tells a full heap from a list that holds a group (XT 1.2).
void set_overflow_flag(sim::Cpu& cpu, TimerBase& base);
void no_overflow_flag(sim::Cpu& cpu, TimerBase& base);
bool overflow_flag(sim::Cpu& cpu, TimerBase& base);
bool list_not_empty(sim::Cpu& cpu, TimerBase& base);

/// XT 6 step 3.
void execute_heap(Pass& pass);
/// XT 6 step 4.
void execute_list(Pass& pass);
/// XT 6 step 5: enqueues the members of the overflow list again.
void add_list_again(Pass& pass);
/// The same, and XT 6 step 6.
void add_list_again_and_note(Pass& pass);
inline constexpr std::array<void (*)(Pass&), 3> kStepsOf2008{execute_heap, execute_list, add_list_again_and_note};
inline constexpr std::array<void (*)(Pass&), 3> kStepsSince2010{execute_heap, execute_list, add_list_again};

/// The queued timer that expires first; null if there is none.
const Timer* first_to_expire(const TimerBase& base);
/// XT 7.2: moves the longest prefix of timers whose ranges have a point in common to the list, and publishes these
/// points. Where the list holds an overflow, the timer that expires first stands alone.
Deadline group_on_list(Pass& pass);
/// The intersection of XT 7.1: takes each member out of the heap and gives it to `keep`.
Deadline intersect(Pass& pass, void (*keep)(TimerBase& base, Timer& t));
/// The deadline for `t` alone, at `at`; no deadline if `t` is null.
Deadline single(const Timer* t, Stime at);
/// 0 means "none" in a deadline (XT-D6).
Stime clamped(Stime deadline);

/// XT-I7 of eras with ranges: the earliest end of a range.
Stime first_range_end(const TimerBase& base, StimeSpan slop);

Stime earliest_at_expiry(Stime when, StimeSpan slop);
/// Within slop, or at once where that is over.
Stime latest_within_slop(Stime when, Stime now, StimeSpan slop);

}  // namespace ticklab::xen::steps
