#include "ticklab/lab/lens/hierarchy_view.hpp"

#include "ticklab/model/linux/tmigr/records.hpp"

namespace ticklab::lab {

namespace tmigr = linux_::tmigr;

bool HierarchyView::knows(const sim::RecordKind& kind) {
    return kind.id >= tmigr::kTmigrRecordKinds.front().id && kind.id <= tmigr::kTmigrRecordKinds.back().id;
}

HierarchyView::Cpu& HierarchyView::cpu(sim::CpuId id) { return cpus_[id]; }

bool HierarchyView::take(const sim::Record& r) {
    switch (r.kind->id) {
        case tmigr::kGroupSetRecord.id: {
            Group& g = groups_[r.unsigned_at(0)];
            g.object = r.unsigned_at(0);
            g.level = r.unsigned_at(1);
            g.node = r.signed_at(2);
            return true;
        }
        case tmigr::kConnectChildRecord.id: {
            Group& g = groups_[r.unsigned_at(0)];
            g.groupmask = r.unsigned_at(1);
            g.parent = r.unsigned_at(2);
            return true;
        }
        case tmigr::kConnectCpuRecord.id: {
            Cpu& c = cpu(static_cast<sim::CpuId>(r.unsigned_at(0)));
            c.mask = r.unsigned_at(1);
            c.leaf = r.unsigned_at(2);
            return false;
        }
        case tmigr::kGroupActiveRecord.id:
        case tmigr::kGroupInactiveRecord.id: {
            Group& g = groups_[r.unsigned_at(0)];
            const Group before = g;
            g.active = r.unsigned_at(3);
            g.migrator = r.unsigned_at(4);
            if (r.kind->id == tmigr::kGroupActiveRecord.id)
                g.events.erase(r.unsigned_at(6));
            return g != before;
        }
        case tmigr::kHandleRemoteRecord.id:
            cpu(r.cpu).handled = r.unsigned_at(0);
            return false;
        case tmigr::kHandleRemoteCpuRecord.id: {
            Cpu& c = cpu(r.cpu);
            c.expires = static_cast<sim::CpuId>(r.unsigned_at(0));
            return std::erase_if(groups_[c.handled].events, [&](const auto& e) { return e.second.cpu == c.expires; }) !=
                   0;
        }
        case tmigr::kRemoteDoneRecord.id: {
            cpu(r.cpu).expires = sim::kNoCpu;
            const auto owner = static_cast<sim::CpuId>(r.unsigned_at(0));
            Group& leaf = groups_[cpu(owner).leaf];
            const Group before = leaf;
            set_event(leaf, cpu(owner).mask, {owner, r.unsigned_at(1)});
            return leaf != before;
        }
        case tmigr::kUpdateEventsRecord.id: {
            const Group before = groups_[r.unsigned_at(1)];
            update_events(r);
            return groups_[r.unsigned_at(1)] != before;
        }
        default:
            return false;
    }
}

void HierarchyView::update_events(const sim::Record& r) {
    Group& group = groups_[r.unsigned_at(1)];
    group.next_expiry_ns = r.unsigned_at(6);
    std::uint64_t mask;
    Event event{};
    if (const std::uint64_t child = r.unsigned_at(0); child != 0) {
        mask = groups_[child].groupmask;
        event = {static_cast<sim::CpuId>(r.unsigned_at(8)), r.unsigned_at(7)};
    } else {
        // A leaf's child is the CPU whose timers are looked at: that of a remote expiry, or the one that looks.
        const sim::CpuId expired = cpu(r.cpu).expires;
        const sim::CpuId owner = expired == sim::kNoCpu ? r.cpu : expired;
        mask = cpu(owner).mask;
        event = {owner, r.unsigned_at(5)};
    }
    set_event(group, mask, r.unsigned_at(5) == kNever ? Event{event.cpu, kNever} : event);
}

void HierarchyView::set_event(Group& group, std::uint64_t child, Event event) {
    if (event.expires_ns == kNever)
        group.events.erase(child);
    else
        group.events.insert_or_assign(child, event);
}

std::vector<const HierarchyView::Group*> HierarchyView::from_the_top() const {
    std::vector<const Group*> list;
    for (const auto& [object, group] : groups_)
        if (group.parent == 0)
            below(group, list);
    return list;
}

void HierarchyView::below(const Group& group, std::vector<const Group*>& list) const {
    list.push_back(&group);
    std::map<std::uint64_t, const Group*> children;
    for (const auto& [object, child] : groups_)
        if (child.parent == group.object)
            children.emplace(child.groupmask, &child);
    for (const auto& [mask, child] : children)
        below(*child, list);
}

}  // namespace ticklab::lab
