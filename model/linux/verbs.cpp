// What scenarios may do with timers: the verbs, and what they promise.
#include <array>

#include "ticklab/model/linux/declarations.hpp"
#include "ticklab/model/linux/promises.hpp"

namespace ticklab::linux_ {
namespace {

using sim::Cpu;
using sim::CpuId;
using sim::Duration;
using sim::ParameterDecl;
using sim::Time;
using sim::TimerIndex;
using sim::TimerPromise;
using sim::TimerRole;
using sim::ValueType;
using sim::VerbCall;
using sim::VerbContext;
namespace flag = timer_flags;

constexpr ParameterDecl kTimer{"timer", ValueType::kTimer, "name of the timer", true, {}};
constexpr ParameterDecl kExpires{"expires",
                                 ValueType::kTime,
                                 "when it expires; rounded up to jiffies, and its bucket is collected after that",
                                 true,
                                 {}};
constexpr std::array kTimerOnly{kTimer};
constexpr std::array kTimerExpires{kTimer, kExpires};
constexpr std::array kAddOn{kTimer, kExpires, ParameterDecl{"cpu", ValueType::kCpu, "the CPU that runs it", true, {}}};
constexpr std::array kInit{
    kTimer,
    ParameterDecl{"pinned", ValueType::kBool, "it runs on the CPU that arms it, even if that has to wake", false,
                  "false"},
    ParameterDecl{"deferrable", ValueType::kBool, "it wakes no idle CPU", false, "false"},
    ParameterDecl{"irqsafe", ValueType::kBool, "its callback runs with interrupts off", false, "false"}};
constexpr std::array<std::string_view, kClockCount> kClocks{"monotonic", "realtime", "boottime", "tai"};
constexpr std::array kHrtimerInit{
    kTimer, ParameterDecl{"clock", ValueType::kWord, "the clock it follows", false, "monotonic", 0, 0, kClocks},
    ParameterDecl{"soft", ValueType::kBool, "its callback runs in the softirq", false, "false"}};
constexpr std::array kHrtimerStart{
    kTimer, ParameterDecl{"expires", ValueType::kTime, "earliest instant at which it may run", true, {}},
    ParameterDecl{"slack", ValueType::kDuration, "how much later it may run", false, "0ns"},
    ParameterDecl{"pinned", ValueType::kBool, "it runs on the CPU that starts it", false, "false"}};

TimerIndex timer_of(const VerbCall& call) { return static_cast<TimerIndex>(call.get<std::int64_t>(0)); }
bool flag_of(const VerbCall& call, std::size_t i) { return call.has(i) && call.get<bool>(i); }

// --- the wheel ---

LinuxKernel::WheelTimer& usable(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    LinuxKernel::WheelTimer& t = kernel.wheel_timer(timer_of(call));
    if (!t.initialised)
        kernel.init_wheel_timer(cpu, timer_of(call), 0);
    return t;
}

const LinuxKernel::WheelTimer* known(const LinuxKernel& kernel, const VerbCall& call) {
    const std::size_t i = timer_of(call);
    return i < kernel.wheel_timers().size() && kernel.wheel_timers()[i].initialised ? &kernel.wheel_timers()[i]
                                                                                    : nullptr;
}

Jiffies expires_of(const LinuxKernel& kernel, const VerbCall& call) {
    return kernel.core().time.jiffies_not_before(call.get<Time>(1));
}

Jiffies present(const LinuxKernel& kernel, Time now) {
    return kernel.core().time.ideal_jiffies(ktime_at(sim::ns_floor(now)));
}

Jiffies asked_at(const LinuxKernel& kernel, const LinuxKernel::WheelTimer* t, Jiffies expires, Time now) {
    return t && t->timer.pending && t->timer.expires == expires ? t->asked_at : present(kernel, now);
}

/// Ticks that pass while the duty to run a sleeping CPU's timers goes from CPU to CPU (TMM 14.4).
constexpr int kHandOverTicks = 2;

/// What a machine whose timers stop adds, if another device has to wake the CPU.
KtimeSpan broadcast_delay(const LinuxKernel& kernel) {
    return kernel.core().broadcast ? kernel.core().broadcast->delay() : KtimeSpan::zero();
}

/// What the kernel's options add to the wait for a tick.
KtimeSpan service_delay(const LinuxKernel& kernel) {
    const KtimeSpan tick = kernel.core().time.tick();
    const KtimeSpan skew = kernel.config().tick.skew_tick ? tick / 2 : KtimeSpan::zero();
    return (kernel.config().placement->needs_bring_up ? skew + kHandOverTicks * tick : skew) + broadcast_delay(kernel);
}

TimerPromise promise_start(const LinuxKernel& kernel, const VerbCall& call, Time now) {
    const LinuxKernel::WheelTimer* const t = known(kernel, call);
    if (t && !t->timer.function)
        return kNoPromise;
    const Jiffies expires = expires_of(kernel, call);
    return wheel_promise(kernel.core().time, expires, asked_at(kernel, t, expires, now), now,
                         t && t->timer.has(flag::kDeferrable), service_delay(kernel));
}

/// Whether it takes effect is known under the lock only: nothing is owed, and nothing that happens is a surprise.
TimerPromise promise_if_pending(const LinuxKernel& kernel, const VerbCall& call, Time now) {
    const LinuxKernel::WheelTimer* const t = known(kernel, call);
    return t && t->timer.pending && t->timer.function ? TimerPromise{now, sim::kNever, false} : kNoPromise;
}

/// The earlier of two armings, of which the first may be over before the operation takes effect.
TimerPromise promise_reduce(const LinuxKernel& kernel, const VerbCall& call, Time now) {
    TimerPromise promise = promise_start(kernel, call, now);
    const LinuxKernel::WheelTimer* const t = known(kernel, call);
    if (t && t->timer.pending && promise.not_before != sim::kNever) {
        promise.not_before = std::min(promise.not_before, t->promised.not_before);
        promise.not_after = std::max(promise.not_after, t->promised.not_after);
    }
    return promise;
}

/// Notes what an arming asks for, before it is made.
template <TimerPromise (*Promise)(const LinuxKernel&, const VerbCall&, Time)>
LinuxKernel::WheelTimer& asked(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    LinuxKernel::WheelTimer& t = usable(kernel, cpu, call);
    const Time now = cpu.local_time();
    const TimerPromise promise = Promise(kernel, call, now);
    t.asked_at = asked_at(kernel, &t, expires_of(kernel, call), now);
    t.promised = promise;
    return t;
}

void verb_init(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.init_wheel_timer(cpu, timer_of(call),
                            (flag_of(call, 1) ? flag::kPinned : 0) | (flag_of(call, 2) ? flag::kDeferrable : 0) |
                                (flag_of(call, 3) ? flag::kIrqSafe : 0));
}
void verb_mod(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().wheel.mod(cpu, asked<promise_start>(kernel, cpu, call).timer, expires_of(kernel, call));
}
void verb_mod_pending(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().wheel.mod_pending(cpu, asked<promise_if_pending>(kernel, cpu, call).timer, expires_of(kernel, call));
}
void verb_reduce(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().wheel.reduce(cpu, asked<promise_reduce>(kernel, cpu, call).timer, expires_of(kernel, call));
}
void verb_add(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().wheel.add(cpu, asked<promise_start>(kernel, cpu, call).timer, expires_of(kernel, call));
}
void verb_add_local(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().wheel.add_local(cpu, asked<promise_start>(kernel, cpu, call).timer, expires_of(kernel, call));
}
void verb_add_global(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().wheel.add_global(cpu, asked<promise_start>(kernel, cpu, call).timer, expires_of(kernel, call));
}
void verb_add_on(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().wheel.add_on(cpu, asked<promise_start>(kernel, cpu, call).timer, expires_of(kernel, call),
                               static_cast<CpuId>(call.get<std::int64_t>(2)));
}
void verb_delete(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().wheel.remove(cpu, usable(kernel, cpu, call).timer);
}
void verb_delete_sync(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().wheel.remove_sync(cpu, usable(kernel, cpu, call).timer);
}
void verb_shutdown(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().wheel.shutdown(cpu, usable(kernel, cpu, call).timer);
}
void verb_shutdown_sync(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    LinuxKernel::WheelTimer& t = usable(kernel, cpu, call);
    kernel.core().wheel.shutdown_sync(cpu, t.timer);
    for (const auto& work : t.callback_work)
        (void)work.read(cpu);
}

// --- high-resolution timers ---

LinuxKernel::HighResTimer& usable_hrtimer(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    LinuxKernel::HighResTimer& t = kernel.high_res_timer(timer_of(call));
    if (!t.initialised)
        kernel.init_high_res_timer(cpu, timer_of(call), ClockId::kMonotonic, HrtimerMode{});
    return t;
}

Duration slack_of(const VerbCall& call) { return call.has(2) ? call.get<Duration>(2) : Duration::zero(); }

TimerPromise promise_hrtimer(const LinuxKernel& kernel, const VerbCall& call, Time now) {
    return hrtimer_promise(kernel.core().time, call.get<Time>(1), slack_of(call), now,
                           kernel.core().devices.min_delta() + broadcast_delay(kernel), kernel.config().tick.highres);
}

void verb_hrtimer_init(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    std::size_t clock = 0;
    while (call.has(1) && clock + 1 < kClockCount && kClocks[clock] != call.get<std::string>(1))
        ++clock;
    kernel.init_high_res_timer(cpu, timer_of(call), static_cast<ClockId>(clock), HrtimerMode{.soft = flag_of(call, 2)});
}
void verb_hrtimer_start(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    Hrtimer& t = usable_hrtimer(kernel, cpu, call).timer;
    // A request between two nanoseconds is for the later one.
    const Ktime expires{std::chrono::ceil<KtimeSpan>(call.get<Time>(1).time_since_epoch())};
    const KtimeSpan slack = std::chrono::floor<KtimeSpan>(slack_of(call));
    kernel.core().hrtimers.start(cpu, t, expires + kernel.core().hrtimers.offset_of(t), slack,
                                 HrtimerMode{.pinned = flag_of(call, 3), .soft = t.is_soft});
}
void verb_hrtimer_try_to_cancel(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().hrtimers.try_to_cancel(cpu, usable_hrtimer(kernel, cpu, call).timer);
}
void verb_hrtimer_cancel(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().hrtimers.cancel(cpu, usable_hrtimer(kernel, cpu, call).timer);
}

// --- placement ---

constexpr std::array kSwitch{
    ParameterDecl{"value", ValueType::kBool, "whether timers may be queued on other CPUs", true, {}}};

void verb_timer_migration(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    kernel.core().migration->set_timer_migration(cpu, flag_of(call, 0));
}

constexpr std::array kOneCpu{ParameterDecl{"cpu", ValueType::kCpu, "the CPU", true, {}}};

template <bool Isolated>
void verb_isolate(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (kernel.core().hierarchy)
        kernel.core().hierarchy->set_isolated(cpu, static_cast<CpuId>(call.get<std::int64_t>(0)), Isolated);
}

// --- broadcast ---

void verb_broadcast_hpet(LinuxKernel& kernel, Cpu& cpu, const VerbCall&) {
    if (kernel.core().broadcast)
        kernel.core().broadcast->replace_by_hpet(cpu);
}

// --- the RTC ---

constexpr std::array<std::string_view, 3> kRtcKindWords{"periodic", "alarm", "update"};
constexpr std::array kRtcRate{
    ParameterDecl{"hz", ValueType::kInteger, "a power of two from 2 to 8192", true, {}, 2, 8192}};
constexpr std::array kRtcKind{ParameterDecl{
    "interrupt", ValueType::kWord, "the kind of interrupt", true, {}, INT64_MIN, INT64_MAX, kRtcKindWords}};
constexpr std::array kRtcAlarmTime{ParameterDecl{"hour", ValueType::kInteger, "hour, 0 to 23", true, {}, 0, 23},
                                   ParameterDecl{"minute", ValueType::kInteger, "minute, 0 to 59", true, {}, 0, 59},
                                   ParameterDecl{"second", ValueType::kInteger, "second, 0 to 59", true, {}, 0, 59}};

unsigned integer_of(const VerbCall& call, std::size_t i) { return static_cast<unsigned>(call.get<std::int64_t>(i)); }

/// The bit of the named kind.
unsigned rtc_kind_of(const VerbCall& call) {
    unsigned bit = 0;
    while (bit + 1 < kRtcKindWords.size() && kRtcKindWords[bit] != call.get<std::string>(0))
        ++bit;
    return 1u << bit;
}

void verb_rtc_set_rate(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().rtc->set_rate(cpu, integer_of(call, 0));
}
void verb_rtc_enable(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().rtc->enable(cpu, rtc_kind_of(call));
}
void verb_rtc_disable(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().rtc->disable(cpu, rtc_kind_of(call));
}
void verb_rtc_set_alarm(LinuxKernel& kernel, Cpu& cpu, const VerbCall& call) {
    kernel.core().rtc->set_alarm(cpu, {integer_of(call, 0), integer_of(call, 1), integer_of(call, 2)});
}

constexpr auto kThread = VerbContext::kThread;
constexpr auto kIrq = VerbContext::kIrq;

constexpr std::array kVerbs{
    LinuxVerb{{"timer.init", kThread, TimerRole::kNone,
               "initialises a timer that is new or shut down; the first other use of a new one does it too", kInit},
              verb_init,
              nullptr},
    LinuxVerb{{"timer.mod", kThread, TimerRole::kArm, "starts a timer, or moves it (mod_timer)", kTimerExpires},
              verb_mod,
              promise_start},
    LinuxVerb{
        {"timer.mod_irq", kIrq, TimerRole::kArm, "timer.mod in an interrupt", kTimerExpires}, verb_mod, promise_start},
    LinuxVerb{{"timer.mod_pending", kThread, TimerRole::kArm, "moves a timer only if it is pending (mod_timer_pending)",
               kTimerExpires},
              verb_mod_pending,
              promise_if_pending},
    LinuxVerb{{"timer.reduce", kThread, TimerRole::kArm,
               "starts a timer, or moves it to an earlier time only (timer_reduce)", kTimerExpires},
              verb_reduce,
              promise_reduce},
    LinuxVerb{{"timer.add", kThread, TimerRole::kArm, "starts a timer that is not pending (add_timer)", kTimerExpires},
              verb_add,
              promise_start},
    LinuxVerb{{"timer.add_local", kThread, TimerRole::kArm,
               "starts a timer that is not pending, pinned to this CPU (add_timer_local)", kTimerExpires},
              verb_add_local,
              promise_start},
    LinuxVerb{{"timer.add_global", kThread, TimerRole::kArm,
               "starts a timer that is not pending, pinned to no CPU (add_timer_global)", kTimerExpires},
              verb_add_global,
              promise_start},
    LinuxVerb{{"timer.add_on", kThread, TimerRole::kArm,
               "starts a timer that is not pending, pinned to another CPU (add_timer_on)", kAddOn},
              verb_add_on,
              promise_start},
    LinuxVerb{{"timer.delete", kThread, TimerRole::kCancel,
               "takes a timer back, without waiting for a running callback (timer_delete)", kTimerOnly},
              verb_delete,
              nullptr},
    LinuxVerb{{"timer.delete_irq", kIrq, TimerRole::kCancel, "timer.delete in an interrupt", kTimerOnly},
              verb_delete,
              nullptr},
    LinuxVerb{{"timer.delete_sync", kThread, TimerRole::kSyncCancel,
               "takes a timer back and waits for a running callback (timer_delete_sync)", kTimerOnly},
              verb_delete_sync,
              nullptr},
    LinuxVerb{{"timer.shutdown", kThread, TimerRole::kCancel,
               "timer.delete, and later attempts to arm it do nothing (timer_shutdown)", kTimerOnly},
              verb_shutdown,
              nullptr},
    LinuxVerb{{"timer.shutdown_sync", kThread, TimerRole::kSyncCancel,
               "timer.delete_sync, and later attempts to arm it do nothing (timer_shutdown_sync)", kTimerOnly},
              verb_shutdown_sync,
              nullptr},
    LinuxVerb{{"hrtimer.init", kThread, TimerRole::kNone,
               "sets up a high-resolution timer; the first other use of a new one does it too", kHrtimerInit},
              verb_hrtimer_init,
              nullptr},
    LinuxVerb{
        {"hrtimer.start", kThread, TimerRole::kArm,
         "starts a high-resolution timer, in place of what was started before (hrtimer_start_range_ns)", kHrtimerStart},
        verb_hrtimer_start,
        promise_hrtimer},
    LinuxVerb{{"hrtimer.start_irq", kIrq, TimerRole::kArm, "hrtimer.start in an interrupt", kHrtimerStart},
              verb_hrtimer_start,
              promise_hrtimer},
    LinuxVerb{{"hrtimer.try_to_cancel", kThread, TimerRole::kCancel,
               "takes a high-resolution timer back unless its callback runs (hrtimer_try_to_cancel)", kTimerOnly},
              verb_hrtimer_try_to_cancel,
              nullptr},
    LinuxVerb{{"hrtimer.cancel", kThread, TimerRole::kSyncCancel,
               "takes a high-resolution timer back and waits for a running callback (hrtimer_cancel)", kTimerOnly},
              verb_hrtimer_cancel,
              nullptr},
    LinuxVerb{{"cpuset.isolate", kThread, TimerRole::kNone,
               "placement tmigr: a CPU is isolated from here on, as by a cpuset partition, and leaves the hierarchy; "
               "nothing if no other CPU would be left, or in a kernel that does not exclude such CPUs",
               kOneCpu},
              verb_isolate<true>,
              nullptr},
    LinuxVerb{{"cpuset.unisolate", kThread, TimerRole::kNone,
               "placement tmigr: a CPU is isolated no longer, and joins the hierarchy", kOneCpu},
              verb_isolate<false>,
              nullptr},
    LinuxVerb{{"broadcast.hpet",
               kThread,
               TimerRole::kNone,
               "the HPET is found late, as by a quirk of its chipset, and takes the place of the broadcast device that "
               "there is; nothing if it is the one, is not usable, or no CPU's timer stops",
               {}},
              verb_broadcast_hpet,
              nullptr},
    LinuxVerb{{"rtc.set_rate", kThread, TimerRole::kNone,
               "with rtc_emulation: the rate of the periodic interrupt (RTC_IRQP_SET), 1024 Hz at boot; one that is "
               "enabled takes it up at the RTC's next interrupt",
               kRtcRate},
              verb_rtc_set_rate,
              nullptr},
    LinuxVerb{{"rtc.enable", kThread, TimerRole::kNone,
               "with rtc_emulation: the RTC interrupts periodically, at the alarm's second, or at each new second "
               "(RTC_PIE_ON, RTC_AIE_ON, RTC_UIE_ON); the alarm, as long as its second lasts, at each poll",
               kRtcKind},
              verb_rtc_enable,
              nullptr},
    LinuxVerb{{"rtc.disable", kThread, TimerRole::kNone,
               "with rtc_emulation: it does not any longer (RTC_PIE_OFF, RTC_AIE_OFF, RTC_UIE_OFF)", kRtcKind},
              verb_rtc_disable,
              nullptr},
    LinuxVerb{{"rtc.set_alarm", kThread, TimerRole::kNone,
               "with rtc_emulation: the time of day of the alarm (RTC_ALM_SET), 0:00:00 at boot", kRtcAlarmTime},
              verb_rtc_set_alarm,
              nullptr},
    LinuxVerb{{"sysctl.timer_migration", kThread, TimerRole::kNone,
               "all placements but local: writes the sysctl of that name; timers that are queued stay where they are",
               kSwitch},
              verb_timer_migration,
              nullptr},
};

}  // namespace

std::span<const LinuxVerb> linux_verbs() { return kVerbs; }

const LinuxVerb* find_verb(const VerbCall& call) {
    for (const LinuxVerb& verb : kVerbs)
        if (call.verb->name == verb.decl.name)
            return &verb;
    return nullptr;
}

}  // namespace ticklab::linux_
