#include "ticklab/lab/lens/tmigr_lens.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ticklab/lab/ftrace/ftrace_format.hpp"
#include "ticklab/lab/joined.hpp"

namespace ticklab::lab {
namespace {

constexpr std::array<std::string_view, 4> kGroupColumns{"active", "migrator", "next expiry", "events"};
/// The one kind of the hierarchy that the kernel does not trace.
constexpr std::string_view kRemoteDoneText = "cpu=%d nextevt=%llu";
constexpr std::size_t kNameWidth = 30;
constexpr std::size_t kColumnWidth = 14;

std::string time_text(std::uint64_t ns) {
    if (ns == HierarchyView::kNever)
        return "-";
    const std::string digits = fmt::format("{}.{:06}", ns / 1'000'000, ns % 1'000'000);
    const std::size_t last = digits.find_last_not_of('0');
    return digits.substr(0, digits[last] == '.' ? last : last + 1) + "ms";
}

std::string events_text(const HierarchyView::Group& group) {
    std::vector<std::string> events;
    for (const auto& [mask, event] : group.events)
        events.push_back(fmt::format("{:x}: cpu{} {}", mask, event.cpu, time_text(event.expires_ns)));
    return joined(events, ", ");
}

std::array<std::string, kGroupColumns.size()> cells(const HierarchyView::Group& group) {
    return {fmt::format("{:02x}", group.active),
            group.active == 0 && group.migrator == 0xff ? "NONE" : fmt::format("{:02x}", group.migrator),
            time_text(group.next_expiry_ns), events_text(group)};
}

}  // namespace

void TmigrLens::consume(std::span<const sim::Record> batch) {
    for (const sim::Record& r : batch) {
        if (r.at > to_)
            return;
        if (!HierarchyView::knows(*r.kind))
            continue;
        const HierarchyView before = r.at < from_ ? HierarchyView() : view_;
        if (!view_.take(r) || r.at < from_)
            continue;
        if (!begun_)
            show(before, before);
        begun_ = true;
        const std::string_view format = r.kind->ftrace_format.empty() ? kRemoteDoneText : r.kind->ftrace_format;
        const std::int64_t us = sim::ns_floor(r.at) / 1000;
        print_(fmt::format("{}.{:03}ms [{:03}] {}: {}\n", us / 1000, us % 1000, r.cpu, r.kind->name,
                           ftrace_text(FtraceFormat::of(format), *r.kind, r.operands, *names_, FtraceObjects::kNames)));
        show(before, view_);
    }
}

/// The tree after a step, with arrows at what is not as it was.
void TmigrLens::show(const HierarchyView& before, const HierarchyView& after) const {
    const std::vector<const HierarchyView::Group*> groups = after.from_the_top();
    std::string text = fmt::format("{:{}}", "", kNameWidth);
    for (const std::string_view column : kGroupColumns)
        text += fmt::format("    {:<{}}", column, kColumnWidth);
    const std::uint64_t top =
        groups.empty() ? 0 : (*std::max_element(groups.begin(), groups.end(), [](const auto* a, const auto* b) {
                                 return a->level < b->level;
                             }))->level;
    for (const HierarchyView::Group* group : groups) {
        const auto was = before.groups().find(group->object);
        const auto now = cells(*group);
        const auto then = was == before.groups().end() ? now : cells(was->second);
        text.erase(text.find_last_not_of(' ') + 1);
        text += fmt::format(
            "\n{:<{}}",
            fmt::format("  LVL {} {:{}}{}", group->level, "", 2 * (top - group->level), names_->name(group->object)),
            kNameWidth);
        for (std::size_t i = 0; i < now.size(); ++i)
            text += fmt::format("{}{:<{}}", now[i] == then[i] ? "    " : "--> ", now[i], kColumnWidth);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    print_(text + "\n\n");
}

}  // namespace ticklab::lab
