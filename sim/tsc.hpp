// The time-stamp counter of one CPU (TC 3).
//
// Rules
//  - The visible TSC is a linear clock of virtual time. Software writes, P-states, deep C-states and faults change the
//    function, never virtual time.
//  - Whatever depends on the TSC (the TSC-deadline timer) listens: after each change every listener is told, and
//    computes its instant again.
//  - Calls carry the instant they mean, never before the last change. INIT leaves the TSC alone, so there is no call
//    for it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "ticklab/sim/declare.hpp"
#include "ticklab/sim/linear_clock.hpp"
#include "ticklab/sim/machine_config.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::sim {

inline constexpr std::uint32_t kMsrTsc = 0x10;
inline constexpr std::uint32_t kMsrTscAdjust = 0x3b;

/// Told when a clock's mapping to virtual time has changed.
class ClockListener {
public:
    virtual ~ClockListener() = default;
    /// From `at` on the clock follows another function of virtual time.
    virtual void clock_changed(Time at, Cause cause) = 0;
};

/// Faults of a TSC (TC 9).
enum class TscFault : std::uint8_t {
    kSkew,
    kDrift,
    kStopsInDeepIdle,
    kFollowsPState,
    kFirmwareWrite,
    kUnorderedRead,
};

struct TscFaultInfo {
    TscFault fault;
    std::string_view number;  ///< "TC-F1"
    std::string_view name;
    ValueType type;  ///< kBool as 0 or 1; kDuration in picoseconds
    std::int64_t min;
    std::int64_t max;
    std::string_view help;
};

inline constexpr std::array<TscFaultInfo, 6> kTscFaults{{
    {TscFault::kSkew, "TC-F1", "tsc.skew", ValueType::kInteger, INT64_MIN, INT64_MAX,
     "the CPU's TSC is this many ticks ahead of the others"},
    {TscFault::kDrift, "TC-F2", "tsc.drift", ValueType::kInteger, -900'000, 900'000,
     "the CPU's TSC runs this many parts per million too fast"},
    {TscFault::kStopsInDeepIdle, "TC-F3", "tsc.stops_in_deep_idle", ValueType::kBool, 0, 1,
     "the TSC stops in deep C-states entered from now on although it is said not to"},
    {TscFault::kFollowsPState, "TC-F4", "tsc.follows_p_state", ValueType::kBool, 0, 1,
     "the rate of the TSC follows the P-state although it is said not to"},
    {TscFault::kFirmwareWrite, "TC-F5", "tsc.firmware_write", ValueType::kInteger, INT64_MIN, INT64_MAX,
     "firmware writes the TSC so that it jumps by this many ticks; TSC_ADJUST shows it"},
    {TscFault::kUnorderedRead, "TC-F6", "tsc.unordered_read", ValueType::kDuration, 0, 1'000'000'000,
     "a plain read may show the TSC of up to this much earlier"},
}};

/// The fault of that name; nothing if there is none.
constexpr std::optional<TscFaultInfo> find_tsc_fault(std::string_view name) {
    for (const TscFaultInfo& info : kTscFaults)
        if (info.name == name)
            return info;
    return std::nullopt;
}

class Tsc {
public:
    /// Answers how many picoseconds, below `bound`, a plain read comes early: a choice (MA 7), 0 is "in order".
    using SlackDraw = std::function<std::uint64_t(std::uint64_t bound)>;

    /// Runs from boot at `hz` (1 .. 10^12) with value 0. Records go out through the emitter of the CPU.
    Tsc(RecordStream& records, Emitter& emitter, std::uint64_t hz, TscClass tsc_class);
    Tsc(const Tsc&) = delete;
    Tsc& operator=(const Tsc&) = delete;

    /// An ordered read: the value at `at`.
    std::uint64_t read(Time at) const { return clock_.read(at); }
    /// A plain read: may be older by up to the slack of fault TC-F6, but not older than the last change.
    std::uint64_t read_unordered(Time at, const SlackDraw& draw) const;
    /// Whether read_unordered() may differ from read().
    bool reads_early() const { return fault(TscFault::kUnorderedRead) != 0; }
    /// TSC_ADJUST.
    std::uint64_t read_adjust() const { return adjust_; }

    /// First instant, from the last change on, at which the visible TSC is at least `tsc` (TC-P4); may be past. kNever
    /// while the TSC is stopped short of it.
    Time first_at(std::uint64_t tsc) const { return clock_.first_at(changed_at_, tsc); }
    /// The same from `from` on: this one is right also after a TSC written close to 2^64 has wrapped.
    Time first_at(Time from, std::uint64_t tsc) const { return clock_.first_at(from, tsc); }

    /// WRMSR to 0x10: the TSC becomes `value`, TSC_ADJUST takes the difference.
    void write(Time at, std::uint64_t value, Cause cause);
    /// WRMSR to 0x3B: the TSC moves by the change of TSC_ADJUST.
    void write_adjust(Time at, std::uint64_t adjust, Cause cause);

    /// Cold start: TSC and TSC_ADJUST are 0.
    void reset(Time at, Cause cause);
    /// A CPU that is added while the machine runs: in step with an ideal TSC since boot, but for the skew of TC-F1.
    void hot_add(Time at, Cause cause);
    /// Whether deep C-states stop it.
    bool stops_in_deep_idle() const { return class_ != TscClass::kInvariant || fault(TscFault::kStopsInDeepIdle) != 0; }
    /// The CPU commits to a deep C-state, or leaves it. Classes A and B stand still in between (TC 3.3).
    void enter_deep_idle(Time at, Cause cause);
    void exit_deep_idle(Time at, Cause cause);
    /// The CPU changes its frequency; the TSC follows in class A (TC 3.2).
    void set_p_state(Time at, std::uint64_t hz, Cause cause);

    /// Sets a fault to a value in the range of its declaration, else throws std::invalid_argument; 0 takes it back,
    /// except for kFirmwareWrite, which happens once.
    void set_fault(Time at, TscFault fault, std::int64_t value, Cause cause);

    /// Adds a listener; it must outlive the TSC's use. Listeners are told in the order they were added.
    void add_listener(ClockListener& listener) { listeners_.push_back(&listener); }

    TscClass tsc_class() const { return class_; }
    std::uint64_t nominal_hz() const { return nominal_hz_; }
    bool running() const { return clock_.running(); }

private:
    std::int64_t fault(TscFault f) const { return faults_[static_cast<std::size_t>(f)]; }
    std::uint64_t effective_hz() const;
    void apply_rate(Time at, Cause cause);
    void changed(Time at, Cause cause);
    Cause caused(RecordId record, Cause cause) const { return {record, cause.root}; }

    RecordStream& records_;
    Emitter& emitter_;
    TscClass class_;
    std::uint64_t nominal_hz_;
    std::uint64_t p_state_hz_;
    LinearClock clock_;
    std::uint64_t adjust_ = 0;
    Time changed_at_ = kBoot;
    std::array<std::int64_t, kTscFaults.size()> faults_{};
    std::vector<ClockListener*> listeners_;
};

}  // namespace ticklab::sim
