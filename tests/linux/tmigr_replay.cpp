#include "linux/tmigr_replay.hpp"

#include <algorithm>

namespace ticklab::linux_::tmigr::testing {
namespace {

sim::MachineConfig config_of(const RecordedKernel& k) {
    sim::MachineConfig c = tmigr_config(k.cpus, k.nodes);
    c.soft_lockup = std::chrono::seconds{3600};
    return c;
}

Ktime ktime_field(const TraceEvent& e, std::string_view field) {
    return ktime_at(static_cast<std::int64_t>(e.number(field)));
}

bool is_setup(const TraceEvent& e) {
    return e.is("tmigr_group_set") || e.is("tmigr_connect_child_parent") || e.is("tmigr_connect_cpu_parent");
}

}  // namespace

void Replay::Emitted::consume(std::span<const sim::Record> batch) {
    for (const sim::Record& r : batch) {
        if (r.kind->id < 640 || r.kind->id == kRemoteDoneRecord.id)
            continue;
        std::string text(r.kind->name);
        for (std::size_t i = 0; i < r.operands.size(); ++i) {
            const sim::Operand& o = r.kind->operands[i];
            if (o.name == "capacity")
                continue;
            if (o.type == sim::OperandType::kObject)
                text +=
                    fmt::format(" {}={}", o.name,
                                r.operands[i] == 0 ? "-" : std::string(of_.machine_->records().name(r.operands[i])));
            else if (o.type == sim::OperandType::kHex)
                text += fmt::format(" {}={:x}", o.name, r.operands[i]);
            else
                text += fmt::format(" {}={}", o.name, r.signed_at(static_cast<int>(i)));
        }
        of_.cpus_[r.cpu].emitted.push_back(std::move(text));
    }
}

Replay::Replay(const RecordedKernel& kernel, const TmigrChanges& changes)
    : kernel_(kernel), machine_(std::make_unique<sim::Machine>(config_of(kernel), test_kernel_)), cpus_(kernel.cpus) {
    machine_->records().add_consumer(log_);
    TmigrParameters p;
    p.changes = changes;
    placement_ = std::make_unique<TmigrPlacement>(*machine_, p, *this);
    machine_->set_site_watcher(this);
    machine_->run(kBoot + 10us, sim::testing::kAllSteps);
}

Time Replay::reached(Cpu& cpu, const sim::Site& site) {
    CpuState& s = cpus_[cpu.id()];
    if (!s.in_operation || !site.name().starts_with("tmigr."))
        return kBoot;
    s.held = true;
    return sim::kNever;
}

JiffiesPair Replay::jiffies(Cpu& cpu) {
    const auto at_edge = [](std::int64_t n) {
        return JiffiesPair{Jiffies{static_cast<std::uint64_t>(n)}, ktime_at(n * kRecordedTick)};
    };
    // The timers that the operation expires say at which jiffies.
    std::int64_t edge = (*events_)[at_].at_us * 1000 / kRecordedTick;
    for (std::size_t i = at_; i < events_->size(); ++i) {
        const TraceEvent& e = (*events_)[i];
        if (e.cpu == cpu.id() && e.is("softirq_exit"))
            break;
        if (e.cpu == cpu.id() && e.is("timer_expire_entry")) {
            edge = static_cast<std::int64_t>(e.number("now")) - jiffies_offset_;
            break;
        }
    }
    // The jiffies may have advanced since they were read: then something that is due by now was left alone.
    std::vector<bool> expired(cpus_.size());
    for (std::size_t i = after(at_); i != kNone && continues((*events_)[i]); i = after(i))
        if ((*events_)[i].is("tmigr_handle_remote_cpu"))
            expired[(*events_)[i].number("cpu")] = true;
    const TmigrCpu& tmc = placement_->cpu(cpu.id());
    ChildMask mask = tmc.groupmask.peek();
    for (const Group* g = tmc.group.peek(); g; mask = g->groupmask.peek(), g = g->parent.peek()) {
        const GroupState s = g->peek_state();
        if (s.migrator != mask && s.migrator != kNoMigrator)
            break;
        for (const Event& e : g->events.peek())
            if (!e.ignore.peek() && e.expires.peek() <= at_edge(edge).basem && !expired[e.cpu.peek()]) {
                ++result_.older_jiffies;
                return at_edge(edge - 1);
            }
    }
    return at_edge(edge);
}

NextEvents Replay::next_events(Cpu& cpu, CpuId target, const JiffiesPair& now) {
    const std::size_t next = cpus_[cpu.id()].next;
    NextEvents n;
    if (next != kNone && (*events_)[next].is("tmigr_update_events") &&
        group_name((*events_)[next].text("child")) == "-") {
        n.global = ktime_field((*events_)[next], "nextevt");
    } else {
        // As LTW 12.3 merges the two bases.
        ++result_.silent_next;
        const Ktime local = first_in_wheel(target, true);
        const Ktime global = first_in_wheel(target, false);
        // Due again in the same pass: a timer that moved to another CPU, or that no event has ended.
        const bool again = asked_at_ == std::pair{at_, target};
        if (global < local && !(again && global <= now.basem))
            n.global = std::max(global, now.basem);
        asked_at_ = {at_, target};
    }
    return n;
}

void Replay::note_timer(const TraceEvent& e) {
    // Timers of a CPU that goes off-line move, which no event tells; it is not asked for them any more.
    if (e.is("tmigr_cpu_offline") || e.is("tmigr_cpu_unavailable"))
        std::erase_if(wheel_, [&](const auto& t) { return t.second.cpu == e.cpu; });
    if (!e.name.starts_with("timer_"))
        return;
    if (!e.is("timer_start")) {
        wheel_.erase(e.text("timer"));
        return;
    }
    const std::string& flags = e.text("flags");
    if (flags.find('D') == std::string::npos)
        wheel_[e.text("timer")] = {static_cast<CpuId>(e.number("cpu")),
                                   static_cast<std::int64_t>(e.number("bucket_expiry")),
                                   flags.find('P') != std::string::npos};
}

Ktime Replay::first_in_wheel(CpuId cpu, bool local) const {
    std::int64_t first = INT64_MAX;
    for (const auto& [name, t] : wheel_)
        if (t.cpu == cpu && t.local == local)
            first = std::min(first, t.bucket);
    return first == INT64_MAX ? kKtimeMax : ktime_at((first - jiffies_offset_) * kRecordedTick);
}

/// The jiffies never run ahead of their tick edge.
void Replay::learn_jiffies() {
    jiffies_offset_ = INT64_MIN;
    for (const TraceEvent& e : *events_)
        if (e.is("timer_expire_entry"))
            jiffies_offset_ =
                std::max(jiffies_offset_, static_cast<std::int64_t>(e.number("now")) - e.at_us * 1000 / kRecordedTick);
}

/// When CPU `cpu` is next expired remotely before it looks at its timers itself.
std::optional<Ktime> Replay::next_remote_expiry(CpuId cpu, std::size_t from) const {
    for (std::size_t i = from; i < events_->size(); ++i) {
        const TraceEvent& e = (*events_)[i];
        if (e.is("tmigr_handle_remote_cpu") && e.number("cpu") == cpu)
            return ktime_at(e.at_us * 1000 / kRecordedTick * kRecordedTick);
        // Not told to the hierarchy again: it has it.
        if (e.cpu == cpu && e.is("tmigr_cpu_new_timer_idle") && ktime_field(e, "nextevt") != kKtimeMax)
            return ktime_field(e, "nextevt");
        if (e.cpu == cpu && (e.is("tmigr_cpu_active") || e.is("tmigr_cpu_new_timer") || e.is("tmigr_cpu_idle")))
            return std::nullopt;
    }
    return std::nullopt;
}

std::string Replay::group_name(const std::string& pointer) {
    if (pointer.find_first_not_of('0') == std::string::npos)
        return "-";
    const auto it = groups_.find(pointer);
    return it == groups_.end() ? pointer : it->second;
}

std::string Replay::recorded_text(const TraceEvent& e) {
    const auto kind = std::find_if(kTmigrRecordKinds.begin(), kTmigrRecordKinds.end(),
                                   [&](const sim::RecordKind& k) { return k.name == e.name; });
    if (kind == kTmigrRecordKinds.end())
        return e.name;
    std::string text = e.name;
    for (int i = 0; i < kind->operand_count; ++i) {
        const sim::Operand& o = kind->operands[static_cast<std::size_t>(i)];
        if (o.name == "capacity")
            continue;
        std::string field(o.name);
        if (!e.fields.contains(field))
            field = field == "numa_node"           ? "numa"
                    : field == "child"             ? "group"
                    : field == "group_next_expiry" ? "next_expiry"
                                                   : field;
        text += fmt::format(" {}={}", o.name,
                            o.type == sim::OperandType::kObject ? group_name(e.text(field)) : e.text(field));
    }
    return text;
}

void Replay::link_events() {
    std::vector<std::size_t> later(cpus_.size(), kNone);
    next_of_cpu_.assign(events_->size(), kNone);
    for (std::size_t i = events_->size(); i-- > 0;) {
        if (!(*events_)[i].name.starts_with("tmigr_"))
            continue;
        next_of_cpu_[i] = later[(*events_)[i].cpu];
        later[(*events_)[i].cpu] = i;
    }
    for (CpuId c = 0; c < cpus_.size(); ++c) {
        std::size_t i = later[c];
        while (i != kNone && i < at_)
            i = next_of_cpu_[i];
        cpus_[c].next = i;
    }
}

/// Whether `e` belongs to a remote expiry under way on its CPU.
bool Replay::continues(const TraceEvent& e) {
    return e.is("tmigr_handle_remote_cpu") || e.is("tmigr_update_events") ||
           (e.is("tmigr_handle_remote") && e.number("lvl") != 0);
}

/// Whether `next`, which follows `e` on its CPU, is of the same operation.
bool Replay::more_after(const TraceEvent& e, const TraceEvent& next) {
    if (e.is("tmigr_cpu_idle") || e.is("tmigr_cpu_new_timer_idle") || e.is("tmigr_cpu_offline") ||
        e.is("tmigr_cpu_unavailable"))
        return false;
    if (e.is("tmigr_handle_remote") || e.is("tmigr_handle_remote_cpu"))
        return continues(next);
    if (next.is("tmigr_group_set_cpu_active"))
        return next.number("lvl") != 0 || e.is("tmigr_cpu_active");
    if (next.is("tmigr_group_set_cpu_inactive"))
        return next.number("lvl") != 0;
    if (next.is("tmigr_cpu_active"))
        return e.is("tmigr_cpu_online") || e.is("tmigr_cpu_available");
    return !next.is("tmigr_cpu_new_timer") && !(next.is("tmigr_handle_remote") && next.number("lvl") == 0);
}

void Replay::begin(CpuId c, bool may_sleep, std::function<void(Cpu&)> body) {
    CpuState& s = cpus_[c];
    s.in_operation = true;
    s.ended = false;
    const auto whole = [&s, body = std::move(body)](Cpu& cpu) {
        body(cpu);
        s.in_operation = false;
        s.ended = true;
    };
    const sim::Cause cause{{}, ++roots_};
    if (may_sleep)
        machine_->run_in_control_thread(c, cause, whole);
    else
        machine_->run_on_thread(c, cause, whole);
    advance(c);
}

void Replay::run_on() {
    machine_->run(machine_->now() + 20us, sim::testing::kAllSteps * 1000);
    if (machine_->verdict())
        throw std::runtime_error(
            fmt::format("event {}: {}: {}", at_, machine_->verdict()->check->name, machine_->verdict()->message));
}

bool Replay::waits(CpuId c) const {
    const CpuState& s = cpus_[c];
    return s.in_operation && !s.held && s.emitted.empty();
}

void Replay::advance(CpuId c) {
    if (cpus_[c].held) {
        cpus_[c].held = false;
        machine_->release(c);
    }
    run_on();
    // It waits for a CPU's record: whoever has it was done with it in the kernel, and left no trace of that.
    for (CpuId k = 0; k < cpus_.size(); ++k)
        for (int i = 0; i < 100 && waits(c); ++i) {
            const Cpu* const owner = placement_->cpu(k).lock.owner();
            if (!owner || !cpus_[owner->id()].held)
                break;
            cpus_[owner->id()].held = false;
            machine_->release(owner->id());
            run_on();
        }
}

void Replay::finish(CpuId c) {
    for (int i = 0; cpus_[c].in_operation && i < 1000; ++i) {
        advance(c);
        if (waits(c))
            return;
    }
}

void Replay::advance_to_record(CpuId c) {
    for (int i = 0; cpus_[c].emitted.empty() && cpus_[c].in_operation && i < 1000; ++i) {
        advance(c);
        if (waits(c))
            return;
    }
}

void Replay::start(CpuId c, const TraceEvent& e) {
    TmigrPlacement& p = *placement_;
    const auto irqs_off = [&](std::function<void(Cpu&)> body) {
        begin(c, false, [body = std::move(body)](Cpu& cpu) {
            const sim::IrqGuard guard(cpu);
            body(cpu);
        });
    };
    const std::size_t i = at_;
    const auto field_later = [&](std::string_view name) {
        const std::size_t end = find_on_cpu(i, [&](const TraceEvent& x) { return x.is(name); });
        return end == kNone ? kKtimeMax : ktime_field((*events_)[end], "nextevt");
    };
    if (is_setup(e)) {
        const std::size_t end = find_on_cpu(i, [](const TraceEvent& x) { return x.is("tmigr_connect_cpu_parent"); });
        const auto target = static_cast<CpuId>((*events_)[end].number("cpu"));
        begin(c, true, [&p, target](Cpu& cpu) { p.prepare(cpu, target); });
    } else if (e.is("tmigr_cpu_online") || e.is("tmigr_cpu_available")) {
        begin(c, true, [&p](Cpu& cpu) { p.set_available(cpu); });
    } else if (e.is("tmigr_cpu_active")) {
        // After a mismatch the model's CPU may be awake already.
        if (!p.cpu(c).idle.peek())
            return;
        irqs_off([&p](Cpu& cpu) { p.activate(cpu); });
    } else if (e.is("tmigr_group_set_cpu_inactive")) {
        const std::size_t end = find_on_cpu(i, [](const TraceEvent& x) {
            return x.is("tmigr_cpu_idle") || x.is("tmigr_cpu_offline") || x.is("tmigr_cpu_unavailable");
        });
        if (end == kNone || (*events_)[end].is("tmigr_cpu_idle"))
            irqs_off([&p, next = field_later("tmigr_cpu_idle")](Cpu& cpu) { p.deactivate(cpu, next); });
        else
            begin(c, true, [&p](Cpu& cpu) { p.clear_available(cpu); });
    } else if (e.is("tmigr_cpu_new_timer") || e.is("tmigr_cpu_new_timer_idle")) {
        irqs_off([&p, next = field_later("tmigr_cpu_new_timer_idle")](Cpu& cpu) { p.new_timer(cpu, next); });
    } else if (e.is("tmigr_handle_remote")) {
        begin(c, false, [&p](Cpu& cpu) { p.handle_remote(cpu); });
    }
}

/// A record is written after the exchange that it tells of. Where the records of two CPUs about one group stand the
/// other way round than their exchanges, the states tell: then the events of the other CPU go first.
void Replay::restore_order(std::size_t i) {
    constexpr std::size_t kReach = 24;
    const auto is_state = [](const TraceEvent& e) {
        return e.is("tmigr_group_set_cpu_active") || e.is("tmigr_group_set_cpu_inactive");
    };
    const TraceEvent e = order_[i];
    if (!is_state(e))
        return;
    const std::string name = group_name(e.text("group"));
    const auto group = std::find_if(placement_->groups().begin(), placement_->groups().end(),
                                    [&](const auto& g) { return g->lock.name() == name; });
    if (group == placement_->groups().end())
        return;
    const auto others = [](const TraceEvent& x, std::uint64_t active) { return active & ~x.number("childmask", 16); };
    const std::uint64_t now = (*group)->peek_state().active;
    if (others(e, now) == others(e, e.number("active", 16)))
        return;
    for (std::size_t j = i + 1; j < std::min(order_.size(), i + kReach); ++j) {
        const TraceEvent f = order_[j];
        if (f.cpu == e.cpu || !is_state(f) || f.text("group") != e.text("group") ||
            others(f, now) != others(f, f.number("active", 16)) ||
            others(e, f.number("active", 16)) != others(e, e.number("active", 16)))
            continue;
        std::stable_partition(order_.begin() + static_cast<std::ptrdiff_t>(i),
                              order_.begin() + static_cast<std::ptrdiff_t>(j) + 1,
                              [&](const TraceEvent& x) { return x.cpu == f.cpu; });
        ++result_.reordered;
        link_events();
        return;
    }
}

Replay::Result Replay::perform(const std::vector<TraceEvent>& events) {
    order_ = events;
    events_ = &order_;
    result_ = {};
    at_ = 0;
    link_events();
    has_timers_ = std::any_of(events.begin(), events.end(), [](const TraceEvent& e) { return e.is("softirq_exit"); });
    for (at_ = 0; at_ < order_.size(); ++at_) {
        restore_order(at_);
        const TraceEvent& e = order_[at_];
        CpuState& s = cpus_[e.cpu];
        if (e.is("softirq_exit")) {
            if (s.in_operation && s.expiring)
                finish(e.cpu);
            continue;
        }
        note_timer(e);
        if (!e.name.starts_with("tmigr_"))
            continue;
        if (s.in_operation && e.is("tmigr_handle_remote") && e.number("lvl") == 0 && s.emitted.empty())
            finish(e.cpu);
        advance_to_record(e.cpu);
        if (s.emitted.empty()) {
            start(e.cpu, e);
            advance_to_record(e.cpu);
        }
        if (e.is("tmigr_group_set") && !s.emitted.empty()) {
            const std::string& m = s.emitted.front();
            const std::size_t from = m.find("group=") + 6;
            groups_[e.text("group")] = m.substr(from, m.find(" lvl") - from);
        }
        ++result_.events;
        const std::string recorded = recorded_text(e);
        const std::string modelled = s.emitted.empty() ? "nothing" : s.emitted.front();
        if (!s.emitted.empty())
            s.emitted.pop_front();
        if (recorded == modelled) {
            ++result_.matched;
        } else {
            result_.mismatches.push_back({at_, fmt::format("[{}] {}us {}", e.cpu, e.at_us, recorded), modelled});
            if (modelled.substr(0, modelled.find(' ')) != e.name) {
                finish(e.cpu);
                s.emitted.clear();
            }
        }
        s.next = after(at_);
        // What leaves no trace any more is over before the next CPU acts; of a remote expiry, with its softirq.
        s.expiring = e.is("tmigr_handle_remote_cpu") || (s.expiring && s.in_operation);
        if (s.in_operation && s.emitted.empty() && (!s.expiring || !has_timers_) &&
            (s.next == kNone || !more_after(e, order_[s.next])))
            finish(e.cpu);
    }
    return result_;
}

void Replay::run_alone(CpuId c, std::function<void(Cpu&)> body) {
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

Replay::Result Replay::main_trace() {
    events_ = &kernel_.trace;
    at_ = 0;
    for (CpuId c = 0; c < cpus_.size(); ++c)
        finish(c);
    link_events();
    learn_jiffies();
    // A CPU was awake if the first thing it does is to go idle, or to expire others without having woken.
    std::vector<CpuId> awake;
    for (CpuId c = 0; c < cpus_.size(); ++c) {
        const auto first = [&](std::string_view name) {
            return find_on_cpu(cpus_[c].next, [&](const TraceEvent& e) { return e.is(name); });
        };
        if (first("tmigr_group_set_cpu_inactive") < first("tmigr_cpu_active"))
            awake.push_back(c);
    }
    // Those first, so that the others have no duty when they go idle.
    for (const CpuId c : awake)
        bring_to(c, true, kKtimeMax);
    for (CpuId c = 0; c < cpus_.size(); ++c)
        if (std::find(awake.begin(), awake.end(), c) == awake.end())
            bring_to(c, false, next_remote_expiry(c, 0).value_or(kKtimeMax));
    // The first recorded migrator of each leaf becomes active first.
    for (const TraceEvent& e : *events_)
        if (e.is("tmigr_group_set_cpu_active") && e.number("lvl") == 0) {
            for (const CpuId c : awake)
                if (groups_[e.text("group")] == placement_->cpu(c).group.peek()->lock.name() &&
                    placement_->cpu(c).groupmask.peek() == e.number("migrator", 16)) {
                    for (const CpuId other : awake)
                        bring_to(other, false, kKtimeMax);
                    bring_to(c, true, kKtimeMax);
                }
            break;
        }
    for (const CpuId c : awake)
        if (placement_->cpu(c).idle.peek())
            bring_to(c, true, kKtimeMax);
    return perform(kernel_.trace);
}

}  // namespace ticklab::linux_::tmigr::testing
