// Spin locks and sleeping locks of the modelled kernel (MA 4).
//
// Rules
//  - Spin locks are ticket locks: granted in FIFO order at release, even if the waiter is in an interrupt or stalled
//    then.
//  - Which interrupt state a CPU spins with is stated by the acquire variant.
//  - Always checked: the owner releases; no CPU takes a lock it holds; classes are taken in an order without circles; a
//    class taken in interrupts is never taken elsewhere with interrupts enabled; nothing sleeps, idles or goes off-line
//    with one.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/sim/cache_line.hpp"
#include "ticklab/sim/happens_before.hpp"
#include "ticklab/sim/record.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

class Cpu;
class Machine;
class Thread;

/// A class of locks that share a place in the lock order, such as "timer base"; made once a machine by
/// Machine::lock_class.
struct LockClass {
    std::string name;
    std::uint32_t index = 0;
    bool used_in_irq = false;
    bool used_with_irqs_enabled = false;
};

/// Contention figures of one lock.
struct LockCounters {
    std::uint64_t acquired = 0;
    std::uint64_t contended = 0;
    Duration wait_total{};
    Duration wait_max{};
    Duration held_max{};
};

class SpinLock {
public:
    /// `name` is unique in the machine ("timer base 3").
    SpinLock(Machine& machine, LockClass& lock_class, std::string_view name);
    ~SpinLock();
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

    /// Spins in the current interrupt state. [point]
    void acquire(Cpu& cpu) { acquire_nested(cpu, 0); }
    /// The same for a second lock of one class, taken in an order of its own (by CPU number, say): `subclass` 1 and up.
    void acquire_nested(Cpu& cpu, unsigned subclass);
    /// True if it was free. [point]
    bool try_acquire(Cpu& cpu);
    /// [point]
    void release(Cpu& cpu);
    /// Interrupts off, then acquire: spins with interrupts off. Returns what release_restore() needs. [point]
    [[nodiscard]] bool acquire_irqsave(Cpu& cpu);
    void release_restore(Cpu& cpu, bool irqs_were_enabled);

    bool held_by(const Cpu& cpu) const { return owner_ == &cpu; }
    bool held() const { return owner_ != nullptr; }
    const Cpu* owner() const { return owner_; }
    /// Interrupt nesting depth at which the owner took it, or waits for it.
    unsigned owner_depth() const { return owner_depth_; }
    std::string_view name() const;
    LockClass& lock_class() const { return class_; }
    const LockCounters& counters() const { return counters_; }

private:
    friend class Machine;
    struct Waiter;

    void take(Cpu& cpu);
    void wait(Cpu& cpu);

    Machine& machine_;
    LockClass& class_;
    std::uint64_t object_;
    CacheLine line_;
    Cpu* owner_ = nullptr;
    unsigned owner_depth_ = 0;
    Waiter* first_ = nullptr;
    Waiter* last_ = nullptr;
    SyncClock sync_;
    Time taken_at_ = kBoot;
    RecordId released_by_;
    Cpu* last_owner_ = nullptr;
    bool listed_ = true;  // in the machine's list, which may be gone before a kernel's locks
    LockCounters counters_;
};

/// Holds a spin lock, interrupts off, for as long as it stands.
class SpinLockIrqGuard {
public:
    SpinLockIrqGuard(Cpu& cpu, SpinLock& lock) : cpu_(cpu), lock_(lock), irqs_(lock.acquire_irqsave(cpu)) {}
    ~SpinLockIrqGuard() { lock_.release_restore(cpu_, irqs_); }
    SpinLockIrqGuard(const SpinLockIrqGuard&) = delete;
    SpinLockIrqGuard& operator=(const SpinLockIrqGuard&) = delete;

private:
    Cpu& cpu_;
    SpinLock& lock_;
    bool irqs_;
};

/// A sleeping lock, FIFO. For threads only.
class Mutex {
public:
    /// To whom unlock() hands it: the first in the queue, or the first of a CPU that is online. The others stay in the
    /// queue, so somebody has to unlock it again once their CPU is back.
    enum class Heir : std::uint8_t { kFirst, kFirstOnline };

    Mutex(Machine& machine, LockClass& lock_class, std::string_view name);
    /// May sleep: thread level, no spin lock held. [point]
    void lock(Cpu& cpu);
    /// By the thread that locked it. [point]
    void unlock(Cpu& cpu, Heir heir = Heir::kFirst);
    const Thread* owner() const { return owner_; }
    LockClass& lock_class() const { return class_; }
    std::string_view name() const;

private:
    Machine& machine_;
    LockClass& class_;
    std::uint64_t object_;
    CacheLine line_;
    Thread* owner_ = nullptr;
    std::deque<Thread*> waiters_;
    SyncClock sync_;
};

/// Watches the order and the contexts in which lock classes are taken, over the whole run.
class LockChecker {
public:
    explicit LockChecker(bool enabled) : enabled_(enabled) {}

    LockClass& make_class(std::string_view name);
    /// `cpu` has taken `lock` without waiting, which no order forbids.
    void after_try(Cpu& cpu, const SpinLock& lock);
    /// `cpu` enables interrupts with spin locks held.
    void irqs_enabled_under_lock(Cpu& cpu);
    /// Before `cpu` waits for or takes a spin lock, with the locks and mutexes that it and its thread hold now.
    void before_acquire(Cpu& cpu, const SpinLock& lock, unsigned subclass);
    void before_lock(Cpu& cpu, const Mutex& mutex);

private:
    void note_irqs_enabled(Cpu& cpu, LockClass& held, std::string_view name);
    void note_order(Cpu& cpu, const LockClass& before, const LockClass& next, std::string_view name, bool nested);
    bool reaches(std::uint32_t from, std::uint32_t to) const;

    bool enabled_;
    std::deque<LockClass> classes_;
    std::vector<std::vector<std::uint32_t>> taken_after_;
};

}  // namespace ticklab::sim
