#include "ticklab/model/linux/tick_broadcast.hpp"

#include <algorithm>

#include "ticklab/model/linux/broadcast_records.hpp"
#include "ticklab/model/linux/sites.hpp"
#include "ticklab/model/linux/vectors.hpp"
#include "ticklab/sim/cause_scope.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::CpuId;
using sim::Frame;

TickBroadcast::TickBroadcast(sim::Machine& machine, Timekeeping& time, ClockEvents& devices, Hrtimers& hrtimers,
                             HpetBlock& hpet, const LinuxChanges& changes)
    : machine_(machine),
      time_(time),
      devices_(devices),
      changes_(changes),
      lock_(machine, machine.lock_class("tick broadcast"), "tick broadcast"),
      hpet_(hpet, time.tick()),
      hrtimer_(machine, hrtimers, changes,
               {[](void* self, Cpu& cpu) { static_cast<TickBroadcast*>(self)->interrupt(cpu); }, this}),
      relying_(machine.cpu_count()),
      sleeping_(machine.cpu_count()),
      pending_(machine.cpu_count()),
      forced_(machine.cpu_count()) {
    for (CpuId c = 0; c < machine.cpu_count(); ++c)
        cpus_.emplace_back(lock_);
}

void TickBroadcast::set_up(Cpu& cpu, BroadcastKind kind) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (kind == BroadcastKind::kHpet && hpet_.probe(cpu))
        install(cpu, hpet_);
    if (kind == BroadcastKind::kHrtimer) {
        hrtimer_.set_up(cpu);
        install(cpu, hrtimer_);
    }
}

void TickBroadcast::replace_by_hpet(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const bool irqs = cpu.irq_save();
    if (device_ != &hpet_ && hpet_.probe(cpu))
        install(cpu, hpet_);
    cpu.irq_restore(irqs);
}

void TickBroadcast::install(Cpu& cpu, BroadcastDevice& device) {
    lock_.acquire(cpu);
    if (device_)
        (void)program(cpu, kKtimeMax, cpu.id(), true);
    device_ = &device;
    cpu.record(kBroadcastDeviceRecord, machine_.intern(device.name()));
    if (cpus_[cpu.id()].one_shot && !changes_.broadcast_keeps_mask)
        take_over_periodic_mask(cpu);
    // Those who sleep already rely on the new one.
    if (!collect(cpu))
        next_ = time_.now(cpu);
    if (next_ != kKtimeMax)
        (void)program(cpu, next_, next_cpu_ == sim::kNoCpu ? cpu.id() : next_cpu_, true);
    lock_.release(cpu);
}

// NOHZ-07: the bits of the periodic mode, which stay set, went into the mask of those who sleep, in one-shot mode too.
void TickBroadcast::take_over_periodic_mask(Cpu& cpu) {
    for (CpuId c = 0; c < machine_.cpu_count(); ++c)
        if (c != cpu.id() && relying_.contains(cpu, c))
            (void)sleeping_.add(cpu, c);
}

void TickBroadcast::switch_to_one_shot(Cpu& cpu) { cpus_[cpu.id()].one_shot = true; }

bool TickBroadcast::program(Cpu& cpu, Ktime expires, CpuId target, bool force) {
    const bool done = device_->program(cpu, expires, time_.now(cpu), target, force);
    cpu.record(kBroadcastProgramRecord, ns(expires), device_->target(), done);
    return done;
}

bool TickBroadcast::enter(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "broadcast enter");
    PerCpuState& me = cpus_[cpu.id()];
    lock_.acquire(cpu);
    const bool entered = enter_locked(cpu);
    ++(entered ? me.counters.sleeps : me.counters.refused);
    lock_.release(cpu);
    return entered;
}

bool TickBroadcast::enter_locked(Cpu& cpu) {
    const CpuId c = cpu.id();
    PerCpuState& me = cpus_[c];
    if (!device_ || !me.one_shot || device_->host() == c || forced_.contains(cpu, c))
        return false;
    if (sleeping_.add(cpu, c))
        return true;
    const Ktime own = devices_.next_event(c);
    me.cause = devices_.cause_of(c);
    const sim::CauseScope scope(cpu, me.cause);
    cpu.record(kBroadcastEnterRecord, ns(own));
    if (own < device_->next_event()) {
        (void)program(cpu, own, c, true);
        if (device_->host() == c) {
            // The timer that wakes everybody is this CPU's own now.
            (void)sleeping_.remove(cpu, c);
            cpu.record(kBroadcastExitRecord, c);
            return false;
        }
    }
    me.deadline.write(cpu) = own;
    devices_.shut_down(cpu);
    return true;
}

void TickBroadcast::exit(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "broadcast exit");
    lock_.acquire(cpu);
    if (sleeping_.remove(cpu, cpu.id()))
        exit_locked(cpu);
    lock_.release(cpu);
}

void TickBroadcast::exit_locked(Cpu& cpu) {
    const CpuId c = cpu.id();
    PerCpuState& me = cpus_[c];
    const sim::CauseScope scope(cpu, me.cause);
    me.deadline.write(cpu) = kKtimeMax;
    cpu.record(kBroadcastExitRecord, c);
    devices_.resume(cpu);
    // The interrupt of the device is on its way as an IPI, and its handler programs it.
    if (pending_.remove(cpu, c))
        return;
    const Ktime own = devices_.next_event(c);
    if (own == kKtimeMax)
        return;
    if (own <= time_.now(cpu)) {
        (void)forced_.add(cpu, c);
        ++me.counters.forced;
    } else {
        (void)devices_.program(cpu, own, true);
    }
}

bool TickBroadcast::collect(Cpu& cpu) {
    next_ = kKtimeMax;
    next_cpu_ = sim::kNoCpu;
    due_.clear();
    const Ktime now = time_.now(cpu);
    sleeping_.for_each(cpu, [&](CpuId c) {
        const Ktime wanted = cpus_[c].deadline.read(cpu);
        if (wanted <= now) {
            due_.push_back(c);
        } else if (wanted < next_) {
            next_ = wanted;
            next_cpu_ = c;
        }
    });
    return due_.empty();
}

bool TickBroadcast::deliver(Cpu& cpu) {
    for (const CpuId c : due_)
        (void)pending_.add(cpu, c);
    // Who handles this interrupt needs no other.
    (void)pending_.remove(cpu, cpu.id());
    forced_.take_each(cpu, [&](CpuId c) { due_.push_back(c); });
    bool mine = false;
    for (const CpuId c : due_) {
        cpu.record(kBroadcastWakeRecord, c);
        if (c == cpu.id()) {
            mine = true;
            continue;
        }
        ++cpus_[c].counters.woken;
        const sim::CauseScope scope(cpu, {cpu.cause().record, cpus_[c].cause.root});
        cpu.send_ipi(c, kLocalTimerVector);
    }
    due_.clear();
    return mine;
}

void TickBroadcast::interrupt(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "broadcast interrupt");
    ++cpus_[cpu.id()].counters.interrupts;
    bool mine = false;
    lock_.acquire(cpu);
    for (bool again = true; again;) {
        device_->expired();
        (void)collect(cpu);
        mine = deliver(cpu) || mine;
        again = false;
        if (next_ != kKtimeMax) {
            const sim::CauseScope scope(cpu, cpus_[next_cpu_].cause);
            again = !program(cpu, next_, next_cpu_, false);
        }
    }
    lock_.release(cpu);
    cpu.at(sites::kBroadcastHandled);
    // The interrupt that a timer's callback is part of runs what is due anyway.
    if (mine && !device_->hosted())
        devices_.interrupt(cpu);
}

void TickBroadcast::dying(Cpu& cpu) {
    const CpuId c = cpu.id();
    lock_.acquire(cpu);
    for (sim::CpuSet* const mask : {&relying_, &sleeping_, &pending_, &forced_})
        (void)mask->remove(cpu, c);
    cpus_[c].one_shot = false;
    const sim::Cpu* const heir = machine_.first_online(c);
    cpu.require(heir, "the last CPU goes off-line");
    // What the device sent here already is lost with the CPU: it is asked again, by way of the heir.
    if (device_ && device_->host() == sim::kNoCpu && device_->target() == c && device_->next_event() != kKtimeMax)
        (void)program(cpu, device_->next_event(), heir->id(), true);
    lock_.release(cpu);
}

void TickBroadcast::pull_from(Cpu& cpu, CpuId dead) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const bool irqs = lock_.acquire_irqsave(cpu);
    if (device_ && device_->host() == dead)
        (void)program(cpu, device_->next_event(), cpu.id(), true);
    lock_.release_restore(cpu, irqs);
}

KtimeSpan TickBroadcast::delay() const {
    const sim::MachineConfig& config = machine_.config();
    sim::Duration latency{};
    for (const sim::CState& s : config.c_states)
        latency = std::max(latency, s.entry_latency + s.exit_latency);
    // For each CPU that sleeps: its bits in three masks, its deadline, an IPI; and the device's registers.
    constexpr std::uint64_t kAccessesACpu = 8;
    constexpr std::uint64_t kDeviceAccesses = 8;
    const sim::MachinePrices& p = machine_.prices();
    const std::uint64_t cycles =
        (p.ipi_send.cycles.count + kAccessesACpu * p.cache_transfer_remote.cycles.count) * config.cpu_count +
        kDeviceAccesses * p.mmio_hpet.cycles.count;
    const auto handler = static_cast<std::int64_t>(sim::UInt128{cycles} * 1'000'000'000'000 / config.nominal_hz);
    // Twice: the handler may wait for one that programs the device, and have to look again.
    return std::chrono::ceil<KtimeSpan>(latency + 2 * sim::Duration{handler}) +
           2 * HpetClockEvent::least_delta(config.hpet_period_fs);
}

}  // namespace ticklab::linux_
