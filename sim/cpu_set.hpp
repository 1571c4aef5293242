// A set of CPUs that several of them change without a common lock (cpumask): one atomic word for 64.
#pragma once

#include <bit>
#include <cstdint>
#include <deque>

#include "ticklab/sim/memory.hpp"

namespace ticklab::sim {

class CpuSet {
public:
    explicit CpuSet(CpuId cpu_count) : words_((cpu_count + kWordBits - 1) / kWordBits) {}

    /// Whether it was there already. [point]
    bool add(Cpu& cpu, CpuId c) { return (word(c).fetch_or(cpu, bit(c)) & bit(c)) != 0; }
    /// Whether it was there. [point]
    bool remove(Cpu& cpu, CpuId c) { return (word(c).fetch_and(cpu, ~bit(c)) & bit(c)) != 0; }
    /// One read of its word. [point]
    bool contains(Cpu& cpu, CpuId c) { return (word(c).load(cpu) & bit(c)) != 0; }
    /// The lowest member, by one read of each word; kNoCpu if there is none. [point]
    CpuId first(Cpu& cpu) {
        for (std::size_t w = 0; w < words_.size(); ++w)
            if (const std::uint64_t members = words_[w].load(cpu); members != 0)
                return member(w, members);
        return kNoCpu;
    }
    /// Calls `visit` with each member in ascending order; a word is read when its turn comes. [point]
    template <class Visit>
    void for_each(Cpu& cpu, Visit visit) {
        for (std::size_t w = 0; w < words_.size(); ++w)
            visit_members(w, words_[w].load(cpu), visit);
    }
    /// The same, and each word that is not empty is emptied. [point]
    template <class Visit>
    void take_each(Cpu& cpu, Visit visit) {
        for (std::size_t w = 0; w < words_.size(); ++w)
            if (words_[w].load(cpu) != 0)
                visit_members(w, words_[w].exchange(cpu, 0), visit);
    }
    /// For oracles.
    bool peek(CpuId c) const { return (words_[c / kWordBits].peek() & bit(c)) != 0; }

private:
    static constexpr CpuId kWordBits = 64;
    static constexpr std::uint64_t bit(CpuId c) { return std::uint64_t{1} << c % kWordBits; }
    static CpuId member(std::size_t w, std::uint64_t members) {
        return static_cast<CpuId>(w * kWordBits + static_cast<unsigned>(std::countr_zero(members)));
    }
    template <class Visit>
    static void visit_members(std::size_t w, std::uint64_t members, Visit visit) {
        for (; members != 0; members &= members - 1)
            visit(member(w, members));
    }
    Atomic<std::uint64_t>& word(CpuId c) { return words_[c / kWordBits]; }

    std::deque<Atomic<std::uint64_t>> words_;
};

}  // namespace ticklab::sim
