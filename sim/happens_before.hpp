// Happens-before between CPUs, by vector clocks, and the data races that it shows (MA 5).
//
// Rules
//  - One clock a CPU: threads and interrupts of one CPU are ordered by it. Virtual time never makes an edge.
//  - Edges (MA 5.2): lock release to acquire, release store to acquire load that reads it, full-ordered RMW, IPI send
//    to handler, thread switch and wake-up, stop-machine, RCU grace period.
//  - A pure observer: on or off, the run is the same.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ticklab/sim/record.hpp"

namespace ticklab::sim {

class Cpu;
class Machine;

/// The clock that a synchronisation object carries from its releasers to its acquirers. Empty while races are not
/// checked.
class SyncClock {
public:
    /// `cpu` releases: what it did before happens before what an acquirer does after.
    void release(Cpu& cpu);
    /// As release, and what was released here before is kept (read-modify-write).
    void release_join(Cpu& cpu);
    /// `cpu` acquires.
    void acquire(Cpu& cpu) const;
    /// Forgets what was released: a relaxed store starts no edge.
    void clear();
    void copy_from(const SyncClock& other);

private:
    friend class HappensBefore;
    std::unique_ptr<std::vector<std::uint32_t>> clock_;
};

/// Tells live memory from memory that was freed, and so poisoned.
class LiveMark {
public:
    void require_live(Cpu& cpu) const;

private:
    static constexpr std::uint32_t kLive = 0x4c495645;
    std::uint32_t magic_ = kLive;
};

/// Who accessed an unmarked object last: one write and the reads since, as epochs.
class AccessHistory {
public:
    void read(Cpu& cpu);
    void write(Cpu& cpu);

private:
    LiveMark live_;
    struct Epoch {
        CpuId cpu = kNoCpu;
        std::uint32_t clock = 0;
    };
    Epoch write_;
    std::vector<Epoch> reads_;
};

/// The vector clocks of a machine's CPUs.
class HappensBefore {
public:
    HappensBefore(CpuId cpu_count, bool enabled);
    bool enabled() const { return enabled_; }

    void release(CpuId cpu, std::vector<std::uint32_t>& into, bool join);
    void acquire(CpuId cpu, const std::vector<std::uint32_t>& from);
    std::uint32_t clock(CpuId cpu) const { return clocks_[cpu][cpu]; }
    /// Whether what `other` did at `clock` happens before what `cpu` does now.
    bool ordered(CpuId cpu, CpuId other, std::uint32_t clock) const { return clocks_[cpu][other] >= clock; }

private:
    bool enabled_;
    std::vector<std::vector<std::uint32_t>> clocks_;
};

}  // namespace ticklab::sim
