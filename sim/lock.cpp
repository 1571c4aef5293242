#include "ticklab/sim/lock.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/machine_records.hpp"
#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::sim {

/// A place in the queue of a spin lock; stands on the waiter's stack.
struct SpinLock::Waiter {
    Cpu* cpu;
    unsigned depth;
    Waiter* next = nullptr;
    bool granted = false;
    Time granted_at = kNever;
};

SpinLock::SpinLock(Machine& machine, LockClass& lock_class, std::string_view name)
    : machine_(machine), class_(lock_class), object_(machine.intern(name)) {
    machine.locks_.push_back(this);
}

SpinLock::~SpinLock() {
    if (listed_)
        std::erase(machine_.locks_, this);
}

std::string_view SpinLock::name() const { return machine_.records().name(object_); }

void SpinLock::take(Cpu& cpu) {
    owner_ = &cpu;
    owner_depth_ = cpu.irq_depth_;
    cpu.held_locks_.push_back(this);
    ++counters_.acquired;
    taken_at_ = cpu.local_time();
    sync_.acquire(cpu);
    cpu.drain_stores();
    // The release was a store behind all stores before it: who sees it sees them.
    if (last_owner_ && cpu.weak_memory_) [[unlikely]]
        last_owner_->store_buffer_.drain(cpu.local_time());
    last_owner_ = &cpu;
    cpu.at(sites::kLockAcquired);
}

void SpinLock::acquire_nested(Cpu& cpu, unsigned subclass) {
    line_.require_live(cpu);
    if (owner_ == &cpu)
        cpu.fail(checks::kLockRecursion, fmt::format("{} is held by this CPU already", name()));
    machine_.lock_checker().before_acquire(cpu, *this, subclass);
    line_.access(cpu, true);
    cpu.pay(machine_.prices().lock_acquire);
    if (owner_)
        wait(cpu);
    take(cpu);
}

bool SpinLock::try_acquire(Cpu& cpu) {
    line_.access(cpu, true);
    cpu.pay(machine_.prices().lock_acquire);
    if (owner_)
        return false;
    machine_.lock_checker().after_try(cpu, *this);
    take(cpu);
    return true;
}

void SpinLock::wait(Cpu& cpu) {
    Waiter waiter{&cpu, cpu.irq_depth_};
    (last_ ? last_->next : first_) = &waiter;
    last_ = &waiter;
    ++counters_.contended;
    const Time began = cpu.local_time();
    cpu.record(kLockWaitBegin, object_, owner_->id());

    // An interrupt taken while spinning may spin for a lock of its own: remember what this level waits for.
    const Cpu::Awaited outer = cpu.awaited_;
    void* const outer_waiter = cpu.waiter_;
    const CpuActivity before = cpu.activity_;
    cpu.awaited_ = Cpu::Awaited{this, nullptr, cpu.irq_depth_};
    cpu.activity_ = CpuActivity::kSpinning;
    machine_.check_deadlock(cpu, cpu);
    while (!waiter.granted) {
        cpu.waiter_ = &waiter;
        cpu.wait(machine_.soft_lockup_at(began), true);
        cpu.waiter_ = nullptr;
        cpu.clock_.move_to(machine_.now());
        if (waiter.granted)
            break;
        cpu.open_window();
        if (!waiter.granted && cpu.local_time() - began >= machine_.config().soft_lockup)
            cpu.fail(checks::kSoftLockup, fmt::format("waiting for {} since {} ns", name(), ns_floor(began)));
    }
    cpu.clock_.move_to(waiter.granted_at);
    cpu.awaited_ = outer;
    cpu.waiter_ = outer_waiter;
    cpu.activity_ = before;

    const Duration waited = cpu.local_time() - began;
    counters_.wait_total += waited;
    counters_.wait_max = std::max(counters_.wait_max, waited);
    cpu.counters_.lock_wait += waited;
    cpu.record_waited(released_by_, kLockWaitEnd, object_);
}

void SpinLock::release(Cpu& cpu) {
    line_.require_live(cpu);
    if (owner_ != &cpu)
        cpu.fail(checks::kLockStranger, owner_ ? fmt::format("{} is held by CPU {}", name(), owner_->id())
                                               : fmt::format("{} is not held", name()));
    cpu.at(sites::kLockRelease);
    line_.access(cpu, true);
    cpu.pay(machine_.prices().lock_release);
    sync_.release(cpu);
    counters_.held_max = std::max(counters_.held_max, cpu.local_time() - taken_at_);
    const auto held = std::find(cpu.held_locks_.rbegin(), cpu.held_locks_.rend(), this);
    cpu.held_locks_.erase(std::next(held).base());
    released_by_ = cpu.last_record();
    owner_ = nullptr;
    if (!first_)
        return;
    Waiter& next = *first_;
    first_ = next.next;
    if (!first_)
        last_ = nullptr;
    // Ticket order: the head of the queue owns the lock from here on, whatever it is doing.
    owner_ = next.cpu;
    owner_depth_ = next.depth;
    next.granted = true;
    next.granted_at = line_.transfer_to(*next.cpu, cpu.local_time());
    if (next.cpu->waiter_ == &next)
        next.cpu->end_wait(next.granted_at);
    else
        machine_.check_deadlock(cpu, *next.cpu);  // the new owner is in an interrupt, which may wait for others
}

bool SpinLock::acquire_irqsave(Cpu& cpu) {
    const bool was_enabled = cpu.irq_save();
    acquire(cpu);
    return was_enabled;
}

void SpinLock::release_restore(Cpu& cpu, bool irqs_were_enabled) {
    release(cpu);
    cpu.irq_restore(irqs_were_enabled);
}

Mutex::Mutex(Machine& machine, LockClass& lock_class, std::string_view name)
    : machine_(machine), class_(lock_class), object_(machine.intern(name)) {}

std::string_view Mutex::name() const { return machine_.records().name(object_); }

void Mutex::lock(Cpu& cpu) {
    if (cpu.in_irq())
        cpu.fail(checks::kIrqContext, fmt::format("{} taken in an interrupt", name()));
    if (owner_ == &cpu.current())
        cpu.fail(checks::kLockRecursion, fmt::format("{} is held by this thread", name()));
    if (!cpu.held_locks_.empty())
        cpu.fail(checks::kLockSleep, fmt::format("{} taken while {} is held", name(), cpu.held_locks_.back()->name()));
    machine_.lock_checker().before_lock(cpu, *this);
    line_.access(cpu, true);
    cpu.pay(machine_.prices().lock_acquire);
    if (!owner_) {
        owner_ = &cpu.current();
    } else {
        waiters_.push_back(&cpu.current());
        while (owner_ != &cpu.current())
            cpu.block();
    }
    cpu.current().held_mutexes_.push_back(this);
    sync_.acquire(cpu);
    cpu.drain_stores();
}

void Mutex::unlock(Cpu& cpu, Heir heir) {
    if (owner_ != &cpu.current())
        cpu.fail(checks::kLockStranger, fmt::format("{} is not held by this thread", name()));
    line_.access(cpu, true);
    cpu.pay(machine_.prices().lock_release);
    sync_.release(cpu);
    cpu.drain_stores();
    std::erase(cpu.current().held_mutexes_, this);
    owner_ = nullptr;
    const auto next = std::find_if(waiters_.begin(), waiters_.end(),
                                   [heir](const Thread* t) { return heir == Heir::kFirst || t->cpu_->online(); });
    if (next == waiters_.end())
        return;
    owner_ = *next;
    waiters_.erase(next);
    cpu.wake(*owner_);
}

LockClass& LockChecker::make_class(std::string_view name) {
    for (LockClass& c : classes_)
        if (c.name == name)
            return c;
    classes_.push_back(LockClass{std::string(name), static_cast<std::uint32_t>(classes_.size())});
    taken_after_.resize(classes_.size());
    return classes_.back();
}

bool LockChecker::reaches(std::uint32_t from, std::uint32_t to) const {
    std::vector<std::uint32_t> open{from};
    std::vector<bool> seen(taken_after_.size());
    while (!open.empty()) {
        const std::uint32_t c = open.back();
        open.pop_back();
        if (c == to)
            return true;
        if (seen[c])
            continue;
        seen[c] = true;
        open.insert(open.end(), taken_after_[c].begin(), taken_after_[c].end());
    }
    return false;
}

void LockChecker::before_acquire(Cpu& cpu, const SpinLock& lock, unsigned subclass) {
    if (!enabled_)
        return;
    LockClass& next = lock.lock_class();
    if (cpu.in_irq())
        next.used_in_irq = true;
    else if (cpu.irqs_enabled())
        next.used_with_irqs_enabled = true;
    if (next.used_in_irq && next.used_with_irqs_enabled)
        cpu.fail(checks::kLockIrq, fmt::format("class {}, now {} {}", next.name, lock.name(),
                                               cpu.in_irq() ? "in an interrupt" : "with interrupts enabled"));
    for (const Mutex* held : cpu.current().held_mutexes())
        note_order(cpu, held->lock_class(), next, lock.name(), false);
    for (const SpinLock* held : cpu.held_locks_)
        note_order(cpu, held->lock_class(), next, lock.name(), subclass != 0);
}

void LockChecker::after_try(Cpu& cpu, const SpinLock& lock) {
    // In an interrupt a lock that is only tried does not wait for the interrupted holder.
    if (enabled_ && cpu.irqs_enabled() && !cpu.in_irq())
        note_irqs_enabled(cpu, lock.lock_class(), lock.name());
}

void LockChecker::irqs_enabled_under_lock(Cpu& cpu) {
    if (!enabled_ || cpu.in_irq())
        return;
    for (const SpinLock* held : cpu.held_locks_)
        note_irqs_enabled(cpu, held->lock_class(), held->name());
}

void LockChecker::note_irqs_enabled(Cpu& cpu, LockClass& held, std::string_view name) {
    held.used_with_irqs_enabled = true;
    if (held.used_in_irq)
        cpu.fail(checks::kLockIrq, fmt::format("class {}, now {} held with interrupts enabled", held.name, name));
}

void LockChecker::before_lock(Cpu& cpu, const Mutex& mutex) {
    if (!enabled_)
        return;
    for (const Mutex* held : cpu.current().held_mutexes())
        note_order(cpu, held->lock_class(), mutex.lock_class(), mutex.name(), false);
}

void LockChecker::note_order(Cpu& cpu, const LockClass& before, const LockClass& next, std::string_view name,
                             bool nested) {
    if (before.index == next.index) {
        if (!nested)
            cpu.fail(checks::kLockOrder, fmt::format("{} taken while another of class {} is held", name, before.name));
        return;
    }
    std::vector<std::uint32_t>& after = taken_after_[before.index];
    if (std::find(after.begin(), after.end(), next.index) != after.end())
        return;
    if (reaches(next.index, before.index))
        cpu.fail(checks::kLockOrder,
                 fmt::format("{} taken under {}, and elsewhere the other way round", next.name, before.name));
    after.push_back(next.index);
}

void require_lock_held(Cpu& cpu, const SpinLock& lock) {
    if (!lock.held_by(cpu)) [[unlikely]]
        cpu.fail(checks::kNotGuarded, fmt::format("{} is not held", lock.name()));
}

}  // namespace ticklab::sim
