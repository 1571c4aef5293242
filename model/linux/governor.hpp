// Which C-state an idle CPU enters, and whether it stops its tick (LNT 7.1, 7.3).
#pragma once

#include <array>
#include <cstdint>

#include "ticklab/model/linux/tick_sched.hpp"

namespace ticklab::linux_ {

enum class GovernorKind : std::uint8_t {
    kMenu,    ///< predicts by the next event and the last sleeps; short sleeps keep the tick
    kAlways,  ///< always stops the tick, and believes the next event
};

class Governor {
public:
    /// `timers_replaced`: something wakes CPUs whose timers stop.
    Governor(sim::Machine& machine, GovernorKind kind, TickSched& tick, bool timers_replaced)
        : machine_(machine),
          kind_(kind),
          tick_(tick),
          timers_replaced_(timers_replaced),
          select_price_(machine.price("governor_select")),
          history_(machine.cpu_count()) {}

    struct Choice {
        unsigned c_state = 0;
        bool stop_tick = false;
    };
    /// Interrupts off. [point]
    Choice select(sim::Cpu& cpu);
    /// The deepest state up to that one that stops nothing.
    unsigned shallower(unsigned c_state) const;
    /// The CPU slept that long.
    void reflect(const sim::Cpu& cpu, KtimeSpan slept);

private:
    static constexpr std::size_t kIntervals = 8;
    struct History {
        std::array<KtimeSpan, kIntervals> intervals{};
        std::size_t next = 0;
        std::size_t count = 0;
    };
    /// What the last sleeps have in common; the largest span if nothing.
    static KtimeSpan typical(const History& history);
    unsigned deepest_for(KtimeSpan sleep) const;

    sim::Machine& machine_;
    GovernorKind kind_;
    TickSched& tick_;
    bool timers_replaced_;
    sim::Price select_price_;
    std::vector<History> history_;
};

}  // namespace ticklab::linux_
