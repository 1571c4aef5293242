// In which order recorded acts took place (act_order.hpp): each finds what its record shows.
#include "ticklab/lab/conform/act_order.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace ticklab;
using namespace ticklab::lab;
using linux_::tmigr::GroupState;

namespace {

/// CPUs 0 and 1 in group a, CPU 2 in group b, both below group c.
RecordedTree act_tree() {
    RecordedTree tree;
    const auto connect = [&](const std::string& name, const std::string& below, const std::string& text) {
        FtraceEvent e{1, 0, 0, name};
        read_ftrace_fields(below + " " + text, e);
        tree.note(e);
    };
    connect("tmigr_connect_cpu_parent", "cpu=0", "groupmask=1 parent=a");
    connect("tmigr_connect_cpu_parent", "cpu=1", "groupmask=2 parent=a");
    connect("tmigr_connect_cpu_parent", "cpu=2", "groupmask=1 parent=b");
    connect("tmigr_connect_child_parent", "group=a", "groupmask=1 parent=c");
    connect("tmigr_connect_child_parent", "group=b", "groupmask=2 parent=c");
    return tree;
}

struct ActLine {
    sim::CpuId cpu;
    const char* name;
    const char* fields;
};

std::vector<FtraceEvent> act_events(const std::vector<ActLine>& lines) {
    std::vector<FtraceEvent> events;
    for (const ActLine& l : lines) {
        FtraceEvent e{events.size() + 1, l.cpu, static_cast<std::int64_t>(events.size()) * 1000, l.name};
        read_ftrace_fields(l.fields, e);
        events.push_back(std::move(e));
    }
    return events;
}

std::vector<std::size_t> act_lines(const Reordered& reordered) {
    std::vector<std::size_t> lines;
    for (const FtraceEvent* e : reordered.order)
        lines.push_back(e->line);
    return lines;
}

const char* const kActivation = "tmigr_group_set_cpu_active";
const char* const kDeactivation = "tmigr_group_set_cpu_inactive";
const char* const kSampled = "tmigr_update_events";

}  // namespace

TEST_CASE(
    "records stand in another order than the acts that they tell of: the acts' order is found (TMM 6.2, 7.2, 8.2)") {
    struct Row {
        const char* what;
        std::vector<ActLine> lines;
        std::vector<std::size_t> order;
        std::size_t unsettled;
    };
    const std::vector<Row> rows{
        {"recorded as they took place",
         {{0, kActivation, "group=a lvl=0 active=1 migrator=1 parent=c childmask=1"},
          {0, kActivation, "group=c lvl=1 active=1 migrator=1 parent=0 childmask=1"},
          {1, kActivation, "group=a lvl=0 active=3 migrator=1 parent=c childmask=2"},
          {0, kDeactivation, "group=a lvl=0 active=2 migrator=2 parent=c childmask=1"}},
         {1, 2, 3, 4},
         0},
        {"a deactivation is recorded after the activation that finds the group without a migrator and goes up",
         {{0, kActivation, "group=a lvl=0 active=1 migrator=1 parent=c childmask=1"},
          {0, kActivation, "group=c lvl=1 active=1 migrator=1 parent=0 childmask=1"},
          {1, "tmigr_cpu_active", "cpu=1"},
          {1, kActivation, "group=a lvl=0 active=2 migrator=2 parent=c childmask=2"},
          {1, kActivation, "group=c lvl=1 active=1 migrator=1 parent=0 childmask=1"},
          {0, kDeactivation, "group=a lvl=0 active=0 migrator=ff parent=c childmask=1"},
          {0, kDeactivation, "group=c lvl=1 active=1 migrator=1 parent=0 childmask=1"}},
         {1, 2, 3, 6, 4, 5, 7},
         0},
        {"a sample is recorded after the activation that it has not seen",
         {{0, kActivation, "group=a lvl=0 active=1 migrator=1 parent=c childmask=1"},
          {0, kDeactivation, "group=a lvl=0 active=0 migrator=ff parent=c childmask=1"},
          {1, kActivation, "group=a lvl=0 active=2 migrator=2 parent=c childmask=2"},
          {1, kActivation, "group=c lvl=1 active=1 migrator=1 parent=0 childmask=1"},
          {0, kSampled, "child=0 group=a group_lvl=0 child_active=0 group_active=0"}},
         {1, 2, 5, 3, 4},
         0},
        {"nothing goes before its CPU's event before it: no order explains this sample",
         {{0, kActivation, "group=a lvl=0 active=1 migrator=1 parent=c childmask=1"},
          {0, kDeactivation, "group=a lvl=0 active=0 migrator=ff parent=c childmask=1"},
          {1, kActivation, "group=a lvl=0 active=2 migrator=2 parent=c childmask=2"},
          {1, kActivation, "group=c lvl=1 active=1 migrator=1 parent=0 childmask=1"},
          {0, "timer_start", "timer=1 cpu=0"},
          {0, kSampled, "child=0 group=a group_lvl=0 child_active=0 group_active=0"}},
         {1, 2, 3, 4, 5, 6},
         1},
        {"of two updates of one group the one that is recorded first was first",
         {{0, kActivation, "group=a lvl=0 active=1 migrator=1 parent=c childmask=1"},
          {0, kDeactivation, "group=a lvl=0 active=0 migrator=ff parent=c childmask=1"},
          {1, kActivation, "group=a lvl=0 active=2 migrator=2 parent=c childmask=2"},
          {1, kActivation, "group=c lvl=1 active=1 migrator=1 parent=0 childmask=1"},
          {1, kSampled, "child=0 group=a group_lvl=0 child_active=0 group_active=2"},
          {0, kSampled, "child=0 group=a group_lvl=0 child_active=0 group_active=0"}},
         {1, 2, 3, 4, 5, 6},
         1},
        {"a remote expiry that goes on to the parent was responsible below",
         {{0, kActivation, "group=a lvl=0 active=1 migrator=1 parent=c childmask=1"},
          {1, kActivation, "group=a lvl=0 active=3 migrator=1 parent=c childmask=2"},
          {1, "tmigr_handle_remote", "group=a lvl=0"},
          {1, "tmigr_handle_remote", "group=c lvl=1"},
          {0, kDeactivation, "group=a lvl=0 active=2 migrator=2 parent=c childmask=1"}},
         {1, 2, 5, 3, 4},
         0},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const std::vector<FtraceEvent> events = act_events(row.lines);
        RecordedTree tree = act_tree();
        const Reordered found = order_of_acts(events, tree);
        CHECK(act_lines(found) == row.order);
        CHECK(found.unsettled == row.unsettled);
        CHECK((found.moved == 0) == std::is_sorted(row.order.begin(), row.order.end()));
    }
}

TEST_CASE("events keep their CPU's order, and all acts but those that are counted find what they show (property)") {
    CHECK(rc::check([](std::uint32_t seed, const std::vector<std::uint8_t>& choices) {
        // Four CPUs at one group: what takes place, and when its record is written.
        struct Late {
            std::size_t at;
            FtraceEvent event;
        };
        std::vector<Late> late;
        std::vector<std::size_t> recorded_until(4);
        std::vector<bool> awake(4);
        std::minstd_rand draw(seed);
        GroupState state;
        for (std::size_t i = 0; i < choices.size(); ++i) {
            const auto cpu = static_cast<sim::CpuId>(choices[i] % 4);
            const auto mask = static_cast<linux_::tmigr::ChildMask>(1U << cpu);
            state = awake[cpu] ? deactivated(state, mask, false) : activated(state, mask);
            FtraceEvent e{i + 1, cpu, 0, awake[cpu] ? kDeactivation : kActivation};
            read_ftrace_fields(fmt::format("group=a lvl=0 active={:x} migrator={:x} parent=0 childmask={:x}",
                                           state.active, state.migrator, mask),
                               e);
            awake[cpu] = !awake[cpu];
            // A CPU does not act before its record is written.
            recorded_until[cpu] = std::max(recorded_until[cpu] + 1, 4 * i + draw() % 12);
            late.push_back({recorded_until[cpu], std::move(e)});
        }
        std::stable_sort(late.begin(), late.end(), [](const Late& a, const Late& b) { return a.at < b.at; });
        std::vector<FtraceEvent> events;
        for (Late& l : late) {
            l.event.at_ns = static_cast<std::int64_t>(l.at) * 1000;
            events.push_back(std::move(l.event));
        }

        RecordedTree tree;
        const Reordered found = order_of_acts(events, tree);
        RC_ASSERT(found.order.size() == events.size());
        std::vector<std::size_t> last_line(4);
        std::optional<GroupState> now;
        std::size_t astray = 0;
        for (const FtraceEvent* e : found.order) {
            RC_ASSERT(last_line[e->cpu] < e->line);
            last_line[e->cpu] = e->line;
            const auto mask = static_cast<linux_::tmigr::ChildMask>(e->number("childmask", 16));
            const GroupState shown{static_cast<linux_::tmigr::ChildMask>(e->number("active", 16)),
                                   static_cast<linux_::tmigr::ChildMask>(e->number("migrator", 16))};
            if (now)
                astray += (e->is(kActivation) ? activated(*now, mask) : deactivated(*now, mask, false)) != shown;
            now = shown;
        }
        RC_ASSERT(astray == found.unsettled);
        RC_ASSERT(events.empty() || found.moved != 0U || found.unsettled != 0U ||
                  std::equal(events.begin(), events.end(), found.order.begin(),
                             [](const FtraceEvent& a, const FtraceEvent* b) { return &a == b; }));
    }));
}
