// What is checked of clocks and timers (LC 10, LC 15). Spends no time; shares no code with what it checks.
#pragma once

#include <optional>

#include "ticklab/model/cputime/task.hpp"

namespace ticklab::cputime {

struct Core;

class Oracle {
public:
    explicit Oracle(Core& core) : core_(core) {}

    /// LC-I1, LC-I8: `always`, or once in as many calls as the group has threads, so that it costs a constant a call.
    void conserved(sim::Cpu& cpu, Process& process, bool always) const;
    /// LC-P2: a signal for `expires` on the process clock is made. `with_running`: run time up to now counts.
    void not_early(sim::Cpu& cpu, const Process& process, ClockId clock, CpuTime expires, bool with_running) const;
    /// The same of the clock of a thread.
    void not_early(sim::Cpu& cpu, const Task& task, ClockId clock, CpuTime expires) const;

    /// What a tick that begins now is sure to see, and what is armed.
    struct Before {
        std::optional<Times> seen;
        std::uint64_t arms = 0;
    };
    Before before_tick(const Process& process) const;
    /// LC-P3: the tick has left nothing that it was sure to see due. `full`: a clock's share of a pass was used up.
    void nothing_missed(sim::Cpu& cpu, const Process& process, const Before& before, bool full) const;
    /// LC-I4, LC-I5, and LC-I6 unless the clock may still stand. Sighand held.
    void armed_well(sim::Cpu& cpu, const Process& process, bool clock_may_stand) const;
    void sorted(sim::Cpu& cpu, const TimerLists& lists) const;

    /// LC-P1: the floor of a read that begins now, and what it showed.
    static CpuTime floor(const Process& process, std::size_t source, ClockId clock) {
        return process.ledger.shown[source][index_of(clock)];
    }
    void shown(sim::Cpu& cpu, Process& process, std::size_t source, ClockId clock, CpuTime floor, CpuTime value) const;

private:
    CpuTime running(sim::Cpu& cpu, const Task& task) const;

    Core& core_;
};

}  // namespace ticklab::cputime
