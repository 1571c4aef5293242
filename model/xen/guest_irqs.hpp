// Interrupts that are bound to guests, and the timer that guards against guests that are slow to end them (XT 12.1).
//
// Rules
//  (1) A descriptor's lock is taken in interrupts: always with interrupts off. It is outside the schedule locks and the
//      timer bases. The EOI timer's callback takes it, so the timer must not be killed with it held (XT-F6).
//  (2) The line is closed while the descriptor says so: `masked` and the controller's entry change together.
//  (3) Ack type none: an edge that needs no end. Type unmask: a level that is masked when it is delivered and
//      opened when every guest has ended it.
#pragma once

#include <deque>
#include <vector>

#include "ticklab/model/xen/scheduler.hpp"
#include "ticklab/model/xen/vectors.hpp"

namespace ticklab::xen {

enum class AckType : std::uint8_t { kNone, kUnmask };
inline constexpr std::array<std::string_view, 2> kAckTypes{"none", "unmask"};

struct GuestBinding {
    Vcpu* vcpu;              ///< vCPU 0 of the guest: events go there
    sim::Duration handled;   ///< computing that the guest's handler takes
    bool automatic;          ///< it handles the event by itself, when it runs
    bool in_flight = false;  ///< delivered and not ended (type unmask)
    bool owes_eoi = false;   ///< it was told to call for the end (type none, 2010)
};

struct IrqCounters {
    std::uint64_t delivered = 0;
    std::uint64_t guarded = 0;  ///< times the EOI timer was set
    std::uint64_t ended = 0;    ///< ends by guests
    std::uint64_t forced = 0;   ///< ends by the timer
};

class GuestIrqs {
public:
    /// How long guests have (XT 12.1).
    static constexpr StimeSpan kEoiLimit{1'000'000};

    GuestIrqs(sim::Machine& machine, ClientTimers& timers, Scheduler& scheduler, const SystemTime& time, bool present,
              const XenChanges& changes);

    static bool is_guest_vector(std::uint8_t vector) {
        return vector >= kFirstGuestVector && vector < kFirstGuestVector + kIrqCount;
    }

    /// Binds a guest; the first one says how the line is acknowledged and which CPU takes it. No effect on one that is
    /// bound, where the type is another, or while the last guest is leaving. Thread level.
    void bind(sim::Cpu& cpu, std::uint32_t irq, Vcpu& v, AckType ack, sim::CpuId target,
              std::optional<sim::Duration> handled);
    /// Takes a guest out; the last one closes the line and ends the timer. Thread level.
    void unbind(sim::Cpu& cpu, std::uint32_t irq, std::uint32_t guest);
    /// The device: an edge, or a level until a guest has handled it. On no CPU.
    void raise(std::uint32_t irq, const sim::Cause& cause);
    /// The vector was taken, its EOI not done.
    void interrupt(sim::Cpu& cpu, std::uint8_t vector);
    /// The guest has handled the event and ends it, as its ack type asks.
    void guest_done(sim::Cpu& cpu, Vcpu& v, std::uint32_t irq);
    /// The binding of a vCPU, null if it has none.
    const GuestBinding* binding(std::uint32_t irq, const Vcpu& v) const;
    /// In stop-machine: interrupts of a CPU that goes off-line go elsewhere.
    void reroute(sim::Cpu& cpu, sim::CpuId victim);

    struct Descriptor {
        Descriptor(sim::Machine& machine, sim::LockClass& lock_class, std::uint32_t number)
            : irq(number), lock(machine, lock_class, "irq " + std::to_string(number)) {}
        const std::uint32_t irq;
        sim::SpinLock lock;
        GuestIrqs* owner = nullptr;
        std::vector<GuestBinding> guests;
        AckType ack = AckType::kNone;
        sim::CpuId target = 0;
        bool masked = true;
        bool asserted = false;
        /// The line is closed till a guest's end, or the timer's (type none, 2010).
        bool eoi_pending = false;
        /// The last guest has left, and the timer's end is not over: nobody can be bound.
        bool releasing = false;
        unsigned in_flight = 0;
        Timer eoi_timer;
        IrqCounters counters;
    };
    Descriptor& descriptor(std::uint32_t irq) { return descriptors_[irq]; }
    const Descriptor& descriptor(std::uint32_t irq) const { return descriptors_[irq]; }

private:
    void release_then_kill(sim::Cpu& cpu, Descriptor& d);
    void kill_then_release(sim::Cpu& cpu, Descriptor& d);
    void deliver(sim::Cpu& cpu, Descriptor& d);
    void guard_all_slow(sim::Cpu& cpu, Descriptor& d, unsigned slow);
    void guard_in_flight(sim::Cpu& cpu, Descriptor& d);
    void arm(sim::Cpu& cpu, Descriptor& d);
    void end_pending(sim::Cpu& cpu, Descriptor& d, bool forced);
    void end_in_flight(sim::Cpu& cpu, Descriptor& d, GuestBinding& b, bool forced);
    void set_masked(sim::Cpu& cpu, Descriptor& d, bool masked);
    void write_entry(sim::Cpu& cpu, const Descriptor& d);
    void timer_fired(sim::Cpu& cpu, Descriptor& d);

    sim::Machine& machine_;
    ClientTimers& timers_;
    Scheduler& scheduler_;
    const SystemTime& time_;
    const XenChanges& changes_;
    std::deque<Descriptor> descriptors_;
};

}  // namespace ticklab::xen
