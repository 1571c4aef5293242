// Quantities that scenarios may expect and oracles may ask for.
#include <array>
#include <charconv>
#include <deque>
#include <string>

#include "ticklab/model/linux/declarations.hpp"
#include "ticklab/model/linux/tmigr/invariants.hpp"

namespace ticklab::linux_ {
namespace {

/// Of the whole kernel.
struct GlobalState {
    std::string_view name;
    std::string_view help;
    std::int64_t (*read)(const LinuxKernel& kernel);
};

/// Of one CPU: "cpuN.<name>".
struct CpuState {
    std::string_view name;
    std::string_view help;
    std::int64_t (*read)(const LinuxKernel& kernel, sim::CpuId cpu);
};

/// Of one base of a CPU: "cpuN.timers.local.<name>" and so on.
struct BaseState {
    std::string_view name;
    std::string_view help;
    std::int64_t (*read)(const LinuxKernel& kernel, const TimerBase& base);
};

std::int64_t number(std::uint64_t n) { return static_cast<std::int64_t>(n); }
std::int64_t since_boot(const LinuxKernel& kernel, Jiffies j) { return j - kernel.core().time.initial(); }

template <std::uint64_t push::ChoiceCounters::*Counter>
std::int64_t choices(const LinuxKernel& k, sim::CpuId c) {
    const push::Choice* const choice = k.core().migration->choice();
    return choice ? number(choice->nearby().counters(c).*Counter) : 0;
}

template <std::uint64_t BroadcastCounters::*Counter>
std::int64_t broadcast(const LinuxKernel& k, sim::CpuId c) {
    const TickBroadcast* const b = k.core().broadcast.get();
    return b ? number(b->counters(c).*Counter) : 0;
}

template <std::uint64_t RtcCounters::*Counter>
std::int64_t rtc(const LinuxKernel& k) {
    return k.core().rtc ? number(k.core().rtc->counters().*Counter) : 0;
}

constexpr std::array kGlobalStates{
    GlobalState{"jiffies", "ticks counted since boot",
                [](const LinuxKernel& k) { return since_boot(k, k.core().time.peek_jiffies()); }},
    GlobalState{"tick.duty", "the CPU that advances jiffies, -1 for none",
                [](const LinuxKernel& k) {
                    const sim::CpuId duty = k.core().time.peek_duty();
                    return duty < k.core().wheel.machine().cpu_count() ? std::int64_t{duty} : -1;
                }},
    GlobalState{"tick.updates", "times that jiffies were advanced",
                [](const LinuxKernel& k) { return number(k.core().time.updates()); }},
    GlobalState{"broadcast.next_event",
                "what the broadcast device was asked for, in ns since boot, -1 for nothing or no device",
                [](const LinuxKernel& k) {
                    const TickBroadcast* const b = k.core().broadcast.get();
                    const Ktime next = b && b->device() ? b->device()->next_event() : kKtimeMax;
                    return next == kKtimeMax ? -1 : ns(next);
                }},
    GlobalState{"broadcast.host", "the CPU whose high-resolution timer is the broadcast device, -1 for none",
                [](const LinuxKernel& k) {
                    const TickBroadcast* const b = k.core().broadcast.get();
                    const sim::CpuId host = b && b->device() ? b->device()->host() : sim::kNoCpu;
                    return host == sim::kNoCpu ? -1 : std::int64_t{host};
                }},
    GlobalState{"broadcast.missed", "times that the HPET's comparator was written too late",
                [](const LinuxKernel& k) {
                    const TickBroadcast* const b = k.core().broadcast.get();
                    return b ? number(b->hpet().missed()) : 0;
                }},
    GlobalState{"balancer.owner", "the idle CPU that keeps its tick to balance for the others, -1 for none",
                [](const LinuxKernel& k) {
                    const sim::CpuId owner = k.core().balancer ? k.core().balancer->owner() : sim::kNoCpu;
                    return owner == sim::kNoCpu ? -1 : std::int64_t{owner};
                }},
    GlobalState{"rtc.interrupts", "interrupts of the HPET's timer 1, the polls of the RTC's emulation",
                rtc<&RtcCounters::interrupts>},
    GlobalState{"rtc.lost", "polls that were skipped since their time had passed", rtc<&RtcCounters::lost>},
    GlobalState{"rtc.periodic", "periodic interrupts of the RTC that were reported", rtc<&RtcCounters::periodic>},
    GlobalState{"rtc.alarms", "alarm interrupts of the RTC that were reported", rtc<&RtcCounters::alarms>},
    GlobalState{"rtc.updates", "update interrupts of the RTC that were reported", rtc<&RtcCounters::updates>},
    GlobalState{"rtc.target", "the CPU that takes the RTC's interrupts, -1 without emulation",
                [](const LinuxKernel& k) {
                    const sim::CpuId target = k.core().rtc ? k.core().rtc->target() : sim::kNoCpu;
                    return target == sim::kNoCpu ? -1 : std::int64_t{target};
                }},
    GlobalState{"tmigr.groups", "groups of the migration hierarchy, 0 under another placement",
                [](const LinuxKernel& k) {
                    const tmigr::TmigrPlacement* const h = k.core().hierarchy;
                    return h ? number(h->groups().size()) : 0;
                }},
    GlobalState{"proposal.groups", "groups of placement tmigr-2017",
                [](const LinuxKernel& k) {
                    const tmigr2017::Tmigr2017Placement* const p = k.core().proposal;
                    return p ? number(p->groups().size()) : 0;
                }},
};

constexpr std::array kCpuStates{
    CpuState{"proposal.active", "placement tmigr-2017: 1 while the CPU is active in its leaf group",
             [](const LinuxKernel& k, sim::CpuId c) {
                 const tmigr2017::Tmigr2017Placement* const p = k.core().proposal;
                 return std::int64_t{p && p->cpu(c).leaf && p->cpu(c).leaf->cpus.contains(c)};
             }},
    CpuState{"proposal.event",
             "placement tmigr-2017: what the CPU's event is queued for, in ns since boot, -1 if it is not",
             [](const LinuxKernel& k, sim::CpuId c) {
                 const tmigr2017::Tmigr2017Placement* const p = k.core().proposal;
                 return p && p->cpu(c).cpuevt.queued() ? ns(p->cpu(c).cpuevt.expires) : -1;
             }},
    CpuState{"tick.stopped", "1 while the tick is stopped",
             [](const LinuxKernel& k, sim::CpuId c) { return std::int64_t{k.core().tick.of(c).stopped}; }},
    CpuState{"tick.ticks", "ticks taken",
             [](const LinuxKernel& k, sim::CpuId c) { return number(k.core().tick.of(c).ticks); }},
    CpuState{"tick.idle_calls", "times that the idle loop wanted to stop the tick",
             [](const LinuxKernel& k, sim::CpuId c) { return number(k.core().tick.of(c).idle_calls); }},
    CpuState{"tick.idle_sleeps", "of them, those in which the next event was further away than a tick",
             [](const LinuxKernel& k, sim::CpuId c) { return number(k.core().tick.of(c).idle_sleeps); }},
    CpuState{"tick.idle_time", "time in ns that the kernel accounted as idle, the present interval excluded",
             [](const LinuxKernel& k, sim::CpuId c) { return std::int64_t{k.core().tick.of(c).idle_time.count()}; }},
    CpuState{"device.programmed", "times that the clock-event device was programmed",
             [](const LinuxKernel& k, sim::CpuId c) { return number(k.core().devices.programmed(c)); }},
    CpuState{"device.next_event", "what the clock-event device was asked for, in ns since boot, -1 for nothing",
             [](const LinuxKernel& k, sim::CpuId c) {
                 const Ktime next = k.core().devices.next_event(c);
                 return next == kKtimeMax ? -1 : ns(next);
             }},
    CpuState{"broadcast.sleeping", "1 while the CPU relies on the broadcast device",
             [](const LinuxKernel& k, sim::CpuId c) {
                 const TickBroadcast* const b = k.core().broadcast.get();
                 return std::int64_t{b && b->sleeping(c)};
             }},
    CpuState{"broadcast.sleeps", "sleeps with the CPU's own timer stopped", broadcast<&BroadcastCounters::sleeps>},
    CpuState{"broadcast.refused", "times that a state was chosen that would stop the CPU's timer, and could not be",
             broadcast<&BroadcastCounters::refused>},
    CpuState{"broadcast.interrupts", "interrupts of the broadcast device handled here",
             broadcast<&BroadcastCounters::interrupts>},
    CpuState{"broadcast.woken", "interrupts of the CPU's own device that the broadcast sent it",
             broadcast<&BroadcastCounters::woken>},
    CpuState{"broadcast.forced", "times that the CPU woke with its event due, before the broadcast interrupt",
             broadcast<&BroadcastCounters::forced>},
    CpuState{"hrtimers.started", "times that a high-resolution timer was queued",
             [](const LinuxKernel& k, sim::CpuId c) { return number(k.core().hrtimers.of(c).started); }},
    CpuState{"hrtimers.expired", "callbacks of high-resolution timers",
             [](const LinuxKernel& k, sim::CpuId c) { return number(k.core().hrtimers.of(c).expired); }},
    CpuState{"hrtimers.queued", "high-resolution timers that are queued, the tick included",
             [](const LinuxKernel& k, sim::CpuId c) {
                 std::size_t queued = 0;
                 for (const HrtimerClockBase& base : k.core().hrtimers.of(c).bases)
                     queued += base.queue.size();
                 return number(queued);
             }},
    CpuState{"hrtimers.interrupts", "clock-event interrupts in high-resolution mode",
             [](const LinuxKernel& k, sim::CpuId c) { return number(k.core().hrtimers.of(c).nr_events); }},
    CpuState{"hrtimers.retries", "passes of the interrupt beyond the first",
             [](const LinuxKernel& k, sim::CpuId c) { return number(k.core().hrtimers.of(c).nr_retries); }},
    CpuState{"hrtimers.hangs", "interrupts that gave up after three passes",
             [](const LinuxKernel& k, sim::CpuId c) { return number(k.core().hrtimers.of(c).nr_hangs); }},
    CpuState{"tmigr.available", "1 while the CPU takes part in the migration hierarchy",
             [](const LinuxKernel& k, sim::CpuId c) {
                 const tmigr::TmigrPlacement* const h = k.core().hierarchy;
                 return std::int64_t{h && h->cpu(c).available.peek()};
             }},
    CpuState{"tmigr.idle", "1 while the CPU is idle in the migration hierarchy",
             [](const LinuxKernel& k, sim::CpuId c) {
                 const tmigr::TmigrPlacement* const h = k.core().hierarchy;
                 return std::int64_t{h && h->cpu(c).idle.peek()};
             }},
    CpuState{"tmigr.responsible",
             "the CPU that runs the CPU's global timers now, itself if it takes no part, -1 while all sleep",
             [](const LinuxKernel& k, sim::CpuId c) {
                 const tmigr::TmigrPlacement* const h = k.core().hierarchy;
                 const sim::CpuId by = h ? tmigr::responsible_for(*h, c) : c;
                 return by == sim::kNoCpu ? -1 : std::int64_t{by};
             }},
    CpuState{"balancer.member", "1 while the CPU is among those for whom the idle load balancer works",
             [](const LinuxKernel& k, sim::CpuId c) {
                 return std::int64_t{k.core().balancer && k.core().balancer->member(c)};
             }},
    CpuState{"push.busy",
             "timers of placement push, and high-resolution ones under tmigr and tmigr-2017, armed here, not pinned, "
             "that stayed since the CPU was busy",
             choices<&push::ChoiceCounters::busy>},
    CpuState{"push.near", "of those: timers that went to a busy CPU of the node", choices<&push::ChoiceCounters::near>},
    CpuState{"push.far", "of those: timers that went to a busy CPU of another node",
             choices<&push::ChoiceCounters::far>},
    CpuState{"push.owner", "of those, with nohz_balancer: timers that went to the owner of the idle load balancer",
             choices<&push::ChoiceCounters::owner>},
    CpuState{"push.idle", "of those: timers that stayed since nobody was busy, or owned the balancer",
             choices<&push::ChoiceCounters::idle>},
    CpuState{"push.housekeeper", "of those, on an isolated CPU, that went to an idle one",
             choices<&push::ChoiceCounters::housekeeper>},
    CpuState{"push.idle_tests", "placement push: CPUs that were asked whether they are idle",
             choices<&push::ChoiceCounters::idle_tests>},
};

template <std::uint64_t BaseCounters::*Counter>
std::int64_t counter(const LinuxKernel&, const TimerBase& b) {
    return number(b.counters.*Counter);
}

constexpr std::array kBaseStates{
    BaseState{"pending", "timers that are queued",
              [](const LinuxKernel&, const TimerBase& b) {
                  std::size_t pending = 0;
                  for (unsigned i = 0; i < b.wheel.bucket_count(); ++i)
                      pending += b.wheel.bucket(i).size();
                  for (unsigned i = 0; i < b.wheel.levels(); ++i)
                      pending += b.wheel.collected(i).size();
                  return number(pending);
              }},
    BaseState{"clk", "the base's clock, in ticks since boot",
              [](const LinuxKernel& k, const TimerBase& b) { return since_boot(k, b.wheel.clk()); }},
    BaseState{"next_expiry", "the first bucket as far as is known, in ticks since boot",
              [](const LinuxKernel& k, const TimerBase& b) { return since_boot(k, b.wheel.next_expiry()); }},
    BaseState{"is_idle", "1 while whoever queues a timer here has to wake the CPU",
              [](const LinuxKernel&, const TimerBase& b) { return std::int64_t{b.is_idle.peek()}; }},
    BaseState{"running", "1 while a callback runs",
              [](const LinuxKernel&, const TimerBase& b) { return std::int64_t{b.running.peek() != nullptr}; }},
    BaseState{"enqueued", "times that a timer was queued", counter<&BaseCounters::enqueued>},
    BaseState{"requeues_saved", "modifications that left a timer in its bucket",
              counter<&BaseCounters::requeues_saved>},
    BaseState{"expired", "callbacks executed", counter<&BaseCounters::expired>},
    BaseState{"expired_remotely", "of them, by another CPU", counter<&BaseCounters::expired_remotely>},
    BaseState{"cancelled", "pending timers that were deleted", counter<&BaseCounters::cancelled>},
    BaseState{"kicks", "times that queueing a timer woke the CPU", counter<&BaseCounters::kicks>},
    BaseState{"pushed", "times that a timer was queued here because another CPU's choice fell on this one",
              counter<&BaseCounters::pushed>},
    BaseState{"pushed_wasted", "of them, those in which it was deleted or moved before it expired",
              counter<&BaseCounters::pushed_wasted>},
    BaseState{"pushed_asleep", "of them, those in which the CPU slept when it expired",
              counter<&BaseCounters::pushed_asleep>},
    BaseState{"moved_away", "timers that were taken over when the CPU was dead", counter<&BaseCounters::moved_away>},
    BaseState{"lock_contended", "times that a CPU waited for the base lock",
              [](const LinuxKernel&, const TimerBase& b) { return number(b.lock.counters().contended); }},
};

/// Takes "cpu7." from the front of `path`.
std::optional<sim::CpuId> take_cpu(std::string_view& path, sim::CpuId cpu_count) {
    constexpr std::string_view kPrefix = "cpu";
    if (!path.starts_with(kPrefix))
        return std::nullopt;
    sim::CpuId cpu = 0;
    const char* const last = path.data() + path.size();
    const auto [end, error] = std::from_chars(path.data() + kPrefix.size(), last, cpu);
    if (error != std::errc{} || end == last || *end != '.' || cpu >= cpu_count)
        return std::nullopt;
    path.remove_prefix(static_cast<std::size_t>(end + 1 - path.data()));
    return cpu;
}

template <class Table>
const typename Table::value_type* find(const Table& table, std::string_view name) {
    for (const auto& row : table)
        if (row.name == name)
            return &row;
    return nullptr;
}

std::string base_prefix(std::size_t index) { return std::string("timers.") + kBaseNames[index] + "."; }

/// StateDecl views its pattern: the texts live here.
struct StateDecls {
    std::deque<std::string> patterns;
    std::vector<sim::StateDecl> decls;

    StateDecls() {
        for (const GlobalState& s : kGlobalStates)
            add(std::string(s.name), s.help);
        for (const CpuState& s : kCpuStates)
            add("cpu*." + std::string(s.name), s.help);
        for (std::size_t i = 0; i < kBasesPerCpu; ++i)
            for (const BaseState& s : kBaseStates)
                add("cpu*." + base_prefix(i) + std::string(s.name), s.help);
    }
    void add(std::string pattern, std::string_view help) {
        patterns.push_back(std::move(pattern));
        decls.push_back({patterns.back(), help});
    }
};

}  // namespace

std::span<const sim::StateDecl> linux_state_decls() {
    static const StateDecls decls;
    return decls.decls;
}

std::optional<std::int64_t> read_state(const LinuxKernel& kernel, std::string_view path) {
    if (const GlobalState* const state = find(kGlobalStates, path))
        return state->read(kernel);
    const std::optional<sim::CpuId> cpu = take_cpu(path, kernel.core().wheel.machine().cpu_count());
    if (!cpu)
        return std::nullopt;
    if (const CpuState* const state = find(kCpuStates, path))
        return state->read(kernel, *cpu);
    for (std::size_t i = 0; i < kBasesPerCpu; ++i)
        if (const std::string prefix = base_prefix(i); path.starts_with(prefix))
            if (const BaseState* const state = find(kBaseStates, path.substr(prefix.size())))
                return state->read(kernel, kernel.core().wheel.base(*cpu, static_cast<BaseIndex>(i)));
    return std::nullopt;
}

}  // namespace ticklab::linux_
