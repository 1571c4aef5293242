// V2: range timers as from December 2008 to August 2010 (XT 7.2).
#include "ticklab/model/xen/variant_steps.hpp"

namespace ticklab::xen {

constinit const VariantPolicy kVariantV2{"V2",
                                         steps::due_after_expiry,
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
