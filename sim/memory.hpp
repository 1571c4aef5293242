// Shared state. Anything that two CPUs may touch is one of these (MA 5, 6).
//
// Rules
//  - Atomic<T> and Shared<T> accesses are interleaving points and pay for their cache line. Shared<T> is a marked plain
//    access (READ_ONCE / WRITE_ONCE); it makes no race verdict with other marked accesses, and orders nothing.
//  - Plain<T> and Guarded<T> are unmarked: no interleaving point and no price; two accesses from different CPUs, at
//    least one a write, that are not ordered by happens-before are the verdict memory.data_race. Guarded<T> names its
//    lock and is checked against it at each access.
//  - PerCpu<T> is a CPU's own data: an access is an interrupt window, not an interleaving point (MA 2.4). Touching
//    another CPU's is a verdict, except its part declared shared.
//  - Under memory "tso" and "weak" reads of Atomic and Shared may return older values within MA 6.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <type_traits>
#include <vector>

#include "ticklab/sim/cache_line.hpp"
#include "ticklab/sim/function_ref.hpp"
#include "ticklab/sim/happens_before.hpp"
#include "ticklab/sim/store_buffer.hpp"

namespace ticklab::sim {

class Cpu;
class Machine;
class SpinLock;

/// Order of an access, as in the Linux kernel memory model: full is an smp_mb() on both sides; consume orders what
/// depends on the loaded address (rcu_dereference) and is modelled as acquire.
enum class Order : std::uint8_t { kRelaxed, kConsume, kAcquire, kRelease, kFull };

constexpr bool acquires(Order o) { return o == Order::kConsume || o == Order::kAcquire || o == Order::kFull; }
constexpr bool releases(Order o) { return o == Order::kRelease || o == Order::kFull; }

template <class T>
concept Word = std::is_trivially_copyable_v<T> && sizeof(T) <= 8;

template <Word T>
std::uint64_t to_bits(T value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
}
template <Word T>
T from_bits(std::uint64_t bits) {
    T value;
    std::memcpy(static_cast<void*>(&value), &bits, sizeof value);
    return value;
}

/// The untyped word behind Atomic and Shared.
class MemoryCell {
public:
    explicit MemoryCell(std::uint64_t bits) : bits_(bits) {}
    MemoryCell(const MemoryCell&) = delete;
    MemoryCell& operator=(const MemoryCell&) = delete;

    std::uint64_t load(Cpu& cpu, Order order);
    void store(Cpu& cpu, std::uint64_t bits, Order order);
    /// Stores what `change` makes of the newest value; returns the old one.
    template <class Change>
    std::uint64_t modify(Cpu& cpu, Order order, Change change) {
        const std::uint64_t old = begin_modify(cpu);
        end_modify(cpu, change(old), order);
        return old;
    }
    bool compare_exchange(Cpu& cpu, std::uint64_t& expected, std::uint64_t desired, Order order);
    std::uint64_t peek() const { return bits_; }
    CacheLine& line() { return line_; }

private:
    std::uint64_t begin_modify(Cpu& cpu);
    void end_modify(Cpu& cpu, std::uint64_t bits, Order order);
    void put(Cpu& cpu, std::uint64_t bits, Order order, bool read_modify_write);
    void store_delayed(Cpu& cpu, std::uint64_t before, Order order, bool read_modify_write);
    std::uint64_t load_stale(Cpu& cpu, Order order);

    std::uint64_t bits_;
    CacheLine line_;
    SyncClock release_;
    CellHistory* history_ = nullptr;  // the machine's
};

/// An atomic variable. All operations are interleaving points.
template <Word T>
class Atomic {
public:
    explicit Atomic(T value = T{}) : cell_(to_bits(value)) {}

    T load(Cpu& cpu, Order order = Order::kRelaxed) { return from_bits<T>(cell_.load(cpu, order)); }
    void store(Cpu& cpu, T value, Order order = Order::kRelaxed) { cell_.store(cpu, to_bits(value), order); }
    T exchange(Cpu& cpu, T value, Order order = Order::kFull) {
        return modify(
            cpu, [value](T) { return value; }, order);
    }
    /// As try_cmpxchg: on failure `expected` holds what was found, and nothing is ordered.
    bool compare_exchange(Cpu& cpu, T& expected, T desired, Order order = Order::kFull) {
        std::uint64_t bits = to_bits(expected);
        const bool done = cell_.compare_exchange(cpu, bits, to_bits(desired), order);
        expected = from_bits<T>(bits);
        return done;
    }
    T fetch_add(Cpu& cpu, T n, Order order = Order::kFull) requires std::integral<T> {
        return modify(
            cpu, [n](T old) { return static_cast<T>(old + n); }, order);
    }
    T fetch_or(Cpu& cpu, T n, Order order = Order::kFull) requires std::integral<T> {
        return modify(
            cpu, [n](T old) { return static_cast<T>(old | n); }, order);
    }
    T fetch_and(Cpu& cpu, T n, Order order = Order::kFull) requires std::integral<T> {
        return modify(
            cpu, [n](T old) { return static_cast<T>(old & n); }, order);
    }
    /// The newest value, for oracles and set-up: no price, no order, no interleaving point.
    T peek() const { return from_bits<T>(cell_.peek()); }
    CacheLine& line() { return cell_.line(); }

private:
    template <class Change>
    T modify(Cpu& cpu, Change change, Order order) {
        return from_bits<T>(
            cell_.modify(cpu, order, [&](std::uint64_t old) { return to_bits(change(from_bits<T>(old))); }));
    }
    MemoryCell cell_;
};

/// A plain variable with marked accesses.
template <Word T>
class Shared {
public:
    explicit Shared(T value = T{}) : cell_(to_bits(value)) {}
    T read_once(Cpu& cpu) { return from_bits<T>(cell_.load(cpu, Order::kRelaxed)); }
    void write_once(Cpu& cpu, T value) { cell_.store(cpu, to_bits(value), Order::kRelaxed); }
    /// The newest value, for oracles and set-up: no price, no order, no interleaving point.
    T peek() const { return from_bits<T>(cell_.peek()); }
    CacheLine& line() { return cell_.line(); }

private:
    MemoryCell cell_;
};

/// A full memory barrier (smp_mb). [point]
void full_barrier(Cpu& cpu);

/// A polling loop, `while (!until()) cpu_relax()`, on a variable: evaluates `until` now and after each write to `line`,
/// as the loop would see it, without stepping through it. Interrupts are taken if enabled. `waiting_for` names the CPU
/// that is expected to write, if known, for deadlock detection. [point]
void spin_until(Cpu& cpu, CacheLine& line, FunctionRef<bool()> until, const Cpu* waiting_for = nullptr);

/// Unmarked data shared between CPUs: checked for races, free of charge.
template <class T>
class Plain {
public:
    explicit Plain(T value = T{}) : value_(std::move(value)) {}
    const T& read(Cpu& cpu) const {
        access_.read(cpu);
        return value_;
    }
    T& write(Cpu& cpu) {
        access_.write(cpu);
        return value_;
    }
    const T& peek() const { return value_; }

private:
    T value_;
    mutable AccessHistory access_;
};

/// Unmarked data that a lock protects: touching it without the lock is the verdict memory.not_guarded.
template <class T>
class Guarded {
public:
    explicit Guarded(SpinLock& lock, T value = T{}) : lock_(lock), value_(std::move(value)) {}
    const T& read(Cpu& cpu) const {
        guard_.require_live(cpu);
        require_held(cpu, lock_);
        return value_;
    }
    T& write(Cpu& cpu) {
        guard_.require_live(cpu);
        require_held(cpu, lock_);
        return value_;
    }
    const T& peek() const { return value_; }

private:
    static void require_held(Cpu& cpu, const SpinLock& lock);
    LiveMark guard_;
    SpinLock& lock_;
    T value_;
};

void require_lock_held(Cpu& cpu, const SpinLock& lock);

template <class T>
void Guarded<T>::require_held(Cpu& cpu, const SpinLock& lock) {
    require_lock_held(cpu, lock);
}

/// Checks PerCpu access and takes pending interrupts. [window]
void per_cpu_access(Cpu& cpu, CpuId owner);

/// One T a CPU. T is constructed from (Machine&, CpuId) if it can be, else by default.
template <class T>
class PerCpu {
public:
    explicit PerCpu(Machine& machine);

    /// This CPU's own. [window]
    T& mine(Cpu& cpu);
    /// CPU `owner`'s, which must be `cpu` itself. [window]
    T& of(Cpu& cpu, CpuId owner) {
        per_cpu_access(cpu, owner);
        return items_[owner];
    }
    /// Another CPU's part that is declared shared (locks, Atomic, Shared): `shared(o)` returns T::shared of CPU o.
    auto& shared(CpuId owner) { return items_[owner].shared; }
    /// For set-up before time starts and for oracles.
    T& peek(CpuId owner) { return items_[owner]; }
    const T& peek(CpuId owner) const { return items_[owner]; }

private:
    std::deque<T> items_;
};

}  // namespace ticklab::sim
