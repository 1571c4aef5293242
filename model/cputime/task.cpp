#include "ticklab/model/cputime/task.hpp"

#include <fmt/format.h>

namespace ticklab::cputime {

PosixTimer::PosixTimer(sim::Machine& machine, std::uint32_t timer_number)
    : number(timer_number),
      object(machine.intern(fmt::format("timer {}", timer_number))),
      lock(machine, machine.lock_class("CPU timer"), fmt::format("CPU timer {}", timer_number)) {}

Task::Task(sim::Machine& machine, std::uint32_t number_in_process, Process& owner, sim::CpuId home,
           const Behaviour& what)
    : number(number_in_process),
      object(machine.intern(fmt::format("{}/{}", owner.number, number_in_process))),
      process(owner),
      cpu(home),
      behaviour(what),
      user_left(what.user),
      life_left(what.lifetime) {}

Process::Process(sim::Machine& machine, std::uint32_t process_number, std::uint32_t design_slot)
    : number(process_number),
      slot(design_slot),
      sighand(machine, machine.lock_class("sighand"), fmt::format("sighand {}", process_number)),
      stats_lock(machine, machine.lock_class("stats"), fmt::format("stats {}", process_number)) {}

Expiries Process::earliest() const {
    Expiries next;
    for (const ClockId c : kClocks)
        if (!timers[index_of(c)].empty())
            next.lower(c, timers[index_of(c)].front()->expires);
    next.lower(ClockId::kProf, itimers[index_of(ClockId::kProf)].expires);
    next.lower(ClockId::kVirt, itimers[index_of(ClockId::kVirt)].expires);
    next.lower(ClockId::kProf, cpu_limit.soft);
    return next;
}

Times Process::sum_for_oracle() const {
    Times sum = dead.peek();
    for (const Task* t = first.peek(); t; t = t->next)
        if (!t->folded)
            sum += t->run.peek().times;
    return sum;
}

}  // namespace ticklab::cputime
