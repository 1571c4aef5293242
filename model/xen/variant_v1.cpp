// V1: range timers as they were for five weeks of 2008 (XT-F1). The hardware fires at the start of the common range,
// the execution test waits for the end of a timer's own: between the two, each pass finds nothing and asks for another.
#include "ticklab/model/xen/variant_steps.hpp"

namespace ticklab::xen {
namespace {

bool due(const Timer& t, Stime now, StimeSpan) { return t.expires_end < now; }

}  // namespace

constinit const VariantPolicy kVariantV1{"V1",
                                         due,
                                         steps::range_of_slop,
                                         steps::set_overflow_flag,
                                         steps::overflow_flag,
                                         steps::kStepsOf2008,
                                         steps::group_on_list,
                                         GroupPlace::kOverflowList,
                                         steps::first_range_end,
                                         steps::earliest_at_expiry,
                                         steps::latest_within_slop};

}  // namespace ticklab::xen
