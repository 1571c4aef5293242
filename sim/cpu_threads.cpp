// Threads on a CPU: switching, sleeping, waking, the idle loop (MA 1, MA 9).
#include <fmt/format.h>

#include <algorithm>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/hotplug.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::sim {

Thread::Thread(std::string name, ThreadClass thread_class, std::uint64_t object)
    : name_(std::move(name)), class_(thread_class), object_(object), choices_(name_hash(name_)) {}

Cpu::Cpu(Machine& machine, CpuId id)
    : machine_(machine),
      engine_(machine.engine()),
      stream_(machine.records()),
      id_(id),
      node_(machine.node_of(id)),
      clock_(CycleLength::of_frequency(machine.config().nominal_hz)),
      jitter_per_1024_(machine.config().jitter_per_1024),
      stalls_(machine.config().stall_one_in != 0),
      emitter_{rank_of(ActivityClass::kCpu, id), id, 0},
      tsc_(machine.records(), emitter_, machine.config().tsc_hz, machine.config().tsc_class),
      deadline_clock_(tsc_),
      apic_(machine.apic_bus(), id, *this) {
    apic_.set_deadline_clock(deadline_clock_);
    tsc_.add_listener(*this);
    source_ = engine_.add(ActivityClass::kCpu, *this);
    rank_ = engine_.rank(source_);
    emitter_ = Emitter{rank_, id, 0};
    weak_memory_ = machine.config().memory_model != MemoryModel::kSequential;
    quantum_ = machine.config().quantum;
    counters_.residency.assign(machine.config().c_states.size(), Duration::zero());
    idle_thread_ =
        &machine.make_thread(*this, fmt::format("idle/{}", id), ThreadClass::kIdle, [](Cpu& cpu) { cpu.idle_loop(); });
    current_ = idle_thread_;
    context_ = &idle_thread_->choices_;
}

Cpu::~Cpu() = default;

void Cpu::start_thread(Thread& thread) {
    thread.cpu_ = this;
    thread.fiber_.start(machine_.stacks_, &Cpu::thread_entry, &thread);
}

void Cpu::thread_entry(void* argument) {
    Thread& thread = *static_cast<Thread*>(argument);
    Cpu& cpu = *thread.cpu_;
    thread.sync_.acquire(cpu);
    cpu.open_window();
    thread.body_(cpu);
    thread.state_ = ThreadState::kFinished;
    cpu.machine_.finished_.push_back(&thread);
    cpu.switch_thread(cpu.next_thread());
}

void Cpu::power_on(Time at) {
    waiting_for_start_up_ = false;
    clock_.move_to(at);
    if (activity_ == CpuActivity::kOffline) {
        offline_ += clock_.now() - offline_since_;
        if (machine_.config().hpet_stops_in_deep_idle)
            machine_.exit_package_idle(clock_.now());
    }
    // Whatever it was doing when INIT came, it does no more.
    shift_on_stall_ = false;
    store_buffer_.drain(clock_.now());
    nmi_pending_ = in_nmi_ = false;
    current_ = idle_thread_;
    idle_thread_->state_ = ThreadState::kRunning;
    idle_thread_->frame_count_ = 0;
    idle_thread_->code_ = Code::kOther;
    context_ = &idle_thread_->choices_;
    start_thread(*idle_thread_);
    activity_ = CpuActivity::kRunning;
    irqs_enabled_ = false;
    engine_.arm(source_, std::max({at, clock_.now(), held_until_}));
}

void Cpu::init(Time) {
    if (!online_)
        waiting_for_start_up_ = true;
}

void Cpu::start_up(Time at, std::uint8_t, Cause cause) {
    if (!waiting_for_start_up_)
        return;
    idle_thread_->cause_ = cause;
    power_on(at);
    ipi_sync_.acquire(*this);
}

void Cpu::idle_loop() {
    machine_.hotplug().arrive(*this);
    for (;;) {
        if (!online_) {
            play_dead();
            continue;
        }
        if (Thread* next = take_runnable(ThreadClass::kIdle)) {
            switch_thread(*next);
            continue;
        }
        if (machine_.busy_until(id_) > clock_.now()) {
            machine_.kernel().exit_to_user(*this);
            run_user(machine_.busy_until(id_));
            continue;
        }
        machine_.kernel().idle_pass(*this);
    }
}

void Cpu::play_dead() {
    irqs_enabled_ = false;
    if (!held_locks_.empty())
        fail(checks::kLockIdle, fmt::format("{} held off-line", held_locks_.back()->name()));
    sync();
    drain_stores();
    apic_.set_offline(true);
    for (unsigned vector = 0; vector < 256; ++vector)
        if (apic_.irr().test(static_cast<std::uint8_t>(vector)))
            record_caused(apic_.cause_of(static_cast<std::uint8_t>(vector)).record, kIrrLeft, vector);
    machine_.hotplug().depart(*this);
    activity_ = CpuActivity::kOffline;
    offline_since_ = clock_.now();
    if (machine_.config().hpet_stops_in_deep_idle)
        machine_.enter_package_idle(clock_.now());
    // Only a start-up IPI ends this; power_on() starts the idle thread anew.
    wait(kNever, false);
}

Thread* Cpu::take_runnable(ThreadClass above) {
    const auto best = std::min_element(runnable_.begin(), runnable_.end(),
                                       [](const Thread* a, const Thread* b) { return a->class_ < b->class_; });
    if (best == runnable_.end() || (*best)->class_ >= above)
        return nullptr;
    Thread* const thread = *best;
    runnable_.erase(best);
    return thread;
}

Thread& Cpu::next_thread() {
    // Off-line, only the idle thread runs, to its end; what is runnable waits for the CPU to come back.
    Thread* const next = online_ ? take_runnable(ThreadClass::kIdle) : nullptr;
    return next ? *next : *idle_thread_;
}

void Cpu::script_loop() {
    for (;;) {
        while (!script_work_.empty()) {
            const IrqWork& work = script_work_.front();
            current_->cause_ = work.cause;
            context_->begin(work.cause.root);
            work.body(*this);
            script_work_.pop_front();
            machine_.kernel().exit_to_user(*this);
        }
        block();
    }
}

void Cpu::enqueue(Thread& thread) {
    thread.state_ = ThreadState::kRunnable;
    runnable_.push_back(&thread);
}

void Cpu::switch_thread(Thread& next) {
    Thread& previous = *current_;
    if (&previous == &next)
        return;
    ++counters_.thread_switches;
    if (previous.state_ == ThreadState::kRunning) {
        if (previous.class_ == ThreadClass::kIdle)
            previous.state_ = ThreadState::kRunnable;
        else
            enqueue(previous);
    }
    previous.irqs_enabled_ = irqs_enabled_;
    count_code(clock_.now());
    pay(machine_.prices().thread_switch);
    drain_stores();
    record_caused(next.wake_cause_.record, kThreadSwitch, previous.object_, next.object_);
    current_ = &next;
    code_since_ = clock_.now();
    context_ = &next.choices_;
    next.state_ = ThreadState::kRunning;
    irqs_enabled_ = next.irqs_enabled_;
    if (!next.fiber_.started())
        start_thread(next);
    Fiber::switch_to(previous.fiber_, next.fiber_);
}

void Cpu::block() {
    if (irq_depth_ != 0)
        fail(checks::kIrqContext, "a thread cannot sleep in an interrupt");
    if (current_ == idle_thread_)
        fail(checks::kIrqContext, "the idle thread cannot sleep");
    if (!held_locks_.empty())
        fail(checks::kLockSleep, fmt::format("{} is held", held_locks_.back()->name()));
    if (machine_.rcu().in_read_section(*this))
        fail(checks::kIrqContext, "a thread cannot sleep in an RCU read section");
    sync();
    if (!current_->wake_pending_) {
        current_->state_ = ThreadState::kBlocked;
        irqs_in_a_row_ = 0;
        switch_thread(next_thread());
    }
    current_->wake_pending_ = false;
    current_->sync_.acquire(*this);
    current_->cause_ = current_->wake_cause_;
    choice_context().begin(current_->cause_.root);
    drain_stores();
    open_window();
}

void Cpu::yield() {
    sync();
    if (irq_depth_ != 0 || !held_locks_.empty())
        return;
    if (Thread* next = take_runnable(current_->class_))
        switch_thread(*next);
}

void Cpu::wake(Thread& thread) {
    sync();
    Cpu& target = *thread.cpu_;
    thread.wake_cause_ = deferred(thread.choices_.owner());
    thread.wake_cause_.record = record(kThreadWake, thread.object_, target.id_);
    thread.sync_.release_join(*this);
    drain_stores();
    switch (thread.state_) {
        case ThreadState::kNew:
        case ThreadState::kBlocked:
            break;
        case ThreadState::kRunning:
        case ThreadState::kRunnable:
            thread.wake_pending_ = true;
            return;
        case ThreadState::kFinished:
            return;
    }
    target.enqueue(thread);
    if (&target != this) {
        if (target.online_)
            machine_.kernel().kick(*this, target);
        else
            target.work_arrived(clock_.now());
    }
}

CpuSnapshot Cpu::snapshot() const {
    CpuSnapshot s;
    s.cpu = id_;
    s.local_time = clock_.now();
    s.thread = current_->name_;
    s.irqs_enabled = irqs_enabled_;
    s.irq_depth = irq_depth_;
    const std::size_t frames = std::min(current_->frame_count_, kMaxFrames);
    for (std::size_t i = 0; i < frames; ++i)
        s.call_chain.emplace_back(current_->frames_[i]);
    if (frames < current_->frame_count_)
        s.call_chain.push_back(fmt::format("... {} more", current_->frame_count_ - frames));
    for (const SpinLock* lock : held_locks_)
        s.held_locks.emplace_back(lock->name());
    for (const Mutex* mutex : current_->held_mutexes_)
        s.held_locks.emplace_back(mutex->name());
    static constexpr std::array<std::string_view, 6> kActivities{"running", "spinning", "user mode",
                                                                 "idle",    "held",     "off-line"};
    s.activity = kActivities[static_cast<std::size_t>(activity_)];
    if (activity_ == CpuActivity::kIdle)
        s.activity += " " + machine_.config().c_states[c_state_].name;
    if (awaited_.lock)
        s.activity += fmt::format(" on {}", awaited_.lock->name());
    else if (awaited_.cpu)
        s.activity += fmt::format(" for CPU {}", awaited_.cpu->id());
    if (held_at_)
        s.activity += fmt::format(" at {}", held_at_->name());
    if (held_until_ > machine_.now())
        s.activity += ", stalled";
    return s;
}

}  // namespace ticklab::sim
