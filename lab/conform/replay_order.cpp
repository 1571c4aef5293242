// In which order recorded events are performed: a record is written after what it tells of.
#include <algorithm>

#include "ticklab/lab/conform/replay.hpp"

namespace ticklab::lab {

using linux_::tmigr::Group;
using linux_::tmigr::TmigrCpu;
using sim::CpuId;

namespace {

/// Records that stand the other way round are not further apart than this many events.
constexpr std::size_t kReach = 24;

bool is_state(const FtraceEvent& e) {
    return e.is("tmigr_group_set_cpu_active") || e.is("tmigr_group_set_cpu_inactive");
}
/// Events that show a group's state as they found it.
bool is_sample(const FtraceEvent& e) { return e.is("tmigr_update_events"); }
std::uint64_t shown(const FtraceEvent& e) { return e.number(is_state(e) ? "active" : "group_active", 16); }
/// What of a group's active children an event leaves as it was.
std::uint64_t unchanged(const FtraceEvent& e, std::uint64_t active) {
    return is_state(e) ? active & ~e.number("childmask", 16) : active;
}

}  // namespace

/// A record is written after the exchange or the sample that it tells of. Where the records of two CPUs about one group
/// stand the other way round, the states tell: then the events of the other CPU go first.
void Replay::restore_order(std::size_t i) {
    const FtraceEvent& e = event(i);
    if (e.is("tmigr_cpu_active"))
        if (const std::size_t j = expiry_before(i); j != kNone)
            return bring_before(i, j);
    const Group* const group = is_state(e) || is_sample(e) ? group_of(e.text("group")) : nullptr;
    if (!group)
        return;
    const std::uint64_t now = group->peek_state().active;
    const std::size_t j = unchanged(e, now) == unchanged(e, shown(e)) ? sample_before(i, now) : exchange_before(i, now);
    if (j == kNone)
        return;
    bring_before(i, j);
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

/// An event is popped before the record of its expiry is written. Where a CPU becomes active between the two and would
/// have had the event ignored, the expiry goes first.
std::size_t Replay::expiry_before(std::size_t i) const {
    const CpuId waker = event(i).cpu;
    for (std::size_t j = i + 1; j < std::min(order_.size(), i + kReach); ++j) {
        const FtraceEvent& f = event(j);
        if (f.is("tmigr_handle_remote_cpu") && f.cpu != waker && cpus_[f.cpu].next == j && cpus_[f.cpu].in_operation &&
            would_ignore(waker, f.cpu, static_cast<CpuId>(f.number("cpu"))))
            return j;
    }
    return kNone;
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

/// The exchange of another CPU that has to come before event `i`, so that this finds the state that it shows.
std::size_t Replay::exchange_before(std::size_t i, std::uint64_t now) const {
    const FtraceEvent& e = event(i);
    for (std::size_t j = i + 1; j < std::min(order_.size(), i + kReach); ++j) {
        const FtraceEvent& f = event(j);
        if (f.cpu == e.cpu || !is_state(f) || f.text("group") != e.text("group") ||
            unchanged(f, now) != unchanged(f, shown(f)) || unchanged(e, shown(f)) != unchanged(e, shown(e)))
            continue;
        // What a sample has seen is an exchange that is under way.
        if (is_state(e) || (cpus_[f.cpu].next == j && cpus_[f.cpu].in_operation))
            return j;
    }
    return kNone;
}

/// The sample that another CPU, in an operation, has taken before the exchange of event `i`: none after it shows it.
std::size_t Replay::sample_before(std::size_t i, std::uint64_t now) const {
    const FtraceEvent& e = event(i);
    if (!is_state(e) || shown(e) == now)
        return kNone;
    std::uint64_t state = shown(e);
    for (std::size_t j = i + 1; j < std::min(order_.size(), i + kReach); ++j) {
        const FtraceEvent& f = event(j);
        if (!(is_state(f) || is_sample(f)) || f.text("group") != e.text("group"))
            continue;
        if (is_sample(f) && f.cpu != e.cpu && cpus_[f.cpu].next == j && cpus_[f.cpu].in_operation && shown(f) == now &&
            state != now)
            return j;
        if (is_state(f))
            state = shown(f);
    }
    return kNone;
}

}  // namespace ticklab::lab
