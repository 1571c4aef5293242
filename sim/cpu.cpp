#include "ticklab/sim/cpu.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/machine_records.hpp"
#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::sim {
namespace {

/// Interrupts that a CPU may take one after another without getting on at thread level.
constexpr std::uint64_t kIrqStormBound = 100'000;

/// Room that device activities and a verdict need on whichever stack they run.
constexpr std::size_t kStackReserve = kFrameScale * 12 * 1024;

}  // namespace

void Cpu::add_jitter(const Price& price) {
    const std::uint64_t most = price.cycles.count * jitter_per_1024_ / 1024;
    if (most == 0)
        return;
    const std::uint64_t extra = draw(sites::kJitter, most + 1);
    clock_.add(Price::of(Cycles{extra}, clock_.cycle_length()));
}

void Cpu::spend_time(Duration d) {
    const CycleLength length = clock_.cycle_length();
    const UInt128 cycles =
        (UInt128{static_cast<std::uint64_t>(d.count())} * length.ps_den + length.ps_num - 1) / length.ps_num;
    spend(Cycles{static_cast<std::uint64_t>(cycles)});
}

void Cpu::spend_interruptible(const Price& price) {
    LocalClock end = clock_.after(price);
    if (jitter_per_1024_ != 0) [[unlikely]] {
        const std::uint64_t most = price.cycles.count * jitter_per_1024_ / 1024;
        if (most != 0)
            end.add(Price::of(Cycles{draw(sites::kJitter, most + 1)}, clock_.cycle_length()));
    }
    for (;;) {
        if (interrupt_pending()) {
            const LocalClock before = clock_;
            take_interrupts();
            end.shift(before, clock_);
        }
        const Key key{end.now(), rank_};
        if (engine_.may_act(key) && (++turns_ & kTurnsToCheck) != 0) [[likely]] {
            engine_.advance(key);
            clock_ = end;
            return;
        }
        if (may_run_ahead(end.now())) {
            clock_ = end;
            return;
        }
        shift_on_stall_ = true;
        const Duration stalled_before = counters_.stalled;
        wait(end.now(), true);
        shift_on_stall_ = false;
        if (counters_.stalled != stalled_before)
            end.delay(counters_.stalled - stalled_before);
        if (!interrupted_) {
            clock_ = end;
            clock_.move_to(engine_.now());
            if (!interrupt_pending())
                return;
            take_interrupts();
            return;
        }
        clock_.move_to(engine_.now());
    }
}

void Cpu::wait_turn() {
    ++counters_.yields;
    shift_on_stall_ = true;
    wait(clock_.now(), false);
    shift_on_stall_ = false;
    clock_.move_to(engine_.now());
}

void Cpu::read_next(RowWalk& walk) {
    CacheLine& line = walk.row->line(walk.next);
    walk.row->read(walk.next++);
    line.pay_for_read(*this);
    spend(*walk.price);
}

bool Cpu::go_on_in_row() {
    RowWalk& walk = *row_walk_;
    clock_.move_to(engine_.now());
    do {
        // Interrupts and verdicts need the CPU's own stack.
        if (interrupt_takeable())
            return false;
        read_next(walk);
        walk.has_turn = walk.next != walk.end && walk.row->line(walk.next).live();
        if (!walk.has_turn)
            return false;
        begin_point({nullptr, &walk.row->line(walk.next), false});
    } while (turn_is_now());
    ++counters_.yields;
    engine_.arm(source_, std::max(clock_.now(), held_until_));
    return true;
}

void Cpu::wait(Time until, bool interruptible) {
    if (current_->fiber_.room_below(__builtin_frame_address(0)) < kStackReserve) [[unlikely]]
        fail(checks::kStackOverflow, fmt::format("thread {}", current_->name_));
    interrupted_ = false;
    interruptible_ = interruptible;
    if (until != kNever)
        engine_.arm(source_, std::max(until, held_until_));
    else
        engine_.disarm(source_);
    machine_.dispatch(current_->fiber_);
    interruptible_ = false;
}

void Cpu::interrupt_wait(Time at) {
    if (!interruptible_ || interrupted_)
        return;
    interrupted_ = true;
    // What this CPU has paid for already is not interrupted: it may stand beyond the interrupt's arrival.
    engine_.arm(source_, std::max({at, clock_.now(), not_before_, held_until_, engine_.now()}));
}

void Cpu::interrupt_ready(Time at) {
    // Who waits with interrupts disabled and is not asleep goes on waiting; only an NMI would end that.
    if (irqs_enabled_ || activity_ == CpuActivity::kIdle)
        interrupt_wait(at);
}

void Cpu::nmi(Time at, Cause cause) {
    if (!nmi_pending_) {
        nmi_pending_ = true;
        nmi_cause_ = cause;
    }
    interrupt_wait(at);
}

void Cpu::work_arrived(Time at) {
    work_arrived_ = true;
    if (activity_ == CpuActivity::kIdle || activity_ == CpuActivity::kUser)
        interrupt_wait(at);
}

void Cpu::monitor_written(Time at, const Cause& by) {
    monitor_triggered_ = true;
    wake_cause_ = by;
    if (activity_ == CpuActivity::kIdle)
        interrupt_wait(at);
}

void Cpu::take_interrupts() {
    while (interrupt_takeable()) {
        take_turn();
        if (clock_.now() > last_irq_end_)
            irqs_in_a_row_ = 0;
        if (++irqs_in_a_row_ > kIrqStormBound)
            fail(checks::kIrqStorm, fmt::format("{} interrupts in a row", irqs_in_a_row_ - 1));
        take_one();
        last_irq_end_ = clock_.now();
    }
}

void Cpu::take_one() {
    const MachinePrices& prices = machine_.prices();
    if (nmi_pending_ && !in_nmi_) {
        nmi_pending_ = false;
        in_nmi_ = true;
        ++counters_.nmis;
        run_irq(kNmiEntry, kNmiExit, 0, nmi_cause_, prices.nmi_entry, nullptr, false);
        in_nmi_ = false;
    } else if (!irq_work_.empty()) {
        irq_work_running_.push_back(std::move(irq_work_.front()));
        irq_work_.pop_front();
        const IrqWork& work = irq_work_running_.back();
        run_irq(kIrqEntry, kIrqExit, 0, work.cause, prices.irq_entry, &work.body, false);
        irq_work_running_.pop_back();
    } else {
        const AcknowledgedInterrupt taken = apic_.acknowledge(clock_.now());
        ++counters_.interrupts;
        ipi_sync_.acquire(*this);
        run_irq(kIrqEntry, kIrqExit, taken.vector, taken.cause, prices.irq_entry, nullptr, taken.spurious);
    }
}

void Cpu::run_irq(const RecordKind& entry, const RecordKind& exit, std::uint8_t vector, const Cause& cause,
                  const Price& entry_price, const Thread::Body* body, bool spurious) {
    Thread& thread = *current_;
    const Cause outer_cause = thread.cause_;
    ChoiceContext* const outer_context = context_;
    const Time began = clock_.now();
    const bool is_nmi = &entry == &kNmiEntry;
    const bool were_enabled = irqs_enabled_;
    const Code outer_code = set_code(Code::kOther);

    irqs_enabled_ = false;
    if (irq_depth_ == irq_contexts_.size()) {
        if (irq_depth_ == kMaxContexts)
            fail(checks::kIrqContext, fmt::format("interrupts nested {} deep", irq_depth_));
        irq_contexts_.emplace_back(mix(name_hash("cpu irq"), id_ * kMaxContexts + irq_depth_));
    }
    context_ = &irq_contexts_[irq_depth_++];
    const std::uint64_t root = mix(cause.root, vector + 1u);
    context_->begin(root);
    RecordId record;
    if (is_nmi)
        record = record_caused(cause.record, entry);
    else
        record = record_caused(cause.record, entry, vector);
    thread.cause_ = Cause{record, root};
    drain_stores();
    {
        const Frame frame(*this, is_nmi ? "NMI" : "interrupt");
        pay(entry_price);
        if (body) {
            machine_.kernel().begin_foreign_irq(*this);
            (*body)(*this);
            irqs_enabled_ = false;
            machine_.kernel().end_foreign_irq(*this);
        } else if (is_nmi)
            machine_.kernel().nmi(*this);
        else if (spurious)
            machine_.kernel().spurious_interrupt(*this, vector);
        else
            machine_.kernel().interrupt(*this, vector);
        irqs_enabled_ = false;
        pay(machine_.prices().irq_exit);
    }
    if (is_nmi)
        this->record(exit);
    else
        this->record(exit, vector);
    --irq_depth_;
    (void)set_code(outer_code);
    thread.cause_ = outer_cause;
    context_ = outer_context;
    irqs_enabled_ = were_enabled;
    apic_.fence();  // IRET serialises
    if (irq_depth_ == 0)
        counters_.irq_time += clock_.now() - began;
    // IRET is a window: whatever arrived meanwhile is taken by the caller's loop, in order.
    drain_stores();
    take_turn();
}

void Cpu::irq_enable() {
    if (!held_locks_.empty())
        machine_.lock_checker().irqs_enabled_under_lock(*this);
    irqs_enabled_ = true;
    sync();
}

void Cpu::at(const Site& site) {
    SiteWatcher* const watcher = machine_.site_watcher();
    if (!watcher && !stalls_)
        return;
    ++counters_.points;
    if (stalls_)
        inject_stall({&site});
    take_turn();
    open_window();
    if (!watcher)
        return;
    const Time until = watcher->reached(*this, site);
    if (until > clock_.now())
        hold(site, until);
}

void Cpu::hold(const Site& site, Time until) {
    const std::uint64_t name = machine_.intern(site.name());
    record(kHoldBegin, name);
    count_code(clock_.now());
    const CpuActivity before = activity_;
    activity_ = CpuActivity::kHeld;
    held_at_ = &site;
    wait(until, false);
    held_at_ = nullptr;
    activity_ = before;
    clock_.move_to(engine_.now());
    code_since_ = clock_.now();
    record(kHoldEnd, name);
    open_window();
}

void Cpu::release_hold(Time at) {
    if (activity_ == CpuActivity::kHeld)
        engine_.arm(source_, std::max(at, held_until_));
}

void Cpu::stall(Time until) {
    const Time now = engine_.now();
    if (until <= now || until <= held_until_)
        return;
    const Duration length = until - std::max(now, held_until_);
    held_until_ = until;
    counters_.stalled += length;
    count_code(std::max(now, clock_.now()));
    code_since_ = std::max(code_since_, until);
    stream_.emit(emitter_, std::max(now, clock_.now()), kStall, RecordId{}, ps(until));
    if (!engine_.armed(source_))
        return;
    const Time armed = engine_.armed_for(source_);
    engine_.arm(source_, shift_on_stall_ && !interrupted_ ? armed + length : std::max(armed, until));
}

bool Cpu::stalls_here(const Site* site) {
    if (site)
        return machine_.stall_places().contains(*site);
    return machine_.stall_places().contains(doing());
}

const char* Cpu::doing() const {
    const std::size_t frames = std::min(current_->frame_count_, kMaxFrames);
    return frames == 0 ? "thread level" : current_->frames_[frames - 1];
}

void Cpu::inject_stall(const InterleavingPoint& point) {
    const MachineConfig& config = machine_.config();
    if (config.stall_places_one_in != 1 && !stalls_here(point.site))
        return;
    if (Strategy* const strategy = machine_.choices().strategy())
        strategy->at_point(*this, point);
    if (!machine_.choices().one_in(sites::kStallAtPoint, *context_, config.stall_one_in))
        return;
    const std::uint64_t length = 1 + draw(sites::kStallLength, static_cast<std::uint64_t>(config.max_stall.count()));
    counters_.stalled += Duration{static_cast<std::int64_t>(length)};
    const Time until = clock_.now() + Duration{static_cast<std::int64_t>(length)};
    record(kStall, ps(until));
    count_code(clock_.now());
    clock_.delay(until - clock_.now());
    code_since_ = clock_.now();
}

WakeReason Cpu::halt(unsigned c_state) { return sleep(c_state, false); }

WakeReason Cpu::mwait(unsigned c_state, bool break_on_interrupt) { return sleep(c_state, break_on_interrupt); }

void Cpu::monitor(CacheLine& line) {
    sync();
    if (monitored_)
        monitored_->remove_monitor(*this);
    monitored_ = &line;
    line.add_monitor(*this);
    // A store that is not visible yet triggers when it is; waking too often is allowed, too rarely is not.
    monitor_triggered_ = weak_memory_ && clock_.now() <= line.free_at() + machine_.config().max_staleness;
}

WakeReason Cpu::sleep(unsigned c_state, bool break_on_interrupt) {
    require(!irqs_enabled_, "idle entered with interrupts enabled");
    if (irq_depth_ != 0 || current_ != idle_thread_)
        fail(checks::kIrqContext, "idle entered from an interrupt or from a thread that is not the idle thread");
    if (!held_locks_.empty())
        fail(checks::kLockIdle, fmt::format("{} held into idle", held_locks_.back()->name()));
    const CState& state = machine_.config().c_states.at(c_state);
    sync();
    at(sites::kIdleDecide);
    drain_stores();
    ++counters_.idle_entries;
    std::optional<WakeReason> reason = wake_reason();
    if (!reason) {
        irqs_in_a_row_ = 0;
        const Time decided = clock_.now();
        const std::uint64_t name = machine_.c_state_names_[c_state];
        record(kIdleEnter, name);
        activity_ = CpuActivity::kIdle;
        c_state_ = c_state;
        idle_since_ = decided;
        not_before_ = decided + state.entry_latency;
        const bool stops_timer = apic_.stops_in_c1() || (state.deep && !machine_.config().arat);
        const bool stops_tsc = state.deep && tsc_.stops_in_deep_idle();
        const bool stops_hpet = machine_.deepest_stops_hpet(c_state);
        if (stops_timer || stops_tsc || stops_hpet || machine_.site_watcher()) {
            // What arrives before the commit wakes after it (MA 9.2), so the way to the commit is not interruptible.
            wait(not_before_, false);
            clock_.move_to(engine_.now());
            if (stops_tsc)
                tsc_.enter_deep_idle(clock_.now(), cause());
            if (stops_timer)
                apic_.freeze(clock_.now());
            if (stops_hpet)
                machine_.enter_package_idle(clock_.now());
            at(sites::kIdleCommit);
        }
        if (!wake_reason())
            wait(kNever, true);
        clock_.move_to(engine_.now());
        not_before_ = kBoot;
        if (stops_tsc)
            tsc_.exit_deep_idle(clock_.now(), cause());
        if (stops_timer)
            apic_.thaw(clock_.now());
        if (stops_hpet)
            machine_.exit_package_idle(clock_.now());
        ++counters_.wakeups;
        counters_.residency[c_state] += clock_.now() - decided;
        idle_since_ = kNever;
        // Another CPU's write or a scenario step may have ended the sleep without leaving anything to do.
        reason = wake_reason().value_or(WakeReason::kWork);
        const RecordId woken_by = wake_cause(*reason);
        if (state.exit_latency != Duration::zero()) {
            wait(clock_.now() + state.exit_latency, false);
            clock_.move_to(engine_.now());
        }
        activity_ = CpuActivity::kRunning;
        record_caused(woken_by, kIdleExit, name, machine_.wake_reason_names_[static_cast<std::size_t>(*reason)]);
    }
    if (monitored_) {
        monitored_->remove_monitor(*this);
        monitored_ = nullptr;
    }
    if (!break_on_interrupt)
        irqs_enabled_ = true;
    open_window();
    return *reason;
}

std::optional<WakeReason> Cpu::wake_reason() const {
    if (has_runnable() || machine_.busy_until(id_) > clock_.now())
        return WakeReason::kWork;
    if (monitored_ && monitor_triggered_)
        return WakeReason::kMonitor;
    if (interrupt_pending())
        return WakeReason::kInterrupt;
    return std::nullopt;
}

RecordId Cpu::wake_cause(WakeReason reason) const {
    switch (reason) {
        case WakeReason::kMonitor:
            return wake_cause_.record;
        case WakeReason::kWork:
            return runnable_.empty() ? RecordId{} : runnable_.front()->wake_cause_.record;
        case WakeReason::kInterrupt:
            break;
    }
    if (nmi_pending_)
        return nmi_cause_.record;
    if (!irq_work_.empty())
        return irq_work_.front().cause.record;
    return apic_.deliverable() ? apic_.pending_cause().record : RecordId{};
}

Duration Cpu::residency(std::size_t c_state) const {
    const Duration ended = counters_.residency[c_state];
    const bool asleep = idle_since_ != kNever && c_state_ == c_state;
    return asleep ? ended + std::max(Duration::zero(), engine_.now() - idle_since_) : ended;
}

Duration Cpu::timer_code_time() const {
    const bool inside = current_->code_ == Code::kTimer && activity_ != CpuActivity::kHeld;
    return inside ? counters_.timer_code + std::max(Duration::zero(), engine_.now() - code_since_)
                  : counters_.timer_code;
}

Duration Cpu::offline_time() const {
    const bool off = activity_ == CpuActivity::kOffline;
    return off ? offline_ + std::max(Duration::zero(), engine_.now() - offline_since_) : offline_;
}

void Cpu::run_user(Time until) {
    require(irqs_enabled_, "user mode entered with interrupts disabled");
    work_arrived_ = false;
    pay(machine_.prices().user_entry);
    // Not the count of those in a row: it starts anew.
    const Time irqs_before = last_irq_end_;
    sync();
    // An interrupt on the way may have left work for the kernel's exit path (a softirq): that is asked again first.
    if (last_irq_end_ != irqs_before || has_runnable() || work_arrived_ || until <= clock_.now())
        return;
    const Time began = clock_.now();
    irqs_in_a_row_ = 0;
    activity_ = CpuActivity::kUser;
    record(kUserEnter);
    wait(until, true);
    clock_.move_to(engine_.now());
    activity_ = CpuActivity::kRunning;
    record(kUserExit);
    counters_.user_time += clock_.now() - began;
    if (interrupt_pending())
        take_interrupts();
}

Cause Cpu::set_cause(const Cause& cause) {
    const Cause before = current_->cause_;
    current_->cause_ = cause;
    return before;
}

Code Cpu::set_code(Code code) {
    const Code before = current_->code_;
    if (code != before) {
        count_code(clock_.now());
        current_->code_ = code;
    }
    return before;
}

void Cpu::count_code(Time until) {
    if (until <= code_since_)
        return;
    if (current_->code_ == Code::kTimer)
        counters_.timer_code += until - code_since_;
    code_since_ = until;
}

std::uint64_t Cpu::draw(const Site& site, std::uint64_t bound) {
    return machine_.choices().draw(site, *context_, bound);
}

void Cpu::fail(const CheckDecl& check, std::string message) {
    // The message is moved out: what is left on an abandoned stack owns nothing.
    fail_message_ = std::move(message);
    // A CPU that has run ahead does not end the run before what others do earlier.
    if (&check != &checks::kStackOverflow)
        take_turn();
    machine_.fail(check, std::move(fail_message_), id_, last_record_);
    machine_.abandon(current_->fiber_);
}

void Cpu::due(Time) {}

Frame::Frame(Cpu& cpu, const char* name) : thread_(*cpu.current_) {
    if (thread_.frame_count_ < kMaxFrames)
        thread_.frames_[thread_.frame_count_] = name;
    ++thread_.frame_count_;
}

Frame::~Frame() { --thread_.frame_count_; }

}  // namespace ticklab::sim
