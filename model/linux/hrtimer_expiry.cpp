// Running high-resolution timers: the interrupt, the softirq and the low-resolution tick (LHR 6, 9); hotplug (LHR 11).
#include <algorithm>
#include <bit>

#include "ticklab/model/linux/hrtimer_records.hpp"
#include "ticklab/model/linux/hrtimers.hpp"
#include "ticklab/model/linux/sites.hpp"

namespace ticklab::linux_ {

using sim::Cause;
using sim::Cpu;
using sim::CpuId;
using sim::Frame;

namespace {

constexpr unsigned kMaxPasses = 3;
constexpr KtimeSpan kLongestHang{100'000'000};

}  // namespace

void Hrtimers::run_timer(Cpu& cpu, HrtimerClockBase& base, Hrtimer& t, Ktime base_now) {
    // Running before inactive: an observer without the lock never takes it for finished (LHR 6.5).
    base.running.write_once(cpu, &t);
    remove(cpu, t, HrtimerState::kInactive, false);
    ++base.cpu_base->expired;
    const HrtimerFunction function = t.function;
    void* const argument = t.argument;
    const std::uint64_t object = t.object;
    const Cause armed_by = t.armed_by;
    const bool soft = base.soft();
    base.cpu_base->lock.release(cpu);
    if (soft)
        cpu.irq_enable();
    cpu.at(sites::kHrtimerBeforeCallback);
    const std::uint64_t root = sim::mix(armed_by.root, object + 5);
    const Cause outer = cpu.set_cause(armed_by);
    const sim::RecordId entry =
        cpu.record_waited(last_exit_[cpu.id()], kHrtimerExpireEntryRecord, object, t.function_name, ns(base_now));
    (void)cpu.set_cause({entry, root});
    cpu.choice_context().begin(root);
    HrtimerRestart restart{};
    {
        const Frame frame(cpu, "hrtimer callback");
        cpu.spend(prices_.callback_call);
        const sim::CodeScope code(cpu, sim::Code::kOther);
        restart = function(cpu, t, argument);
    }
    last_exit_[cpu.id()] = cpu.record(kHrtimerExpireExitRecord, object);
    (void)cpu.set_cause(outer);
    cpu.choice_context().begin(sim::mix(outer.root, object));
    cpu.require(cpu.irqs_enabled() == soft, "a callback returned in another interrupt state");
    cpu.at(sites::kHrtimerAfterCallback);
    cpu.irq_disable();
    base.cpu_base->lock.acquire(cpu);
    if (restart == HrtimerRestart::kRestart && t.state == HrtimerState::kInactive)
        enqueue(cpu, t, base, HrtimerMode{}, false);
    base.running.write_once(cpu, nullptr);
}

void Hrtimers::run_queues(Cpu& cpu, HrtimerCpu& base, Ktime now, std::uint32_t mask) {
    for (std::uint32_t left = base.active_bases & mask; left != 0; left &= left - 1) {
        HrtimerClockBase& clock = base.bases[static_cast<std::size_t>(std::countr_zero(left))];
        const Ktime base_now = now + clock.offset;
        while (!clock.queue.empty() && base_now >= clock.queue.begin()->soft_expires)
            run_timer(cpu, clock, *clock.queue.begin(), base_now);
    }
}

void Hrtimers::look_for_soft(Cpu& cpu, HrtimerCpu& base, Ktime now) {
    if (now < base.softirq_expires_next)
        return;
    base.softirq_expires_next = kKtimeMax;
    base.softirq_activated = true;
    softirqs_.raise(cpu, SoftirqNumber::kHrtimer);
}

void Hrtimers::interrupt(Cpu& cpu) {
    const Frame frame(cpu, "hrtimer interrupt");
    HrtimerCpu& base = cpus_[cpu.id()];
    ++base.nr_events;
    devices_.clear_next_event(cpu);
    base.lock.acquire(cpu);
    const Ktime entry = time_.now(cpu);
    Ktime now = entry;
    for (unsigned pass = 1;; ++pass) {
        base.in_hrtirq = true;
        // Nothing that another CPU could push here is late enough for a CPU that is about to look at its queues.
        base.expires_next = kKtimeMax;
        look_for_soft(cpu, base, now);
        run_queues(cpu, base, now, kHardBases);
        const Hrtimer* timer = nullptr;
        const Ktime next = find_next(base, timer);
        base.expires_next = next;
        base.next_timer = timer;
        base.in_hrtirq = false;
        base.lock.release(cpu);
        {
            const Cause outer = timer ? cpu.set_cause(timer->armed_by) : cpu.cause();
            const bool done = devices_.program(cpu, next, false);
            (void)cpu.set_cause(outer);
            if (done) {
                base.hang_detected = false;
                return;
            }
        }
        base.lock.acquire(cpu);
        now = time_.now(cpu);
        ++base.nr_retries;
        if (pass < kMaxPasses)
            continue;
        ++base.nr_hangs;
        base.hang_detected = true;
        base.lock.release(cpu);
        const KtimeSpan spent = now - entry;
        base.max_hang_time = std::max(base.max_hang_time, spent);
        const Ktime until = now + std::min(spent, kLongestHang);
        cpu.record(kHrtimerHangRecord, spent.count(), ns(until));
        devices_.program(cpu, until, true);
        return;
    }
}

void Hrtimers::softirq_action(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "hrtimer softirq");
    HrtimerCpu& base = cpus_[cpu.id()];
    cpu.irq_disable();
    base.lock.acquire(cpu);
    run_queues(cpu, base, time_.now(cpu), kSoftBases);
    base.softirq_activated = false;
    const Hrtimer* timer = nullptr;
    const Ktime first = first_of(base, kSoftBases, nullptr, timer);
    base.softirq_expires_next = first;
    if (first < base.expires_next && !base.in_hrtirq)
        program(cpu, base, first, timer, true);
    base.lock.release(cpu);
    cpu.irq_enable();
}

void Hrtimers::run_low_res(Cpu& cpu) {
    HrtimerCpu& base = cpus_[cpu.id()];
    if (base.hres_active)
        return;
    base.lock.acquire(cpu);
    const Ktime now = time_.now(cpu);
    look_for_soft(cpu, base, now);
    run_queues(cpu, base, now, kHardBases);
    base.lock.release(cpu);
}

void Hrtimers::switch_to_high_res(Cpu& cpu) {
    devices_.set_handler(cpu, {[](void* self, Cpu& at) { static_cast<Hrtimers*>(self)->interrupt(at); }, this});
    cpus_[cpu.id()].hres_active = true;
}

void Hrtimers::mark_online(CpuId cpu) { cpus_[cpu].online = true; }

void Hrtimers::starting(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    HrtimerCpu& base = cpus_[cpu.id()];
    base.online = true;
    // Before, a stale mode or hang of the last life blocked the device in the next.
    if (!changes_.starting_clears_leftovers)
        return;
    base.active_bases = 0;
    base.hres_active = false;
    base.hang_detected = false;
    base.softirq_activated = false;
    base.next_timer = nullptr;
    base.expires_next = kKtimeMax;
    base.softirq_expires_next = kKtimeMax;
}

void Hrtimers::dying(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "hrtimers dying");
    HrtimerCpu& from = cpus_[cpu.id()];
    const sim::Cpu* const receiver = machine_.first_online(cpu.id());
    cpu.require(receiver, "the last CPU goes off-line");
    HrtimerCpu& to = cpus_[receiver->id()];
    // Two bases are locked nowhere else, and hotplug is serialised: the order needs no rule (LHR 11.6).
    from.lock.acquire(cpu);
    to.lock.acquire_nested(cpu, 1);
    std::uint64_t moved = 0;
    for (std::size_t i = 0; i < kClockBases; ++i) {
        HrtimerClockBase& source = from.bases[i];
        cpu.require(!source.running.peek(), "a callback runs on a CPU that dies");
        while (!source.queue.empty()) {
            Hrtimer& t = *source.queue.begin();
            cpu.record(kHrtimerCancelRecord, t.object);
            // An observer without the lock must not see it inactive.
            remove(cpu, t, changes_.state_kept_in_move ? HrtimerState::kEnqueued : HrtimerState::kInactive, false);
            t.base = &to.bases[i];
            const Cause armed_by = t.armed_by;
            enqueue(cpu, t, to.bases[i], HrtimerMode{}, false);
            t.armed_by = armed_by;
            ++moved;
        }
    }
    const Hrtimer* timer = nullptr;
    if (!to.softirq_activated)
        to.softirq_expires_next = first_of(to, kSoftBases, nullptr, timer);
    remote_.reevaluate_on(cpu, to.cpu);
    from.online = false;
    to.lock.release(cpu);
    from.lock.release(cpu);
    cpu.record(kHrtimersDyingRecord, cpu.id(), to.cpu, moved);
}

}  // namespace ticklab::linux_
