// The report for people.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "ticklab/lab/joined.hpp"
#include "ticklab/lab/report.hpp"

namespace ticklab::lab {
namespace {

using sim::Duration;

constexpr std::size_t kMaxCpuRows = 16;
constexpr std::size_t kMaxLockRows = 5;
constexpr std::size_t kMaxTimerRows = RunReport::kWorstTimers;
constexpr std::size_t kMaxParts = 3;

std::string brief_ps(std::uint64_t ps) { return brief(Duration{static_cast<std::int64_t>(ps)}); }

class Text {
public:
    explicit Text(bool colour) : colour_(colour) {}

    template <class... Args>
    void line(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
        while (!out_.empty() && out_.back() == ' ')
            out_.pop_back();
        out_ += '\n';
    }
    std::string bold(std::string_view s) const { return paint("1", s); }
    std::string good(std::string_view s) const { return paint("32", s); }
    std::string bad(std::string_view s) const { return paint("1;31", s); }
    std::string take() { return std::move(out_); }

private:
    std::string paint(std::string_view code, std::string_view s) const {
        return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, s) : std::string(s);
    }
    bool colour_;
    std::string out_;
};

void timers(Text& t, const RunReport& r) {
    if (!r.observed) {
        t.line("timers    not observed");
        return;
    }
    const TimerCounters& c = r.timers;
    t.line("timers    armed {}, fired {}, cancelled {}, superseded {}, early {}, lost {}", c.armed, c.fired,
           c.cancelled, c.superseded, c.early, c.lost);
    const Histogram& h = r.lateness_ps;
    if (h.count() == 0)
        return;
    t.line("lateness  p50 {}, p90 {}, p99 {}, p99.9 {}, max {}", brief_ps(h.percentile(5000)),
           brief_ps(h.percentile(9000)), brief_ps(h.percentile(9900)), brief_ps(h.percentile(9990)), brief_ps(h.max()));
    std::size_t width = 0;
    for (const RunReport::Timer& timer : r.worst)
        width = std::max(width, timer.name.size());
    for (std::size_t i = 0; i < std::min(r.worst.size(), kMaxTimerRows); ++i) {
        const RunReport::Timer& timer = r.worst[i];
        t.line("{:<10}{:<{}}  fired {:>6}, last on CPU {:>3}, late by {} to {}", i == 0 ? "worst" : "", timer.name,
               width, timer.figures.fired, timer.figures.last_cpu, brief(timer.figures.late_min),
               brief(timer.figures.late_max));
        if (!timer.parts.empty())
            t.line("{:<10}{:<{}}    most: {}", "", "", width, short_parts(timer.parts, kMaxParts));
    }
}

/// Share of the run in tenths of a percent.
std::string share(Duration part, Duration whole) {
    if (whole <= Duration::zero())
        return "-";
    const auto tenths = static_cast<std::int64_t>(sim::Int128{part.count()} * 1000 / whole.count());
    return fmt::format("{}.{}%", tenths / 10, tenths % 10);
}

void cpus(Text& t, const RunReport& r) {
    std::string header = fmt::format("{:>5} {:>8} {:>8} {:>7} {:>7} {:>9} {:>9}", "CPU", "wakeups", "irqs", "user",
                                     "irq", "lock wait", "stalled");
    for (const std::string& state : r.c_states)
        header += fmt::format(" {:>7}", state);
    t.line("");
    t.line("{}", header);
    const Duration whole = r.reached - sim::kBoot;
    for (std::size_t c = 0; c < std::min(r.cpus.size(), kMaxCpuRows); ++c) {
        const sim::CpuCounters& k = r.cpus[c];
        std::string row =
            fmt::format("{:>5} {:>8} {:>8} {:>7} {:>7} {:>9} {:>9}", c, k.wakeups, k.interrupts,
                        share(k.user_time, whole), share(k.irq_time, whole), brief(k.lock_wait), brief(k.stalled));
        for (const Duration residency : k.residency)
            row += fmt::format(" {:>7}", share(residency, whole));
        t.line("{}", row);
    }
    if (r.cpus.size() > kMaxCpuRows)
        t.line("      and {} more", r.cpus.size() - kMaxCpuRows);
}

void locks(Text& t, const RunReport& r) {
    const auto contended = static_cast<std::size_t>(std::count_if(
        r.locks.begin(), r.locks.end(), [](const RunReport::Lock& l) { return l.counters.contended != 0; }));
    if (contended == 0)
        return;
    t.line("");
    t.line("{:<28} {:>9} {:>9} {:>10} {:>10} {:>10}", "contended locks", "acquired", "contended", "waited", "max wait",
           "max held");
    for (std::size_t i = 0; i < std::min(contended, kMaxLockRows); ++i) {
        const sim::LockCounters& k = r.locks[i].counters;
        t.line("  {:<26} {:>9} {:>9} {:>10} {:>10} {:>10}", r.locks[i].name, k.acquired, k.contended,
               brief(k.wait_total), brief(k.wait_max), brief(k.held_max));
    }
    if (contended > kMaxLockRows)
        t.line("  and {} more", contended - kMaxLockRows);
}

std::string step_text(const std::optional<RunReport::Step>& step) {
    if (!step)
        return "before the records that were kept";
    return fmt::format("after {}, {} (record {:#x})", show(step->at), step->what, step->record.bits);
}

void loss(Text& t, const RunReport::LostTimer& lost) {
    t.line("  inevitable {}", step_text(lost.step));
    if (lost.of_all_cpus)
        t.line("  CPU {}, which has timer {}, has nothing to wake it in time {}", lost.owner, lost.timer,
               step_text(lost.owner_step));
}

void verdict(Text& t, const RunReport& r) {
    const sim::Verdict& v = *r.verdict;
    t.line("");
    t.line("{} {}", r.verdict_expected ? t.good("check failed, as the scenario expects:") : t.bad("check failed:"),
           t.bold(v.check->name));
    t.line("  {}", v.check->sentence);
    t.line("  {}", v.message);
    t.line("  at {}{}, seed {}, after {} records", show(v.at),
           v.cpu == sim::kNoCpu ? std::string() : fmt::format(" on CPU {}", v.cpu), r.seed, v.record_number);
    if (r.lost)
        loss(t, *r.lost);
    for (std::size_t i = 0; i < std::min(v.cpus.size(), kMaxCpuRows); ++i) {
        const sim::CpuSnapshot& s = v.cpus[i];
        t.line("  CPU {:<3} {}; thread {}; interrupts {}{}; at {}", s.cpu, s.activity, s.thread,
               s.irqs_enabled ? "on" : "off", s.irq_depth ? fmt::format(", {} deep", s.irq_depth) : std::string(),
               show(s.local_time));
        if (!s.call_chain.empty())
            t.line("          in    {}", joined(s.call_chain, " > "));
        if (!s.held_locks.empty())
            t.line("          holds {}", joined(s.held_locks, ", "));
    }
    if (v.cpus.size() > kMaxCpuRows)
        t.line("  and {} more CPUs", v.cpus.size() - kMaxCpuRows);
}

void expectations(Text& t, const RunReport& r) {
    if (r.expectations.empty())
        return;
    t.line("");
    for (const ExpectationResult& e : r.expectations) {
        const std::string mark = e.outcome == ExpectationOutcome::kMet      ? t.good("met        ")
                                 : e.outcome == ExpectationOutcome::kFailed ? t.bad("FAILED     ")
                                                                            : std::string("not reached");
        t.line("  {}  {}: {}", mark, e.what, e.found);
    }
}

}  // namespace

std::string brief(Duration d) {
    std::string text = show(d);
    const std::size_t point = text.find('.');
    const std::size_t blank = text.find(' ');
    if (point != std::string::npos && blank - point > 3) {
        text.erase(point + 3, blank - point - 3);
        // No zeros at the end.
        std::size_t last = text.find(' ');
        while (text[last - 1] == '0')
            text.erase(--last, 1);
        if (text[last - 1] == '.')
            text.erase(last - 1, 1);
    }
    return text;
}

std::string text_report(const RunReport& r, bool colour) {
    Text t(colour);
    t.line("{}", t.bold(r.scenario));
    t.line("kernel    {} {}, {} CPUs, seed {}", r.kernel, r.kernel_version, r.cpu_count, r.seed);
    static constexpr std::array<std::string_view, 4> kEnds{"", ", ended by a failed check",
                                                           ", ended by its bound on steps", ", interrupted"};
    t.line("run       {} of virtual time{}; {} steps, {} records", show(r.reached),
           kEnds[static_cast<std::size_t>(r.end)], r.steps, r.records);
    t.line("digest    {}", r.digest.hex());
    timers(t, r);
    t.line("energy    {}.{:06} mJ", r.energy_nj / 1'000'000, r.energy_nj % 1'000'000);
    cpus(t, r);
    locks(t, r);
    expectations(t, r);
    if (r.verdict)
        verdict(t, r);
    const ExitCode code = exit_code_of(r);
    t.line("");
    t.line("{}", code == ExitCode::kFine           ? t.good("fine")
                 : code == ExitCode::kFailed       ? t.bad("failed")
                 : code == ExitCode::kInconclusive ? t.bold("inconclusive: the bound on steps was reached")
                                                   : t.bold("interrupted"));
    if (code != ExitCode::kFine)
        t.line("replay: {}", r.replay);
    return t.take();
}

}  // namespace ticklab::lab
