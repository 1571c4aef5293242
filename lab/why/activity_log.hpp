// What every CPU was doing, what was on its way to it, and where timers lay: gathered from committed records.
//
// Rules
//  (1) A pure observer. Knows the machine's records and lab/'s by name, a kernel's by their roles only
//      (sim/record.hpp). (2) Frames nest on a thread's stack, as the code that emits them does. What a CPU is doing is
//      its innermost frame that is not a verb or a poll; where there are only those, thread-level code.
//  (3) Bounded: of each sequence the last `capacity` entries are kept; kept_from() says how far back a CPU is known.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "ticklab/lab/why/record_ring.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::lab {

enum class FrameKind : std::uint8_t {
    kThread,      ///< thread-level code other than the idle thread's; `what` is the thread
    kIdleThread,  ///< the idle thread, awake
    kIdle,        ///< `what` is the name of the C-state
    kUser,
    kInterrupt,  ///< `what` is the vector
    kNmi,
    kLockWait,  ///< `what` is the lock
    kPoll,
    kHeld,      ///< `what` is the site
    kSoftirq,   ///< `what` is its number
    kCallback,  ///< `what` is the timer
    kVerb,      ///< `what` is the verb
    kOffline,
};

/// One thing that a CPU does.
struct CpuFrame {
    FrameKind kind = FrameKind::kThread;
    std::uint64_t what = 0;
    sim::RecordId begin;
    /// Of a softirq: the hardware had fired before the instant that the kernel aims at.
    bool early = false;
};

/// From `at` on the CPU was doing `frame`, with its local APIC timer to fire at `armed_for` (kNever: not armed). The
/// CPU had been stalled or held for `delayed` on its way from the deadline to the write that armed the timer.
struct Segment {
    sim::Time at;
    CpuFrame frame;
    sim::Time armed_for;
    sim::Duration delayed;
};

/// An interrupt on its way to a CPU.
struct Delivery {
    sim::Time accepted;
    sim::Time taken;  ///< kNever: still pending
    sim::RecordId accept;
    sim::RecordId sent_by;
};

/// A CPU's deadline as it was published at an instant; kNever is none.
struct PublishedDeadline {
    sim::Time published;
    sim::Time deadline;
};

/// From `at` on the CPU was the one to run the timer.
struct Placement {
    sim::Time at;
    sim::CpuId cpu;
};

struct Interval {
    sim::Time from;
    sim::Time to;
};

class ActivityLog {
public:
    static constexpr std::size_t kDefaultCapacity = 16384;

    /// `capacity`: records, and entries of all CPUs together.
    explicit ActivityLog(sim::Machine& machine, std::size_t capacity = kDefaultCapacity);

    void consume(const sim::Record& record);

    const RecordRing& records() const { return ring_; }
    sim::CpuId cpu_count() const { return static_cast<sim::CpuId>(cpus_.size()); }
    /// Ascending; the last one goes on.
    const std::deque<Segment>& segments(sim::CpuId cpu) const { return cpus_[cpu].segments; }
    /// The first instant of which the CPU's doing is known.
    sim::Time kept_from(sim::CpuId cpu) const { return cpus_[cpu].segments.front().at; }
    const std::deque<Interval>& stalls(sim::CpuId cpu) const { return cpus_[cpu].stalls; }
    const std::deque<Interval>& holds(sim::CpuId cpu) const { return cpus_[cpu].holds; }
    const std::deque<Interval>& rests(sim::CpuId cpu) const { return cpus_[cpu].rests; }
    const std::deque<Delivery>& deliveries(sim::CpuId cpu) const { return cpus_[cpu].deliveries; }
    /// From the loss of an interrupt by a fault to the next one that came.
    const std::deque<Interval>& losses(sim::CpuId cpu) const { return cpus_[cpu].losses; }
    const std::deque<PublishedDeadline>& deadlines(sim::CpuId cpu) const { return cpus_[cpu].deadlines; }
    /// Where the timer lay since it was armed last, ascending; empty if the kernel does not say.
    std::span<const Placement> placements(std::uint64_t timer) const;
    /// Frames of what runs on the CPU now, the outermost first.
    std::span<const CpuFrame> frames(sim::CpuId cpu) const { return *cpus_[cpu].stack; }
    /// Whether the kernel publishes deadlines at all.
    bool knows_deadlines() const { return knows_deadlines_; }
    sim::Duration exit_latency(std::uint64_t c_state_name) const;
    /// The longest that an undisturbed message takes.
    sim::Duration longest_flight() const { return longest_flight_; }
    sim::Duration hpet_tick() const { return hpet_tick_; }

private:
    using Stack = std::vector<CpuFrame>;
    struct PerCpu {
        std::map<std::uint64_t, Stack> stacks;  ///< by thread
        Stack* stack = nullptr;
        std::uint64_t thread = 0;
        std::uint64_t idle_thread = 0;
        bool offline = false;
        std::size_t pending = 0;  ///< deliveries not taken
        bool early = false;       ///< the hardware has fired early, and no softirq has begun since
        sim::Time armed_for = sim::kNever;
        sim::Duration delayed{};          ///< of armed_for
        sim::Duration since_published{};  ///< stalled and held since the last deadline
        sim::Time held_since = sim::kBoot;
        sim::Duration period{};  ///< of the local APIC timer in periodic mode
        std::deque<Segment> segments;
        std::deque<Interval> stalls;
        std::deque<Interval> holds;
        std::deque<Interval> rests;  ///< RecordRole::kRest
        std::deque<Delivery> deliveries;
        std::deque<Interval> losses;
        std::deque<PublishedDeadline> deadlines;
    };

    void consume_role(const sim::Record& record, PerCpu& cpu);
    void consume_hardware(const sim::Record& record, PerCpu& cpu);
    static void take(PerCpu& cpu, const sim::Record& entry);
    void place(const sim::Record& record, bool armed);
    void push(PerCpu& cpu, const sim::Record& record, FrameKind kind, std::uint64_t what = 0);
    void pop(PerCpu& cpu, FrameKind kind);
    void note(PerCpu& cpu, sim::Time at);
    CpuFrame innermost(const PerCpu& cpu) const;
    static void switch_thread(PerCpu& cpu, std::uint64_t thread);
    template <class T>
    void append(std::deque<T>& entries, T entry) const {
        entries.push_back(entry);
        if (entries.size() > per_cpu_capacity_)
            entries.pop_front();
    }

    RecordRing ring_;
    std::size_t per_cpu_capacity_;
    std::deque<PerCpu> cpus_;
    std::vector<std::vector<Placement>> placements_;
    std::vector<std::pair<std::uint64_t, sim::Duration>> exit_latencies_;
    sim::Duration longest_flight_;
    sim::Duration hpet_tick_;
    std::uint64_t lost_by_fault_;
    std::uint64_t periodic_;
    bool knows_deadlines_ = false;
};

}  // namespace ticklab::lab
