#include "ticklab/lab/obligations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ticklab/lab/check_decls.hpp"

namespace ticklab::lab {
namespace {

using sim::CpuId;
using sim::Time;
using sim::TimerIndex;
using sim::TimerRole;

/// Revoked armings of one timer that are remembered; more than one at a time is rare.
constexpr std::size_t kMaxGhosts = 64;

}  // namespace

std::string show(sim::Duration d) {
    struct Unit {
        std::int64_t ps;
        int digits;
        const char* name;
    };
    static constexpr std::array<Unit, 5> kUnits{
        {{1'000'000'000'000, 12, "s"}, {1'000'000'000, 9, "ms"}, {1'000'000, 6, "us"}, {1'000, 3, "ns"}, {1, 0, "ps"}}};
    const std::int64_t count = d.count();
    if (count == 0)
        return "0";
    const std::uint64_t size = count < 0 ? ~static_cast<std::uint64_t>(count) + 1 : static_cast<std::uint64_t>(count);
    const auto* unit = kUnits.begin();
    while (static_cast<std::uint64_t>(unit->ps) > size)
        ++unit;
    const std::uint64_t whole = size / static_cast<std::uint64_t>(unit->ps);
    const std::uint64_t part = size % static_cast<std::uint64_t>(unit->ps);
    std::string text = fmt::format("{}{}", count < 0 ? "-" : "", whole);
    if (part != 0) {
        std::string digits = fmt::format("{:0{}}", part, unit->digits);
        digits.erase(digits.find_last_not_of('0') + 1);
        text += '.' + digits;
    }
    return text + ' ' + unit->name;
}

Obligations::Operation Obligations::begin(TimerIndex timer, TimerRole role, CpuId cpu, Time at,
                                          const sim::TimerPromise& promise) {
    if (role == TimerRole::kArm && promise.not_before == sim::kNever)
        role = TimerRole::kNone;
    const Operation operation{timer, role, cpu, ++operations_};
    if (role == TimerRole::kNone)
        return operation;
    Timer& t = timers_[timer];
    if (role == TimerRole::kMove) {
        ++t.moves_under_way;
        return operation;
    }
    if (t.under_way++ == 0)
        t.group_arms = t.group_cancels = t.group_waits = 0;
    if (role == TimerRole::kArm) {
        ++t.group_arms;
        ++counters_.armed;
        t.armings.push_back({operation.id, promise, at, sim::kNever, cpu, 1, true, true});
    } else {
        ++t.group_cancels;
        if (role == TimerRole::kSyncCancel)
            ++t.group_waits;
    }
    return operation;
}

std::optional<Finding> Obligations::end(const Operation& operation, Time at) {
    if (operation.role == TimerRole::kNone)
        return std::nullopt;
    Timer& t = timers_[operation.timer];
    if (operation.role == TimerRole::kMove) {
        --t.moves_under_way;
        t.moved_at = std::max(t.moved_at, at);
        return std::nullopt;
    }
    for (Arming& a : t.armings)
        if (a.operation == operation.id)
            a.end = at;
    std::optional<Finding> finding;
    const bool alone = t.group_arms + t.group_cancels == 1;
    if (operation.role == TimerRole::kSyncCancel && alone)
        for (const CpuId cpu : t.running)
            if (cpu != operation.cpu)
                finding =
                    Finding{&checks::kTimerAfterCancel,
                            fmt::format("a cancel that waits returned at {}, and the callback is still running on "
                                        "CPU {}",
                                        show(at), cpu),
                            operation.cpu};
    if (--t.under_way == 0)
        close_group(t, at);
    return finding;
}

void Obligations::haunt(Timer& t, const Arming& arming, Time at) {
    if (!due(arming.promise, at))
        return;
    Ghost ghost{arming.promise, arming.begin, arming.end, at, {}};
    ghost.marks.reserve(cpu_count_);
    for (CpuId c = 0; c < cpu_count_; ++c)
        ghost.marks.push_back(quiet_mark_(c));
    std::erase_if(t.ghosts, [&](const Ghost& g) {
        for (CpuId c = 0; c < cpu_count_; ++c)
            if (g.marks[c] == ghost.marks[c])
                return false;
        return true;
    });
    if (t.ghosts.size() == kMaxGhosts)
        t.ghosts.erase(t.ghosts.begin());
    t.ghosts.push_back(std::move(ghost));
}

void Obligations::close_group(Timer& t, Time at) {
    const bool waited = t.group_arms == 0 && t.group_waits == t.group_cancels;
    if (waited)
        t.ghosts.clear();
    for (const Arming& a : t.armings) {
        if (a.in_group)
            continue;
        ++(t.group_cancels != 0 ? counters_.cancelled : counters_.superseded);
        if (!waited)
            haunt(t, a, at);
    }
    std::erase_if(t.armings, [](const Arming& a) { return !a.in_group; });
    if (t.group_arms == 0) {
        t.past = Past::kCancelled;
        t.past_at = at;
        return;
    }
    if (t.group_cancels == 0 && t.group_arms > 1)
        settle_arms(t, at);
    for (Arming& a : t.armings) {
        a.in_group = false;
        a.owed = a.owed && t.group_cancels == 0;
    }
}

void Obligations::settle_arms(Timer& t, Time at) {
    if (t.armings.empty())
        return;
    Arming merged = t.armings.front();
    merged.end = at;
    merged.may_fire = 0;
    for (const Arming& a : t.armings) {
        merged.promise.not_before = std::min(merged.promise.not_before, a.promise.not_before);
        merged.promise.not_after = std::max(merged.promise.not_after, a.promise.not_after);
        merged.promise.strict = merged.promise.strict && a.promise.strict;
        merged.promise.look_every = std::max(merged.promise.look_every, a.promise.look_every);
        merged.may_fire += a.may_fire;
        merged.owed = merged.owed && a.owed;
    }
    // One that has fired already may have been the last to take effect.
    merged.owed = merged.owed && t.armings.size() == t.group_arms;
    // What was not due when the last of them returned cannot have been taken from the queue between them.
    if (!due(merged.promise, at))
        merged.may_fire = 1;
    counters_.superseded += t.armings.size() - 1;
    t.armings.assign(1, merged);
}

std::optional<Finding> Obligations::fired(TimerIndex timer, CpuId cpu, Time at, Firing& firing) {
    Timer& t = timers_[timer];
    t.running.push_back(cpu);
    const bool moving = t.moves_under_way != 0;
    firing = Firing{timer, cpu, at, sim::kNever, sim::kBoot, {}, {}, sim::kNever, moving ? at : t.moved_at, {}};
    std::size_t possible = 0;
    // Which of several it stands for cannot be told, so it is held to the most lenient of their bounds.
    const auto may_stand_for = [&](const sim::TimerPromise& promise, Time begin, Time in_force) {
        ++possible;
        firing.armed_at = std::min(firing.armed_at, begin);
        firing.not_before = std::min(firing.not_before, promise.not_before);
        firing.early_by = std::max(firing.early_by, promise.early_by);
        firing.look_every = std::max(firing.look_every, promise.look_every);
        firing.not_after = std::max(firing.not_after, promise.not_after);
        firing.answerable_from = std::max(firing.answerable_from, std::min(at, in_force));
    };
    const auto is_possible = [&](const Ghost& g) { return due(g.promise, at) && g.marks[cpu] == quiet_mark_(cpu); };
    for (const Ghost& g : t.ghosts)
        if (is_possible(g))
            may_stand_for(g.promise, g.begin, g.end);
    for (const Arming& a : t.armings)
        if (due(a.promise, at))
            may_stand_for(a.promise, a.begin, a.end);
    if (possible == 0)
        return unexpected(t, cpu, at);
    ++counters_.fired;
    for (Arming& a : t.armings)
        if (due(a.promise, at))
            a.owed = false;
    if (const auto ghost = std::find_if(t.ghosts.begin(), t.ghosts.end(), is_possible); ghost != t.ghosts.end()) {
        t.ghosts.erase(ghost);
    } else {
        const auto used =
            std::find_if(t.armings.begin(), t.armings.end(), [&](const Arming& a) { return due(a.promise, at); });
        if (--used->may_fire == 0)
            t.armings.erase(used);
    }
    counters_.early += at < firing.not_before + firing.early_by;
    t.past = Past::kFired;
    t.past_at = at;
    return std::nullopt;
}

std::optional<Finding> Obligations::unexpected(const Timer& t, CpuId cpu, Time at) {
    if (!t.armings.empty()) {
        Time earliest = sim::kNever;
        for (const Arming& a : t.armings)
            earliest = std::min(earliest, a.promise.not_before);
        ++counters_.early;
        return Finding{&checks::kTimerEarly,
                       fmt::format("the callback started at {}, {} before the earliest instant promised ({})", show(at),
                                   show(earliest - at), show(earliest)),
                       cpu};
    }
    if (t.past == Past::kCancelled)
        return Finding{
            &checks::kTimerAfterCancel,
            fmt::format("the callback started at {}, and a cancel had returned at {}", show(at), show(t.past_at)), cpu};
    if (t.past == Past::kFired)
        return Finding{
            &checks::kTimerTwice,
            fmt::format("the callback started at {}; its one arming was used up at {}", show(at), show(t.past_at)),
            cpu};
    return Finding{&checks::kTimerTwice, fmt::format("the callback started at {}; the timer was never armed", show(at)),
                   cpu};
}

void Obligations::finished(TimerIndex timer, CpuId cpu) {
    std::vector<CpuId>& running = timers_[timer].running;
    const auto it = std::find(running.rbegin(), running.rend(), cpu);
    if (it != running.rend())
        running.erase(std::next(it).base());
}

std::optional<Owed> Obligations::owed_by(TimerIndex timer) const {
    const Timer& t = timers_[timer];
    if (t.under_way != 0 || t.moves_under_way != 0 || t.armings.size() != 1 || !t.armings.front().owed)
        return std::nullopt;
    const Arming& a = t.armings.front();
    return Owed{
        timer, a.cpu, a.promise.not_before, a.promise.not_after, std::max(a.end, t.moved_at), a.promise.look_every};
}

bool Obligations::certainly_idle(TimerIndex timer) const {
    const Timer& t = timers_[timer];
    return t.armings.empty() && t.ghosts.empty() && t.running.empty() && t.under_way == 0 && t.moves_under_way == 0;
}

}  // namespace ticklab::lab
