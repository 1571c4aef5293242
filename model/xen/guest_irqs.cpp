#include "ticklab/model/xen/guest_irqs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/model/xen/client_records.hpp"
#include "ticklab/model/xen/client_sites.hpp"

namespace ticklab::xen {

using sim::Cpu;
using sim::Frame;
using sim::IoApic;

GuestIrqs::GuestIrqs(sim::Machine& machine, ClientTimers& timers, Scheduler& scheduler, const SystemTime& time,
                     bool present, const XenChanges& changes)
    : machine_(machine), timers_(timers), scheduler_(scheduler), time_(time), changes_(changes) {
    sim::LockClass& lock_class = machine.lock_class("irq descriptor");
    for (std::uint32_t i = 0; present && i < kIrqCount; ++i) {
        Descriptor& d = descriptors_.emplace_back(machine, lock_class, i);
        d.owner = this;
        timers.name(d.eoi_timer, fmt::format("irq{}.eoi", i));
    }
}

const GuestBinding* GuestIrqs::binding(std::uint32_t irq, const Vcpu& v) const {
    for (const GuestBinding& b : descriptors_[irq].guests)
        if (b.vcpu == &v)
            return &b;
    return nullptr;
}

// An access to the controller costs what one to any uncached device does.
void GuestIrqs::write_entry(Cpu& cpu, const Descriptor& d) {
    IoApic& io_apic = machine_.io_apic();
    const auto write = [&](std::uint32_t index, std::uint32_t value) {
        cpu.spend(machine_.prices().mmio_hpet);
        cpu.sync();
        io_apic.write(cpu.local_time(), IoApic::kSelectOffset, index, cpu.cause());
        io_apic.write(cpu.local_time(), IoApic::kWindowOffset, value, cpu.cause());
    };
    constexpr unsigned kEntryDestinationShift = 24;
    const std::uint32_t entry = IoApic::kEntryRegister + 2 * d.irq;
    write(entry + 1, d.target << kEntryDestinationShift);
    write(entry, (kFirstGuestVector + d.irq) | (d.ack == AckType::kUnmask ? IoApic::kEntryLevel : 0u) |
                     (d.masked ? IoApic::kEntryMasked : 0u));
}

void GuestIrqs::set_masked(Cpu& cpu, Descriptor& d, bool masked) {
    d.masked = masked;
    cpu.record(kIrqLineRecord, d.irq, !masked);
    write_entry(cpu, d);
}

void GuestIrqs::bind(Cpu& cpu, std::uint32_t irq, Vcpu& v, AckType ack, sim::CpuId target,
                     std::optional<sim::Duration> handled) {
    const Frame frame(cpu, "irq bind");
    Descriptor& d = descriptors_[irq];
    const sim::SpinLockIrqGuard guard(cpu, d.lock);
    if (d.releasing)
        return;
    if (d.guests.empty()) {
        timers_.init(
            cpu, d.eoi_timer,
            [](Cpu& on, void* a) {
                Descriptor& own = *static_cast<Descriptor*>(a);
                own.owner->timers_.fired(on, own.eoi_timer);
                own.owner->timer_fired(on, own);
            },
            &d, 0);
        d.ack = ack;
        d.target = machine_.cpu(target).online() ? target : 0;
    }
    if (d.ack != ack || binding(irq, v))
        return;
    d.guests.push_back({&v, handled.value_or(sim::Duration::zero()), handled.has_value()});
    cpu.record(kIrqBindRecord, irq, v.guest, true);
    if (d.guests.size() == 1)
        set_masked(cpu, d, false);
}

void GuestIrqs::raise(std::uint32_t irq, const sim::Cause& cause) {
    Descriptor& d = descriptors_[irq];
    if (d.ack == AckType::kNone)
        return machine_.io_apic().pulse(machine_.now(), irq, cause);
    d.asserted = true;
    machine_.io_apic().set_pin(machine_.now(), irq, 0, true, cause);
}

void GuestIrqs::interrupt(Cpu& cpu, std::uint8_t vector) {
    const Frame frame(cpu, "guest interrupt");
    Descriptor& d = descriptors_[vector - kFirstGuestVector];
    d.lock.acquire(cpu);
    // A level is masked before its end at the local APIC: it would come again at once.
    if (d.ack == AckType::kUnmask && !d.guests.empty())
        set_masked(cpu, d, true);
    cpu.apic_eoi();
    if (!d.guests.empty())
        deliver(cpu, d);
    d.lock.release(cpu);
}

void GuestIrqs::deliver(Cpu& cpu, Descriptor& d) {
    ++d.counters.delivered;
    unsigned slow = 0;
    for (GuestBinding& b : d.guests) {
        const std::uint32_t event = kFirstIrqEvent + d.irq;
        const bool had_it = (b.vcpu->pending.load(cpu) & (1u << event)) != 0;
        slow += had_it;
        if (d.ack == AckType::kUnmask && !b.in_flight && !b.vcpu->destroyed) {
            b.in_flight = true;
            ++d.in_flight;
        }
        scheduler_.post(cpu, *b.vcpu, event);
    }
    cpu.record(kGuestIrqRecord, d.irq, d.guests.size(), slow);
    if (changes_.guard_slow_acks)
        guard_in_flight(cpu, d);
    else
        guard_all_slow(cpu, d, slow);
}

void GuestIrqs::arm(Cpu& cpu, Descriptor& d) {
    ++d.counters.guarded;
    timers_.migrate(cpu, d.eoi_timer, cpu.id());
    timers_.set(cpu, d.eoi_timer, saturating_add(time_.now(cpu), kEoiLimit));
}

// C2010: an edge that no guest has time for closes the line.
void GuestIrqs::guard_all_slow(Cpu& cpu, Descriptor& d, unsigned slow) {
    if (d.ack != AckType::kNone || slow != d.guests.size())
        return;
    timers_.stop(cpu, d.eoi_timer);
    set_masked(cpu, d, true);
    d.eoi_pending = true;
    for (GuestBinding& b : d.guests)
        b.owes_eoi = true;
    arm(cpu, d);
}

// From August 2010: whatever guests must end is guarded, and nothing else.
void GuestIrqs::guard_in_flight(Cpu& cpu, Descriptor& d) {
    if (d.ack != AckType::kNone && d.in_flight != 0)
        arm(cpu, d);
}

// "Do the EOI" of type none (2010).
void GuestIrqs::end_pending(Cpu& cpu, Descriptor& d, bool forced) {
    if (!d.eoi_pending)
        return;
    d.eoi_pending = false;
    for (GuestBinding& b : d.guests)
        b.owes_eoi = false;
    ++(forced ? d.counters.forced : d.counters.ended);
    cpu.record(kGuestEoiRecord, d.irq, forced);
    set_masked(cpu, d, false);
}

// One guest less has the interrupt; the last one opens the line.
void GuestIrqs::end_in_flight(Cpu& cpu, Descriptor& d, GuestBinding& b, bool forced) {
    if (!b.in_flight)
        return;
    b.in_flight = false;
    if (--d.in_flight != 0)
        return;
    if (!forced)
        timers_.stop(cpu, d.eoi_timer);
    ++(forced ? d.counters.forced : d.counters.ended);
    cpu.record(kGuestEoiRecord, d.irq, forced);
    set_masked(cpu, d, false);
}

void GuestIrqs::guest_done(Cpu& cpu, Vcpu& v, std::uint32_t irq) {
    const Frame frame(cpu, "guest EOI");
    Descriptor& d = descriptors_[irq];
    if (d.asserted) {
        d.asserted = false;
        cpu.sync();
        machine_.io_apic().set_pin(cpu.local_time(), irq, 0, false, cpu.cause());
    }
    const std::uint32_t event = kFirstIrqEvent + irq;
    if ((v.pending.fetch_and(cpu, ~(1u << event)) & (1u << event)) != 0)
        cpu.record_caused(v.posted_by[event], kEventTakeRecord, v.object, event);
    const sim::SpinLockIrqGuard guard(cpu, d.lock);
    const auto b = std::find_if(d.guests.begin(), d.guests.end(), [&v](const GuestBinding& g) { return g.vcpu == &v; });
    if (b == d.guests.end())
        return;
    if (d.ack == AckType::kUnmask) {
        end_in_flight(cpu, d, *b, false);
    } else if (b->owes_eoi) {
        timers_.stop(cpu, d.eoi_timer);
        end_pending(cpu, d, false);
    }
}

void GuestIrqs::timer_fired(Cpu& cpu, Descriptor& d) {
    const Frame frame(cpu, "EOI timer");
    cpu.at(sites::kEoiBeforeLock);
    const sim::SpinLockIrqGuard guard(cpu, d.lock);
    if (d.ack == AckType::kNone)
        return end_pending(cpu, d, true);
    // A new instance may have been armed while this one waited for the lock.
    if (d.in_flight == 0 || timers_.core().active(cpu, d.eoi_timer))
        return;
    for (GuestBinding& b : d.guests)
        end_in_flight(cpu, d, b, true);
}

void GuestIrqs::unbind(Cpu& cpu, std::uint32_t irq, std::uint32_t guest) {
    const Frame frame(cpu, "irq unbind");
    Descriptor& d = descriptors_[irq];
    const bool irqs_were_enabled = d.lock.acquire_irqsave(cpu);
    const auto b = std::find_if(d.guests.begin(), d.guests.end(),
                                [guest](const GuestBinding& g) { return g.vcpu->guest == guest; });
    if (b == d.guests.end())
        return d.lock.release_restore(cpu, irqs_were_enabled);
    GuestBinding leaver = *b;
    d.guests.erase(b);
    cpu.record(kIrqBindRecord, irq, guest, false);
    if (d.ack == AckType::kUnmask) {
        end_in_flight(cpu, d, leaver, false);
    } else {
        timers_.stop(cpu, d.eoi_timer);
        end_pending(cpu, d, false);
    }
    if (d.guests.empty()) {
        set_masked(cpu, d, true);
        d.releasing = true;
        cpu.at(sites::kUnbindWithLock);
        changes_.kill_eoi_timer_unlocked ? release_then_kill(cpu, d) : kill_then_release(cpu, d);
        d.releasing = false;
    } else {
        d.lock.release(cpu);
    }
    cpu.irq_restore(irqs_were_enabled);
}

void GuestIrqs::release_then_kill(Cpu& cpu, Descriptor& d) {
    d.lock.release(cpu);
    timers_.kill(cpu, d.eoi_timer);
}

// Before XT-F6: a callback that waits for the descriptor keeps the kill waiting, which holds it.
void GuestIrqs::kill_then_release(Cpu& cpu, Descriptor& d) {
    timers_.kill(cpu, d.eoi_timer);
    d.lock.release(cpu);
}

void GuestIrqs::reroute(Cpu& cpu, sim::CpuId victim) {
    const sim::Cpu* const heir = machine_.first_online(victim);
    for (Descriptor& d : descriptors_) {
        if (d.target != victim || d.guests.empty())
            continue;
        d.target = heir->id();
        write_entry(cpu, d);
    }
}

}  // namespace ticklab::xen
