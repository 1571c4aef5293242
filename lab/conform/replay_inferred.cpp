// What a replay infers because no event says it: jiffies, next events, pops and updates without a record.
#include <algorithm>

#include "ticklab/lab/conform/hierarchy_events.hpp"
#include "ticklab/lab/conform/replay.hpp"

namespace ticklab::lab {

using linux_::JiffiesPair;
using linux_::Ktime;
using linux_::NextEvents;
using linux_::tmigr::ChildMask;
using linux_::tmigr::Group;
using linux_::tmigr::GroupState;
using linux_::tmigr::TmigrCpu;
using sim::Cpu;
using sim::CpuId;

namespace {

/// Tick edges that the jiffies may be behind the clock: the CPU that advances them may be set aside.
constexpr std::int64_t kMostOldEdges = 16;
/// Sites from the record of an update until the one of the parent is done: before its parent is read, before its lock.
constexpr int kSitesToUpdate = 2;
/// Sites from the last record of an expiry until the next event is taken: with those, before the pop.
constexpr int kSitesToPop = 4;

}  // namespace

JiffiesPair Replay::jiffies(Cpu& cpu) {
    const auto [oldest, newest] = jiffies_read(cpu.id());
    std::int64_t edge = newest;
    while (edge >= oldest && leaves_alone(cpu.id(), wheel_.time_of(edge)))
        --edge;
    // Nothing that it could have read explains what it left alone.
    if (edge < oldest)
        edge = newest;
    result_.inferred.older_jiffies += edge != newest;
    return {linux_::Jiffies{static_cast<std::uint64_t>(edge)}, wheel_.time_of(edge)};
}

/// Numbers of the oldest and the newest tick edge that the remote expiry of event `at_` may have read. Timers that its
/// softirq runs before and after say at which jiffies, and so do the events that it takes from queues.
std::pair<std::int64_t, std::int64_t> Replay::jiffies_read(CpuId c) const {
    std::int64_t newest = wheel_.edge_before(event(at_).at_ns);
    std::int64_t oldest = newest - kMostOldEdges;
    for (std::size_t i = at_; i-- > 0;) {
        const FtraceEvent& e = event(i);
        if (e.cpu == c && e.is("timer_expire_entry"))
            oldest = std::max(oldest, wheel_.edge_of(e.number("now")));
        else if (e.cpu == c && (e.is("softirq_exit") || e.name.starts_with("tmigr_")))
            break;
    }
    for (std::size_t i = at_; i < order_.size(); ++i) {
        const FtraceEvent& e = event(i);
        if (e.cpu == c && e.is("softirq_exit"))
            break;
        if (e.cpu == c && e.is("timer_expire_entry")) {
            newest = std::min(newest, wheel_.edge_of(e.number("now")));
            break;
        }
    }
    for (std::size_t i = after(at_); i != kNone && continues(event(i)); i = after(i))
        if (event(i).is("tmigr_handle_remote_cpu")) {
            const auto due =
                linux_::ns(placement_->cpu(static_cast<CpuId>(event(i).number("cpu"))).cpuevt.expires.peek());
            if (const std::int64_t edge = wheel_.edge_before(due); edge <= newest)
                oldest = std::max(oldest, edge);
        }
    return {std::min(oldest, newest), newest};
}

/// Whether the remote expiry of CPU `c` at event `at_`, if it has read `now`, finds an event due that it was not seen
/// to expire, and that nobody else took care of.
bool Replay::leaves_alone(CpuId c, Ktime now) const {
    std::vector<bool> cared_for(cpus_.size());
    for (std::size_t i = at_; i < order_.size(); ++i) {
        const FtraceEvent& e = event(i);
        if (e.is("tmigr_handle_remote_cpu"))
            cared_for[e.number("cpu")] = true;
        if (e.is("tmigr_cpu_active"))
            cared_for[e.cpu] = true;
        if (e.cpu == c &&
            (has_softirqs_ ? e.is("softirq_exit") : i != at_ && e.name.starts_with("tmigr_") && !continues(e)))
            break;
    }
    const TmigrCpu& tmc = placement_->cpu(c);
    ChildMask mask = tmc.groupmask.peek();
    for (const Group* g = tmc.group.peek(); g; mask = g->groupmask.peek(), g = g->parent.peek()) {
        const GroupState s = g->peek_state();
        if (s.migrator != mask && s.migrator != linux_::tmigr::kNoMigrator)
            break;
        for (const linux_::tmigr::Event& e : g->events.peek()) {
            const TmigrCpu& owner = placement_->cpu(e.cpu.peek());
            // Taken out of the queue, and left at that (TMM 9.4 step 1).
            const bool given_up = owner.remote || owner.cpuevt.ignore.peek() || now < owner.cpuevt.expires.peek();
            if (!e.ignore.peek() && e.expires.peek() <= now && !given_up && !cared_for[e.cpu.peek()])
                return true;
        }
    }
    return false;
}

NextEvents Replay::next_events(Cpu& cpu, CpuId target, const JiffiesPair& now) {
    const std::size_t next = cpus_[cpu.id()].next;
    NextEvents n;
    if (next != kNone && event(next).is("tmigr_update_events") && group_name(event(next).text("child")) == "-") {
        n.global = time_field(event(next), "nextevt");
        return n;
    }
    // As LTW 12.3 merges the two bases.
    ++result_.inferred.next_events;
    cpus_[cpu.id()].inferred = true;
    const Ktime local = wheel_.first(target, true);
    const Ktime global = wheel_.first(target, false);
    // Due again in the same pass: a timer that moved to another CPU, or that no event has ended.
    const bool again = asked_at_ == std::pair{at_, target};
    if (global < local && !(again && global <= now.basem))
        n.global = std::max(global, now.basem);
    asked_at_ = {at_, target};
    return n;
}

/// What an update has to leave behind as the group's next expiry, if nobody takes anything out of the queue before
/// (TMM 8.3, 8.4).
Ktime Replay::next_expiry_after(const FtraceEvent& e, const Group& group) const {
    const CpuState& s = cpus_[e.cpu];
    const Group* const child = group_of(e.text("child"));
    const linux_::tmigr::Event* const updated =
        child ? &child->groupevt : &placement_->cpu(s.expiring ? s.target : e.cpu).cpuevt;
    const Ktime next = time_field(e, "nextevt");
    if (updated->queued() && updated->expires.peek() == next)
        return group.next_expiry.peek();
    const auto& queue = group.events.peek();
    const auto other = std::find_if(queue.begin(), queue.end(), [&](const auto& x) { return &x != updated; });
    return other == queue.end() || next < other->expires.peek() ? next : group.next_expiry.peek();
}

/// Other CPUs that look for expired events of a group have taken some out of its queue, which leaves no record if they
/// give up then (TMM 9.4 step 1), or a later one: the group's next expiry tells, and what a child shows.
void Replay::let_pop(const FtraceEvent& e) {
    const Group* const group = group_of(e.text("group"));
    const Group* const child = group_of(e.text("child"));
    const auto popped_from = [&](const std::string& pointer, const auto& is_early) {
        for (CpuId k = 0; k < cpus_.size(); ++k) {
            const CpuState& s = cpus_[k];
            for (int i = 0; i < kMostSites && k != e.cpu && s.in_operation && s.held && s.emitted.empty() &&
                            s.handled == pointer && is_early();
                 ++i)
                advance(k);
        }
    };
    if (child)
        popped_from(e.text("child"), [&] {
            const auto& queue = child->events.peek();
            return std::any_of(queue.begin(), queue.end(), [&](const auto& x) {
                return !x.ignore.peek() && x.expires.peek() < time_field(e, "nextevt");
            });
        });
    if (group)
        popped_from(e.text("group"), [&] { return next_expiry_after(e, *group) < time_field(e, "next_expiry"); });
}

/// After a remote expiry the update of an idle root leaves no record (TMM 8.5). The kernel comes to it at once, before
/// a CPU that becomes active meanwhile.
void Replay::update_idle_root(CpuId c, const FtraceEvent& e) {
    const Group* const group = group_of(e.text("group"));
    const Group* const parent = group ? group->parent.peek() : nullptr;
    const std::size_t next = cpus_[c].next;
    if (!cpus_[c].expiring || !parent || parent->parent.peek() || parent->peek_state().active != 0 ||
        (next != kNone && event(next).is("tmigr_update_events") && group_of(event(next).text("child")) == group))
        return;
    for (int i = 0; i < kSitesToUpdate && cpus_[c].held && cpus_[c].emitted.empty(); ++i)
        advance(c);
    const Group* const handled = group_of(cpus_[c].handled);
    if ((next == kNone || !continues(event(next))) && handled &&
        handled->next_expiry.peek() > wheel_.time_of(wheel_.edge_before(e.at_ns)))
        finish(c);
}

/// The event that a CPU is about to expire is taken out of the queue at once, before others change that; unless an
/// update of another CPU shows it there afterwards.
void Replay::pop_next(CpuId c, const FtraceEvent& e) {
    const std::size_t next = cpus_[c].next;
    const std::string& handled = cpus_[c].handled;
    const Group* const queue = group_of(handled);
    if (next == kNone || !event(next).is("tmigr_handle_remote_cpu") || !queue)
        return;
    const Ktime now = wheel_.time_of(wheel_.edge_before(e.at_ns));
    const auto owner = static_cast<CpuId>(event(next).number("cpu"));
    const auto is_there = [&] {
        const auto& events = queue->events.peek();
        const auto first = std::find_if(events.begin(), events.end(), [](const auto& x) { return !x.ignore.peek(); });
        return first != events.end() && first->cpu.peek() == owner && first->expires.peek() <= now;
    };
    for (std::size_t i = at_ + 1; i < next; ++i)
        if (const FtraceEvent& f = event(i);
            f.is("tmigr_update_events") && f.text("group") == handled && time_field(f, "next_expiry") <= now)
            return;
    for (int i = 0; i < kSitesToPop && cpus_[c].held && cpus_[c].emitted.empty() && is_there(); ++i)
        advance(c);
}

}  // namespace ticklab::lab
