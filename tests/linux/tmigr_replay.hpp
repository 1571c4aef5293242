// Performs the recorded inputs of a real kernel's migration hierarchy in the model, in the recorded order, and compares
// what each emits, event for event.
//
// Every CPU of the model stands still at each named site and goes on only when the next recorded event is that CPU's,
// so operations of several CPUs interleave in the model as they did in the kernel.
//
// Inputs that the events name: the operation, `next` of idle entry and new timer, the next global event after a remote
// expiry (from the update that follows; where that leaves no trace (TMM 8.5), from the timers that the CPU's wheel
// holds by the timer events). Inferred are, and counted: the jiffies that a remote expiry has read (the tick edge
// before its time stamp, or the one before that), and what CPUs have queued when the main trace starts.
#pragma once

#include <fmt/format.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "linux/recorded_kernel.hpp"
#include "linux/tmigr_fixture.hpp"

namespace ticklab::linux_::tmigr::testing {

using linux_::testing::RecordedKernel;
using linux_::testing::TraceEvent;

class Replay final : public RemoteBases, private sim::SiteWatcher {
public:
    struct Mismatch {
        std::size_t index;
        std::string recorded;
        std::string modelled;
    };
    struct Result {
        std::size_t events = 0;
        std::size_t matched = 0;
        std::size_t older_jiffies = 0;
        std::size_t silent_next = 0;
        std::size_t reordered = 0;
        std::vector<Mismatch> mismatches;
    };

    Replay(const RecordedKernel& kernel, const TmigrChanges& changes);

    /// The events from early boot on.
    Result boot() { return perform(kernel_.boot); }
    /// The main trace, after the gap: the model is first brought to the state in which its first events find it.
    Result main_trace();
    TmigrPlacement& placement() { return *placement_; }

    // RemoteBases
    JiffiesPair jiffies(Cpu& cpu) override;
    void run_global(Cpu&, CpuId) override {}
    void lock_bases(Cpu& cpu, CpuId) override { cpu.sync(); }
    void unlock_bases(Cpu&, CpuId) override {}
    NextEvents next_events(Cpu& cpu, CpuId target, const JiffiesPair& now) override;
    bool local_base_idle(const Cpu&) const override { return false; }

private:
    static constexpr std::int64_t kRecordedTick = 4'000'000;  // HZ=250
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    struct CpuState {
        bool in_operation = false;
        bool ended = false;
        bool held = false;
        bool expiring = false;  ///< timers of another CPU
        std::deque<std::string> emitted;
        /// The CPU's next recorded event.
        std::size_t next = kNone;
    };
    struct WheelTimer {
        CpuId cpu;
        std::int64_t bucket;
        bool local;
    };
    class Emitted final : public sim::RecordConsumer {
    public:
        explicit Emitted(Replay& of) : of_(of) {}
        void consume(std::span<const sim::Record> batch) override;

    private:
        Replay& of_;
    };

    Result perform(const std::vector<TraceEvent>& events);
    void link_events();
    void restore_order(std::size_t i);
    void start(CpuId c, const TraceEvent& e);
    void begin(CpuId c, bool may_sleep, std::function<void(Cpu&)> body);
    void advance(CpuId c);
    void run_on();
    bool waits(CpuId c) const;
    void finish(CpuId c);
    void advance_to_record(CpuId c);
    static bool continues(const TraceEvent& e);
    static bool more_after(const TraceEvent& e, const TraceEvent& next);
    std::size_t after(std::size_t i) const { return next_of_cpu_[i]; }
    template <class Is>
    std::size_t find_on_cpu(std::size_t from, Is is) const {
        while (from != kNone && !is((*events_)[from]))
            from = after(from);
        return from;
    }
    void note_timer(const TraceEvent& e);
    Ktime first_in_wheel(CpuId cpu, bool local) const;
    void learn_jiffies();
    std::optional<Ktime> next_remote_expiry(CpuId cpu, std::size_t from) const;
    std::string recorded_text(const TraceEvent& e);
    std::string group_name(const std::string& pointer);
    void bring_to(CpuId c, bool awake, Ktime next);
    void run_alone(CpuId c, std::function<void(Cpu&)> body);
    Time reached(Cpu& cpu, const sim::Site& site) override;

    const RecordedKernel& kernel_;
    sim::testing::TestKernel test_kernel_;
    Emitted log_{*this};
    std::unique_ptr<sim::Machine> machine_;
    std::unique_ptr<TmigrPlacement> placement_;
    std::vector<CpuState> cpus_;
    const std::vector<TraceEvent>* events_ = nullptr;
    std::vector<TraceEvent> order_;
    std::vector<std::size_t> next_of_cpu_;
    std::map<std::string, std::string> groups_;
    bool has_timers_ = false;
    std::size_t at_ = 0;  // the recorded event that is being performed
    std::map<std::string, WheelTimer> wheel_;
    std::int64_t jiffies_offset_ = 0;  // of a jiffies value over its tick edge's number
    std::pair<std::size_t, CpuId> asked_at_{kNone, kNoCpu};
    std::uint64_t roots_ = 0;
    Result result_;
};

}  // namespace ticklab::linux_::tmigr::testing
