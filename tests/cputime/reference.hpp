// CPU time as the specification tells it, for threads that run for ever on a CPU of their own: no locks, no caches, no
// designs, no code of the model. Exact to the nanosecond but for what handlers take.
//
// Rules
//  (1) CPU c ticks each millisecond, at 50 us times c past it. Threads run in user mode.
//  (2) What is asked comes at least 50 us after one tick and before the next, so it sees whole ticks.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace ticklab::cputime::testing {

/// Nanoseconds; clocks are numbered PROF, VIRT, SCHED.
using Ns = std::int64_t;
inline constexpr Ns kTickNs = 1'000'000;
inline constexpr int kSched = 2;

class Reference {
public:
    struct Thread {
        int cpu;
        bool runs = true;
        bool reaped = false;
        Ns user = 0, accounted = 0, since = 0;
    };
    struct Itimer {
        Ns expires = 0, interval = 0;
        std::int64_t signals = 0;
    };
    struct Process {
        std::vector<Thread> threads;
        std::array<Itimer, 2> itimers;
        bool ended = false;
    };
    struct Timer {
        bool exists = false;
        int process = 0, thread = -1, clock = 0;
        Ns expires = 0, interval = 0;
        bool armed = false;
        std::int64_t fired = 0, signals = 0, overruns = 0;
    };
    struct Firing {
        int timer;
        Ns at;
    };

    explicit Reference(bool itimers_drift) : itimers_drift_(itimers_drift) {}

    std::map<int, Process> processes;
    std::map<int, Timer> timers;
    std::vector<Firing> firings;

    /// All ticks before `to`, which only grows.
    void go_to(Ns to) {
        for (;;) {
            const Ns next = next_tick_ / kCpus * kTickNs + next_tick_ % kCpus * kSkew;
            if (next >= to)
                break;
            ++next_tick_;
            now_ = next;
            for (auto& [number, p] : processes)
                for (Thread& t : p.threads)
                    if (t.runs && t.cpu == (next_tick_ - 1) % kCpus)
                        tick(number, p, t);
        }
        now_ = to;
    }

    bool cpu_is_free(int cpu) const {
        for (const auto& [number, p] : processes)
            for (const Thread& t : p.threads)
                if (t.runs && t.cpu == cpu)
                    return false;
        return true;
    }
    void spawn(int process, int cpu) { processes[process].threads.push_back({.cpu = cpu, .since = now_}); }
    void exit(int process, int thread) {
        Process& p = processes.at(process);
        Thread& t = p.threads[static_cast<std::size_t>(thread)];
        t.accounted += now_ - t.since;
        t.runs = false;
        if (thread != 0) {
            t.reaped = true;
            for (auto& [number, timer] : timers)
                if (timer.exists && timer.process == process && timer.thread == thread && timer.armed) {
                    timer.armed = false;
                    timer.expires = std::max<Ns>(0, timer.expires - of(t, timer.clock));
                }
        }
        if (std::any_of(p.threads.begin(), p.threads.end(), [](const Thread& o) { return o.runs; }))
            return;
        p.ended = true;
        for (Itimer& i : p.itimers)
            i.expires = 0;
        for (auto& [number, timer] : timers)
            if (timer.exists && timer.process == process)
                forget(timer);
    }

    /// Whether a timer of the process waits for the group's run time.
    bool waits_for_run_time(int process) const {
        return std::any_of(timers.begin(), timers.end(), [process](const auto& entry) {
            const Timer& t = entry.second;
            return t.exists && t.armed && t.process == process && t.thread < 0 && t.clock == kSched;
        });
    }
    /// What accounting has of the group.
    Ns group(int process, int clock) const {
        Ns sum = 0;
        for (const Thread& t : processes.at(process).threads)
            sum += of(t, clock);
        return sum;
    }
    Ns running(const Thread& t) const { return t.runs ? now_ - t.since : 0; }
    Ns leader_running(int process) const { return running(processes.at(process).threads[0]); }
    Ns all_running(int process) const {
        Ns sum = 0;
        for (const Thread& t : processes.at(process).threads)
            sum += running(t);
        return sum;
    }
    Ns thread_clock(int process, int thread, int clock) const {
        const Thread& t = processes.at(process).threads[static_cast<std::size_t>(thread)];
        return of(t, clock) + (clock == kSched ? running(t) : 0);
    }

    /// timer_settime; what was left before.
    Ns set(int number, Ns value, Ns interval, bool absolute) {
        Timer& t = timers.at(number);
        if (!lives(t))
            return 0;
        const Ns now = sample(t);
        Ns old = 0;
        if (t.expires != 0) {
            Ns expires = t.expires;
            if (t.interval != 0)
                while (expires <= now)
                    expires += t.interval;
            old = std::max<Ns>(1, expires - now);
        }
        t.interval = interval;
        t.expires = value == 0 || absolute ? value : now + value;
        t.armed = t.expires > now;
        if (t.expires != 0 && !t.armed) {
            fire(number, t);
            deliver(t);
        }
        return old;
    }
    Ns get(int number) const {
        const auto found = timers.find(number);
        if (found == timers.end() || !found->second.exists)
            return 0;
        const Timer& t = found->second;
        return !lives(t) || t.expires == 0 ? t.expires : std::max<Ns>(1, t.expires - sample(t));
    }
    void remove(int number) { forget(timers[number]); }

    Ns set_itimer(int process, int which, Ns value, Ns interval) {
        Itimer& i = processes.at(process).itimers[static_cast<std::size_t>(which)];
        const Ns now = group(process, which);
        const Ns old = get_itimer(process, which);
        if (old == 0 && value == 0)
            return 0;
        i.expires = value == 0 ? 0 : now + value + kTickNs;
        i.interval = interval;
        return old;
    }
    Ns get_itimer(int process, int which) const {
        const Itimer& i = processes.at(process).itimers[static_cast<std::size_t>(which)];
        const Ns now = group(process, which);
        return i.expires == 0 ? 0 : i.expires <= now ? kTickNs : i.expires - now;
    }

private:
    static constexpr Ns kCpus = 10;
    static constexpr Ns kSkew = 50'000;

    static Ns of(const Thread& t, int clock) { return clock == kSched ? t.accounted : t.user; }
    bool lives(const Timer& t) const {
        if (!t.exists)
            return false;
        const Process& p = processes.at(t.process);
        return !p.ended && (t.thread < 0 || !p.threads[static_cast<std::size_t>(t.thread)].reaped);
    }
    static void forget(Timer& t) {
        t.exists = false;
        t.armed = false;
        t.expires = 0;
    }
    /// What settime, gettime and re-arming go by.
    Ns sample(const Timer& t) const {
        if (t.thread >= 0)
            return thread_clock(t.process, t.thread, t.clock);
        return group(t.process, t.clock) + (t.clock == kSched ? leader_running(t.process) : 0);
    }
    void fire(int number, Timer& t) {
        ++t.fired;
        t.armed = false;
        firings.push_back({number, now_});
    }
    void deliver(Timer& t) {
        ++t.signals;
        if (t.interval == 0) {
            t.expires = 0;
            return;
        }
        std::int64_t periods = 0;
        for (const Ns now = sample(t); t.expires <= now; ++periods)
            t.expires += t.interval;
        t.overruns += periods - 1;
        t.armed = true;
    }
    void tick(int number, Process& p, Thread& t) {
        t.user += kTickNs;
        t.accounted += now_ - t.since;
        t.since = now_;
        std::vector<int> due;
        for (auto& [n, timer] : timers) {
            if (!timer.exists || !timer.armed || timer.process != number)
                continue;
            const bool ours = timer.thread < 0 || &p.threads[static_cast<std::size_t>(timer.thread)] == &t;
            const Ns value = timer.thread < 0 ? group(number, timer.clock) : of(t, timer.clock);
            if (ours && value >= timer.expires)
                due.push_back(n);
        }
        for (const int n : due)
            fire(n, timers.at(n));
        for (int which = 0; which < 2; ++which) {
            Itimer& i = p.itimers[static_cast<std::size_t>(which)];
            const Ns value = group(number, which);
            if (i.expires == 0 || value < i.expires)
                continue;
            ++i.signals;
            i.expires = i.interval == 0 ? 0 : (itimers_drift_ ? value : i.expires) + i.interval;
        }
        for (const int n : due)
            deliver(timers.at(n));
    }

    const bool itimers_drift_;
    Ns next_tick_ = kCpus;
    Ns now_ = 0;
};

}  // namespace ticklab::cputime::testing
