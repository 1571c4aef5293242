// Quantities that scenarios may expect.
#include <array>
#include <charconv>
#include <vector>

#include "ticklab/model/cputime/declarations.hpp"

namespace ticklab::cputime {
namespace {

struct ProcessState {
    sim::StateDecl decl;
    std::int64_t (*read)(const Core& core, const Process& process);
};

Times times_of(const Core& core, const Process& p) { return core.accounting->totals(p).value_or(p.sum_for_oracle()); }

constexpr std::array kProcessStates{
    ProcessState{{"process*.utime", "user time in ns, of live and dead threads"},
                 [](const Core& c, const Process& p) { return times_of(c, p).utime.count(); }},
    ProcessState{{"process*.stime", "system time in ns"},
                 [](const Core& c, const Process& p) { return times_of(c, p).stime.count(); }},
    ProcessState{{"process*.sum_exec", "run time in ns that is accounted"},
                 [](const Core& c, const Process& p) { return times_of(c, p).sum_exec.count(); }},
    ProcessState{{"process*.dead_prof", "user and system time in ns of threads that were reaped"},
                 [](const Core&, const Process& p) { return p.dead.peek().of(ClockId::kProf).count(); }},
    ProcessState{{"process*.child_prof", "user and system time in ns of children that were waited for"},
                 [](const Core&, const Process& p) { return p.children.of(ClockId::kProf).count(); }},
    ProcessState{{"process*.sigchld_prof", "user and system time that SIGCHLD told the parent, in clock_t of 10 ms"},
                 [](const Core&, const Process& p) { return p.told.of(ClockId::kProf).count(); }},
    ProcessState{{"process*.live", "threads that have not begun to exit"},
                 [](const Core&, const Process& p) { return std::int64_t{p.live}; }},
    ProcessState{{"process*.threads", "threads that are not reaped"},
                 [](const Core&, const Process& p) { return std::int64_t{p.count}; }},
    ProcessState{{"process*.made", "threads made so far"},
                 [](const Core&, const Process& p) { return std::int64_t{p.made}; }},
    ProcessState{{"process*.gone", "1 if the process has ended"},
                 [](const Core&, const Process& p) { return std::int64_t{p.gone}; }},
    ProcessState{{"process*.timer_clock_runs", "1 while the timer clock runs; always, where it is none of its own"},
                 [](const Core& c, const Process& p) { return std::int64_t{c.accounting->runs(p)}; }},
    ProcessState{{"process*.timer_clock_starts", "starts of the timer clock"},
                 [](const Core&, const Process& p) { return p.clock_starts; }},
    ProcessState{{"process*.slow_paths", "ticks, or works they left, that looked at the timer lists"},
                 [](const Core&, const Process& p) { return p.slow_paths; }},
    ProcessState{{"process*.sigprof", "SIGPROF delivered"},
                 [](const Core&, const Process& p) { return p.delivered[index_of(Signal::kProf)]; }},
    ProcessState{{"process*.sigvtalrm", "SIGVTALRM delivered"},
                 [](const Core&, const Process& p) { return p.delivered[index_of(Signal::kVtAlrm)]; }},
    ProcessState{{"process*.sigxcpu", "SIGXCPU delivered"},
                 [](const Core&, const Process& p) { return p.delivered[index_of(Signal::kXcpu)]; }},
    ProcessState{{"process*.sigkill", "SIGKILL delivered"},
                 [](const Core&, const Process& p) { return p.delivered[index_of(Signal::kKill)]; }},
    ProcessState{{"process*.itimer_prof_signals", "expiries of ITIMER_PROF"},
                 [](const Core&, const Process& p) { return p.itimers[index_of(ClockId::kProf)].signals; }},
    ProcessState{{"process*.itimer_prof_late_max", "latest expiry of ITIMER_PROF, in ns of the timer clock"},
                 [](const Core&, const Process& p) { return p.itimers[index_of(ClockId::kProf)].late_max.count(); }},
    ProcessState{{"process*.itimer_virtual_signals", "expiries of ITIMER_VIRTUAL"},
                 [](const Core&, const Process& p) { return p.itimers[index_of(ClockId::kVirt)].signals; }},
    ProcessState{{"process*.itimer_old", "what the last setitimer or getitimer told, in ns"},
                 [](const Core&, const Process& p) { return p.old_itimer; }},
    ProcessState{{"process*.read_last", "what the last clock.read showed, in ns"},
                 [](const Core&, const Process& p) { return p.read_last; }},
};

struct TimerState {
    sim::StateDecl decl;
    std::int64_t (*read)(const PosixTimer& timer);
};

constexpr std::array kTimerStates{
    TimerState{{"timer*.fired", "expiries that were noticed"}, [](const PosixTimer& t) { return t.fired; }},
    TimerState{{"timer*.signals", "signals delivered"}, [](const PosixTimer& t) { return t.signals; }},
    TimerState{{"timer*.overruns", "overruns told with them"}, [](const PosixTimer& t) { return t.overruns; }},
    TimerState{{"timer*.armed", "1 while it is on a list"}, [](const PosixTimer& t) { return std::int64_t{t.linked}; }},
    TimerState{{"timer*.expires", "its expiry in ns of its clock, 0 if disarmed"},
               [](const PosixTimer& t) { return t.expires.count(); }},
    TimerState{{"timer*.remaining", "what the last cpu_timer.get told, in ns"},
               [](const PosixTimer& t) { return t.remaining; }},
    TimerState{{"timer*.old_remaining", "the old value that the last cpu_timer.set told, in ns"},
               [](const PosixTimer& t) { return t.old_remaining; }},
    TimerState{{"timer*.late_max", "latest firing, in ns of its clock"},
               [](const PosixTimer& t) { return t.late_max.count(); }},
};

struct TickState {
    sim::StateDecl decl;
    std::int64_t (*read)(const CpuFigures& figures);
};

constexpr std::array kTickStates{
    TickState{{"cpu*.ticks", "ticks handled"}, [](const CpuFigures& f) { return f.ticks; }},
    TickState{{"cpu*.tick_mean", "mean time in ns of a tick handler, interrupts off"},
              [](const CpuFigures& f) { return f.ticks == 0 ? 0 : f.tick_time.count() / 1000 / f.ticks; }},
    TickState{{"cpu*.tick_max", "longest tick handler in ns"},
              [](const CpuFigures& f) { return f.tick_time_max.count() / 1000; }},
};

/// "process7.utime" as 7, if the path fits the pattern "process*.utime".
std::optional<std::int64_t> number_in(std::string_view path, std::string_view pattern) {
    const std::size_t star = pattern.find('*');
    const std::string_view prefix = pattern.substr(0, star);
    const std::string_view suffix = pattern.substr(star + 1);
    if (!path.starts_with(prefix) || !path.ends_with(suffix) || path.size() <= prefix.size() + suffix.size())
        return std::nullopt;
    path = path.substr(prefix.size(), path.size() - prefix.size() - suffix.size());
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), n);
    return error == std::errc{} && end == path.data() + path.size() ? std::optional{n} : std::nullopt;
}

}  // namespace

std::span<const sim::StateDecl> cputime_state_decls() {
    static const std::vector<sim::StateDecl> decls = [] {
        std::vector<sim::StateDecl> all;
        all.reserve(kProcessStates.size() + kTimerStates.size() + kTickStates.size());
        for (const ProcessState& s : kProcessStates)
            all.push_back(s.decl);
        for (const TimerState& s : kTimerStates)
            all.push_back(s.decl);
        for (const TickState& s : kTickStates)
            all.push_back(s.decl);
        return all;
    }();
    return decls;
}

std::optional<std::int64_t> read_state(const Core& core, std::string_view path) {
    for (const ProcessState& s : kProcessStates)
        if (const std::optional<std::int64_t> n = number_in(path, s.decl.pattern)) {
            const Process* const process = core.find_process(*n);
            return process ? std::optional{s.read(core, *process)} : std::nullopt;
        }
    for (const TimerState& s : kTimerStates)
        if (const std::optional<std::int64_t> n = number_in(path, s.decl.pattern)) {
            const PosixTimer* const timer = core.find_timer(*n);
            return timer ? std::optional{s.read(*timer)} : std::nullopt;
        }
    for (const TickState& s : kTickStates)
        if (const std::optional<std::int64_t> n = number_in(path, s.decl.pattern); n && *n < core.machine.cpu_count())
            return s.read(core.scheduler.figures(static_cast<sim::CpuId>(*n)));
    return std::nullopt;
}

}  // namespace ticklab::cputime
