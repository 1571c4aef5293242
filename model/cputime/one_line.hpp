// Fields that lie together in one cache line and are read and written with marked accesses.
#pragma once

#include "ticklab/sim/cache_line.hpp"
#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::cputime {

/// One access to the line is one interleaving point, so the fields of a value that was read belong together.
template <class T>
class OneLine {
public:
    /// [point]
    T read(sim::Cpu& cpu) {
        line_.access(cpu, false);
        return value_;
    }
    /// [point]
    template <class Change>
    void update(sim::Cpu& cpu, Change change) {
        line_.access(cpu, true);
        change(value_);
    }
    /// The same at the price of an atomic operation. [point]
    template <class Change>
    void update_atomic(sim::Cpu& cpu, Change change) {
        line_.access(cpu, true, true);
        change(value_);
    }
    /// For set-up and oracles: no price, no interleaving point.
    const T& peek() const { return value_; }
    sim::CacheLine& line() { return line_; }
    T& set_up() { return value_; }

private:
    sim::CacheLine line_;
    T value_{};
};

}  // namespace ticklab::cputime
