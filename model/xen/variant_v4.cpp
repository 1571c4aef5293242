// V4: from May 2014 (XT 7.4). One deadline, the earliest timer but not before slop from now: interrupts are at least
// slop apart, and a timer alone that is set further ahead is on time.
#include <algorithm>

#include "ticklab/model/xen/variant_steps.hpp"

namespace ticklab::xen {
namespace {

Deadline compute_deadline(Pass& pass) {
    const Timer* const first = steps::first_to_expire(pass.base);
    if (!first)
        return {};
    // A fresh sample: callbacks took their time.
    const Stime soonest = saturating_add(pass.timers.time().now(pass.cpu), pass.timers.parameters().slop);
    return steps::single(first, std::max(first->expires, soonest));
}

// How late the deadline may be depends on when it was computed, so what was published is the bound.
Stime wanted_by(const TimerBase& base, StimeSpan) {
    return steps::first_to_expire(base) ? base.deadline_start.peek() : kStimeMax;
}

// A timer that is set in the past, or in the slop that a published deadline still has to run, waits for that deadline
// unless it is the first (XT-P2).
Stime latest(Stime when, Stime now, StimeSpan slop) { return saturating_add(std::max(when, now), slop); }

}  // namespace

constinit const VariantPolicy kVariantV4{"V4",
                                         steps::due_after_expiry,
                                         steps::no_range,
                                         steps::no_overflow_flag,
                                         steps::list_not_empty,
                                         steps::kStepsSince2010,
                                         compute_deadline,
                                         GroupPlace::kNone,
                                         wanted_by,
                                         steps::earliest_at_expiry,
                                         latest};

}  // namespace ticklab::xen
