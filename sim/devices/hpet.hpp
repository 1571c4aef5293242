// The High Precision Event Timer block (HP 1 to 7): one up-counter and 3 to 32 comparators behind memory-mapped
// registers.
//
// Rules
//  (1) Every operation carries the instant at which it takes effect, not before engine.now(). Matches due by then are
//      performed first, so an operation finds the registers as they are at its instant.
//  (2) One source of the engine a comparator, armed for the exact tick: the first picosecond at which the counter
//      reads the comparator's value (HP-P1). With the counter halted none is armed (HP-I5).
//  (3) A match is caused by the register write that armed it; what it raises is caused by the match.
//  (4) The price of an access is the CPU's, not the block's.
//
// HP-I1 the counter does not go back between writes, but for its wrap.   HP-I2 one match a timer and instant of
// equality. HP-I3 VAL_SET reads 0.   HP-I4 a level line is asserted as HP 5 says.   HP-I5 no event while halted. HP-I6
// the armed instant is that of the next match.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "ticklab/sim/devices/hpet_params.hpp"
#include "ticklab/sim/devices/hpet_registers.hpp"
#include "ticklab/sim/devices/hpet_timer.hpp"
#include "ticklab/sim/engine.hpp"
#include "ticklab/sim/linear_clock.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::sim {

/// What the block is wired to. Pins are those of the I/O APIC.
class HpetSink {
public:
    virtual ~HpetSink() = default;
    /// The level line of `timer` at `pin` changed. Lines of several timers at one pin are OR-ed.
    virtual void set_line(Time at, unsigned timer, unsigned pin, bool asserted, Cause cause) = 0;
    /// An active edge of `timer` at `pin`.
    virtual void pulse(Time at, unsigned timer, unsigned pin, Cause cause) = 0;
    /// A message written to the bus (FSB delivery, LA 8).
    virtual void send_message(Time at, std::uint64_t address, std::uint32_t data, Cause cause) = 0;
    /// A timer that sends messages will write elsewhere from now on.
    virtual void retarget_message(Time at, std::uint64_t old_address, std::uint32_t old_data) = 0;
    /// Legacy replacement went on or off: while on, the PIT is cut off pin 2 and the RTC off pin 8.
    virtual void set_legacy_routing(Time at, bool on, Cause cause) = 0;
};

class Hpet {
public:
    static constexpr unsigned kLegacyPinTimer0 = 2;
    static constexpr unsigned kLegacyPinTimer1 = 8;
    /// Bytes of the register window.
    static constexpr std::uint32_t kWindow = 1024;

    /// Throws std::invalid_argument with HpetParams::problem(). All arguments but `params` outlive the block.
    Hpet(Engine& engine, RecordStream& records, HpetSink& sink, const HpetParams& params);
    Hpet(const Hpet&) = delete;
    Hpet& operator=(const Hpet&) = delete;

    /// Reads `bytes` (4 or 8, aligned) at `offset`; anything else reads 0 and leaves a diagnostic (HP-D2).
    std::uint64_t read(Time at, std::uint32_t offset, unsigned bytes);
    /// Writes likewise; anything else is ignored and leaves a diagnostic.
    void write(Time at, std::uint32_t offset, std::uint64_t value, unsigned bytes, Cause cause);

    /// Power-on state (HP 6): also what S3 leaves.
    void reset(Time at, Cause cause);

    /// Sets a fault to a value in the range of its declaration, else throws std::invalid_argument; 0 takes it back.
    void set_fault(Time at, HpetFault fault, std::int64_t value, Cause cause);

    /// The package went into, or comes out of, a state that stops the block (HPET-08): the counter stands still.
    void freeze(Time at);
    void thaw(Time at);

    const HpetParams& params() const { return params_; }
    unsigned timer_count() const { return static_cast<unsigned>(slots_.size()); }
    /// The main counter, without an access.
    std::uint64_t counter(Time at) const { return counter_.read(at); }
    bool enabled() const { return (config_ & hpet::kEnable) != 0; }
    bool legacy_routing() const { return (config_ & hpet::kLegacyRouting) != 0; }
    const HpetTimer& timer(unsigned n) const { return slots_[n].timer; }
    bool line(unsigned n) const { return slots_[n].line; }
    /// The next event of a timer's comparator, kNever for none.
    Time next_event(unsigned n) const { return engine_.armed_for(slots_[n].source); }

    /// The first broken invariant of HP 7 as of the last operation; empty if all hold.
    std::string check_invariants() const;

private:
    /// A timer with its wiring.
    struct Slot final : ActivityHandler {
        Slot(Hpet& hpet_, unsigned index_) : hpet(hpet_), index(index_), timer(hpet_.params_, index_, hpet_.faults_) {}
        void due(Time at) override { hpet.perform(*this, at); }

        Hpet& hpet;
        unsigned index;
        SourceIndex source = kNoSource;
        HpetTimer timer;
        bool line = false;
        unsigned line_pin = 0;
        Cause armed_by;  ///< the write that armed the comparator
    };

    /// An access to an existing register: `lanes` are the bits of it that are meant, `value` is in place.
    struct Access {
        Time at;
        std::uint32_t offset;
        unsigned bytes;
        std::uint64_t value;
        std::uint64_t lanes;
        Slot* slot;  ///< null for a register of the block
        Cause cause;
    };
    struct Register {
        std::uint32_t offset;  ///< in the window, or in the registers of one timer
        std::uint64_t (Hpet::*read)(const Access&);
        void (Hpet::*write)(const Access&);  ///< null if it can only be read
    };
    static const Register kBlockRegisters[];
    static const Register kTimerRegisters[];
    const Register* find(Access& access);

    std::uint64_t read_capabilities(const Access&);
    std::uint64_t read_config(const Access&) { return config_; }
    std::uint64_t read_status(const Access&) { return status_; }
    std::uint64_t read_counter(const Access& a);
    std::uint64_t read_timer_config(const Access& a) { return a.slot->timer.config(); }
    std::uint64_t read_comparator(const Access& a) { return a.slot->timer.read_comparator(); }
    std::uint64_t read_fsb(const Access& a) { return a.slot->timer.fsb(); }
    void write_config(const Access& a);
    void write_status(const Access& a);
    void write_counter(const Access& a);
    void write_timer_config(const Access& a);
    void write_comparator(const Access& a);
    void write_fsb(const Access& a);

    bool readable(Time at) const { return at - reset_at_ >= Duration{fault(HpetFault::kNotReady)}; }
    /// Whether the counter stands still although it is enabled.
    bool stopped() const { return frozen_ || fault(HpetFault::kDeadCounter) != 0; }
    std::int64_t fault(HpetFault f) const { return faults_[static_cast<std::size_t>(f)]; }
    void settle(Time at);
    void perform(Slot& slot, Time at);
    void rearm(Slot& slot, Time at);
    void rearm_all(Time at);
    void run_or_halt(Time at);
    void deliver(Slot& slot, Time at, std::uint64_t compared);
    unsigned pin_of(const Slot& slot) const;
    bool line_wanted(const Slot& slot) const;
    void update_lines(Time at, Cause cause);
    void set_line(Slot& slot, Time at, unsigned pin, bool asserted, Cause cause);
    void diagnose(const Access& access, HpetDiagnostic d);
    void diagnose(Time at, HpetDiagnostic d, std::uint32_t offset, unsigned bytes, std::uint64_t value, Cause cause);
    Cause caused(RecordId record, Cause cause) const { return {record, cause.root}; }

    Engine& engine_;
    RecordStream& records_;
    HpetSink& sink_;
    HpetParams params_;
    HpetFaultValues faults_{};
    LinearClock counter_;
    std::uint64_t config_ = 0;
    std::uint64_t status_ = 0;
    Time reset_at_ = kBoot;
    bool frozen_ = false;
    Time last_at_ = kBoot;  ///< instant of the last operation or match
    std::deque<Slot> slots_;
    Emitter emitter_;
    struct {
        std::uint64_t none, message, level, edge;
    } delivery_names_;
};

}  // namespace ticklab::sim
