// Links of the hierarchy: a child's mask in its parent, and the publication of both (TMM 13.4).
#include "ticklab/model/linux/tmigr/checks.hpp"
#include "ticklab/model/linux/tmigr/placement.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"
#include "ticklab/model/linux/tmigr/sites.hpp"

namespace ticklab::linux_::tmigr {

using sim::Cpu;
using sim::CpuId;
using sim::Order;

bool TmigrPlacement::root_has_mask() const { return parameters_.changes.mask_before_link; }

void TmigrPlacement::prepare_new_root(Cpu& cpu, const Hierarchy& h, Group& root, bool has_old_root) {
    if (!root_has_mask() || root.parent.load(cpu) || &root == h.root || root.num_children != 0)
        return;
    // Before anybody can see it: the mask that it will have in a parent, and the place of the old root in it.
    root.groupmask.write_once(cpu, 1);
    if (has_old_root)
        root.num_children = 1;
}

unsigned TmigrPlacement::take_slot(Cpu& cpu, Group& child, Group& parent, bool from_old_root) {
    unsigned slot = 0;
    // The old root's side has its place in the new root already, for which it was counted in advance.
    if (root_has_mask() && from_old_root && !parent.parent.load(cpu))
        cpu.require(parent.num_children == 2, "a new root has not two children when the old one is linked to it");
    else
        slot = parent.num_children++;
    parent.child_groups[slot] = &child;
    return slot;
}

void TmigrPlacement::link_group(Cpu& cpu, const Hierarchy& h, Group& child, Group& parent, bool from_old_root) {
    if (child.parent.load(cpu))
        cpu.fail(checks::kParent, std::string(child.lock.name()));
    prepare_new_root(cpu, h, parent, true);
    const unsigned slot = take_slot(cpu, child, parent, from_old_root);
    if (root_has_mask())
        mask_then_link(cpu, child, parent, slot);
    else
        link_then_mask(cpu, child, parent, slot);
    const GroupPlace& place = parent.place.read(cpu);
    cpu.record(kConnectChildRecord, child.object, child.groupmask.peek(), parent.object, place.level,
               place.node_number(), h.capacity, parent.num_children);
    cpu.at(sites::kSetupLinked);
}

void TmigrPlacement::mask_then_link(Cpu& cpu, Group& child, Group& parent, unsigned slot) {
    child.groupmask.write_once(cpu, static_cast<ChildMask>(1u << slot));
    publish(cpu, child, parent);
}

// A walk that comes from the child between the two enters the parent with whatever mask the child had (play 6).
void TmigrPlacement::link_then_mask(Cpu& cpu, Group& child, Group& parent, unsigned slot) {
    publish(cpu, child, parent);
    cpu.at(sites::kSetupPublished);
    child.groupmask.write_once(cpu, static_cast<ChildMask>(1u << slot));
}

void TmigrPlacement::publish(Cpu& cpu, Group& child, Group& parent) {
    if (parameters_.changes.publish_parent)
        child.parent.store(cpu, &parent, Order::kRelease);
    else
        publish_unordered(cpu, child, parent);
}

void TmigrPlacement::publish_unordered(Cpu& cpu, Group& child, Group& parent) { child.parent.store(cpu, &parent); }

void TmigrPlacement::link_cpu(Cpu& cpu, const Hierarchy& h, CpuId target, Group& leaf) {
    prepare_new_root(cpu, h, leaf, false);
    const unsigned slot = leaf.num_children++;
    leaf.child_cpus[slot] = target;
    TmigrCpu& tmc = cpus_[target];
    tmc.groupmask.write_once(cpu, static_cast<ChildMask>(1u << slot));
    tmc.group.store(cpu, &leaf, Order::kRelease);
    const GroupPlace& place = leaf.place.read(cpu);
    cpu.record(kConnectCpuRecord, target, tmc.groupmask.peek(), leaf.object, place.level, place.node_number(),
               h.capacity, leaf.num_children);
    cpu.at(sites::kSetupLinked);
}

}  // namespace ticklab::linux_::tmigr
