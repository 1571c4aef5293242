// What scenarios can ask for.
#include <array>
#include <vector>

#include "ticklab/model/cputime/declarations.hpp"

namespace ticklab::cputime {
namespace {

using sim::Cpu;
using sim::Duration;
using sim::ParameterDecl;
using sim::TimerRole;
using sim::ValueType;
using sim::VerbCall;
using sim::VerbContext;

constexpr std::array<std::string_view, 3> kClockWords{"prof", "virtual", "sched"};
constexpr std::array<std::string_view, 2> kItimerWords{"prof", "virtual"};
constexpr std::array<std::string_view, 2> kNotifyWords{"signal", "none"};
constexpr std::array<std::string_view, 4> kCallWords{"none", "read-clock", "churn-timer", "yield"};
constexpr std::array<std::string_view, 2> kResourceWords{"cpu", "rttime"};

template <class Enum, std::size_t N>
Enum word(const std::array<std::string_view, N>& words, const VerbCall& call, std::size_t i) {
    std::size_t n = 0;
    while (n + 1 < N && words[n] != call.get<std::string>(i))
        ++n;
    return static_cast<Enum>(n);
}

// Rounded up: an expiry is never earlier than asked for.
CpuTime cpu_time(const VerbCall& call, std::size_t i) {
    return call.has(i) ? std::chrono::ceil<CpuTime>(call.get<Duration>(i)) : CpuTime::zero();
}

Process* process_of(Core& core, const VerbCall& call) { return core.find_process(call.get<std::int64_t>(0)); }

Task* thread_of(Process& process, const VerbCall& call, std::size_t i) {
    return call.has(i) ? Core::find_thread(process, call.get<std::int64_t>(i)) : nullptr;
}

constexpr ParameterDecl kProcess{"process", ValueType::kInteger, "number of the process, of your choice", true, {},
                                 0,         kMaxProcesses - 1};
constexpr ParameterDecl kThread{
    "thread", ValueType::kInteger, "number of the thread in its process, from 0 in order of creation", true, {}, 0};
constexpr ParameterDecl kOptionalThread{
    "thread", ValueType::kInteger, "whose clock it is; the process clock if left out", false, {}, 0};
constexpr ParameterDecl kTimer{"timer", ValueType::kInteger, "number of the timer, of your choice", true, {},
                               0,       kMaxTimers - 1};
constexpr ParameterDecl kClock{
    "clock", ValueType::kWord, "user and system time, user time, or exact run time", false, "sched", 0, 0, kClockWords};

constexpr std::array kSpawnParameters{
    kProcess,
    ParameterDecl{"threads", ValueType::kInteger, "how many; 1 to 65536", false, "1", 1, 65536},
    ParameterDecl{"cpu", ValueType::kCpu, "CPU of the first one", false, "0"},
    ParameterDecl{"cpus", ValueType::kInteger, "over how many CPUs, one after the other, they are spread", false, "1",
                  1, sim::kMaxCpuCount},
    ParameterDecl{"parent",
                  ValueType::kInteger,
                  "of a new process: who forks it and waits for it",
                  false,
                  {},
                  0,
                  kMaxProcesses - 1},
    ParameterDecl{"user", ValueType::kDuration, "user code between calls; 0s for ever", false, "0s"},
    ParameterDecl{"system", ValueType::kDuration, "time in the kernel after it", false, "0s"},
    ParameterDecl{
        "call", ValueType::kWord,
        "what is then called: nothing, clock_gettime of the process's run time, setitimer on and off, or sched_yield",
        false, "none", 0, 0, kCallWords},
    ParameterDecl{"sleep", ValueType::kDuration, "sleep after that, to the next tick", false, "0s"},
    ParameterDecl{"lifetime", ValueType::kDuration, "user and system time after which a thread ends; 0s for ever",
                  false, "0s"},
    ParameterDecl{"respawn", ValueType::kBool, "a thread that ends is followed by a new one", false, "false"},
    ParameterDecl{"realtime", ValueType::kBool, "realtime threads, which RLIMIT_RTTIME is about", false, "false"},
};
constexpr std::array kProcessOnly{kProcess};
constexpr std::array kThreadParameters{kProcess, kThread};
constexpr std::array kReadParameters{kProcess, kOptionalThread, kClock};
constexpr std::array kSetParameters{
    kProcess,
    kTimer,
    kOptionalThread,
    kClock,
    ParameterDecl{"value", ValueType::kDuration, "CPU time to the expiry, or its instant; 0s disarms", true},
    ParameterDecl{"absolute", ValueType::kBool, "the value is an instant of the clock (TIMER_ABSTIME)", false, "false"},
    ParameterDecl{"interval", ValueType::kDuration, "from one expiry to the next; 0s for one-shot", false, "0s"},
    ParameterDecl{"notify", ValueType::kWord, "whether a signal tells of the expiry", false, "signal", 0, 0,
                  kNotifyWords},
};
constexpr std::array kTimerOnly{kTimer};
constexpr std::array kItimerParameters{
    kProcess,
    ParameterDecl{"which", ValueType::kWord, "ITIMER_PROF or ITIMER_VIRTUAL", false, "prof", 0, 0, kItimerWords},
    ParameterDecl{"value", ValueType::kDuration, "process time to the signal; 0s is off", true},
    ParameterDecl{"interval", ValueType::kDuration, "from one signal to the next; 0s for one", false, "0s"}};
constexpr std::array kItimerGetParameters{
    kProcess,
    ParameterDecl{"which", ValueType::kWord, "ITIMER_PROF or ITIMER_VIRTUAL", false, "prof", 0, 0, kItimerWords}};
constexpr std::array kLimitParameters{
    kProcess,
    ParameterDecl{"resource", ValueType::kWord, "RLIMIT_CPU or RLIMIT_RTTIME", false, "cpu", 0, 0, kResourceWords},
    ParameterDecl{"soft", ValueType::kDuration, "SIGXCPU from here on; 0s for none; RLIMIT_CPU counts whole seconds",
                  true},
    ParameterDecl{"hard", ValueType::kDuration, "SIGKILL here; 0s for none", false, "0s"}};

void spawn(Core& core, Cpu& cpu, const VerbCall& call) {
    Life::Spawn s;
    s.process = static_cast<std::uint32_t>(call.get<std::int64_t>(0));
    s.count = static_cast<std::uint32_t>(call.get<std::int64_t>(1));
    s.cpu = static_cast<sim::CpuId>(call.get<std::int64_t>(2));
    s.cpus = static_cast<std::uint32_t>(call.get<std::int64_t>(3));
    s.parent = call.has(4) ? static_cast<std::uint32_t>(call.get<std::int64_t>(4)) : s.process;
    s.behaviour.user = call.get<Duration>(5);
    s.behaviour.system = call.get<Duration>(6);
    s.behaviour.call = word<KernelCall>(kCallWords, call, 7);
    s.behaviour.sleep = call.get<Duration>(8);
    s.behaviour.lifetime = call.get<Duration>(9);
    s.behaviour.respawn = call.get<bool>(10);
    s.behaviour.realtime = call.get<bool>(11);
    const Process* const process = core.find_process(s.process);
    // A second thread is made where the first one runs.
    if (process && process->made == 1 && process->leader->cpu != cpu.id())
        core.machine.run_in_irq(process->leader->cpu, cpu.cause(), [&core, s](Cpu& on) { core.life.spawn(on, s); });
    else
        core.life.spawn(cpu, s);
}

void task_exit(Core& core, Cpu& cpu, const VerbCall& call) {
    if (Process* const process = process_of(core, call))
        if (Task* const task = thread_of(*process, call, 1))
            core.life.ask_exit(cpu, *task);
}

void task_exec(Core& core, Cpu& cpu, const VerbCall& call) {
    if (Process* const process = process_of(core, call))
        if (Task* const task = thread_of(*process, call, 1))
            core.life.ask_exec(cpu, *task);
}

void process_exit(Core& core, Cpu& cpu, const VerbCall& call) {
    if (Process* const process = process_of(core, call))
        core.life.exit_group(cpu, *process);
}

void clock_read(Core& core, Cpu& cpu, const VerbCall& call) {
    Process* const process = process_of(core, call);
    if (!process)
        return;
    Task* const thread = thread_of(*process, call, 1);
    if (call.has(1) == (thread != nullptr))
        process->read_last = core.cpu_timers.read(cpu, *process, thread, word<ClockId>(kClockWords, call, 2)).count();
}

void timer_set(Core& core, Cpu& cpu, const VerbCall& call) {
    Process* const process = process_of(core, call);
    if (!process || process->gone)
        return;
    Task* const thread = thread_of(*process, call, 2);
    if (call.has(2) != (thread != nullptr))
        return;
    PosixTimer& timer = core.timer(call.get<std::int64_t>(1));
    core.cpu_timers.create(timer, *process, thread, word<ClockId>(kClockWords, call, 3),
                           word<Notify>(kNotifyWords, call, 7));
    core.cpu_timers.set(cpu, timer, {cpu_time(call, 4), cpu_time(call, 6), call.get<bool>(5)});
}

void timer_get(Core& core, Cpu& cpu, const VerbCall& call) {
    (void)core.cpu_timers.get(cpu, core.timer(call.get<std::int64_t>(0)));
}

void timer_delete(Core& core, Cpu& cpu, const VerbCall& call) {
    core.cpu_timers.remove(cpu, core.timer(call.get<std::int64_t>(0)));
}

void itimer_set(Core& core, Cpu& cpu, const VerbCall& call) {
    if (Process* const process = process_of(core, call))
        (void)core.cpu_timers.set_itimer(cpu, *process, word<ClockId>(kItimerWords, call, 1), cpu_time(call, 2),
                                         cpu_time(call, 3));
}

void itimer_get(Core& core, Cpu& cpu, const VerbCall& call) {
    if (Process* const process = process_of(core, call))
        (void)core.cpu_timers.get_itimer(cpu, *process, word<ClockId>(kItimerWords, call, 1));
}

void limit_set(Core& core, Cpu& cpu, const VerbCall& call) {
    Process* const process = process_of(core, call);
    if (!process)
        return;
    const Limit limit{cpu_time(call, 2), cpu_time(call, 3)};
    if (call.get<std::string>(1) == kResourceWords[1])
        core.cpu_timers.set_rt_limit(cpu, *process, limit);
    else
        core.cpu_timers.set_cpu_limit(
            cpu, *process,
            {std::chrono::ceil<std::chrono::seconds>(limit.soft), std::chrono::ceil<std::chrono::seconds>(limit.hard)});
}

constexpr sim::VerbDecl in_thread(std::string_view name, std::string_view help,
                                  std::span<const ParameterDecl> parameters) {
    return {name, VerbContext::kThread, TimerRole::kNone, help, parameters};
}

constexpr std::array kVerbs{
    CpuTimeVerb{in_thread("task.spawn",
                          "makes threads, and their process if it is new; each does the same all its life: user code, "
                          "kernel, a call, sleep",
                          kSpawnParameters),
                &spawn},
    CpuTimeVerb{in_thread("task.exit", "a thread ends when it next leaves the kernel", kThreadParameters), &task_exit},
    CpuTimeVerb{
        in_thread("task.exec", "a thread executes another program: the others of its process end", kThreadParameters),
        &task_exec},
    CpuTimeVerb{in_thread("process.exit", "all threads of a process end", kProcessOnly), &process_exit},
    CpuTimeVerb{in_thread("clock.read", "reads a CPU clock", kReadParameters), &clock_read},
    CpuTimeVerb{in_thread("cpu_timer.set", "makes a POSIX CPU timer at its first mention, and sets it", kSetParameters),
                &timer_set},
    CpuTimeVerb{in_thread("cpu_timer.get", "asks what is left of a POSIX CPU timer", kTimerOnly), &timer_get},
    CpuTimeVerb{in_thread("cpu_timer.delete", "deletes a POSIX CPU timer", kTimerOnly), &timer_delete},
    CpuTimeVerb{in_thread("itimer.set", "setitimer of a process", kItimerParameters), &itimer_set},
    CpuTimeVerb{in_thread("itimer.get", "getitimer of a process", kItimerGetParameters), &itimer_get},
    CpuTimeVerb{in_thread("rlimit.set", "setrlimit of a process", kLimitParameters), &limit_set},
};

}  // namespace

std::span<const CpuTimeVerb> cputime_verbs() { return kVerbs; }

}  // namespace ticklab::cputime
