#include "ticklab/lab/why/split.hpp"

#include <algorithm>
#include <optional>

#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/devices/hpet_records.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::lab {
namespace {

using sim::CpuId;
using sim::Duration;
using sim::RecordId;
using sim::Time;

bool is_hardware_event(const KeptRecord& record) {
    return record.kind->id == sim::kApicTimerEvent.id || record.kind->id == sim::kHpetMatch.id;
}

bool is_interrupt(const KeptRecord& record) {
    return record.kind->id == sim::kIrqEntry.id || record.kind->id == sim::kNmiEntry.id;
}

/// An interrupt on its way to a CPU, with the instant at which it was sent.
struct Flight {
    Time sent;
    Delivery delivery;
};

/// A CPU that was about to take, or handled, the interrupt of a comparator.
struct Helper {
    CpuId cpu;
    Interval at_work;
};

class Splitter {
public:
    Splitter(const ActivityLog& log, const Firing& firing, std::uint64_t timer)
        : log_(log), firing_(firing), timer_(timer), flights_(log.cpu_count()) {}

    LatenessSplit split() {
        LatenessSplit result{firing_, {}, {}};
        find_own_frames();
        result.pass = pass_.begin;
        if (firing_.at <= firing_.requested())
            return result;
        pass_began_ = pass_.begin ? pass_begin_at() : firing_.at;
        place_timer();
        follow_chain();
        cut();
        std::sort(cuts_.begin(), cuts_.end());
        cuts_.erase(std::unique(cuts_.begin(), cuts_.end()), cuts_.end());
        for (std::size_t i = 0; i + 1 < cuts_.size(); ++i) {
            LatenessPiece piece = attribute(cuts_[i]);
            piece.to = cuts_[i + 1];
            if (!result.pieces.empty() && continues(result.pieces.back(), piece))
                result.pieces.back().to = piece.to;
            else
                result.pieces.push_back(piece);
        }
        return result;
    }

private:
    static bool continues(const LatenessPiece& before, const LatenessPiece& piece) {
        return before.part == piece.part && before.cpu == piece.cpu && before.frame.kind == piece.frame.kind &&
               before.frame.begin == piece.frame.begin;
    }

    /// The softirq that runs the callback, and what in it belongs to the callback itself.
    void find_own_frames() {
        const std::span<const CpuFrame> frames = log_.frames(firing_.cpu);
        std::size_t i = frames.size();
        while (i > 0 && frames[i - 1].kind != FrameKind::kSoftirq)
            --i;
        if (i > 0)
            pass_ = frames[i - 1];
        for (; i < frames.size(); ++i)
            if (frames[i].kind == FrameKind::kCallback && frames[i].what == timer_)
                own_frames_.push_back(frames[i].begin);
    }

    void place_timer() {
        const std::span<const Placement> known = log_.placements(timer_);
        placements_.assign(known.begin(), known.end());
        // A later arming may have come between taking the timer from its queue and running it.
        if (placements_.empty() || placements_.front().at > firing_.at)
            placements_.assign(1, {firing_.armed_at, firing_.cpu});
        if (placements_.back().cpu != firing_.cpu && pass_.begin)
            placements_.push_back({pass_began_, firing_.cpu});
    }

    Time pass_begin_at() const {
        Time at = firing_.at;
        log_.records().backwards([&](const KeptRecord& record) {
            at = record.at;
            return record.id != pass_.begin && record.at > firing_.requested();
        });
        return at;
    }

    /// From `id` back to the hardware event that led to it; without one, to where the timer was due. The last first.
    std::vector<KeptRecord> chain_to_hardware(RecordId id) const {
        std::vector<KeptRecord> links;
        log_.records().backwards([&](const KeptRecord& record) {
            if (record.id != id)
                return static_cast<bool>(id);
            links.push_back(record);
            id = record.cause;
            return !is_hardware_event(record);
        });
        return links;
    }

    Duration local_timer_delayed(CpuId cpu) const {
        const Segment* const before = segment_at(cpu, fired_at_ - Duration{1});
        return before ? before->delayed : Duration::zero();
    }

    /// By how much the programming of the comparator that matched was delayed (rule 9).
    Duration comparator_delayed(const KeptRecord& match) const {
        const KeptRecord* write = nullptr;
        const KeptRecord* published = nullptr;
        bool missed = false;
        log_.records().backwards([&](const KeptRecord& record) {
            if (!write) {
                write = record.id == match.cause ? &record : nullptr;
            } else if (record.kind->id == sim::kHpetWrite.id && record.cause == write->cause) {
                missed = missed || (record.operands[0] == write->operands[0] && passed_by(record, write->at));
            } else if (record.id == write->cause) {
                published = &record;
            }
            return !published;
        });
        if (!write || !published)
            return Duration::zero();
        Duration delayed{};
        for (CpuId c = 0; c < log_.cpu_count(); ++c)
            delayed += stood_still(c, c == published->cpu ? published->at : handler_since(c, write->at), write->at);
        // An attempt that came too late is repeated with a longer span: the double of what the delay outlasted.
        return missed ? 2 * delayed : delayed;
    }

    /// Whether the instant that a write to a comparator asked for was past at `t`.
    bool passed_by(const KeptRecord& write, Time t) const {
        const auto ticks = static_cast<std::int32_t>(static_cast<std::uint32_t>(write.operands[2] - write.operands[3]));
        return write.at + ticks * log_.hpet_tick() <= t;
    }

    /// When the interrupt began that the CPU handles at `t`; `t` if it handles none.
    Time handler_since(CpuId cpu, Time t) const {
        const std::deque<Segment>& segments = log_.segments(cpu);
        Time since = t;
        for (auto s = segments.rbegin(); s != segments.rend(); ++s) {
            if (s->at > t)
                continue;
            if (rests(*s) || s->frame.kind == FrameKind::kIdleThread || s->frame.kind == FrameKind::kThread)
                break;
            since = s->at;
        }
        return since;
    }

    /// For how long of [from, to) the CPU was stalled or held.
    Duration stood_still(CpuId cpu, Time from, Time to) const {
        Duration total{};
        const auto add = [&](Time begin, Time end) {
            total += std::max(std::min(end, to) - std::max(begin, from), Duration::zero());
        };
        for (const Interval& stall : log_.stalls(cpu))
            add(stall.from, stall.to);
        const std::deque<Segment>& segments = log_.segments(cpu);
        for (auto s = segments.begin(); s != segments.end(); ++s)
            if (s->frame.kind == FrameKind::kHeld)
                add(s->at, std::next(s) == segments.end() ? to : std::next(s)->at);
        return total;
    }

    void follow_chain() {
        // A kernel that calls back straight from the interrupt has no pass.
        const RecordId end = pass_.begin ? pass_.begin : firing_.record;
        chain_ = chain_to_hardware(end);
        std::reverse(chain_.begin(), chain_.end());
        known_event_ = !chain_.empty() && is_hardware_event(chain_.front());
        if (known_event_)
            came_from(chain_.front());
        for (const KeptRecord& record : chain_)
            if (is_interrupt(record))
                own_interrupts_.push_back(record.id);
        // One that had fired before the timer was due led to the pass by what was done since.
        const auto since = std::find_if(chain_.begin(), chain_.end(),
                                        [&](const KeptRecord& r) { return r.at >= firing_.requested(); });
        chain_.erase(chain_.begin(), since);
        if (const std::optional<Time> woken = woken_without_timer())
            find_helpers(*woken);
        for (CpuId c = 0; c < log_.cpu_count(); ++c)
            if (concerned(c))
                find_flights(c);
    }

    void came_from(const KeptRecord& event) {
        fired_at_ = event.at;
        fired_delayed_ = event.cpu == sim::kNoCpu ? comparator_delayed(event) : local_timer_delayed(event.cpu);
    }

    bool timer_stopped(CpuId cpu, Time t) const {
        const Segment* const s = segment_at(cpu, t);
        return s && s->frame.kind == FrameKind::kIdle && s->armed_for == sim::kNever;
    }

    /// When the CPU that runs the callback began to wake last, if it slept with its local timer stopped.
    std::optional<Time> woken_without_timer() const {
        const std::deque<Segment>& segments = log_.segments(firing_.cpu);
        for (auto s = segments.rbegin(); s != segments.rend() && std::next(s) != segments.rend(); ++s) {
            const Segment& before = *std::next(s);
            if (s->at <= firing_.requested())
                break;
            if (s->frame.kind != FrameKind::kIdle && before.frame.kind == FrameKind::kIdle &&
                timer_stopped(firing_.cpu, s->at - log_.exit_latency(before.frame.what) - Duration{1}))
                return s->at - log_.exit_latency(before.frame.what);
        }
        return std::nullopt;
    }

    /// The interrupts of comparators since the timer was due, each to the end of its handler (rule 10).
    void find_helpers(Time woken) {
        std::optional<KeptRecord> last;
        for (CpuId c = 0; c < log_.cpu_count(); ++c)
            for (auto d = log_.deliveries(c).rbegin(); d != log_.deliveries(c).rend(); ++d) {
                const Time end = std::min(handler_end(c, d->taken), firing_.at);
                if (end <= firing_.requested() || d->accepted >= firing_.at)
                    continue;
                const std::vector<KeptRecord> way = chain_to_hardware(d->accept);
                if (way.empty() || way.back().kind->id != sim::kHpetMatch.id || is_ipi(way))
                    continue;
                helpers_.push_back({c, {way.back().at, end}});
                if ((c == firing_.cpu ? d->accepted : d->taken) <= woken && way.back().at >= firing_.requested() &&
                    (!last || way.back().at > last->at))
                    last = way.back();
            }
        if (last && !known_event_)
            came_from(*last);
    }

    /// Whether the interrupt that was accepted was sent by a CPU: an IPI.
    static bool is_ipi(const std::vector<KeptRecord>& way) {
        return std::any_of(std::next(way.begin()), way.end(),
                           [](const KeptRecord& r) { return r.kind->id == sim::kIrqEntry.id; });
    }

    /// When the handler ends of an interrupt that the CPU takes at `taken`.
    Time handler_end(CpuId cpu, Time taken) const {
        const std::deque<Segment>& segments = log_.segments(cpu);
        const auto end = std::find_if(segments.begin(), segments.end(), [taken](const Segment& s) {
            return s.at > taken && s.frame.kind != FrameKind::kInterrupt && s.frame.kind != FrameKind::kNmi &&
                   s.frame.kind != FrameKind::kLockWait && s.frame.kind != FrameKind::kHeld;
        });
        return end == segments.end() ? sim::kNever : end->at;
    }

    /// The CPU that acts for one that cannot wake by itself (rule 10); that one if none does.
    CpuId helper_of(CpuId cpu, Time t) const {
        const Segment* const s = segment_at(cpu, t);
        if (!timer_stopped(cpu, t) || way_at(cpu, t) != Way::kNone || wakes_soon(*s, cpu, t))
            return cpu;
        for (const Helper& helper : helpers_)
            if (helper.at_work.from <= t && t < helper.at_work.to)
                return helper.cpu;
        return cpu;
    }

    bool concerned(CpuId cpu) const {
        return std::any_of(helpers_.begin(), helpers_.end(), [cpu](const Helper& h) { return h.cpu == cpu; }) ||
               std::any_of(placements_.begin(), placements_.end(),
                           [cpu](const Placement& p) { return p.cpu == cpu; }) ||
               std::any_of(chain_.begin(), chain_.end(), [cpu](const KeptRecord& r) { return r.cpu == cpu; });
    }

    void find_flights(CpuId cpu) {
        const std::deque<Delivery>& all = log_.deliveries(cpu);
        // One that pends for long has others behind it that were taken, but no more than there are vectors.
        constexpr unsigned kVectors = 256;
        unsigned before = 0;
        for (auto delivery = all.rbegin(); delivery != all.rend() && before < kVectors; ++delivery) {
            if (delivery->taken >= firing_.requested())
                flights_[cpu].push_back({delivery->accepted, *delivery});
            else
                ++before;
        }
        if (flights_[cpu].empty())
            return;
        log_.records().backwards([&](const KeptRecord& record) {
            for (Flight& flight : flights_[cpu])
                if (flight.delivery.sent_by == record.id)
                    flight.sent = record.at;
            return record.at >= firing_.requested();
        });
    }

    void cut_at(Time at) {
        if (at > firing_.requested() && at < firing_.at)
            cuts_.push_back(at);
    }

    void cut() {
        cuts_ = {firing_.requested(), firing_.at};
        cut_at(firing_.not_after);
        cut_at(firing_.armed_at);
        cut_at(pass_began_);
        for (const Placement& p : placements_)
            cut_at(p.at);
        for (const KeptRecord& record : chain_)
            cut_at(record.at);
        cut_at(fired_at_ - fired_delayed_);
        for (const Helper& helper : helpers_) {
            cut_at(helper.at_work.from);
            cut_at(helper.at_work.to);
        }
        for (CpuId c = 0; c < log_.cpu_count(); ++c)
            if (concerned(c))
                cut_for(c);
    }

    void cut_for(CpuId cpu) {
        const std::deque<Segment>& segments = log_.segments(cpu);
        for (auto s = segments.rbegin(); s != segments.rend(); ++s) {
            cut_at(s->at);
            cut_at(s->armed_for);
            if (s->armed_for != sim::kNever)
                cut_at(s->armed_for - s->delayed);
            if (s != segments.rbegin() && s->frame.kind == FrameKind::kIdle)
                cut_at(std::prev(s)->at - log_.exit_latency(s->frame.what));
            if (s->at < firing_.requested())
                break;
        }
        const auto cut_intervals = [&](const std::deque<Interval>& intervals) {
            for (const Interval& interval : intervals) {
                cut_at(interval.from);
                cut_at(interval.to);
            }
        };
        cut_intervals(log_.stalls(cpu));
        cut_intervals(log_.losses(cpu));
        cut_intervals(log_.rests(cpu));
        for (const Flight& flight : flights_[cpu]) {
            cut_at(flight.sent);
            cut_at(flight.sent + log_.longest_flight());
            cut_at(flight.delivery.accepted);
            cut_at(flight.delivery.taken);
        }
        const std::deque<PublishedDeadline>& deadlines = log_.deadlines(cpu);
        for (auto d = deadlines.rbegin(); d != deadlines.rend(); ++d) {
            cut_at(d->published);
            cut_at(d->deadline);
            if (d->published < firing_.requested())
                break;
        }
    }

    const Segment* segment_at(CpuId cpu, Time t) const {
        const std::deque<Segment>& segments = log_.segments(cpu);
        const auto next =
            std::upper_bound(segments.begin(), segments.end(), t, [](Time at, const Segment& s) { return at < s.at; });
        return next == segments.begin() ? nullptr : &*std::prev(next);
    }

    static bool in(const std::deque<Interval>& intervals, Time t) {
        return std::any_of(intervals.begin(), intervals.end(),
                           [t](const Interval& i) { return i.from <= t && t < i.to; });
    }

    enum class Way : std::uint8_t { kNone, kSent, kSlow, kPending };

    /// How far an interrupt to the CPU has come at `t`; the farthest of them.
    Way way_at(CpuId cpu, Time t) const {
        Way way = Way::kNone;
        for (const Flight& f : flights_[cpu]) {
            if (f.delivery.accepted <= t && t < f.delivery.taken)
                return Way::kPending;
            if (f.sent <= t && t < f.delivery.accepted)
                way = t < f.sent + log_.longest_flight() ? Way::kSent : Way::kSlow;
        }
        return way;
    }

    static bool rests(const Segment& s) { return s.frame.kind == FrameKind::kIdle || s.frame.kind == FrameKind::kUser; }

    /// Whatever was published before, a CPU in the middle of a pass does not wait: it is about to decide anew.
    bool works_in_a_pass(const Segment& s) const {
        return s.frame.kind == FrameKind::kCallback || s.frame.kind == FrameKind::kLockWait ||
               (s.frame.kind == FrameKind::kSoftirq && s.frame.what == pass_.what);
    }

    /// Whether the CPU waits for an instant after `t`, by its own decision (rule 4).
    bool aims_beyond(const Placement& where, Time t) const {
        if (t >= pass_began_)
            return false;
        const Segment* const s = segment_at(where.cpu, t);
        if (s && works_in_a_pass(*s))
            return false;
        const bool content = s && rests(*s) && way_at(where.cpu, t) == Way::kNone && !in(log_.losses(where.cpu), t);
        if (!log_.knows_deadlines())
            return s && s->armed_for != sim::kNever && s->armed_for > t &&
                   (content || s->frame.kind == FrameKind::kThread);
        const std::deque<PublishedDeadline>& all = log_.deadlines(where.cpu);
        const auto next = std::upper_bound(all.begin(), all.end(), t,
                                           [](Time at, const PublishedDeadline& d) { return at < d.published; });
        if (next == all.begin())
            return false;
        const PublishedDeadline& last = *std::prev(next);
        return last.deadline != sim::kNever && last.deadline > t && (last.published >= where.at || content);
    }

    LatenessPiece attribute(Time t) const {
        const auto piece = [&](LatenessPart part, CpuId cpu, CpuFrame frame = {}) {
            return LatenessPiece{t, t, part, cpu, frame};
        };
        const auto next = std::upper_bound(placements_.begin(), placements_.end(), t,
                                           [](Time at, const Placement& p) { return at < p.at; });
        if (next == placements_.begin())
            return piece(LatenessPart::kSetLate, placements_.front().cpu);
        const Placement where = *std::prev(next);
        if (t < pass_began_ && in(log_.rests(where.cpu), t))
            return piece(LatenessPart::kRest, where.cpu);
        if (aims_beyond(where, t))
            return piece(t < firing_.not_after ? LatenessPart::kSlack : LatenessPart::kLateAim, where.cpu);
        const CpuId cpu = helper_of(next == placements_.end() ? actor_at(t) : where.cpu, t);
        const Segment* const s = segment_at(cpu, t);
        if (!s)
            return piece(LatenessPart::kNotKept, cpu);
        return piece(in(log_.stalls(cpu), t) ? LatenessPart::kFault : part_of(*s, cpu, t), cpu, s->frame);
    }

    /// The CPU that acts next in the chain from the hardware to the pass (rule 3).
    CpuId actor_at(Time t) const {
        if (known_event_ && t >= fired_at_)
            for (const KeptRecord& link : chain_)
                if (link.at > t && link.cpu != sim::kNoCpu)
                    return link.cpu;
        return firing_.cpu;
    }

    static bool contains(const std::vector<RecordId>& ids, RecordId id) {
        return std::find(ids.begin(), ids.end(), id) != ids.end();
    }

    LatenessPart part_of(const Segment& s, CpuId cpu, Time t) const {
        switch (s.frame.kind) {
            case FrameKind::kHeld:
                return LatenessPart::kFault;
            case FrameKind::kOffline:
                return LatenessPart::kMigration;
            case FrameKind::kLockWait:
                return LatenessPart::kLockWait;
            case FrameKind::kInterrupt:
            case FrameKind::kNmi:
                return contains(own_interrupts_, s.frame.begin) ? LatenessPart::kInterrupt
                                                                : LatenessPart::kOtherInterrupts;
            case FrameKind::kCallback:
                return contains(own_frames_, s.frame.begin) ? LatenessPart::kKernel : LatenessPart::kCallbacks;
            case FrameKind::kSoftirq:
                if (s.frame.what != pass_.what)
                    return LatenessPart::kOtherSoftirqs;
                return s.frame.early && s.frame.begin != pass_.begin ? LatenessPart::kHardware : LatenessPart::kKernel;
            default:
                return part_of_rest(s, cpu, t);
        }
    }

    /// Rules 7, 8 and 11.
    LatenessPart part_of_rest(const Segment& s, CpuId cpu, Time t) const {
        const bool asleep = s.frame.kind == FrameKind::kIdle;
        const Way way = way_at(cpu, t);
        if (asleep && (way == Way::kPending || wakes_soon(s, cpu, t)))
            return LatenessPart::kIdleExit;
        if (way == Way::kPending)
            return s.frame.kind == FrameKind::kUser ? LatenessPart::kInterrupt : LatenessPart::kInterruptsOff;
        if (way == Way::kSent)
            return LatenessPart::kInterrupt;
        if (way == Way::kSlow || in(log_.losses(cpu), t))
            return LatenessPart::kFault;
        if (t < fired_at_ && t >= placements_.back().at)
            return t < fired_at_ - fired_delayed_ ? LatenessPart::kHardware : LatenessPart::kFault;
        if (rests(s) && s.armed_for != sim::kNever && s.armed_for > t)
            return t < s.armed_for - s.delayed ? LatenessPart::kHardware : LatenessPart::kFault;
        if (rests(s))
            return LatenessPart::kUnattended;
        return s.frame.kind == FrameKind::kIdleThread ? LatenessPart::kKernel : LatenessPart::kThreads;
    }

    bool wakes_soon(const Segment& s, CpuId cpu, Time t) const {
        const std::deque<Segment>& segments = log_.segments(cpu);
        auto next = std::upper_bound(segments.begin(), segments.end(), s.at,
                                     [](Time at, const Segment& other) { return at < other.at; });
        // The timer hardware may change while the CPU sleeps.
        while (next != segments.end() && next->frame.kind == FrameKind::kIdle)
            ++next;
        return next != segments.end() && t >= next->at - log_.exit_latency(s.frame.what);
    }

    const ActivityLog& log_;
    const Firing& firing_;
    std::uint64_t timer_;
    CpuFrame pass_;
    Time pass_began_ = sim::kBoot;
    std::vector<RecordId> own_frames_;
    std::vector<RecordId> own_interrupts_;
    std::vector<Placement> placements_;
    std::vector<KeptRecord> chain_;  ///< what led to the pass since the timer was due, ascending
    std::vector<Helper> helpers_;
    bool known_event_ = false;    ///< whether a hardware event led to the pass
    Time fired_at_ = sim::kBoot;  ///< of that event
    Duration fired_delayed_{};    ///< by which its programming was delayed
    std::vector<std::vector<Flight>> flights_;
    std::vector<Time> cuts_;
};

}  // namespace

LatenessSplit split_lateness(const ActivityLog& log, const Firing& firing, std::uint64_t timer) {
    return Splitter(log, firing, timer).split();
}

std::vector<std::pair<LatenessPart, Duration>> LatenessSplit::by_part() const {
    std::array<Duration, kLatenessPartCount> sums{};
    for (const LatenessPiece& piece : pieces)
        sums[static_cast<std::size_t>(piece.part)] += piece.to - piece.from;
    std::vector<std::pair<LatenessPart, Duration>> parts;
    for (std::size_t i = 0; i < sums.size(); ++i)
        if (sums[i] != Duration::zero())
            parts.emplace_back(static_cast<LatenessPart>(i), sums[i]);
    std::stable_sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return parts;
}

}  // namespace ticklab::lab
