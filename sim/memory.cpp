#include "ticklab/sim/memory.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/machine_records.hpp"
#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::sim {
namespace {

/// Stores of a cell that are kept: more than can be within the staleness bound matter to nobody.
constexpr std::size_t kMaxHistory = 16;

}  // namespace

Time StoreBuffer::last_drain(Time now) const {
    Time last = now;
    for (const Pending& p : pending_)
        last = std::max(last, p.visible_at);
    return last;
}

void StoreBuffer::drain(Time now) {
    for (const Pending& p : pending_)
        if (p.index >= p.cell->first_index) {
            Time& visible_at = p.cell->at(p.index).visible_at;
            visible_at = std::min(visible_at, now);
        }
    pending_.clear();
}

void StoreBuffer::retire(Time now) {
    std::erase_if(pending_, [now](const Pending& p) { return p.visible_at <= now; });
}

std::uint64_t MemoryCell::load(Cpu& cpu, Order order) {
    line_.access(cpu, false);
    if (order == Order::kFull) {
        cpu.pay(cpu.machine().prices().memory_barrier);
        cpu.drain_stores();
    }
    if (!history_) [[likely]] {
        if (acquires(order))
            release_.acquire(cpu);
        return bits_;
    }
    return load_stale(cpu, order);
}

void MemoryCell::store(Cpu& cpu, std::uint64_t bits, Order order) {
    line_.access(cpu, true);
    if (order == Order::kFull) {
        cpu.pay(cpu.machine().prices().memory_barrier);
        cpu.drain_stores();
    }
    put(cpu, bits, order, false);
    if (order == Order::kFull)
        cpu.drain_stores();
}

std::uint64_t MemoryCell::begin_modify(Cpu& cpu) {
    line_.access(cpu, true, true);
    // A locked operation drains the CPU's buffer, and acts on the newest value in coherence order.
    cpu.drain_stores();
    if (history_) {
        // Reading a store that another CPU still buffers takes it, and all before it, out of that buffer.
        for (const CellStore& s : history_->stores)
            if (s.visible_at > cpu.local_time())
                cpu.machine().cpu(s.writer).store_buffer_.drain(cpu.local_time());
        history_->floor[cpu.id()] = history_->last_index();
    }
    return bits_;
}

void MemoryCell::end_modify(Cpu& cpu, std::uint64_t bits, Order order) {
    if (acquires(order))
        (history_ ? history_->stores.back().release : release_).acquire(cpu);
    put(cpu, bits, order, true);
    cpu.drain_stores();
}

bool MemoryCell::compare_exchange(Cpu& cpu, std::uint64_t& expected, std::uint64_t desired, Order order) {
    const std::uint64_t old = begin_modify(cpu);
    if (old != expected) {
        expected = old;
        return false;
    }
    end_modify(cpu, desired, order);
    return true;
}

void MemoryCell::put(Cpu& cpu, std::uint64_t bits, Order order, bool read_modify_write) {
    const std::uint64_t before = bits_;
    bits_ = bits;
    const MachineConfig& config = cpu.machine().config();
    if (config.memory_model == MemoryModel::kSequential) [[likely]] {
        // A store that is part of a read-modify-write continues the release sequence it has read; a plain one ends it.
        if (read_modify_write) {
            if (releases(order))
                release_.release_join(cpu);
        } else if (releases(order)) {
            release_.release(cpu);
        } else {
            release_.clear();
        }
        return;
    }
    store_delayed(cpu, before, order, read_modify_write);
}

void MemoryCell::store_delayed(Cpu& cpu, std::uint64_t before, Order order, bool read_modify_write) {
    const MachineConfig& config = cpu.machine().config();
    const Time now = cpu.local_time();
    if (!history_) {
        history_ = &cpu.machine().make_cell_history();
        history_->floor.assign(config.cpu_count, 0);
        history_->stores.emplace_back().bits = before;
    }
    CellHistory& h = *history_;
    cpu.store_buffer_.retire(now);
    const std::uint64_t delay =
        cpu.draw(sites::kStoreDrain, static_cast<std::uint64_t>(config.max_staleness.count()) + 1);
    Time visible_at = now + Duration{static_cast<std::int64_t>(delay)};
    // Stores drain in program order under TSO; under weak only a release waits for those before it.
    if (config.memory_model == MemoryModel::kTso || releases(order))
        visible_at = std::max(visible_at, cpu.store_buffer_.last_drain(now));
    // Coherence order is the order of these calls: this one comes behind what others have not drained yet.
    visible_at = std::max(visible_at, h.stores.back().visible_at);
    CellStore& previous = h.stores.back();
    CellStore& s = h.stores.emplace_back();
    s.bits = bits_;
    s.writer = cpu.id();
    s.visible_at = visible_at;
    HappensBefore& hb = cpu.machine().happens_before();
    s.writer_clock = hb.clock(cpu.id());
    if (read_modify_write)
        s.release.copy_from(previous.release);
    if (releases(order))
        s.release.release_join(cpu);
    h.floor[cpu.id()] = h.last_index();
    cpu.store_buffer_.add(h, h.last_index(), visible_at);
    while (h.stores.size() > kMaxHistory) {
        h.stores.pop_front();
        ++h.first_index;
    }
}

std::uint64_t MemoryCell::load_stale(Cpu& cpu, Order order) {
    const MachineConfig& config = cpu.machine().config();
    HappensBefore& hb = cpu.machine().happens_before();
    CellHistory& h = *history_;
    const Time now = cpu.local_time();
    std::uint64_t newest = h.last_index();
    while (newest > h.first_index && h.at(newest).writer != cpu.id() && h.at(newest).visible_at > now)
        --newest;
    std::uint64_t oldest = std::max(h.floor[cpu.id()], h.first_index);
    for (std::uint64_t i = newest; i > oldest; --i) {
        const CellStore& s = h.at(i);
        if (s.writer != kNoCpu && hb.ordered(cpu.id(), s.writer, s.writer_clock))
            oldest = i;
    }
    newest = std::max(newest, oldest);
    if (config.memory_model == MemoryModel::kWeak && !acquires(order)) {
        const Time freshest_needed = std::max(cpu.fresh_from_, now - config.max_staleness);
        while (oldest < newest && h.at(oldest + 1).visible_at <= freshest_needed)
            ++oldest;
        newest -= cpu.draw(sites::kStaleRead, newest - oldest + 1);
    }
    h.floor[cpu.id()] = newest;
    const CellStore& s = h.at(newest);
    if (acquires(order)) {
        s.release.acquire(cpu);
        cpu.fresh_from_ = now;
    }
    return s.bits;
}

void full_barrier(Cpu& cpu) {
    cpu.sync();
    cpu.pay(cpu.machine().prices().memory_barrier);
    cpu.drain_stores();
    cpu.apic_.fence();
}

void spin_until(Cpu& cpu, CacheLine& line, FunctionRef<bool()> until, const Cpu* waiting_for) {
    line.access(cpu, false);
    if (until())
        return;
    cpu.record(kSpinBegin, waiting_for ? waiting_for->id() : kNoCpu);
    const Time began = cpu.local_time();
    const Cpu::Awaited outer = cpu.awaited_;
    const CpuActivity before = cpu.activity_;
    cpu.activity_ = CpuActivity::kSpinning;
    cpu.awaited_ = Cpu::Awaited{nullptr, waiting_for, cpu.irq_depth_};
    if (waiting_for)
        cpu.machine().check_deadlock(cpu, cpu);
    while (!until()) {
        Time next_look = cpu.machine().soft_lockup_at(began);
        if (cpu.weak_memory_) {
            // What is written already may become visible without another write: a buffered store and a stale read.
            const Time settled = line.free_at() + 2 * cpu.machine().config().max_staleness + Duration{1};
            if (cpu.clock_.now() < settled)
                next_look = std::min(next_look, settled);
        }
        line.add_poller(cpu);
        cpu.wait(next_look, true);
        line.remove_poller(cpu);
        cpu.clock_.move_to(cpu.machine().now());
        cpu.open_window();
        line.access(cpu, false);
        if (cpu.local_time() - began >= cpu.machine().config().soft_lockup && !until())
            cpu.fail(checks::kSoftLockup, fmt::format("polling since {} ns", ns_floor(began)));
    }
    cpu.awaited_ = outer;
    cpu.activity_ = before;
    cpu.record(kSpinEnd);
}

void per_cpu_access(Cpu& cpu, CpuId owner) {
    if (owner != cpu.id())
        cpu.fail(checks::kPerCpu, fmt::format("private data of CPU {}", owner));
    cpu.spend(cpu.machine().prices().cache_hit);
}

}  // namespace ticklab::sim
