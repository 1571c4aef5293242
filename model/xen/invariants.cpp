#include "ticklab/model/xen/invariants.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/xen/broadcast_channel.hpp"
#include "ticklab/model/xen/checks.hpp"
#include "ticklab/model/xen/timers.hpp"

namespace ticklab::xen {
namespace {

std::string name_of(const Timers& timers, const Timer& t) {
    return std::string(timers.machine().records().name(t.object));
}

// Links of a timer, as bits, against the one that its status asks for.
std::optional<Broken> misplaced(const Timers& timers, const TimerBase& base, const Timer& t, TimerStatus expected) {
    if (t.status != expected)
        return Broken{&checks::kMembership,
                      fmt::format("timer {} of status {} is linked where only {} belongs, on CPU {}",
                                  name_of(timers, t), status_name(t.status), status_name(expected), base.cpu)};
    if (t.cpu.peek() != base.cpu)
        return Broken{&checks::kMembership, fmt::format("timer {} of CPU {} is linked on CPU {}", name_of(timers, t),
                                                        t.cpu.peek(), base.cpu)};
    const int links = (t.heap_index != 0) + t.list_hook.is_linked() + t.inactive_hook.is_linked();
    if (links != 1)
        return Broken{&checks::kMembership, fmt::format("timer {} is linked in {} places", name_of(timers, t), links)};
    return std::nullopt;
}

std::optional<Broken> check_heap(const Timers& timers, const TimerBase& base) {
    const TimerHeap& heap = base.heap;
    if (heap.size() > heap.limit())
        return Broken{&checks::kHeap,
                      fmt::format("CPU {}: {} timers in a heap of limit {}", base.cpu, heap.size(), heap.limit())};
    for (std::uint32_t i = 1; i <= heap.size(); ++i) {
        const Timer& t = heap.at(i);
        if (t.heap_index != i)
            return Broken{&checks::kHeap, fmt::format("CPU {}: timer {} in slot {} says {}", base.cpu,
                                                      name_of(timers, t), i, t.heap_index)};
        if (auto broken = misplaced(timers, base, t, TimerStatus::kInHeap))
            return broken;
        const Timer& parent = heap.at(std::max(i / 2, 1u));
        if (parent.expires > t.expires)
            return Broken{&checks::kHeap,
                          fmt::format("CPU {}: timer {} for {} ns is above {} for {} ns", base.cpu,
                                      name_of(timers, parent), ns(parent.expires), name_of(timers, t), ns(t.expires))};
    }
    return std::nullopt;
}

// Whether `t` may run anywhere in the published range, as a member of the group.
std::optional<Broken> check_member(const Timers& timers, const TimerBase& base, const Timer& t) {
    // A start of 0 is published as 1 (XT-D6).
    if (t.expires <= base.deadline_start.peek() && std::max(t.expires_end, stime_at(1)) >= base.deadline_end.peek())
        return std::nullopt;
    return Broken{&checks::kGroup, fmt::format("CPU {}: timer {} may run in {} .. {} ns, published is {} .. {} ns",
                                               base.cpu, name_of(timers, t), ns(t.expires), ns(t.expires_end),
                                               ns(base.deadline_start.peek()), ns(base.deadline_end.peek()))};
}

std::optional<Broken> check_ready(const Timers& timers, const TimerBase& base) {
    for (const Timer& t : base.ready) {
        if (auto broken = misplaced(timers, base, t, TimerStatus::kInReady))
            return broken;
        if (!base.in_pass)
            if (auto broken = check_member(timers, base, t))
                return broken;
    }
    return std::nullopt;
}

std::optional<Broken> check_list(const Timers& timers, const TimerBase& base) {
    const Timer* before = nullptr;
    const bool group =
        timers.parameters().policy->group == GroupPlace::kOverflowList && !base.overflow.peek() && !base.in_pass;
    for (const Timer& t : base.list) {
        if (auto broken = misplaced(timers, base, t, TimerStatus::kInList))
            return broken;
        if (before && before->expires > t.expires)
            return Broken{&checks::kList, fmt::format("CPU {}: timer {} for {} ns is in front of {} for {} ns",
                                                      base.cpu, name_of(timers, *before), ns(before->expires),
                                                      name_of(timers, t), ns(t.expires))};
        before = &t;
        if (group)
            if (auto broken = check_member(timers, base, t))
                return broken;
    }
    return std::nullopt;
}

std::optional<Broken> check_deadline(const Timers& timers, const TimerBase& base) {
    if (base.deadline_start.peek() != base.published_start || base.deadline_end.peek() != base.published_end)
        return Broken{
            &checks::kForeignDeadline,
            fmt::format("CPU {}: published {} .. {} ns, found {} .. {} ns", base.cpu, ns(base.published_start),
                        ns(base.published_end), ns(base.deadline_start.peek()), ns(base.deadline_end.peek()))};
    if (!timers.machine().cpu(base.cpu).online() || base.in_pass || base.raise_owed || base.handing_over ||
        timers.softirqs().will_run(base.cpu, SoftirqNumber::kTimer))
        return std::nullopt;
    if (base.heap.empty() && base.list.empty() && base.ready.empty())
        return std::nullopt;
    const TimerParameters& p = timers.parameters();
    const Stime wanted_by = std::max(p.policy->wanted_by(base, p.slop), stime_at(1));
    if (base.armed_for != kNoDeadline && base.armed_for <= wanted_by)
        return std::nullopt;
    // Or the CPU is asleep, and a broadcast channel will wake it (HP 9).
    if (base.broadcast && (base.broadcast->handlers != 0 || base.broadcast->armed_for <= wanted_by))
        return std::nullopt;
    return Broken{
        &checks::kLostDeadline,
        fmt::format("CPU {}: a timer is wanted by {} ns, the hardware is {}", base.cpu, ns(wanted_by),
                    base.armed_for == kNoDeadline ? "stopped" : fmt::format("armed for {} ns", ns(base.armed_for)))};
}

}  // namespace

std::optional<Broken> check_base(const Timers& timers, const TimerBase& base) {
    if (auto broken = check_heap(timers, base))
        return broken;
    if (auto broken = check_list(timers, base))
        return broken;
    if (auto broken = check_ready(timers, base))
        return broken;
    for (const Timer& t : base.inactive)
        if (auto broken = misplaced(timers, base, t, TimerStatus::kInactive))
            return broken;
    if (base.running.peek() && !base.in_pass)
        return Broken{&checks::kRunning,
                      fmt::format("CPU {}: timer {}", base.cpu, name_of(timers, *base.running.peek()))};
    return check_deadline(timers, base);
}

std::optional<Broken> check_quiet(const Timers& timers) {
    std::int64_t linked = 0;
    for (sim::CpuId c = 0; c < timers.cpu_count(); ++c) {
        const TimerBase& base = timers.base(c);
        if (auto broken = check_base(timers, base))
            return broken;
        linked +=
            static_cast<std::int64_t>(base.heap.size() + base.list.size() + base.ready.size() + base.inactive.size());
    }
    linked += timers.unlisted_timers();
    if (linked != timers.live_timers())
        return Broken{&checks::kConservation, fmt::format("{} timers are linked, {} were initialised and not killed",
                                                          linked, timers.live_timers())};
    return std::nullopt;
}

std::optional<Broken> check_drained(const TimerBase& victim) {
    if (victim.heap.empty() && victim.list.empty() && victim.ready.empty() && victim.inactive.empty())
        return std::nullopt;
    return Broken{&checks::kDrainLeft,
                  fmt::format("CPU {}: {} in the heap, {} on the list, {} ready, {} inactive", victim.cpu,
                              victim.heap.size(), victim.list.size(), victim.ready.size(), victim.inactive.size())};
}

}  // namespace ticklab::xen
