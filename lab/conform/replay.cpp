#include "ticklab/lab/conform/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "ticklab/lab/ftrace/ftrace_format.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"

namespace ticklab::lab {

using linux_::JiffiesPair;
using linux_::kKtimeMax;
using linux_::Ktime;
using linux_::NextEvents;
using linux_::tmigr::ChildMask;
using linux_::tmigr::Group;
using linux_::tmigr::GroupState;
using linux_::tmigr::TmigrCpu;
using linux_::tmigr::TmigrPlacement;
using sim::Cpu;
using sim::CpuId;

namespace {

/// Longer than any operation from one site to the next.
constexpr sim::Duration kStep = std::chrono::microseconds{20};
constexpr std::uint64_t kMostSteps = 10'000'000;
/// Tick edges that the jiffies may be behind the clock: the CPU that advances them may be set aside.
constexpr std::int64_t kMostOldEdges = 16;
/// Sites that one operation passes between two of its records, at most.
constexpr int kMostSites = 1000;
/// Sites from the record of an update until the one of the parent is done: before its parent is read, before its lock.
constexpr int kSitesToUpdate = 2;
/// Sites from the last record of an expiry until the next event is taken: with those, before the pop.
constexpr int kSitesToPop = 4;

/// The model is at fault, or the recording is none of its hierarchy: there is no way on.
struct Stopped {
    std::string why;
};

Ktime time_field(const FtraceEvent& e, std::string_view field) { return linux_::ktime_at(e.signed_number(field)); }

bool is_setup(const FtraceEvent& e) {
    return e.is("tmigr_group_set") || e.is("tmigr_connect_child_parent") || e.is("tmigr_connect_cpu_parent");
}
bool is_arrival(const FtraceEvent& e) { return e.is("tmigr_cpu_online") || e.is("tmigr_cpu_available"); }
bool is_departure(const FtraceEvent& e) { return e.is("tmigr_cpu_offline") || e.is("tmigr_cpu_unavailable"); }

/// Whether `e` belongs to a remote expiry under way on its CPU.
bool continues(const FtraceEvent& e) {
    return e.is("tmigr_handle_remote_cpu") || e.is("tmigr_update_events") ||
           (e.is("tmigr_handle_remote") && e.number("lvl") != 0);
}

/// Whether `next`, which follows `e` on its CPU, is of the same operation.
bool more_after(const FtraceEvent& e, const FtraceEvent& next) {
    if (e.is("tmigr_cpu_idle") || e.is("tmigr_cpu_new_timer_idle") || is_departure(e))
        return false;
    if (e.is("tmigr_handle_remote") || e.is("tmigr_handle_remote_cpu"))
        return continues(next);
    if (next.is("tmigr_group_set_cpu_active"))
        return next.number("lvl") != 0 || e.is("tmigr_cpu_active");
    if (next.is("tmigr_group_set_cpu_inactive"))
        return next.number("lvl") != 0;
    if (next.is("tmigr_cpu_active"))
        return is_arrival(e);
    return !next.is("tmigr_cpu_new_timer") && !(next.is("tmigr_handle_remote") && next.number("lvl") == 0);
}

/// The declared kinds that the kernel traces too, with their texts.
struct TracedKind {
    const sim::RecordKind* kind;
    FtraceFormat format;
};
const std::vector<TracedKind>& traced_kinds() {
    static const std::vector<TracedKind> traced = [] {
        std::vector<TracedKind> list;
        for (const sim::RecordKind& kind : linux_::tmigr::kTmigrRecordKinds)
            if (!kind.ftrace_format.empty())
                list.push_back({&kind, FtraceFormat::of(kind.ftrace_format)});
        return list;
    }();
    return traced;
}
const TracedKind* traced_kind(std::string_view name) {
    const auto at =
        std::find_if(traced_kinds().begin(), traced_kinds().end(), [&](const auto& t) { return t.kind->name == name; });
    return at == traced_kinds().end() ? nullptr : &*at;
}

/// Kernels before 7.1 do not say it (TMM 17).
bool is_compared(const FtraceField& field) { return field.key != "capacity"; }

}  // namespace

std::size_t ReplayResult::count() const {
    return std::accumulate(events.begin(), events.end(), std::size_t{0},
                           [](std::size_t sum, const auto& e) { return sum + e.second.first; });
}

void Replay::Emitted::consume(std::span<const sim::Record> batch) {
    for (const sim::Record& r : batch)
        if (traced_kind(r.kind->name) != nullptr)
            of_.cpus_[r.cpu].emitted.push_back(of_.modelled(r));
}

Replay::Replay(const Recording& recording, const linux_::tmigr::TmigrChanges& changes)
    : recording_(recording),
      machine_(std::make_unique<sim::Machine>(replay_machine(recording.cpu_count, recording.node_count), kernel_)),
      cpus_(recording.cpu_count),
      wheel_(recording.tick_ns) {
    machine_->records().add_consumer(log_);
    linux_::tmigr::TmigrParameters parameters;
    parameters.changes = changes;
    parameters.children = recording.children;
    placement_ = std::make_unique<TmigrPlacement>(*machine_, parameters, *this);
    machine_->set_site_watcher(this);
    run_on();
}

ComparedEvent Replay::modelled(const sim::Record& r) const {
    const TracedKind& traced = *traced_kind(r.kind->name);
    ComparedEvent e{std::string(r.kind->name), {}};
    for (std::size_t i = 0; i < traced.format.fields.size(); ++i) {
        const FtraceField& field = traced.format.fields[i];
        if (!is_compared(field))
            continue;
        e.fields.push_back(fmt::format(
            "{}={}", field.key,
            ftrace_value(field, r.kind->operands[i], r.operands[i], machine_->records(), FtraceObjects::kNames)));
    }
    return e;
}

ComparedEvent Replay::recorded(const FtraceEvent& event) const {
    ComparedEvent e{event.name, {}};
    for (const FtraceField& field : traced_kind(event.name)->format.fields) {
        if (!is_compared(field))
            continue;
        if (field.conversion == FtraceConversion::kPointer)
            e.fields.push_back(fmt::format("{}={}", field.key, group_name(event.text(field.key))));
        else if (field.conversion == FtraceConversion::kHex)
            e.fields.push_back(fmt::format("{}={:x}", field.key, event.number(field.key, 16)));
        else
            e.fields.push_back(fmt::format("{}={}", field.key, event.text(field.key)));
    }
    return e;
}

std::string Replay::group_name(const std::string& pointer) const {
    if (pointer.find_first_not_of('0') == std::string::npos)
        return "-";
    const auto at = groups_.find(pointer);
    return at == groups_.end() ? pointer : at->second;
}

Group* Replay::group_of(const std::string& pointer) const {
    const std::string name = group_name(pointer);
    for (const auto& group : placement_->groups())
        if (group->lock.name() == name)
            return group.get();
    return nullptr;
}

sim::Time Replay::reached(Cpu& cpu, const sim::Site& site) {
    CpuState& s = cpus_[cpu.id()];
    if (!s.in_operation || !site.name().starts_with("tmigr."))
        return sim::kBoot;
    s.held = true;
    return sim::kNever;
}

void Replay::lock_bases(Cpu& cpu, CpuId) { cpu.sync(); }

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

void Replay::use(const std::vector<FtraceEvent>& events) {
    Reordered reordered = order_of_acts(events, tree_);
    order_ = std::move(reordered.order);
    at_ = 0;
    result_ = {};
    result_.inferred.reordered = reordered.moved;
    result_.inferred.unsettled = reordered.unsettled;
    lines_.clear();
    for (const FtraceEvent& e : events)
        if (e.name.starts_with("tmigr_"))
            lines_.push_back(e.line);
    for (CpuState& s : cpus_)
        s.last = nullptr;
    link_events();
    wheel_.learn_jiffies(events);
    has_softirqs_ =
        std::any_of(events.begin(), events.end(), [](const FtraceEvent& e) { return e.is("softirq_exit"); });
}

void Replay::link_events() {
    std::vector<std::size_t> later(cpus_.size(), kNone);
    next_of_cpu_.assign(order_.size(), kNone);
    for (std::size_t i = order_.size(); i-- > 0;) {
        if (!event(i).name.starts_with("tmigr_"))
            continue;
        next_of_cpu_[i] = later[event(i).cpu];
        later[event(i).cpu] = i;
    }
    for (CpuId c = 0; c < cpus_.size(); ++c) {
        std::size_t i = later[c];
        while (i != kNone && i < at_)
            i = after(i);
        cpus_[c].next = i;
    }
}

Ktime Replay::next_of(std::size_t from, std::string_view name) const {
    const std::size_t at = find_on_cpu(from, [&](const FtraceEvent& e) { return e.is(name); });
    return at == kNone ? kKtimeMax : time_field(event(at), "nextevt");
}

void Replay::begin(CpuId c, bool may_sleep, Body body) {
    CpuState& s = cpus_[c];
    s.in_operation = true;
    const auto whole = [&s, body = std::move(body)](Cpu& cpu) {
        body(cpu);
        s.in_operation = false;
    };
    const sim::Cause cause{{}, ++roots_};
    if (may_sleep)
        machine_->run_in_control_thread(c, cause, whole);
    else
        machine_->run_on_thread(c, cause, whole);
    advance(c);
}

void Replay::run_on() {
    machine_->run(machine_->now() + kStep, kMostSteps);
    if (const auto& verdict = machine_->verdict())
        throw Stopped{fmt::format("{}: {}", verdict->check->name, verdict->message)};
}

bool Replay::waits(CpuId c) const {
    const CpuState& s = cpus_[c];
    return s.in_operation && !s.held && s.emitted.empty();
}

void Replay::advance(CpuId c) {
    const auto release = [this](CpuId id) {
        cpus_[id].held = false;
        machine_->release(id);
    };
    if (cpus_[c].held)
        release(c);
    run_on();
    // It waits for a CPU's record: whoever has it was done with it in the kernel, and left no trace of that.
    for (CpuId k = 0; k < cpus_.size(); ++k)
        for (int i = 0; i < kMostSites && waits(c); ++i) {
            const Cpu* const owner = placement_->cpu(k).lock.owner();
            if (!owner || !cpus_[owner->id()].held)
                break;
            release(owner->id());
            run_on();
        }
}

void Replay::finish(CpuId c) {
    for (int i = 0; cpus_[c].in_operation && i < kMostSites; ++i) {
        advance(c);
        if (waits(c))
            return;
    }
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

void Replay::advance_to_record(CpuId c) {
    for (int i = 0; cpus_[c].emitted.empty() && cpus_[c].in_operation && i < kMostSites; ++i) {
        advance(c);
        if (waits(c))
            return;
    }
}

/// The operation that `e` is the first event of.
void Replay::start(CpuId c, const FtraceEvent& e) {
    TmigrPlacement& p = *placement_;
    const auto irqs_off = [&](Body body) {
        begin(c, false, [body = std::move(body)](Cpu& cpu) {
            const sim::IrqGuard guard(cpu);
            body(cpu);
        });
    };
    if (is_setup(e)) {
        const std::size_t end = find_on_cpu(at_, [](const FtraceEvent& x) { return x.is("tmigr_connect_cpu_parent"); });
        if (end == kNone)
            return;
        const auto target = static_cast<CpuId>(event(end).number("cpu"));
        begin(c, true, [&p, target](Cpu& cpu) { p.prepare(cpu, target); });
    } else if (is_arrival(e)) {
        begin(c, true, [&p](Cpu& cpu) { p.set_available(cpu); });
    } else if (!p.cpu(c).group.peek()) {
        return;
    } else if (e.is("tmigr_cpu_active")) {
        // After a difference the model's CPU may be awake already.
        if (p.cpu(c).idle.peek())
            irqs_off([&p](Cpu& cpu) { p.activate(cpu); });
    } else if (e.is("tmigr_group_set_cpu_inactive")) {
        const std::size_t end =
            find_on_cpu(at_, [](const FtraceEvent& x) { return x.is("tmigr_cpu_idle") || is_departure(x); });
        if (end == kNone || event(end).is("tmigr_cpu_idle"))
            irqs_off([&p, next = next_of(at_, "tmigr_cpu_idle")](Cpu& cpu) { p.deactivate(cpu, next); });
        else
            begin(c, true, [&p](Cpu& cpu) { p.clear_available(cpu); });
    } else if (e.is("tmigr_cpu_new_timer") || e.is("tmigr_cpu_new_timer_idle")) {
        irqs_off([&p, next = next_of(at_, "tmigr_cpu_new_timer_idle")](Cpu& cpu) { p.new_timer(cpu, next); });
    } else if (e.is("tmigr_handle_remote")) {
        begin(c, false, [&p](Cpu& cpu) { p.handle_remote(cpu); });
    }
}

void Replay::note_overlap(const FtraceEvent& e) {
    CpuState& s = cpus_[e.cpu];
    const FtraceEvent* const last = std::exchange(s.last, &e);
    const bool ends_softirq = last && e.is("softirq_exit") && last->name.starts_with("tmigr_handle_remote");
    if (!last || !(ends_softirq || (e.name.starts_with("tmigr_") && more_after(*last, e)) ||
                   (e.is("softirq_exit") && continues(*last)))) {
        // What ends a softirq without such records is no operation of its own.
        if (!e.is("softirq_exit"))
            s.overlapped_before = std::exchange(s.overlapped, false);
        return;
    }
    const auto other = std::upper_bound(lines_.begin(), lines_.end(), last->line);
    s.overlapped |= other != lines_.end() && *other < e.line;
}

void Replay::compare(const FtraceEvent& e) {
    CpuState& s = cpus_[e.cpu];
    // The model's group of a recorded one is the one that it creates at the same event.
    if (e.is("tmigr_group_set") && !s.emitted.empty() && s.emitted.front().name == e.name) {
        const std::string& created = s.emitted.front().fields.front();
        groups_[e.text("group")] = created.substr(created.find('=') + 1);
    }
    const ComparedEvent wanted = recorded(e);
    std::optional<ComparedEvent> got;
    if (!s.emitted.empty()) {
        got = std::move(s.emitted.front());
        s.emitted.pop_front();
    }
    auto& [count, matched] = result_.events[e.name];
    ++count;
    if (got == wanted) {
        ++matched;
        return;
    }
    const bool another = got && got->name != e.name;
    result_.mismatches.push_back(
        {e.line, e.cpu, e.at_ns, wanted, std::move(got), s.inferred, s.overlapped || s.overlapped_before});
    // The model is elsewhere: what it does there is over, and the next event starts anew.
    if (another) {
        finish(e.cpu);
        s.emitted.clear();
    }
}

void Replay::perform() {
    for (at_ = 0; at_ < order_.size(); ++at_) {
        const FtraceEvent& e = event(at_);
        CpuState& s = cpus_[e.cpu];
        if (e.is("softirq_exit") || e.name.starts_with("tmigr_"))
            note_overlap(e);
        if (e.is("softirq_exit")) {
            if (s.in_operation && s.expiring)
                finish(e.cpu);
            continue;
        }
        wheel_.note(e);
        if (!e.name.starts_with("tmigr_"))
            continue;
        if (s.in_operation && e.is("tmigr_handle_remote") && e.number("lvl") == 0 && s.emitted.empty())
            finish(e.cpu);
        if (e.is("tmigr_update_events"))
            let_pop(e);
        advance_to_record(e.cpu);
        if (s.emitted.empty() && !s.in_operation) {
            start(e.cpu, e);
            advance_to_record(e.cpu);
        }
        if (e.is("tmigr_cpu_active") || e.is("tmigr_cpu_idle"))
            s.inferred = false;
        if (e.is("tmigr_handle_remote"))
            s.handled = e.text("group");
        else if (!continues(e)) {
            s.handled.clear();
            s.expiring = false;
        }
        if (e.is("tmigr_handle_remote_cpu"))
            s.target = static_cast<CpuId>(e.number("cpu"));
        compare(e);
        s.next = after(at_);
        if (e.is("tmigr_update_events") && s.emitted.empty())
            update_idle_root(e.cpu, e);
        if (e.is("tmigr_update_events") || e.is("tmigr_handle_remote"))
            pop_next(e.cpu, e);
        // What leaves no trace any more is over before the next CPU acts; of a remote expiry, with its softirq.
        s.expiring = e.is("tmigr_handle_remote") || (s.expiring && s.in_operation);
        if (s.in_operation && s.emitted.empty() && (!s.expiring || !has_softirqs_) &&
            (s.next == kNone || !more_after(e, event(s.next))))
            finish(e.cpu);
    }
}

ReplayResult Replay::boot() {
    use(recording_.boot);
    try {
        perform();
    } catch (const Stopped& stopped) {
        result_.stopped = fmt::format("line {}: {}", event(at_).line, stopped.why);
    }
    return std::move(result_);
}

void Replay::run_alone(CpuId c, Body body) {
    begin(c, false, [body = std::move(body)](Cpu& cpu) {
        const sim::IrqGuard guard(cpu);
        body(cpu);
    });
    finish(c);
    for (CpuState& s : cpus_)
        s.emitted.clear();
}

void Replay::bring_to(CpuId c, bool awake, Ktime next) {
    const TmigrCpu& tmc = placement_->cpu(c);
    if (!tmc.available.peek() || (awake && !tmc.idle.peek()))
        return;
    if (tmc.idle.peek())
        run_alone(c, [&](Cpu& cpu) { placement_->activate(cpu); });
    if (!awake)
        run_alone(c, [&](Cpu& cpu) { placement_->deactivate(cpu, next); });
}

/// The first timer of CPU `cpu`, as far as it shows before the CPU looks at its timers itself: in an event of its
/// group, or in when it is expired remotely.
std::optional<Ktime> Replay::next_remote_expiry(CpuId cpu) const {
    for (std::size_t i = 0; i < order_.size(); ++i) {
        const FtraceEvent& e = event(i);
        // Its group shows its event.
        if (e.is("tmigr_update_events") && group_name(e.text("child")) != "-" && e.number("child_evtcpu") == cpu &&
            time_field(e, "child_evt_expiry") != kKtimeMax)
            return time_field(e, "child_evt_expiry");
        if (e.is("tmigr_handle_remote_cpu") && e.number("cpu") == cpu)
            return wheel_.time_of(wheel_.edge_before(e.at_ns));
        // Not told to the hierarchy again: it has it.
        if (e.cpu == cpu && e.is("tmigr_cpu_new_timer_idle") && time_field(e, "nextevt") != kKtimeMax)
            return time_field(e, "nextevt");
        if (e.cpu == cpu && (e.is("tmigr_cpu_active") || e.is("tmigr_cpu_new_timer") || e.is("tmigr_cpu_idle")))
            return std::nullopt;
    }
    return std::nullopt;
}

/// A CPU was awake if the first thing that it does is to go idle, or to expire others without having woken.
std::vector<CpuId> Replay::awake_at_begin() const {
    std::vector<CpuId> awake;
    for (CpuId c = 0; c < cpus_.size(); ++c) {
        const auto first = [&](std::string_view name) {
            return find_on_cpu(cpus_[c].next, [&](const FtraceEvent& e) { return e.is(name); });
        };
        if (first("tmigr_group_set_cpu_inactive") < first("tmigr_cpu_active"))
            awake.push_back(c);
    }
    return awake;
}

ReplayResult Replay::trace() {
    try {
        for (CpuId c = 0; c < cpus_.size(); ++c)
            finish(c);
        use(recording_.trace);
        const std::vector<CpuId> awake = awake_at_begin();
        // Those first, so that the others have no duty when they go idle.
        for (const CpuId c : awake)
            bring_to(c, true, kKtimeMax);
        for (CpuId c = 0; c < cpus_.size(); ++c)
            if (std::find(awake.begin(), awake.end(), c) == awake.end())
                bring_to(c, false, next_remote_expiry(c).value_or(kKtimeMax));
        // The recorded migrator of the first leaf that is told of becomes active first.
        const auto told = std::find_if(order_.begin(), order_.end(), [](const FtraceEvent* e) {
            return e->is("tmigr_group_set_cpu_active") && e->number("lvl") == 0;
        });
        for (const CpuId c : awake)
            if (told != order_.end() && group_of((*told)->text("group")) == placement_->cpu(c).group.peek() &&
                placement_->cpu(c).groupmask.peek() == (*told)->number("migrator", 16)) {
                for (const CpuId other : awake)
                    bring_to(other, false, kKtimeMax);
                bring_to(c, true, kKtimeMax);
                break;
            }
        for (const CpuId c : awake)
            bring_to(c, true, kKtimeMax);
        perform();
    } catch (const Stopped& stopped) {
        result_.stopped = order_.empty()
                              ? stopped.why
                              : fmt::format("line {}: {}", event(std::min(at_, order_.size() - 1)).line, stopped.why);
    }
    return std::move(result_);
}

}  // namespace ticklab::lab
