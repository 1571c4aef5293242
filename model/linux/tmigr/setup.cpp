// How CPUs and groups come into the hierarchy (TMM 13).
#include <algorithm>

#include "ticklab/model/linux/tmigr/checks.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"
#include "ticklab/model/linux/tmigr/sites.hpp"

namespace ticklab::linux_::tmigr {
using sim::Cpu;
using sim::CpuId;
using sim::Order;

TmigrPlacement::TmigrPlacement(sim::Machine& machine, const TmigrParameters& parameters, RemoteBases& bases)
    : machine_(machine),
      parameters_([&] {
          TmigrParameters p = parameters;
          p.isolated.resize(machine.cpu_count());
          p.nohz_full.resize(machine.cpu_count());
          p.capacities.resize(machine.cpu_count(), kCommonCapacity);
          return p;
      }()),
      bases_(bases),
      geometry_(Geometry::of(machine.cpu_count(), machine.config().node_count, parameters.children)),
      prices_(machine),
      work_(machine),
      setup_mutex_(machine, machine.lock_class("tmigr setup"), "tmigr setup"),
      available_mutex_(machine, machine.lock_class("tmigr available"), "tmigr available"),
      group_lock_class_(machine.lock_class("tmigr group")),
      available_cpus_(machine.cpu_count()),
      joined_(machine.cpu_count()),
      isolated_(parameters_.isolated) {
    sim::LockClass& cpu_lock_class = machine.lock_class("tmigr cpu");
    for (CpuId c = 0; c < machine.cpu_count(); ++c)
        cpus_.emplace_back(machine, cpu_lock_class, c);
}

bool TmigrPlacement::attaches_in(Phase phase) const {
    return phase == (parameters_.changes.attach_in_prepare ? Phase::kPrepare : Phase::kOnline);
}

std::uint32_t TmigrPlacement::capacity_of(CpuId cpu) const {
    return parameters_.changes.capacity_hierarchies ? capacity_of_cpu(cpu) : kCommonCapacity;
}

std::uint32_t TmigrPlacement::capacity_of_cpu(CpuId cpu) const {
    return one_capacity_for_all() ? kCommonCapacity : parameters_.capacities[cpu];
}

bool TmigrPlacement::one_capacity_for_all() const {
    const auto& tickless = parameters_.nohz_full;
    return parameters_.changes.one_hierarchy_for_nohz_full &&
           std::find(tickless.begin(), tickless.end(), true) != tickless.end();
}

Hierarchy& TmigrPlacement::hierarchy_of(CpuId cpu) {
    const std::uint32_t capacity = capacity_of(cpu);
    for (Hierarchy& h : hierarchies_)
        if (h.capacity == capacity)
            return h;
    return hierarchies_.emplace_back(capacity, geometry_.levels(), cpu_count());
}

bool TmigrPlacement::prepare(Cpu& cpu, CpuId target) {
    return !geometry_.enabled() || !attaches_in(Phase::kPrepare) || leaf_of(cpu, cpus_[target]) || attach(cpu, target);
}

bool TmigrPlacement::attach(Cpu& cpu, CpuId target) {
    const Operation operation(*this);
    setup_mutex_.lock(cpu);
    cpus_[target].cpuevt.cpu.write(cpu) = target;
    Hierarchy& h = hierarchy_of(target);
    const bool done =
        parameters_.changes.balanced_nodes ? attach_balanced(cpu, h, target) : attach_unbalanced(cpu, h, target);
    h.cpus[target] = h.cpus[target] || cpus_[target].group.peek();
    setup_mutex_.unlock(cpu);
    return done && cpus_[target].groupmask.peek() != 0;
}

bool TmigrPlacement::attach_balanced(Cpu& cpu, Hierarchy& h, CpuId target) {
    Group* const old_root = h.root;
    if (!set_up(cpu, h, machine_.node_of(target), target, nullptr, false))
        return false;
    return !old_root || h.root == old_root || connect_old_root(cpu, h, [&](Cpu& on, bool activate) {
        return set_up(on, h, old_root->place.read(on).node, std::nullopt, old_root, activate);
    });
}

// Groups

TmigrPlacement::Link TmigrPlacement::get_group(Cpu& cpu, Hierarchy& h, std::uint32_t node, unsigned level,
                                               bool for_old_root) {
    const std::uint32_t wanted = level < geometry_.crossnode() ? node : kNoNode;
    for (Group* g : h.levels[level]) {
        cpu.spend(prices_.walk_step);
        // With two children a group a new root is full at once; the old one has its place reserved.
        const bool room = g->num_children < geometry_.children || (for_old_root && g == h.root);
        if (g->place.read(cpu).node == wanted && room)
            return {g, false};
    }
    cpu.at(sites::kSetupAllocate);
    cpu.spend(prices_.memory_allocate);
    void* const memory = machine_.arena().allocate(cpu, sizeof(Group), sites::kSetupAllocate);
    if (!memory)
        return {};
    const std::string name = "tmigr group " + std::to_string(groups_.size());
    groups_.push_back(std::make_unique<Group>(machine_, group_lock_class_, name, machine_.intern(name)));
    Group& g = *groups_.back();
    g.memory = memory;
    g.place.write(cpu) = GroupPlace{level, wanted};
    g.state.store(cpu, GroupState{}.pack());
    g.next_expiry.write_once(cpu, kKtimeMax);
    g.groupevt.expires.write(cpu) = kKtimeMax;
    g.groupevt.ignore.write_once(cpu, true);
    h.levels[level].push_front(&g);
    cpu.record(kGroupSetRecord, g.object, level, GroupPlace{level, wanted}.node_number());
    return {&g, true};
}

void TmigrPlacement::free_created(Cpu& cpu, Hierarchy& h, std::vector<Link>& links) {
    for (const Link& link : links)
        if (link.created) {
            h.levels[link.group->place.read(cpu).level].remove(link.group);
            machine_.arena().free(cpu, link.group->memory);
            link.group->memory = nullptr;
        }
    links.clear();
}

// Takes the level below the one that failed for one that was set up.
void TmigrPlacement::free_from_below_zero(Cpu& cpu, Hierarchy& h, std::vector<Link>& links) {
    if (links.empty())
        cpu.fail(checks::kSetupBounds, "the lowest level's group could not be allocated");
    free_created(cpu, h, links);
}

bool TmigrPlacement::climb(Cpu& cpu, Hierarchy& h, std::uint32_t node, Group* start, bool mismatch,
                           std::vector<Link>& links) {
    for (unsigned level = start ? start->place.read(cpu).level + 1 : 0; level < geometry_.levels(); ++level) {
        const Link link = get_group(cpu, h, node, level, start != nullptr);
        if (!link.group) {
            if (parameters_.changes.setup_error_bounds)
                free_created(cpu, h, links);
            else
                free_from_below_zero(cpu, h, links);
            return false;
        }
        links.push_back(link);
        if (link.group->parent.load(cpu))
            return true;
        if (h.levels[level].size() == 1 && (!mismatch || level >= geometry_.crossnode()))
            return true;
    }
    free_created(cpu, h, links);
    return false;
}

bool TmigrPlacement::set_up(Cpu& cpu, Hierarchy& h, std::uint32_t node, std::optional<CpuId> target, Group* start,
                            bool activate) {
    const bool mismatch = h.root && h.root->place.read(cpu).node != node;
    std::vector<Link> links;
    if (!climb(cpu, h, node, start, mismatch, links))
        return false;
    if (start)
        links.insert(links.begin(), Link{start, false});
    // From the top down: what is linked last is what makes the chain above it reachable.
    for (std::size_t i = links.size(); i-- > 1;)
        link_group(cpu, h, *links[i - 1].group, *links[i].group, start != nullptr);
    if (target)
        link_cpu(cpu, h, *target, *links.front().group);
    if (start && activate)
        propagate(cpu, *start);
    name_root(h);
    return true;
}

void TmigrPlacement::name_root(Hierarchy& h) {
    for (const auto& level : h.levels)
        if (level.size() == 1 && !level.front()->parent.peek())
            h.root = level.front();
}

// The set-up before 6.19: by the booting CPU's node alone, the old root right after the link that made it one.
bool TmigrPlacement::attach_unbalanced(Cpu& cpu, Hierarchy& h, CpuId target) {
    std::vector<Link> links;
    if (!climb(cpu, h, machine_.node_of(target), nullptr, false, links))
        return false;
    bool done = true;
    for (std::size_t i = links.size(); i-- > 1;) {
        Group& parent = *links[i].group;
        const bool new_root = &parent != h.root && !parent.parent.load(cpu);
        link_group(cpu, h, *links[i - 1].group, parent, false);
        if (!new_root || parent.num_children != children_of_new_root())
            continue;
        Group& old_root = *h.levels[parent.place.read(cpu).level - 1].back();
        done = connect_old_root(cpu, h, [&](Cpu& on, bool activate) {
            link_group(on, h, old_root, parent, true);
            if (activate)
                propagate(on, old_root);
            return true;
        });
    }
    link_cpu(cpu, h, target, *links.front().group);
    name_root(h);
    return done;
}

// Of a root that was linked to once: the one that links, and the old root, for which it was counted in advance.
unsigned TmigrPlacement::children_of_new_root() const {
    if (!root_has_mask())
        return 1;
    return parameters_.changes.link_old_root ? 2 : children_of_new_root_off_by_one();
}

unsigned TmigrPlacement::children_of_new_root_off_by_one() { return 1; }

// The old root

bool TmigrPlacement::executor_is_checked() const { return parameters_.changes.available_executor; }

bool TmigrPlacement::connect_old_root(Cpu& cpu, const Hierarchy& h, sim::FunctionRef<bool(Cpu&, bool)> connect) {
    const CpuId executor = executor_is_checked() ? available_executor(cpu.id(), h) : cpu.id();
    // With nobody awake below it the old root is inactive, and so is the new one.
    if (executor == sim::kNoCpu)
        return connect(cpu, false);
    bool done = false;
    work_.run_on(cpu, executor, [&done, connect](Cpu& on) { done = connect(on, true); });
    return done;
}

CpuId TmigrPlacement::available_executor(CpuId caller, const Hierarchy& h) const {
    const auto fits = [&](CpuId c) { return h.cpus[c] && available_cpus_[c]; };
    if (fits(caller))
        return caller;
    for (CpuId c = 0; c < cpu_count(); ++c)
        if (fits(c))
            return c;
    return sim::kNoCpu;
}

void TmigrPlacement::propagate(Cpu& cpu, Group& old_root) {
    cpu.at(sites::kSetupBeforePropagate);
    if (parameters_.changes.acquire_old_root)
        propagate_if_active(cpu, old_root);
    else if (attaches_in(Phase::kOnline))
        propagate_as_sampled(cpu, old_root);
    else
        propagate_always(cpu, old_root);
}

void TmigrPlacement::propagate_if_active(Cpu& cpu, Group& old_root) {
    // A read-modify-write that changes nothing: who changes the state after it sees the link (play 7).
    const GroupState s = GroupState::unpack(old_root.state.fetch_or(cpu, 0, Order::kFull));
    if (s.active != 0)
        activate_above(cpu, old_root);
}

// By a CPU that is not active itself: what it has read may not hold any more.
void TmigrPlacement::propagate_as_sampled(Cpu& cpu, Group& old_root) {
    const GroupState s = load_state(cpu, old_root);
    cpu.at(sites::kSetupSampled);
    if (s.active != 0)
        activate_above(cpu, old_root);
}

// By a CPU that takes its own activity for that of the old root.
void TmigrPlacement::propagate_always(Cpu& cpu, Group& old_root) {
    if (executor_is_checked() && load_state(cpu, old_root).active == 0)
        cpu.fail(checks::kOldRootInactive, std::string(old_root.lock.name()) + " is inactive");
    activate_above(cpu, old_root);
}

void TmigrPlacement::activate_above(Cpu& cpu, Group& old_root) {
    Walk w;
    w.mask = old_root.groupmask.read_once(cpu);
    walk_from(cpu, &old_root, old_root.parent.load(cpu, Order::kConsume), w,
              [&](Group& group, Group*, Walk& step) { return active_step(cpu, group, step); });
}

}  // namespace ticklab::linux_::tmigr
