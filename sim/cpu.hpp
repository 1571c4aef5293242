// A simulated CPU, as kernel code sees it. Kernel code is written in direct style: plain functions taking the Cpu& they
// run on.
//
// Rules
//  (1) A CPU advances its own local time freely; at an interleaving point (MA 3.1) it must be the earliest activity
//      of the machine, else it waits its turn. Methods marked [point] are interleaving points; those marked [window]
//      take pending interrupts while interrupts are enabled.
//  (2) With interrupts enabled a CPU never runs past an interrupt's arrival: every spend() is a window (MA 2.2).
//  (3) Interrupts nest on the running thread's stack as plain calls (MA 1.1).
//  (4) All methods except the const ones may be called only by code running on this CPU, unless they say otherwise.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ticklab/sim/cost_table.hpp"
#include "ticklab/sim/devices/local_apic.hpp"
#include "ticklab/sim/engine.hpp"
#include "ticklab/sim/function_ref.hpp"
#include "ticklab/sim/machine_config.hpp"
#include "ticklab/sim/record_stream.hpp"
#include "ticklab/sim/store_buffer.hpp"
#include "ticklab/sim/thread.hpp"
#include "ticklab/sim/tsc.hpp"
#include "ticklab/sim/verdict.hpp"

namespace ticklab::sim {

class CacheLine;
class LineRow;
class Machine;
class SpinLock;

/// Why a CPU came out of idle.
enum class WakeReason : std::uint8_t { kInterrupt, kMonitor, kWork };

/// What a CPU is doing between its own instructions.
enum class CpuActivity : std::uint8_t { kRunning, kSpinning, kUser, kIdle, kHeld, kOffline };

/// Figures of one CPU over a run.
struct CpuCounters {
    std::uint64_t interrupts = 0;
    std::uint64_t nmis = 0;
    std::uint64_t wakeups = 0;
    std::uint64_t idle_entries = 0;
    std::uint64_t thread_switches = 0;
    std::uint64_t points = 0;  ///< interleaving points passed
    std::uint64_t yields = 0;  ///< of them, those that had to wait their turn
    Duration user_time{};
    Duration irq_time{};
    Duration lock_wait{};
    Duration stalled{};
    Duration timer_code{};            ///< in spans of Code::kTimer that are over: Cpu::timer_code_time()
    std::vector<Duration> residency;  ///< a C-state
};

class Cpu final : public ActivityHandler, private LocalApicClient, private ClockListener {
public:
    Cpu(Machine& machine, CpuId id);
    ~Cpu() override;
    Cpu(const Cpu&) = delete;
    Cpu& operator=(const Cpu&) = delete;

    CpuId id() const { return id_; }
    std::uint32_t node() const { return node_; }
    Machine& machine() const { return machine_; }
    /// Local time: the instant this CPU has reached. Software has no access to it; devices and oracles do.
    Time local_time() const { return clock_.now(); }
    /// In the online map. Any CPU may ask; changed by the hotplug code only.
    bool online() const { return online_; }
    CpuActivity activity() const { return activity_; }
    const CpuCounters& counters() const { return counters_; }

    /// Pays `price`. With interrupts enabled, pending ones are taken in between and the rest is paid after. [window]
    void spend(const Price& price) {
        if (irqs_enabled_)
            spend_interruptible(price);
        else
            pay(price);
    }
    /// Pays `cycles` (converted now; keep a Price for what is paid often). [window]
    void spend(Cycles cycles) { spend(price(cycles)); }
    Price price(Cycles cycles) const { return Price::of(cycles, clock_.cycle_length()); }
    /// Pays a span of time, rounded up to cycles. [window]
    void spend_time(Duration d);

    /// A named interleaving point: triggers, holds and injected stalls act here. Costs nothing itself. [point, window]
    void at(const Site& site);
    /// An unnamed interleaving point. [point, window]
    [[gnu::always_inline]] void sync(const InterleavingPoint& point = {}) {
        begin_point(point);
        take_turn();
        open_window();
    }

    bool irqs_enabled() const { return irqs_enabled_; }
    void irq_disable() { irqs_enabled_ = false; }
    /// [point, window]
    void irq_enable();
    /// Disables interrupts and returns whether they were enabled.
    [[nodiscard]] bool irq_save() {
        const bool was = irqs_enabled_;
        irqs_enabled_ = false;
        return was;
    }
    void irq_restore(bool enabled) {
        if (enabled)
            irq_enable();
    }
    /// Nesting depth of interrupts (NMI included); 0 at thread level.
    unsigned irq_depth() const { return irq_depth_; }
    bool in_irq() const { return irq_depth_ != 0; }

    /// Local APIC access at its price. A forbidden access is the verdict machine.access_fault. [point]
    void apic_write(std::uint32_t offset, std::uint64_t value);
    std::uint64_t apic_read(std::uint32_t offset);
    void apic_eoi();
    /// TSC-deadline MSR. 0 disarms. [point]
    void write_tsc_deadline(std::uint64_t tsc);
    /// WRMSR: the TSC, TSC_ADJUST, TSC_DEADLINE, IA32_APIC_BASE and the x2APIC registers. [point]
    void write_msr(std::uint32_t msr, std::uint64_t value);
    /// Sends a fixed IPI, or an NMI, to one CPU. [point]
    void send_ipi(CpuId target, std::uint8_t vector);
    void send_nmi(CpuId target);
    /// Reads the TSC in program order (as rdtscp or lfence; rdtsc would).
    std::uint64_t read_tsc();
    /// The same as a plain read would, which may be done earlier (TC-F6).
    std::uint64_t read_tsc_unordered();
    /// HPET register access over MMIO. [point]
    std::uint64_t hpet_read(std::uint32_t offset, unsigned bytes = 4);
    void hpet_write(std::uint32_t offset, std::uint64_t value, unsigned bytes = 4);
    /// Writes half 0 or 1 of a redirection entry of the I/O APIC, by way of its select register: two accesses. [point]
    void io_apic_write_entry(unsigned pin, unsigned half, std::uint32_t value);
    /// Starts an off-line CPU: INIT and start-up IPI. [point]
    void send_init_start_up(CpuId target);

    LocalApic& apic() { return apic_; }
    const LocalApic& apic() const { return apic_; }
    Tsc& tsc() { return tsc_; }

    /// Enters C-state `c_state` (index in the configuration). Interrupts are off at entry and on at return, when at
    /// least one interrupt has been handled or work has come. Enable-and-halt is one step: an interrupt that is already
    /// pending prevents the sleep (MA 9). No lock may be held. [point]
    WakeReason halt(unsigned c_state);
    /// Arms the monitor on a line; a write to it by another CPU from now on ends or prevents mwait.
    void monitor(CacheLine& line);
    /// Like halt(), and also ended by a write to the monitored line. With `break_on_interrupt` interrupts wake the CPU
    /// even though they stay disabled, and are not taken here.
    WakeReason mwait(unsigned c_state, bool break_on_interrupt);
    /// Suspend to RAM for `length`: the timer of the local APIC is lost, what else it holds stays
    /// (LocalApic::lose_timer). Interrupts are off. [point]
    void suspend_to_ram(Duration length);
    /// User mode until `until` (kNever: for ever), an interrupt that was handled, or work at thread level. [window]
    void run_user(Time until);

    /// Makes the current thread sleep until wake(). No spin lock may be held, not in an interrupt. A wake() since the
    /// last block() ends it at once. [point]
    void block();
    /// Lets `thread` run; it may belong to another CPU, which is kicked. May be called in any context. [point]
    void wake(Thread& thread);
    /// Runs a runnable thread of a class above the current one, if there is one. [point]
    void yield();
    Thread& current() { return *current_; }
    const Thread& current() const { return *current_; }
    bool has_runnable() const { return !runnable_.empty(); }
    /// Threads that wait for this CPU, the current one not among them.
    std::span<Thread* const> runnable() const { return runnable_; }

    /// Emits a record at local time, caused by what this CPU is doing now.
    template <class... Operands>
    RecordId record(const RecordKind& kind, Operands... operands) {
        return last_record_ = stream_.emit(emitter_, clock_.now(), kind, cause().record, operands...);
    }
    /// The same with a cause of its own.
    template <class... Operands>
    RecordId record_caused(RecordId by, const RecordKind& kind, Operands... operands) {
        return last_record_ = stream_.emit(emitter_, clock_.now(), kind, by, operands...);
    }
    template <class... Operands>
    RecordId record_waited(RecordId waited_on, const RecordKind& kind, Operands... operands) {
        return last_record_ = stream_.emit_waited(emitter_, clock_.now(), kind, cause().record, waited_on, operands...);
    }
    RecordId last_record() const { return last_record_; }
    RecordStream& records() const { return stream_; }

    /// What led to the code that runs now: whoever defers something stores it.
    const Cause& cause() const { return current_->cause_; }
    /// Goes on under another cause (a softirq, a callback); the caller restores the one returned.
    [[nodiscard]] Cause set_cause(const Cause& cause);
    /// The context in which choices are asked now.
    ChoiceContext& choice_context() { return *context_; }
    /// Goes on as `code` of the current thread; the caller restores the one returned. Interrupts begin as kOther.
    Code set_code(Code code);
    /// Draws at `site` for what runs on this CPU now.
    std::uint64_t draw(const Site& site, std::uint64_t bound);

    /// Ends the run with a verdict.
    [[noreturn]] void fail(const CheckDecl& check, std::string message);
    /// fail() unless `condition`: a kernel's own assertion.
    void require(bool condition, const char* message) {
        if (!condition) [[unlikely]]
            fail(checks::kKernelBug, message);
    }

    /// The innermost Frame of the current thread, a literal.
    const char* doing() const;
    CpuSnapshot snapshot() const;
    /// Time spent in a C-state so far, a sleep that still lasts included.
    Duration residency(std::size_t c_state) const;
    /// Time spent in timer code so far (CodeScope), waiting for locks included, stalls and holds not.
    Duration timer_code_time() const;
    /// Time spent off-line so far.
    Duration offline_time() const;

private:
    friend class Machine;
    friend class CacheLine;
    friend class SpinLock;
    friend class Mutex;
    friend class Frame;
    friend class MemoryCell;
    friend class LockChecker;
    friend void spin_until(Cpu&, CacheLine&, FunctionRef<bool()>, const Cpu*);
    friend void full_barrier(Cpu&);
    friend void per_cpu_access(Cpu&, CpuId);
    friend class HotplugController;

    void due(Time at) override;
    void clock_changed(Time at, Cause cause) override { apic_.deadline_clock_changed(at, cause); }
    void interrupt_ready(Time at) override;
    void nmi(Time at, Cause cause) override;
    void init(Time at) override;
    void start_up(Time at, std::uint8_t vector, Cause cause) override;

    /// An interrupt that this CPU would take now if interrupts were enabled; it also ends a sleep.
    bool interrupt_pending() const { return apic_.deliverable() || (nmi_pending_ && !in_nmi_) || !irq_work_.empty(); }
    /// An interrupt that this CPU takes now: an NMI does not ask whether interrupts are enabled (MA 2.5).
    bool interrupt_takeable() const {
        return (nmi_pending_ && !in_nmi_) || (irqs_enabled_ && (apic_.deliverable() || !irq_work_.empty()));
    }
    /// Pays without an interrupt window: interrupts are off, or the price is part of an access that cannot be
    /// interrupted.
    [[gnu::always_inline]] void pay(const Price& price) {
        clock_.add(price);
        if (jitter_per_1024_ != 0) [[unlikely]]
            add_jitter(price);
    }
    void add_jitter(const Price& price);
    void require_access(AccessFault fault, std::uint32_t where);
    void write_icr(CpuId target, std::uint32_t low);
    void pay_hpet(const InterleavingPoint& point);
    void spend_interruptible(const Price& price);
    void inject_stall(const InterleavingPoint& point);
    [[gnu::always_inline]] void begin_point(const InterleavingPoint& point) {
        ++counters_.points;
        if (stalls_) [[unlikely]]
            inject_stall(point);
    }
    /// Whether points like this one are stalled in this run: those at one site, or in one frame.
    bool stalls_here(const Site* site);
    /// Goes on only when this CPU is the earliest activity in the machine.
    void take_turn() {
        if (!turn_is_now()) [[unlikely]]
            wait_turn();
    }
    /// Whether it is this CPU's turn, which then counts as taken.
    bool turn_is_now() {
        const Key key{clock_.now(), rank_};
        if (engine_.may_act(key) && (++turns_ & kTurnsToCheck) != 0) [[likely]] {
            engine_.advance(key);
            return true;
        }
        return may_run_ahead(clock_.now());
    }
    /// MA 12: within the quantum a CPU goes on although others are behind it.
    bool may_run_ahead(Time at) const {
        return quantum_ > Duration::zero() && at <= saturating_add(engine_.earliest().at, quantum_);
    }
    void wait_turn();
    /// A row of lines that is being read (CacheLine::read_row).
    struct RowWalk {
        LineRow* row;
        const Price* price;
        std::size_t next;
        std::size_t end;
        bool has_turn;  ///< at `next`, when a wait is over; else its own stack has to look at it first
    };
    void read_next(RowWalk& walk);
    /// This CPU's turn has come at the next line of its row: goes on as far as it can on any stack, and waits again;
    /// false if its own stack is to go on.
    bool go_on_in_row();
    /// Gives the host to the next activity until this CPU's source comes due. Interruptible waits also end when an
    /// interrupt or work arrives; interrupted_ says so.
    void wait(Time until, bool interruptible);
    /// Ends any wait at `at`: what was waited for has come.
    void end_wait(Time at) {
        const Time when = std::max({at, held_until_, engine_.now()});
        // A later write does not put off the answer to an earlier one.
        if (!interrupted_ && when < engine_.armed_for(source_))
            engine_.arm(source_, when);
    }
    /// Ends an interruptible wait at `at`, or as soon after it as the CPU can.
    void interrupt_wait(Time at);
    void take_interrupts();
    void take_one();
    void run_irq(const RecordKind& entry, const RecordKind& exit, std::uint8_t vector, const Cause& cause,
                 const Price& entry_price, const Thread::Body* body, bool spurious);
    WakeReason sleep(unsigned c_state, bool break_on_interrupt);
    RecordId wake_cause(WakeReason reason) const;
    void hold(const Site& site, Time until);
    void release_hold(Time at);
    void stall(Time until);
    void monitor_written(Time at, const Cause& by);
    void work_arrived(Time at);
    void switch_thread(Thread& next);
    /// Counts the time since code_since_ for the code that ran.
    void count_code(Time until);
    Thread* take_runnable(ThreadClass above);
    Thread& next_thread();
    void open_window() {
        if (interrupt_takeable()) [[unlikely]]
            take_interrupts();
    }
    /// All own stores are visible, and no later load returns what is older than now (MA 6.3).
    void drain_stores() {
        if (weak_memory_) [[unlikely]] {
            store_buffer_.drain(clock_.now());
            fresh_from_ = clock_.now();
        }
    }
    /// The cause of what this operation leads to later: a root operation of its own, numbered within this one (MA 7.1).
    Cause deferred(std::uint64_t name) {
        return Cause{cause().record, mix(cause().root, mix(name, context_->next_ordinal(name)))};
    }
    void enqueue(Thread& thread);
    void start_thread(Thread& thread);
    static void thread_entry(void* argument);
    void idle_loop();
    void script_loop();
    /// Whether idle must be left, and why.
    std::optional<WakeReason> wake_reason() const;
    void power_on(Time at);
    void play_dead();

    Machine& machine_;
    Engine& engine_;
    RecordStream& stream_;
    CpuId id_;
    std::uint32_t node_;
    std::uint32_t rank_ = 0;
    SourceIndex source_ = kNoSource;
    LocalClock clock_;
    bool irqs_enabled_ = false;
    std::uint32_t jitter_per_1024_;
    bool stalls_;
    bool online_ = false;
    bool nmi_pending_ = false;
    bool in_nmi_ = false;
    bool interruptible_ = false;
    bool interrupted_ = false;
    bool shift_on_stall_ = false;
    bool monitor_triggered_ = false;
    bool work_arrived_ = false;  // since user mode was last entered
    bool waiting_for_start_up_ = false;
    CpuActivity activity_ = CpuActivity::kOffline;
    unsigned irq_depth_ = 0;
    Time held_until_ = kBoot;  // stalled: nothing runs before this instant
    Time not_before_ = kBoot;  // asleep: an interrupt wakes no earlier than the commit
    CacheLine* monitored_ = nullptr;
    Emitter emitter_;
    Tsc tsc_;
    /// The TSC as the deadline timer sees it.
    class TscDeadlineClock final : public DeadlineClock {
    public:
        explicit TscDeadlineClock(const Tsc& tsc) : tsc_(tsc) {}
        Time first_at(std::uint64_t tsc) const override { return tsc_.first_at(tsc); }
        std::uint64_t read(Time at) const override { return tsc_.read(at); }

    private:
        const Tsc& tsc_;
    } deadline_clock_;
    LocalApic apic_;
    Cause nmi_cause_;
    Cause wake_cause_;
    struct IrqWork {
        Cause cause;
        Thread::Body body;
    };
    std::deque<IrqWork> irq_work_;
    std::deque<IrqWork> irq_work_running_;
    /// Turns without a look at the run's bounds: else a CPU that is alone in the machine would never come to them.
    static constexpr std::uint32_t kTurnsToCheck = 0xffff;
    std::uint32_t turns_ = 0;
    std::uint64_t irqs_in_a_row_ = 0;
    Time code_since_ = kBoot;  // up to here time is counted for the code that spent it
    Time last_irq_end_ = kBoot;
    RecordId last_record_;
    Thread* current_ = nullptr;
    ChoiceContext* context_ = nullptr;
    std::deque<ChoiceContext> irq_contexts_;
    std::vector<Thread*> runnable_;
    Thread* idle_thread_ = nullptr;
    Thread* script_thread_ = nullptr;
    std::deque<IrqWork> script_work_;
    const Site* held_at_ = nullptr;
    std::string fail_message_;
    std::vector<const SpinLock*> held_locks_;
    /// What the innermost wait of this CPU is for, and the interrupt nesting depth at which it waits.
    struct Awaited {
        const SpinLock* lock = nullptr;
        const Cpu* cpu = nullptr;
        unsigned depth = 0;
    };
    Awaited awaited_;
    RowWalk* row_walk_ = nullptr;  // while it waits its turn in it
    Cpu* next_poller_ = nullptr;
    Cpu* next_monitor_ = nullptr;
    bool weak_memory_ = false;
    Time fresh_from_ = kBoot;  // the last acquire: no load returns what was superseded before
    Duration quantum_{};
    std::size_t c_state_ = 0;  // while idle
    Time idle_since_ = kNever;
    Time offline_since_ = kBoot;
    Duration offline_{};
    SyncClock ipi_sync_;
    StoreBuffer store_buffer_;
    void* waiter_ = nullptr;
    CpuCounters counters_;
};

/// Names what a CPU is doing for as long as it stands, for verdicts. `name` must outlive the run (a literal).
class Frame {
public:
    Frame(Cpu& cpu, const char* name);
    ~Frame();
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

private:
    Thread& thread_;
};

/// The CPU is in code of that kind for as long as it stands. A kernel says so at the entries of its timer code, and
/// that callbacks are none; scopes nest, the innermost counts.
class CodeScope {
public:
    CodeScope(Cpu& cpu, Code code) : cpu_(cpu), outer_(cpu.set_code(code)) {}
    ~CodeScope() { (void)cpu_.set_code(outer_); }
    CodeScope(const CodeScope&) = delete;
    CodeScope& operator=(const CodeScope&) = delete;

private:
    Cpu& cpu_;
    Code outer_;
};

/// Interrupts off for as long as it stands, the former state after it (as local_irq_save).
class IrqGuard {
public:
    explicit IrqGuard(Cpu& cpu) : cpu_(cpu), enabled_(cpu.irq_save()) {}
    ~IrqGuard() { cpu_.irq_restore(enabled_); }
    IrqGuard(const IrqGuard&) = delete;
    IrqGuard& operator=(const IrqGuard&) = delete;

private:
    Cpu& cpu_;
    bool enabled_;
};

}  // namespace ticklab::sim
