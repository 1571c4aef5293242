// `ticklab run SCENARIO --lens tmigr`: the tree at each change.
#include "ticklab/lab/lens/tmigr_lens.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

#include "command_line.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/lens/hierarchy_view.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/whole_file.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;

namespace {

const std::string kLensScenarios = source_dir() + "/scenarios/linux/";

/// Feeds records by hand.
struct Hand {
    template <class... Operands>
    bool operator()(sim::CpuId cpu, const sim::RecordKind& kind, Operands... operands) {
        const std::vector<std::uint64_t> words{static_cast<std::uint64_t>(operands)...};
        REQUIRE(words.size() == kind.operand_count);
        return view.take({sim::kBoot, &kind, cpu, {}, {}, {}, words});
    }
    const HierarchyView::Group& group(std::uint64_t object) const { return view.groups().at(object); }
    HierarchyView view;
};

}  // namespace

TEST_CASE("the view of the hierarchy has states, parents and queued events as the records say them (TMM 17)") {
    using namespace linux_::tmigr;
    constexpr std::uint64_t kLeaf = 11, kRoot = 12, kNever = HierarchyView::kNever;
    Hand hand;
    CHECK(hand(0, kGroupSetRecord, kLeaf, 0, 0));
    CHECK(hand(0, kGroupSetRecord, kRoot, 1, -1));
    CHECK(hand(0, kConnectChildRecord, kLeaf, 2, kRoot, 1, -1, 0, 1));
    CHECK_FALSE(hand(0, kConnectCpuRecord, 0, 1, kLeaf, 0, 0, 0, 1));
    CHECK_FALSE(hand(0, kConnectCpuRecord, 1, 2, kLeaf, 0, 0, 0, 2));
    CHECK(hand.view.from_the_top().front()->object == kRoot);
    CHECK(hand.view.from_the_top().back()->parent == kRoot);

    CHECK(hand(0, kGroupActiveRecord, kLeaf, 0, 0, 1, 1, kRoot, 1));
    CHECK_FALSE(hand(0, kGroupActiveRecord, kLeaf, 0, 0, 1, 1, kRoot, 1));
    CHECK(hand(0, kGroupInactiveRecord, kLeaf, 0, 0, 0, 0xff, kRoot, 1));
    // CPU 0 queues its own first timer, and the leaf shows it in the root.
    CHECK(hand(0, kUpdateEventsRecord, 0, kLeaf, 0, 0, 0, 5000, 5000, 0, 0));
    CHECK(hand.group(kLeaf).events.at(1) == HierarchyView::Event{0, 5000});
    CHECK(hand(0, kUpdateEventsRecord, kLeaf, kRoot, 1, 0, 4, 5000, 5000, 5000, 0));
    CHECK(hand.group(kRoot).events.at(2) == HierarchyView::Event{0, 5000});
    // CPU 1 expires it for CPU 0: the event is popped out of the root, and the leaf then shows the next one.
    CHECK_FALSE(hand(1, kHandleRemoteRecord, kRoot, 1));
    CHECK(hand(1, kHandleRemoteCpuRecord, 0, kLeaf, kNever));
    CHECK(hand.group(kRoot).events.empty());
    CHECK(hand(1, kUpdateEventsRecord, 0, kLeaf, 0, 0, 0, 9000, 9000, 0, 0));
    CHECK(hand.group(kLeaf).events.at(1) == HierarchyView::Event{0, 9000});
    CHECK(hand(1, kRemoteDoneRecord, 0, kNever));
    CHECK(hand.group(kLeaf).events.empty());
    // A child that becomes active has its event ignored.
    CHECK(hand(1, kUpdateEventsRecord, 0, kLeaf, 0, 0, 0, 9500, 9500, 0, 0));
    CHECK(hand(1, kGroupActiveRecord, kLeaf, 0, 0, 2, 2, kRoot, 2));
    CHECK(hand.group(kLeaf).events.empty());
    CHECK(hand.group(kLeaf).migrator == 2);
}

TEST_CASE("the view of whole runs keeps what the hierarchy promises of its states (TMM 14.1 M1, M2)") {
    for (const char* const name : {"tmigr-two-nodes", "tmigr-deep", "tmigr-last-leaves", "tmigr-hotplug-storm"}) {
        CAPTURE(name);
        struct Watch final : sim::RecordConsumer {
            void consume(std::span<const sim::Record> batch) override {
                for (const sim::Record& r : batch)
                    view.take(r);
            }
            HierarchyView view;
        } watch;
        std::vector<InputError> errors;
        const ScenarioLoader loader(program_registry());
        const std::optional<Scenario> scenario = loader.load(kLensScenarios + name + ".json", {}, errors);
        REQUIRE(scenario.has_value());
        ExperimentOptions options;
        options.consumers.push_back(&watch);
        Experiment experiment(*scenario, options);
        experiment.run();
        REQUIRE(!watch.view.groups().empty());
        for (const HierarchyView::Group* group : watch.view.from_the_top()) {
            CAPTURE(group->object);
            CHECK((group->active == 0) == (group->migrator == 0xff));
            if (group->active != 0)
                CHECK((group->migrator & group->active) != 0);
            if (group->parent != 0) {
                const HierarchyView::Group& parent = watch.view.groups().at(group->parent);
                CHECK(parent.level == group->level + 1);
                CHECK(((parent.active & group->groupmask) != 0) == (group->active != 0));
            }
        }
    }
}

TEST_CASE("golden text of the tmigr lens: a step, the tree, arrows at what it changed") {
    const Said said = program(
        {"run", kLensScenarios + "tmigr-last-leaves.json", "--lens", "tmigr", "--from", "99ms", "--to", "104ms"});
    CHECK(said.code == 0);
    const std::string text = said.out.substr(0, said.out.find("the last CPU that is awake"));
    const std::string file = source_dir() + "/tests/golden/tmigr-lens.txt";
    if (std::getenv("TICKLAB_REWRITE") != nullptr)
        write_whole_file(file, text);
    const bool same = contents(file) == text;
    CHECK_MESSAGE(same, file, " is out of date: TICKLAB_REWRITE=1 rewrites it");
    CHECK(text.find("--> ") != std::string::npos);
}

TEST_CASE("a lens is cut by --from and --to, and goes with no JSON (TE 1, Limits)") {
    const std::string file = kLensScenarios + "tmigr-all-idle.json";
    CHECK(program({"run", file, "--lens", "tmigr", "--json"}).code == 2);
    CHECK(program({"run", file, "--lens", "wheel"}).code == 2);
    CHECK(program({"run", source_dir() + "/scenarios/xen/range-2008.json", "--lens", "tmigr"}).code == 2);
    const Said local = program({"run", file, "--lens", "tmigr", "--set", "kernel.placement=local"});
    CHECK(local.err.find("only placement \"tmigr\" has one") != std::string::npos);
    const Said none = program({"run", file, "--lens", "tmigr", "--from", "0ms", "--to", "0ms"});
    CHECK(none.code == 0);
    CHECK(none.out.find("LVL") == std::string::npos);
}
