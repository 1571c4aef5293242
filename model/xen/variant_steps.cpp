#include "ticklab/model/xen/variant_steps.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/records.hpp"

namespace ticklab::xen::steps {
namespace {

bool is_due(const Pass& pass, const Timer& t) {
    const TimerParameters& p = pass.timers.parameters();
    return p.policy->due(t, pass.now, p.slop);
}

// What does not fit the heap goes back to the list that is being emptied.
void add_list_again_in_place(Pass& pass) {
    for (std::uint64_t turns = 0; !pass.base.list.empty(); ++turns) {
        if (turns == pass.timers.parameters().pass_budget)
            pass.cpu.fail(checks::kEndlessPass, fmt::format("the list of CPU {} is put back for ever", pass.base.cpu));
        Timer& t = pass.base.list.pop_front();
        t.status = TimerStatus::kInvalid;
        (void)pass.timers.enqueue(pass.cpu, pass.base, t);
    }
}

void keep_on_list(TimerBase& base, Timer& t) {
    t.status = TimerStatus::kInList;
    base.list.append(t);
}

}  // namespace

bool due_after_expiry(const Timer& t, Stime now, StimeSpan) { return t.expires < now; }

Stime range_of_slop(Stime when, StimeSpan slop) { return saturating_add(when, slop); }
Stime no_range(Stime when, StimeSpan) { return when; }

void set_overflow_flag(sim::Cpu& cpu, TimerBase& base) { base.overflow.write_once(cpu, true); }
void no_overflow_flag(sim::Cpu&, TimerBase&) {}
bool overflow_flag(sim::Cpu& cpu, TimerBase& base) { return base.overflow.read_once(cpu); }
bool list_not_empty(sim::Cpu&, TimerBase& base) { return !base.list.empty(); }

void execute_heap(Pass& pass) {
    while (!pass.base.heap.empty() && is_due(pass, pass.base.heap.top()))
        pass.timers.execute(pass, pass.timers.take_top(pass.cpu, pass.base));
}

void execute_list(Pass& pass) {
    while (!pass.base.list.empty() && is_due(pass, pass.base.list.front()))
        pass.timers.execute(pass, pass.timers.take_list_head(pass.cpu, pass.base));
}

void add_list_again(Pass& pass) {
    if (!pass.timers.parameters().changes.list_detached)
        return add_list_again_in_place(pass);
    // The whole list is detached first: what does not fit the heap comes back to it.
    TimerList detached;
    detached.take_all(pass.base.list);
    while (!detached.empty()) {
        Timer& t = detached.pop_front();
        t.status = TimerStatus::kInvalid;
        (void)pass.timers.enqueue(pass.cpu, pass.base, t);
    }
}

void add_list_again_and_note(Pass& pass) {
    add_list_again(pass);
    pass.base.overflow.write_once(pass.cpu, !pass.base.list.empty());
}

const Timer* first_to_expire(const TimerBase& base) {
    const Timer* first = base.list.empty() ? nullptr : &base.list.front();
    if (!base.heap.empty() && (!first || base.heap.top().expires < first->expires))
        first = &base.heap.top();
    return first;
}

Stime clamped(Stime deadline) { return deadline == kNoDeadline ? stime_at(1) : deadline; }

Deadline single(const Timer* t, Stime at) {
    if (!t)
        return {};
    const Stime deadline = clamped(at);
    return {deadline, deadline, deadline, 0, t->armed_by};
}

Deadline intersect(Pass& pass, void (*keep)(TimerBase&, Timer&)) {
    TimerBase& base = pass.base;
    Deadline d;
    while (!base.heap.empty() && base.heap.top().expires <= d.end) {
        Timer& t = pass.timers.take_top(pass.cpu, base);
        keep(base, t);
        pass.cpu.record(kGroupMemberRecord, t.object);
        d.start = t.expires;
        d.cause = t.armed_by;
        d.end = std::min(d.end, t.expires_end);
        ++d.size;
    }
    base.counters.group_sizes.add(d.size);
    if (d.size != 0)
        d.start = clamped(d.start);
    d.end = std::max(d.end, d.start);
    d.hardware = d.start;
    return d;
}

Deadline group_on_list(Pass& pass) {
    if (pass.base.list.empty())
        return intersect(pass, keep_on_list);
    // The heap was full: no group, the list is in use for what did not fit.
    const Timer* const first = first_to_expire(pass.base);
    return single(first, first->expires);
}

Stime first_range_end(const TimerBase& base, StimeSpan) {
    Stime end = kStimeMax;
    for (std::uint32_t i = 1; i <= base.heap.size(); ++i)
        end = std::min(end, base.heap.at(i).expires_end);
    for (const TimerList* const list : {&base.list, &base.ready})
        for (const Timer& t : *list)
            end = std::min(end, t.expires_end);
    return end;
}

Stime earliest_at_expiry(Stime when, StimeSpan) { return when; }

Stime latest_within_slop(Stime when, Stime now, StimeSpan slop) { return std::max(saturating_add(when, slop), now); }

}  // namespace ticklab::xen::steps
