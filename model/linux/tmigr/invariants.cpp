#include "ticklab/model/linux/tmigr/invariants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "ticklab/model/linux/tmigr/checks.hpp"

namespace ticklab::linux_::tmigr {
namespace {

using sim::CpuId;

/// The first that asks for something: one for kKtimeMax stands for nothing (TMM 8.9).
const Event* first_event(const Group& g) {
    for (const Event& e : g.events.peek())
        if (!e.ignore.peek() && e.expires.peek() != kKtimeMax)
            return &e;
    return nullptr;
}

bool contains(const Group& g, const Event& e) {
    return std::any_of(g.events.peek().begin(), g.events.peek().end(), [&](const Event& x) { return &x == &e; });
}

bool awake(const TmigrCpu& c) { return c.available.peek() && !c.idle.peek(); }

std::optional<Broken> check_state(const Group& g) {
    const GroupState s = g.peek_state();
    if (!s.consistent())
        return Broken{&checks::kMigrator,
                      fmt::format("{}: active {:#x}, migrator {:#x}", g.lock.name(), s.active, s.migrator)};
    for (const Event& e : g.events.peek())
        if (!e.ignore.peek() && e.expires.peek() < g.next_expiry.peek())
            return Broken{&checks::kNextExpiry, fmt::format("{}: an event for {} ns, next expiry {} ns", g.lock.name(),
                                                            ns(e.expires.peek()), ns(g.next_expiry.peek()))};
    const Group* const parent = g.parent.peek();
    const Event* const first = first_event(g);
    if (parent && s.active == 0 && first &&
        (g.groupevt.ignore.peek() || !contains(*parent, g.groupevt) ||
         g.groupevt.expires.peek() > first->expires.peek()))
        return Broken{&checks::kUncoveredGroup, fmt::format("{} has an event for {} ns, its own is {} for {} ns",
                                                            g.lock.name(), ns(first->expires.peek()),
                                                            g.groupevt.ignore.peek()        ? "ignored"
                                                            : contains(*parent, g.groupevt) ? "queued"
                                                                                            : "not queued",
                                                            ns(g.groupevt.expires.peek()))};
    return std::nullopt;
}

std::optional<Broken> check_children(const TmigrPlacement& p, const Group& g) {
    const GroupState s = g.peek_state();
    ChildMask used = 0;
    unsigned count = 0;
    const auto child = [&](ChildMask mask, bool active, std::string_view name,
                           std::uint32_t node) -> std::optional<Broken> {
        ++count;
        if (!std::has_single_bit(mask) || (used & mask) != 0)
            return Broken{&checks::kRoots, fmt::format("{}: mask {:#x} of {}", g.lock.name(), mask, name)};
        used |= mask;
        if (((s.active & mask) != 0) != active)
            return Broken{&checks::kActiveBit,
                          fmt::format("{}: active {:#x}, and {} of mask {:#x} is {}", g.lock.name(), s.active, name,
                                      mask, active ? "active" : "inactive")};
        const GroupPlace& place = g.place.peek();
        if (place.level < p.geometry().crossnode() && node != place.node)
            return Broken{&checks::kNodes, fmt::format("{} of node {} has {} of node {}", g.lock.name(),
                                                       place.node_number(), name, GroupPlace{0, node}.node_number())};
        return std::nullopt;
    };
    for (CpuId c = 0; c < p.cpu_count(); ++c)
        if (p.cpu(c).group.peek() == &g)
            if (auto broken =
                    child(p.cpu(c).groupmask.peek(), awake(p.cpu(c)), p.cpu(c).lock.name(), p.machine().node_of(c)))
                return broken;
    for (const auto& other : p.groups())
        if (other->memory && other->parent.peek() == &g)
            if (auto broken = child(other->groupmask.peek(), other->peek_state().active != 0, other->lock.name(),
                                    other->place.peek().node))
                return broken;
    if (count != g.num_children || count > p.geometry().children)
        return Broken{&checks::kRoots, fmt::format("{} counts {} children and has {}, at most {}", g.lock.name(),
                                                   g.num_children, count, p.geometry().children)};
    return std::nullopt;
}

std::optional<Broken> check_cpu(const TmigrCpu& c) {
    if (c.remote || (c.group.peek() && c.cpuevt.cpu.peek() != c.id))
        return Broken{&checks::kRemoteFlag,
                      fmt::format("CPU {}: remote {}, its event is of CPU {}", c.id, c.remote, c.cpuevt.cpu.peek())};
    if (awake(c) && !c.cpuevt.ignore.peek())
        return Broken{&checks::kActiveEvent, fmt::format("CPU {}", c.id)};
    return std::nullopt;
}

std::optional<Broken> check_cover(const TmigrPlacement& p, const TimerView& view, CpuId id) {
    const TmigrCpu& c = p.cpu(id);
    if (!c.available.peek() || !view.settled(id))
        return std::nullopt;
    if (c.idle.peek() != view.base_idle(id))
        return Broken{&checks::kIdleFlag,
                      fmt::format("CPU {}: {} to the hierarchy, {} to its wheel", id, c.idle.peek() ? "idle" : "active",
                                  view.base_idle(id) ? "idle" : "active")};
    const Ktime first = view.first_global(id);
    if (!c.idle.peek() || first == kKtimeMax || first >= view.first_local(id) ||
        view.clock_event(id) <= std::max(first, view.now()))
        return std::nullopt;
    if (c.cpuevt.ignore.peek() || !contains(*c.group.peek(), c.cpuevt) || c.cpuevt.expires.peek() > first)
        return Broken{&checks::kUncoveredCpu,
                      fmt::format("CPU {}: a timer for {} ns, its event is {} for {} ns", id, ns(first),
                                  c.cpuevt.ignore.peek()                ? "ignored"
                                  : contains(*c.group.peek(), c.cpuevt) ? "queued"
                                                                        : "not queued",
                                  ns(c.cpuevt.expires.peek()))};
    return std::nullopt;
}

std::optional<Broken> check_wakeup(const TmigrPlacement& p, const TimerView& view, const Group& root) {
    const Event* const first = first_event(root);
    if (root.peek_state().active != 0 || !first)
        return std::nullopt;
    for (CpuId c = 0; c < p.cpu_count(); ++c)
        if (p.cpu(c).available.peek() && !view.settled(c))
            return std::nullopt;
    const Ktime t = first->expires.peek();
    for (CpuId c = 0; c < p.cpu_count(); ++c)
        if (p.cpu(c).available.peek() && p.cpu(c).idle.peek() && p.cpu(c).wakeup.peek() <= t &&
            view.clock_event(c) <= std::max(t, view.now() + view.tick()))
            return std::nullopt;
    return Broken{&checks::kNobodyWakes, fmt::format("{} has an event for {} ns", root.lock.name(), ns(t))};
}

}  // namespace

std::optional<Broken> check_structure(const TmigrPlacement& p) {
    for (const auto& g : p.groups()) {
        if (!g->memory)
            continue;
        if (auto broken = check_state(*g))
            return broken;
        if (auto broken = check_children(p, *g))
            return broken;
    }
    for (CpuId c = 0; c < p.cpu_count(); ++c)
        if (auto broken = check_cpu(p.cpu(c)))
            return broken;
    for (const Hierarchy& h : p.hierarchies()) {
        std::size_t roots = 0;
        for (const auto& level : h.levels)
            for (const Group* g : level)
                roots += !g->parent.peek();
        if (roots > 1)
            return Broken{&checks::kRoots, fmt::format("{} groups have no parent", roots)};
    }
    return std::nullopt;
}

std::optional<Broken> check_quiet(const TmigrPlacement& p, const TimerView& view) {
    if (auto broken = check_structure(p))
        return broken;
    for (CpuId c = 0; c < p.cpu_count(); ++c)
        if (auto broken = check_cover(p, view, c))
            return broken;
    for (const Hierarchy& h : p.hierarchies())
        if (h.root)
            if (auto broken = check_wakeup(p, view, *h.root))
                return broken;
    return std::nullopt;
}

CpuId responsible_for(const TmigrPlacement& p, CpuId owner) {
    const TmigrCpu& c = p.cpu(owner);
    if (!c.available.peek() || !c.idle.peek())
        return owner;
    const Group* g = c.group.peek();
    while (g && g->peek_state().active == 0)
        g = g->parent.peek();
    if (!g)
        return sim::kNoCpu;
    for (;;) {
        const unsigned slot = static_cast<unsigned>(std::countr_zero(g->peek_state().migrator));
        if (slot >= kMaxChildren)
            return sim::kNoCpu;
        if (!g->child_groups[slot])
            return g->child_cpus[slot];
        g = g->child_groups[slot];
    }
}

}  // namespace ticklab::linux_::tmigr
