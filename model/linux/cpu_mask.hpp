// A set of CPUs that several of them change without a common lock: a bit a CPU (cpumask).
#pragma once

#include <bit>
#include <cstdint>
#include <deque>

#include "ticklab/sim/memory.hpp"

namespace ticklab::linux_ {

class CpuMask {
public:
    explicit CpuMask(sim::CpuId cpu_count) : words_((cpu_count + kBits - 1) / kBits) {}

    /// Each gives what the bit was before. [point]
    bool test_and_set(sim::Cpu& cpu, sim::CpuId c) { return (word(c).fetch_or(cpu, bit(c)) & bit(c)) != 0; }
    bool test_and_clear(sim::Cpu& cpu, sim::CpuId c) { return (word(c).fetch_and(cpu, ~bit(c)) & bit(c)) != 0; }
    /// [point]
    bool test(sim::Cpu& cpu, sim::CpuId c) { return (word(c).load(cpu) & bit(c)) != 0; }
    /// Calls `visit` with each member in ascending order; a word is read, or with `take` emptied, when its turn comes.
    /// [point]
    template <class Visit>
    void for_each(sim::Cpu& cpu, bool take, Visit visit) {
        sim::CpuId first = 0;
        for (sim::Atomic<std::uint64_t>& w : words_) {
            std::uint64_t left = w.load(cpu);
            if (take && left != 0)
                left = w.exchange(cpu, 0);
            for (; left != 0; left &= left - 1)
                visit(first + static_cast<sim::CpuId>(std::countr_zero(left)));
            first += kBits;
        }
    }
    /// For oracles.
    bool peek(sim::CpuId c) const { return (words_[c / kBits].peek() & bit(c)) != 0; }

private:
    static constexpr sim::CpuId kBits = 64;
    static constexpr std::uint64_t bit(sim::CpuId c) { return std::uint64_t{1} << (c % kBits); }
    sim::Atomic<std::uint64_t>& word(sim::CpuId c) { return words_[c / kBits]; }

    std::deque<sim::Atomic<std::uint64_t>> words_;
};

}  // namespace ticklab::linux_
