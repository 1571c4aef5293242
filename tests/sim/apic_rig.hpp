// A machine of local APICs with CPUs that only note what they are told, for the tests of the interrupt hardware.
#pragma once

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/sim/devices/apic_bus.hpp"
#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/devices/io_apic.hpp"
#include "ticklab/sim/devices/local_apic.hpp"
#include "ticklab/sim/engine.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::sim::test {

constexpr Time at_ps(std::int64_t t) { return kBoot + Duration{t}; }
constexpr Time at_ns(std::int64_t t) { return kBoot + std::chrono::nanoseconds{t}; }

/// Draws from low..high-1, the whole range from the first try on. (rc::gen::inRange alone starts near `low`.)
template <class T>
T pick(T low, T high) {
    return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(low, high));
}

inline constexpr std::uint8_t kTimerVector = 0xec;

/// A TSC of `ps_per_tick` that stood at `offset` at boot.
class ManualClock : public DeadlineClock {
public:
    Time first_at(std::uint64_t tsc) const override {
        if (stopped)
            return tsc <= offset ? kBoot : kNever;
        return tsc <= offset ? kBoot : kBoot + Duration{static_cast<std::int64_t>((tsc - offset) * ps_per_tick)};
    }
    std::uint64_t read(Time at) const override {
        return offset + (stopped ? 0 : static_cast<std::uint64_t>(ps(at)) / ps_per_tick);
    }

    std::uint64_t offset = 0;
    std::uint64_t ps_per_tick = 1000;
    bool stopped = false;
};

/// A record as it was committed.
struct KeptRecord {
    Time at;
    const RecordKind* kind;
    CpuId cpu;
    RecordId id;
    RecordId cause;
    std::vector<std::uint64_t> operands;
};

class ApicRig : private RecordConsumer {
public:
    struct FakeCpu : LocalApicClient {
        void interrupt_ready(Time at) override { ready.push_back(at); }
        void nmi(Time at, Cause cause) override {
            nmis.push_back(at);
            last_cause = cause;
        }
        void smi(Time at, Cause) override { smis.push_back(at); }
        void init(Time at) override { inits.push_back(at); }
        void start_up(Time at, std::uint8_t vector, Cause) override {
            start_ups.push_back(at);
            start_vector = vector;
        }

        std::vector<Time> ready, nmis, smis, inits, start_ups;
        std::uint8_t start_vector = 0;
        Cause last_cause;
    };

    explicit ApicRig(CpuId cpu_count = 1, const ApicParameters& parameters = {},
                     std::vector<std::uint16_t> node_of_cpu = {})
        : bus(engine, records, parameters,
              node_of_cpu.empty() ? std::vector<std::uint16_t>(cpu_count) : std::move(node_of_cpu)),
          io_apic(bus),
          cpus(cpu_count) {
        for (CpuId cpu = 0; cpu < cpu_count; ++cpu) {
            apics.emplace_back(bus, cpu, cpus[cpu]);
            apics.back().set_deadline_clock(tsc);
        }
        records.add_consumer(*this);
    }

    /// Performs every activity up to and including `until`.
    void run(Time until) {
        while (engine.earliest().at <= until) {
            const SourceIndex s = engine.take();
            engine.handler(s).due(engine.now());
            check();
        }
    }
    /// Every invariant holds.
    void check() {
        for (CpuId cpu = 0; cpu < bus.cpu_count(); ++cpu) {
            REQUIRE(std::string(apics[cpu].check_invariants()) == "");
            REQUIRE(std::string(bus.check_invariants(cpu)) == "");
        }
        REQUIRE(std::string(io_apic.check_invariants()) == "");
    }
    /// Writes a register by its xAPIC offset, in whichever mode; it must be allowed.
    void write(CpuId cpu, Time at, std::uint32_t offset, std::uint64_t value, Cause cause = {}) {
        REQUIRE(apics[cpu].write(at, offset, value, cause) == AccessFault::kNone);
        check();
    }
    void write_msr(CpuId cpu, Time at, std::uint32_t msr, std::uint64_t value) {
        REQUIRE(apics[cpu].write_msr(at, msr, value, {}) == AccessFault::kNone);
        check();
    }
    std::uint64_t read(CpuId cpu, Time at, std::uint32_t offset) {
        const ApicRead r = apics[cpu].read(at, offset);
        REQUIRE(r.fault == AccessFault::kNone);
        return r.value;
    }
    /// Software-enables the APICs of all CPUs, spurious vector 0xFF.
    void enable_all(Time at) {
        for (CpuId cpu = 0; cpu < bus.cpu_count(); ++cpu)
            write(cpu, at, apic::kSvr, apic::kSvrEnable | 0xff);
    }
    void x2apic_all(Time at) {
        for (CpuId cpu = 0; cpu < bus.cpu_count(); ++cpu)
            write_msr(cpu, at, apic::kMsrBase, apic::kBaseAddressReset | apic::kBaseEnable | apic::kBaseX2apic);
    }
    /// A fixed interrupt arrives now.
    void accept(CpuId cpu, Time at, std::uint8_t vector, bool level = false, Cause cause = {}) {
        ApicMessage message;
        message.arrival = at;
        message.cause = cause;
        message.vector = vector;
        message.level = level;
        apics[cpu].accept(at, message);
        check();
    }
    /// Dispatches and returns the vector.
    unsigned acknowledge(CpuId cpu, Time at) {
        const unsigned vector = apics[cpu].acknowledge(at).vector;
        check();
        return vector;
    }
    void eoi(CpuId cpu, Time at) {
        apics[cpu].eoi(at);
        check();
    }

    /// The records committed so far of one kind.
    std::vector<KeptRecord> kept(const RecordKind& kind) {
        records.commit(kNever);
        std::vector<KeptRecord> found;
        for (const KeptRecord& r : all)
            if (r.kind == &kind)
                found.push_back(r);
        return found;
    }
    std::vector<std::int64_t> instants_ps(const RecordKind& kind) {
        std::vector<std::int64_t> found;
        for (const KeptRecord& r : kept(kind))
            found.push_back(ps(r.at));
        return found;
    }
    unsigned lost(CpuId cpu, LostReason reason) const {
        return apics[cpu].counters().lost[static_cast<unsigned>(reason)];
    }

    Engine engine;
    RecordStream records;
    ManualClock tsc;
    ApicBus bus;
    IoApic io_apic;
    std::vector<FakeCpu> cpus;
    std::deque<LocalApic> apics;
    std::vector<KeptRecord> all;

private:
    void consume(std::span<const Record> batch) override {
        for (const Record& r : batch)
            all.push_back({r.at, r.kind, r.cpu, r.id, r.cause, {r.operands.begin(), r.operands.end()}});
    }
};

/// LVT timer entry.
constexpr std::uint32_t lvt_timer(ApicTimerMode mode, std::uint8_t vector = kTimerVector, bool masked = false) {
    return vector | static_cast<std::uint32_t>(mode) << apic::kLvtTimerModeShift | (masked ? apic::kLvtMasked : 0);
}

}  // namespace ticklab::sim::test
