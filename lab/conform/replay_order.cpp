// Expiries whose record is written after another CPU has become active: in which order they are performed.
#include <algorithm>

#include "ticklab/lab/conform/replay.hpp"

namespace ticklab::lab {

using linux_::tmigr::Group;
using linux_::tmigr::TmigrCpu;
using sim::CpuId;

/// An event is popped before the record of its expiry is written. Where another CPU becomes active between the two and
/// would have had the event ignored, or would have popped it itself, the expiry goes first.
void Replay::restore_order(std::size_t i) {
    const FtraceEvent& e = event(i);
    const bool wakes = e.is("tmigr_cpu_active");
    const bool pulls = e.is("tmigr_handle_remote") || e.is("tmigr_handle_remote_cpu") || e.is("softirq_exit");
    if (!wakes && !pulls)
        return;
    for (CpuId handler = 0; handler < cpus_.size(); ++handler) {
        const std::size_t j = cpus_[handler].next;
        if (handler == e.cpu || j == kNone || j <= i || !event(j).is("tmigr_handle_remote_cpu") ||
            !cpus_[handler].in_operation)
            continue;
        const auto owner = static_cast<CpuId>(event(j).number("cpu"));
        if (wakes ? would_ignore(e.cpu, handler, owner) : would_pop(e, owner))
            return bring_before(i, j);
    }
}

bool Replay::is_responsible(CpuId c, const Group& group) const {
    const TmigrCpu& tmc = placement_->cpu(c);
    linux_::tmigr::ChildMask mask = tmc.groupmask.peek();
    for (const Group* g = tmc.group.peek(); g && g != &group; g = g->parent.peek())
        mask = g->groupmask.peek();
    const auto migrator = group.peek_state().migrator;
    return migrator == mask || migrator == linux_::tmigr::kNoMigrator;
}

/// Whether the CPU of event `e`, which expires others, has an event in its queue by which it would find `owner`.
bool Replay::would_pop(const FtraceEvent& e, CpuId owner) const {
    const CpuState& s = cpus_[e.cpu];
    const Group* const queue = s.in_operation && s.emitted.empty() ? group_of(s.handled) : nullptr;
    if (!queue || !is_responsible(e.cpu, *queue) || (e.is("tmigr_handle_remote_cpu") && e.number("cpu") == owner))
        return false;
    const linux_::Ktime now = wheel_.time_of(wheel_.edge_before(e.at_ns));
    const auto& events = queue->events.peek();
    return std::any_of(events.begin(), events.end(), [&](const linux_::tmigr::Event& x) {
        return !x.ignore.peek() && x.cpu.peek() == owner && x.expires.peek() <= now;
    });
}

/// The events of the CPU of event `j` up to that one come before event `i`.
void Replay::bring_before(std::size_t i, std::size_t j) {
    const CpuId first = event(j).cpu;
    std::stable_partition(order_.begin() + static_cast<std::ptrdiff_t>(i),
                          order_.begin() + static_cast<std::ptrdiff_t>(j) + 1,
                          [first](const FtraceEvent* x) { return x->cpu == first; });
    ++result_.inferred.reordered;
    link_events();
}

/// Whether the activation of `waker` has the event ignored by which `handler` is to expire the timers of `owner`.
bool Replay::would_ignore(CpuId waker, CpuId handler, CpuId owner) const {
    const Group* const queue = group_of(cpus_[handler].handled);
    if (!queue)
        return false;
    const TmigrCpu& tmc = placement_->cpu(waker);
    for (const linux_::tmigr::Event& e : queue->events.peek()) {
        if (e.ignore.peek() || e.cpu.peek() != owner)
            continue;
        if (&e == &tmc.cpuevt)
            return true;
        for (const Group* g = tmc.group.peek(); g; g = g->parent.peek())
            if (&e == &g->groupevt)
                return true;
    }
    return false;
}

}  // namespace ticklab::lab
