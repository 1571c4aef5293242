// V3: from August 2010 to May 2014 (XT 7.4). One deadline, slop after the earliest timer: alone, it is always that
// late.
#include "ticklab/model/xen/variant_steps.hpp"

namespace ticklab::xen {
namespace {

Deadline compute_deadline(Pass& pass) {
    const Timer* const first = steps::first_to_expire(pass.base);
    return steps::single(first, first ? saturating_add(first->expires, pass.timers.parameters().slop) : kNoDeadline);
}

Stime wanted_by(const TimerBase& base, StimeSpan slop) {
    const Timer* const first = steps::first_to_expire(base);
    return first ? saturating_add(first->expires, slop) : kStimeMax;
}

}  // namespace

constinit const VariantPolicy kVariantV3{"V3",
                                         steps::due_after_expiry,
                                         steps::no_range,
                                         steps::no_overflow_flag,
                                         steps::list_not_empty,
                                         steps::kStepsSince2010,
                                         compute_deadline,
                                         GroupPlace::kNone,
                                         wanted_by,
                                         steps::earliest_at_expiry,
                                         steps::latest_within_slop};

}  // namespace ticklab::xen
