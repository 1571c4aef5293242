#include "ticklab/sim/cache_line.hpp"

#include <algorithm>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::sim {
namespace {

std::uint64_t sharer_bit(const Cpu& cpu) { return std::uint64_t{1} << (cpu.id() % 64); }

}  // namespace

// Waits for the line and pays for its transfer.
inline void CacheLine::pay_for(Cpu& cpu, bool hit) {
    const MachinePrices& prices = cpu.machine_.prices();
    if (free_at_ > cpu.clock_.now())
        cpu.clock_.move_to(free_at_);
    if (hit) {
        cpu.pay(prices.cache_hit);
    } else {
        const bool remote = owner_ != kNoCpu && cpu.machine_.node_of(owner_) != cpu.node();
        cpu.pay(remote ? prices.cache_transfer_remote : prices.cache_transfer);
    }
}

void CacheLine::pay_for_read(Cpu& cpu) {
    const bool hit = (sharers_ & sharer_bit(cpu)) != 0;
    pay_for(cpu, hit);
    if (owner_ == kNoCpu)
        owner_ = cpu.id();
    sharers_ |= sharer_bit(cpu);
    if (!hit)
        free_at_ = cpu.clock_.now();
}

void CacheLine::access(Cpu& cpu, bool write, bool read_modify_write) {
    require_live(cpu);
    cpu.sync({nullptr, this, write});
    if (!write) {
        pay_for_read(cpu);
        return;
    }
    pay_for(cpu, owner_ == cpu.id() && sharers_ == sharer_bit(cpu));
    if (read_modify_write)
        cpu.pay(cpu.machine_.prices().atomic_rmw);
    owner_ = cpu.id();
    sharers_ = sharer_bit(cpu);
    free_at_ = cpu.clock_.now();
    for (Cpu** link = &monitors_; *link;) {
        Cpu* const watcher = *link;
        if (watcher == &cpu) {
            link = &watcher->next_monitor_;
            continue;
        }
        *link = watcher->next_monitor_;
        watcher->next_monitor_ = nullptr;
        watcher->monitor_written(free_at_, cpu.cause());
    }
    for (Cpu* poller = pollers_; poller; poller = poller->next_poller_)
        poller->end_wait(free_at_);
}

void CacheLine::read_row(Cpu& cpu, LineRow& row, std::size_t count, const Price& price) {
    Cpu::RowWalk walk{&row, &price, 0, count, true};
    while (walk.next != count) {
        row.line(walk.next).require_live(cpu);
        cpu.begin_point({nullptr, &row.line(walk.next), false});
        if (!cpu.turn_is_now()) {
            cpu.row_walk_ = cpu.irqs_enabled_ ? nullptr : &walk;
            cpu.wait_turn();
            cpu.row_walk_ = nullptr;
            if (!walk.has_turn) {
                walk.has_turn = true;
                continue;
            }
        }
        cpu.open_window();
        cpu.read_next(walk);
    }
}

void CacheLine::require_live(Cpu& cpu) const {
    if (!live()) [[unlikely]]
        cpu.fail(checks::kUseAfterFree, "access to memory that was freed or never initialised");
}

void CacheLine::add_monitor(Cpu& cpu) {
    cpu.next_monitor_ = monitors_;
    monitors_ = &cpu;
}

void CacheLine::remove_monitor(Cpu& cpu) {
    for (Cpu** link = &monitors_; *link; link = &(*link)->next_monitor_)
        if (*link == &cpu) {
            *link = cpu.next_monitor_;
            cpu.next_monitor_ = nullptr;
            return;
        }
}

void CacheLine::add_poller(Cpu& cpu) {
    cpu.next_poller_ = pollers_;
    pollers_ = &cpu;
}

void CacheLine::remove_poller(Cpu& cpu) {
    Cpu** link = &pollers_;
    while (*link != &cpu)
        link = &(*link)->next_poller_;
    *link = cpu.next_poller_;
    cpu.next_poller_ = nullptr;
}

Time CacheLine::transfer_to(Cpu& cpu, Time at) {
    const MachinePrices& prices = cpu.machine_.prices();
    const bool remote = owner_ != kNoCpu && cpu.machine_.node_of(owner_) != cpu.node();
    const Price& price = remote ? prices.cache_transfer_remote : prices.cache_transfer;
    owner_ = cpu.id();
    sharers_ = sharer_bit(cpu);
    // A waiter's clock restarts at the grant, so whole picoseconds are enough; rounded up.
    free_at_ = std::max(at, free_at_) + Duration{price.whole_ps + (price.fraction != 0)};
    return free_at_;
}

}  // namespace ticklab::sim
