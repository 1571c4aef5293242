// An HPET on an engine of its own, with everything it raises kept in a list.
#pragma once

#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <vector>

#include "ticklab/sim/devices/hpet.hpp"
#include "ticklab/sim/devices/hpet_records.hpp"

namespace ticklab::sim {

/// The period of a 32-bit counter, in ticks.
inline constexpr std::uint64_t kWrap32 = std::uint64_t{1} << 32;

/// Something the block raised. `what` is "edge", "raise", "drop", "message", "legacy on" or "legacy off".
struct HpetOutput {
    Time at;
    std::string what;
    std::uint64_t target = 0;  ///< pin, or address of a message
    unsigned timer = 0;
    std::uint32_t data = 0;

    friend bool operator==(const HpetOutput&, const HpetOutput&) = default;
    friend std::ostream& operator<<(std::ostream& out, const HpetOutput& o) {
        return out << o.what << "(timer " << o.timer << ", target " << o.target << ", data " << o.data << ") at "
                   << ps(o.at) << " ps";
    }
};

struct HpetOutputs : HpetSink {
    std::vector<HpetOutput> seen;
    std::vector<HpetOutput> retargets;
    Cause last_cause;

    void set_line(Time at, unsigned timer, unsigned pin, bool asserted, Cause cause) override {
        seen.push_back({at, asserted ? "raise" : "drop", pin, timer, 0});
        last_cause = cause;
    }
    void pulse(Time at, unsigned timer, unsigned pin, Cause cause) override {
        seen.push_back({at, "edge", pin, timer, 0});
        last_cause = cause;
    }
    void send_message(Time at, std::uint64_t address, std::uint32_t data, Cause cause) override {
        seen.push_back({at, "message", address, 0, data});
        last_cause = cause;
    }
    void retarget_message(Time at, std::uint64_t old_address, std::uint32_t old_data) override {
        retargets.push_back({at, "retarget", old_address, 0, old_data});
    }
    void set_legacy_routing(Time at, bool on, Cause cause) override {
        seen.push_back({at, on ? "legacy on" : "legacy off", 0, 0, 0});
        last_cause = cause;
    }
};

/// Keeps committed records that a test asks about.
struct HpetRecords : RecordConsumer {
    struct Kept {
        const RecordKind* kind;
        Time at;
        RecordId id;
        RecordId cause;
        std::vector<std::uint64_t> operands;
    };
    std::vector<Kept> kept;
    void consume(std::span<const Record> batch) override {
        for (const Record& r : batch)
            kept.push_back({r.kind, r.at, r.id, r.cause, {r.operands.begin(), r.operands.end()}});
    }
};

struct HpetBench {
    Engine engine;
    RecordStream records;
    HpetRecords kept;
    HpetOutputs outputs;
    Hpet hpet;
    Time now = kBoot;

    explicit HpetBench(const HpetParams& params = HpetParams{}) : hpet(engine, records, outputs, params) {
        records.add_consumer(kept);
    }

    /// Performs everything up to and including `until`, checking the invariants after each activity.
    void run_until(Time until) {
        while (engine.earliest().at <= until) {
            const Time at = engine.earliest().at;
            const SourceIndex s = engine.take();
            engine.handler(s).due(at);
            check();
        }
        now = until;
    }
    /// The first instant at which a counter that was enabled at `from` has made `ticks` increments.
    Time tick(Time from, std::uint64_t ticks) const {
        const UInt128 fs = UInt128{ticks} * hpet.params().period_fs;
        return from + Duration{static_cast<std::int64_t>((fs + 999) / 1000)};
    }
    void run_ticks(std::uint64_t ticks) { run_until(tick(now, ticks)); }

    std::uint64_t read(std::uint32_t offset, unsigned bytes = 8) {
        const std::uint64_t value = hpet.read(now, offset, bytes);
        check();
        return value;
    }
    void write(std::uint32_t offset, std::uint64_t value, unsigned bytes = 8, Cause cause = {}) {
        hpet.write(now, offset, value, bytes, cause);
        check();
    }
    void check() const { REQUIRE_MESSAGE(hpet.check_invariants().empty(), hpet.check_invariants()); }

    std::vector<HpetRecords::Kept> records_of(const RecordKind& kind) {
        records.commit(now);
        std::vector<HpetRecords::Kept> found;
        for (const auto& r : kept.kept)
            if (r.kind == &kind)
                found.push_back(r);
        return found;
    }
    std::vector<std::string> diagnostics() {
        std::vector<std::string> names;
        for (const auto& r : records_of(kHpetDiagnostic))
            names.emplace_back(records.name(r.operands[0]));
        return names;
    }
};

inline constexpr std::uint32_t kCapabilities = 0x000;
inline constexpr std::uint32_t kConfig = 0x010;
inline constexpr std::uint32_t kStatus = 0x020;
inline constexpr std::uint32_t kCounter = 0x0f0;
constexpr std::uint32_t timer_config(unsigned n) { return 0x100 + 0x20 * n; }
constexpr std::uint32_t timer_comparator(unsigned n) { return 0x108 + 0x20 * n; }
constexpr std::uint32_t timer_fsb(unsigned n) { return 0x110 + 0x20 * n; }
constexpr std::uint64_t route(unsigned pin) { return std::uint64_t{pin} << hpet_timer_bits::kRouteShift; }

}  // namespace ticklab::sim
