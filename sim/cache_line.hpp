// Ownership of cache lines: what an access costs and when it is granted (MA 3.2).
#pragma once

#include <cstddef>
#include <cstdint>

#include "ticklab/sim/record.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

class Cpu;
class CacheLine;
struct Price;

/// Lines that are read one after another.
class LineRow {
public:
    virtual ~LineRow() = default;
    virtual CacheLine& line(std::size_t i) = 0;
    /// Line `i` is being read: its value is that of now.
    virtual void read(std::size_t i) = 0;
};

/// One cache line of shared memory. Requests are served in the order in which CPUs make them; the effect of an access
/// is its grant, max(request, line free) + transfer cost. Since nobody else can see the line between request and grant,
/// the value is read or written at the request and only the CPU's clock moves to the grant.
class CacheLine {
public:
    CacheLine() = default;
    CacheLine(const CacheLine&) = delete;
    CacheLine& operator=(const CacheLine&) = delete;

    /// Performs the interleaving point and pays for the access; a hit, a transfer within the node or one across nodes.
    /// A line whose memory was freed is the verdict memory.use_after_free. [point]
    void access(Cpu& cpu, bool write, bool read_modify_write = false);
    /// Reads the first `count` lines of `row` one after another and pays `price` after each: access(), LineRow::read(),
    /// Cpu::spend() in a loop, and nothing else for the machine. With interrupts off it is faster for the host: what
    /// has to wait its turn in the row goes on without a switch to this CPU's stack. [point, window]
    static void read_row(Cpu& cpu, LineRow& row, std::size_t count, const Price& price);
    /// As if `cpu` had requested the line at `at`: for a lock handed over by its releaser. Returns the grant.
    Time transfer_to(Cpu& cpu, Time at);
    /// `cpu` waits for a write to this line (see spin_until): it is woken by the next one.
    void add_poller(Cpu& cpu);
    void remove_poller(Cpu& cpu);
    /// `cpu` is told of the next write by another CPU (monitor).
    void add_monitor(Cpu& cpu);
    /// Harmless if `cpu` has been told already.
    void remove_monitor(Cpu& cpu);
    /// When the last grant ended.
    Time free_at() const { return free_at_; }
    /// Verdict memory.use_after_free if the memory of this line was freed.
    void require_live(Cpu& cpu) const;

private:
    friend class Cpu;
    bool live() const { return magic_ == kLive; }
    void pay_for_read(Cpu& cpu);
    void pay_for(Cpu& cpu, bool hit);
    static constexpr std::uint32_t kLive = 0x4c494e45;

    std::uint32_t magic_ = kLive;
    CpuId owner_ = kNoCpu;
    /// CPUs that hold a copy, bit = CPU number modulo 64: exact up to 64 CPUs, above that a CPU whose bit is set by
    /// another is charged a hit.
    std::uint64_t sharers_ = 0;
    Time free_at_ = kBoot;
    Cpu* monitors_ = nullptr;  // linked through Cpu::next_monitor_
    Cpu* pollers_ = nullptr;   // linked through Cpu::next_poller_
};

}  // namespace ticklab::sim
