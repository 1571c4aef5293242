// Performs the recorded inputs of a real kernel's migration hierarchy in the model, in the recorded order, and compares
// what each emits, event for event.
//
// Rules
//  (1) Every CPU of the model stands still at each named site and goes on only when the next recorded event is that
//      CPU's, so operations of several CPUs interleave in the model as they did in the kernel.
//  (2) Inputs come from the events that name them: the operation, `next` of idle entry and new timer, the next global
//      event after a remote expiry (from the update that follows).
//  (3) What no event names is inferred, and counted (Inferred): the order of acts, the jiffies, pops and updates that
//      leave no record. Those take place as soon as they can, unless a later record shows that they had not.
//  (4) After a difference the model keeps its own state: what follows from a difference differs too.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ticklab/lab/conform/act_order.hpp"
#include "ticklab/lab/conform/recorded_wheel.hpp"
#include "ticklab/lab/conform/recording.hpp"
#include "ticklab/lab/conform/replay_machine.hpp"
#include "ticklab/lab/joined.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::lab {

/// An event as text, field by field: "cpu=3", groups by the model's names for them.
struct ComparedEvent {
    std::string name;
    std::vector<std::string> fields;
    /// On one line.
    std::string text() const { return name + " " + joined(fields, " "); }
    friend bool operator==(const ComparedEvent&, const ComparedEvent&) = default;
};

struct Mismatch {
    std::size_t line;  ///< of the recorded event
    sim::CpuId cpu;
    std::int64_t at_ns;
    ComparedEvent recorded;
    std::optional<ComparedEvent> modelled;  ///< nothing where the model does nothing more on that CPU
    bool inferred;    ///< the CPU has expired timers of others, and what came next of those was inferred
    bool overlapped;  ///< other CPUs have records between two of an operation of this CPU, this one or the one before
};

/// What a replay had to infer, because no event says it.
struct Inferred {
    /// Remote expiries that read the jiffies before they advanced: something that is due by the tick edge before the
    /// event's time stamp was left alone.
    std::size_t older_jiffies = 0;
    /// Next events after a remote expiry that left no update (TMM 8.5): taken from the timers that the wheel holds.
    std::size_t next_events = 0;
    /// Acts that took place before others whose records stand before theirs: what each has found tells (act_order.hpp).
    std::size_t reordered = 0;
    /// Acts that found what no order explains.
    std::size_t unsettled = 0;
};

struct ReplayResult {
    /// By the name of the event: how many there are, and how many match.
    std::map<std::string, std::pair<std::size_t, std::size_t>, std::less<>> events;
    Inferred inferred;
    std::vector<Mismatch> mismatches;
    /// Why the replay ended before the recording did, and at which line; empty if it did not.
    std::string stopped;

    std::size_t count() const;
    std::size_t matched() const { return count() - mismatches.size(); }
};

class Replay final : public linux_::RemoteBases, private sim::SiteWatcher {
public:
    Replay(const Recording& recording, const linux_::tmigr::TmigrChanges& changes);

    /// The events from early boot on.
    ReplayResult boot();
    /// The later part, after the gap: the model is first brought to the state in which its first events find it.
    ReplayResult trace();
    const linux_::tmigr::TmigrPlacement& placement() const { return *placement_; }

    // RemoteBases
    linux_::JiffiesPair jiffies(sim::Cpu& cpu) override;
    void run_global(sim::Cpu&, sim::CpuId) override {}
    void lock_bases(sim::Cpu& cpu, sim::CpuId target) override;
    void unlock_bases(sim::Cpu&, sim::CpuId) override {}
    linux_::NextEvents next_events(sim::Cpu& cpu, sim::CpuId target, const linux_::JiffiesPair& now) override;
    bool local_base_idle(const sim::Cpu&) const override { return false; }

private:
    using Body = std::function<void(sim::Cpu&)>;
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    /// Sites that one operation passes between two of its records, at most.
    static constexpr int kMostSites = 1000;

    struct CpuState {
        bool in_operation = false;
        bool held = false;
        bool expiring = false;  ///< timers of another CPU
        bool inferred = false;  ///< a next event of another CPU, since it became active or idle
        std::deque<ComparedEvent> emitted;
        std::size_t next = kNone;  ///< the CPU's next recorded event
        std::string handled;       ///< pointer of the group whose expired events it looks for; empty if it does not
        sim::CpuId target = 0;     ///< whose timers it has expired last
        /// Records of others stand between two of its operation; of the one before.
        bool overlapped = false, overlapped_before = false;
        const FtraceEvent* last = nullptr;
    };
    class Emitted final : public sim::RecordConsumer {
    public:
        explicit Emitted(Replay& of) : of_(of) {}
        void consume(std::span<const sim::Record> batch) override;

    private:
        Replay& of_;
    };

    // Order: which event is next.
    void use(const std::vector<FtraceEvent>& events);
    void link_events();
    const FtraceEvent& event(std::size_t i) const { return *order_[i]; }
    std::size_t after(std::size_t i) const { return next_of_cpu_[i]; }
    template <class Is>
    std::size_t find_on_cpu(std::size_t from, Is is) const {
        while (from != kNone && !is(event(from)))
            from = after(from);
        return from;
    }
    linux_::Ktime next_of(std::size_t from, std::string_view name) const;

    // What no event says.
    std::pair<std::int64_t, std::int64_t> jiffies_read(sim::CpuId c) const;
    bool leaves_alone(sim::CpuId c, linux_::Ktime now) const;
    linux_::Ktime next_expiry_after(const FtraceEvent& e, const linux_::tmigr::Group& group) const;
    void let_pop(const FtraceEvent& e);
    void pop_next(sim::CpuId c, const FtraceEvent& e);
    void update_idle_root(sim::CpuId c, const FtraceEvent& e);

    // Performing.
    void perform();
    void note_overlap(const FtraceEvent& e);
    void compare(const FtraceEvent& e);
    void start(sim::CpuId c, const FtraceEvent& e);
    void begin(sim::CpuId c, bool may_sleep, Body body);
    void advance(sim::CpuId c);
    void run_on();
    bool waits(sim::CpuId c) const;
    void finish(sim::CpuId c);
    void advance_to_record(sim::CpuId c);

    // The state after the gap.
    std::optional<linux_::Ktime> next_remote_expiry(sim::CpuId cpu) const;
    std::vector<sim::CpuId> awake_at_begin() const;
    void bring_to(sim::CpuId c, bool awake, linux_::Ktime next);
    void run_alone(sim::CpuId c, Body body);

    ComparedEvent recorded(const FtraceEvent& e) const;
    ComparedEvent modelled(const sim::Record& r) const;
    std::string group_name(const std::string& pointer) const;
    linux_::tmigr::Group* group_of(const std::string& pointer) const;
    sim::Time reached(sim::Cpu& cpu, const sim::Site& site) override;

    const Recording& recording_;
    ReplayKernel kernel_;
    Emitted log_{*this};
    std::unique_ptr<sim::Machine> machine_;
    std::unique_ptr<linux_::tmigr::TmigrPlacement> placement_;
    std::vector<CpuState> cpus_;
    std::vector<const FtraceEvent*> order_;
    std::vector<std::size_t> next_of_cpu_;
    std::map<std::string, std::string, std::less<>> groups_;
    RecordedTree tree_;
    RecordedWheel wheel_;
    std::vector<std::size_t> lines_;  ///< of the hierarchy's events, as recorded
    bool has_softirqs_ = false;
    std::size_t at_ = 0;  ///< the recorded event that is being performed
    std::pair<std::size_t, sim::CpuId> asked_at_{kNone, sim::kNoCpu};
    std::uint64_t roots_ = 0;
    ReplayResult result_;
};

}  // namespace ticklab::lab
