// What a comparison wants to know of a run that no counter of the machine has, gathered from committed records.
//
// Rules
//  - A pure observer; knows the machine's records and lab/'s, no kernel's.
//  - A CPU is in the kernel while it is on-line, does not sleep (the exit latency included), is not in user mode, not
//    held or stalled, and not in the body of a timer's callback; the verbs that a callback performs count as kernel.
//  - Off-line CPUs hinder no package from sleeping.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "ticklab/lab/compare/package_idle.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::lab {

class RunWatch final : public sim::RecordConsumer {
public:
    explicit RunWatch(const sim::MachineConfig& config);
    /// Before the run starts.
    void watch(sim::Machine& machine);
    void consume(std::span<const sim::Record> batch) override;
    /// Once, when the run has ended at `at`.
    void finish(sim::Time at);

    /// Targets of all messages that CPUs sent to CPUs.
    std::uint64_t ipis() const { return ipis_; }
    /// Writes that armed or stopped the timer of a local APIC, and writes to the HPET.
    std::uint64_t timer_writes() const { return timer_writes_; }
    /// Once finished.
    sim::Duration package_idle() const { return package_idle_; }
    sim::Duration kernel_time() const { return kernel_time_; }

private:
    enum class Doing : std::uint8_t { kKernel, kIdle, kUser, kHeld, kCallback };
    struct PerCpu {
        std::vector<Doing> frames;  ///< innermost last; none is the kernel
        sim::Time since = sim::kBoot;
        bool offline = false;
    };
    struct Edge;
    static const Edge* edge_of(const sim::RecordKind& kind);

    void account(PerCpu& cpu, sim::Time at);
    void frame(PerCpu& cpu, const sim::Record& record, const Edge& edge);
    void consume(const sim::Record& record);
    sim::Duration exit_latency(std::uint64_t c_state_name) const;

    std::vector<sim::CState> c_states_;
    std::vector<std::pair<std::uint64_t, sim::Duration>> exit_latencies_;  ///< by name of the C-state
    std::vector<PerCpu> cpus_;
    PackageIdle package_;
    std::uint64_t ipis_ = 0;
    std::uint64_t timer_writes_ = 0;
    sim::Duration package_idle_{};
    sim::Duration kernel_time_{};
};

}  // namespace ticklab::lab
