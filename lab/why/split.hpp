// A timer's lateness, split into named parts that add up to it exactly.
//
// Rules
//  (1) The span from the instant that was asked for to the start of the callback is cut wherever something changes, and
//      each piece belongs to one part. So the sum is exact by construction.
//  (2) Before the timer was armed: `set late`.
//  (3) While the CPU's kernel leaves its timers alone (RecordRole::kRest): `rest`. The responsible CPU is the one
//      whose queue the timer lies in (RecordRole::kArmed, kQueued), at last the one that runs the callback. Once the
//      hardware has fired that led to the pass, wherever that was, it is the CPU which acts next in the chain from
//      there to the pass.
//  (4) While the deadline that this CPU published since the timer came to it lies ahead: `slack`, beyond the promise
//      `late aim`, until the pass begins, but not while the CPU is in the middle of another pass. A deadline published
//      earlier counts as long as the CPU rests and nothing is on its way to it. Where the kernel publishes none, the
//      local APIC timer's next event stands for it.
//  (5) Else it is what that CPU is doing: stalled or held: `fault`; off-line: `migration`; waiting for a spin lock:
//      `lock wait`; in an interrupt: `interrupt` if it led to the pass, else `other interrupts`; in the callback of
//      another timer or in an earlier one of this: `callbacks`; in another kind of softirq: `other softirqs`.
//  (6) In a pass: `kernel`, but `hardware` in a pass before the one that ran the timer, if the hardware that raised it
//      had fired before its deadline.
//  (7) Idle with an interrupt pending, or within the exit latency: `idle exit`. In thread-level code with an interrupt
//      pending: `interrupts off`.
//  (8) Elsewhere outside interrupts and softirqs, an interrupt on its way: `interrupt` for as long as an undisturbed
//      message may take, beyond that `fault`; after the loss of one by a fault: `fault`; before the hardware fired that
//      led to the pass, or that is armed: `hardware`, but `fault` for as long as its CPU was stalled or held between
//      publishing the deadline and programming it.
//  (9) A comparator's write came from the CPU that published the deadline, or from a handler: its delay is what
//      that CPU stood still since; twice as much if a first attempt came too late, since it is repeated with a longer
//      span.
//  (10) A CPU that sleeps with its local timer stopped, and nothing on its way to it, depends on the comparators of the
//      HPET: from a match to the end of its handler the CPU acts that takes the interrupt.
//  (11) What is left: in the idle thread `kernel`, in other threads `threads`, asleep or in user mode `unattended`.
//      What is older than the log: `not kept`.
#pragma once

#include <array>
#include <vector>

#include "ticklab/lab/obligations.hpp"
#include "ticklab/lab/why/activity_log.hpp"
#include "ticklab/lab/why/parts.hpp"

namespace ticklab::lab {

/// What the time from `from` to `to` went to, and what `cpu` was doing then.
struct LatenessPiece {
    sim::Time from;
    sim::Time to;
    LatenessPart part;
    sim::CpuId cpu;
    CpuFrame frame;
};

struct LatenessSplit {
    Firing firing;
    std::vector<LatenessPiece> pieces;  ///< ascending, without gaps; none if the timer was not late
    sim::RecordId pass;                 ///< begin of the softirq that ran the callback; none if there was no such frame
    /// Longest first; parts that took no time are left out.
    std::vector<std::pair<LatenessPart, sim::Duration>> by_part() const;
    sim::Duration lateness() const { return firing.at - firing.requested(); }
};

/// `timer` is the object of firing.timer. To be called when the log has come to the record of the firing.
LatenessSplit split_lateness(const ActivityLog& log, const Firing& firing, std::uint64_t timer);

}  // namespace ticklab::lab
