#include "ticklab/model/linux/jiffies.hpp"

#include <limits>

#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/sites.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {
namespace {

constexpr std::uint64_t kPsPerSecond = 1'000'000'000'000;
/// The low 32 bits of jiffies wrap this many seconds after boot.
constexpr std::uint64_t kWrapAfterSeconds = 300;

}  // namespace

Timekeeping::Timekeeping(sim::Machine& machine, unsigned hz)
    : hz_(hz),
      tick_(kNsPerSecond / hz),
      tsc_hz_(machine.config().tsc_hz),
      initial_((std::uint64_t{1} << 32) - kWrapAfterSeconds * hz),
      lock_(machine, machine.lock_class("jiffies lock"), "jiffies lock"),
      jiffies_(initial_.count()),
      next_edge_(tick_.count()),
      update_price_(machine.price("jiffies_update")) {}

Ktime Timekeeping::from_tsc(std::uint64_t tsc) const {
    if (static_cast<std::int64_t>(tsc - last_tsc_) < 0)
        tsc = last_tsc_;
    return ktime_at(static_cast<std::int64_t>(sim::UInt128{tsc} * kNsPerSecond / tsc_hz_));
}

JiffiesPair Timekeeping::pair(sim::Cpu& cpu) {
    for (;;) {
        const std::uint32_t before = sequence_.load(cpu, sim::Order::kAcquire);
        if ((before & 1) != 0) {
            sim::spin_until(cpu, sequence_.line(), [this] { return (sequence_.peek() & 1) == 0; });
            continue;
        }
        const JiffiesPair pair{Jiffies{jiffies_.read_once(cpu)}, ktime_at(last_update_.read_once(cpu))};
        if (sequence_.load(cpu, sim::Order::kAcquire) == before)
            return pair;
    }
}

void Timekeeping::advance(sim::Cpu& cpu, std::uint64_t ticks) {
    sequence_.fetch_add(cpu, 1);
    const std::uint64_t jiffies = jiffies_.peek() + ticks;
    const std::int64_t edge = last_update_.peek() + static_cast<std::int64_t>(ticks) * tick_.count();
    jiffies_.write_once(cpu, jiffies);
    last_update_.write_once(cpu, edge);
    cpu.at(sites::kJiffiesBeforeEdge);
    next_edge_.store(cpu, edge + tick_.count(), sim::Order::kRelease);
    sequence_.fetch_add(cpu, 1);
    cpu.spend(update_price_);
    ++updates_;
    cpu.record(kJiffiesRecord, jiffies, ticks, edge);
}

void Timekeeping::update(sim::Cpu& cpu, Ktime now) {
    if (ns(now) < next_edge_.load(cpu, sim::Order::kAcquire))
        return;
    lock_.acquire(cpu);
    const std::int64_t behind = ns(now) - next_edge_.peek();
    if (behind >= 0)
        advance(cpu, 1 + static_cast<std::uint64_t>(behind / tick_.count()));
    lock_.release(cpu);
    // The wall clock is updated too: from here on no CPU reads less than this.
    if (const std::uint64_t tsc = cpu.read_tsc(); static_cast<std::int64_t>(tsc - last_tsc_) > 0)
        last_tsc_ = tsc;
}

void Timekeeping::periodic(sim::Cpu& cpu) {
    lock_.acquire(cpu);
    advance(cpu, 1);
    lock_.release(cpu);
}

void Timekeeping::periodic_to(sim::Cpu& cpu, Ktime edge) {
    lock_.acquire(cpu);
    if (next_edge_.peek() <= ns(edge))
        advance(cpu, 1);
    lock_.release(cpu);
}

void Timekeeping::set_duty(sim::Cpu& cpu, sim::CpuId to) {
    duty_.write_once(cpu, to);
    cpu.record(kTickDutyRecord, to);
}

Jiffies Timekeeping::jiffies_not_before(sim::Time t) const {
    const std::int64_t whole = std::chrono::ceil<KtimeSpan>(t.time_since_epoch()).count();
    return initial_ + static_cast<std::uint64_t>((whole + tick_.count() - 1) / tick_.count());
}

Ktime Timekeeping::edge_of(Jiffies j) const {
    const sim::Int128 edge = sim::Int128{j - initial_} * tick_.count();
    return edge >= std::numeric_limits<std::int64_t>::max() ? kKtimeMax : ktime_at(static_cast<std::int64_t>(edge));
}

sim::Time Timekeeping::first_at(Ktime t) const {
    if (t <= ktime_at(0))
        return sim::kBoot;
    const auto target = static_cast<std::uint64_t>(ns(t));
    const sim::UInt128 tsc = (sim::UInt128{target} * tsc_hz_ + kNsPerSecond - 1) / kNsPerSecond;
    const sim::UInt128 at = (tsc * kPsPerSecond + tsc_hz_ - 1) / tsc_hz_;
    constexpr auto kHorizon = static_cast<std::uint64_t>(sim::ps(sim::kNever));
    return at >= kHorizon ? sim::kNever : sim::Time{sim::Duration{static_cast<std::int64_t>(at)}};
}

}  // namespace ticklab::linux_
