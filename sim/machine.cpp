#include "ticklab/sim/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "ticklab/sim/hotplug.hpp"
#include "ticklab/sim/machine_records.hpp"
#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::sim {
namespace {

struct PriceSlot {
    Price MachinePrices::*slot;
    CostDecl decl;
};

constexpr std::array kPriceSlots{
    PriceSlot{&MachinePrices::cache_hit, {"cache_hit", "access to a cache line that this CPU holds"}},
    PriceSlot{&MachinePrices::cache_transfer, {"cache_transfer", "a cache line comes from a CPU of the same node"}},
    PriceSlot{&MachinePrices::cache_transfer_remote,
              {"cache_transfer_remote", "a cache line comes from a CPU of another node"}},
    PriceSlot{&MachinePrices::atomic_rmw,
              {"atomic_rmw", "locked read-modify-write on a line that is held, beyond the hit"}},
    PriceSlot{&MachinePrices::lock_acquire, {"lock_acquire", "taking a free spin lock, beyond its cache line"}},
    PriceSlot{&MachinePrices::lock_release, {"lock_release", "releasing a spin lock, beyond its cache line"}},
    PriceSlot{&MachinePrices::irq_entry, {"irq_entry", "acknowledging an interrupt and entering its handler"}},
    PriceSlot{&MachinePrices::irq_exit, {"irq_exit", "returning from an interrupt"}},
    PriceSlot{&MachinePrices::nmi_entry, {"nmi_entry", "entering the NMI handler"}},
    PriceSlot{&MachinePrices::apic_read, {"apic_read", "reading a local APIC register by MMIO"}},
    PriceSlot{&MachinePrices::apic_write, {"apic_write", "writing a local APIC register by MMIO"}},
    PriceSlot{&MachinePrices::msr_write, {"msr_write", "writing an x2APIC or TSC-deadline MSR"}},
    PriceSlot{&MachinePrices::ipi_send, {"ipi_send", "writing the interrupt command register"}},
    PriceSlot{&MachinePrices::mmio_hpet, {"mmio_hpet", "one access to an HPET register"}},
    PriceSlot{&MachinePrices::tsc_read, {"tsc_read", "reading the TSC in order"}},
    PriceSlot{&MachinePrices::thread_switch, {"thread_switch", "switching to another thread"}},
    PriceSlot{&MachinePrices::memory_barrier, {"memory_barrier", "a full memory barrier"}},
    PriceSlot{&MachinePrices::user_entry, {"user_entry", "returning to user mode"}},
};

constexpr auto kPriceDecls = [] {
    std::array<CostDecl, kPriceSlots.size()> decls{};
    for (std::size_t i = 0; i < decls.size(); ++i)
        decls[i] = kPriceSlots[i].decl;
    return decls;
}();

Price price_of(const MachineConfig& config, std::string_view name) {
    const CostTable::Entry* entry = config.costs.find(name);
    if (!entry)
        throw std::invalid_argument(fmt::format("the cost table has no price \"{}\"", name));
    return Price::of(entry->cycles, CycleLength::of_frequency(config.nominal_hz));
}

MachinePrices resolve_prices(const MachineConfig& config) {
    MachinePrices prices;
    for (const PriceSlot& s : kPriceSlots) {
        prices.*s.slot = price_of(config, s.decl.name);
        // MA 3.2: no point is free, so no loop can stand still.
        if ((prices.*s.slot).cycles.count == 0)
            throw std::invalid_argument(fmt::format("price \"{}\" is 0 cycles; the least is 1", s.decl.name));
    }
    return prices;
}

const MachineConfig& checked(const MachineConfig& config) {
    const auto require = [](bool ok, const std::string& message) {
        if (!ok)
            throw std::invalid_argument(message);
    };
    require(config.cpu_count >= 1 && config.cpu_count <= kMaxCpuCount,
            fmt::format("{} CPUs; a machine has 1 to {}", config.cpu_count, kMaxCpuCount));
    require(config.online_at_boot >= 1 && config.online_at_boot <= config.cpu_count,
            fmt::format("{} CPUs online at boot of {}", config.online_at_boot, config.cpu_count));
    require(config.node_count >= 1 && config.node_count <= config.cpu_count,
            fmt::format("{} nodes for {} CPUs", config.node_count, config.cpu_count));
    require(!config.c_states.empty(), "no C-state: a CPU that idles needs one");
    require(config.quantum >= Duration::zero(), "negative quantum");
    require(config.quantum == Duration::zero() ||
                (config.memory_model == MemoryModel::kSequential && !config.break_ties && config.stall_one_in == 0),
            "a quantum is for exact ties, no injected stalls and memory \"sc\" only");
    require(config.stall_one_in == 0 || config.max_stall > Duration::zero(),
            "stalls that last no time: max_stall is 0");
    require(config.memory_model == MemoryModel::kSequential || (config.check_races && config.cpu_count <= kMaxRaceCpus),
            fmt::format("memory models other than \"sc\" need the race detector and at most {} CPUs", kMaxRaceCpus));
    return config;
}

std::vector<std::uint16_t> nodes_of_cpus(const MachineConfig& config) {
    std::vector<std::uint16_t> nodes(config.cpu_count);
    for (CpuId c = 0; c < config.cpu_count; ++c)
        nodes[c] = static_cast<std::uint16_t>(std::uint64_t{c} * config.node_count / config.cpu_count);
    return nodes;
}

ApicParameters apic_parameters(const MachineConfig& config) {
    ApicParameters p;
    p.bus_hz = config.apic_bus_hz;
    p.tsc_deadline = config.tsc_deadline_timer;
    p.x2apic = config.x2apic;
    p.ipi_fly = config.ipi_fly;
    p.ipi_fly_remote = config.ipi_fly_remote;
    p.msi_fly = config.msi_fly;
    p.ioapic_fly = config.ioapic_fly;
    p.timer_fly = config.timer_fly;
    return p;
}

HpetParams hpet_params(const MachineConfig& config) {
    HpetParams p(config.hpet_timer_count);
    const unsigned plain =
        p.timers.size() > config.hpet_fsb_timers ? static_cast<unsigned>(p.timers.size()) - config.hpet_fsb_timers : 0;
    for (unsigned i = 0; i < plain; ++i)
        p.timers[i].fsb_capable = false;
    p.legacy_capable = config.hpet_legacy;
    p.period_model = static_cast<HpetPeriodModel>(config.hpet_period_writes);
    p.irq_at_wrap = config.hpet_irq_at_wrap;
    p.period_fs = config.hpet_period_fs;
    p.counter_bits = config.hpet_counter_bits;
    p.counter_start = config.hpet_counter_start;
    return p;
}

}  // namespace

std::span<const CostDecl> machine_cost_decls() { return kPriceDecls; }

/// Asks the choices for the order of ties.
class Machine::ChoiceTieBreaker final : public TieBreaker {
public:
    explicit ChoiceTieBreaker(Machine& machine) : machine_(machine), context_(name_hash("engine")) {}
    std::uint32_t pick(ActivityClass activity_class, std::uint32_t count) override {
        context_.begin(mix(static_cast<std::uint64_t>(ps(machine_.now())), static_cast<std::uint64_t>(activity_class)));
        return static_cast<std::uint32_t>(machine_.choices().draw(sites::kTie, context_, count));
    }

private:
    Machine& machine_;
    ChoiceContext context_;
};

Machine::Machine(const MachineConfig& config, Kernel& kernel)
    : config_(checked(config)),
      nodes_(nodes_of_cpus(config_)),
      kernel_(kernel),
      choices_(config.seed),
      stacks_(config.stack_bytes * kFrameScale),
      happens_before_(config.cpu_count, config.check_races && config.cpu_count <= kMaxRaceCpus),
      lock_checker_(config.check_locks),
      prices_(resolve_prices(config)),
      apic_bus_(engine_, records_, apic_parameters(config), nodes_),
      io_apic_(apic_bus_),
      bus_wiring_(*this),
      hpet_wiring_(io_apic_, apic_bus_),
      hpet_(engine_, records_, hpet_wiring_, hpet_params(config)),
      rcu_(*this),
      busy_until_(config.cpu_count, kBoot),
      in_package_idle_(config.cpu_count) {
    for (const CState& state : config_.c_states)
        c_state_names_.push_back(intern(state.name));
    for (const std::string_view reason : {"interrupt", "monitor", "work"})
        wake_reason_names_.push_back(intern(reason));
    for (CpuId c = 0; c < config_.cpu_count; ++c)
        cpus_.emplace_back(*this, c);
    hotplug_ = std::make_unique<HotplugController>(*this);
    if (config_.break_ties) {
        tie_breaker_ = std::make_unique<ChoiceTieBreaker>(*this);
        engine_.set_tie_breaker(tie_breaker_.get());
    }
    run_fence_source_ = engine_.add(ActivityClass::kDevice, run_fence_);
    kernel_.boot(*this);
    for (CpuId c = 0; c < config_.online_at_boot; ++c)
        cpus_[c].power_on(kBoot);
}

Machine::~Machine() {
    // Kernels outlive their machine, and own locks.
    for (SpinLock* lock : locks_)
        lock->listed_ = false;
}

void Machine::HpetWiring::set_line(Time at, unsigned timer, unsigned pin, bool asserted, Cause cause) {
    io_apic_.set_pin(at, pin, timer, asserted, cause);
}

void Machine::HpetWiring::pulse(Time at, unsigned, unsigned pin, Cause cause) { io_apic_.pulse(at, pin, cause); }

void Machine::HpetWiring::send_message(Time at, std::uint64_t address, std::uint32_t data, Cause cause) {
    bus_.send_message(at, address, data, cause);
}

void Machine::HpetWiring::retarget_message(Time at, std::uint64_t old_address, std::uint32_t old_data) {
    bus_.retarget_message(at, old_address, old_data);
}

Machine::BusWiring::BusWiring(Machine& machine) : machine_(machine) {
    machine.apic_bus_.set_queue_watcher(this);
    if (machine.config_.flight_jitter == Duration::zero())
        return;
    for (CpuId c = 0; c < machine.cpu_count(); ++c)
        flights_.emplace_back(mix(name_hash("flight"), c));
    machine.apic_bus_.set_flight_jitter(this);
}

Duration Machine::BusWiring::extra(Time, CpuId target, MessageSource source, const Cause& cause) {
    ChoiceContext& context = flights_[target];
    context.begin(mix(cause.root, static_cast<std::uint64_t>(source)));
    const auto most = static_cast<std::uint64_t>(machine_.config_.flight_jitter.count());
    return Duration{static_cast<std::int64_t>(machine_.choices_.draw(sites::kFlight, context, most + 1))};
}

void Machine::BusWiring::queue_full(CpuId target, const Cause& cause) {
    machine_.fail(checks::kQueueFull,
                  fmt::format("{} interrupt messages are in flight to CPU {}, one more was lost",
                              machine_.apic_bus_.in_flight(target), target),
                  target, cause.record);
}

void Machine::enter_package_idle(Time at) {
    if (++in_package_idle_ == config_.cpu_count)
        hpet_.freeze(std::max(at, engine_.now()));
}

void Machine::exit_package_idle(Time at) {
    if (in_package_idle_-- == config_.cpu_count)
        hpet_.thaw(std::max(at, engine_.now()));
}

// The machine has neither PIT nor RTC that legacy replacement could cut off.
void Machine::HpetWiring::set_legacy_routing(Time, bool, Cause) {}

Cpu* Machine::first_online(CpuId except) {
    for (Cpu& cpu : cpus_)
        if (cpu.online() && cpu.id() != except)
            return &cpu;
    return nullptr;
}

Price Machine::price(std::string_view name) const { return price_of(config_, name); }

Thread& Machine::make_thread(Cpu& cpu, std::string name, ThreadClass thread_class, Thread::Body body) {
    for (Thread* finished : finished_)
        finished->fiber_.give_back(stacks_);
    finished_.clear();
    const std::uint64_t object = intern(name);
    Thread& thread = threads_.emplace_back(std::move(name), thread_class, object);
    thread.cpu_ = &cpu;
    thread.body_ = std::move(body);
    return thread;
}

void Machine::run_on_thread(CpuId id, Cause cause, Thread::Body work) {
    Cpu& cpu = cpus_[id];
    if (!cpu.script_thread_)
        cpu.script_thread_ =
            &make_thread(cpu, fmt::format("script/{}", id), ThreadClass::kScript, [](Cpu& me) { me.script_loop(); });
    cpu.script_work_.push_back(Cpu::IrqWork{cause, std::move(work)});
    make_runnable(*cpu.script_thread_, cause);
}

void Machine::make_runnable(Thread& thread, const Cause& cause) {
    if (thread.state_ != ThreadState::kNew && thread.state_ != ThreadState::kBlocked) {
        thread.wake_pending_ = true;
        return;
    }
    thread.wake_cause_ = cause;
    thread.cpu_->enqueue(thread);
    thread.cpu_->work_arrived(engine_.now());
}

void Machine::run_in_irq(CpuId id, Cause cause, Thread::Body work) {
    Cpu& cpu = cpus_[id];
    cpu.irq_work_.push_back(Cpu::IrqWork{cause, std::move(work)});
    cpu.interrupt_ready(engine_.now());
}

void Machine::run_in_control_thread(CpuId id, Cause cause, Thread::Body work) {
    Thread& thread =
        make_thread(cpus_[id], fmt::format("control/{:x}", cause.root), ThreadClass::kHotplug, std::move(work));
    thread.cause_ = cause;
    thread.choices_.begin(cause.root);
    make_runnable(thread, cause);
}

bool Machine::cpu_down(Cpu& control, Cpu& target) { return hotplug_->down(control, target); }
bool Machine::cpu_up(Cpu& control, Cpu& target) { return hotplug_->up(control, target); }
void Machine::stop_machine(Cpu& control, Cpu& on, FunctionRef<void(Cpu&)> body) {
    hotplug_->stop_machine(control, on, body);
}

void Machine::stall(CpuId id, Time until) { cpus_[id].stall(until); }
void Machine::raise_nmi(CpuId id, Cause cause) { cpus_[id].nmi(engine_.now(), cause); }
void Machine::release(CpuId id) { cpus_[id].release_hold(engine_.now()); }

void Machine::set_busy(CpuId id, Time until) {
    busy_until_[id] = until;
    cpus_[id].work_arrived(engine_.now());
}

RunEnd Machine::run(Time until, std::uint64_t max_steps) {
    run_until_ = until;
    step_limit_ = max_steps;
    stop_requested_ = false;
    if (until != kNever)
        engine_.arm(run_fence_source_, saturating_add(until, Duration{1}));
    if (!verdict_)
        dispatch(host_);
    // Who looks on between two runs asks the engine what comes next.
    engine_.disarm(run_fence_source_);
    if (end_ == RunEnd::kTime && until != kNever)
        engine_.reach(until);
    // A run that was stopped goes on from the instant it has reached.
    records_.commit(verdict_ ? kNever : end_ == RunEnd::kTime ? until : engine_.now());
    if (verdict_)
        verdict_->record_number = records_.committed();
    return end_;
}

void Machine::check_stacks() {
    for (const Thread& thread : threads_)
        if (!verdict_ && !thread.fiber_.stack_intact())
            make_verdict(checks::kStackOverflow, fmt::format("thread {}", thread.name_), thread.cpu_->id(), {});
}

bool Machine::ended() {
    if (verdict_) {
        end_ = RunEnd::kVerdict;
    } else if (stop_requested_) {
        end_ = RunEnd::kStopped;
    } else if (engine_.earliest().at > run_until_ || engine_.earliest().at == kNever) {
        end_ = RunEnd::kTime;
    } else if (engine_.steps() >= step_limit_) {
        end_ = RunEnd::kBudget;
    } else if (engine_.livelocked()) {
        make_verdict(checks::kLivelock, fmt::format("more steps than the bound at {} ps", ps(engine_.now())), kNoCpu,
                     {});
        end_ = RunEnd::kVerdict;
    } else {
        return false;
    }
    return true;
}

void Machine::dispatch(Fiber& from) {
    for (;;) {
        if (ended()) [[unlikely]] {
            if (&from == &host_)
                return;
            Fiber::switch_to(from, host_);
            return;
        }
        if (records_.wants_commit()) [[unlikely]]
            records_.commit(engine_.now());
        const SourceIndex s = engine_.take();
        if (class_of(engine_.rank(s)) != ActivityClass::kCpu) {
            engine_.handler(s).due(engine_.now());
            continue;
        }
        Cpu& cpu = cpus_[slot_of(engine_.rank(s))];
        if (cpu.row_walk_ && cpu.go_on_in_row())
            continue;
        Fiber& to = cpu.current_->fiber_;
        if (&to == &from)
            return;
        Fiber::switch_to(from, to);
        if (&from != &host_)
            return;
    }
}

void Machine::abandon(Fiber& from) {
    for (;;)
        Fiber::switch_to(from, host_);
}

void Machine::fail(const CheckDecl& check, std::string message, CpuId cpu, RecordId record) {
    if (!verdict_)
        make_verdict(check, std::move(message), cpu, record);
}

void Machine::make_verdict(const CheckDecl& check, std::string message, CpuId cpu, RecordId record) {
    Verdict& v = verdict_.emplace();
    v.check = &check;
    v.message = std::move(message);
    v.seed = config_.seed;
    v.at = cpu == kNoCpu ? engine_.now() : std::max(engine_.now(), cpus_[cpu].local_time());
    v.cpu = cpu;
    v.record = record;
    for (const Cpu& c : cpus_)
        v.cpus.push_back(c.snapshot());
}

void Machine::check_deadlock(Cpu& running, Cpu& cpu) {
    const Cpu* waiter = &cpu;
    std::string circle = fmt::format("CPU {}", cpu.id());
    for (CpuId steps = 0; steps < config_.cpu_count; ++steps) {
        const Cpu::Awaited& awaited = waiter->awaited_;
        const Cpu* const owner = awaited.lock ? awaited.lock->owner() : awaited.cpu;
        const unsigned held_at_depth = awaited.lock ? awaited.lock->owner_depth() : 0;
        if (!owner || owner == waiter)
            return;
        const Cpu::Awaited& next = owner->awaited_;
        if ((!next.lock && !next.cpu) || next.depth < held_at_depth)
            return;
        circle += awaited.lock ? fmt::format(" waits for {} of CPU {}", awaited.lock->name(), owner->id())
                               : fmt::format(" polls CPU {}", owner->id());
        if (owner == &cpu) {
            make_verdict(checks::kDeadlock, std::move(circle), cpu.id(), cpu.last_record());
            break;
        }
        waiter = owner;
    }
    // An abandoned stack owns nothing.
    std::string().swap(circle);
    if (verdict_)
        abandon(running.current_->fiber_);
}

std::uint64_t Machine::energy_nj() const {
    UInt128 picojoule_thousandths = 0;
    for (const Cpu& c : cpus_) {
        Duration idle{};
        for (std::size_t i = 0; i < config_.c_states.size(); ++i) {
            const Duration r = c.residency(i);
            idle += r;
            picojoule_thousandths += UInt128{static_cast<std::uint64_t>(r.count())} * config_.c_states[i].power_mw;
        }
        const Duration active = std::max(Duration::zero(), engine_.now() - kBoot - idle - c.offline_time());
        picojoule_thousandths += UInt128{static_cast<std::uint64_t>(active.count())} * config_.active_power_mw;
    }
    // mW * ps = 10^-15 J; a nanojoule is 10^6 of them.
    return static_cast<std::uint64_t>(picojoule_thousandths / 1'000'000);
}

}  // namespace ticklab::sim
