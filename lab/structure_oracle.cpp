#include "ticklab/lab/structure_oracle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "ticklab/lab/check_decls.hpp"

namespace ticklab::lab {
namespace {

constexpr std::string_view kHeap = "heap";
constexpr std::string_view kList = "list";
constexpr std::string_view kInactive = "inactive";

std::string_view name_of(const sim::TimerClient& names, sim::TimerIndex timer) {
    return timer == sim::kNoTimer ? "of the kernel's own" : names.timer_name(timer);
}

}  // namespace

void StructureOracle::timer(sim::CpuId owner, sim::TimerIndex timer, std::string_view where, std::uint64_t position,
                            std::int64_t expires) {
    by_place_.push_back({owner, timer, where, position, expires});
}

void StructureOracle::look(const sim::Kernel& kernel) {
    by_place_.clear();
    kernel.visit(*this);
    by_timer_.clear();
    for (const Entry& e : by_place_)
        if (e.timer != sim::kNoTimer)
            by_timer_.push_back(e);
    std::sort(by_place_.begin(), by_place_.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.owner, a.where, a.position, a.timer) < std::tie(b.owner, b.where, b.position, b.timer);
    });
    std::sort(by_timer_.begin(), by_timer_.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.timer, a.owner, a.where, a.position) < std::tie(b.timer, b.owner, b.where, b.position);
    });
}

std::optional<Finding> StructureOracle::shapes(const sim::TimerClient& names) const {
    for (std::size_t i = 1; i < by_timer_.size(); ++i) {
        const Entry& a = by_timer_[i - 1];
        const Entry& b = by_timer_[i];
        if (a.timer == b.timer)
            return Finding{&checks::kMembership,
                           fmt::format("timer {} is in the {} of CPU {} and in the {} of CPU {}",
                                       names.timer_name(a.timer), a.where, a.owner, b.where, b.owner),
                           a.owner};
    }
    const std::span<const Entry> all = by_place_;
    for (std::size_t begin = 0; begin < all.size();) {
        std::size_t end = begin + 1;
        while (end < all.size() && all[end].owner == all[begin].owner && all[end].where == all[begin].where)
            ++end;
        const std::span<const Entry> place = all.subspan(begin, end - begin);
        std::optional<Finding> finding;
        if (place.front().where == kHeap)
            finding = heap(place, names);
        else if (place.front().where == kList)
            finding = list(place, names);
        if (finding)
            return finding;
        begin = end;
    }
    return std::nullopt;
}

std::optional<Finding> StructureOracle::heap(std::span<const Entry> heap, const sim::TimerClient& names) const {
    const std::uint64_t base = std::min<std::uint64_t>(heap.front().position, 1);
    for (std::size_t i = 0; i < heap.size(); ++i) {
        const Entry& e = heap[i];
        if (e.position != base + i)
            return Finding{&checks::kHeapOrder,
                           fmt::format("timer {} says that it is at {} of the heap of CPU {}, where {} was expected",
                                       name_of(names, e.timer), e.position, e.owner, base + i),
                           e.owner};
        const Entry& parent = heap[i == 0 ? 0 : (i - 1) / 2];
        if (e.expires < parent.expires)
            return Finding{&checks::kHeapOrder,
                           fmt::format("in the heap of CPU {} timer {} at {} expires at {}, before its parent {} at {}",
                                       e.owner, name_of(names, e.timer), e.position, e.expires,
                                       name_of(names, parent.timer), parent.expires),
                           e.owner};
    }
    return std::nullopt;
}

std::optional<Finding> StructureOracle::list(std::span<const Entry> list, const sim::TimerClient& names) const {
    for (std::size_t i = 1; i < list.size(); ++i)
        if (list[i].expires < list[i - 1].expires)
            return Finding{&checks::kListOrder,
                           fmt::format("in the list of CPU {} timer {} expires at {}, before {} in front of it at {}",
                                       list[i].owner, name_of(names, list[i].timer), list[i].expires,
                                       name_of(names, list[i - 1].timer), list[i - 1].expires),
                           list[i].owner};
    return std::nullopt;
}

const StructureOracle::Entry* StructureOracle::find(sim::TimerIndex timer) const {
    const auto it = std::lower_bound(by_timer_.begin(), by_timer_.end(), timer,
                                     [](const Entry& e, sim::TimerIndex t) { return e.timer < t; });
    return it != by_timer_.end() && it->timer == timer ? &*it : nullptr;
}

std::optional<Finding> StructureOracle::membership(const Obligations& obligations, const sim::TimerClient& names,
                                                   sim::Time now) const {
    if (by_timer_.empty())
        return std::nullopt;
    for (const Entry& e : by_timer_)
        if (e.where != kInactive && e.timer < obligations.timer_count() && obligations.certainly_idle(e.timer))
            return Finding{&checks::kMembership,
                           fmt::format("timer {} is in the {} of CPU {}, and nothing armed it",
                                       names.timer_name(e.timer), e.where, e.owner),
                           e.owner};
    std::optional<Finding> finding;
    obligations.for_each_owed([&](const Owed& owed) {
        // Once it is due it may have been taken out to run.
        if (finding || now >= owed.not_before)
            return;
        const Entry* const entry = find(owed.timer);
        if (!entry || entry->where == kInactive)
            finding = Finding{&checks::kTimerLost,
                              fmt::format("timer {} is due at {} and is in no queue", names.timer_name(owed.timer),
                                          show(owed.not_before)),
                              owed.armed_on};
    });
    return finding;
}

}  // namespace ticklab::lab
