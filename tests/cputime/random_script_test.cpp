// Random scripts of spawn, run, arm, query and exit, against the reference, in each design (LC 2, 5 to 7, 9, 15).
#include <fmt/format.h>
#include <rapidcheck.h>

#include "cputime/cputime_fixture.hpp"
#include "cputime/reference.hpp"

using namespace ticklab;
using namespace ticklab::cputime;
using namespace ticklab::cputime::testing;

namespace {

/// CPUs 0 to 4 have threads, CPU 9 does what is asked; ten of them make 50 us from one's tick to the next one's.
constexpr CpuId kScriptCpus = 10;
constexpr CpuId kAskingCpu = 9;
constexpr int kThreadCpus = 5;
/// What entries, switches and messages add up to at most: expiries on run time keep 25 us from any tick.
constexpr Ns kHandlers = 20'000;

/// One step in raw numbers: what, and four operands.
using RawStep = std::array<int, 6>;

struct Compared {
    std::string what;
    Ns expected;
    Ns also;  ///< the same, or what else is right
    Ns tolerance;
    Ns found = -1;
};

class ScriptedRun {
public:
    ScriptedRun(Design design, const std::vector<RawStep>& steps)
        : bench_(design, kScriptCpus),
          reference_(design != Design::kModern),
          modern_(design == Design::kModern),
          walks_(design == Design::kWalk) {
        bench_.kernel_config.skew_tick = true;
        for (const auto& decls : {sim::machine_cost_decls(), cputime_kernel_decl().costs})
            for (const sim::CostDecl& decl : decls)
                bench_.config.costs.set(std::string(decl.name), sim::Cycles{1}, "test");
        for (const RawStep& step : steps)
            add(step);
        reference_.go_to(at_ + 20'000'000 + 480'000);
    }

    /// Empty if the model did what the reference does.
    std::string difference() {
        const std::string verdict = bench_.run_to_verdict(kBoot + std::chrono::nanoseconds{at_ + 20'480'000});
        if (!verdict.empty())
            return verdict + ": " + bench_.machine().verdict()->message;
        for (const Compared& c : compared_)
            if (std::abs(c.found - c.expected) > c.tolerance && std::abs(c.found - c.also) > c.tolerance)
                return fmt::format("{}: {} ns, expected {} ns or {} ns", c.what, c.found, c.expected, c.also);
        for (const auto& [number, t] : reference_.timers)
            if (std::string d = difference_of(number, t); !d.empty())
                return d;
        for (const auto& [number, p] : reference_.processes)
            for (const std::size_t which : {0U, 1U})
                if (bench_.process(number).itimers[which].signals != p.itimers[which].signals)
                    return fmt::format("itimer {} of process {}: {} signals, expected {}", which, number,
                                       bench_.process(number).itimers[which].signals, p.itimers[which].signals);
        return difference_of_firings();
    }

private:
    void add(const RawStep& step) {
        const auto [what, gap, a, b, c, d] = step;
        // Between the last tick of a millisecond and the first one of the next.
        at_ += (gap % 40 + 1) * 100'000;
        if (at_ % 1'000'000 < 500'000)
            at_ += 500'000;
        reference_.go_to(at_);
        const int process = a % 3;
        const bool there = reference_.processes.contains(process) && !reference_.processes[process].ended;
        switch (what % 12) {
            case 0:
            case 1:
            case 2:
                return add_spawn(process, b % kThreadCpus);
            case 3:
                return there ? add_exit(process, b) : void();
            case 4:
            case 5:
            case 6:
                return there ? add_set(b % 6, process, c, d, step[5] / 7) : void();
            case 7:
                return add_get(b % 6);
            case 8:
                return b % 3 == 0 ? add_remove(c % 6) : void();
            case 9:
                return there ? add_itimer(process, b % 2, c, d) : void();
            case 10:
                return there ? add_read(process, b, c % 3) : void();
            default:
                return there ? add_thread_read(process, b, c % 3) : void();
        }
    }
    void at(std::function<void(Cpu&)> act) {
        bench_.on(kAskingCpu, kBoot + std::chrono::nanoseconds{at_}, std::move(act));
    }
    /// Notes what is expected now; the run fills in what is found.
    Compared& compare(std::string what, Ns expected, Ns also, Ns tolerance) {
        return compared_.emplace_back(Compared{fmt::format("{} at {} ns", what, at_), expected, also, tolerance});
    }
    Ns tolerance(int clock) const { return clock == cputime::testing::kSched ? kHandlers : 0; }

    void add_spawn(int process, int cpu) {
        if (!reference_.cpu_is_free(cpu) ||
            (reference_.processes.contains(process) && reference_.processes[process].ended))
            return;
        reference_.spawn(process, cpu);
        at([this, process, cpu](Cpu& c) {
            bench_.spawn(c, static_cast<std::uint32_t>(process), 1, static_cast<CpuId>(cpu));
        });
    }
    void add_exit(int process, int b) {
        const std::vector<Reference::Thread>& threads = reference_.processes[process].threads;
        const int thread = b % static_cast<int>(threads.size());
        if (!threads[static_cast<std::size_t>(thread)].runs || (walks_ && reference_.waits_for_run_time(process)))
            return;
        reference_.exit(process, thread);
        at([this, process, thread](Cpu& cpu) {
            bench_.core().life.ask_exit(cpu, bench_.thread(process, static_cast<std::uint32_t>(thread)));
        });
    }
    void add_set(int number, int process, int c, int d, int e) {
        Reference::Timer& t = reference_.timers[number];
        if (!t.exists) {
            const std::vector<Reference::Thread>& threads = reference_.processes[process].threads;
            const int thread = c % 2 == 0 ? -1 : c % static_cast<int>(threads.size());
            if (thread >= 0 && threads[static_cast<std::size_t>(thread)].reaped)
                return;
            t.exists = true;
            t.process = process;
            t.thread = thread;
            t.clock = c % 3;
            t.expires = t.interval = 0;
        }
        const bool absolute = d % 4 == 0;
        Ns value = 0;
        if (d % 9 != 8)
            value = t.clock == cputime::testing::kSched ? (absolute ? d % 400 * 250'000 : d % 300 * 50'000) + 25'000
                                                        : (d % 60 + 1) * 500'000 * (absolute ? 4 : 1);
        const Ns interval = e % 3 == 0 ? 0 : (e % 90 + 1) * 50'000;
        const Ns old = reference_.set(number, value, interval, absolute);
        Compared& told = compare(fmt::format("old value of timer {}", number), old, old, tolerance(t.clock));
        at([this, &told, number, process = t.process, thread = t.thread, clock = t.clock, value, interval,
            absolute](Cpu& cpu) {
            PosixTimer& timer = bench_.timer(number);
            if (!timer.process)
                bench_.core().cpu_timers.create(
                    timer, bench_.process(process),
                    thread < 0 ? nullptr : &bench_.thread(process, static_cast<std::uint32_t>(thread)),
                    kClocks[static_cast<std::size_t>(clock)], Notify::kSignal);
            timer.old_remaining = 0;
            bench_.core().cpu_timers.set(cpu, timer, {CpuTime{value}, CpuTime{interval}, absolute});
            told.found = timer.old_remaining;
        });
    }
    void add_get(int number) {
        const Ns left = reference_.get(number);
        Compared& told = compare(fmt::format("what is left of timer {}", number), left, left,
                                 tolerance(reference_.timers[number].clock));
        at([this, &told, number](Cpu& cpu) {
            told.found = bench_.core().cpu_timers.get(cpu, bench_.timer(number)).count();
        });
    }
    void add_remove(int number) {
        reference_.remove(number);
        at([this, number](Cpu& cpu) { bench_.core().cpu_timers.remove(cpu, bench_.timer(number)); });
    }
    void add_itimer(int process, int which, int c, int d) {
        const Ns value = c % 4 == 0 ? 0 : c % 40 * 500'000;
        const Ns interval = d % 3 == 0 ? 0 : d % 40 * 300'000;
        const Ns old = reference_.set_itimer(process, which, value, interval);
        const Ns left = reference_.get_itimer(process, which);
        Compared& told = compare(fmt::format("old itimer {} of process {}", which, process), old, old, 0);
        Compared& then = compare(fmt::format("itimer {} of process {}", which, process), left, left, 0);
        at([this, &told, &then, process, which, value, interval](Cpu& cpu) {
            CpuTimers& timers = bench_.core().cpu_timers;
            const ClockId clock = kClocks[static_cast<std::size_t>(which)];
            told.found =
                timers.set_itimer(cpu, bench_.process(process), clock, CpuTime{value}, CpuTime{interval}).count();
            then.found = timers.get_itimer(cpu, bench_.process(process), clock).count();
        });
    }
    void add_read(int process, int, int clock) {
        Ns expected = reference_.group(process, clock);
        Ns also = expected;
        if (clock == cputime::testing::kSched) {
            // Modern: of all threads, or the timer clock while that runs.
            expected += modern_ ? reference_.all_running(process) : reference_.leader_running(process);
            also = modern_ ? also : expected;
        }
        Compared& shown =
            compare(fmt::format("clock {} of process {}", clock, process), expected, also, tolerance(clock));
        at([this, &shown, process, clock](Cpu& cpu) {
            shown.found = bench_.read(cpu, process, kClocks[static_cast<std::size_t>(clock)]).count();
        });
    }
    void add_thread_read(int process, int b, int clock) {
        const int thread = b % static_cast<int>(reference_.processes[process].threads.size());
        const Ns expected = reference_.thread_clock(process, thread, clock);
        Compared& shown = compare(fmt::format("clock {} of thread {}/{}", clock, process, thread), expected, expected,
                                  tolerance(clock));
        at([this, &shown, process, thread, clock](Cpu& cpu) {
            shown.found = bench_.read(cpu, process, kClocks[static_cast<std::size_t>(clock)], thread).count();
        });
    }

    std::string difference_of(int number, const Reference::Timer& t) {
        const PosixTimer& found = bench_.timer(number);
        if (found.fired != t.fired || found.signals != t.signals || found.overruns != t.overruns)
            return fmt::format("timer {}: fired {}, {} signals, {} overruns; expected {}, {}, {}", number, found.fired,
                               found.signals, found.overruns, t.fired, t.signals, t.overruns);
        if (found.linked != t.armed || std::abs(found.expires.count() - t.expires) > tolerance(t.clock))
            return fmt::format("timer {}: armed {}, expires at {} ns; expected {}, {} ns", number, found.linked,
                               found.expires.count(), t.armed, t.expires);
        return {};
    }
    std::string difference_of_firings() {
        const std::vector<Bench::LoggedRecord> found = bench_.records(kFireRecord);
        // Those of one tick may come in any order: by clock, threads before processes.
        std::vector<std::pair<Ns, std::uint64_t>> left, right;
        for (const Bench::LoggedRecord& r : found)
            left.emplace_back((r.at - kBoot).count() / 1000 / 50'000, r.operands[0]);
        for (const Reference::Firing& f : reference_.firings)
            right.emplace_back(f.at / 50'000, bench_.timer(f.timer).object);
        std::sort(left.begin(), left.end());
        std::sort(right.begin(), right.end());
        const auto [at, other] = std::mismatch(left.begin(), left.end(), right.begin(), right.end());
        const auto told = [](auto it, auto end) {
            return it == end ? "none" : fmt::format("object {} at {} us", it->second, it->first * 50);
        };
        return left == right ? ""
                             : fmt::format("firing {} of {}: {}, expected {} of {}", at - left.begin(), left.size(),
                                           told(at, left.end()), told(other, right.end()), right.size());
    }

    Bench bench_;
    Reference reference_;
    bool modern_;
    /// What a thread ran last before it exits may carry the group past an expiry unseen: no such exits (LC 11.1).
    bool walks_;
    Ns at_ = 1'000'000;
    std::deque<Compared> compared_;
};

}  // namespace

TEST_CASE("random scripts do in each design what the reference does (LC 15)") {
    for (const Design design : kDesigns) {
        CAPTURE(word(design));
        CHECK(rc::check(word(design), [design] {
            const auto steps = *rc::gen::resize(
                rc::kNominalSize,
                rc::gen::container<std::vector<RawStep>>(rc::gen::container<RawStep>(rc::gen::inRange(0, 10'000))));
            ScriptedRun run(design, steps);
            const std::string difference = run.difference();
            RC_LOG(difference);
            RC_ASSERT(difference == "");
        }));
    }
}
