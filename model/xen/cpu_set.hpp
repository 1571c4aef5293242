// A set of CPUs that several of them change: one atomic word for 64.
#pragma once

#include <bit>
#include <cstdint>
#include <deque>

#include "ticklab/sim/memory.hpp"

namespace ticklab::xen {

class CpuSet {
public:
    explicit CpuSet(sim::CpuId cpu_count) : words_((cpu_count + kWordBits - 1) / kWordBits) {}

    /// [point]
    void add(sim::Cpu& cpu, sim::CpuId c) { words_[c / kWordBits].fetch_or(cpu, bit(c)); }
    void remove(sim::Cpu& cpu, sim::CpuId c) { words_[c / kWordBits].fetch_and(cpu, ~bit(c)); }
    /// One read of its word. [point]
    bool contains(sim::Cpu& cpu, sim::CpuId c) { return (words_[c / kWordBits].load(cpu) & bit(c)) != 0; }
    /// The lowest member, by one read of each word; kNoCpu if there is none. [point]
    sim::CpuId first(sim::Cpu& cpu) {
        for (std::size_t w = 0; w < words_.size(); ++w)
            if (const std::uint64_t members = words_[w].load(cpu); members != 0)
                return static_cast<sim::CpuId>(w * kWordBits + static_cast<unsigned>(std::countr_zero(members)));
        return sim::kNoCpu;
    }
    /// Calls `visit` with each member of a copy, read a word at a time. [point]
    template <class Visit>
    void for_each(sim::Cpu& cpu, Visit visit) {
        for (std::size_t w = 0; w < words_.size(); ++w)
            for (std::uint64_t members = words_[w].load(cpu); members != 0; members &= members - 1)
                visit(static_cast<sim::CpuId>(w * kWordBits + static_cast<unsigned>(std::countr_zero(members))));
    }
    /// For oracles.
    bool peek(sim::CpuId c) const { return (words_[c / kWordBits].peek() & bit(c)) != 0; }

private:
    static constexpr sim::CpuId kWordBits = 64;
    static constexpr std::uint64_t bit(sim::CpuId c) { return std::uint64_t{1} << c % kWordBits; }
    std::deque<sim::Atomic<std::uint64_t>> words_;
};

}  // namespace ticklab::xen
