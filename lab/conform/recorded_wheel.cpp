#include "ticklab/lab/conform/recorded_wheel.hpp"

#include <algorithm>

namespace ticklab::lab {

void RecordedWheel::learn_jiffies(std::span<const FtraceEvent> events) {
    jiffies_offset_ = INT64_MIN;
    for (const FtraceEvent& e : events)
        if (e.is("timer_expire_entry"))
            jiffies_offset_ =
                std::max(jiffies_offset_,
                         static_cast<std::int64_t>(e.number("now") - static_cast<std::uint64_t>(e.at_ns / tick_ns_)));
    if (jiffies_offset_ == INT64_MIN)
        jiffies_offset_ = 0;
}

void RecordedWheel::note(const FtraceEvent& event) {
    // Timers of a CPU that goes off-line move; it is not asked for them any more.
    if (event.is("tmigr_cpu_offline") || event.is("tmigr_cpu_unavailable")) {
        std::erase_if(timers_, [&](const auto& t) { return t.second.cpu == event.cpu; });
    } else if (event.is("timer_start")) {
        const std::string& flags = event.text("flags");
        if (flags.find('D') == std::string::npos)
            timers_[event.text("timer")] = {static_cast<sim::CpuId>(event.number("cpu")),
                                            static_cast<std::int64_t>(event.number("bucket_expiry")),
                                            flags.find('P') != std::string::npos};
    } else if (event.is("timer_cancel") || event.is("timer_expire_entry")) {
        timers_.erase(event.text("timer"));
    }
}

linux_::Ktime RecordedWheel::first(sim::CpuId cpu, bool local) const {
    std::int64_t first = INT64_MAX;
    for (const auto& [name, t] : timers_)
        if (t.cpu == cpu && t.local == local)
            first = std::min(first, t.bucket);
    return first == INT64_MAX ? linux_::kKtimeMax : time_of(edge_of(static_cast<std::uint64_t>(first)));
}

std::int64_t RecordedWheel::edge_of(std::uint64_t jiffies) const {
    return static_cast<std::int64_t>(jiffies - static_cast<std::uint64_t>(jiffies_offset_));
}

linux_::Ktime RecordedWheel::time_of(std::int64_t edge) const {
    return edge > INT64_MAX / tick_ns_ ? linux_::kKtimeMax
                                       : linux_::ktime_at(std::max<std::int64_t>(edge, 0) * tick_ns_);
}

}  // namespace ticklab::lab
