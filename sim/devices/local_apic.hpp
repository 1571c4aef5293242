// The local APIC of one CPU (LA).
//
// Rules
//  - Register accesses are made by the CPU that owns it, at virtual times that do not go back and are not before the
//    engine's now(). An access takes effect at its `at`; a timer event due up to then has happened first.
//  - IRR and ISR change only by acceptance, dispatch, EOI and reset (LA-I1).
//  - deliverable() and the PPR are kept up to date by update(), which alone calls interrupt_ready().
//  - program_timer() alone programs the engine for the timer, from LocalApicTimer::event_at() (LA-I6).
//  - Callbacks to the client come last in every operation; they may come from inside one of its own accesses (an EOI, a
//    TPR write, SVR) and then carry the time of the access.
//  - Signals (NMI, SMI, INIT, start-up) pass through to the client at once; the latch of a pending NMI is the CPU's.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ticklab/sim/devices/apic_bus.hpp"
#include "ticklab/sim/devices/apic_faults.hpp"
#include "ticklab/sim/devices/apic_message.hpp"
#include "ticklab/sim/devices/local_apic_registers.hpp"
#include "ticklab/sim/devices/local_apic_timer.hpp"
#include "ticklab/sim/devices/vector_set.hpp"
#include "ticklab/sim/engine.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::sim {

/// The CPU, as its local APIC sees it.
class LocalApicClient {
public:
    virtual ~LocalApicClient() = default;
    /// deliverable() has become true.
    virtual void interrupt_ready(Time at) = 0;
    virtual void nmi(Time at, Cause cause) = 0;
    virtual void smi(Time at, Cause cause) { (void)at, (void)cause; }
    /// The APIC is in its INIT state and the CPU waits for a start-up IPI.
    virtual void init(Time at) = 0;
    /// The CPU starts at `vector` * 4096.
    virtual void start_up(Time at, std::uint8_t vector, Cause cause) = 0;
};

/// A dispatched interrupt.
struct AcknowledgedInterrupt {
    std::uint8_t vector;
    bool spurious;  ///< the handler must not write EOI
    Cause cause;    ///< of the accept that set the IRR bit; none for a spurious one
};

/// A value read, or why it cannot be.
struct ApicRead {
    std::uint64_t value = 0;
    AccessFault fault = AccessFault::kNone;
};

/// Figures of one local APIC over a run.
struct LocalApicCounters {
    std::uint64_t accepted = 0;
    std::uint64_t merged = 0;  ///< of the accepted, those whose IRR bit was set already
    std::uint64_t timer_events = 0;
    std::uint64_t timer_masked = 0;  ///< of the timer events, those lost to the mask
    std::uint64_t spurious = 0;
    std::uint64_t invalid_sends = 0;  ///< ICR writes that ask for what does not exist
    std::array<std::uint32_t, kLostReasonCount> lost{};
};

class LocalApic final : public ActivityHandler {
public:
    enum class Mode : std::uint8_t { kDisabled, kXapic, kX2apic };

    /// In the state after power-on: xAPIC mode, software disabled. CPU 0 is the boot processor; the others wait for a
    /// start-up IPI. Registers one device source with the bus's engine; `bus` and `client` outlive it.
    LocalApic(ApicBus& bus, CpuId cpu, LocalApicClient& client);
    LocalApic(const LocalApic&) = delete;
    LocalApic& operator=(const LocalApic&) = delete;

    CpuId cpu() const { return cpu_; }
    Mode mode() const { return mode_; }
    bool software_enabled() const { return (svr_ & apic::kSvrEnable) != 0; }
    const LocalApicCounters& counters() const { return counters_; }

    /// Whether the CPU, its interrupts enabled, has an interrupt to take: a vector above PPR, software enabled
    /// (LA 4.2).
    bool deliverable() const { return deliverable_; }
    /// Dispatches the highest vector, or the spurious vector if none is deliverable any more (LA 4.3).
    AcknowledgedInterrupt acknowledge(Time at);
    /// Cause of the highest vector in IRR; none if IRR is empty.
    Cause pending_cause() const { return cause_of(irr_.highest()); }
    /// Cause of the accept that set the IRR bit of `vector`; none if it is not set.
    Cause cause_of(std::uint8_t vector) const;
    /// The EOI register (LA 4.4).
    void eoi(Time at, Cause cause = {});
    /// The TPR register, or CR8 shifted left by 4.
    void write_tpr(Time at, std::uint8_t tpr);
    std::uint8_t tpr() const { return tpr_; }
    std::uint8_t ppr() const { return ppr_; }
    std::uint8_t cr8() const { return tpr_ >> 4; }
    const VectorSet& irr() const { return irr_; }
    const VectorSet& isr() const { return isr_; }
    const VectorSet& tmr() const { return tmr_; }

    /// Access to the MMIO window: 32 bits at `offset` (0 to 0xFFF).
    ApicRead read_mmio(Time at, std::uint32_t offset);
    AccessFault write_mmio(Time at, std::uint32_t offset, std::uint32_t value, Cause cause);
    /// Access to IA32_APIC_BASE, TSC_DEADLINE and the x2APIC MSRs.
    ApicRead read_msr(Time at, std::uint32_t msr);
    AccessFault write_msr(Time at, std::uint32_t msr, std::uint64_t value, Cause cause);
    /// Access by xAPIC offset in whichever way the mode asks for.
    ApicRead read(Time at, std::uint32_t offset);
    AccessFault write(Time at, std::uint32_t offset, std::uint64_t value, Cause cause);
    /// The CPU executed a store fence: earlier MMIO writes come before later MSR writes (LA 3.4).
    void fence() { lvt_posted_until_ = kBoot; }

    const LocalApicTimer& timer() const { return timer_; }
    /// Must be called before the timer is used in TSC-deadline mode.
    void set_deadline_clock(const DeadlineClock& clock) { timer_.set_deadline_clock(clock); }
    /// The deadline clock's mapping to virtual time is another from `at` on (LA 3.4, TC 2).
    void deadline_clock_changed(Time at, Cause cause = {});
    /// The CPU commits to a state that stops the timer, and comes out of it (LA 10). The CPU decides which states do.
    void freeze(Time at);
    void thaw(Time at);
    /// LA-F9.
    bool stops_in_c1() const { return fault(ApicFault::kTimerStopsInC1) != 0; }

    /// The CPU is off-line: fixed interrupts are dropped (LA 6). Ends with a start-up IPI too.
    void set_offline(bool offline) { offline_ = offline; }
    /// Whether a start-up IPI would start the CPU.
    bool waiting_for_start_up() const { return waiting_for_start_up_; }
    /// Power-on state; everything is lost (S3).
    void power_on_reset(Time at);
    /// The CPU is suspended to RAM: the timer loses its LVT entry, divide value, count and deadline (LA 10). The
    /// registers that software writes at each start anyway stay, and so does IRR: devices are taken to ask again.
    void lose_timer(Time at);

    /// A local source (thermal, performance, CMCI, LINT pins) raises its LVT entry. Not for the timer.
    void raise_lvt(Time at, LvtEntry entry, Cause cause);
    std::uint32_t lvt(LvtEntry entry) const { return lvt_[static_cast<unsigned>(entry)]; }

    /// Takes a message at its arrival. Called by the bus alone.
    void accept(Time at, const ApicMessage& message);
    /// Whether a logical destination of 8 (or, from x2APIC, 32) bits means this APIC (LA 6).
    bool matches_logical(std::uint32_t destination) const;
    /// Counts and records an interrupt that came to nothing here.
    void lose(Time at, std::uint8_t vector, LostReason reason, Cause cause);

    /// Sets a fault of this CPU (LA 15); called through ApicBus::set_fault().
    void set_fault(Time at, ApicFault fault, std::int64_t value, Cause cause);

    /// The timer's event. Called by the engine alone.
    void due(Time at) override;

    /// The invariant that is broken ("LA-I3 ..."); empty if all hold.
    std::string_view check_invariants() const;

private:
    friend class ApicBus;
    struct Register;
    struct PendingCause {
        std::uint8_t vector;
        Cause cause;
    };

    static const std::array<Register, 64>& registers();
    std::uint64_t read_id(Time at, unsigned index) const;
    std::uint64_t read_version(Time at, unsigned index) const;
    std::uint64_t read_tpr(Time at, unsigned index) const;
    std::uint64_t read_ppr(Time at, unsigned index) const;
    std::uint64_t read_ldr(Time at, unsigned index) const;
    std::uint64_t read_dfr(Time at, unsigned index) const;
    std::uint64_t read_svr(Time at, unsigned index) const;
    std::uint64_t read_vectors(Time at, unsigned index) const;
    std::uint64_t read_esr(Time at, unsigned index) const;
    std::uint64_t read_icr(Time at, unsigned index) const;
    std::uint64_t read_icr_high(Time at, unsigned index) const;
    std::uint64_t read_lvt(Time at, unsigned index) const;
    std::uint64_t read_timer(Time at, unsigned index) const;
    AccessFault write_tpr_register(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_eoi(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_ldr(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_dfr(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_svr(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_esr(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_icr(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_icr_high(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_lvt(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_lvt_timer(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_initial_count(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_divide(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_self_ipi(Time at, unsigned index, std::uint64_t value, Cause cause);
    AccessFault write_base(Time at, std::uint64_t value, Cause cause);
    AccessFault write_deadline(Time at, std::uint64_t value, Cause cause);
    std::uint64_t writable_bits(const Register& r, unsigned index) const;
    std::uint64_t base() const;

    std::uint32_t& lvt_word(LvtEntry entry) { return lvt_[static_cast<unsigned>(entry)]; }
    std::uint32_t logical_id() const;
    std::int64_t fault(ApicFault f) const { return faults_[static_cast<unsigned>(f)]; }
    void hit(Time at, ApicFault f, Cause cause);
    void send(Time at, std::uint64_t icr, Cause cause);
    void note_error(Time at, std::uint32_t esr_bits, Cause cause);
    void accept_fixed(Time at, std::uint8_t vector, bool level, Cause cause);
    void accept_signal(Time at, const ApicMessage& message);
    void accept_start_up(Time at, std::uint8_t vector, Cause cause);
    /// Takes the cause of `vector` out of the pending ones.
    Cause take_cause(std::uint8_t vector);
    void update(Time at);
    void settle(Time at);
    void timer_event(Time at);
    void program_timer();
    void timer_written(Time at, std::uint64_t value, bool was_armed, Time old_event_at, Cause cause);
    void reset(Time at, Cause cause);
    void record_state(Time at, Cause cause);

    ApicBus& bus_;
    Engine& engine_;
    RecordStream& records_;
    LocalApicClient& client_;
    Emitter emitter_;
    SourceIndex source_;
    CpuId cpu_;
    bool deliverable_ = false;
    bool glitch_ = false;  // LA-F5: the interrupt line is up with nothing behind it
    bool offline_ = false;
    bool waiting_for_start_up_;
    Mode mode_ = Mode::kXapic;
    std::uint8_t tpr_ = 0;
    std::uint8_t ppr_ = 0;
    std::uint8_t in_service_ = 0;  // handlers that have not written EOI (LA-I3)
    std::uint32_t svr_ = apic::kSvrReset;
    VectorSet irr_;
    VectorSet isr_;
    VectorSet tmr_;
    std::vector<PendingCause> pending_;
    LocalApicTimer timer_;
    Cause timer_cause_;
    std::array<std::uint32_t, kLvtCount> lvt_{};
    std::uint32_t ldr_ = 0;
    std::uint32_t dfr_ = apic::kDfrFlat;
    std::uint32_t esr_ = 0;
    std::uint32_t esr_noted_ = 0;
    std::uint64_t icr_ = 0;
    std::uint64_t base_address_ = apic::kBaseAddressReset;
    Time icr_accepted_at_ = kBoot;
    Time lvt_posted_until_ = kBoot;
    std::array<std::int64_t, kApicFaults.size()> faults_{};
    LocalApicCounters counters_;
};

static_assert(sizeof(LocalApic) <= 1024);

}  // namespace ticklab::sim
