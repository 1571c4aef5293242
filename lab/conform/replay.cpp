#include "ticklab/lab/conform/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "ticklab/lab/conform/hierarchy_events.hpp"
#include "ticklab/lab/ftrace/ftrace_format.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"

namespace ticklab::lab {

using linux_::kKtimeMax;
using linux_::Ktime;
using linux_::tmigr::Group;
using linux_::tmigr::TmigrCpu;
using linux_::tmigr::TmigrPlacement;
using sim::Cpu;
using sim::CpuId;

namespace {

/// Longer than any operation from one site to the next.
constexpr sim::Duration kStep = std::chrono::microseconds{20};
constexpr std::uint64_t kMostSteps = 10'000'000;

/// The model is at fault, or the recording is none of its hierarchy: there is no way on.
struct Stopped {
    std::string why;
};

bool is_setup(const FtraceEvent& e) {
    return e.is("tmigr_group_set") || e.is("tmigr_connect_child_parent") || e.is("tmigr_connect_cpu_parent");
}
bool is_arrival(const FtraceEvent& e) { return e.is("tmigr_cpu_online") || e.is("tmigr_cpu_available"); }
bool is_departure(const FtraceEvent& e) { return e.is("tmigr_cpu_offline") || e.is("tmigr_cpu_unavailable"); }

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
    for (CpuId c = 0; c < cpus_.size(); ++c)
        cpus_[c].next = later[c];
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
