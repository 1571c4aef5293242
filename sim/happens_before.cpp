#include "ticklab/sim/happens_before.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::sim {

HappensBefore::HappensBefore(CpuId cpu_count, bool enabled) : enabled_(enabled) {
    if (!enabled)
        return;
    clocks_.assign(cpu_count, std::vector<std::uint32_t>(cpu_count, 0));
    for (CpuId c = 0; c < cpu_count; ++c)
        clocks_[c][c] = 1;
}

void HappensBefore::release(CpuId cpu, std::vector<std::uint32_t>& into, bool join) {
    std::vector<std::uint32_t>& own = clocks_[cpu];
    if (into.size() != own.size() || !join) {
        into = own;
    } else {
        for (std::size_t i = 0; i < own.size(); ++i)
            into[i] = std::max(into[i], own[i]);
    }
    ++own[cpu];
}

void HappensBefore::acquire(CpuId cpu, const std::vector<std::uint32_t>& from) {
    std::vector<std::uint32_t>& own = clocks_[cpu];
    for (std::size_t i = 0; i < from.size(); ++i)
        own[i] = std::max(own[i], from[i]);
}

void SyncClock::release(Cpu& cpu) {
    HappensBefore& hb = cpu.machine().happens_before();
    if (!hb.enabled())
        return;
    if (!clock_)
        clock_ = std::make_unique<std::vector<std::uint32_t>>();
    hb.release(cpu.id(), *clock_, false);
}

void SyncClock::release_join(Cpu& cpu) {
    HappensBefore& hb = cpu.machine().happens_before();
    if (!hb.enabled())
        return;
    if (!clock_)
        clock_ = std::make_unique<std::vector<std::uint32_t>>();
    hb.release(cpu.id(), *clock_, true);
}

void SyncClock::acquire(Cpu& cpu) const {
    HappensBefore& hb = cpu.machine().happens_before();
    if (hb.enabled() && clock_)
        hb.acquire(cpu.id(), *clock_);
}

void SyncClock::clear() { clock_.reset(); }

void SyncClock::copy_from(const SyncClock& other) {
    clock_ = other.clock_ ? std::make_unique<std::vector<std::uint32_t>>(*other.clock_) : nullptr;
}

void LiveMark::require_live(Cpu& cpu) const {
    if (magic_ != kLive) [[unlikely]]
        cpu.fail(checks::kUseAfterFree, "access to memory that was freed or never initialised");
}

void AccessHistory::read(Cpu& cpu) {
    live_.require_live(cpu);
    HappensBefore& hb = cpu.machine().happens_before();
    if (!hb.enabled())
        return;
    if (write_.cpu != kNoCpu && write_.cpu != cpu.id() && !hb.ordered(cpu.id(), write_.cpu, write_.clock))
        cpu.fail(checks::kDataRace, fmt::format("read of unmarked data that CPU {} wrote without order", write_.cpu));
    const Epoch now{cpu.id(), hb.clock(cpu.id())};
    for (Epoch& e : reads_)
        if (e.cpu == cpu.id()) {
            e = now;
            return;
        }
    reads_.push_back(now);
}

void AccessHistory::write(Cpu& cpu) {
    live_.require_live(cpu);
    HappensBefore& hb = cpu.machine().happens_before();
    if (!hb.enabled())
        return;
    if (write_.cpu != kNoCpu && write_.cpu != cpu.id() && !hb.ordered(cpu.id(), write_.cpu, write_.clock))
        cpu.fail(checks::kDataRace, fmt::format("write of unmarked data that CPU {} wrote without order", write_.cpu));
    for (const Epoch& e : reads_)
        if (e.cpu != cpu.id() && !hb.ordered(cpu.id(), e.cpu, e.clock))
            cpu.fail(checks::kDataRace, fmt::format("write of unmarked data that CPU {} read without order", e.cpu));
    reads_.clear();
    write_ = Epoch{cpu.id(), hb.clock(cpu.id())};
}

}  // namespace ticklab::sim
