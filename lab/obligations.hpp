// What a kernel owes to the timers of a scenario, kept from the outside: the times at which its public operations began
// and returned, what they promised, and when callbacks started.
//
// Rules
//  (1) The linearisation point of an operation is hidden inside the kernel's locks: it lies somewhere in [begin,
//      end] of the operation. An arming is certainly in force only after its operation returned, certainly not before
//      it began.
//  (2) Operations on one timer that overlap in time make up a group. A group that arms and does not cancel leaves
//      exactly one arming in force; one that does both leaves one or none, so nothing is owed, but a callback is no
//      fault.
//  (3) What was in force before a group is revoked when the group is over. If it was due by then, a CPU may have
//      taken it from the queue before: its callback may still start, as long as that CPU has not been idle or in user
//      mode since. Only a cancel that waits (kSyncCancel) promises more: nothing runs or will run once it has returned.
//  (4) One start of the callback uses up one arming, the oldest that it can stand for. Where it may stand for
//      several, none of the others is owed any more.
//  (5) Every rule above errs towards silence: a finding is a broken promise whatever the true order was.
//  (6) Calls come in the order in which the machine performs the CPUs' interleaving points, and linearisation
//      points are such points. So operations of which one returned before the other was begun, in the order of calls,
//      do not overlap, whatever the private ends of their CPUs' times are.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/loss_step.hpp"
#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/kernel.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::lab {

/// A broken promise, before it becomes a verdict.
struct Finding {
    const sim::CheckDecl* check;
    std::string message;
    sim::CpuId cpu = sim::kNoCpu;
    sim::RecordId record{};
    /// Of a timer that is lost.
    std::optional<Loss> loss{};
};

/// What one start of a callback used up.
struct Firing {
    sim::TimerIndex timer = 0;
    sim::CpuId cpu = sim::kNoCpu;
    sim::Time at = sim::kBoot;
    sim::Time not_before = sim::kBoot;
    sim::Time not_after = sim::kNever;
    /// How far `not_before` lies before the instant that was asked for.
    sim::Duration early_by{};
    /// TimerPromise::look_every.
    sim::Duration look_every{};
    /// Its operation began; the arming was in force a little later.
    sim::Time armed_at = sim::kBoot;
    /// The CPU can be held to the bound from here on: the arming was in force and the timer was not being moved.
    sim::Time answerable_from = sim::kBoot;
    sim::RecordId record{};

    /// The instant from which it counts as late.
    sim::Time requested() const { return saturating_add(not_before, early_by); }
};

/// A timer that is certainly armed.
struct Owed {
    sim::TimerIndex timer = 0;
    sim::CpuId armed_on = sim::kNoCpu;
    sim::Time not_before = sim::kBoot;
    sim::Time not_after = sim::kNever;
    sim::Time answerable_from = sim::kBoot;
    /// TimerPromise::look_every.
    sim::Duration look_every{};
};

struct TimerCounters {
    std::uint64_t armed = 0;
    std::uint64_t fired = 0;
    std::uint64_t cancelled = 0;   ///< armings that a cancel ended
    std::uint64_t superseded = 0;  ///< armings that another arming ended
    std::uint64_t early = 0;       ///< started before the instant that was asked for
    std::uint64_t lost = 0;
};

class Obligations {
public:
    /// A number that grows each time the CPU comes out of idle or of user mode.
    using QuietMark = std::function<std::uint64_t(sim::CpuId)>;

    Obligations(std::size_t timer_count, sim::CpuId cpu_count, QuietMark quiet_mark)
        : timers_(timer_count), cpu_count_(cpu_count), quiet_mark_(std::move(quiet_mark)) {}

    /// An operation that is under way.
    struct Operation {
        sim::TimerIndex timer = 0;
        sim::TimerRole role = sim::TimerRole::kNone;
        sim::CpuId cpu = sim::kNoCpu;
        std::uint64_t id = 0;
    };
    /// Before a verb of `role` on `timer` is performed. `promise` is for kArm; one that is never to be kept (not_before
    /// is kNever) says that the arming has no effect.
    Operation begin(sim::TimerIndex timer, sim::TimerRole role, sim::CpuId cpu, sim::Time at,
                    const sim::TimerPromise& promise = {});
    /// After it has returned.
    std::optional<Finding> end(const Operation& operation, sim::Time at);

    /// The callback starts. `firing` is filled in if there is no finding.
    std::optional<Finding> fired(sim::TimerIndex timer, sim::CpuId cpu, sim::Time at, Firing& firing);
    /// The callback is over.
    void finished(sim::TimerIndex timer, sim::CpuId cpu);

    /// Calls `visit(const Owed&)` for each timer that is certainly armed and with which nothing is going on.
    template <class Visitor>
    void for_each_owed(Visitor visit) const {
        for (sim::TimerIndex i = 0; i < timers_.size(); ++i)
            if (const std::optional<Owed> owed = owed_by(i))
                visit(*owed);
    }
    /// Whether the timer is certainly not armed: nothing is in force, going on, or taken from the queue and not yet
    /// run.
    bool certainly_idle(sim::TimerIndex timer) const;
    void count_lost() { ++counters_.lost; }

    std::size_t timer_count() const { return timers_.size(); }
    const TimerCounters& counters() const { return counters_; }

private:
    struct Arming {
        std::uint64_t operation;
        sim::TimerPromise promise;
        sim::Time begin;
        sim::Time end;  ///< kNever while its operation is under way
        sim::CpuId cpu;
        unsigned may_fire;
        bool owed;
        bool in_group;
    };
    /// Revoked, but perhaps taken from the queue before that.
    struct Ghost {
        sim::TimerPromise promise;
        sim::Time begin;
        sim::Time end;
        sim::Time revoked_at;
        std::vector<std::uint64_t> marks;
    };
    enum class Past : std::uint8_t { kNeverArmed, kFired, kSuperseded, kCancelled };
    struct Timer {
        std::vector<Arming> armings;
        std::vector<Ghost> ghosts;
        std::vector<sim::CpuId> running;
        unsigned under_way = 0;
        unsigned group_arms = 0;
        unsigned group_cancels = 0;
        unsigned group_waits = 0;  ///< of the cancels, those that wait
        sim::Time moved_at = sim::kBoot;
        unsigned moves_under_way = 0;
        Past past = Past::kNeverArmed;
        sim::Time past_at = sim::kBoot;
    };

    std::optional<Owed> owed_by(sim::TimerIndex timer) const;
    void close_group(Timer& timer, sim::Time at);
    void settle_arms(Timer& timer, sim::Time at);
    void haunt(Timer& timer, const Arming& arming, sim::Time at);
    static bool due(const sim::TimerPromise& promise, sim::Time at) {
        return promise.strict ? at > promise.not_before : at >= promise.not_before;
    }
    std::optional<Finding> unexpected(const Timer& timer, sim::CpuId cpu, sim::Time at);

    std::vector<Timer> timers_;
    sim::CpuId cpu_count_;
    QuietMark quiet_mark_;
    std::uint64_t operations_ = 0;
    TimerCounters counters_;
};

/// "1.234567 ms": an instant or a span with all digits that are not zero, down to picoseconds.
std::string show(sim::Duration d);
inline std::string show(sim::Time t) { return t == sim::kNever ? "never" : show(t.time_since_epoch()); }

}  // namespace ticklab::lab
