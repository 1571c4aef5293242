// V2: range timers as from December 2008 to August 2010 (XT 6, 7.2).
#include <algorithm>

#include "ticklab/model/xen/records.hpp"
#include "ticklab/model/xen/timers.hpp"
#include "ticklab/model/xen/variant.hpp"

namespace ticklab::xen {
namespace {

// Strictly: a timer for this very nanosecond waits for the next pass.
bool due(const Timer& t, Stime now, StimeSpan) { return t.expires < now; }

Stime range_end(Stime when, StimeSpan slop) { return saturating_add(when, slop); }

void note_overflow(sim::Cpu& cpu, TimerBase& base) { base.overflow.write_once(cpu, true); }

bool wants_growth(sim::Cpu& cpu, TimerBase& base) { return base.overflow.read_once(cpu); }

bool is_due(const Pass& pass, const Timer& t) {
    const TimerParameters& p = pass.timers.parameters();
    return p.policy->due(t, pass.now, p.slop);
}

void execute_heap(Pass& pass) {
    while (!pass.base.heap.empty() && is_due(pass, pass.base.heap.top()))
        pass.timers.execute(pass, pass.timers.take_top(pass.cpu, pass.base));
}

void execute_list(Pass& pass) {
    while (!pass.base.list.empty() && is_due(pass, pass.base.list.front()))
        pass.timers.execute(pass, pass.timers.take_list_head(pass.cpu, pass.base));
}

void add_list_again(Pass& pass) {
    // The whole list is detached first: what does not fit the heap comes back to it.
    OverflowList detached;
    detached.take_all(pass.base.list);
    while (!detached.empty()) {
        Timer& t = detached.pop_front();
        t.status = TimerStatus::kInvalid;
        (void)pass.timers.enqueue(pass.cpu, pass.base, t);
    }
    pass.base.overflow.write_once(pass.cpu, !pass.base.list.empty());
}

Deadline compute_deadline(Pass& pass) {
    TimerBase& base = pass.base;
    Deadline d;
    const auto adopt = [&d](const Timer& t) {
        d.start = t.expires;
        d.cause = t.armed_by;
    };
    if (!base.list.empty()) {
        // The heap was full: no group, the list is in use for what did not fit.
        adopt(base.list.front());
        if (!base.heap.empty() && base.heap.top().expires < d.start)
            adopt(base.heap.top());
        d.end = d.start;
    } else {
        while (!base.heap.empty() && base.heap.top().expires <= d.end) {
            Timer& t = pass.timers.take_top(pass.cpu, base);
            t.status = TimerStatus::kInList;
            base.list.append(t);
            pass.cpu.record(kGroupMemberRecord, t.object);
            adopt(t);
            d.end = std::min(d.end, t.expires_end);
            ++d.size;
        }
        base.counters.group_sizes.add(d.size);
    }
    const bool any = !base.list.empty();
    // 0 means "none" in a deadline (XT-D6).
    if (any && d.start == kNoDeadline)
        d.start = stime_at(1);
    d.end = std::max(d.end, d.start);
    return d;
}

Stime latest(Stime when, Stime now, StimeSpan slop) { return std::max(saturating_add(when, slop), now); }

constexpr std::array<void (*)(Pass&), 3> kSteps{execute_heap, execute_list, add_list_again};

}  // namespace

constinit const VariantPolicy kVariantV2{"V2",         due,    range_end,        note_overflow,
                                         wants_growth, kSteps, compute_deadline, latest};

const VariantPolicy* find_variant(std::string_view name) { return name == kVariantV2.name ? &kVariantV2 : nullptr; }

}  // namespace ticklab::xen
