// What timer events tell of the CPUs' wheels and of the jiffies.
#pragma once

#include <map>
#include <span>
#include <string>

#include "ticklab/lab/ftrace/ftrace_reader.hpp"
#include "ticklab/model/linux/ktime.hpp"

namespace ticklab::lab {

/// Rules
///  - Deferrable timers are left out: no CPU wakes for them (LTW 3).
///  - It knows a timer from its start on. What was queued before the recording began, and timers that move with a CPU
///    that goes off-line, leave no event.
class RecordedWheel {
public:
    explicit RecordedWheel(std::int64_t tick_ns) : tick_ns_(tick_ns) {}

    /// How the jiffies relate to the clock: they never run ahead of their tick edge.
    void learn_jiffies(std::span<const FtraceEvent> events);
    void note(const FtraceEvent& event);

    /// The first timer that CPU `cpu` has queued: of those that stay with it, or of the global ones.
    linux_::Ktime first(sim::CpuId cpu, bool local) const;
    /// Number of the tick edge at which the jiffies reached a value.
    std::int64_t edge_of(std::uint64_t jiffies) const;
    linux_::Ktime time_of(std::int64_t edge) const;
    /// The edge at or before an instant.
    std::int64_t edge_before(std::int64_t at_ns) const { return at_ns / tick_ns_; }

private:
    struct Timer {
        sim::CpuId cpu;
        std::int64_t bucket;
        bool local;
    };
    std::int64_t tick_ns_;
    std::int64_t jiffies_offset_ = 0;  ///< of the jiffies over the number of their tick edge
    std::map<std::string, Timer, std::less<>> timers_;
};

}  // namespace ticklab::lab
