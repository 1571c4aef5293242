// Quantities of each CPU that scenarios may expect and oracles may ask for.
#include <array>
#include <charconv>

#include "ticklab/model/xen/declarations.hpp"
#include "ticklab/model/xen/hpet_broadcast.hpp"

namespace ticklab::xen {
namespace {

template <std::uint64_t TimerCounters::*Counter>
std::int64_t counter(const TimerBase& b) {
    return static_cast<std::int64_t>(b.counters.*Counter);
}

constexpr std::array kStates{
    XenState{"heap", "timers in the heap", [](const TimerBase& b) { return std::int64_t{b.heap.size()}; }},
    XenState{"heap_limit", "slots of the heap's array",
             [](const TimerBase& b) { return std::int64_t{b.heap.limit()}; }},
    XenState{"list", "timers on the overflow list",
             [](const TimerBase& b) { return static_cast<std::int64_t>(b.list.size()); }},
    XenState{"ready", "timers on the ready list (VR)",
             [](const TimerBase& b) { return static_cast<std::int64_t>(b.ready.size()); }},
    XenState{"inactive", "timers that are not queued",
             [](const TimerBase& b) { return static_cast<std::int64_t>(b.inactive.size()); }},
    XenState{"overflow", "1 if an insertion did not fit the heap since the last pass",
             [](const TimerBase& b) { return std::int64_t{b.overflow.peek()}; }},
    XenState{"running", "1 while a callback runs",
             [](const TimerBase& b) { return std::int64_t{b.running.peek() != nullptr}; }},
    XenState{"deadline_start", "published deadline in ns since boot, 0 for none",
             [](const TimerBase& b) { return ns(b.deadline_start.peek()); }},
    XenState{"deadline_end", "end of the published deadline range in ns since boot",
             [](const TimerBase& b) { return ns(b.deadline_end.peek()); }},
    XenState{"passes", "passes of the timer softirq", counter<&TimerCounters::passes>},
    XenState{"passes_empty", "passes that executed nothing", counter<&TimerCounters::passes_empty>},
    XenState{"callbacks", "callbacks executed", counter<&TimerCounters::callbacks>},
    XenState{"callbacks_max", "most callbacks in one pass", counter<&TimerCounters::callbacks_max>},
    XenState{"early_callbacks", "callbacks that started before their time", counter<&TimerCounters::early_callbacks>},
    XenState{"reprograms", "times the hardware was programmed", counter<&TimerCounters::reprograms>},
    XenState{"reprogram_failures", "of them, for a deadline that had passed",
             counter<&TimerCounters::reprogram_failures>},
    XenState{"timer_interrupts", "timer interrupts", counter<&TimerCounters::timer_interrupts>},
    XenState{"early_interrupts", "of them, before the published start", counter<&TimerCounters::early_interrupts>},
    XenState{"raises_local", "raises of the timer softirq by the CPU itself", counter<&TimerCounters::raises_local>},
    XenState{"raises_remote", "raises of the timer softirq by other CPUs", counter<&TimerCounters::raises_remote>},
    XenState{"ipis", "of them, those that sent an IPI", counter<&TimerCounters::ipis>},
    XenState{"heap_inserts", "insertions into the heap", counter<&TimerCounters::heap_inserts>},
    XenState{"heap_removes", "removals from the heap", counter<&TimerCounters::heap_removes>},
    XenState{"sift_steps", "moves of sifting in the heap", counter<&TimerCounters::sift_steps>},
    XenState{"list_scan_steps", "members of the list passed over", counter<&TimerCounters::list_scan_steps>},
    XenState{"overflows", "insertions that went on the list", counter<&TimerCounters::overflows>},
    XenState{"growths", "larger arrays for the heap", counter<&TimerCounters::growths>},
    XenState{"growth_failures", "arrays that could not be had", counter<&TimerCounters::growth_failures>},
    XenState{"heap_leaked", "bytes of heap arrays that nobody will free", counter<&TimerCounters::heap_leaked>},
    XenState{"drained", "timers that left the CPU by drain", counter<&TimerCounters::drained>},
    XenState{"kill_wait", "time in ns that kills on this CPU waited for callbacks",
             [](const TimerBase& b) { return b.counters.kill_wait.count() / 1000; }},
    XenState{"lock_wait", "time in ns that CPUs waited for the base lock",
             [](const TimerBase& b) { return b.lock.counters().wait_total.count() / 1000; }},
    XenState{"lock_contended", "times that a CPU waited for the base lock",
             [](const TimerBase& b) { return static_cast<std::int64_t>(b.lock.counters().contended); }},
};

constexpr std::array kBroadcastStates{
    BroadcastState{"enters", "sleeps in a channel's set", &BroadcastCounters::enters},
    BroadcastState{"interrupts", "channel interrupts that the CPU took", &BroadcastCounters::interrupts},
    BroadcastState{"woken_by_ipi", "times that a channel woke the CPU by IPI", &BroadcastCounters::woken_by_ipi},
    BroadcastState{"woken_by_flag", "times that a channel woke the CPU by a write to its flag",
                   &BroadcastCounters::woken_by_flag},
    BroadcastState{"woken_as_owner", "times that the CPU's own channel interrupt was for itself",
                   &BroadcastCounters::woken_as_owner},
    BroadcastState{"doublings", "spans that the CPU doubled as the comparator came too late",
                   &BroadcastCounters::doublings},
    BroadcastState{"late_exits", "sleeps whose deadline had passed when the local timer was programmed again",
                   &BroadcastCounters::late_exits},
};

constexpr std::string_view kCpu = "cpu";
constexpr std::string_view kBroadcast = ".broadcast.";
constexpr std::string_view kTimers = ".timers.";

// "prefix7" -> 7.
std::optional<std::size_t> number_after(std::string_view text, std::string_view prefix) {
    if (!text.starts_with(prefix))
        return std::nullopt;
    text.remove_prefix(prefix.size());
    std::size_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{n} : std::nullopt;
}

std::optional<std::int64_t> bucket(const PowerHistogram& h, std::optional<std::size_t> i) {
    if (!i || *i >= h.buckets.size())
        return std::nullopt;
    return static_cast<std::int64_t>(h.buckets[*i]);
}

}  // namespace

std::span<const XenState> xen_states() { return kStates; }

std::span<const BroadcastState> broadcast_states() { return kBroadcastStates; }

std::optional<std::int64_t> HpetBroadcast::state(std::string_view path) const {
    if (path == "hpet.channels")
        return static_cast<std::int64_t>(channels_.size());
    const std::size_t dot = path.find(kBroadcast);
    if (dot == std::string_view::npos)
        return std::nullopt;
    const std::optional<std::size_t> cpu = number_after(path.substr(0, dot), kCpu);
    if (!cpu || *cpu >= cpus_.size())
        return std::nullopt;
    for (const BroadcastState& s : kBroadcastStates)
        if (s.name == path.substr(dot + kBroadcast.size()))
            return static_cast<std::int64_t>(cpus_[*cpu].counters.*s.counter);
    return std::nullopt;
}

std::optional<std::int64_t> read_state(const Timers& timers, std::string_view path) {
    const std::size_t dot = path.find(kTimers);
    if (dot == std::string_view::npos)
        return std::nullopt;
    const std::optional<std::size_t> cpu = number_after(path.substr(0, dot), kCpu);
    if (!cpu || *cpu >= timers.cpu_count())
        return std::nullopt;
    const TimerBase& base = timers.base(static_cast<sim::CpuId>(*cpu));
    const std::string_view name = path.substr(dot + kTimers.size());
    for (const XenState& s : kStates)
        if (s.name == name)
            return s.read(base);
    if (name.starts_with("groups."))
        return bucket(base.counters.group_sizes, number_after(name, "groups."));
    return bucket(base.counters.lateness_ns, number_after(name, "lateness."));
}

}  // namespace ticklab::xen
