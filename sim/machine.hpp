// The machine: CPUs, devices, threads and memory on one engine, running one kernel.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/sim/arena.hpp"
#include "ticklab/sim/choices.hpp"
#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/devices/apic_bus.hpp"
#include "ticklab/sim/devices/hpet.hpp"
#include "ticklab/sim/devices/io_apic.hpp"
#include "ticklab/sim/engine.hpp"
#include "ticklab/sim/fiber.hpp"
#include "ticklab/sim/happens_before.hpp"
#include "ticklab/sim/kernel.hpp"
#include "ticklab/sim/lock.hpp"
#include "ticklab/sim/machine_config.hpp"
#include "ticklab/sim/machine_costs.hpp"
#include "ticklab/sim/memory.hpp"
#include "ticklab/sim/rcu.hpp"
#include "ticklab/sim/record_stream.hpp"
#include "ticklab/sim/stall_places.hpp"
#include "ticklab/sim/verdict.hpp"

namespace ticklab::sim {

/// Prices of the machine's own operations, resolved from the cost table at construction.
struct MachinePrices {
    Price cache_hit, cache_transfer, cache_transfer_remote, atomic_rmw, lock_acquire, lock_release;
    Price irq_entry, irq_exit, nmi_entry, apic_read, apic_write, msr_write, ipi_send, mmio_hpet, tsc_read;
    Price thread_switch, memory_barrier, user_entry;
};

/// Why Machine::run() came back.
enum class RunEnd : std::uint8_t { kTime, kVerdict, kBudget, kStopped };

class HotplugController;

/// Most CPUs for which races are checked: the vector clocks grow with the square of their number.
inline constexpr CpuId kMaxRaceCpus = 64;

/// Called at a named site when it is watched: the scenario's triggers.
class SiteWatcher {
public:
    virtual ~SiteWatcher() = default;
    /// `cpu` reached `site`. Returns until when it is held there: kBoot for not at all, kNever until
    /// Machine::release().
    virtual Time reached(Cpu& cpu, const Site& site) = 0;
};

class Machine {
public:
    /// Throws std::invalid_argument with a message that names the missing price or wrong parameter.
    Machine(const MachineConfig& config, Kernel& kernel);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    const MachineConfig& config() const { return config_; }
    const MachinePrices& prices() const { return prices_; }
    Engine& engine() { return engine_; }
    RecordStream& records() { return records_; }
    Choices& choices() { return choices_; }
    Kernel& kernel() { return kernel_; }
    Arena& arena() { return arena_; }
    Rcu& rcu() { return rcu_; }
    HappensBefore& happens_before() { return happens_before_; }
    /// The history of one memory cell under tso and weak; stays to the end of the run, as does what points at it.
    CellHistory& make_cell_history() { return cell_histories_.emplace_back(); }
    LockChecker& lock_checker() { return lock_checker_; }
    ApicBus& apic_bus() { return apic_bus_; }
    IoApic& io_apic() { return io_apic_; }
    Hpet& hpet() { return hpet_; }

    CpuId cpu_count() const { return config_.cpu_count; }
    Cpu& cpu(CpuId id) { return cpus_[id]; }
    const Cpu& cpu(CpuId id) const { return cpus_[id]; }
    std::uint32_t node_of(CpuId id) const { return nodes_[id]; }
    /// Lowest online CPU other than `except`; null if there is none.
    Cpu* first_online(CpuId except = kNoCpu);

    LockClass& lock_class(std::string_view name) { return lock_checker_.make_class(name); }
    const std::vector<SpinLock*>& locks() const { return locks_; }
    /// A price of the kernel's, by name. Throws std::invalid_argument naming it if the cost table has none.
    Price price(std::string_view name) const;
    /// Index of a name for records.
    std::uint64_t intern(std::string_view name) { return records_.intern(name); }

    /// Makes a thread; it runs when woken. Lives as long as the machine. Any context.
    Thread& make_thread(Cpu& cpu, std::string name, ThreadClass thread_class, Thread::Body body);
    /// Queues `work` on the script thread of `cpu` (thread level, wakes an idle CPU) at the present instant. From
    /// device or script activities, or from other CPUs.
    void run_on_thread(CpuId cpu, Cause cause, Thread::Body work);
    /// Runs `work` on `cpu` as an interrupt handler body of its own (no vector).
    void run_in_irq(CpuId cpu, Cause cause, Thread::Body work);
    /// Runs `work` in a new thread of class kHotplug on `cpu`; it may sleep.
    void run_in_control_thread(CpuId cpu, Cause cause, Thread::Body work);

    /// Takes `target` down or up, from a thread on `control` that may sleep (hotplug.md 3, 4). False if it is refused:
    /// the target is in that state already, is the control CPU or the last one online, or a state refused (rolled
    /// back).
    bool cpu_down(Cpu& control, Cpu& target);
    bool cpu_up(Cpu& control, Cpu& target);
    /// Runs `body` on `on` while all other online CPUs spin with interrupts off. From a thread on `control`.
    void stop_machine(Cpu& control, Cpu& on, FunctionRef<void(Cpu&)> body);

    /// A stall of the CPU until `until` (SMI, stolen time): nothing runs on it, interrupts wait. From outside the CPUs.
    void stall(CpuId cpu, Time until);
    /// An NMI from outside the CPUs (a watchdog, a button).
    void raise_nmi(CpuId cpu, Cause cause);
    /// Ends a hold at a site.
    void release(CpuId cpu);
    /// Sets what CPU `cpu` does when its kernel is idle: user mode until `until` (kNever: for ever, kBoot: idle).
    void set_busy(CpuId cpu, Time until);
    Time busy_until(CpuId cpu) const { return busy_until_[cpu]; }

    void set_site_watcher(SiteWatcher* watcher) { site_watcher_ = watcher; }
    SiteWatcher* site_watcher() const { return site_watcher_; }

    /// Runs until `until` (activities at `until` itself included), a verdict, a stop, or `max_steps` activities in all.
    /// May be called again.
    RunEnd run(Time until, std::uint64_t max_steps);
    /// Verdict if a thread has run over the end of its stack; touches every stack, so call it once, at the end.
    void check_stacks();
    /// Asks run() to come back before the next activity. Any context.
    void stop() { stop_requested_ = true; }
    const std::optional<Verdict>& verdict() const { return verdict_; }
    Time now() const { return engine_.now(); }
    /// A verdict found outside the CPUs (oracles): the run stops before the next activity.
    void fail(const CheckDecl& check, std::string message, CpuId cpu = kNoCpu, RecordId record = {});
    /// Energy used so far by all CPUs, in nanojoule, from residency and the configured powers; none while off-line.
    std::uint64_t energy_nj() const;

private:
    friend class Cpu;
    friend class SpinLock;
    friend class Mutex;

    friend void spin_until(Cpu&, CacheLine&, FunctionRef<bool()>, const Cpu*);
    friend class HotplugController;
    class ChoiceTieBreaker;
    /// The HPET's lines to the I/O APIC and its messages to the bus.
    class HpetWiring final : public HpetSink {
    public:
        HpetWiring(IoApic& io_apic, ApicBus& bus) : io_apic_(io_apic), bus_(bus) {}
        void set_line(Time at, unsigned timer, unsigned pin, bool asserted, Cause cause) override;
        void pulse(Time at, unsigned timer, unsigned pin, Cause cause) override;
        void send_message(Time at, std::uint64_t address, std::uint32_t data, Cause cause) override;
        void retarget_message(Time at, std::uint64_t old_address, std::uint32_t old_data) override;
        void set_legacy_routing(Time at, bool on, Cause cause) override;

    private:
        IoApic& io_apic_;
        ApicBus& bus_;
    };

    /// What the message bus asks of the machine: extra flight times by choice, and a verdict when a queue is full.
    class BusWiring final : public FlightJitter, public QueueWatcher {
    public:
        explicit BusWiring(Machine& machine);
        Duration extra(Time at, CpuId target, MessageSource source, const Cause& cause) override;
        void queue_full(CpuId target, const Cause& cause) override;

    private:
        Machine& machine_;
        std::vector<ChoiceContext> flights_;  // a target
    };

    /// Armed just behind the end of a run: a CPU that is alone waits there as well.
    class RunFence final : public ActivityHandler {
        void due(Time) override {}
    };

    void make_runnable(Thread& thread, const Cause& cause);
    StallPlaces& stall_places() { return stall_places_; }
    HotplugController& hotplug() { return *hotplug_; }
    /// Whether a sleep in this C-state counts for HPET-08.
    bool deepest_stops_hpet(unsigned c_state) const {
        return config_.hpet_stops_in_deep_idle && c_state + 1 == config_.c_states.size() &&
               config_.c_states[c_state].deep;
    }
    /// A CPU commits to the deepest C-state, goes off-line, or comes back: with the last one the HPET stops.
    void enter_package_idle(Time at);
    void exit_package_idle(Time at);
    /// Performs activities until `from` is to go on: on a CPU's fiber until that CPU's source came due, on the host's
    /// until the run ends.
    void dispatch(Fiber& from);
    bool ended();
    [[noreturn]] void abandon(Fiber& from);
    void make_verdict(const CheckDecl& check, std::string message, CpuId cpu, RecordId record);
    /// Verdict if `cpu`, which starts to wait or became an owner, closes a circle of waiting CPUs; on `running`.
    void check_deadlock(Cpu& running, Cpu& cpu);
    Time soft_lockup_at(Time began) const { return saturating_add(began, config_.soft_lockup); }

    MachineConfig config_;
    std::vector<std::uint16_t> nodes_;  // a CPU
    Kernel& kernel_;
    RecordStream records_;
    Engine engine_;
    Choices choices_;
    StackPool stacks_;
    Arena arena_;
    HappensBefore happens_before_;
    LockChecker lock_checker_;
    MachinePrices prices_;
    ApicBus apic_bus_;
    IoApic io_apic_;
    BusWiring bus_wiring_;
    HpetWiring hpet_wiring_;
    Hpet hpet_;
    std::deque<Cpu> cpus_;
    std::deque<Thread> threads_;
    std::vector<Thread*> finished_;
    std::vector<SpinLock*> locks_;
    Rcu rcu_;
    std::vector<Time> busy_until_;
    std::vector<std::uint64_t> c_state_names_;
    std::vector<std::uint64_t> wake_reason_names_;
    std::unique_ptr<HotplugController> hotplug_;
    std::unique_ptr<ChoiceTieBreaker> tie_breaker_;
    StallPlaces stall_places_{choices_, config_.stall_places_one_in};
    SiteWatcher* site_watcher_ = nullptr;
    Fiber host_;
    RunFence run_fence_;
    SourceIndex run_fence_source_ = kNoSource;
    Time hpet_free_at_ = kBoot;
    CpuId in_package_idle_;
    std::deque<CellHistory> cell_histories_;
    Time run_until_ = kBoot;
    std::uint64_t step_limit_ = 0;
    RunEnd end_ = RunEnd::kTime;
    bool stop_requested_ = false;
    std::optional<Verdict> verdict_;
};

template <class T>
PerCpu<T>::PerCpu(Machine& machine) {
    for (CpuId c = 0; c < machine.cpu_count(); ++c) {
        if constexpr (std::is_constructible_v<T, Machine&, CpuId>)
            items_.emplace_back(machine, c);
        else
            items_.emplace_back();
    }
}

template <class T>
T& PerCpu<T>::mine(Cpu& cpu) {
    return of(cpu, cpu.id());
}

}  // namespace ticklab::sim
