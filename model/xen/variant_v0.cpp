// V0: before October 2008 (XT 7.5). One deadline, the earliest timer; what is due within slop runs now, so early.
#include "ticklab/model/xen/variant_steps.hpp"

namespace ticklab::xen {
namespace {

bool due(const Timer& t, Stime now, StimeSpan slop) { return t.expires < saturating_add(now, slop); }

Deadline compute_deadline(Pass& pass) {
    const Timer* const first = steps::first_to_expire(pass.base);
    return steps::single(first, first ? first->expires : kNoDeadline);
}

Stime wanted_by(const TimerBase& base, StimeSpan) {
    const Timer* const first = steps::first_to_expire(base);
    return first ? first->expires : kStimeMax;
}

Stime earliest(Stime when, StimeSpan slop) { return when - slop; }

Stime latest(Stime when, Stime now, StimeSpan) { return std::max(when, now); }

constexpr std::array<void (*)(Pass&), 3> kSteps{steps::add_list_again, steps::execute_heap, steps::execute_list};

}  // namespace

constinit const VariantPolicy kVariantV0{"V0",
                                         due,
                                         steps::no_range,
                                         steps::no_overflow_flag,
                                         steps::list_not_empty,
                                         kSteps,
                                         compute_deadline,
                                         GroupPlace::kNone,
                                         wanted_by,
                                         earliest,
                                         latest};

}  // namespace ticklab::xen
