// VR: the proposal of October 2008 (XT 7.3). The group waits on a ready list of its own, and the hardware is programmed
// for the middle of its range; each pass puts the group back before it looks for what is due (XT-D8).
#include "ticklab/model/xen/variant_steps.hpp"

namespace ticklab::xen {
namespace {

// XT-D3: the mail does not say; "at or after" is the reading with which a timer may run at its time.
bool due(const Timer& t, Stime now, StimeSpan) { return t.expires <= now; }

bool wants_growth(sim::Cpu&, TimerBase& base) {
    return !base.list.empty() || base.heap.size() + base.ready.size() > base.heap.limit();
}

void put_ready_list_back(Pass& pass) {
    while (!pass.base.ready.empty()) {
        Timer& t = pass.base.ready.pop_front();
        t.status = TimerStatus::kInvalid;
        (void)pass.timers.enqueue(pass.cpu, pass.base, t);
    }
}

void keep_ready(TimerBase& base, Timer& t) {
    t.status = TimerStatus::kInReady;
    base.ready.push_front(t);
}

Deadline compute_deadline(Pass& pass) {
    Deadline d;
    if (pass.base.list.empty()) {
        d = steps::intersect(pass, keep_ready);
    } else {
        const Timer* const first = steps::first_to_expire(pass.base);
        d = steps::single(first, first->expires);
    }
    if (d.start != kNoDeadline)
        d.hardware = d.start + (d.end - d.start) / 2;
    return d;
}

Stime earliest(Stime when, StimeSpan) { return when == Stime::min() ? when : when - StimeSpan{1}; }

constexpr std::array<void (*)(Pass&), 4> kSteps{steps::add_list_again, put_ready_list_back, steps::execute_heap,
                                                steps::execute_list};

}  // namespace

constinit const VariantPolicy kVariantVR{"VR",
                                         due,
                                         steps::range_of_slop,
                                         steps::no_overflow_flag,
                                         wants_growth,
                                         kSteps,
                                         compute_deadline,
                                         GroupPlace::kReadyList,
                                         steps::first_range_end,
                                         earliest,
                                         steps::latest_within_slop};

}  // namespace ticklab::xen
