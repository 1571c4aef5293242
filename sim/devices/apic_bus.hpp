// The interrupt message bus: from senders to local APICs (LA 6, LA 7, LA 8).
//
// Rules
//  - A message is addressed when it is sent and takes effect at the target when it arrives, a flight time later.
//  - Each CPU has one source of class kArrival, its slot the CPU's number, armed for the earliest message in flight to
//    it.
//  - Equal arrivals at one CPU take effect in the order of sending (LA-D6). Messages of one vector collapse in IRR, not
//    here.
//  - The timer's path is the hottest of the simulator: one push into a ring and one arrival a tick, no allocation.
//  - The number in flight to a CPU is bounded; a message beyond the bound is lost and overflowed() says so, for a
//    verdict.
#pragma once

#include <cstdint>
#include <vector>

#include "ticklab/sim/devices/apic_faults.hpp"
#include "ticklab/sim/devices/apic_flight_queue.hpp"
#include "ticklab/sim/devices/apic_message.hpp"
#include "ticklab/sim/devices/apic_parameters.hpp"
#include "ticklab/sim/engine.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::sim {

class IoApic;
class LocalApic;

/// Extra flight time of a message, for seeded jitter (LA 7).
class FlightJitter {
public:
    virtual ~FlightJitter() = default;
    /// Not negative. Asked once for each IPI, MSI and I/O APIC message to each target, in the order of sending.
    virtual Duration extra(Time at, CpuId target, MessageSource source, const Cause& cause) = 0;
};

/// Told of a message that was lost because too many were in flight (MA 3.5).
class QueueWatcher {
public:
    virtual ~QueueWatcher() = default;
    virtual void queue_full(CpuId target, const Cause& cause) = 0;
};

/// What one ICR write asks for.
struct IpiRequest {
    ApicDestination destination;
    Shorthand shorthand = Shorthand::kNone;
    DeliveryMode mode = DeliveryMode::kFixed;
    std::uint8_t vector = 0;
};

class ApicBus : private ActivityHandler {
public:
    /// `node_of_cpu` has an entry for each CPU; its size is the number of CPUs. No kArrival source exists yet in
    /// `engine`.
    ApicBus(Engine& engine, RecordStream& records, const ApicParameters& parameters,
            std::vector<std::uint16_t> node_of_cpu);
    ApicBus(const ApicBus&) = delete;
    ApicBus& operator=(const ApicBus&) = delete;

    /// Connects the local APIC of a CPU; called by its constructor.
    void attach(LocalApic& local_apic);
    /// Connects an I/O APIC; called by its constructor.
    void attach(IoApic& io_apic) { io_apics_.push_back(&io_apic); }

    const ApicParameters& parameters() const { return parameters_; }
    Engine& engine() const { return engine_; }
    RecordStream& records() const { return records_; }
    CpuId cpu_count() const { return static_cast<CpuId>(lanes_.size()); }
    LocalApic& local_apic(CpuId cpu) const { return *lanes_[cpu].local_apic; }

    /// Sends what an ICR write at `at` asks for. Returns when the last target will have accepted; `at` if there is
    /// none.
    Time send_ipi(Time at, LocalApic& sender, const IpiRequest& request, Cause cause);
    /// A device writes `data` to `address` (LA 8). False if that is ordinary memory.
    bool send_message(Time at, std::uint64_t address, std::uint32_t data, Cause cause);
    /// A device will write elsewhere from now on: LA-F3 loses its edges that are in flight.
    void retarget_message(Time at, std::uint64_t old_address, std::uint32_t old_data);
    /// The message of a redirection entry, low word `entry` (LA 9).
    void send_io_apic(Time at, const ApicDestination& destination, std::uint32_t entry, Cause cause);
    void retarget_io_apic(Time at, const ApicDestination& old_destination, std::uint8_t vector);
    /// The timer of `cpu` had its event: the vector is in IRR timer_fly later.
    void timer_interrupt(Time at, CpuId cpu, std::uint8_t vector, const Cause& cause) {
        ApicMessage message{at + parameters_.timer_fly, cause, kNoCpu, vector, DeliveryMode::kFixed,
                            MessageSource::kTimer,      false};
        fly(lanes_[cpu], message);
    }
    /// A local APIC's EOI of a level vector, to all I/O APICs.
    void broadcast_eoi(Time at, std::uint8_t vector, Cause cause);

    /// Messages in flight to `cpu`.
    std::uint32_t in_flight(CpuId cpu) const { return lanes_[cpu].queue.size(); }
    /// Messages that matched no local APIC (LA-D5).
    std::uint64_t no_target() const { return no_target_; }
    /// Interrupts that came to nothing, for any reason, on all CPUs.
    std::uint64_t lost() const;
    /// A CPU whose bound of messages in flight was reached; kNoCpu if there was none.
    CpuId overflowed() const { return overflowed_; }

    /// Sets a fault (LA 15) of `cpu`, or of the whole machine where the table says so. `value` is in the fault's unit;
    /// 0 switches it off. False, and nothing done, if the value is out of its unit's range.
    bool set_fault(Time at, ApicFault fault, CpuId cpu, std::int64_t value, Cause cause);
    /// The next `count` fixed interrupt messages to `cpu` vanish, those of its timer included.
    void lose_next(CpuId cpu, std::uint32_t count) { lanes_[cpu].lose_left += count; }
    /// The next `count` of them arrive `by` later.
    void delay_next(CpuId cpu, Duration by, std::uint32_t count) {
        lanes_[cpu].late_left = count;
        lanes_[cpu].late_by = by;
    }
    void set_flight_jitter(FlightJitter* jitter) { jitter_ = jitter; }
    void set_queue_watcher(QueueWatcher* watcher) { queue_watcher_ = watcher; }

    /// Index of the name of a delivery mode, a reason, a mode or a fault, for records.
    std::uint64_t name(DeliveryMode mode) const { return mode_names_[static_cast<unsigned>(mode)]; }
    std::uint64_t name(LostReason reason) const { return reason_names_[static_cast<unsigned>(reason)]; }
    std::uint64_t timer_mode_name(unsigned mode) const { return timer_mode_names_[mode]; }
    std::uint64_t apic_mode_name(unsigned mode) const { return apic_mode_names_[mode]; }
    std::uint64_t name(ApicFault fault) const { return fault_names_[static_cast<unsigned>(fault)]; }

    /// The invariant that is broken; empty if all hold. Looks at one CPU's messages in flight.
    std::string_view check_invariants(CpuId cpu) const;

private:
    /// One CPU as a target.
    struct Lane final : ActivityHandler {
        ApicBus* bus = nullptr;
        LocalApic* local_apic = nullptr;
        SourceIndex source = kNoSource;
        std::uint16_t node = 0;
        Time armed = kNever;
        Duration ipi_delay{};  // LA-F6
        std::uint32_t lose_left = 0;
        std::uint32_t late_left = 0;
        Duration late_by{};
        ApicFlightQueue queue;

        void due(Time at) override { bus->deliver(*this, at); }
    };

    void due(Time at) override;
    void fly(Lane& lane, const ApicMessage& message) {
        if ((lane.lose_left | lane.late_left) != 0 && message.mode == DeliveryMode::kFixed) [[unlikely]]
            disturb(lane, message);
        else
            enqueue(lane, message);
    }
    void disturb(Lane& lane, ApicMessage message);
    void enqueue(Lane& lane, const ApicMessage& message) {
        if (!lane.queue.push(message)) [[unlikely]] {
            overflow(lane, message);
            return;
        }
        if (message.arrival < lane.armed) {
            lane.armed = message.arrival;
            engine_.arm(lane.source, message.arrival);
        }
    }
    void overflow(Lane& lane, const ApicMessage& message);
    void deliver(Lane& lane, Time at);
    template <class Visitor>
    void for_each_target(const ApicDestination& destination, Visitor visit);
    template <class Visitor>
    void for_each_ipi_target(const LocalApic& sender, const IpiRequest& request, Visitor visit);
    Lane* lowest_priority_target(const ApicDestination& destination);
    Duration jitter(Time at, CpuId target, MessageSource source, const Cause& cause) {
        return jitter_ ? jitter_->extra(at, target, source, cause) : Duration::zero();
    }
    ApicDestination message_destination(std::uint64_t address) const;
    void send_from_device(Time at, const ApicDestination& destination, std::uint32_t bits, MessageSource source,
                          Cause cause);
    void lose_in_flight(Time at, const ApicDestination& destination, std::uint8_t vector, MessageSource source);

    Engine& engine_;
    RecordStream& records_;
    ApicParameters parameters_;
    std::vector<Lane> lanes_;
    std::vector<IoApic*> io_apics_;
    Emitter emitter_;
    FlightJitter* jitter_ = nullptr;
    QueueWatcher* queue_watcher_ = nullptr;
    bool lost_edge_at_retarget_ = false;
    CpuId overflowed_ = kNoCpu;
    std::uint64_t no_target_ = 0;
    std::array<std::uint64_t, kDeliveryModeCount> mode_names_{};
    std::array<std::uint64_t, kLostReasonCount> reason_names_{};
    std::array<std::uint64_t, 4> timer_mode_names_{};
    std::array<std::uint64_t, 3> apic_mode_names_{};
    std::array<std::uint64_t, kApicFaults.size()> fault_names_{};
};

}  // namespace ticklab::sim
