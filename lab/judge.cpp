#include "ticklab/lab/judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "ticklab/lab/check_decls.hpp"
#include "ticklab/lab/scenario_records.hpp"

namespace ticklab::lab {

using sim::Duration;
using sim::Time;

Duration hardware_allowance(const sim::MachineConfig& config) {
    Duration idle{};
    for (const sim::CState& state : config.c_states)
        idle = std::max(idle, state.entry_latency + state.exit_latency);
    return 2 * idle + clock_allowance(config);
}

Duration clock_allowance(const sim::MachineConfig& config) {
    // The slowest setting of the APIC timer's divider (LA 3.1), rounded up.
    constexpr std::uint64_t kSlowestDivider = 128;
    const Duration apic_tick{static_cast<std::int64_t>(kSlowestDivider * 1'000'000'000'000 / config.apic_bus_hz + 1)};
    const Duration hpet_tick{static_cast<std::int64_t>(config.hpet_period_fs / 1000 + 1)};
    const Duration flights = config.timer_fly + config.msi_fly + config.ioapic_fly + config.ipi_fly +
                             config.ipi_fly_remote + 4 * config.flight_jitter;
    // Where the local timer stops, another CPU wakes the sleeper, and may be stalled on its way there (MA 13.1). Not
    // every such stall is seen on the sleeper's own chain.
    constexpr int kStallsOnTheWay = 4;
    const bool needs_helper = !config.arat && config.stall_one_in != 0;
    const Duration helper = needs_helper ? kStallsOnTheWay * config.max_stall : Duration::zero();
    return helper + apic_tick + 2 * hpet_tick + flights + config.quantum;
}

Judge::Judge(sim::Machine& machine, Obligations& obligations, const ActivityLog& log, const sim::TimerClient& names,
             std::uint64_t offline_name, std::uint64_t online_name)
    : machine_(machine),
      obligations_(obligations),
      log_(log),
      names_(names),
      offline_name_(offline_name),
      online_name_(online_name),
      allowance_(hardware_allowance(machine.config())),
      clock_allowance_(clock_allowance(machine.config())),
      longest_step_(kLongestStep + kLongestStep * machine.config().jitter_per_1024 / 1024),
      quiet_(machine.cpu_count()) {}

void Judge::consume(std::span<const sim::Record> batch) {
    for (const sim::Record& record : batch) {
        quiet_.consume(record);
        const std::uint16_t kind = record.kind->id;
        if (kind == kVerbBeginRecord.id || kind == kVerbEndRecord.id) {
            const std::uint64_t verb = record.unsigned_at(0);
            if (verb != offline_name_ && verb != online_name_)
                continue;
            if (kind == kVerbBeginRecord.id) {
                ++hotplug_under_way_;
            } else {
                --hotplug_under_way_;
                hotplug_over_ = record.at;
            }
        }
    }
}

Duration Judge::unexcused(const LatenessPiece& piece) const {
    const Duration length = piece.to - piece.from;
    if (info(piece.part).excuse != Excuse::kSteps)
        return info(piece.part).excuse == Excuse::kNever ? length : Duration::zero();
    Duration total{};
    Time end = piece.to;
    const auto step_from = [&](Time begin) {
        total += std::max(end - begin - longest_step_, Duration::zero());
        end = begin;
    };
    log_.records().backwards([&](const KeptRecord& record) {
        if (record.cpu == piece.cpu && record.at < end && record.at > piece.from)
            step_from(record.at);
        return record.at > piece.from;
    });
    step_from(piece.from);
    return total;
}

Duration Judge::looks_lost(const Firing& firing, Time from) const {
    if (firing.look_every == Duration::zero())
        return firing.look_every;
    std::int64_t count = 0;
    for (sim::CpuId c = 0; c < machine_.cpu_count(); ++c)
        for (const auto* const intervals : {&log_.stalls(c), &log_.holds(c), &log_.rests(c)})
            for (const Interval& interval : *intervals)
                count += interval.to > from && interval.from < firing.at;
    return count * firing.look_every;
}

void Judge::fired(const Firing& firing, std::uint64_t timer, const ActivityLog& log) {
    const Time from = std::max(firing.not_before, firing.answerable_from);
    const Duration promised = std::max(firing.not_after - firing.not_before, Duration::zero());
    if (failed_ || firing.at - from <= promised + clock_allowance_ || !log.records().reaches(from))
        return;
    // What the promise lets the kernel wait, less what it did wait: spent before it is exceeded.
    Duration total = -promised;
    std::string unexplained;
    for (LatenessPiece piece : split_lateness(log, firing, timer).pieces) {
        piece.from = std::max(piece.from, from);
        if (piece.from >= piece.to)
            continue;
        const Duration length = piece.part == LatenessPart::kSlack ? piece.to - piece.from : unexcused(piece);
        if (length == Duration::zero())
            continue;
        total += length;
        fmt::format_to(std::back_inserter(unexplained), "{}{} {} on CPU {}", unexplained.empty() ? "" : ", ",
                       info(piece.part).word, show(length), piece.cpu);
    }
    if (total <= clock_allowance_ || total <= clock_allowance_ + looks_lost(firing, from))
        return;
    failed_ = true;
    machine_.fail(checks::kTimerLate,
                  fmt::format("timer {}: the callback started at {}, {} after the latest instant promised ({}); {} of "
                              "that has no excuse: {}, less the {} that it may wait; clocks explain {}",
                              names_.timer_name(firing.timer), show(firing.at), show(firing.at - firing.not_after),
                              show(firing.not_after), show(total), unexplained, show(promised), show(clock_allowance_)),
                  firing.cpu, firing.record);
}

sim::CpuId Judge::owner_of(const Owed& owed) const {
    const StructureOracle::Entry* const entry = structures_.find(owed.timer);
    return entry ? entry->owner : owed.armed_on;
}

Duration Judge::others_kept_off(sim::CpuId owner, Time from, Time to) const {
    std::vector<Interval> spans;
    for (sim::CpuId c = 0; c < machine_.cpu_count(); ++c)
        if (c != owner)
            for (const auto* const intervals : {&log_.stalls(c), &log_.rests(c)})
                for (const Interval& span : *intervals)
                    if (span.to > from && span.from < to)
                        spans.push_back({std::max(span.from, from), std::min(span.to, to)});
    std::sort(spans.begin(), spans.end(), [](const Interval& a, const Interval& b) { return a.from < b.from; });
    Duration total{};
    for (Time reached = from; const Interval& span : spans)
        if (span.to > reached) {
            total += span.to - std::max(span.from, reached);
            reached = span.to;
        }
    return total;
}

Loss Judge::loss_of(const Owed& owed, Time bound, bool all_cpus) const {
    LossQuestion question{machine_.intern(names_.timer_name(owed.timer)), bound, owner_of(owed)};
    Loss loss{owed.timer, owner_of(owed), bound, loss_step(log_.records(), question), all_cpus, {}};
    question.cpu.reset();
    if (all_cpus)
        loss.step_of_all = loss_step(log_.records(), question);
    return loss;
}

std::optional<Finding> Judge::lost(const Owed& owed, Time now, bool last) const {
    if (owed.not_after >= now)
        return std::nullopt;
    const StructureOracle::Entry* const entry = structures_.find(owed.timer);
    const sim::CpuId owner = owner_of(owed);
    const bool online = machine_.cpu(owner).online();
    const std::span<const Placement> placed = log_.placements(machine_.intern(names_.timer_name(owed.timer)));
    const bool surely_there = entry && online && !placed.empty() && placed.back().cpu == owner;
    if (!surely_there && hotplug_under_way_ != 0)
        return std::nullopt;
    const Time from = std::max({owed.not_after, owed.answerable_from, surely_there ? placed.back().at : hotplug_over_});
    if (from >= now)
        return std::nullopt;
    Duration quiet = online ? quiet_.quiet(owner, from, now) : now - from;
    // Another CPU has the timer of one that sleeps: in the hierarchy, or because the sleeper's own one stops.
    if (online && (owed.look_every != Duration::zero() || !machine_.config().arat))
        quiet -= others_kept_off(owner, from, now);
    if (quiet <= allowance_ + (last ? Duration::zero() : kLostGrace))
        return std::nullopt;
    return Finding{
        &checks::kTimerLost,
        fmt::format("timer {} had to run by {}; it is {}, and CPU {} {} for {} of the time since then",
                    names_.timer_name(owed.timer), show(owed.not_after),
                    entry ? fmt::format("in the {} of CPU {}", entry->where, entry->owner) : std::string("in no queue"),
                    owner, online ? "was idle or in user mode" : "was off-line", show(quiet)),
        owner,
        {},
        loss_of(owed, sim::saturating_add(from, allowance_), false)};
}

bool Judge::all_asleep(Time now) const {
    for (sim::CpuId c = 0; c < machine_.cpu_count(); ++c) {
        const sim::CpuActivity activity = machine_.cpu(c).activity();
        if (activity != sim::CpuActivity::kIdle && activity != sim::CpuActivity::kOffline)
            return false;
        if (quiet_.stalled(c, now))
            return false;
    }
    return true;
}

Duration Judge::armed_late() const {
    Duration late{};
    for (sim::CpuId c = 0; c < machine_.cpu_count(); ++c)
        late = std::max(late, log_.segments(c).back().delayed);
    return late;
}

bool Judge::no_lock_held() const {
    return std::none_of(machine_.locks().begin(), machine_.locks().end(),
                        [](const sim::SpinLock* lock) { return lock->held(); });
}

std::optional<Finding> Judge::look(Time now, bool last) {
    if (no_lock_held()) {
        structures_.look(machine_.kernel());
        if (std::optional<Finding> finding = structures_.shapes(names_))
            return finding;
        if (std::optional<Finding> finding = structures_.membership(obligations_, names_, now))
            return finding;
    }
    std::optional<Finding> finding;
    const bool asleep = hotplug_under_way_ == 0 && all_asleep(now);
    const Time next = machine_.engine().earliest().at;
    const Duration excused = allowance_ + armed_late();
    obligations_.for_each_owed([&](const Owed& owed) {
        if (finding)
            return;
        finding = lost(owed, now, last);
        if (finding) {
            obligations_.count_lost();
            return;
        }
        // Whoever arms for a sleeper without a timer of its own may have stood still more than once on the way.
        const Duration helpers =
            !asleep || machine_.config().arat ? Duration::zero() : others_kept_off(sim::kNoCpu, owed.not_after, now);
        if (const Time bound = sim::saturating_add(owed.not_after, excused + helpers); asleep && next > bound) {
            finding = Finding{&checks::kUncovered,
                              fmt::format("all CPUs sleep until {}, and timer {} must run by {}", show(next),
                                          names_.timer_name(owed.timer), show(owed.not_after)),
                              owed.armed_on,
                              {},
                              loss_of(owed, bound, true)};
        }
    });
    return finding;
}

}  // namespace ticklab::lab
